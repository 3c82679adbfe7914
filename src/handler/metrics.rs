//! What an invocation comes to in numbers: one line in CloudWatch's embedded metric
//! format on standard output, of which CloudWatch makes metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::diagnose::check::{CheckResult, CheckStatus};
use crate::notify::content::Content;
use crate::repair::outcome::OutcomeStatus;
use crate::repair::plan::PlanSummary;

/// Under which CloudWatch shows them.
const NAMESPACE: &str = "ssm-agent-triage";

/// The one dimension: each value of one more is a metric of its own on the bill.
const DIMENSION: &str = "FunctionName";

/// A line may have so many ("Embedded metric format specification").
const MOST: usize = 100;

/// Those that every line has, 0 where nothing happened. Beside them stand `Opened.CAUSE`,
/// `Changed.CAUSE` and `Resolved.CAUSE`, the incidents that were notified, and
/// `Repair.ACTION.OUTCOME`.
const ALWAYS: &[&str] = &[
    // Deliveries: a batch of a subscription is one, of Kinesis each record is.
    "Batches",
    "Sweeps",
    "Records",
    // Records that no signature knows.
    "Unrecognised",
    // Of the incidents of this invocation.
    "AffectedNodes",
    "UnknownChecks",
    "UnverifiedWrites",
    // Notifications that were not delivered: the invocation fails.
    "Undelivered",
    // Writes of the state that another environment was faster with.
    "StateConflicts",
    // Requests to AWS, each attempt.
    "Calls",
];

/// From the newest record to its invocation.
const LATENESS: &str = "Lateness";

/// The numbers of one invocation.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<String, u64>>);

impl Metrics {
    pub(super) fn add(&self, name: impl Into<String>, count: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name.into()).or_default() += count as u64;
    }

    /// How old the newest record was when it came.
    pub(super) fn lateness(&self, newest: Timestamp, now: Timestamp) {
        let late = now.duration_since(newest).as_millis();
        self.add(LATENESS, usize::try_from(late).unwrap_or(0));
    }

    /// What checking, planning and repairing came to for an incident of so many nodes.
    pub(super) fn settled(
        &self,
        checks: &[CheckResult],
        plan: &PlanSummary,
        status: OutcomeStatus,
        nodes: usize,
    ) {
        let checks = checks.iter();
        let unknown = checks.filter(|check| check.status == CheckStatus::Unknown);
        self.add("UnknownChecks", unknown.count());
        self.add("AffectedNodes", nodes);
        if let (Some(action), true) = (plan.action, status != OutcomeStatus::None) {
            let status = json!(status);
            let status = status.as_str().unwrap_or_default();
            self.add(format!("Repair.{action}.{status}"), 1);
        }
        self.add(
            "UnverifiedWrites",
            (status == OutcomeStatus::Unverified).into(),
        );
    }

    /// What is counted once every channel has taken the message.
    pub(super) fn of_message(content: &Content) -> String {
        format!("{}.{}", content.event.change(), content.cause)
    }

    /// The line, without its end.
    pub(super) fn line(&self, function: &str, now: Timestamp) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        all.extend(ALWAYS.iter().map(|name| ((*name).to_owned(), 0)));
        for (name, count) in counts.iter() {
            if all.len() < MOST || all.contains_key(name) {
                *all.entry(name.clone()).or_default() += count;
            }
        }
        let unit = |name: &str| match name {
            LATENESS => "Milliseconds",
            _ => "Count",
        };
        let metrics = all
            .keys()
            .map(|name| json!({"Name": name, "Unit": unit(name)}));
        let metrics: Vec<Value> = metrics.collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": metrics,
                }],
            }),
        );
        line.insert(DIMENSION.to_owned(), json!(function));
        line.extend(all.into_iter().map(|(name, count)| (name, json!(count))));
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cause::Cause;

    /// The rules of the specification ("Embedded metric format specification" in the
    /// CloudWatch user guide).
    fn check(line: &str) {
        assert!(!line.contains('\n') && line.len() <= 1024 * 1024);
        let root: Value = serde_json::from_str(line).expect("JSON");
        let own = &root["_aws"];
        assert!(own["Timestamp"].is_u64());
        let directives = own["CloudWatchMetrics"].as_array().expect("a list");
        for directive in directives {
            let namespace = directive["Namespace"].as_str().expect("a text");
            assert!((1..=255).contains(&namespace.len()) && !namespace.starts_with("AWS/"));
            let sets = directive["Dimensions"].as_array().expect("a list");
            for name in sets.iter().flat_map(|set| set.as_array().expect("a list")) {
                let value = root[name.as_str().expect("a text")].as_str();
                assert!((1..=1024).contains(&value.expect("a text at the root").len()));
            }
            let metrics = directive["Metrics"].as_array().expect("a list");
            assert!((1..=MOST).contains(&metrics.len()));
            for metric in metrics {
                let name = metric["Name"].as_str().expect("a text");
                assert!((1..=255).contains(&name.len()) && name.is_ascii());
                assert!(matches!(
                    metric["Unit"].as_str(),
                    Some("Count" | "Milliseconds")
                ));
                assert!(root[name].is_number(), "{name} stands at the root");
            }
        }
    }

    #[test]
    fn a_line_is_in_the_embedded_metric_format() {
        let metrics = Metrics::default();
        metrics.add("Batches", 1);
        metrics.add("Opened.imds-disabled", 1);
        metrics.add("Changed.imds-disabled", 1);
        metrics.add("Resolved.imds-disabled", 1);
        metrics.add("Repair.enable-imds-endpoint.repaired", 1);
        metrics.lateness(
            Timestamp::UNIX_EPOCH,
            Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(2),
        );
        let line = metrics.line("triage", Timestamp::UNIX_EPOCH);
        check(&line);
        let root: Value = serde_json::from_str(&line).expect("JSON");
        insta::assert_json_snapshot!(root);
    }

    proptest! {
        #[test]
        fn whatever_happens_a_line_is_within_the_limits(causes in prop::collection::vec(0..Cause::ALL.len(), 0..200)) {
            let metrics = Metrics::default();
            for (number, cause) in causes.into_iter().enumerate() {
                let change = ["Opened", "Changed", "Resolved"][number % 3];
                metrics.add(format!("{change}.{}", Cause::ALL[cause]), number);
            }
            check(&metrics.line("triage", Timestamp::UNIX_EPOCH));
        }
    }
}
