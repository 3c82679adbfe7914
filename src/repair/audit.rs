//! The audit lines of a repair: one JSON object that says what is about to be
//! written, and how to take it back, before it is written; one that says what
//! came of it. Without the second the outcome of the first is not known.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::plan::{Guardrails, Permit};
use crate::repair::outcome::{Outcome, OutcomeStatus};

/// Names the line in a log query.
const KIND: &str = "ssm-agent-triage/audit/1";

#[derive(Serialize)]
struct Line<'a> {
    audit: &'static str,
    at: Timestamp,
    incident: &'a str,
    action: &'static str,
    resource: &'a str,
    account: Option<&'a str>,
    region: &'a str,
    /// Nothing is written: EC2 is asked with `DryRun`, IAM is not asked.
    dry_run: bool,
    before: Value,
    send: Value,
    undo: String,
}

#[derive(Serialize)]
struct OutcomeLine<'a> {
    audit: &'static str,
    at: Timestamp,
    incident: &'a str,
    action: &'static str,
    resource: &'a str,
    account: Option<&'a str>,
    region: &'a str,
    dry_run: bool,
    outcome: OutcomeStatus,
    detail: Option<&'a str>,
    undo: Option<&'a str>,
}

/// The line that says what came of the repair that `permit` allowed, without a
/// line break.
pub(crate) fn outcome_line(
    permit: &Permit,
    incident: &str,
    guardrails: &Guardrails,
    at: Timestamp,
    outcome: &Outcome,
) -> String {
    let action = permit.action();
    let line = OutcomeLine {
        audit: KIND,
        at,
        incident,
        action: action.kind().as_str(),
        resource: action.target(),
        account: guardrails.account.as_ref().map(|account| account.as_str()),
        region: guardrails.region.as_str(),
        dry_run: permit.is_dry_run(),
        outcome: outcome.status,
        detail: outcome.detail.as_deref(),
        undo: outcome.undo.as_deref(),
    };
    serde_json::to_string(&line).expect("a struct of strings has a JSON form")
}

/// The line for the repair that `permit` allows, without a line break.
pub(crate) fn line(
    permit: &Permit,
    incident: &str,
    guardrails: &Guardrails,
    at: Timestamp,
) -> String {
    let action = permit.action();
    let line = Line {
        audit: KIND,
        at,
        incident,
        action: action.kind().as_str(),
        resource: action.target(),
        account: guardrails.account.as_ref().map(|account| account.as_str()),
        region: guardrails.region.as_str(),
        dry_run: permit.is_dry_run(),
        before: action.before(),
        send: action.request(),
        undo: action.undo(&guardrails.region),
    };
    serde_json::to_string(&line).expect("a struct of strings and JSON values has a JSON form")
}
