//! What is open without a word of any log: whose it is, what may have ended, and what
//! is due to be notified again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::agree::Times;
use super::entry::{self, Entry};
use super::sync::node_of;
use super::{Incidents, NotifyReason, OpenIncident};
use crate::diagnose::sweep::OpenFault;
use crate::node::Node;
use crate::sort;
use crate::state::{Kind, StateError, Store};

impl Incidents {
    /// Reads every node that is in an open incident, with the incidents, and gives them.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn load_open<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<Vec<Node>, StateError> {
        let keys = state.open(Kind::Node).await?;
        let nodes: Vec<Node> = keys.iter().filter_map(node_of).collect();
        self.load_nodes(state, &nodes, now).await?;
        Ok(nodes)
    }

    /// What `node` is in and has not recovered from.
    pub fn open_faults(&self, node: &Node) -> Vec<OpenFault> {
        let joined = self.nodes.get(&entry::key(node));
        let joined = joined.and_then(|slot| slot.value.as_ref());
        let open = (joined.into_iter())
            .flat_map(|joined| &joined.incidents)
            .filter_map(|(key, membership)| Some((self.entry(key)?, membership.member()?)))
            .filter(|(_, member)| member.is_open());
        let fault = |(entry, member): (&Entry, &super::Member)| OpenFault {
            cause: entry.cause,
            candidates: member.candidates.iter().copied().collect(),
            error_details: entry.subject.error_details(),
            last: member.last,
            confirmed: entry.is_confirmed(),
            right_since: entry.right_since_on(Some(member)),
        };
        open.map(fault).collect()
    }

    /// The incidents at hand that were notified long ago and are open still, claimed:
    /// those that no batch and no check brings, of other than `idle` nodes. One that another environment writes
    /// meanwhile is left to it, and to the next time.
    ///
    /// # Errors
    /// When the state cannot be used.
    pub async fn remind_all<S: Store, C: Fn() -> Timestamp>(
        &mut self,
        idle: &[&Node],
        state: &S,
        times: &Times<C>,
    ) -> Result<Vec<OpenIncident>, StateError> {
        let now = (times.clock)();
        let idle = sort::set(idle.iter().map(|node| entry::key(node)));
        let is_due = |entry: &Entry| {
            entry.is_reminder_due(self.reminder, now)
                && !entry.is_claimed_by_another(self.me, now)
                && entry.has_open_node_beside(&idle)
        };
        let due = self.entries().filter(|(_, entry)| is_due(entry));
        let due: Vec<String> = due.map(|(key, _)| key.clone()).collect();
        for key in &due {
            self.claim(key, NotifyReason::Reminder, times.ends_at, now);
        }
        let lost: BTreeSet<String> = self.save(state, now).await?;
        let won = due.into_iter().filter(|key| !lost.contains(key));
        Ok(won
            .filter_map(|key| Some(self.entry(&key)?.as_open(&key)))
            .collect())
    }
}
