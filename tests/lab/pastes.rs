//! Logs as people paste them, in all the ways of copying, and in two at once.

use std::borrow::Cow;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::cause::Confidence;
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::paste;

use super::cases::{Case, cases};
use super::copied::{EXPORTS, FORMS, WAYS, Way};
use super::shapes::source;
use super::verdict::{ENGINE, actionable, assert_none, fixture, optional_fixture, summary};

/// The connection is lost, an attempt to open it again is told by its status alone,
/// and nothing says that it failed: the time that passes without an opened one does.
/// A message alone has none.
const NEEDS_TIME: [&str; 1] = ["b2b_mgs_reconnect_refused"];

/// As `{"log": …}` and `scan` read a text.
pub(crate) fn pasted(text: &str) -> BatchAnalysis {
    pasted_of(source(true), text)
}

/// As they read one of `source`.
pub(crate) fn pasted_of(source: Source, text: &str) -> BatchAnalysis {
    let batch = Batch {
        source: Source {
            pasted: true,
            ..source
        },
        events: vec![Event {
            id: Cow::Borrowed(""),
            at: None,
            message: Cow::Borrowed(text),
        }],
    };
    ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH)
}

fn logs() -> Vec<(Case, String)> {
    let mut all = cases("cases.tsv", "agent");
    all.extend(cases("v2/cases.tsv", "v2"));
    all.into_iter()
        .map(|case| {
            let log = fixture(&format!("{}/{}.log", case.folder, case.name));
            (case, log)
        })
        .collect()
}

/// What is wrong with the verdict on a copy.
fn fault(case: &Case, ways: &[&Way], copy: &str) -> Option<String> {
    let reading = pasted(copy);
    let verdict = actionable(&reading);
    let headless = ways.iter().any(|way| way.headless);
    // What lost its heads and was then copied again may cost a verdict, never make
    // a false one.
    let is_lossy = ways.len() > 1 || NEEDS_TIME.contains(&case.name.as_str());
    let fault = if headless && is_lossy {
        case.false_alarm(&verdict)
    } else {
        case.judge(&verdict)
    };
    let sure = |finding: &&ssm_agent_triage::finding::Finding| {
        finding.confidence == Confidence::Confirmed || headless && !finding.error_details.headless
    };
    let fault = fault.or_else(|| {
        let one = reading.findings.iter().find(sure)?;
        Some(format!("is too sure of {:?}", one.candidates))
    })?;
    let names: Vec<&str> = ways.iter().map(|way| way.name).collect();
    Some(format!(
        "{} ({}): {fault}; says {:?}",
        case.name,
        names.join(", then "),
        summary(&reading)
    ))
}

#[test]
fn every_way_of_copying_keeps_the_verdict() {
    let mut wrong = Vec::new();
    for (case, log) in &logs() {
        for way in WAYS.iter().chain(EXPORTS) {
            wrong.extend(fault(case, &[way], &(way.copy)(log)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn a_log_is_left_as_it_is() {
    let mut wrong = Vec::new();
    let mut check = |name: String, text: &str| {
        if paste::read(text, |text| ENGINE.matcher().begins(text)).is_some() {
            wrong.push(name);
        }
    };
    for (case, log) in &logs() {
        let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
        check(case.name.clone(), log);
        if !errors.is_empty() {
            check(format!("errors.log of {}", case.name), &errors);
        }
    }
    assert_none(&wrong);
}

/// What people do to a copy of a copy: marks or numbers on each line, or marks around
/// all.
const SECOND: [&str; 18] = [
    "quoted",
    "quoted twice",
    "behind bars",
    "indented",
    "commented",
    "fenced",
    "code block of Jira",
    "grep -n",
    "cat -n",
    "editor's numbers",
    "bat's numbers",
    "a table's row",
    "each in backticks",
    "in quotation marks",
    "a page's source",
    "preformatted",
    "JSON strings",
    "CRLF",
];

#[test]
fn two_ways_of_copying_at_once_keep_the_verdict() {
    let second: Vec<&Way> = (WAYS.iter())
        .filter(|way| SECOND.contains(&way.name))
        .collect();
    assert_eq!(second.len(), SECOND.len());
    let mut wrong = Vec::new();
    for (number, (case, log)) in logs().iter().enumerate() {
        for turn in 0..8 {
            // Steps without a common measure with the number of ways meet all pairs.
            let first = &WAYS[(number * 7 + turn * 11) % WAYS.len()];
            let second = second[(number * 5 + turn * 7) % second.len()];
            wrong.extend(fault(
                case,
                &[first, second],
                &(second.copy)(&(first.copy)(log)),
            ));
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_form_of_a_log_keeps_the_verdict() {
    let mut wrong = Vec::new();
    for (number, (case, log)) in logs().iter().enumerate() {
        for (turn, form) in FORMS.iter().enumerate() {
            wrong.extend(fault(case, &[form], &(form.copy)(log)));
            // A copy in a form, of all pairs some.
            if (number + turn).is_multiple_of(8) {
                let way = &WAYS[(number * 7 + turn * 11) % WAYS.len()];
                let reading = pasted(&(form.copy)(&(way.copy)(log)));
                let fault = case.false_alarm(&actionable(&reading));
                let place = (&case.name, way.name, form.name);
                wrong.extend(fault.map(|fault| format!("{place:?}: {fault}")));
            }
        }
    }
    assert_none(&wrong);
}
