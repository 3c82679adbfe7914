//! The authorization for one write.

use crate::repair::change::Change;

/// Without one nothing is written, and only [`plan`](super::plan) makes one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Permit {
    change: Change,
    dry_run: bool,
}

impl Permit {
    pub(super) fn new(change: Change, dry_run: bool) -> Self {
        Self { change, dry_run }
    }

    pub(crate) fn change(&self) -> &Change {
        &self.change
    }

    /// Nothing may be written: a service that has a dry run is asked for one.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}
