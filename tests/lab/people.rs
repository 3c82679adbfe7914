//! Public reports, rebuilt as small logs, with the truth that the people found.

use super::cases::{Case, cases};
use super::shapes::{at_once, records};
use super::verdict::{actionable, assert_none, fixture, summary};

pub(crate) fn read_cases() -> Vec<Case> {
    cases("people/cases.tsv", "people")
}

#[test]
fn reports_keep_their_verdict() {
    let wrong: Vec<String> = read_cases()
        .iter()
        .filter_map(|case| {
            let reading = at_once(&records(&fixture(&format!("people/{}.log", case.name))));
            let fault = case.judge(&actionable(&reading))?;
            Some(format!(
                "{}: {fault}; says {:?}",
                case.name,
                summary(&reading)
            ))
        })
        .collect();
    assert_none(&wrong);
}
