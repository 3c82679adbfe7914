//! What is remembered of one incident.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::{Happened, NotifyDecision, NotifyReason, ResolvedIncident, State};
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::diagnosis::FaultState;
use crate::finding::Recovered;
use crate::finding::{ErrorDetails, Finding};
use crate::incident::group::{AffectedNode, Incident, by_nodes};
use crate::incident::nodes::NodeList;
use crate::incident::shared::{WITHIN, shared_key, shared_scope};
use crate::node::{IdSource, Node};

/// An incident has grown when it hits this many times the nodes it was notified with …
const GROWTH_FACTOR: usize = 2;

/// … and at least so many more.
const GROWTH_LEAST: usize = 4;

/// What was under way when the state was put right may still fail and be
/// logged for so long.
const SETTLING: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) cause: Cause,
    pub(super) scope: Scope,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) confirmed: bool,
    pub(super) subject: Subject,
    /// The key of the incident that this one becomes part of when many nodes
    /// show the same.
    pub(super) shared: Option<String>,
    /// When it last hit a further node.
    grew_at: Timestamp,
    pub(super) opened_at: Timestamp,
    /// Its oldest evidence since it opened.
    pub(super) since: Timestamp,
    /// When a batch last brought it.
    pub(super) seen_at: Timestamp,
    state: State,
    /// The latest write that has, or may have, changed the thing at fault.
    written_at: Option<Timestamp>,
    perhaps_ours: bool,
    /// When it was first seen or made right, as long as it stays so.
    right_since: Option<Timestamp>,
    nodes: BTreeMap<Node, NodeStatus>,
    notified: Option<LastNotified>,
    /// The severity of the last batch alone.
    batch_severity: Severity,
    /// The end was notified too: kept so that a late or repeated batch of old
    /// evidence does not open it anew.
    pub(super) resolved_notified: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastNotified {
    at: Timestamp,
    state: State,
    written_at: Option<Timestamp>,
    nodes: usize,
    severity: Severity,
    /// The newest evidence that the reader was notified of.
    pub(super) evidence: Timestamp,
}

/// What is known of one node of an incident.
#[derive(Debug, Clone)]
struct NodeStatus {
    /// The candidates of the node's findings that joined.
    candidates: BTreeSet<Cause>,
    /// Newest evidence.
    last: Timestamp,
    recovered_at: Option<Timestamp>,
    /// When live state first showed this very node right, as long as it does.
    right_since: Option<Timestamp>,
}

/// What sets apart two faults of one node that have the same candidates, such
/// as two endpoints that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    service: Option<String>,
    action: Option<String>,
}

impl Entry {
    /// `notified` is what the reader knows of it from an entry that was forgotten.
    pub(super) fn new(incident: &Incident, notified: Option<LastNotified>, now: Timestamp) -> Self {
        Self {
            cause: incident.cause,
            scope: incident.scope.clone(),
            severity: incident.severity,
            title: incident.title.clone(),
            confirmed: false,
            subject: Subject::of(&incident.error_details),
            shared: None,
            grew_at: now,
            opened_at: now,
            since: incident.first.min(now),
            seen_at: now,
            state: notified.map_or(State::Open, |notified| notified.state),
            written_at: notified.and_then(|notified| notified.written_at),
            perhaps_ours: false,
            right_since: None,
            nodes: BTreeMap::new(),
            notified,
            batch_severity: incident.severity,
            resolved_notified: false,
        }
    }

    /// Takes over what the batch says, and answers whether the fault stands on
    /// any of its nodes: evidence that is not newer than the node's recovery
    /// says nothing, a check that sees the fault now does.
    pub(super) fn note(&mut self, incident: &Incident, now: Timestamp) -> bool {
        self.seen_at = now;
        self.batch_severity = incident.severity;
        self.title.clone_from(&incident.title);
        self.shared = shared_scope(incident).and_then(|scope| shared_key(incident, &scope));
        self.confirmed |= incident.confidence == Confidence::Confirmed;
        let mut stands = false;
        for hit in &incident.affected {
            let trace = self.nodes.entry(key(&hit.node)).or_insert_with(|| {
                self.grew_at = now;
                NodeStatus {
                    candidates: BTreeSet::new(),
                    last: hit.last,
                    recovered_at: None,
                    right_since: None,
                }
            });
            trace.right_since = match incident.fault_state {
                FaultState::Active => None,
                FaultState::NotObserved => trace.right_since.or(Some(now)),
            };
            trace.candidates.extend(&hit.log_candidates);
            trace.last = trace.last.max(hit.last);
            let fresh = |recovered_at: Timestamp| hit.confirmed || hit.last > recovered_at;
            if trace.recovered_at.is_none_or(fresh) {
                trace.recovered_at = None;
                stands = true;
            }
        }
        if stands {
            self.since = self.since.min(incident.first);
        }
        self.severity = self.over_its_life();
        stands
    }

    /// Whether it opened within [`WITHIN`], is still open, and may go into a list:
    /// nothing was, or may have been, done about it.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        let as_shown = match self.state {
            State::Open => true,
            State::Resolved => self.nodes.values().all(|trace| trace.right_since.is_some()),
            State::Repaired | State::RepairFailed | State::Recurred => false,
        };
        let untouched = self.written_at.is_none() && !self.perhaps_ours;
        self.stands() && as_shown && untouched && within(self.opened_at, now)
    }

    /// Whether a node of `incident` belongs to this one of many nodes.
    pub(super) fn has_node_of(&self, incident: &Incident) -> bool {
        let member = |node: &Node| self.nodes.contains_key(&key(node));
        self.stands() && incident.nodes().any(member)
    }

    /// Whether further nodes have been joining it until lately.
    pub(super) fn takes_further(&self, now: Timestamp) -> bool {
        self.stands() && within(self.grew_at, now)
    }

    /// Its nodes that have not recovered.
    pub(super) fn open_nodes(&self) -> impl Iterator<Item = &Node> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|(node, trace)| trace.recovered_at.is_none().then_some(node))
    }

    /// Takes in the open nodes of a recent incident that this one will stand for,
    /// and of any what it knows of nodes of this one. What is opened by itself
    /// after this one was notified stays by itself until it shows again.
    pub(super) fn adopt(&mut self, other: &Self, now: Timestamp) {
        let all = self.notified.is_none() && other.is_recent(now);
        for (node, trace) in &other.nodes {
            if trace.recovered_at.is_some() {
                continue;
            }
            if let Some(own) = self.nodes.get_mut(node) {
                let since =
                    |own: Timestamp| trace.right_since.map_or(own, |theirs| own.min(theirs));
                own.right_since = own.right_since.map(since);
            } else if all {
                self.nodes.insert(node.clone(), trace.clone());
            }
        }
        self.severity = self.over_its_life();
    }

    /// Many nodes make it critical, whether one batch brings them or many do.
    fn over_its_life(&self) -> Severity {
        let since = |trace: &&NodeStatus| trace.recovered_at.is_none_or(|at| at > self.opened_at);
        by_nodes(
            self.batch_severity,
            self.nodes.values().filter(since).count(),
        )
    }

    /// It was over and has come back, by evidence of `first` and later.
    pub(super) fn begin_anew(&mut self, first: Timestamp, now: Timestamp) {
        self.opened_at = now;
        self.since = first.min(now);
        self.state = State::Open;
        self.right_since = None;
        self.notified = None;
        self.resolved_notified = false;
        self.severity = self.over_its_life();
    }

    /// Takes over the state after planning and repairing. Looking without
    /// result changes nothing.
    pub(super) fn enter(&mut self, confidence: Confidence, happened: Happened, now: Timestamp) {
        if happened.written_at > self.written_at {
            self.written_at = happened.written_at;
            self.right_since = None;
        }
        let state = happened.state;
        let looked = state != State::Open || confidence == Confidence::Confirmed;
        if !happened.observed || !looked {
            return;
        }
        self.perhaps_ours = happened.perhaps_ours;
        // What this function repaired and later finds right is still its own repair.
        let kept = self.state == State::Repaired && state == State::Resolved;
        self.state = if kept { self.state } else { state };
        self.right_since = match self.state {
            State::Repaired | State::Resolved => self.right_since.or(Some(now)),
            State::Open | State::RepairFailed | State::Recurred => None,
        };
    }

    /// Whether what happens at `now` may still come from before it was put right.
    pub(super) fn is_settling(&self, now: Timestamp) -> bool {
        settles(self.right_since, now)
    }

    /// Whether `finding` is of the time before it was put right.
    pub(super) fn was_right_after(&self, finding: &Finding) -> bool {
        let since = self.right_since_on(self.nodes.get(&key(&finding.node)));
        settles(since, finding.last)
    }

    /// Whether it had been put right, or seen right, well before `finding`.
    pub(super) fn was_right_before(&self, finding: &Finding) -> bool {
        let since = self.right_since_on(self.nodes.get(&key(&finding.node)));
        since.is_some() && !settles(since, finding.last)
    }

    /// Since when the thing at fault is right: of many nodes each has its own.
    fn right_since_on(&self, trace: Option<&NodeStatus>) -> Option<Timestamp> {
        if self.scope.kind == ScopeKind::Nodes {
            trace?.right_since
        } else {
            self.right_since
        }
    }

    /// Whether it is right and has shown nothing since it was put right.
    fn is_silent(&self) -> bool {
        if self.scope.kind == ScopeKind::Nodes {
            self.state == State::Resolved && self.count() == 0
        } else {
            settles(self.right_since, self.newest_evidence())
        }
    }

    /// How many nodes it stands on. Of many that are right those count whose
    /// log has spoken of it since.
    fn count(&self) -> usize {
        let fault_state = self.nodes.values().filter(|t| t.recovered_at.is_none());
        let right = self.scope.kind == ScopeKind::Nodes && self.state == State::Resolved;
        fault_state
            .filter(|trace| !right || !settles(trace.right_since, trace.last))
            .count()
    }

    /// Whether to notify of it now; `stands` is what [`Entry::note`] answered.
    pub(super) fn notify(
        &self,
        stands: bool,
        reminder: Duration,
        now: Timestamp,
    ) -> NotifyDecision {
        let Some(notified) = self.notified else {
            return if self.is_due() || (stands && self.is_news()) {
                NotifyDecision::Send(NotifyReason::Opened)
            } else {
                NotifyDecision::Suppress
            };
        };
        if self.has_unnotified_write() {
            return NotifyDecision::Send(NotifyReason::StateChanged);
        }
        if self.resolved_notified {
            return NotifyDecision::Suppress;
        }
        if notified.state != self.state {
            return NotifyDecision::Send(NotifyReason::StateChanged);
        }
        if !stands {
            return NotifyDecision::Suppress;
        }
        let count = self.count();
        let many_more =
            count >= notified.nodes * GROWTH_FACTOR && count >= notified.nodes + GROWTH_LEAST;
        let critical =
            self.severity == Severity::Critical && notified.severity < Severity::Critical;
        let grown = many_more || critical && count > notified.nodes;
        // Late evidence of further nodes says nothing new about what is right.
        let right = matches!(self.state, State::Repaired | State::Resolved);
        if grown && (!right || self.scope.kind == ScopeKind::Nodes) {
            return NotifyDecision::Send(NotifyReason::Grew);
        }
        // What was put right and has shown nothing since is no longer open.
        if self.is_silent() {
            return NotifyDecision::Suppress;
        }
        let silent = now.duration_since(notified.at);
        if Duration::try_from(silent).is_ok_and(|silent| silent >= reminder) {
            return NotifyDecision::Send(NotifyReason::Reminder);
        }
        NotifyDecision::Suppress
    }

    /// Whether `finding` is one that joined before: the same node, nothing
    /// that sets it apart, the same candidates. What is over takes in only
    /// evidence from before the recovery.
    pub(super) fn matches_finding(&self, finding: &Finding) -> bool {
        let same = |trace: &NodeStatus| {
            (finding.candidates.iter()).all(|candidate| trace.candidates.contains(candidate))
                && (!self.resolved_notified || trace.recovered_at >= Some(finding.last))
        };
        let trace = self.nodes.get(&key(&finding.node));
        self.subject.fits(&Subject::of(&finding.error_details)) && trace.is_some_and(same)
    }

    /// Whether a write was sent of which no message is out.
    fn has_unnotified_write(&self) -> bool {
        self.written_at > self.notified.and_then(|notified| notified.written_at)
    }

    /// Whether a message about something that this function did, or may have
    /// done, is still to go out.
    pub(super) fn is_due(&self) -> bool {
        self.has_unnotified_write()
            || (self.notified.is_none()
                && match self.state {
                    State::Open => false,
                    State::Resolved => self.perhaps_ours,
                    State::Repaired | State::RepairFailed | State::Recurred => true,
                })
    }

    /// Whether an incident of which no message is out is worth one. It is not
    /// when it was right as this function first looked, and nothing has been
    /// logged since.
    fn is_news(&self) -> bool {
        self.state != State::Resolved || !self.is_silent()
    }

    /// Marks as notified what the reader now knows.
    pub(super) fn mark_notified(&mut self, now: Timestamp) {
        self.notified = Some(LastNotified {
            at: now,
            state: self.state,
            written_at: self.written_at,
            nodes: self.count(),
            severity: self.severity,
            evidence: self.newest_evidence(),
        });
    }

    /// What the reader knows of it.
    pub(super) fn notified(&self) -> Option<LastNotified> {
        self.notified
    }

    /// How much is lost when it is forgotten: the least is what a retry brings
    /// again, the most a repair of which nobody was notified.
    pub(super) fn worth(&self) -> u8 {
        match self.notified {
            _ if self.is_due() => 3,
            None => 0,
            Some(_) if self.resolved_notified => 1,
            Some(_) => 2,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        /// A node's share of a map that is half full, and what hangs on it.
        const PER_NODE: usize = 2 * (size_of::<Node>() + size_of::<NodeStatus>()) + 96;
        let ids: usize = self.nodes.keys().map(|node| node.id.as_str().len()).sum();
        size_of::<Self>()
            + self.scope.id.len()
            + self.title.len()
            + self.subject.bytes()
            + ids
            + self.nodes.len() * PER_NODE
    }

    /// Whether it may be forgotten once nothing of it stands: nobody was notified
    /// of it, and nothing was done about it that is still to be notified.
    pub(super) fn can_be_dropped(&self) -> bool {
        !self.stands() && self.notified.is_none() && !self.is_due()
    }

    /// How many nodes are remembered, recovered ones too.
    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets the nodes with the oldest evidence beyond `most`.
    pub(super) fn cut(&mut self, most: usize) {
        let mut by_age: Vec<(Timestamp, Node)> = (self.nodes.iter())
            .map(|(node, trace)| (trace.last, node.clone()))
            .collect();
        by_age.sort();
        for (_, node) in &by_age[..by_age.len().saturating_sub(most)] {
            self.nodes.remove(node);
        }
    }

    /// Closes it for the node that has recovered, unless newer evidence says
    /// otherwise.
    pub(super) fn recover(&mut self, recovery: &Recovered) {
        let cause = self.cause;
        for (node, trace) in &mut self.nodes {
            let meant = node.id.as_str() == recovery.node
                && (cause == recovery.cause || trace.candidates.contains(&recovery.cause));
            if meant && trace.recovered_at.is_none() && trace.last <= recovery.at {
                trace.recovered_at = Some(recovery.at);
            }
        }
    }

    /// The node's finding turned out to come from something else. It stays
    /// where a repair is still to be notified.
    pub(super) fn leave(&mut self, hit: &AffectedNode) {
        let node = key(&hit.node);
        let same = self.nodes.get(&node).is_some_and(|trace| {
            (hit.log_candidates.iter()).all(|candidate| trace.candidates.contains(candidate))
        });
        if same && !self.is_due() {
            self.nodes.remove(&node);
        }
    }

    /// Its end, when it is over, was notified, and its end was not.
    pub(super) fn over(&self, key: &str) -> Option<ResolvedIncident> {
        if self.stands() || self.notified.is_none() || self.resolved_notified {
            return None;
        }
        let resolved_at = (self.nodes.values())
            .filter_map(|trace| trace.recovered_at)
            .max()?;
        Some(ResolvedIncident {
            key: key.to_owned(),
            cause: self.cause,
            scope: self.scope.clone(),
            severity: self.severity,
            title: self.title.clone(),
            nodes: self.reported_nodes(|_, _| true),
            since: self.since,
            resolved_at,
            written_at: self.written_at,
        })
    }

    fn fault_state(&self) -> usize {
        let nodes = self.nodes.values();
        nodes.filter(|trace| trace.recovered_at.is_none()).count()
    }

    fn newest_evidence(&self) -> Timestamp {
        let times = self.nodes.values().map(|trace| trace.last);
        times.max().unwrap_or(self.seen_at)
    }

    pub(super) fn stands(&self) -> bool {
        self.fault_state() > 0
    }

    /// The nodes that have not recovered and those of `incident`, sorted.
    pub(super) fn nodes_with(&self, incident: &Incident) -> NodeList {
        let hit: BTreeSet<Node> = incident.nodes().map(key).collect();
        self.reported_nodes(|node, trace| trace.recovered_at.is_none() || hit.contains(node))
    }

    fn reported_nodes(&self, which: impl Fn(&Node, &NodeStatus) -> bool) -> NodeList {
        let nodes = self.nodes.iter().filter(|(node, trace)| which(node, trace));
        NodeList::of(nodes.map(|(node, _)| node))
    }
}

/// Whether what is from `at` may come from before `since`.
fn settles(since: Option<Timestamp>, at: Timestamp) -> bool {
    let settled = since.map(|since| since.checked_add(SETTLING));
    matches!(settled, Some(Ok(settled)) if at <= settled)
}

fn within(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).map_or(true, |age| age <= WITHIN)
}

/// The node as the key of what is known of it, however its id became known.
pub(super) fn key(node: &Node) -> Node {
    Node {
        id_source: IdSource::Nobody,
        ..node.clone()
    }
}

impl Subject {
    pub(super) fn of(error_details: &ErrorDetails) -> Self {
        Self {
            service: error_details.service.clone(),
            action: error_details.action.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let texts = [&self.service, &self.action].into_iter().flatten();
        texts.map(String::len).sum()
    }

    /// Whether both may mean the same fault: what one of them does not name
    /// does not set them apart.
    fn fits(&self, other: &Self) -> bool {
        let fits = |one: &Option<String>, two: &Option<String>| match (one, two) {
            (Some(one), Some(two)) => one == two,
            (None, _) | (_, None) => true,
        };
        fits(&self.service, &other.service) && fits(&self.action, &other.action)
    }
}
