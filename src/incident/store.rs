//! The open incidents: which one has been notified, for which nodes, and when
//! it is notified again.
//!
//! Deciding and notifying are two steps. [`Store::decide`] takes note of what a
//! batch says about an incident and answers whether to notify; only
//! [`Store::mark_notified`], called once the message is out, makes it notified. A
//! message that failed therefore is notified again when the batch is retried.
//!
//! This store lives in the memory of one execution environment. It is bounded
//! in count and in bytes, once an invocation is over ([`Store::trim`]): what
//! nobody was notified of goes first, since a retry brings it again, then what
//! has not been seen for longest. Of a notified incident that goes a receipt is
//! left, so that a retry of the same evidence does not notify twice. No clock
//! is read here, and every method takes and returns plain values, so that a
//! table can stand behind the same calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

mod entry;
mod receipt;

use entry::{Entry, Subject};
use receipt::Receipts;

use super::group::Incident;
use super::shared::{HANDFUL, is_of, shared_key, shared_scope};
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::finding::Recovered;
use crate::incident::nodes::NodeList;
use crate::node::Node;

/// How many incidents are remembered.
pub const MAX_INCIDENTS: usize = 1_000;

/// How many nodes are remembered, over all incidents.
pub const MAX_NODES: usize = 20_000;

/// How many bytes the remembered incidents may take, by estimate.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What the reader would say the state of an incident is. A change of it
/// is notified; what leaves it as it is does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It stands, and nothing was done about it.
    Open,
    /// Put right by a write of this function.
    Repaired,
    /// Live state shows it right, and this function changed nothing.
    Resolved,
    /// A repair was tried and failed, or was not seen to take effect.
    RepairFailed,
    /// Repaired within the hour and broken again.
    Recurred,
}

/// What one invocation has come to about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    pub state: State,
    /// The invocation has looked, and `state` is what it saw. Otherwise the
    /// state that is remembered stays.
    pub observed: bool,
    /// When the latest write to the thing at fault was sent that has, or may
    /// have, changed it, in this invocation or before. Each is notified.
    pub written_at: Option<Timestamp>,
    /// Its state may be the work of an attempt of which nothing is remembered
    /// here, and whose message may not have got through.
    pub perhaps_ours: bool,
}

impl From<State> for Happened {
    /// Seen in this invocation, without any write.
    fn from(state: State) -> Self {
        Self {
            state,
            observed: true,
            written_at: None,
            perhaps_ours: false,
        }
    }
}

/// Whether an incident is notified now.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whether the reader is notified now.
    pub notify: NotifyDecision,
    /// The nodes of this batch and those of earlier ones that have not
    /// recovered, sorted.
    pub nodes: NodeList,
    /// By all nodes that the incident has hit since it opened, and not only by
    /// those of this batch.
    pub severity: Severity,
    /// The oldest evidence since it opened.
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotifyDecision {
    Send(NotifyReason),
    Suppress,
}

/// Why an incident is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotifyReason {
    /// It was not notified yet.
    Opened,
    /// Repaired, repair failed, broken again …
    StateChanged,
    /// It hits many more nodes than when it was notified.
    Grew,
    /// It is still open and was last notified long ago.
    Reminder,
    /// Its last node has recovered.
    Resolved,
}

/// An incident that was notified and whose last node has recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedIncident {
    pub key: String,
    pub cause: Cause,
    pub scope: Scope,
    pub severity: Severity,
    pub title: String,
    /// The nodes it had hit, sorted.
    pub nodes: NodeList,
    /// The oldest evidence since it opened.
    pub since: Timestamp,
    /// When the last of its nodes recovered, by the log.
    pub resolved_at: Timestamp,
    /// The latest write of this function that is remembered.
    pub written_at: Option<Timestamp>,
}

/// The incidents that this execution environment remembers.
#[derive(Debug, Clone)]
pub struct Store {
    reminder: Duration,
    limits: Limits,
    incidents: BTreeMap<String, Entry>,
    receipts: Receipts,
}

/// What may be remembered between two invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    incidents: usize,
    nodes: usize,
    bytes: usize,
}

impl Store {
    /// An empty store; `reminder` is how long a notified incident stays silent.
    pub fn new(reminder: Duration) -> Self {
        Self::with_limits(
            reminder,
            Limits {
                incidents: MAX_INCIDENTS,
                nodes: MAX_NODES,
                bytes: MAX_BYTES,
            },
        )
    }

    fn with_limits(reminder: Duration, limits: Limits) -> Self {
        Self {
            reminder,
            limits,
            incidents: BTreeMap::new(),
            receipts: Receipts::default(),
        }
    }

    /// Lets a finding that diagnosis could not decide this time take cause and
    /// scope of the open incident which the same node's finding with the same
    /// candidates joined before.
    ///
    /// A finding that a check confirmed stays as it is. So does one for which
    /// live state has ruled that incident's cause out, unless its evidence is
    /// from before the incident was put right: then it is about what is right
    /// now, and not of the next cause in the row.
    pub fn attach_to_open(&self, diagnosed: &mut Diagnosis) {
        if diagnosed.confidence == Confidence::Confirmed {
            return;
        }
        let finding = &diagnosed.finding;
        let was_right = |entry: &&Entry| entry.was_right_before(finding);
        let mut known = self.incidents.values().filter(was_right);
        if let Some(entry) =
            known.find(|entry| entry.cause == diagnosed.cause && entry.matches_finding(finding))
        {
            diagnosed.rule_out(entry.cause);
        }
        let possible = |entry: &&Entry| match diagnosed.fault_state {
            FaultState::Active => {
                diagnosed.candidates.contains(&entry.cause)
                    || entry.was_right_after(&diagnosed.finding)
            }
            FaultState::NotObserved => true,
        };
        let fault_state = |entry: &Entry| match entry.was_right_after(&diagnosed.finding) {
            true => FaultState::NotObserved,
            false => diagnosed.fault_state,
        };
        let joined = (self.incidents.values())
            .filter(possible)
            .filter(|entry| entry.matches_finding(&diagnosed.finding))
            .filter(|entry| diagnosed.may_concern(entry.cause, &entry.scope))
            .filter(|entry| is_of(&entry.scope, fault_state(entry)))
            .max_by_key(|entry| (entry.confirmed, entry.seen_at));
        let Some(entry) = joined else {
            return;
        };
        diagnosed.fault_state = fault_state(entry);
        if entry.cause != diagnosed.cause {
            diagnosed.cause = entry.cause;
            diagnosed.detail = None;
        }
        // What is right on one of many nodes may be this function's doing there.
        if entry.scope.kind != ScopeKind::Nodes || diagnosed.fault_state == FaultState::Active {
            diagnosed.scope = entry.scope.clone();
        }
        diagnosed.candidates.retain(|cause| *cause != entry.cause);
        diagnosed.candidates.insert(0, entry.cause);
    }

    /// Those of `incidents` that are to be notified as one, by the scope of that
    /// one: more than [`HANDFUL`] nodes have come to show the same within
    /// [`WITHIN`](super::shared::WITHIN), in this batch and those before, or did so earlier and further
    /// ones join them. Each is given by its place.
    pub fn shared(&self, incidents: &[&Incident], now: Timestamp) -> Vec<(Scope, Vec<usize>)> {
        let mut groups: BTreeMap<String, (Scope, Vec<usize>)> = BTreeMap::new();
        for (place, incident) in incidents.iter().enumerate() {
            let scope = match incident.scope.kind {
                ScopeKind::Nodes => Some(incident.scope.clone()),
                _ => shared_scope(incident),
            };
            let found = scope.and_then(|scope| Some((shared_key(incident, &scope)?, scope)));
            if let Some((key, scope)) = found {
                let group = groups.entry(key).or_insert_with(|| (scope, Vec::new()));
                group.1.push(place);
            }
        }
        let mut shared = Vec::new();
        for (key, (scope, mut places)) in groups {
            let single = |place: &usize| self.incidents.get(&incidents[*place].key);
            // The end of what was notified by itself is, too.
            let by_itself = |place: &usize| {
                let right = incidents[*place].fault_state == FaultState::NotObserved;
                single(place).is_some_and(|single| {
                    single.is_due() || right && single.stands() && single.notified().is_some()
                })
            };
            // What has been open by itself for long has been notified by itself.
            let recent = |place: &usize| {
                single(place).is_none_or(|single| {
                    !single.stands() || single.notified().is_none() || single.is_recent(now)
                })
            };
            let here = places.iter().filter(|place| recent(place));
            let mut nodes: BTreeSet<Node> = here
                .flat_map(|place| incidents[*place].nodes().map(entry::key))
                .collect();
            let singles = self.incidents.values();
            let singles = singles.filter(|one| one.shared.as_ref() == Some(&key));
            for single in singles.filter(|single| single.is_recent(now)) {
                nodes.extend(single.open_nodes().cloned());
            }
            let open = self.incidents.get(&key);
            let many = nodes.len() > HANDFUL || open.is_some_and(|open| open.takes_further(now));
            places.retain(|place| {
                let one = incidents[*place];
                one.scope.kind == ScopeKind::Nodes
                    || !by_itself(place)
                        && (open.is_some_and(|open| open.has_node_of(one)) || many && recent(place))
            });
            if !places.is_empty() {
                shared.push((scope, places));
            }
        }
        shared
    }

    /// Takes note of what a batch says about `incident`, and answers whether
    /// to notify. `happened` is what planning and repairing came to.
    pub fn decide(
        &mut self,
        incident: &Incident,
        happened: impl Into<Happened>,
        now: Timestamp,
    ) -> Decision {
        let happened = happened.into();
        if incident.confidence == Confidence::Confirmed {
            self.detach_from_others(incident);
        }
        // What was notified node by node goes on in the list of all.
        let singles: Vec<Entry> = (self.incidents.values())
            .filter(|one| one.shared.as_ref() == Some(&incident.key))
            .cloned()
            .collect();
        let entry = (self.incidents.entry(incident.key.clone()))
            .or_insert_with_key(|key| Entry::new(incident, self.receipts.take(key, incident), now));
        let stands = entry.note(incident, now);
        for single in &singles {
            entry.adopt(single, now);
        }
        // An old answer soon after a repair is no sign that it has come back.
        let settling = !happened.observed && entry.is_settling(now);
        if stands && entry.resolved_notified && !settling {
            entry.begin_anew(incident.first, now);
        }
        entry.enter(incident.confidence, happened, now);
        let nodes = entry.nodes_with(incident);
        // Decided by what is still remembered afterwards, so that asking again
        // before the message is out gives the same answer.
        entry.cut(self.limits.nodes.max(1));
        Decision {
            notify: entry.notify(stands, self.reminder, now),
            nodes,
            severity: entry.severity,
            since: entry.since,
        }
    }

    /// Closes for each node what it has recovered from, and gives every
    /// incident that is over and was notified, in the order of their keys. One
    /// whose end is not marked as notified is given again the next time.
    pub fn recover(&mut self, recovered: &[Recovered]) -> Vec<ResolvedIncident> {
        for recovery in recovered {
            for entry in self.incidents.values_mut() {
                entry.recover(recovery);
            }
        }
        self.incidents.retain(|_, entry| !entry.can_be_dropped());
        let over = self.incidents.iter();
        over.filter_map(|(key, entry)| entry.over(key)).collect()
    }

    /// The message for `why` is out. Nothing happens for an incident that is
    /// no longer remembered.
    pub fn mark_notified(&mut self, key: &str, why: NotifyReason, now: Timestamp) {
        let Some(entry) = self.incidents.get_mut(key) else {
            return;
        };
        match why {
            NotifyReason::Resolved => entry.resolved_notified = true,
            NotifyReason::Opened
            | NotifyReason::StateChanged
            | NotifyReason::Grew
            | NotifyReason::Reminder => {
                entry.mark_notified(now);
            }
        }
    }

    /// A check has now proved what a node's finding comes from, so the node no
    /// longer counts for the incidents that the finding joined before. That
    /// says nothing of a recovery: what loses its last node so goes silently.
    fn detach_from_others(&mut self, incident: &Incident) {
        let subject = Subject::of(&incident.error_details);
        let shared = shared_scope(incident).and_then(|scope| shared_key(incident, &scope));
        for (key, entry) in &mut self.incidents {
            // One node's incident and that of all which show the same.
            let same = shared.as_ref() == Some(key) || entry.shared.as_ref() == Some(&incident.key);
            if *key == incident.key || same || entry.subject != subject {
                continue;
            }
            for hit in incident.affected.iter().filter(|hit| hit.confirmed) {
                entry.leave(hit);
            }
        }
        self.incidents.retain(|_, entry| entry.size() > 0);
    }

    /// Forgets what is too much to be remembered. To be called when an
    /// invocation is over, however it ended: while it lasts, what is not yet
    /// sent must not be forgotten for what was decided after it.
    pub fn trim(&mut self) {
        let mut incidents = self.incidents.len();
        let mut nodes: usize = self.incidents.values().map(Entry::size).sum();
        let mut bytes: usize = (self.incidents.iter())
            .map(|(key, entry)| key.len() + entry.bytes())
            .sum();
        let too_much = |incidents, nodes, bytes| {
            incidents > self.limits.incidents
                || nodes > self.limits.nodes
                || bytes > self.limits.bytes
        };
        if !too_much(incidents, nodes, bytes) {
            return;
        }
        let mut order: Vec<_> = (self.incidents.iter())
            .map(|(key, entry)| (entry.worth(), entry.seen_at, key.clone()))
            .collect();
        order.sort_unstable();
        for (_, _, key) in order {
            if !too_much(incidents, nodes, bytes) {
                return;
            }
            if let Some(entry) = self.incidents.remove(&key) {
                incidents -= 1;
                nodes -= entry.size();
                bytes -= key.len() + entry.bytes();
                self.receipts.keep(&key, &entry);
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod written_tests;
