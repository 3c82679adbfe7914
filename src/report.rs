//! The report of one batch: the function's answer and the tool's
//! `--format json`. A versioned contract: [`SCHEMA`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::incident::cause::{Cause, Confidence, Scope, Severity};
pub use crate::incident::finding::{Recovered, SourceSummary, Unrecognised};

/// Changes only when a reader of the report must change.
pub const SCHEMA: &str = "ssm-agent-triage/report/1";

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub source: SourceSummary,
    pub incidents: Vec<IncidentReport>,
    pub recovered: Vec<Recovered>,
    /// Signature id → how many records it recognised as harmless.
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentReport {
    /// `account/region/cause/scope`.
    pub key: String,
    pub cause: Cause,
    /// Likeliest first; always starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub severity: Severity,
    pub confidence: Confidence,
    pub title: String,
    /// At most [`NODES_LISTED`], sorted.
    pub nodes: Vec<NodeReport>,
    /// How many it hits in all.
    pub node_count: usize,
    pub signatures: Vec<SignatureReport>,
    pub evidence: Vec<EvidenceReport>,
    pub checks: Vec<CheckReport>,
    pub plan: PlanReport,
    pub outcome: OutcomeReport,
    pub advice: Vec<String>,
    pub retry_in_seconds: Option<u64>,
    pub detail: Option<String>,
    pub notified: Notified,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NodeReport {
    pub id: String,
    /// `ec2`, `hybrid` or `unknown`.
    pub kind: &'static str,
    pub account: Option<String>,
    pub region: Option<String>,
}

/// How many nodes of one incident a report or a message names.
pub const NODES_LISTED: usize = 100;

/// The nodes of one incident: the first [`NODES_LISTED`] by name, all counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeList {
    pub listed: Vec<NodeReport>,
    pub count: usize,
}

impl NodeList {
    /// `nodes` sorted, each once.
    pub fn of(nodes: impl IntoIterator<Item = NodeReport>) -> Self {
        let mut nodes = nodes.into_iter();
        let listed: Vec<NodeReport> = nodes.by_ref().take(NODES_LISTED).collect();
        let count = listed.len() + nodes.count();
        Self { listed, count }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignatureReport {
    pub id: String,
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// A proving record, redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceReport {
    pub time: Timestamp,
    pub level: String,
    pub component: String,
    pub text: String,
    /// `file:line`, in `scan` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    pub check: String,
    pub status: CheckStatus,
    /// One sentence that names the resource.
    pub note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    Failed,
    /// Could not look: denied, throttled, timed out, or cannot be judged.
    Unknown,
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    /// `not-needed`, `advise` or `repair`.
    pub kind: &'static str,
    pub action: Option<&'static str>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutcomeReport {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notified {
    Sent,
    Printed,
    Suppressed,
    /// Below the severity that speaks.
    Quiet,
    Failed,
}
