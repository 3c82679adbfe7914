//! An incident as its runbook sees it.

use super::group::Incident;
use crate::runbook::Situation;

impl Incident {
    /// What its sheet is filled in from, as long as nothing was repaired.
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            cause: self.cause,
            candidates: &self.candidates,
            scope: &self.scope,
            confidence: self.confidence,
            fault_state: self.fault_state,
            error_details: &self.error_details,
            nodes: self.nodes().collect(),
            instances: &self.instances,
            role: self.role.as_ref(),
            checks: &self.checks,
            signatures: &self.signatures,
            evidence: &self.evidence,
            last: self.last,
            retry_in_seconds: self.retry_in_seconds,
            repaired: false,
            by_hand: None,
            by_request: None,
            checks_again: None,
        }
    }
}
