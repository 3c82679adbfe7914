//! The verdict as the report that the function answers, too.

use crate::incident::nodes::NodeList;
use crate::repair::outcome::Outcome;
use crate::repair::plan::PlanSummary;
use crate::report::Notified;
use crate::report::build;

use super::Verdict;

/// The report as JSON. `notified` is always `printed`: the tool tells whoever
/// runs it, whatever the severity.
pub(super) fn render(verdict: Verdict) -> String {
    let (plan, outcome) = untouched(verdict.live.is_some());
    let incidents = verdict
        .incidents
        .iter()
        .map(|incident| {
            let nodes = NodeList::of(incident.nodes());
            build::incident(incident, &nodes, &plan, &outcome, Notified::Printed)
        })
        .collect();
    let reading = verdict.reading;
    let report = build::report(
        reading.source,
        incidents,
        reading.recovered,
        reading.benign,
        reading.unrecognised,
    );
    let mut text =
        serde_json::to_string_pretty(&report).expect("strings, numbers and times always serialise");
    text.push('\n');
    text
}

/// What becomes of an incident of a log in hand.
pub(super) fn untouched(live: bool) -> (PlanSummary, Outcome) {
    build::untouched(match live {
        true => "Live state is only read; nothing is changed.",
        false => "A log in hand is only read; nothing is checked or changed.",
    })
}
