//! From a finding and the results of its checks to a cause.

use super::check::CheckResult;
use super::facts::{InstanceFacts, RoleFacts};
use crate::incident::cause::{Cause, Confidence, Scope, Severity};
use crate::incident::finding::Finding;

/// A finding with what live state says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// As the log gave it: its candidates are what the log names.
    pub finding: Finding,
    pub cause: Cause,
    /// What is still possible, likeliest first; starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub confidence: Confidence,
    pub severity: Severity,
    pub standing: Standing,
    /// One or two sentences beyond the title.
    pub detail: Option<String>,
    /// In the order of the list of checks.
    pub checks: Vec<CheckResult>,
    pub live: Live,
}

/// Whether live state still shows the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// It stands, or nothing says that it does not.
    Standing,
    /// Everything the log suspects is right at this moment: put right since,
    /// or not visible from AWS. Nothing is to be repaired.
    AlreadyRight,
}

/// The live state of one node that a repair starts from. The role is the one
/// that the instance's own profile holds, never one that the log names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    pub instance: Option<InstanceFacts>,
    pub role: Option<RoleFacts>,
}
