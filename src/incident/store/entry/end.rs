//! How an incident ends: for a node, and as a whole.

use jiff::Timestamp;

use super::{Entry, key};
use crate::finding::Recovered;
use crate::incident::group::AffectedNode;
use crate::incident::nodes::NodeList;
use crate::incident::store::ResolvedIncident;
use crate::incident::store::member::{Member, Members};
use crate::node::Node;

impl Entry {
    /// Closes it for the node that has recovered, unless newer evidence says
    /// otherwise.
    pub(in crate::incident::store) fn recover(
        &mut self,
        recovery: &Recovered,
        members: &mut Members,
    ) {
        let cause = self.cause;
        let meant: Vec<(Node, Member)> = (members.iter())
            .filter(|(node, member)| {
                node.id.as_str() == recovery.node
                    && (cause == recovery.cause || member.candidates.contains(&recovery.cause))
                    && member.is_open()
                    && member.last <= recovery.at
            })
            .map(|(node, member)| (node.clone(), member.clone()))
            .collect();
        for (node, member) in meant {
            let recovered_at = Some(recovery.at);
            self.change(
                node,
                Some(Member {
                    recovered_at,
                    ..member
                }),
                members,
            );
        }
    }

    /// The node's finding turned out to come from what `title` says. It stays
    /// where a repair is still to be notified.
    pub(in crate::incident::store) fn leave(
        &mut self,
        hit: &AffectedNode,
        title: &str,
        members: &mut Members,
        now: Timestamp,
    ) {
        let node = key(&hit.node);
        let same = |member: &&Member| {
            (hit.log_candidates.iter()).all(|candidate| member.candidates.contains(candidate))
        };
        let Some(member) = members.get(&node).filter(same).cloned() else {
            return;
        };
        if self.is_due() {
            return;
        }
        let was_open = member.is_open();
        let after = self.may_be_known().then(|| Member {
            recovered_at: member.recovered_at.or(Some(now.max(member.last))),
            ..member
        });
        self.change(node, after, members);
        if was_open && !self.stands() {
            self.explained_by = Some(title.to_owned());
        }
    }

    /// Whether it is over, and its end is still to be marked as notified.
    pub(in crate::incident::store) fn is_over(&self) -> bool {
        !self.stands()
            && self.may_be_known()
            && !self.resolved_notified
            && self.recovered_at.is_some()
    }

    /// Whether its end is no news: it comes and goes.
    pub(in crate::incident::store) fn ends_silently(&self) -> bool {
        self.flapping
    }

    /// Its end, when it is over, was notified, and its end was not.
    pub(in crate::incident::store) fn over(&self, key: &str) -> Option<ResolvedIncident> {
        let resolved_at = self.recovered_at.filter(|_| self.is_over())?;
        // A later batch may have been of less: whoever was to hear of it hears its end.
        let notified = self.notified.map(|notified| notified.severity);
        Some(ResolvedIncident {
            key: key.to_owned(),
            cause: self.cause,
            scope: self.scope.clone(),
            role_arn: self.role_arn.clone(),
            severity: notified.map_or(self.severity, |notified| notified.max(self.severity)),
            confidence: self.confidence,
            title: self.title.clone(),
            nodes: NodeList {
                count: self.counts.hit.max(self.listed.len()),
                ..NodeList::of(self.listed.keys())
            },
            since: self.since,
            resolved_at,
            explained_by: self.explained_by.clone(),
            written_at: self.written_at,
        })
    }
}
