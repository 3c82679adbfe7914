//! One invocation, and what it asks of AWS.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::budget::Budget;
use super::metrics::Metrics;
use crate::cause::Severity;
use crate::diagnose::facts::Facts;
use crate::finding::Finding;
use crate::incident::group::Incident;
use crate::incident::store::{Channel, Earlier};
use crate::node::{Home, Node};
use crate::notify::content::Content;
use crate::receive::ReceiveError;
use crate::repair::locks::Guardrails;
use crate::repair::memory::RepairMemory;
use crate::repair::plan::Plan;
use crate::report::Notified;
use crate::state::Store;

/// What an invocation asks of AWS, beside the state.
pub(super) trait Services: Send + Sync + 'static {
    /// Live state for `findings`, all of `home`, read in this invocation or before it by
    /// at most `age`.
    async fn look<C>(
        &self,
        findings: &[Finding],
        home: &Home,
        age: Duration,
        by: &Invocation<C>,
    ) -> Facts;

    /// Plans the repair of an incident, and makes it where every lock is open.
    async fn repair<S: Store, C>(
        &self,
        incident: &Incident,
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Plan;

    /// Sends a message before `until`, to all channels but those that had it
    /// earlier.
    fn send(
        &self,
        content: &Content,
        earlier: &Earlier,
        until: Instant,
    ) -> impl Future<Output = Sent> + Send;
}

/// What became of a message.
#[derive(Debug)]
pub(super) struct Sent {
    pub notified: Notified,
    /// The channels that have it, those that had it before too.
    pub reached: Vec<Channel>,
    /// Why each other one does not, with the message.
    pub failed: Vec<(String, String)>,
    /// The incident's OpsItem, where it was written.
    pub ops_item: Option<String>,
}

/// Who and where this function is in one invocation, and how long it has.
pub(super) struct Invocation<C> {
    /// Where the function runs.
    pub(super) own: Home,
    /// Where it looks, unless a log comes from elsewhere.
    pub(super) home: Home,
    /// Whether a member role leads to other accounts and Regions.
    pub(super) has_member_role: bool,
    /// Of the function's own account and Region.
    pub(super) guardrails: Guardrails,
    pub(super) budget: Budget,
    pub(super) now: Timestamp,
    /// What time it is.
    pub(super) clock: C,
    pub(super) began: Instant,
    pub(super) metrics: Metrics,
    /// Lambda's deadline.
    pub(super) ends_at: Timestamp,
    /// A number that no other invocation has.
    pub(super) me: u64,
    /// Why the table is not used, where there is one.
    pub(super) without_state: Option<String>,
    /// For so long a notified incident stays silent.
    pub(super) reminder: Duration,
    /// Of what is less severe no message is sent.
    pub(super) min_severity: Severity,
}

impl<C> Invocation<C> {
    /// Where `node` is looked at: where it is, if the function may look there.
    pub(super) fn home_of(&self, node: &Node) -> Home {
        let theirs = Home {
            account: node.account.clone(),
            region: node.region.clone(),
        };
        let is_known = theirs.account.is_some() && theirs.region.is_some();
        if is_known && self.has_member_role {
            theirs
        } else {
            self.home.clone()
        }
    }

    /// Looks in `wanted` instead of the function's own account and Region.
    ///
    /// # Errors
    /// When no member role leads there.
    pub(super) fn turn_to(&mut self, wanted: Home) -> Result<(), ReceiveError> {
        let wanted = wanted.or(&self.own);
        if wanted != self.own && !self.has_member_role {
            return Err(ReceiveError::NoMember {
                wanted: wanted.to_string(),
                own: self.own.to_string(),
            });
        }
        self.home = wanted;
        Ok(())
    }

    /// What a repair in `home` has to heed.
    pub(super) fn guardrails_of(&self, home: &Home) -> Guardrails {
        let own = &self.guardrails;
        Guardrails {
            account: home.account.clone(),
            region: home.region.as_ref().unwrap_or(&own.region).clone(),
            ..own.clone()
        }
    }
}
