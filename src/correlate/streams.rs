//! The streams of one invocation, over the store that keeps their states: load,
//! analyze, save on condition of the version read; on a conflict load and analyze
//! again.
//!
//! States are first read with [`Consistency::Eventual`]: what is read may be older than
//! what stands there, and that is enough. Whatever a batch adds to what was read is
//! worth a write, which conflicts if it was not the newest: a fault that it opens, but also
//! a proof that a part works, which moves the time of its latest proof whether or not a
//! fault was open in what was read. What brings evidence of a fault and is not worth a
//! write, a copy of what was read before, is analyzed again after a strong read: the fault
//! may be over. What brings neither says nothing that a newer state could contradict. One
//! thing is lost to a read that is too early, as it is to a batch that comes too
//! early: the end of a record that the batch before left open.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::states::StreamState;
use super::stream::{self, BatchAnalysis, StreamAnalyzer};
use crate::batch::{Batch, Source};
use crate::cause::Cause;
use crate::finding::Recovered;
use crate::signature::Matcher;
use crate::state::{Consistency, Item, Key, SaveError, StateError, Store};

/// So often what another execution environment has written meanwhile is analyzed
/// again. Of one stream's batches few are under way at once.
const TRIES: u32 = 5;

/// The streams of an invocation, in the order of first sight.
#[derive(Debug)]
pub struct Streams<'e> {
    matcher: &'e Matcher,
    now: Timestamp,
    streams: Vec<Stream<'e>>,
    places: HashMap<Source, usize>,
    conflicts: u32,
}

#[derive(Debug)]
struct Stream<'e> {
    source: Source,
    /// None of what was delivered by hand, which neither continues a stream nor
    /// disturbs it.
    stored: Option<Stored>,
    analysis: Analysis<'e>,
    /// Its batches bring evidence of something.
    is_fresh: bool,
    over: Vec<Recovered>,
}

/// What was read of a stream.
#[derive(Debug)]
pub struct Analyzed {
    /// By the batches of this invocation.
    pub analysis: BatchAnalysis,
    /// Something was known of it before.
    pub had_state: bool,
    /// What is over by all batches of it.
    pub over: Vec<Recovered>,
    /// The stream, where this invocation brings evidence of a fault, for [`over`].
    pub fresh: Option<Source>,
}

/// What the store has of a stream.
#[derive(Debug)]
struct Stored {
    key: Key,
    version: u64,
    state: Option<StreamState>,
    /// It was the newest when it was read.
    is_newest: bool,
}

#[derive(Debug)]
enum Analysis<'e> {
    UnderWay(Box<StreamAnalyzer<'e>>),
    Done(Box<BatchAnalysis>),
}

impl<'e> Streams<'e> {
    /// None yet. `now` is the time for records that have none.
    pub fn new(matcher: &'e Matcher, now: Timestamp) -> Self {
        Self {
            matcher,
            now,
            streams: Vec::new(),
            places: HashMap::new(),
            conflicts: 0,
        }
    }

    /// Reads the states of those streams of `batches` that are not at hand yet.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn load<S: Store>(
        &mut self,
        store: &S,
        batches: &[Batch<'_>],
    ) -> Result<(), StateError> {
        let mut new: Vec<(&Source, Key)> = Vec::new();
        for Batch { source, .. } in batches {
            if !source.complete && !self.places.contains_key(source) {
                self.places
                    .insert(source.clone(), self.streams.len() + new.len());
                new.push((source, StreamState::key(source)));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = new.iter().map(|(_, key)| key.clone()).collect();
        let items = store.load(&keys, Consistency::Eventual).await?;
        for ((source, key), item) in new.into_iter().zip(items) {
            let stored = Stored::read(key, item.as_ref(), false, self.now)?;
            self.begin(source, Some(stored));
        }
        Ok(())
    }

    /// Takes in a batch of a stream that is at hand, or was delivered by hand; of a
    /// stream that is done it was taken in before. Gives the stream's place.
    pub fn analyze(&mut self, batch: &Batch<'_>) -> usize {
        let known = self.places.get(&batch.source).copied();
        let place = known.unwrap_or_else(|| self.begin(&batch.source, None));
        if let Analysis::UnderWay(analyzer) = &mut self.streams[place].analysis {
            analyzer.analyze(batch, self.now);
        }
        place
    }

    /// Writes what is worth it. Gives the places of the streams whose batches are to be
    /// analyzed again after the newest state, and saved again: another execution
    /// environment has written it meanwhile, or may have.
    ///
    /// # Errors
    /// When one cannot be written, or is written by others again and again.
    pub async fn save<S: Store>(&mut self, store: &S) -> Result<HashSet<usize>, StateError> {
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        let mut again = Vec::new();
        for (place, stream) in self.streams.iter_mut().enumerate() {
            let Some((stored, state, is_fresh)) = stream.finish() else {
                continue;
            };
            let unknown = StreamState::default();
            if state.is_worth_a_write(stored.state.as_ref().unwrap_or(&unknown)) {
                writes.push(state.write(&stored.key, stored.version, self.now)?);
                places.push(place);
            } else if is_fresh && !stored.is_newest {
                again.push(place);
            }
        }
        if !writes.is_empty() {
            let mut conflicts = Vec::new();
            for (place, result) in places.into_iter().zip(store.save(writes).await) {
                match result {
                    Ok(()) => {}
                    Err(SaveError::Conflict) => conflicts.push(place),
                    Err(SaveError::State(error)) => return Err(error),
                }
            }
            if !conflicts.is_empty() {
                self.conflicts += 1;
                if self.conflicts == TRIES {
                    let why = "others write the state of the same log stream again and again";
                    return Err(StateError::Unavailable(why.to_owned()));
                }
                store.back_off(self.conflicts).await;
                again.extend(conflicts);
            }
        }
        if again.is_empty() {
            return Ok(HashSet::new());
        }
        let stored = again
            .iter()
            .filter_map(|place| self.streams[*place].stored.as_ref());
        let keys: Vec<Key> = stored.map(|stored| stored.key.clone()).collect();
        let items = store.load(&keys, Consistency::Strong).await?;
        for ((place, key), item) in again.iter().zip(keys).zip(items) {
            let stored = Stored::read(key, item.as_ref(), true, self.now)?;
            let stream = &mut self.streams[*place];
            *stream = Stream::new(self.matcher, &stream.source, Some(stored));
        }
        Ok(again.into_iter().collect())
    }

    /// What was read of each, in the order of first sight.
    pub fn into_analyses(self) -> impl Iterator<Item = Analyzed> {
        self.streams.into_iter().map(|stream| Analyzed {
            had_state: stream.stored.is_some_and(|it| it.state.is_some()),
            over: stream.over,
            fresh: stream.is_fresh.then_some(stream.source),
            analysis: match stream.analysis {
                Analysis::UnderWay(analyzer) => analyzer.finish().0,
                Analysis::Done(analysis) => *analysis,
            },
        })
    }

    fn begin(&mut self, source: &Source, stored: Option<Stored>) -> usize {
        self.streams.push(Stream::new(self.matcher, source, stored));
        self.streams.len() - 1
    }
}

/// What is over in `sources` by now: what one environment finds broken, another one
/// may have found working again meanwhile, and nothing there yet that it could close.
///
/// # Errors
/// When a state cannot be read.
pub async fn over<S: Store>(
    store: &S,
    sources: &[Source],
    now: Timestamp,
) -> Result<Vec<Recovered>, StateError> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = sources.iter().map(StreamState::key).collect();
    let items = store.load(&keys, Consistency::Strong).await?;
    let mut all = Vec::new();
    for ((source, key), item) in sources.iter().zip(&keys).zip(items) {
        if let Some(state) = StreamState::read(key, item.as_ref(), now)?.value {
            all.extend(stream::over(&state, source));
        }
    }
    Ok(all)
}

impl<'e> Stream<'e> {
    fn new(matcher: &'e Matcher, source: &Source, stored: Option<Stored>) -> Self {
        let state = stored.as_ref().and_then(|stored| stored.state.clone());
        let analyzer = StreamAnalyzer::new(matcher, state.unwrap_or_default(), source.clone());
        Self {
            source: source.clone(),
            stored,
            analysis: Analysis::UnderWay(Box::new(analyzer)),
            is_fresh: false,
            over: Vec::new(),
        }
    }

    /// Ends the analysis that is under way: what the store has, the next state, and
    /// whether the batches bring evidence of anything.
    fn finish(&mut self) -> Option<(&Stored, StreamState, bool)> {
        let stored = self.stored.as_ref()?;
        let done = Analysis::Done(Box::default());
        match std::mem::replace(&mut self.analysis, done) {
            Analysis::UnderWay(analyzer) => {
                let (analysis, state) = analyzer.finish();
                let mut findings = analysis.findings.iter();
                self.is_fresh =
                    findings.any(|one| one.fresh && one.candidates != [Cause::Unrecognised]);
                self.over = stream::over(&state, &self.source);
                self.analysis = Analysis::Done(Box::new(analysis));
                Some((stored, state, self.is_fresh))
            }
            done @ Analysis::Done(_) => {
                self.analysis = done;
                None
            }
        }
    }
}

impl Stored {
    fn read(
        key: Key,
        item: Option<&Item>,
        is_newest: bool,
        now: Timestamp,
    ) -> Result<Self, StateError> {
        let read = StreamState::read(&key, item, now)?;
        Ok(Self {
            key,
            version: read.version,
            state: read.value,
            is_newest,
        })
    }
}
