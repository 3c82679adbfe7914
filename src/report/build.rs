//! The report as JSON has it: whole, for a program to read. All text that
//! comes from a log, or from names that others chose, is redacted here.

use std::collections::BTreeMap;

use crate::cause::Scope;
use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus};
use crate::diagnose::check::CheckResult;
use crate::diagnose::question;
use crate::finding::{Evidence, Recovered, SourceSummary, Unrecognised};
use crate::incident::group::Incident;
use crate::incident::nodes::{NODES_LISTED, NodeEntry, NodeList};
use crate::node::Node;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::report::{
    IncidentDetails, IncidentReport, NodeReport, Notified, QuestionReport, Report, SCHEMA,
    SweepReport,
};
use crate::runbook::Step;
use crate::text::quote;
use crate::text::redact::{one_line, redact, redact_line};

/// The report of one batch. `incidents` are of [`incident`] and keep their
/// order: the most severe first, as they are gathered.
pub(crate) fn report(
    source: SourceSummary,
    incidents: Vec<IncidentReport>,
    recovered: Vec<Recovered>,
    benign: BTreeMap<String, u64>,
    unrecognised: Vec<Unrecognised>,
) -> Report {
    Report {
        schema: SCHEMA,
        source: SourceSummary {
            log_group: source.log_group.as_deref().map(redact_line),
            log_stream: source.log_stream.as_deref().map(redact_line),
            ..source
        },
        repair: None,
        sweep: None,
        nodes: Vec::new(),
        incidents,
        recovered: (recovered.into_iter())
            .map(|recovered| Recovered {
                node: redact_line(&recovered.node),
                ..recovered
            })
            .collect(),
        benign,
        unrecognised: self::unrecognised(unrecognised),
    }
}

/// The report of nodes that were diagnosed by their ids, and of `incidents`, what is
/// wrong with them.
pub(crate) fn by_id(
    source: SourceSummary,
    diagnosed: &[NodeDiagnosis],
    incidents: &[Incident],
) -> Report {
    let (plan, outcome) = untouched("A node given by its id is only read; nothing is changed.");
    let incidents = incidents.iter().map(|one| {
        let nodes = NodeList::of(one.nodes());
        incident(one, &nodes, &plan, &outcome, Notified::Printed)
    });
    let incidents = incidents.collect();
    Report {
        nodes: diagnosed.iter().map(node).collect(),
        ..report(source, incidents, Vec::new(), BTreeMap::new(), Vec::new())
    }
}

/// The report of a sweep: `incidents` are what is wrong, and the first of `looked_at`
/// are named.
pub(crate) fn sweep(
    source: SourceSummary,
    sweep: SweepReport,
    looked_at: &[(Node, NodeStatus)],
    incidents: Vec<IncidentReport>,
    recovered: Vec<Recovered>,
) -> Report {
    let named = looked_at.iter().map(|(node, status)| NodeReport {
        node: NodeEntry::from(node),
        status: *status,
        checks: Vec::new(),
    });
    Report {
        sweep: Some(sweep),
        nodes: named.take(NODES_LISTED).collect(),
        ..report(source, incidents, recovered, BTreeMap::new(), Vec::new())
    }
}

fn node(diagnosed: &NodeDiagnosis) -> NodeReport {
    let mut checks: Vec<QuestionReport> = Vec::new();
    for result in &diagnosed.checks {
        let Some(question) = question(result.check) else {
            continue;
        };
        let result = check(result);
        match checks.last_mut().filter(|last| last.question == question) {
            Some(last) => last.results.push(result),
            None => checks.push(QuestionReport {
                question,
                results: vec![result],
            }),
        }
    }
    NodeReport {
        node: NodeEntry::from(&diagnosed.node),
        status: diagnosed.status,
        checks,
    }
}

/// What becomes of an incident that is only read about, and why.
pub(crate) fn untouched(reason: &str) -> (PlanSummary, Outcome) {
    let plan = PlanSummary {
        kind: "advise",
        action: None,
        reason: reason.to_owned(),
    };
    let outcome = Outcome {
        status: OutcomeStatus::None,
        detail: None,
        command: None,
        request: None,
        checks_again: None,
        undo: None,
    };
    (plan, outcome)
}

fn check(result: &CheckResult) -> CheckResult {
    CheckResult {
        note: redact_line(&result.note),
        ..result.clone()
    }
}

/// What the report says of an incident that hits `nodes`.
pub(crate) fn incident(
    incident: &Incident,
    nodes: &NodeList,
    plan: &PlanSummary,
    outcome: &Outcome,
    notified: Notified,
) -> IncidentReport {
    IncidentReport {
        incident: details(incident, nodes, plan, outcome),
        notified,
    }
}

/// As [`incident`], before it is notified.
pub(crate) fn details(
    incident: &Incident,
    nodes: &NodeList,
    plan: &PlanSummary,
    outcome: &Outcome,
) -> IncidentDetails {
    IncidentDetails {
        key: redact_line(&incident.key),
        cause: incident.cause,
        candidates: incident.candidates.clone(),
        scope: Scope {
            kind: incident.scope.kind,
            id: redact_line(&incident.scope.id),
        },
        severity: incident.severity,
        confidence: incident.confidence,
        title: one_line(&incident.title),
        node_count: nodes.count,
        nodes: nodes.redacted(),
        signatures: incident.signatures.clone(),
        evidence: (incident.evidence.iter())
            .map(|record| Evidence {
                component: redact_line(&record.component),
                text: quote::record(&record.text),
                place: record.place.as_deref().map(redact_line),
                ..*record
            })
            .collect(),
        checks: incident.checks.iter().map(check).collect(),
        plan: PlanSummary {
            reason: redact_line(&plan.reason),
            ..plan.clone()
        },
        outcome: Outcome {
            detail: outcome.detail.as_deref().map(redact_line),
            ..outcome.clone()
        },
        advice: advice(incident, outcome),
        retry_in_seconds: incident.retry_in_seconds,
        detail: incident.detail.as_deref().map(redact_line),
    }
}

/// Strings that each stand for themselves: the steps, a command on a line of
/// its own; what each candidate calls for; how the agent comes back; how to
/// verify.
fn advice(incident: &Incident, outcome: &Outcome) -> Vec<String> {
    let runbook = outcome.runbook(incident, None);
    let mut lines: Vec<String> = (runbook.steps.iter())
        .chain(&runbook.by_cause)
        .map(Step::line)
        .collect();
    lines.push(format!(
        "{} {}",
        runbook.next.retries,
        runbook.next.restart.sentence()
    ));
    lines.extend((runbook.verify.iter()).map(|step| format!("To verify. {}", step.line())));
    lines
}

/// Records that nothing recognised are the agent's and its users' own words:
/// they leave redacted.
pub(crate) fn unrecognised(found: Vec<Unrecognised>) -> Vec<Unrecognised> {
    found
        .into_iter()
        .map(|unknown| Unrecognised {
            template: redact(&unknown.template),
            count: unknown.count,
            example: quote::record(&unknown.example),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::incident::sample::{self, INSTANCE, at};

    fn plan(reason: &str) -> PlanSummary {
        PlanSummary {
            kind: "advise",
            action: Some("enable-imds-endpoint"),
            reason: reason.to_owned(),
        }
    }

    fn failed(note: &str) -> CheckResult {
        CheckResult::failed(note).of("imds")
    }

    fn recovered(node: &str) -> Recovered {
        Recovered {
            node: node.to_owned(),
            cause: Cause::Throttled,
            signature: "health-ok".to_owned(),
            since: None,
            at: at("2026-11-23T04:19:03Z"),
        }
    }

    fn a_report() -> Report {
        let mut notified = sample::incident(Cause::ImdsDisabled);
        notified.evidence[0].text = "Failed to get instance info. password=hunter2".to_owned();
        notified.retry_in_seconds = Some(90);
        notified.detail = Some("A detail.".to_owned());
        notified.checks = vec![failed("HttpEndpoint is disabled.")];
        let outcome = Outcome {
            status: OutcomeStatus::AlreadyRight,
            ..sample::nothing_done()
        };
        let mut notified = incident(
            &notified,
            &NodeList::of(notified.nodes()),
            &plan("Repairs are off."),
            &outcome,
            Notified::Sent,
        );
        notified.incident.advice = vec!["One step.".to_owned()];
        report(
            SourceSummary {
                account: Some("123456789012".to_owned()),
                region: Some("eu-central-1".to_owned()),
                log_group: Some("ssm".to_owned()),
                log_stream: Some(INSTANCE.to_owned()),
                events: 4,
                unreadable: 0,
                records: 3,
                oldest: Some(at("2026-11-23T04:19:00Z")),
                newest: Some(at("2026-11-23T04:19:04.5Z")),
            },
            vec![notified],
            vec![recovered(INSTANCE)],
            BTreeMap::from([("healthy".to_owned(), 2)]),
            vec![Unrecognised {
                template: "no such <thing>".to_owned(),
                count: 1,
                example: "no such token=abc123".to_owned(),
            }],
        )
    }

    /// Names, order and spelling of every field are a contract: a change here
    /// is a change for every reader, and for the schema's number.
    #[test]
    fn the_shape_of_the_report_is_the_contract() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&a_report()).unwrap());
    }

    #[test]
    fn names_without_a_value_are_there() {
        let mut report = a_report();
        report.source = SourceSummary::default();
        let incident = &mut report.incidents[0].incident;
        incident.retry_in_seconds = None;
        incident.detail = None;
        incident.plan.action = None;
        let json = serde_json::to_value(&report).unwrap();
        let incident = &json["incidents"][0];
        for value in [
            json["source"].get("oldest"),
            json["source"].get("account"),
            incident.get("retry_in_seconds"),
            incident.get("detail"),
            incident["plan"].get("action"),
            incident["outcome"].get("undo"),
        ] {
            assert_eq!(value, Some(&serde_json::Value::Null));
        }
        assert_eq!(incident["evidence"][0].get("place"), None);
    }

    #[test]
    fn no_secret_reaches_the_report() {
        for secret in ["AKIAIOSFODNN7EXAMPLE", "hunter2"] {
            let dirty = || format!("password={secret}");
            let mut notified = sample::hostile(Cause::Unrecognised);
            notified.title = dirty();
            notified.key = dirty();
            notified.scope.id = dirty();
            notified.detail = Some(dirty());
            notified.checks = vec![failed(&dirty())];
            for evidence in &mut notified.evidence {
                evidence.text = dirty();
                evidence.component = dirty();
                evidence.place = Some(dirty());
            }
            notified.affected[0].node.id = crate::node::NodeId::Unknown(dirty().into());
            let outcome = Outcome {
                detail: Some(dirty()),
                ..sample::nothing_done()
            };
            let notified = incident(
                &notified,
                &NodeList::of(notified.nodes()),
                &plan(&dirty()),
                &outcome,
                Notified::Printed,
            );
            let report = report(
                SourceSummary {
                    log_group: Some(dirty()),
                    log_stream: Some(dirty()),
                    ..SourceSummary::default()
                },
                vec![notified],
                vec![recovered(&dirty())],
                BTreeMap::new(),
                vec![Unrecognised {
                    template: dirty(),
                    count: 1,
                    example: dirty(),
                }],
            );
            let json = serde_json::to_string(&report).unwrap();
            assert!(!json.contains(secret), "{json}");
        }
    }

    #[test]
    fn advice_ends_with_how_the_agent_comes_back_and_how_to_verify() {
        let lines = advice(&sample::incident(Cause::Throttled), &sample::nothing_done());
        let is_check = |line: &String| line.starts_with("To verify. ");
        let first = lines.iter().position(is_check).unwrap();
        assert!(lines[first - 1].ends_with("A restart does not help."));
        assert!(lines[first..].iter().all(is_check));
    }
}
