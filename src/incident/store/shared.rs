//! When the incidents of one node each are one incident of them all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Incidents;
use super::entry::{self, Entry};
use super::member::Member;
use crate::cause::{Cause, Scope, ScopeKind};
use crate::diagnose::diagnosis::FaultState;
use crate::incident::group::Incident;
use crate::incident::shared::{HANDFUL, shared_key, shared_keys, shared_scopes};
use crate::node::Node;
use crate::sort;

impl Incidents {
    /// Those of `incidents` that are to be notified as one, by the scope of that
    /// one: more than [`HANDFUL`] nodes have come to show the same within
    /// [`WITHIN`](super::shared::WITHIN), in this batch and those before, or did so earlier and further
    /// ones join them. Each is given by its place.
    pub fn shared(&self, incidents: &[&Incident], now: Timestamp) -> Vec<(Scope, Vec<usize>)> {
        let mut groups: BTreeMap<String, (usize, Scope, Vec<usize>)> = BTreeMap::new();
        for (place, incident) in incidents.iter().enumerate() {
            let scopes = match incident.scope.kind {
                ScopeKind::Nodes => vec![incident.scope.clone()],
                _ => shared_scopes(incident),
            };
            for (rank, scope) in scopes.into_iter().enumerate() {
                if let Some(key) = shared_key(incident, &scope) {
                    let group = groups
                        .entry(key)
                        .or_insert_with(|| (rank, scope, Vec::new()));
                    group.2.push(place);
                }
            }
        }
        // What is open as one goes on; else the larger comes first, and the likelier of two.
        let mut groups: Vec<_> = groups.into_iter().collect();
        sort::by_key(&mut groups, |(key, (rank, _, places))| {
            let is_open = self.entry(key).is_some_and(Entry::stands);
            (!is_open, Reverse(places.len()), *rank)
        });
        let mut shared: Vec<(Scope, Vec<usize>)> = Vec::new();
        for (key, (_, scope, mut places)) in groups {
            places.retain(|place| !shared.iter().any(|(_, taken)| taken.contains(place)));
            let Some(cause) = places.first().map(|place| incidents[*place].cause) else {
                continue;
            };
            let single = |place: &usize| self.entry(&incidents[*place].key);
            // The end of what was notified by itself is, too.
            let by_itself = |place: &usize| {
                let right = incidents[*place].fault_state == FaultState::NotObserved;
                single(place).is_some_and(|single| {
                    single.is_due() || right && single.stands() && single.is_notified()
                })
            };
            // What has been open by itself for long has been notified by itself.
            let recent = |place: &usize| {
                single(place).is_none_or(|single| {
                    !single.stands() || !single.is_notified() || single.is_recent(now)
                })
            };
            let here = places.iter().filter(|place| recent(place));
            let mut nodes: BTreeSet<Node> = here
                .flat_map(|place| incidents[*place].nodes().map(entry::key))
                .collect();
            nodes.extend(self.recent_in(&key, cause, now));
            let open = self.entry(&key);
            let many = nodes.len() > HANDFUL || open.is_some_and(|open| open.takes_further(now));
            places.retain(|place| {
                let one = incidents[*place];
                one.scope.kind == ScopeKind::Nodes
                    || !by_itself(place)
                        && (open.is_some_and(Entry::stands) && self.has_node_of(&key, one)
                            || many && recent(place))
            });
            if !places.is_empty() {
                shared.push((scope, places));
            }
        }
        shared
    }

    /// The nodes that have lately come to show by themselves what the incident of
    /// `key` is about.
    fn recent_in(&self, key: &str, cause: Cause, now: Timestamp) -> BTreeSet<Node> {
        let group = self.groups.get(key).and_then(|slot| slot.value.as_ref());
        let registered = group.into_iter().flat_map(|group| group.recent(now));
        let still = registered.filter(|(_, node)| !self.is_shared_elsewhere(key, cause, node));
        let still = still.filter(|(single, _)| {
            // It is about to be opened, perhaps by another environment.
            let entry = self.entry(single);
            entry.is_none_or(|single| single.is_recent(now))
        });
        still.map(|(_, node)| node.clone()).collect()
    }

    /// Whether an open incident of many nodes other than that of `key` has `node` for
    /// `cause`.
    fn is_shared_elsewhere(&self, key: &str, cause: Cause, node: &Node) -> bool {
        let joined = self.nodes.get(node).and_then(|slot| slot.value.as_ref());
        let mut others = joined
            .into_iter()
            .flat_map(|joined| joined.incidents.keys());
        others.any(|other| {
            let entry = self.entry(other).filter(|_| other != key);
            entry.is_some_and(|one| {
                one.cause == cause && one.scope.kind == ScopeKind::Nodes && one.stands()
            }) && self.member(other, node).is_some_and(Member::is_open)
        })
    }

    /// Whether a node of `incident` belongs to the incident of `key`.
    fn has_node_of(&self, key: &str, incident: &Incident) -> bool {
        let mut nodes = incident.nodes().map(entry::key);
        nodes.any(|node| self.member(key, &node).is_some())
    }

    /// Registers the incidents of one node each that are about to be opened, so that
    /// of many environments that each see some of them all count the same.
    pub fn register(&mut self, incidents: &[&Incident], now: Timestamp) {
        for incident in incidents {
            let stands = self
                .entry(&incident.key)
                .is_some_and(|one| one.stands() && one.is_notified());
            let (Some(node), false) = (incident.nodes().next(), stands) else {
                continue;
            };
            for shared in shared_keys(incident) {
                let slot = self.groups.entry(shared).or_default();
                let group = slot.value.get_or_insert_default();
                slot.dirty |= group.register(&incident.key, &entry::key(node), now);
            }
        }
    }
}
