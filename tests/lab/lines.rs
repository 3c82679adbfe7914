//! One line of every message, in every format: the class decides the verdict.

use std::collections::BTreeMap;

use ssm_agent_triage::cause::{Cause, Confidence};

use super::shapes::at_once;
use super::verdict::{actionable, assert_none, fixture, summary};

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    line: String,
    class: String,
}

/// Class → its verdict and the causes it may name.
fn classes() -> BTreeMap<String, (String, Vec<String>)> {
    fixture("classes.tsv")
        .lines()
        .skip(1)
        .filter_map(|row| {
            let columns: Vec<&str> = row.split('\t').collect();
            let [class, verdict, causes] = columns[..] else {
                return None;
            };
            let causes = causes
                .split([',', ' ', '(', ')', ':'])
                .filter(|c| c.contains('-') || *c == "throttled");
            Some((
                class.to_owned(),
                (verdict.to_owned(), causes.map(str::to_owned).collect()),
            ))
        })
        .collect()
}

/// The lines of a table whose reading is not what their class says.
fn faults(table: &str) -> Vec<String> {
    let classes = classes();
    let mut wrong = Vec::new();
    for line in table_of(table) {
        let Some((verdict, causes)) = classes.get(&line.class) else {
            wrong.push(format!(
                "{}: class {} is not in classes.tsv",
                line.id, line.class
            ));
            continue;
        };
        let reading = at_once(std::slice::from_ref(&line.line));
        let verdict_of_line = actionable(&reading);
        let named = |cause: &str| causes.iter().any(|known| known == cause);
        let fault = match verdict.as_str() {
            "fault" => {
                let says = reading.findings.iter().any(|finding| {
                    // Where the class says "by the error inside", any known cause will do.
                    let by_error_inside = line.class == "credentials_unavailable";
                    finding.candidates[0] != Cause::Unrecognised
                        && (named(finding.candidates[0].as_str())
                            || by_error_inside
                            || finding.confidence == Confidence::Undetermined
                                && finding.candidates.iter().any(|cause| named(cause.as_str())))
                });
                (!says).then_some("does not name the cause")
            }
            "symptom" => {
                let alarms = reading.findings.iter().any(|finding| {
                    finding.severity.is_actionable()
                        && finding.confidence != Confidence::Undetermined
                        && !causes.is_empty()
                        && !finding.candidates.iter().any(|cause| named(cause.as_str()))
                });
                alarms.then_some("alarms for another cause")
            }
            _ => (!verdict_of_line.is_empty()).then_some("is actionable"),
        };
        if let Some(fault) = fault {
            let text: String = line.line.chars().take(170).collect();
            wrong.push(format!(
                "{} [{}] {fault}: says {:?}\n      {text:?}",
                line.id,
                line.class,
                summary(&reading)
            ));
        }
    }
    wrong
}

fn table_of(table: &str) -> Vec<Line> {
    fixture(table)
        .lines()
        .map(|row| serde_json::from_str(row).expect("a row of a table of lines"))
        .collect()
}

#[test]
fn every_line_gives_the_verdict_of_its_class() {
    assert_none(&faults("lines.jsonl"));
}

#[test]
fn lines_of_the_second_sdk_give_the_verdict_of_their_class() {
    assert_none(&faults("v2/lines.jsonl"));
}

#[test]
fn lines_of_the_second_sdk_raise_what_their_twins_raise() {
    let twins: BTreeMap<String, Line> = table_of("lines.jsonl")
        .into_iter()
        .map(|line| (line.id.clone(), line))
        .collect();
    let mut wrong = Vec::new();
    for line in table_of("v2/lines.jsonl") {
        let Some(twin) = twins.get(&line.id) else {
            wrong.push(format!("{}: no such line of the first SDK", line.id));
            continue;
        };
        let reading = at_once(std::slice::from_ref(&line.line));
        let first = at_once(std::slice::from_ref(&twin.line));
        // What answers 403 in the metadata service's place can no longer be told from it.
        let ambiguous = line
            .line
            .contains("StatusCode: 403, request to EC2 IMDS failed");
        let raised = actionable(&reading);
        let same = if ambiguous {
            raised.len() == 1
                && actionable(&first)
                    .iter()
                    .all(|one| one.0.is_subset(&raised[0].0))
        } else {
            raised == actionable(&first)
        };
        if line.class != twin.class || !same {
            wrong.push(format!(
                "{}: {:?} where the first SDK's line says {:?}\n      {:?}",
                line.id,
                summary(&reading),
                summary(&first),
                line.line.chars().take(400).collect::<String>()
            ));
        }
    }
    assert_none(&wrong);
}
