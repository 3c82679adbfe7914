//! From the batches of one stream to what they say: a fold from the stream's
//! state to its next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::states::{StreamState, keep};
use super::{Ingested, NodeState};
use crate::batch::{Batch, Source};
use crate::finding::{Finding, Recovered, SourceSummary, Unrecognised};
use crate::node::{IdSource, Node, NodeId};
use crate::paste;
use crate::record::{
    CLOCK_STEP, Host, Hosts, NormalizedRecord, Origin, Reader, Record, first_time,
};
use crate::signature::{Kind, Match, Matcher};

/// What one batch says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchAnalysis {
    /// What is wrong, on each node.
    pub findings: Vec<Finding>,
    /// What works again.
    pub recovered: Vec<Recovered>,
    /// Signature id → records that it recognised as harmless.
    pub benign: BTreeMap<String, u64>,
    /// The records that no signature knows.
    pub unrecognised: Vec<Unrecognised>,
    /// What was read.
    pub source: SourceSummary,
    /// The nodes that the log is of, as far as it tells them.
    pub nodes: Vec<Node>,
}

/// Analyzes the batches that one invocation brings of one stream: a fold from the
/// stream's state to its next one.
#[derive(Debug)]
pub struct StreamAnalyzer<'e> {
    reader: Reader<'static>,
    analyzer: LogAnalyzer<'e>,
    source: Source,
    events: u64,
}

impl<'e> StreamAnalyzer<'e> {
    /// Begins with the state that earlier batches of the stream left.
    pub fn new(matcher: &'e Matcher, state: StreamState, source: Source) -> Self {
        let mut analyzer = LogAnalyzer::new(matcher, node_of(&source));
        analyzer.resume(state.hosts, state.nodes);
        Self {
            reader: state.reader,
            analyzer,
            source,
            events: 0,
        }
    }

    /// Takes in one batch. `received` is the time for records that have none.
    pub fn analyze(&mut self, batch: &Batch<'_>, received: Timestamp) {
        let mut reader: Reader<'_> = std::mem::take(&mut self.reader);
        let first_at = batch.events.first().and_then(|event| event.at);
        let is_asked = first_at.is_none() || !self.source.complete && !reader.is_timed();
        let first = is_asked.then(|| {
            let mut events = batch.events.iter();
            events.find_map(|event| first_time(&event.message))
        });
        let first = first.flatten();
        // What comes before the first known time was written then.
        let received = first.unwrap_or(received);
        let analyzer = &mut self.analyzer;
        analyzer.begin_delivery(self.source.complete);
        if !self.source.complete {
            let timed = reader.is_timed() || first.is_some();
            reader.begin_batch(first_at, timed, |record| analyzer.ingest(record, None));
        }
        let pasted: Vec<Option<paste::Mended<'_>>> = match self.source.pasted {
            true => (batch.events.iter())
                .map(|event| paste::read(&event.message, |text| analyzer.matcher.begins(text)))
                .collect(),
            false => Vec::new(),
        };
        for (index, event) in batch.events.iter().enumerate() {
            if let Some(Some(pasted)) = pasted.get(index) {
                let before = reader.lines();
                for line in &pasted.lines {
                    line.feed(&mut reader, before, event.at, received, |record| {
                        analyzer.ingest(record, None);
                    });
                }
                continue;
            }
            reader.text(&event.message, event.at, received, |record| {
                analyzer.ingest(record, None);
            });
        }
        if !self.source.complete {
            reader.end_batch();
        }
        for pasted in pasted.iter().flatten().filter(|it| it.broken) {
            self.analyzer.doubt_hosts(pasted.names_several);
        }
        self.reader = reader.into_owned();
        self.events += batch.events.len() as u64;
        self.analyzer.shrink();
    }

    /// What the batches said, and the state that the next invocation continues.
    pub fn finish(mut self) -> (BatchAnalysis, StreamState) {
        let analyzer = &mut self.analyzer;
        if self.source.complete {
            self.reader.close(|record| analyzer.ingest(record, None));
        }
        self.reader
            .close_quiet(|record| analyzer.ingest(record, None));
        let mut analysis = analyzer.analysis(self.reader.open(), self.source.complete);
        self.reader.count_open();
        let named = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        analysis.source = SourceSummary {
            account: self.source.account.as_ref().map(ToString::to_string),
            region: self.source.region.as_ref().map(ToString::to_string),
            log_group: named(&self.source.log_group),
            log_stream: named(&self.source.log_stream),
            events: self.events,
            ..analysis.source
        };
        let (hosts, nodes) = self.analyzer.end_batch();
        let state = StreamState {
            reader: self.reader,
            hosts,
            nodes,
        };
        (analysis, state)
    }
}

/// Analyzes the records of one log, from whatever streams or files they come: of
/// one node, or of several where its lines name several hosts.
#[derive(Debug, Clone)]
pub struct LogAnalyzer<'e> {
    matcher: &'e Matcher,
    /// The node that the stream's name or the caller gives.
    node: Node,
    hosts: Hosts,
    /// In the order of `hosts`; what names no host is the first one's.
    nodes: Vec<NodeState>,
    /// Lines were broken that several hosts wrote, so that none is known for sure.
    hosts_lost: bool,
    /// The host of the record before, and its place: most come one after another.
    last: Option<(Arc<Host>, usize)>,
    complete: bool,
    /// With the place of its node.
    recovered: Vec<(usize, Recovered)>,
    /// Of each of the matcher's signatures.
    benign: Vec<u64>,
    records: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl<'e> LogAnalyzer<'e> {
    /// Of a complete log, which `node` wrote where its lines do not tell otherwise.
    pub fn new(matcher: &'e Matcher, node: Node) -> Self {
        let mut first = NodeState::default();
        first.begin_batch();
        first.begin_delivery(true);
        Self {
            hosts: hosts_of(&node),
            node,
            nodes: vec![first],
            hosts_lost: false,
            last: None,
            complete: true,
            recovered: Vec::new(),
            benign: vec![0; matcher.signatures().len()],
            matcher,
            records: 0,
            oldest: None,
            newest: None,
        }
    }

    /// Continues with what earlier batches left.
    fn resume(&mut self, hosts: Option<Hosts>, nodes: Vec<NodeState>) {
        if let Some(hosts) = hosts {
            self.hosts = hosts;
        }
        if !nodes.is_empty() {
            self.nodes = nodes;
            self.nodes.iter_mut().for_each(NodeState::begin_batch);
        }
    }

    fn begin_delivery(&mut self, complete: bool) {
        self.complete = complete;
        for node in &mut self.nodes {
            node.begin_delivery(complete);
        }
    }

    fn shrink(&mut self) {
        self.nodes.iter_mut().for_each(NodeState::shrink);
    }

    /// Ends the batches of one invocation: the hosts that are known, and the state
    /// of each.
    fn end_batch(mut self) -> (Option<Hosts>, Vec<NodeState>) {
        self.nodes.iter_mut().for_each(NodeState::end_batch);
        let unknown = NodeState::default();
        let is_known = |_, node: &NodeState| !node.is_idle() || node.differs_from(&unknown);
        let nodes = keep(&mut self.hosts, self.nodes, is_known);
        ((!self.hosts.is_empty()).then_some(self.hosts), nodes)
    }

    /// The state of the node that wrote a record; `None` where there are too many.
    fn place(&mut self, record: &Record<'_>) -> Option<usize> {
        let Some(host) = &record.host else {
            return Some(0);
        };
        if let Some((last, place)) = &self.last
            && Arc::ptr_eq(last, host)
        {
            return Some(*place);
        }
        let place = self.hosts.place(host.name.as_deref(), host.id.as_ref())?;
        if place == self.nodes.len() {
            let mut node = NodeState::default();
            node.begin_batch();
            node.begin_delivery(self.complete);
            self.nodes.push(node);
        }
        self.last = Some((Arc::clone(host), place));
        Some(place)
    }

    /// What was taken in were broken lines: where several hosts wrote them, `named` or by
    /// their wrappers, whose a line is may be wrong.
    pub fn doubt_hosts(&mut self, named: bool) {
        self.hosts_lost |= named || self.hosts.are_several();
    }

    /// Takes in one record; `file` is the file it stands in, if any.
    pub fn ingest(&mut self, record: &Record<'_>, file: Option<&str>) {
        let Some(place) = self.place(record) else {
            return;
        };
        let folded = NormalizedRecord::new(record);
        let found = self.matcher.recognise(&folded);
        if self.was_counted(record, found.as_ref()) {
            self.nodes[place].ingest_counted(&folded, found);
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
        let node = &mut self.nodes[place];
        if self.complete && record.back >= CLOCK_STEP {
            node.note_step(record);
        }
        match found {
            Some(found) => {
                let (index, signature) = (found.index, found.signature);
                let over = node.note_message(record, signature.id);
                let effect = node.ingest(&folded, found, file);
                if effect == Ingested::NoChange && signature.kind == Kind::Benign {
                    self.benign[index] += 1;
                }
                self.note_recovered(place, over);
                self.note_recovered(place, effect);
            }
            // Without a head it may be anybody's.
            None if record.level.is_trouble() && record.origin != Origin::Paste => {
                node.ingest_unknown(&folded, file);
            }
            None => {}
        }
        self.nodes[place].observe(record);
    }

    /// Whether an earlier invocation counted this record as its batch left it
    /// open, and what came since changes nothing of what it says.
    fn was_counted(&self, record: &Record<'_>, found: Option<&Match<'_>>) -> bool {
        record.counted.is_some_and(|lines| {
            lines == record.rest.len()
                || self
                    .matcher
                    .recognise(&NormalizedRecord::new(&record.with_lines(lines)))
                    .as_ref()
                    == found
        })
    }

    fn note_recovered(&mut self, place: usize, effect: Ingested) {
        if let Ingested::Recovered(recovered) = effect {
            let recovered = recovered.into_iter().map(|over| (place, over));
            self.recovered.extend(recovered);
        }
    }

    /// What the log says so far. `open` are records that more lines may still
    /// continue: they count as they stand, and are read again when they are whole.
    pub fn analysis<'r>(
        &self,
        open: impl IntoIterator<Item = &'r Record<'r>>,
        complete: bool,
    ) -> BatchAnalysis {
        let mut seen = self.clone();
        for record in open {
            seen.ingest(record, None);
        }
        let mut analysis = BatchAnalysis {
            benign: (self.matcher.signatures().iter().zip(&seen.benign))
                .filter(|(_, count)| **count > 0)
                .map(|(signature, count)| (signature.id.to_owned(), *count))
                .collect(),
            source: SourceSummary {
                records: seen.records,
                oldest: seen.oldest,
                newest: seen.newest,
                ..SourceSummary::default()
            },
            ..BatchAnalysis::default()
        };
        for (place, state) in seen.nodes.iter().enumerate() {
            let node = match seen.hosts_lost && seen.node.id_source == IdSource::Nobody {
                true => seen.node.clone(),
                false => state.identify(&named(&seen.node, &seen.hosts, place, state)),
            };
            for (_, over) in (seen.recovered.iter_mut()).filter(|(its, _)| *its == place) {
                over.node = node.id.to_string();
            }
            analysis.findings.extend(state.findings(&node, complete));
            analysis.nodes.push(node);
            for unknown in state.unrecognised() {
                let known = analysis.unrecognised.iter_mut();
                match { known }.find(|known| known.template == unknown.template) {
                    Some(known) => known.count += unknown.count,
                    None => analysis.unrecognised.push(unknown),
                }
            }
        }
        analysis.recovered = seen.recovered.into_iter().map(|(_, over)| over).collect();
        analysis
    }
}

/// What is over on the nodes of the stream, by all that was read of it; by which
/// signature was said when it was read.
pub fn over(state: &StreamState, source: &Source) -> Vec<Recovered> {
    let of_stream = node_of(source);
    let hosts = (state.hosts.clone()).unwrap_or_else(|| hosts_of(&of_stream));
    let nodes = state.nodes.iter().enumerate().flat_map(|(place, state)| {
        let node = state.identify(&named(&of_stream, &hosts, place, state));
        state.over().map(move |(cause, at)| Recovered {
            node: node.id.to_string(),
            cause,
            signature: String::new(),
            since: None,
            at,
        })
    });
    nodes.collect()
}

/// Of a stream of which nothing is known yet.
fn hosts_of(node: &Node) -> Hosts {
    let named = matches!(node.id_source, IdSource::Stream | IdSource::Caller);
    Hosts::of_stream(named.then(|| node.id.clone()))
}

/// The node at `place`. An id that only lines give is a hint; of several hosts in
/// one stream none is the stream's own by its mere name.
fn named(of_stream: &Node, hosts: &Hosts, place: usize, state: &NodeState) -> Node {
    let Some(host) = hosts.get(place) else {
        return of_stream.clone();
    };
    let (id, id_source) = match (&host.id, &host.name) {
        (Some(id), _) if *id == of_stream.id => return of_stream.clone(),
        (Some(id), _) => (id.clone(), IdSource::Text),
        (None, Some(name))
            if state.named() != Some(&of_stream.id)
                && (hosts.are_several() || of_stream.id_source == IdSource::Nobody) =>
        {
            (NodeId::Unknown(name.clone()), IdSource::Nobody)
        }
        (None, _) => return of_stream.clone(),
    };
    Node {
        id,
        id_source,
        ..of_stream.clone()
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
