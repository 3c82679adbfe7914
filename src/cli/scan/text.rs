//! The verdict as text: what is wrong first, then the lines that show it, what
//! to do, and what only looked bad.

use crate::incident::group::Incident;
use crate::incident::nodes::NodeList;
use crate::notify::content::{Content, second};
use crate::notify::format::Format;
use crate::notify::format::terminal::INDENT;
use crate::notify::kind::NotificationKind;
use crate::notify::page::{Page, Style};
use crate::repair::outcome::Outcome;
use crate::repair::plan::PlanSummary;
use crate::signature::Signature;
use crate::text::quote;
use crate::text::redact::redact_line;

use super::json::untouched;
use super::{Verdict, words};

/// Kinds of harmless and unrecognised records that are listed; the others are
/// counted.
const LISTED: usize = 12;

/// The verdict for a person.
pub(super) fn render(verdict: &Verdict, catalogue: &[Signature], style: Style) -> String {
    let mut page = Page::new("", style);
    let (tone, headline) = words::headline(verdict);
    page.painted(tone.ink(), &headline);
    for paragraph in words::read(verdict) {
        page.prose(&paragraph);
    }
    let (actionable, quiet) = words::incidents(verdict);
    for (number, incident) in (1..).zip(actionable.iter().chain(&quiet)) {
        one(&mut page, number, incident, verdict.live.is_some());
    }
    recovered(&mut page, verdict);
    harmless(&mut page, verdict, catalogue);
    unrecognised(&mut page, verdict);
    page.text
}

fn one(page: &mut Page, number: usize, incident: &Incident, live: bool) {
    show(page, number, &content(incident, &untouched(live)));
}

/// What there is to say of an incident that was only read about.
pub(in crate::cli) fn content(
    incident: &Incident,
    (plan, outcome): &(PlanSummary, Outcome),
) -> Content {
    let (nodes, kind) = (NodeList::of(incident.nodes()), NotificationKind::Opened);
    Content::of(incident, &nodes, plan, outcome, kind, incident.first, None)
}

/// An incident as the terminal has it, its number in place of its indent.
pub(in crate::cli) fn show(page: &mut Page, number: usize, content: &Content) {
    let text = Format::Terminal.render(content, page.style);
    page.text.push('\n');
    page.text += &text.replacen(INDENT, &format!("{number}. "), 1);
}

fn recovered(page: &mut Page, verdict: &Verdict) {
    let lines = verdict.reading.recovered.iter().map(|over| {
        let (node, at) = (redact_line(&over.node), second(over.at));
        format!("{} on {node}, at {at} ({})", over.cause, over.signature)
    });
    section(page, "Recovered by itself", lines.collect(), "");
}

fn harmless(page: &mut Page, verdict: &Verdict, catalogue: &[Signature]) {
    let lines = (words::harmless(verdict, catalogue).into_iter())
        .map(|(count, signature)| format!("{count} × {} ({})", signature.title, signature.id));
    section(page, "Harmless, though it looks bad", lines.collect(), "");
}

fn unrecognised(page: &mut Page, verdict: &Verdict) {
    let unknown = &verdict.reading.unrecognised;
    let lines = unknown.iter().map(|unknown| {
        let example = quote::fewer(&quote::readable(&unknown.example), 1, 600);
        format!("{} × {}", unknown.count, example.join(" "))
    });
    let heading = "Not recognised, at WARN or above";
    section(page, heading, lines.collect(), words::at_least(unknown));
}

/// A heading and the lines below it, if there are any; `at_least` stands before
/// the number of those that are not shown.
fn section(page: &mut Page, heading: &str, lines: Vec<String>, at_least: &str) {
    if lines.is_empty() {
        return;
    }
    page.heading(heading);
    for line in lines.iter().take(LISTED) {
        page.wrapped(line, INDENT, "     ");
    }
    if lines.len() > LISTED {
        let more = lines.len() - LISTED;
        page.line(&format!("{INDENT}and {at_least}{more} more"));
    }
}
