//! What is counted of the nodes of an incident.

use serde::{Deserialize, Serialize};

/// How many of its nodes are what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Hit since it opened.
    pub(super) hit: usize,
    /// Not recovered.
    pub(super) open: usize,
    /// Not recovered, and logged since they were seen right.
    pub(super) unsettled: usize,
    /// Not seen right by live state.
    pub(super) wrong: usize,
}

impl Counts {
    /// With a node that counted for `had` and now counts for `has`.
    pub(super) fn changed(self, had: Self, has: Self) -> Self {
        let one = |all: usize, had: usize, has: usize| (all + has).saturating_sub(had);
        Self {
            hit: one(self.hit, had.hit, has.hit),
            open: one(self.open, had.open, has.open),
            unsettled: one(self.unsettled, had.unsettled, has.unsettled),
            wrong: one(self.wrong, had.wrong, has.wrong),
        }
    }
}
