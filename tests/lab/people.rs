//! Public reports, rebuilt as small logs, with the truth that the people found.

use super::cases::{Case, cases};
use super::shapes::{at_once, records};
use super::verdict::{actionable, fixture, summary};

/// Reports whose wrapper or wording is not read yet.
const NOT_YET_READ: [&str; 7] = [
    "03-sdkv2-imds-hoplimit-cri",
    "16-bottlerocket-role-denied",
    "17-eks-private-no-endpoint-journal-json",
    "18-fluentbit-host-messages",
    "20-docker-json-hoplimit",
    "22-filebeat-log-object",
    "23-datadog-vector-wrapper",
];

/// The reports whose wrapper and wording are read.
pub(crate) fn read_cases() -> impl Iterator<Item = Case> {
    cases("people/cases.tsv", "people")
        .into_iter()
        .filter(|case| !NOT_YET_READ.contains(&case.name.as_str()))
}

#[test]
fn reports_that_are_read_keep_their_verdict() {
    let all = cases("people/cases.tsv", "people");
    let judge = |case: &Case| {
        let reading = at_once(&records(&fixture(&format!("people/{}.log", case.name))));
        let fault = case.judge(&actionable(&reading))?;
        Some(format!(
            "{}: {fault}; says {:?}",
            case.name,
            summary(&reading)
        ))
    };
    let wrong: Vec<String> = all
        .iter()
        .filter(|case| !NOT_YET_READ.contains(&case.name.as_str()))
        .filter_map(judge)
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
    // What is read by now belongs among those that must stay so.
    let read: Vec<&str> = all
        .iter()
        .filter(|case| NOT_YET_READ.contains(&case.name.as_str()) && judge(case).is_none())
        .map(|case| case.name.as_str())
        .collect();
    assert!(
        read.is_empty(),
        "now right, take them off the list: {read:?}"
    );
}
