//! What is remembered of one incident.

mod end;
mod notify;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::claim::{Channel, Claim, LastNotified, Reached};
use super::counts::Counts;
use super::member::{Member, Members, Membership};
use super::moment::{settles, within};
use super::overview::IncidentOverview;
use super::subject::Subject;
use super::{Happened, OpenIncident, State};
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::diagnosis::FaultState;
use crate::finding::Finding;
use crate::incident::group::{AffectedNode, Incident, by_nodes};
use crate::incident::nodes::{NODES_LISTED, NodeList};
use crate::incident::shared::shared_keys;
use crate::node::{IdSource, Node};
use crate::sort;

/// It has come back so often within [`DAY`] that it comes and goes: its ends and
/// returns are notified no more.
const FLAPPING: usize = 2;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was seen last is written at least so often while it is seen, far more
/// often than it expires.
const SEEN: Duration = Duration::from_secs(60 * 60);

/// What is remembered of an incident itself; what of its nodes stands with them
/// ([`Member`]), and here only counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) cause: Cause,
    pub(super) scope: Scope,
    pub(super) severity: Severity,
    pub(super) title: String,
    /// By a check of any batch, else as the last one says.
    #[serde(default = "undetermined")]
    confidence: Confidence,
    /// Those of the batch that `confidence` is of.
    #[serde(default)]
    candidates: Vec<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    pub(super) subject: Subject,
    /// The keys of the incidents of which this one becomes part when many nodes show
    /// the same.
    #[serde(default, rename = "groups", skip_serializing_if = "Vec::is_empty")]
    pub(super) shared: Vec<String>,
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
    counts: Counts,
    /// Counts its openings.
    life: u32,
    /// The newest evidence of any node.
    newest: Timestamp,
    /// When the last node recovered that did.
    recovered_at: Option<Timestamp>,
    /// When its end was notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// The title of the incident in which a check has confirmed what its last node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explained_by: Option<String>,
    /// Of the nodes hit in this life as many as a reader is shown, and whether each
    /// is open.
    #[serde(with = "crate::state::pairs")]
    listed: BTreeMap<Node, bool>,
    /// Members that changed with the last writes and may not stand with their nodes
    /// yet.
    #[serde(with = "crate::state::pairs")]
    pub(super) pending: BTreeMap<Node, Membership>,
    notified: Option<LastNotified>,
    /// The channels that have had a message which another has not had yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reached: BTreeMap<Channel, Reached>,
    /// Its OpsItem in OpsCenter, for all of its lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ops_item: Option<String>,
    /// The severity of the last batch alone.
    batch_severity: Severity,
    /// The end was notified too: kept so that a late or repeated batch of old
    /// evidence does not open it anew.
    pub(super) resolved_notified: bool,
    /// When it came back after its end, within the last day.
    returned: Vec<Timestamp>,
    /// The reader knows that it comes and goes.
    flapping: bool,
    pub(super) claim: Option<Claim>,
}

impl Entry {
    pub(super) fn new(incident: &Incident, now: Timestamp) -> Self {
        Self {
            cause: incident.cause,
            scope: incident.scope.clone(),
            severity: incident.severity,
            title: incident.title.clone(),
            confidence: Confidence::Undetermined,
            candidates: Vec::new(),
            role_arn: None,
            subject: Subject::of(&incident.error_details),
            shared: Vec::new(),
            grew_at: now,
            opened_at: now,
            since: incident.first.min(now),
            seen_at: now,
            state: State::Open,
            written_at: None,
            perhaps_ours: false,
            right_since: None,
            counts: Counts::default(),
            life: 0,
            newest: incident.last,
            recovered_at: None,
            ended_at: None,
            explained_by: None,
            listed: BTreeMap::new(),
            pending: BTreeMap::new(),
            notified: None,
            reached: BTreeMap::new(),
            ops_item: None,
            batch_severity: incident.severity,
            resolved_notified: false,
            returned: Vec::new(),
            flapping: false,
            claim: None,
        }
    }

    /// Takes over what the batch says, and answers whether the fault stands on
    /// any of its nodes: evidence that is not newer than the node's recovery
    /// says nothing, a check that sees the fault now does.
    pub(super) fn note(
        &mut self,
        incident: &Incident,
        members: &mut Members,
        now: Timestamp,
    ) -> bool {
        self.seen_at = now;
        self.batch_severity = incident.severity;
        self.title.clone_from(&incident.title);
        self.shared = shared_keys(incident).collect();
        if incident.confidence == Confidence::Confirmed || !self.is_confirmed() {
            self.confidence = incident.confidence;
            self.candidates.clone_from(&incident.candidates);
        }
        if incident.role_arn.is_some() {
            self.role_arn.clone_from(&incident.role_arn);
        }
        let mut stands = false;
        for hit in &incident.affected {
            let node = key(&hit.node);
            let known = members.get(&node);
            let mut member = known.cloned().unwrap_or_else(|| {
                self.grew_at = now;
                Member::new(hit.last)
            });
            member.right_since = match incident.fault_state {
                FaultState::Active => None,
                FaultState::NotObserved => member.right_since.or(Some(now)),
            };
            member.candidates.extend(&hit.log_candidates);
            member.last = member.last.max(hit.last);
            let fresh = |recovered_at: Timestamp| hit.confirmed || hit.last > recovered_at;
            if member.recovered_at.is_none_or(fresh) {
                member.recovered_at = None;
                member.life = self.life;
                stands = true;
            }
            self.change(node, Some(member), members);
        }
        if stands {
            self.since = self.since.min(incident.first);
        }
        self.severity = self.over_its_life();
        stands
    }

    /// Puts `after` in the place of what is known of `node`, and counts it instead.
    fn change(&mut self, node: Node, after: Option<Member>, members: &mut Members) {
        let before = members.get(&node).cloned();
        let had = before
            .as_ref()
            .map_or(Counts::default(), |m| self.count_of(m));
        let has = after
            .as_ref()
            .map_or(Counts::default(), |m| self.count_of(m));
        self.counts = self.counts.changed(had, has);
        if let Some(member) = &after {
            self.newest = self.newest.max(member.last);
            self.recovered_at = self.recovered_at.max(member.recovered_at);
            if has.hit == 1 {
                self.list(&node, member.is_open());
            }
        } else {
            self.listed.remove(&node);
        }
        let significant = match (&before, &after) {
            (Some(before), Some(after)) => after.differs(before),
            (before, after) => before != after,
        };
        members.set(node, after, significant);
    }

    /// What a node counts for.
    fn count_of(&self, member: &Member) -> Counts {
        Counts {
            hit: (member.life == self.life).into(),
            open: member.is_open().into(),
            unsettled: member.is_unsettled().into(),
            wrong: member.right_since.is_none().into(),
        }
    }

    /// Shows a node to the reader, the first by name where there are too many.
    fn list(&mut self, node: &Node, is_open: bool) {
        self.listed.insert(node.clone(), is_open);
        if self.listed.len() > NODES_LISTED {
            let recovered = self.listed.iter().rfind(|(_, is_open)| !**is_open);
            let last = recovered.or(self.listed.last_key_value());
            if let Some(node) = last.map(|(node, _)| node.clone()) {
                self.listed.remove(&node);
            }
        }
    }

    /// Whether it opened lately, is still open, and may go into a list:
    /// nothing was, or may have been, done about it.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        let as_shown = match self.state {
            State::Open => true,
            State::Resolved => self.counts.wrong == 0,
            State::Repaired | State::RepairFailed | State::Recurred => false,
        };
        let untouched = self.written_at.is_none() && !self.perhaps_ours;
        self.stands() && as_shown && untouched && within(self.opened_at, now)
    }

    /// Whether further nodes have been joining it until lately.
    pub(super) fn takes_further(&self, now: Timestamp) -> bool {
        self.stands() && within(self.grew_at, now)
    }

    /// Takes in the open nodes of a recent incident that this one will stand for,
    /// and of any what it knows of nodes of this one. What is opened by itself
    /// after this one was notified stays by itself until it shows again.
    pub(super) fn adopt(
        &mut self,
        other: &Self,
        theirs: &Members,
        members: &mut Members,
        now: Timestamp,
    ) {
        let all = self.notified.is_none() && other.is_recent(now);
        for (node, their) in theirs.iter().filter(|(_, their)| their.is_open()) {
            let member = match members.get(node) {
                Some(own) => {
                    let since =
                        |own: Timestamp| their.right_since.map_or(own, |their| own.min(their));
                    let right_since = own.right_since.map(since);
                    Member {
                        right_since,
                        ..own.clone()
                    }
                }
                None if all => Member {
                    life: self.life,
                    ..their.clone()
                },
                None => continue,
            };
            self.change(node.clone(), Some(member), members);
        }
        self.severity = self.over_its_life();
    }

    /// Many nodes make it critical, whether one batch brings them or many do.
    fn over_its_life(&self) -> Severity {
        by_nodes(self.batch_severity, self.counts.hit)
    }

    /// It was over and has come back, by evidence of `first` and later.
    pub(super) fn begin_anew(&mut self, first: Timestamp, members: &mut Members, now: Timestamp) {
        self.opened_at = now;
        self.since = first.min(now);
        self.state = State::Open;
        self.right_since = None;
        self.ended_at = None;
        self.explained_by = None;
        self.resolved_notified = false;
        self.reached.clear();
        let day =
            |at: &Timestamp| Duration::try_from(now.duration_since(*at)).is_ok_and(|age| age < DAY);
        self.returned.retain(day);
        self.returned.push(now);
        let was_known = self.flapping;
        self.flapping &= self.comes_and_goes();
        if !(was_known && self.flapping) {
            self.notified = None;
        }
        self.life += 1;
        self.counts.hit = 0;
        self.listed.clear();
        let open: Vec<(Node, Member)> = (members.iter())
            .filter(|(_, member)| member.is_open())
            .map(|(node, member)| (node.clone(), member.clone()))
            .collect();
        for (node, member) in open {
            let life = self.life;
            self.change(node, Some(Member { life, ..member }), members);
        }
        self.severity = self.over_its_life();
    }

    /// Whether it has come back so often that this is what there is to say.
    fn comes_and_goes(&self) -> bool {
        self.returned.len() >= FLAPPING
    }

    /// Takes over the state after planning and repairing. Looking without
    /// result changes nothing.
    pub(super) fn enter(&mut self, confidence: Confidence, happened: Happened, now: Timestamp) {
        // Another environment wrote it of whose notification nothing is known yet.
        let is_written_anew = happened.written_at > self.written_at;
        if is_written_anew {
            self.written_at = happened.written_at;
            self.right_since = None;
        }
        let state = happened.state;
        let looked = state != State::Open || confidence == Confidence::Confirmed;
        if !(happened.observed || is_written_anew) || !looked {
            return;
        }
        self.perhaps_ours = happened.perhaps_ours;
        // What this function repaired and later finds right is still its own repair, and
        // what it finds broken as before is no news to one who knows that.
        let kept = matches!(
            (self.state, state),
            (State::Repaired, State::Resolved)
                | (State::RepairFailed | State::Recurred, State::Open)
        );
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
    pub(super) fn was_right_after(&self, finding: &Finding, member: Option<&Member>) -> bool {
        let since = self.right_since_on(member);
        settles(since, finding.last)
    }

    /// Whether it had been put right, or seen right, well before `finding`.
    pub(super) fn was_right_before(&self, finding: &Finding, member: Option<&Member>) -> bool {
        let since = self.right_since_on(member);
        since.is_some() && !settles(since, finding.last)
    }

    /// Since when the thing at fault is right: of many nodes each has its own.
    pub(super) fn right_since_on(&self, member: Option<&Member>) -> Option<Timestamp> {
        if self.scope.kind == ScopeKind::Nodes {
            member?.right_since
        } else {
            self.right_since
        }
    }

    /// Whether it is right and has shown nothing since it was put right.
    fn is_silent(&self) -> bool {
        if self.scope.kind == ScopeKind::Nodes {
            self.state == State::Resolved && self.count() == 0
        } else {
            settles(self.right_since, self.newest)
        }
    }

    /// How many nodes it stands on. Of many that are right those count whose
    /// log has spoken of it since.
    fn count(&self) -> usize {
        match self.scope.kind == ScopeKind::Nodes && self.state == State::Resolved {
            true => self.counts.unsettled,
            false => self.counts.open,
        }
    }

    /// Whether `finding` is one that joined before: the same node, nothing
    /// that sets it apart, the same candidates. What is over takes in only
    /// evidence from before the recovery.
    pub(super) fn matches_finding(&self, finding: &Finding, member: Option<&Member>) -> bool {
        let same = |member: &Member| {
            (finding.candidates.iter()).all(|candidate| member.candidates.contains(candidate))
                && (!self.resolved_notified || member.recovered_at >= Some(finding.last))
        };
        self.subject.fits(&Subject::of(&finding.error_details)) && member.is_some_and(same)
    }

    /// Whether it is open on another node than these.
    pub(super) fn has_open_node_beside(&self, others: &BTreeSet<Node>) -> bool {
        let mut open = self.listed.iter().filter(|(_, is_open)| **is_open);
        open.any(|(node, _)| !others.contains(node))
    }

    /// Whether a check has ever confirmed it.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confidence == Confidence::Confirmed
    }

    /// What is remembered of it, as an incident of which nothing new was read.
    pub(super) fn as_open(&self, key: &str) -> OpenIncident {
        let open = self.listed.iter().filter(|(_, is_open)| **is_open);
        let nodes: Vec<&Node> = open.map(|(node, _)| node).collect();
        let hit = |node: &&Node| AffectedNode {
            node: (*node).clone(),
            first: self.since,
            last: self.newest,
            confirmed: false,
            log_candidates: Vec::new(),
        };
        let incident = Incident {
            key: key.to_owned(),
            cause: self.cause,
            candidates: match self.candidates.is_empty() {
                true => vec![self.cause],
                false => self.candidates.clone(),
            },
            scope: self.scope.clone(),
            severity: self.severity,
            confidence: self.confidence,
            fault_state: FaultState::Active,
            title: self.title.clone(),
            detail: None,
            affected: nodes.iter().map(hit).collect(),
            signatures: Vec::new(),
            evidence: Vec::new(),
            error_details: self.subject.error_details(),
            checks: Vec::new(),
            first: self.since,
            last: self.newest,
            retry_in_seconds: None,
            fresh: false,
            instances: Vec::new(),
            role: None,
            role_arn: self.role_arn.clone(),
        };
        OpenIncident {
            nodes: NodeList {
                count: self.count(),
                ..NodeList::of(nodes)
            },
            since: self.since,
            written_at: self.written_at,
            incident,
        }
    }

    /// What there is to say of it in a line.
    pub(super) fn overview(&self, key: &str) -> IncidentOverview {
        // Not when its last node recovered: a log may come later than a digest.
        let over = self.ended_at.or(self.right_since).or(self.recovered_at);
        let stands = self.stands();
        let listed = self
            .listed
            .iter()
            .filter(|(_, is_open)| **is_open || !stands);
        IncidentOverview {
            key: key.to_owned(),
            cause: self.cause,
            severity: self.severity,
            title: self.title.clone(),
            confirmed: self.is_confirmed(),
            nodes: NodeList {
                count: match stands {
                    true => self.counts.open,
                    false => self.counts.hit,
                },
                ..NodeList::of(listed.map(|(node, _)| node))
            },
            since: self.since,
            resolved_at: over.filter(|_| !stands || self.is_silent()),
            returned: self.returned.clone(),
            written_at: self.written_at,
        }
    }

    /// Whether it is worth a write after `before`.
    pub(super) fn differs(&self, before: &Self) -> bool {
        let seen = Duration::try_from(self.seen_at.duration_since(before.seen_at));
        let as_seen = Self {
            seen_at: self.seen_at,
            newest: self.newest,
            title: self.title.clone(),
            batch_severity: self.batch_severity,
            pending: self.pending.clone(),
            ..before.clone()
        };
        *self != as_seen
            || seen.is_ok_and(|seen| seen >= SEEN)
            || self.right_since.is_some() && self.newest != before.newest
    }

    /// When it was last seen.
    pub(super) fn seen_at(&self) -> Timestamp {
        self.seen_at
    }

    /// Whether it may be forgotten once nothing of it stands: nobody was notified
    /// of it, nor may be, and nothing was done about it that is still to be notified.
    pub(super) fn can_be_dropped(&self) -> bool {
        !self.stands() && !self.may_be_known() && !self.is_due()
    }

    /// Whether no node is left in it, recovered or not.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.hit == 0 && self.counts.open == 0 && self.listed.is_empty()
    }

    pub(super) fn stands(&self) -> bool {
        self.counts.open > 0
    }

    /// The nodes that have not recovered and those of `incident`, sorted.
    pub(super) fn nodes_with(&self, incident: &Incident, members: &Members) -> NodeList {
        let open = self.listed.iter().filter(|(_, is_open)| **is_open);
        let mut nodes = sort::set(open.map(|(node, _)| node.clone()));
        let mut count = self.counts.open;
        for node in incident.nodes().map(key) {
            count += usize::from(!members.get(&node).is_some_and(Member::is_open));
            nodes.insert(node);
        }
        NodeList {
            count,
            ..NodeList::of(&nodes)
        }
    }
}

/// What a state of before it was remembered says.
fn undetermined() -> Confidence {
    Confidence::Undetermined
}

/// The node as the key of what is known of it, however its id became known.
pub(super) fn key(node: &Node) -> Node {
    Node {
        id_source: IdSource::Nobody,
        ..node.clone()
    }
}
