//! What came of a repair.

use serde::Serialize;

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub status: OutcomeStatus,
    pub detail: Option<String>,
    /// The command that does by hand what was or would be done.
    pub command: Option<String>,
    pub undo: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeStatus {
    None,
    DryRun,
    Repaired,
    AlreadyRight,
    Refused,
    Failed,
    Unverified,
    Capped,
}
