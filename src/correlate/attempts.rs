//! The attempts to find an identity: the agent makes three at its start.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attempts {
    pub count: u32,
    pub last: Option<Timestamp>,
}

impl Attempts {
    /// Three attempts half a second apart, each of a few seconds at the most.
    pub(super) fn add(&mut self, at: Timestamp) {
        let since = self.last.map(|last| at.duration_since(last));
        if since.is_some_and(|since| since <= SignedDuration::ZERO) {
            return;
        }
        let again = since.is_some_and(|since| since <= SignedDuration::from_secs(30));
        self.count = if again { self.count + 1 } else { 1 };
        self.last = Some(at);
    }

    /// The agent began anew, or found its identity, at `at`.
    pub(super) fn forget(&mut self, at: Timestamp) {
        if self.last.is_none_or(|last| last <= at) {
            *self = Self {
                count: 0,
                last: Some(at),
            };
        }
    }
}
