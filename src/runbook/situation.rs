//! What a sheet is filled in from.

use jiff::Timestamp;

use crate::cause::{Cause, Confidence, Scope};
use crate::diagnose::check::CheckResult;
use crate::diagnose::diagnosis::FaultState;
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::finding::{ErrorDetails, Evidence, SignatureCount};
use crate::node::Node;

/// All that the conditions and values of a sheet may look at.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    pub cause: Cause,
    /// What is possible, likeliest first; starts with `cause`.
    pub candidates: &'a [Cause],
    pub scope: &'a Scope,
    pub confidence: Confidence,
    pub fault_state: FaultState,
    pub error_details: &'a ErrorDetails,
    /// Those hit, sorted. Commands aim at the first.
    pub nodes: Vec<&'a Node>,
    /// Live state of those that were read.
    pub instances: &'a [InstanceFacts],
    pub role: Option<&'a RoleFacts>,
    pub checks: &'a [CheckResult],
    pub signatures: &'a [SignatureCount],
    pub evidence: &'a [Evidence],
    /// Of the newest evidence.
    pub last: Timestamp,
    /// When the agent said that it tries again, counted from `last`.
    pub retry_in_seconds: Option<u64>,
    /// This function repaired it just now.
    pub repaired: bool,
    /// The command that does by hand what a repair would do.
    pub by_hand: Option<&'a str>,
    /// The command that asks this function for the repair.
    pub by_request: Option<&'a str>,
    /// The command by which live checks decide between the candidates.
    pub checks_again: Option<&'a str>,
}
