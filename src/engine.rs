//! The engine: batches in, findings out. Once loaded, pure but for the state that it is handed.

mod streams;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use crate::batch::{Batch, Source};
use crate::incident::correlate::{Effect, NodeState};
use crate::incident::finding::Finding;
use crate::incident::finding::{Recovered, SourceSummary, Unrecognised};
use crate::node::{NamedBy, Node, NodeId};
use crate::record::{self, Folded, Joiner, Record};
use crate::signature::{self, CatalogueError, Kind, Match, Matcher, Signature};

pub use streams::{StreamState, StreamStates};

/// Recognises, joins and correlates.
#[derive(Debug)]
pub struct Engine {
    matcher: Matcher,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the signatures in {path}: {fault}; {}", advice(.fault))]
    Unreadable { path: String, fault: std::io::Error },
    #[error(transparent)]
    Unsound(#[from] CatalogueError),
}

fn advice(fault: &std::io::Error) -> &'static str {
    match fault.kind() {
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "check the path and who may read it",
    }
}

/// What one batch says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    pub findings: Vec<Finding>,
    pub recovered: Vec<Recovered>,
    /// Signature id → records that it recognised as harmless.
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
    pub source: SourceSummary,
}

impl Engine {
    /// The engine with the product's own catalogue.
    pub fn new() -> Result<Self, CatalogueError> {
        signature::builtin().and_then(Self::with)
    }

    /// The engine with the product's own catalogue and, when a path is given,
    /// the signatures of that file.
    ///
    /// # Errors
    /// When the file cannot be read; all faults of what stands in it.
    pub fn load(own: Option<&Path>) -> Result<Self, LoadError> {
        let mut signatures = signature::builtin()?;
        if let Some(path) = own {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|fault| LoadError::Unreadable {
                path: name.clone(),
                fault,
            })?;
            signatures = signature::with_file(signatures, &name, &text)?;
        }
        Ok(Self::with(signatures)?)
    }

    /// The engine with these signatures.
    ///
    /// # Errors
    /// As [`Matcher::new`].
    pub fn with(signatures: Vec<Signature>) -> Result<Self, CatalogueError> {
        Ok(Self {
            matcher: Matcher::new(signatures)?,
        })
    }

    pub fn signatures(&self) -> &[Signature] {
        self.matcher.signatures()
    }

    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Reads one batch after the state that earlier batches of its stream left.
    /// `received` is the time for records that have none.
    pub fn read(
        &self,
        states: &mut StreamStates,
        batch: &Batch<'_>,
        received: Timestamp,
    ) -> Reading {
        let mut reader = self.stream(states, &batch.source);
        reader.read(batch, received);
        let (reading, state) = reader.finish();
        states.settle(&batch.source, state);
        reading
    }

    /// Begins to read what one invocation brings of the stream of `source`.
    pub fn stream(&self, states: &mut StreamStates, source: &Source) -> StreamReader<'_> {
        let state = states.take(source);
        StreamReader {
            joiner: state.joiner,
            reader: NodeReader::resume(self, state.node),
            source: source.clone(),
            events: 0,
        }
    }
}

/// Reads the batches that one invocation brings of one stream: a fold from the
/// stream's state to its next one.
#[derive(Debug)]
pub struct StreamReader<'e> {
    joiner: Joiner<'static>,
    reader: NodeReader<'e>,
    source: Source,
    events: u64,
}

impl StreamReader<'_> {
    /// Takes in one batch. `received` is the time for records that have none.
    pub fn read(&mut self, batch: &Batch<'_>, received: Timestamp) {
        let messages: Vec<Cow<'_, str>> = batch
            .events
            .iter()
            .map(|event| clean(&event.message))
            .collect();
        let mut joiner: Joiner<'_> = std::mem::take(&mut self.joiner);
        self.reader.node.begin_delivery(self.source.complete);
        if !self.source.complete {
            let mut lines = messages.iter().flat_map(|message| record::lines(message));
            let timed = joiner.is_timed() || lines.any(record::starts_timed_record);
            let first_at = batch.events.first().and_then(|event| event.at);
            if let Some(record) = joiner.begin_batch(first_at, timed) {
                self.reader.apply(&record, None);
            }
        }
        for (event, message) in batch.events.iter().zip(&messages) {
            // The agent's own shipper ends a record's event with a line end.
            for line in record::lines(record::without_last(message, b'\n')) {
                if let Some(record) = joiner.line(line, event.at, received) {
                    self.reader.apply(&record, None);
                }
            }
        }
        if !self.source.complete {
            joiner.end_batch();
        }
        self.joiner = joiner.into_owned();
        self.events += batch.events.len() as u64;
        self.reader.node.shrink();
    }

    /// What the batches said, and the state that the next invocation continues.
    pub fn finish(mut self) -> (Reading, StreamState) {
        if self.source.complete
            && let Some(record) = self.joiner.close()
        {
            self.reader.apply(&record, None);
        }
        let node = node_of(&self.source);
        let mut reading = self
            .reader
            .reading(&node, self.joiner.open(), self.source.complete);
        self.joiner.count_open();
        if let Some(open) = self.joiner.open()
            && self.reader.passes_over(open)
        {
            self.reader.node.pass(open);
            self.joiner.close_quiet();
        }
        let named = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        reading.source = SourceSummary {
            account: self.source.account.as_ref().map(ToString::to_string),
            region: self.source.region.as_ref().map(ToString::to_string),
            log_group: named(&self.source.log_group),
            log_stream: named(&self.source.log_stream),
            events: self.events,
            ..reading.source
        };
        self.reader.node.end_batch();
        (reading, StreamState::new(self.joiner, self.reader.node))
    }
}

/// Reads the records of one node, from whatever streams or files they come.
#[derive(Debug, Clone)]
pub struct NodeReader<'e> {
    engine: &'e Engine,
    node: NodeState,
    recovered: Vec<Recovered>,
    benign: BTreeMap<String, u64>,
    records: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl<'e> NodeReader<'e> {
    pub fn new(engine: &'e Engine) -> Self {
        let mut reader = Self::resume(engine, NodeState::default());
        reader.node.begin_delivery(true);
        reader
    }

    fn resume(engine: &'e Engine, mut node: NodeState) -> Self {
        node.begin_batch();
        Self {
            engine,
            node,
            recovered: Vec::new(),
            benign: BTreeMap::new(),
            records: 0,
            oldest: None,
            newest: None,
        }
    }

    /// Takes in one record; `place` is the file it stands in, if any.
    pub fn apply(&mut self, record: &Record<'_>, place: Option<&str>) {
        let folded = Folded::new(record);
        let found = self.engine.matcher.recognise(&folded);
        if self.was_counted(record, found.as_ref()) {
            self.node.apply_counted(&folded, found.as_ref());
            return;
        }
        self.records += 1;
        self.oldest = Some(
            self.oldest
                .map_or(record.at, |oldest| oldest.min(record.at)),
        );
        self.newest = Some(
            self.newest
                .map_or(record.at, |newest| newest.max(record.at)),
        );
        match found {
            Some(found) => {
                let effect = self.node.apply(&folded, &found, place);
                if effect == Effect::Quiet && matches!(found.signature.kind, Kind::Benign) {
                    self.count_benign(&found.signature.id);
                }
                if let Effect::Recovered(recovered) = effect {
                    self.recovered.extend(recovered);
                }
            }
            None if record.level.is_trouble() => self.node.apply_unknown(&folded, place),
            None => {}
        }
        self.node.pass(record);
    }

    /// Whether a record is of INFO or below and says nothing.
    fn passes_over(&self, record: &Record<'_>) -> bool {
        let found = |record| self.engine.matcher.recognise(&Folded::new(record));
        !record.level.is_trouble()
            && found(record).is_none_or(|found| {
                found.signature.kind == Kind::Benign && found.signature.role.is_none()
            })
    }

    /// Whether an earlier invocation counted this record as its batch left it
    /// open, and what came since changes nothing of what it says.
    fn was_counted(&self, record: &Record<'_>, found: Option<&Match<'_>>) -> bool {
        record.as_counted().is_some_and(|earlier| {
            earlier.rest.len() == record.rest.len()
                || self
                    .engine
                    .matcher
                    .recognise(&Folded::new(&earlier))
                    .as_ref()
                    == found
        })
    }

    fn count_benign(&mut self, id: &str) {
        match self.benign.get_mut(id) {
            Some(count) => *count += 1,
            None => {
                self.benign.insert(id.to_owned(), 1);
            }
        }
    }

    /// What the node's log says so far. `open` is a record that more lines may
    /// still continue: it counts as it stands, and is read again when it is whole.
    pub fn reading(&self, node: &Node, open: Option<&Record<'_>>, complete: bool) -> Reading {
        let mut seen = self.clone();
        if let Some(record) = open {
            seen.apply(record, None);
        }
        let findings = seen.node.findings(node, complete);
        let id = findings.first().map_or_else(
            || node.id.to_string(),
            |finding| finding.node.id.to_string(),
        );
        let mut recovered = seen.recovered;
        for over in &mut recovered {
            over.node.clone_from(&id);
        }
        Reading {
            unrecognised: seen.node.unrecognised(),
            findings,
            recovered,
            benign: seen.benign,
            source: SourceSummary {
                records: seen.records,
                oldest: seen.oldest,
                newest: seen.newest,
                ..SourceSummary::default()
            },
        }
    }
}

/// The node a batch's stream or caller names.
pub fn node_of(source: &Source) -> Node {
    let (id, named_by) = match (
        &source.caller_node,
        NodeId::from_stream_name(&source.log_stream),
    ) {
        (Some(id), _) => (id.clone(), NamedBy::Caller),
        (None, Some(id)) => (id, NamedBy::Stream),
        (None, None) => {
            let name = if source.log_stream.is_empty() {
                "unknown"
            } else {
                &source.log_stream
            };
            (NodeId::Unknown(name.into()), NamedBy::Nobody)
        }
    };
    Node {
        id,
        named_by,
        account: source.account.clone(),
        region: source.region.clone(),
    }
}

/// A message as the agent wrote it: UTF-16 read as bytes leaves a NUL between
/// letters; some shippers put the line into a JSON object.
pub fn clean<'m>(message: &'m str) -> Cow<'m, str> {
    let message: Cow<'m, str> = if memchr::memchr(0, message.as_bytes()).is_some() {
        Cow::Owned(message.replace('\0', ""))
    } else {
        Cow::Borrowed(message)
    };
    if message.as_bytes().first() == Some(&b'{')
        && let Some(inner) = wrapped(&message)
    {
        return Cow::Owned(inner);
    }
    message
}

/// The line inside `{"log": …}`, `{"message": …}`, `{"@message": …}` or `{"MESSAGE": …}`.
fn wrapped(message: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Wrapped {
        #[serde(alias = "message", alias = "@message", alias = "MESSAGE")]
        log: String,
    }
    serde_json::from_str::<Wrapped>(message)
        .ok()
        .map(|wrapped| wrapped.log)
}
