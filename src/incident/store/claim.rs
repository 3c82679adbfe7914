//! Who is about to notify of an incident.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NotifyReason, State};
use crate::cause::Severity;

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
