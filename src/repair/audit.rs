//! The audit lines of a repair: one JSON object that says what is about to be
//! written, and how to take it back, before it is written; one that says what
//! came of it. Without the second the outcome of the first is not known.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::locks::Guardrails;
use super::outcome::{Outcome, OutcomeStatus};
use super::plan::permit::Permit;

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
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About<'a> {
    Write {
        before: &'a Value,
        send: &'a Value,
        undo: &'a str,
    },
    Outcome {
        outcome: OutcomeStatus,
        detail: Option<&'a str>,
        undo: Option<&'a str>,
    },
}

/// The line, without a line break, for the repair that `permit` allows: before
/// it is made, or with its outcome.
pub(crate) fn line(
    permit: &Permit,
    incident: &str,
    guardrails: &Guardrails,
    at: Timestamp,
    outcome: Option<&Outcome>,
) -> String {
    let change = permit.change();
    let line = Line {
        audit: KIND,
        at,
        incident,
        action: change.action,
        resource: &change.target,
        account: guardrails.account.as_ref().map(|account| account.as_str()),
        region: guardrails.region.as_str(),
        dry_run: permit.is_dry_run(),
        about: match outcome {
            None => About::Write {
                before: &change.before,
                send: &change.request,
                undo: &change.undo,
            },
            Some(outcome) => About::Outcome {
                outcome: outcome.status,
                detail: outcome.detail.as_deref(),
                undo: outcome.undo.as_deref(),
            },
        },
    };
    serde_json::to_string(&line).expect("a struct of strings and JSON values has a JSON form")
}
