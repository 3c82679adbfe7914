//! The open incidents: which one has been notified, for which nodes, and when
//! it is notified again.
//!
//! Deciding and notifying are two steps. [`Incidents::decide`] takes note of what a
//! batch says about an incident and answers whether to notify; only
//! [`Incidents::mark_notified`], called once the message is out, makes it notified. A
//! message that failed therefore is notified again when the batch is retried.
//!
//! What is at hand here is what one invocation needs: [`sync`] reads it from the
//! state and writes back what has changed. No clock is read, and every decision takes and
//! returns plain values, so that it can be made again on what another execution
//! environment has written meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub mod agree;
mod claim;
mod counts;
mod entry;
mod group;
mod member;
mod moment;
pub mod open;
pub mod overview;
mod shared;
mod subject;
pub mod sync;

pub use claim::Channel;
use claim::Claim;
use entry::Entry;
use group::Group;
use member::{Joined, Member, Members, Membership};
use subject::Subject;

use super::group::Incident;
use super::shared::{is_of, shared_keys};
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::finding::Recovered;
use crate::incident::nodes::NodeList;
use crate::node::Node;
use crate::sort;
use crate::state::Slot;

/// What the reader would say the state of an incident is. A change of it
/// is notified; what leaves it as it is does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Once it is claimed.
    Send(NotifyReason),
    /// The reader knows it.
    Suppress,
    /// Another execution environment is about to notify of the incident: decide again
    /// when it has.
    Wait,
}

/// Why an incident is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// It has come back again and again within a day: said once, in place of its
    /// further ends and returns.
    Flapping,
}

/// An incident that was notified and whose last node has recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedIncident {
    pub key: String,
    pub cause: Cause,
    pub scope: Scope,
    /// The ARN of the role at fault, where it is the scope and was read.
    pub role_arn: Option<String>,
    pub severity: Severity,
    pub confidence: Confidence,
    pub title: String,
    /// The nodes it had hit, sorted.
    pub nodes: NodeList,
    /// The oldest evidence since it opened.
    pub since: Timestamp,
    /// When the last of its nodes recovered, by the log, or turned out to have
    /// another cause.
    pub resolved_at: Timestamp,
    /// The title of the incident whose cause a check has confirmed on the last node
    /// instead.
    pub explained_by: Option<String>,
    /// The latest write of this function that is remembered.
    pub written_at: Option<Timestamp>,
}

/// What became of a message that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub key: String,
    pub why: NotifyReason,
    /// The channels that have it.
    pub reached: Vec<Channel>,
    /// No other channel is to have it.
    pub is_complete: bool,
    /// The OpsItem of the incident, where one was written.
    pub ops_item: Option<String>,
}

/// What is known of an incident's message from before it is sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Earlier {
    /// The channels that have it, from an attempt in which others did not take it.
    pub reached: Vec<Channel>,
    /// The OpsItem of the incident.
    pub ops_item: Option<String>,
}

/// An incident of which nothing new was read.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIncident {
    /// As far as it is remembered: without evidence and checks.
    pub incident: Incident,
    pub nodes: NodeList,
    pub since: Timestamp,
    /// The latest write of this function that has, or may have, changed the thing at fault.
    pub written_at: Option<Timestamp>,
}

/// The incidents that an invocation has to do with, and their nodes.
#[derive(Debug, Clone)]
pub struct Incidents {
    reminder: Duration,
    /// By which the other execution environments tell this invocation from theirs.
    me: u64,
    incidents: BTreeMap<String, Slot<Entry>>,
    nodes: BTreeMap<Node, Slot<Joined>>,
    groups: BTreeMap<String, Slot<Group>>,
}

impl Incidents {
    /// None are at hand yet. `reminder` is how long a notified incident stays
    /// silent, `me` a number that no other invocation has.
    pub fn new(reminder: Duration, me: u64) -> Self {
        Self {
            reminder,
            me,
            incidents: BTreeMap::new(),
            nodes: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let slots = self.incidents.iter();
        slots.filter_map(|(key, slot)| Some((key, slot.value.as_ref()?)))
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.incidents.get(key)?.value.as_ref()
    }

    /// What is known of `node` in the incident of `key`.
    fn member(&self, key: &str, node: &Node) -> Option<&Member> {
        let joined = self.nodes.get(node)?.value.as_ref()?;
        joined.incidents.get(key)?.member()
    }

    /// The members of the incident of `key` among `nodes`.
    fn members<'n>(&self, key: &str, nodes: impl IntoIterator<Item = &'n Node>) -> Members {
        let nodes = nodes.into_iter();
        let known = nodes.filter_map(|node| Some((node.clone(), self.member(key, node)?.clone())));
        Members::of(known.collect())
    }

    /// Changes the incident of `key` and its members among `nodes`.
    fn change<'n, T>(
        &mut self,
        key: &str,
        nodes: impl IntoIterator<Item = &'n Node>,
        by: impl FnOnce(&mut Entry, &mut Members) -> T,
    ) -> Option<T> {
        let mut members = self.members(key, nodes);
        let slot = self.incidents.get_mut(key)?;
        let entry = slot.value.as_mut()?;
        let answer = by(entry, &mut members);
        slot.dirty |= members.set.values().any(|significant| *significant)
            || slot
                .stored
                .as_ref()
                .is_none_or(|stored| entry.differs(stored));
        let version = slot.version + 1;
        for (node, significant) in std::mem::take(&mut members.set) {
            let membership = match members.get(&node) {
                Some(member) if !significant => Membership::In(member.clone()),
                Some(member) => Membership::In(Member {
                    version,
                    ..member.clone()
                }),
                None => Membership::Left(version),
            };
            if significant {
                entry.pending.insert(node.clone(), membership.clone());
            }
            let joined = self.nodes.entry(node).or_default();
            joined.dirty |= significant;
            let of_node = joined.value.get_or_insert_default();
            of_node.incidents.insert(key.to_owned(), membership);
        }
        Some(answer)
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
        let node = entry::key(&finding.node);
        let joined = self.nodes.get(&node).and_then(|slot| slot.value.as_ref());
        let known: Vec<(&Entry, Option<&Member>)> = (joined.into_iter())
            .flat_map(|joined| &joined.incidents)
            .filter_map(|(key, membership)| Some((self.entry(key)?, membership.member())))
            .filter(|(entry, member)| entry.matches_finding(finding, *member))
            .collect();
        let was_right = known.iter().find(|(entry, member)| {
            entry.cause == diagnosed.cause && entry.was_right_before(finding, *member)
        });
        if let Some((entry, _)) = was_right {
            diagnosed.rule_out(entry.cause);
        }
        let finding = &diagnosed.finding;
        let right =
            |(entry, member): &(&Entry, Option<&Member>)| entry.was_right_after(finding, *member);
        let fault_state = |known: &(&Entry, Option<&Member>)| match right(known) {
            true => FaultState::NotObserved,
            false => diagnosed.fault_state,
        };
        let possible = |known: &&(&Entry, Option<&Member>)| {
            diagnosed.fault_state == FaultState::NotObserved
                || diagnosed.candidates.contains(&known.0.cause)
                || right(known)
        };
        let joined = (known.iter())
            .filter(possible)
            .filter(|(entry, _)| diagnosed.may_concern(entry.cause, &entry.scope))
            .filter(|known| is_of(&known.0.scope, fault_state(known)))
            .max_by_key(|(entry, _)| (entry.is_confirmed(), entry.seen_at));
        let Some(joined) = joined else {
            return;
        };
        let (fault_state, entry) = (fault_state(joined), joined.0);
        diagnosed.fault_state = fault_state;
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

    /// Takes note of what a batch says about `incident`, and answers whether
    /// to notify. `happened` is what planning and repairing came to.
    pub fn decide(
        &mut self,
        incident: &Incident,
        happened: impl Into<Happened>,
        now: Timestamp,
    ) -> Decision {
        let happened = happened.into();
        self.detach_if_confirmed(incident, now);
        // What was notified node by node goes on in the list of all.
        let group = self
            .groups
            .get(&incident.key)
            .and_then(|slot| slot.value.as_ref());
        let singles: Vec<(Entry, Members)> = (group.into_iter())
            .flat_map(|group| &group.singles)
            .filter_map(|(single, (node, _))| {
                Some((self.entry(single)?, self.members(single, [node])))
            })
            .filter(|(entry, _)| entry.shared.contains(&incident.key))
            .map(|(entry, members)| (entry.clone(), members))
            .collect();
        let theirs = singles.iter().flat_map(|(_, theirs)| theirs.iter());
        let theirs = theirs.map(|(node, _)| node.clone());
        let nodes = sort::set(incident.nodes().map(entry::key).chain(theirs));
        let slot = self.incidents.entry(incident.key.clone()).or_default();
        slot.value.get_or_insert_with(|| Entry::new(incident, now));
        let (reminder, me) = (self.reminder, self.me);
        let decide = |entry: &mut Entry, members: &mut Members| {
            let stands = entry.note(incident, members, now);
            for (single, theirs) in &singles {
                entry.adopt(single, theirs, members, now);
            }
            // An old answer soon after a repair is no sign that it has come back.
            let settling = !happened.observed && entry.is_settling(now);
            if stands && entry.resolved_notified && !settling {
                entry.begin_anew(incident.first, members, now);
            }
            entry.enter(incident.confidence, happened, now);
            Decision {
                notify: entry.notify(stands, reminder, me, now),
                nodes: entry.nodes_with(incident, members),
                severity: entry.severity,
                since: entry.since,
            }
        };
        let decision = self.change(&incident.key, &nodes, decide);
        decision.expect("the entry was made above")
    }

    /// Closes for each node what it has recovered from, and gives every
    /// incident that is over and was notified, in the order of their keys. One
    /// whose end is not marked as notified is given again the next time.
    pub fn recover(&mut self, recovered: &[Recovered]) -> Vec<ResolvedIncident> {
        let ids = sort::set(recovered.iter().map(|one| one.node.as_str()));
        let nodes: Vec<Node> = (self.nodes.keys())
            .filter(|node| ids.contains(node.id.as_str()))
            .cloned()
            .collect();
        for node in nodes {
            let joined = self.nodes.get(&node).and_then(|slot| slot.value.as_ref());
            let keys: Vec<String> = (joined.into_iter())
                .flat_map(|joined| joined.incidents.keys().cloned())
                .collect();
            for key in keys {
                self.change(&key, [&node], |entry, members| {
                    for recovery in recovered {
                        entry.recover(recovery, members);
                    }
                });
            }
        }
        self.drop_if(Entry::can_be_dropped);
        let silent: Vec<String> = (self.entries())
            .filter(|(_, entry)| entry.is_over() && entry.ends_silently())
            .map(|(key, _)| key.clone())
            .collect();
        for key in silent {
            self.change(&key, [], |entry, _| entry.resolved_notified = true);
        }
        let over = self.entries();
        over.filter_map(|(key, entry)| entry.over(key)).collect()
    }

    /// Claims the message for `why` until `until`, so that no other environment
    /// sends it too.
    pub fn claim(&mut self, key: &str, why: NotifyReason, until: Timestamp, now: Timestamp) {
        let by = self.me;
        self.change(key, [], |entry, _| {
            let says = entry.says(now);
            entry.claim = Some(Claim {
                by,
                until,
                why,
                says,
            });
        });
    }

    /// Whether another environment is about to notify of the incident.
    fn is_claimed_by_another(&self, key: &str, now: Timestamp) -> bool {
        let entry = self.entry(key);
        entry.is_some_and(|entry| entry.is_claimed_by_another(self.me, now))
    }

    /// Whether the message that is claimed is this invocation's own.
    fn is_own_claim(&self, key: &str) -> bool {
        let claim = self.entry(key).and_then(|entry| entry.claim);
        claim.is_some_and(|claim| claim.by == self.me)
    }

    /// What is known of the message for `why` that is about to be sent.
    pub fn earlier(&self, key: &str, why: NotifyReason, now: Timestamp) -> Earlier {
        let entry = self.entry(key);
        entry.map_or_else(Earlier::default, |entry| Earlier {
            reached: entry.reached(why, self.reminder, now),
            ops_item: entry.ops_item.clone(),
        })
    }

    /// Takes note of what became of a message.
    pub fn settle(&mut self, one: &Delivery, now: Timestamp) {
        if one.ops_item.is_some() {
            self.change(&one.key, [], |entry, _| {
                entry.ops_item.clone_from(&one.ops_item);
            });
        }
        match one.is_complete {
            true => self.mark_notified(&one.key, one.why, now),
            false => self.release(&one.key, one.why, &one.reached, now),
        }
    }

    /// The message for `why` that was claimed could not be sent, but to `reached`.
    pub fn release(&mut self, key: &str, why: NotifyReason, reached: &[Channel], now: Timestamp) {
        let (me, reminder) = (self.me, self.reminder);
        self.change(key, [], |entry, _| {
            let own = entry.claim.take_if(|claim| claim.by == me);
            let says = own.map_or_else(|| entry.says(now), |claim| claim.says);
            entry.mark_reached(why, says, reached, reminder);
        });
    }

    /// The message for `why` is out. Nothing happens for an incident that is
    /// no longer at hand.
    pub fn mark_notified(&mut self, key: &str, why: NotifyReason, now: Timestamp) {
        let me = self.me;
        self.change(key, [], |entry, _| {
            let own = entry.claim.filter(|claim| claim.by == me);
            let says = own.map_or_else(|| entry.says(now), |claim| claim.says);
            entry.mark_notified(why, says);
            if own.is_some() {
                entry.claim = None;
            }
        });
    }

    /// A check has now proved what a node's finding comes from, so the node no
    /// longer counts for the incidents that the finding joined before. What loses its
    /// last node so ends: silently, unless somebody may have been notified of it.
    fn detach_if_confirmed(&mut self, incident: &Incident, now: Timestamp) {
        if incident.confidence != Confidence::Confirmed {
            return;
        }
        let subject = Subject::of(&incident.error_details);
        let shared: Vec<String> = shared_keys(incident).collect();
        for hit in incident.affected.iter().filter(|hit| hit.confirmed) {
            let node = entry::key(&hit.node);
            let joined = self.nodes.get(&node).and_then(|slot| slot.value.as_ref());
            let others: Vec<String> = (joined.into_iter())
                .flat_map(|joined| joined.incidents.keys())
                .filter(|key| **key != incident.key && !shared.contains(key))
                .filter(|key| {
                    self.entry(key).is_some_and(|entry| {
                        // One node's incident and that of all which show the same.
                        !entry.shared.contains(&incident.key) && entry.subject == subject
                    })
                })
                .cloned()
                .collect();
            for key in others {
                self.change(&key, [&node], |entry, members| {
                    entry.leave(hit, &incident.title, members, now);
                });
            }
        }
        self.drop_if(Entry::is_empty);
    }

    /// Forgets what need not be remembered.
    fn drop_if(&mut self, which: impl Fn(&Entry) -> bool) {
        for slot in self.incidents.values_mut() {
            if slot.value.as_ref().is_some_and(&which) {
                slot.value = None;
                slot.dirty = slot.version > 0;
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod written_tests;
