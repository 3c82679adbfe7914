//! The verdict as text: what is wrong first, then the lines that show it, what
//! to do, and what only looked bad.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::correlate::unknown::MAX_TEMPLATES;
use crate::finding::Unrecognised;
use crate::incident::group::Incident;
use crate::incident::nodes::NodeList;
use crate::notify::content::Content;
use crate::notify::format::Format;
use crate::notify::format::terminal::INDENT;
use crate::notify::kind::NotificationKind;
use crate::notify::page::{Ink, Page, Style};
use crate::record::Level;
use crate::repair::outcome::Outcome;
use crate::repair::plan::PlanSummary;
use crate::signature::Signature;
use crate::text::quote;
use crate::text::redact::redact_line;

use super::Verdict;
use super::json::untouched;
use crate::cli::plural;

/// Kinds of harmless and unrecognised records that are listed; the others are
/// counted.
const LISTED: usize = 12;

/// The verdict for a person.
pub(super) fn render(verdict: &Verdict, catalogue: &[Signature], style: Style) -> String {
    let mut page = Page::new("", style);
    let (actionable, quiet): (Vec<&Incident>, Vec<&Incident>) = verdict
        .incidents
        .iter()
        .filter(|incident| incident.cause != Cause::Unrecognised)
        .partition(|incident| incident.severity.is_actionable());
    headline(&mut page, verdict, actionable.len(), quiet.len());
    for (number, incident) in (1..).zip(actionable.iter().chain(&quiet)) {
        one(&mut page, number, incident, verdict.live);
    }
    recovered(&mut page, verdict);
    benign(&mut page, verdict, catalogue);
    unrecognised(&mut page, verdict);
    page.text
}

fn headline(page: &mut Page, verdict: &Verdict, actionable: usize, quiet: usize) {
    let source = &verdict.reading.source;
    let unknown = not_recognised(&verdict.reading.unrecognised);
    let (known, or_not) = match &unknown {
        None => ("", String::new()),
        Some(records) => ("known is ", format!(", {records}")),
    };
    let (ink, said) = match (actionable, quiet) {
        (0, _) if source.records == 0 => (
            Ink::YELLOW,
            "No record of the SSM Agent was found.".to_owned(),
        ),
        (0, 0) => match unknown {
            Some(unknown) => (Ink::YELLOW, format!("Nothing known is wrong; {unknown}.")),
            None if verdict.unread.is_empty() => (Ink::GREEN, "Nothing is wrong.".to_owned()),
            None => (
                Ink::YELLOW,
                "Nothing is wrong in what could be read.".to_owned(),
            ),
        },
        (0, quiet) => (
            if known.is_empty() {
                Ink::GREEN
            } else {
                Ink::YELLOW
            },
            format!(
                "Nothing {known}urgent; {} of low severity{or_not}.",
                plural(quiet, "thing")
            ),
        ),
        (actionable, 0) => (Ink::RED, format!("{} to fix.", plural(actionable, "thing"))),
        (actionable, quiet) => (
            Ink::RED,
            format!(
                "{} to fix, {quiet} more of low severity.",
                plural(actionable, "thing")
            ),
        ),
    };
    page.painted(ink, &said);
    let records = usize::try_from(source.records).unwrap_or(usize::MAX);
    let mut read = format!(
        "Read {} in {}",
        plural(records, "record"),
        plural(verdict.files, "file"),
    );
    if verdict.nodes > 1 {
        read.push_str(&format!(" of {} nodes", verdict.nodes));
    }
    if let (Some(oldest), Some(newest)) = (source.oldest, source.newest) {
        let (oldest, newest) = (time(oldest), time(newest));
        read.push_str(&format!(", {oldest} to {newest} by the log's clock"));
    }
    page.prose(&format!("{read}."));
    if source.records == 0 {
        page.prose(
            "Its log is /var/log/amazon/ssm/amazon-ssm-agent.log, on Windows \
             %PROGRAMDATA%\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log.",
        );
    } else if !verdict.unread.is_empty() {
        // What the verdict does not rest on; standard error says why.
        let were = if verdict.unread.len() == 1 {
            "was"
        } else {
            "were"
        };
        page.prose(&format!(
            "{} {were} not read, or not to the end, or held no record: the verdict is on the rest.",
            plural(verdict.unread.len(), "input")
        ));
    }
}

/// How many records nothing recognised: a fault may be among them.
fn not_recognised(unknown: &[Unrecognised]) -> Option<String> {
    match unknown.iter().map(|unknown| unknown.count).sum::<u64>() {
        0 => None,
        1 => Some("1 record of WARN or ERROR was not recognised".to_owned()),
        many => Some(format!(
            "{}{many} records of WARN or ERROR were not recognised",
            at_least(unknown)
        )),
    }
}

/// Of a node with many kinds of them the oldest are no longer counted.
fn at_least(unknown: &[Unrecognised]) -> &'static str {
    match unknown.len() < MAX_TEMPLATES {
        true => "",
        false => "at least ",
    }
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
        let (node, at) = (redact_line(&over.node), time(over.at));
        format!("{} on {node}, at {at} ({})", over.cause, over.signature)
    });
    section(page, "Recovered by itself", lines.collect(), "");
}

fn benign(page: &mut Page, verdict: &Verdict, catalogue: &[Signature]) {
    let looks_bad = |signature: &&Signature| {
        let levels = [Level::Warn, Level::Error, Level::Critical];
        levels.into_iter().any(|level| signature.reads(level))
    };
    let count = |signature| verdict.reading.benign.get(signature).copied();
    let mut seen: Vec<(u64, &Signature)> = (catalogue.iter().filter(looks_bad))
        .filter_map(|signature| Some((count(signature.id)?, signature)))
        .collect();
    seen.sort_by_key(|(count, _)| Reverse(*count));
    let lines = (seen.into_iter())
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
    section(page, heading, lines.collect(), at_least(unknown));
}

/// `2026-11-23 04:19:04`, as the log has it: host-local, without a zone.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
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
