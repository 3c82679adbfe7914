//! The report of one batch: the function's answer and the tool's
//! `--format json`. A versioned contract: [`SCHEMA`].

pub(crate) mod build;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cause::{Cause, Confidence, Scope, Severity};
use crate::diagnose::by_id::NodeStatus;
use crate::diagnose::check::{CheckResult, Question};
use crate::finding::{Evidence, Recovered, SignatureCount, SourceSummary, Unrecognised};
use crate::incident::nodes::NodeEntry;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;

/// Changes only when a reader of the report must change.
pub(crate) const SCHEMA: &str = "ssm-agent-triage/report/1";

#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    pub schema: &'static str,
    pub source: SourceSummary,
    /// Of a repair that a person asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<RepairReport>,
    /// Of a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepReport>,
    /// The nodes that were diagnosed by their ids, without a log. Of a sweep the first
    /// [`NODES_LISTED`](crate::incident::nodes::NODES_LISTED) that do not report, without
    /// their checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeReport>,
    pub incidents: Vec<IncidentReport>,
    pub recovered: Vec<Recovered>,
    /// Signature id → how many records it recognised as harmless.
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
}

/// What came of a repair that a person asked for. The incident that it is about has the
/// whole of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RepairReport {
    pub action: &'static str,
    pub node: String,
    pub status: OutcomeStatus,
    /// What was done, or why nothing was.
    pub detail: String,
}

/// What one invocation of a sweep looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SweepReport {
    /// `lost`, `all` or `tag:KEY=VALUE`.
    pub selection: String,
    /// Nodes that have been silent, or have not reported since their start, for longer
    /// than the grace.
    pub suspects: usize,
    /// How many of them were looked at in this invocation, by what they turned out to be.
    pub statuses: BTreeMap<NodeStatus, usize>,
    /// Instances of which Systems Manager could not be asked.
    pub unread: usize,
    /// Further suspects are left to the next sweep.
    pub continues: bool,
    /// Another sweep was under way, and nothing was looked at.
    pub under_way: bool,
}

/// A node that was diagnosed by its id. What is wrong with it is among the incidents.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeReport {
    #[serde(flatten)]
    pub node: NodeEntry,
    pub status: NodeStatus,
    /// Every check, those that found nothing wrong too.
    pub checks: Vec<QuestionReport>,
}

/// The checks of one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QuestionReport {
    pub question: Question,
    pub results: Vec<CheckResult>,
}

/// An incident, and whether a message of it was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IncidentReport {
    #[serde(flatten)]
    pub incident: IncidentDetails,
    pub notified: Notified,
}

/// What there is to say of an incident, for a program to read: in the report and in the
/// events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IncidentDetails {
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
    pub signatures: Vec<SignatureCount>,
    pub evidence: Vec<Evidence>,
    pub checks: Vec<CheckResult>,
    pub plan: PlanSummary,
    pub outcome: Outcome,
    pub advice: Vec<String>,
    /// Counted from the newest evidence.
    pub retry_in_seconds: Option<u64>,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
