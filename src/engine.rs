//! The engine: batches in, findings out. Once loaded, pure but for the state that it is handed.

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
use crate::signature::{self, CatalogueError, Kind, Matcher, Signature};

/// How many streams' states one execution environment keeps.
const MAX_STREAMS: usize = 2048;

/// Recognises, joins and correlates.
#[derive(Debug)]
pub struct Engine {
    matcher: Matcher,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the signatures in {path}: {fault}; check the path and who may read it")]
    Unreadable { path: String, fault: std::io::Error },
    #[error(transparent)]
    Unsound(#[from] CatalogueError),
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

/// What is carried per log stream from batch to batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamState {
    joiner: Joiner<'static>,
    node: NodeState,
    used: u64,
}

/// The states of all streams that this execution environment has seen.
#[derive(Debug, Clone, Default)]
pub struct StreamStates {
    states: BTreeMap<StreamKey, StreamState>,
    uses: u64,
}

/// Account, Region, log group, log stream.
type StreamKey = (String, String, String, String);

/// The state of one stream, kept aside by [`StreamStates::keep`].
#[derive(Debug, Clone)]
pub struct Kept {
    key: StreamKey,
    state: Option<StreamState>,
}

impl StreamStates {
    /// A copy of the state that a batch from `source` would continue.
    pub fn keep(&self, source: &Source) -> Kept {
        let key = stream_key(source);
        let state = self.states.get(&key).cloned();
        Kept { key, state }
    }

    /// Puts a state back as it was kept, so that its batch can be read again.
    pub fn restore(&mut self, kept: Kept) {
        match kept.state {
            Some(state) => {
                self.states.insert(kept.key, state);
            }
            None => {
                self.states.remove(&kept.key);
            }
        }
    }

    fn take(&mut self, key: &StreamKey) -> StreamState {
        self.states.remove(key).unwrap_or_default()
    }

    fn put(&mut self, key: StreamKey, mut state: StreamState) {
        self.uses += 1;
        state.used = self.uses;
        if self.states.len() >= MAX_STREAMS {
            let oldest = self
                .states
                .iter()
                .min_by_key(|(_, state)| state.used)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.states.remove(&oldest);
            }
        }
        self.states.insert(key, state);
    }
}

impl Engine {
    /// The engine with the product's own catalogue.
    pub fn new() -> Result<Self, CatalogueError> {
        signature::builtin().map(Self::with)
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
        Ok(Self::with(signatures))
    }

    /// The engine with these signatures.
    pub fn with(signatures: Vec<Signature>) -> Self {
        Self {
            matcher: Matcher::new(signatures),
        }
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
        let key = stream_key(&batch.source);
        let state = states.take(&key);
        let cleaned: BTreeMap<usize, String> = batch
            .events
            .iter()
            .enumerate()
            .filter_map(|(index, event)| match clean(&event.message) {
                Cow::Owned(cleaned) => Some((index, cleaned)),
                Cow::Borrowed(_) => None,
            })
            .collect();
        let mut joiner: Joiner<'_> = state.joiner;
        let mut reader = NodeReader::resume(self, state.node);
        for (index, event) in batch.events.iter().enumerate() {
            let message = cleaned.get(&index).map_or(&*event.message, String::as_str);
            // The agent's own shipper ends a record's event with a line end.
            let message = record::without_last(message, b'\n');
            for line in record::lines(message) {
                if let Some(record) = joiner.line(line, event.at, received) {
                    reader.apply(&record, None);
                }
            }
        }
        if batch.source.complete
            && let Some(record) = joiner.close()
        {
            reader.apply(&record, None);
        }
        let node = node_of(&batch.source);
        let mut reading = reader.reading(&node, joiner.open(), batch.source.complete);
        reading.source = SourceSummary {
            account: batch.source.account.as_ref().map(ToString::to_string),
            region: batch.source.region.as_ref().map(ToString::to_string),
            log_group: Some(batch.source.log_group.clone()).filter(|name| !name.is_empty()),
            log_stream: Some(batch.source.log_stream.clone()).filter(|name| !name.is_empty()),
            events: batch.events.len() as u64,
            ..reading.source
        };
        if !batch.source.complete {
            states.put(
                key,
                StreamState {
                    joiner: joiner.into_owned(),
                    node: reader.node,
                    used: 0,
                },
            );
        }
        reading
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
        Self::resume(engine, NodeState::default())
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
        self.records += 1;
        self.oldest = Some(
            self.oldest
                .map_or(record.at, |oldest| oldest.min(record.at)),
        );
        self.newest = Some(
            self.newest
                .map_or(record.at, |newest| newest.max(record.at)),
        );
        let folded = Folded::new(record);
        match self.engine.matcher.recognise(&folded) {
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

fn stream_key(source: &Source) -> StreamKey {
    (
        source
            .account
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        source
            .region
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        source.log_group.clone(),
        source.log_stream.clone(),
    )
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
