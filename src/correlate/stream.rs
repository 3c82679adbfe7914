//! From the batches of one stream to what they say: a fold from the stream's
//! state to its next one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::states::StreamState;
use super::{Ingested, NodeState};
use crate::batch::{Batch, Source};
use crate::finding::{Finding, Recovered, SourceSummary, Unrecognised};
use crate::node::{IdSource, Node, NodeId};
use crate::record::unwrap::clean;
use crate::record::{self, Joiner, NormalizedRecord, Record};
use crate::signature::{Kind, Match, Matcher};

/// What one batch says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchAnalysis {
    pub findings: Vec<Finding>,
    pub recovered: Vec<Recovered>,
    /// Signature id → records that it recognised as harmless.
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
    pub source: SourceSummary,
}

/// Analyzes the batches that one invocation brings of one stream: a fold from the
/// stream's state to its next one.
#[derive(Debug)]
pub struct StreamAnalyzer<'e> {
    joiner: Joiner<'static>,
    analyzer: NodeAnalyzer<'e>,
    source: Source,
    events: u64,
}

impl<'e> StreamAnalyzer<'e> {
    /// Begins with the state that earlier batches of the stream left.
    pub fn new(matcher: &'e Matcher, state: StreamState, source: Source) -> Self {
        Self {
            joiner: state.joiner,
            analyzer: NodeAnalyzer::resume(matcher, state.node),
            source,
            events: 0,
        }
    }

    /// Takes in one batch. `received` is the time for records that have none.
    pub fn analyze(&mut self, batch: &Batch<'_>, received: Timestamp) {
        let messages: Vec<Cow<'_, str>> = batch
            .events
            .iter()
            .map(|event| clean(&event.message))
            .collect();
        let mut joiner: Joiner<'_> = std::mem::take(&mut self.joiner);
        self.analyzer.node.begin_delivery(self.source.complete);
        if !self.source.complete {
            let mut lines = messages.iter().flat_map(|message| record::lines(message));
            let timed = joiner.is_timed() || lines.any(record::starts_timed_record);
            let first_at = batch.events.first().and_then(|event| event.at);
            if let Some(record) = joiner.begin_batch(first_at, timed) {
                self.analyzer.ingest(&record, None);
            }
        }
        for (event, message) in batch.events.iter().zip(&messages) {
            // The agent's own shipper ends a record's event with a line end.
            for line in record::lines(record::without_last(message, b'\n')) {
                if let Some(record) = joiner.line(line, event.at, received) {
                    self.analyzer.ingest(&record, None);
                }
            }
        }
        if !self.source.complete {
            joiner.end_batch();
        }
        self.joiner = joiner.into_owned();
        self.events += batch.events.len() as u64;
        self.analyzer.node.shrink();
    }

    /// What the batches said, and the state that the next invocation continues.
    pub fn finish(mut self) -> (BatchAnalysis, StreamState) {
        if self.source.complete
            && let Some(record) = self.joiner.close()
        {
            self.analyzer.ingest(&record, None);
        }
        let node = node_of(&self.source);
        let mut analysis = self
            .analyzer
            .analysis(&node, self.joiner.open(), self.source.complete);
        self.joiner.count_open();
        if let Some(open) = self.joiner.open()
            && self.analyzer.is_benign_info(open)
        {
            self.analyzer.node.observe(open);
            self.joiner.close_quiet();
        }
        let named = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        analysis.source = SourceSummary {
            account: self.source.account.as_ref().map(ToString::to_string),
            region: self.source.region.as_ref().map(ToString::to_string),
            log_group: named(&self.source.log_group),
            log_stream: named(&self.source.log_stream),
            events: self.events,
            ..analysis.source
        };
        self.analyzer.node.end_batch();
        (analysis, StreamState::new(self.joiner, self.analyzer.node))
    }
}

/// Analyzes the records of one node, from whatever streams or files they come.
#[derive(Debug, Clone)]
pub struct NodeAnalyzer<'e> {
    matcher: &'e Matcher,
    node: NodeState,
    recovered: Vec<Recovered>,
    benign: BTreeMap<String, u64>,
    records: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl<'e> NodeAnalyzer<'e> {
    pub fn new(matcher: &'e Matcher) -> Self {
        let mut analyzer = Self::resume(matcher, NodeState::default());
        analyzer.node.begin_delivery(true);
        analyzer
    }

    fn resume(matcher: &'e Matcher, mut node: NodeState) -> Self {
        node.begin_batch();
        Self {
            matcher,
            node,
            recovered: Vec::new(),
            benign: BTreeMap::new(),
            records: 0,
            oldest: None,
            newest: None,
        }
    }

    /// Takes in one record; `place` is the file it stands in, if any.
    pub fn ingest(&mut self, record: &Record<'_>, place: Option<&str>) {
        let folded = NormalizedRecord::new(record);
        let found = self.matcher.recognise(&folded);
        if self.was_counted(record, found.as_ref()) {
            self.node.ingest_counted(&folded, found.as_ref());
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
                let effect = self.node.ingest(&folded, &found, place);
                if effect == Ingested::NoChange && matches!(found.signature.kind, Kind::Benign) {
                    self.count_benign(found.signature.id);
                }
                if let Ingested::Recovered(recovered) = effect {
                    self.recovered.extend(recovered);
                }
            }
            None if record.level.is_trouble() => self.node.ingest_unknown(&folded, place),
            None => {}
        }
        self.node.observe(record);
    }

    /// Whether a record is of INFO or below and says nothing.
    fn is_benign_info(&self, record: &Record<'_>) -> bool {
        let found = |record| self.matcher.recognise(&NormalizedRecord::new(record));
        !record.level.is_trouble()
            && found(record).is_none_or(|found| {
                let signature = found.signature;
                signature.kind == Kind::Benign
                    && signature.role.is_none()
                    && signature.machine.is_empty()
            })
    }

    /// Whether an earlier invocation counted this record as its batch left it
    /// open, and what came since changes nothing of what it says.
    fn was_counted(&self, record: &Record<'_>, found: Option<&Match<'_>>) -> bool {
        record.as_counted().is_some_and(|earlier| {
            earlier.rest.len() == record.rest.len()
                || self
                    .matcher
                    .recognise(&NormalizedRecord::new(&earlier))
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
    pub fn analysis(
        &self,
        node: &Node,
        open: Option<&Record<'_>>,
        complete: bool,
    ) -> BatchAnalysis {
        let mut seen = self.clone();
        if let Some(record) = open {
            seen.ingest(record, None);
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
        BatchAnalysis {
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
    let (id, id_source) = match (
        &source.caller_node,
        NodeId::from_stream_name(&source.log_stream),
    ) {
        (Some(id), _) => (id.clone(), IdSource::Caller),
        (None, Some(id)) => (id, IdSource::Stream),
        (None, None) => {
            let name = if source.log_stream.is_empty() {
                "unknown"
            } else {
                &source.log_stream
            };
            (NodeId::Unknown(name.into()), IdSource::Nobody)
        }
    };
    Node {
        id,
        id_source,
        account: source.account.clone(),
        region: source.region.clone(),
    }
}
