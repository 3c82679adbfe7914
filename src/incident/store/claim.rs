//! Who is about to notify of an incident.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NotifyReason, State};
use crate::cause::{Severity, closed_names};

closed_names! {
    /// Where a reader is notified of incidents.
    pub Channel {
        /// The SNS topic, or the function's own log for want of one.
        Topic = "topic",
        /// An event bus of EventBridge.
        EventBus = "event-bus",
        /// OpsCenter of Systems Manager.
        OpsCenter = "ops-center",
    }
}

/// An execution environment is about to send a message. Until it has done so, or
/// can no longer, the others wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// One invocation.
    pub(super) by: u64,
    /// When that invocation ends at the latest.
    pub(super) until: Timestamp,
    pub(super) why: NotifyReason,
    /// What the reader knows then.
    pub(super) says: LastNotified,
}

impl Claim {
    /// Whether an invocation other than `me` still holds it.
    pub(super) fn is_of_another(&self, me: u64, now: Timestamp) -> bool {
        self.by != me && now < self.until
    }
}

/// What the reader knows of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct LastNotified {
    pub(super) at: Timestamp,
    pub(super) state: State,
    pub(super) written_at: Option<Timestamp>,
    pub(super) nodes: usize,
    pub(super) severity: Severity,
}

/// A message that a channel has had, while another has not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) why: NotifyReason,
    pub(super) says: LastNotified,
}

impl Reached {
    /// Whether a message for `why` that `says` this tells the channel nothing new.
    pub(super) fn is_same(
        &self,
        why: NotifyReason,
        says: &LastNotified,
        reminder: Duration,
    ) -> bool {
        let age = Duration::try_from(says.at.duration_since(self.says.at)).unwrap_or_default();
        self.why == why
            && self.says.state == says.state
            && self.says.written_at == says.written_at
            && age < reminder
    }
}
