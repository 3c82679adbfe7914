//! What came of a repair.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::incident::group::Incident;
use crate::runbook::{self, Runbook, Situation};

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    pub status: OutcomeStatus,
    pub detail: Option<String>,
    /// The command that does by hand what was or would be done.
    pub command: Option<String>,
    /// The command that asks this function to do it, where nothing else is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The command by which live checks decide what could not be determined.
    #[serde(skip)]
    pub checks_again: Option<String>,
    /// The commands that take it back, one a line.
    pub undo: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

impl Outcome {
    /// Without commands.
    pub(crate) fn of(status: OutcomeStatus, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: Some(detail.into()),
            command: None,
            request: None,
            checks_again: None,
            undo: None,
        }
    }

    /// What to say of `incident` after this. `now` is left out where no clock counts.
    pub fn runbook(&self, incident: &Incident, now: Option<Timestamp>) -> Runbook {
        let situation = Situation {
            repaired: self.status == OutcomeStatus::Repaired,
            by_hand: self.command.as_deref(),
            by_request: self.request.as_deref(),
            checks_again: self.checks_again.as_deref(),
            ..incident.situation()
        };
        runbook::expand(&situation, now)
    }
}
