//! One incident per thing to fix, over all nodes of an invocation.

use jiff::Timestamp;

use super::cause::{Cause, Confidence, Scope, Severity};
use super::finding::{Clues, Evidence, SignatureCount};
use crate::diagnose::check::CheckResult;
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::diagnose::verdict::Standing;
use crate::node::Node;

/// One cause at one scope, with every node that it hits.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// `account/region/cause/kind:id`, with `-` for an unknown account or Region.
    pub key: String,
    pub cause: Cause,
    /// What is still possible, likeliest first; starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub severity: Severity,
    pub confidence: Confidence,
    pub standing: Standing,
    /// What is wrong, in one sentence.
    pub title: String,
    pub detail: Option<String>,
    /// The nodes hit, sorted, each once.
    pub hits: Vec<Hit>,
    pub signatures: Vec<SignatureCount>,
    /// At most three records, of the newest finding first.
    pub evidence: Vec<Evidence>,
    /// Of the finding whose evidence comes first.
    pub clues: Clues,
    /// In the order of the list of checks, failed ones before others of the
    /// same check; equal results stand once.
    pub checks: Vec<CheckResult>,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Counted from `last`.
    pub retry_in_seconds: Option<u64>,
    /// Whether this batch brought new evidence for any of the nodes.
    pub fresh: bool,
    /// Live state of the nodes hit, sorted by instance id.
    pub instances: Vec<InstanceFacts>,
    /// The role at fault, read through the instance profile of a node hit.
    pub role: Option<RoleFacts>,
}

/// One node of an incident, with what decides whether it may lead to a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub node: Node,
    /// The node's own newest evidence.
    pub last: Timestamp,
    /// A check on this very node confirmed the cause in this invocation.
    pub confirmed: bool,
    /// The causes that the node's own log names as candidates.
    pub log_candidates: Vec<Cause>,
}

impl Incident {
    /// The nodes hit, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.hits.iter().map(|hit| &hit.node)
    }
}
