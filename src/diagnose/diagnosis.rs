//! A finding with what live state shows about it.

use jiff::Timestamp;

use super::facts::{InstanceFacts, RoleFacts};
use super::result::CheckResult;
use crate::cause::{Cause, Confidence, Scope, Severity};
use crate::finding::Finding;

/// A finding with what live state says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// As the log gave it: its candidates are what the log names.
    pub finding: Finding,
    pub cause: Cause,
    /// What is still possible, likeliest first; starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub confidence: Confidence,
    pub severity: Severity,
    pub fault_state: FaultState,
    /// When the agent reported after all of the evidence: it works again.
    pub recovered_at: Option<Timestamp>,
    /// What the title and the checks do not say.
    pub detail: Option<String>,
    /// In the order of the list of checks.
    pub checks: Vec<CheckResult>,
    pub live: Live,
}

impl Diagnosis {
    /// Whether live state takes away something that the log names. What says so
    /// must not be older than the log's own lines.
    pub fn is_acquittal(&self) -> bool {
        self.fault_state == FaultState::NotObserved
            || self.confidence != Confidence::Confirmed
                && self.candidates != self.finding.candidates
    }
}

/// Whether live state still shows the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultState {
    /// It is active, or nothing shows that it is not.
    Active,
    /// Live checks find none of the candidates (fixed since, or not visible
    /// from AWS), or the instance is gone. There is nothing to repair.
    NotObserved,
}

/// The live state of one node that a repair starts from. The role is the one
/// that the instance's own profile holds, never one that the log names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    pub instance: Option<InstanceFacts>,
    pub role: Option<RoleFacts>,
    /// When the agent last reported to Systems Manager.
    pub last_ping: Option<Timestamp>,
}

impl Live {
    pub fn vpc(&self) -> Option<&str> {
        self.instance.as_ref()?.vpc.as_deref()
    }

    pub fn subnet(&self) -> Option<&str> {
        self.instance.as_ref()?.subnet.as_deref()
    }
}

/// What the observations leave of a finding's candidates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    pub candidates: Vec<Cause>,
    pub confidence: Confidence,
    pub fault_state: FaultState,
    /// The agent has reported since, which it could not while the fault was
    /// active.
    pub recovered: bool,
}
