//! Whole logs of the real agent under known faults, in every shape.

use super::shapes::{at_once, in_batches, lines, records, syslog, with_errors};
use super::verdict::{Actionable, actionable, assert_none, fixture, optional_fixture, summary};
use ssm_agent_triage::correlate::stream::BatchAnalysis;

pub(crate) struct Case {
    pub folder: &'static str,
    pub name: String,
    required: String,
    allowed: Vec<String>,
}

/// The cases of one table; their logs stand in `folder`.
pub(crate) fn cases(table: &str, folder: &'static str) -> Vec<Case> {
    fixture(table)
        .lines()
        .skip(1)
        .filter_map(|row| {
            let mut columns = row.split('\t');
            let (name, required, allowed) = (columns.next()?, columns.next()?, columns.next()?);
            let allowed = allowed.split(',').map(str::to_owned).collect();
            Some(Case {
                folder,
                name: name.to_owned(),
                required: required.to_owned(),
                allowed,
            })
        })
        .collect()
}

impl Case {
    /// What is wrong with a final verdict, if anything.
    pub(crate) fn judge(&self, verdict: &[Actionable]) -> Option<String> {
        let missing: Vec<&str> = match self.required.as_str() {
            "-" | "?" => Vec::new(),
            required => required
                .split(',')
                .filter(|any| {
                    !any.split('|').any(|cause| {
                        verdict
                            .iter()
                            .any(|actionable| actionable.0.contains(cause))
                    })
                })
                .collect(),
        };
        if !missing.is_empty() {
            return Some(format!("misses {}", missing.join(",")));
        }
        self.false_alarm(verdict)
    }

    pub(crate) fn false_alarm(&self, verdict: &[Actionable]) -> Option<String> {
        let wanted = |cause: &str| {
            self.required
                .split([',', '|'])
                .any(|required| required == cause)
                || self.allowed.iter().any(|allowed| allowed == cause)
        };
        let wrong: Vec<String> = verdict
            .iter()
            .filter(|actionable| !actionable.0.iter().any(|cause| wanted(cause)))
            .map(ToString::to_string)
            .collect();
        (self.required != "?" && !wrong.is_empty())
            .then(|| format!("falsely alarms {}", wrong.join(" and ")))
    }
}

fn finals(case: &Case) -> Vec<(&'static str, Vec<BatchAnalysis>)> {
    let log = fixture(&format!("{}/{}.log", case.folder, case.name));
    let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
    vec![
        ("whole records", vec![at_once(&records(&log))]),
        ("one event per line", vec![at_once(&lines(&log))]),
        (
            "with errors.log",
            vec![at_once(&with_errors(&log, &errors))],
        ),
        ("syslog", vec![at_once(&syslog(&log))]),
        ("batches of 20 records", in_batches(&records(&log), 20)),
        ("batches of 20 lines", in_batches(&lines(&log), 20)),
    ]
}

/// What is wrong with a case's verdict in any shape, and with any batch on the way.
fn faults(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for (shape, readings) in finals(case) {
        let last = readings.last().expect("a reading");
        if let Some(fault) = case.judge(&actionable(last)) {
            wrong.push(format!(
                "{} ({shape}): {fault}; says {:?}",
                case.name,
                summary(last)
            ));
        }
        for (index, reading) in readings.iter().enumerate() {
            if let Some(fault) = case.false_alarm(&actionable(reading)) {
                wrong.push(format!(
                    "{} ({shape}, batch {}): {fault}",
                    case.name,
                    index + 1
                ));
            }
        }
    }
    // errors.log alone may not show the cause, and must name no other. It may have begun
    // before the log: what had healed by then stands in it as if it had not.
    if case.required != "-" {
        let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
        if let Some(fault) = case.false_alarm(&actionable(&at_once(&records(&errors)))) {
            wrong.push(format!("{} (errors.log alone): {fault}", case.name));
        }
    }
    wrong
}

fn assert_right(table: &str, folder: &'static str) {
    let wrong: Vec<String> = cases(table, folder).iter().flat_map(faults).collect();
    assert_none(&wrong);
}

#[test]
fn every_case_gives_its_verdict_in_every_shape() {
    assert_right("cases.tsv", "agent");
}

#[test]
fn agents_on_the_second_sdk_give_the_verdict_in_every_shape() {
    assert_right("v2/cases.tsv", "v2");
}
