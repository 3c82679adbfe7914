//! The report of one batch: the function's answer and the tool's
//! `--format json`. A versioned contract: [`SCHEMA`].

pub(crate) mod build;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::cause::{Cause, Confidence, Scope, Severity};
use crate::diagnose::check::CheckStatus;
use crate::finding::{Recovered, SourceSummary, Unrecognised};
use crate::incident::nodes::NodeEntry;
use crate::repair::outcome::Outcome;
use crate::repair::plan::PlanSummary;

/// Changes only when a reader of the report must change.
pub(crate) const SCHEMA: &str = "ssm-agent-triage/report/1";

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
    /// At most [`NODES_LISTED`](crate::incident::nodes::NODES_LISTED), sorted.
    pub nodes: Vec<NodeEntry>,
    /// How many it hits in all.
    pub node_count: usize,
    pub signatures: Vec<SignatureReport>,
    pub evidence: Vec<EvidenceReport>,
    pub checks: Vec<CheckReport>,
    pub plan: PlanSummary,
    pub outcome: Outcome,
    pub advice: Vec<String>,
    pub retry_in_seconds: Option<u64>,
    pub detail: Option<String>,
    pub notified: Notified,
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
#[serde(rename_all = "kebab-case")]
pub enum Notified {
    Sent,
    Printed,
    Suppressed,
    /// Below the severity that is notified.
    #[serde(rename = "quiet")]
    BelowThreshold,
    Failed,
}
