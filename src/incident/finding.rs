//! What the log of one node says: candidates in order, with the evidence.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::cause::{Cause, Confidence, Severity};
use crate::node::{AccountId, Node, Region};

/// One thing that is wrong on one node, as far as its log can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub node: Node,
    /// Likeliest first, never empty.
    pub candidates: Vec<Cause>,
    /// [`Confidence::Likely`] or [`Confidence::Undetermined`]: a log alone confirms nothing.
    pub confidence: Confidence,
    /// What the log says about how much it matters; diagnosis may change it.
    pub severity: Severity,
    pub clues: Clues,
    /// The proving records, at most three, the most telling first.
    pub evidence: Vec<Evidence>,
    /// Signatures seen, in order of first sight.
    pub signatures: Vec<SignatureCount>,
    pub first: Timestamp,
    pub last: Timestamp,
    /// When the agent said that it will try again, counted from `last`.
    pub retry_in_seconds: Option<u64>,
    /// Whether this batch brought new evidence; an open finding without it is
    /// reported from memory and not diagnosed again.
    pub fresh: bool,
}

/// One record quoted as proof, its text as logged (redacted only when told).
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub at: Timestamp,
    pub level: &'static str,
    pub component: String,
    pub text: String,
    /// `file:line` in `scan`.
    pub place: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SignatureCount {
    pub id: String,
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What the error text names. Log text is a hint, never an authority: nothing
/// here selects the target of a write.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Clues {
    /// The service's endpoint prefix: `ssm`, `ssmmessages`, `ec2messages`, `s3`, `kms`, `logs` …
    pub service: Option<String>,
    pub host: Option<String>,
    pub region: Option<Region>,
    pub account: Option<AccountId>,
    /// The address that was dialled; a private one means an interface endpoint.
    pub dialled: Option<IpAddr>,
    /// `ssm:UpdateInstanceInformation`; for throttling the API that was throttled.
    pub action: Option<String>,
    /// Role name, from `assumed-role/NAME/…` or "cannot assume the role NAME".
    pub role: Option<String>,
    pub resource: Option<String>,
    pub reason: Option<DenyReason>,
    /// The error code: `AccessDeniedException`, `ThrottlingException` …
    pub code: Option<String>,
    /// Version that the agent told at its start.
    pub agent_version: Option<String>,
    /// For `unrecognised`: the masked template.
    pub template: Option<String>,
    /// A proxy is in use, as the agent printed at its start.
    pub proxied: bool,
}

/// The `because …` tail of an AccessDenied message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DenyReason {
    IdentityPolicy,
    PermissionsBoundary,
    ServiceControlPolicy,
    SessionPolicy,
    VpcEndpointPolicy,
    ResourcePolicy,
    /// "with an explicit deny" without saying where.
    ExplicitDeny,
}

/// A node that works again, by the cause that was open and the signature that proves it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    pub node: String,
    pub cause: Cause,
    pub signature: String,
    pub at: Timestamp,
}

/// WARN and ERROR records that no signature knows, by their masked template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unrecognised {
    pub template: String,
    pub count: u64,
    pub example: String,
}

/// What was read: the `source` of the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SourceSummary {
    pub account: Option<String>,
    pub region: Option<String>,
    pub log_group: Option<String>,
    pub log_stream: Option<String>,
    pub events: u64,
    /// Log events without a readable message, which are not among `events`.
    pub unreadable: u64,
    pub records: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
}
