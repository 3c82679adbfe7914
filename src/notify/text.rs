//! The message as text: what wakes someone at three in the morning.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::layout::{TextBuilder, WIDTH, wrap};
use super::message::{Message, NotificationKind, Subject};
use crate::cause::Confidence;
use crate::diagnose::check::CheckStatus;
use crate::diagnose::diagnosis::FaultState;
use crate::incident::group::Incident;
use crate::incident::nodes::{NodeEntry, NodeList};
use crate::incident::store::ResolvedIncident;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::runbook::{Runbook, Step, clock, in_words};
use crate::text::quote;
use crate::text::redact::{one_line, redact_line};

/// How much of the log a message quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    /// Every proving record, at the length of [`quote::lines`].
    Records,
    /// Three short lines in all.
    ThreeLines,
}

/// The message about `incident`. `nodes` are all that it hits, those of earlier
/// batches too.
pub fn render(
    incident: &Incident,
    nodes: &NodeList,
    plan: &PlanSummary,
    outcome: &Outcome,
    kind: NotificationKind,
    now: Timestamp,
) -> Message {
    compose(incident, nodes, plan, outcome, kind, now, Quoted::Records)
}

/// As [`render`], for the function's own log, where messages go for want of a
/// topic: that log holds three lines of an agent's at most.
pub fn render_for_log(
    incident: &Incident,
    nodes: &NodeList,
    plan: &PlanSummary,
    outcome: &Outcome,
    kind: NotificationKind,
    now: Timestamp,
) -> Message {
    compose(
        incident,
        nodes,
        plan,
        outcome,
        kind,
        now,
        Quoted::ThreeLines,
    )
}

fn compose(
    incident: &Incident,
    nodes: &NodeList,
    plan: &PlanSummary,
    outcome: &Outcome,
    kind: NotificationKind,
    now: Timestamp,
    quoted: Quoted,
) -> Message {
    let runbook = outcome.runbook(incident, Some(now));
    let title = one_line(&incident.title);
    let count = count(nodes.count);
    let mut page = TextBuilder::default();

    page.heading(&verdict(kind, &title, &count));
    page.line(&place(incident, nodes));
    page.line(&seen(incident));
    if let Some(detail) = &incident.detail {
        page.paragraph(&redact_line(detail));
    }
    page.heading("How sure");
    page.prose(&how_sure(incident));
    proof(&mut page, incident, now, quoted);
    checks(&mut page, incident, outcome.status);
    page.heading("What was done");
    done(&mut page, plan, outcome);
    steps(&mut page, &runbook);
    page.heading("What happens next");
    page.prose(&runbook.next.retries);
    page.prose(runbook.next.restart.sentence());
    verify(&mut page, &runbook);
    if let Some(undo) = &outcome.undo {
        page.heading("How to undo the change");
        page.command(undo);
    }
    node_list(&mut page, nodes);
    page.heading(&format!("Incident {}", redact_line(&incident.key)));

    let lead = match kind {
        NotificationKind::Opened => format!("[SSM {}] ", incident.severity),
        NotificationKind::Repaired => "[SSM repaired] ".to_owned(),
        NotificationKind::Resolved | NotificationKind::AllRecovered => "[SSM resolved] ".to_owned(),
        NotificationKind::RepairFailed => "[SSM repair failed] ".to_owned(),
        NotificationKind::Grew => "[SSM grew] ".to_owned(),
        NotificationKind::Reminder => "[SSM still open] ".to_owned(),
    };
    Message::new(
        &Subject {
            lead: &lead,
            title: &title,
            tail: &format!(" ({count})"),
        },
        page.finish(),
        attributes(
            incident.severity.as_str(),
            incident.cause.as_str(),
            nodes,
            kind,
        ),
        &incident.key,
        &format!(
            "{} {:?} {} {}",
            kind.as_str(),
            outcome.status,
            incident.last,
            nodes.count
        ),
    )
}

/// The message that an incident which was told is over.
pub fn render_resolved(over: &ResolvedIncident, now: Timestamp) -> Message {
    let title = one_line(&over.title);
    let count = count(over.nodes.count);
    let mut page = TextBuilder::default();
    page.heading(&verdict(NotificationKind::AllRecovered, &title, &count));
    page.paragraph(&format!(
        "Every node that it had hit works again by its own log, the last since {} ({} ago). It \
         was open for {}.",
        clock(over.resolved_at),
        in_words(now.duration_since(over.resolved_at)),
        in_words(over.resolved_at.duration_since(over.opened_at)),
    ));
    node_list(&mut page, &over.nodes);
    page.heading(&format!("Incident {}", redact_line(&over.key)));
    Message::new(
        &Subject {
            lead: "[SSM resolved] ",
            title: &title,
            tail: &format!(" ({count})"),
        },
        page.finish(),
        attributes(
            over.severity.as_str(),
            over.cause.as_str(),
            &over.nodes,
            NotificationKind::AllRecovered,
        ),
        &over.key,
        &format!(
            "{} {}",
            NotificationKind::AllRecovered.as_str(),
            over.resolved_at
        ),
    )
}

/// The first line: cause, thing to fix and how many nodes, in one sentence.
fn verdict(kind: NotificationKind, title: &str, count: &str) -> String {
    let lead = match kind {
        NotificationKind::Opened => "",
        NotificationKind::Repaired => "Repaired. What was wrong: ",
        NotificationKind::Resolved | NotificationKind::AllRecovered => "Resolved. What was wrong: ",
        NotificationKind::RepairFailed => "The repair failed. Still wrong: ",
        NotificationKind::Grew => "More nodes than before: ",
        NotificationKind::Reminder => "Still open: ",
    };
    match title.strip_prefix("The ") {
        Some(rest) if !lead.is_empty() => format!("{lead}the {rest} ({count})."),
        Some(_) | None => format!("{lead}{title} ({count})."),
    }
}

fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node".to_owned(),
        n => format!("{n} nodes"),
    }
}

/// Severity and place.
fn place(incident: &Incident, nodes: &NodeList) -> String {
    let mut line = format!("Severity {}.", incident.severity);
    match (
        one(nodes, |node| &node.account),
        one(nodes, |node| &node.region),
    ) {
        (Some(account), Some(region)) => {
            line.push_str(&format!(" Account {account}, Region {region}."));
        }
        (Some(account), None) => line.push_str(&format!(" Account {account}.")),
        (None, Some(region)) => line.push_str(&format!(" Region {region}.")),
        (None, None) => {}
    }
    line
}

fn seen(incident: &Incident) -> String {
    if incident.last > incident.first {
        format!(
            "First seen {}, last {}.",
            clock(incident.first),
            clock(incident.last)
        )
    } else {
        format!("Seen {}.", clock(incident.last))
    }
}

/// What all listed nodes have in common.
fn one<'a>(
    nodes: &'a NodeList,
    of: impl Fn(&'a NodeEntry) -> &'a Option<String>,
) -> Option<&'a str> {
    let first = of(nodes.listed.first()?).as_deref()?;
    nodes
        .listed
        .iter()
        .all(|node| of(node).as_deref() == Some(first))
        .then_some(first)
}

fn how_sure(incident: &Incident) -> String {
    let others = incident.candidates.len() > 1;
    match (incident.fault_state, incident.confidence) {
        (FaultState::NotObserved, _) => {
            "The log says so, and live state shows nothing wrong at this moment.".to_owned()
        }
        (FaultState::Active, Confidence::Confirmed) => {
            "Proved: a live check has just confirmed what the log says.".to_owned()
        }
        (FaultState::Active, Confidence::Likely) => {
            "Likely: the log alone says so, no live check proves it.".to_owned()
        }
        (FaultState::Active, Confidence::Undetermined) if others => {
            let names: Vec<&str> = incident.candidates.iter().map(|c| c.as_str()).collect();
            format!(
                "Cannot tell from the log. These are possible, likeliest first: {}.",
                names.join(", ")
            )
        }
        (FaultState::Active, Confidence::Undetermined) => {
            "Cannot tell from the log what causes it.".to_owned()
        }
    }
}

fn proof(page: &mut TextBuilder, incident: &Incident, now: Timestamp, quoted: Quoted) {
    let records = incident.evidence.len();
    for (index, evidence) in incident.evidence.iter().enumerate() {
        let few = |most| (quote::fewer(&evidence.text, most), usize::MAX);
        let (lines, width) = match (quoted, records, index) {
            (Quoted::Records, _, _) => (quote::lines(&evidence.text), WIDTH),
            (Quoted::ThreeLines, 1, _) => few(3),
            (Quoted::ThreeLines, 2, 0) => few(2),
            (Quoted::ThreeLines, _, 0..=2) => few(1),
            (Quoted::ThreeLines, _, _) => return,
        };
        let age = now.duration_since(evidence.at);
        let when = if age.is_negative() {
            clock(evidence.at)
        } else {
            format!("{}, {} ago", clock(evidence.at), in_words(age))
        };
        page.heading(&if index == 0 {
            format!("The line that shows it ({when})")
        } else {
            format!("And this ({when})")
        });
        let head = redact_line(&head(evidence.level, &evidence.component));
        for (number, line) in lines.iter().enumerate() {
            let line = if number == 0 {
                format!("{head}{line}")
            } else {
                line.clone()
            };
            page.line(&wrap(&line, "  | ", "  |   ", width));
        }
    }
}

/// `ERROR [HealthCheck] `, as the agent writes it.
fn head(level: &str, component: &str) -> String {
    match component {
        "" => format!("{level} "),
        component => format!("{level} [{component}] "),
    }
}

fn checks(page: &mut TextBuilder, incident: &Incident, outcome: OutcomeStatus) {
    if incident.checks.is_empty() {
        return;
    }
    page.heading(if outcome == OutcomeStatus::Repaired {
        "What was checked before the repair"
    } else {
        "What was checked"
    });
    for status in [
        CheckStatus::Failed,
        CheckStatus::Ok,
        CheckStatus::Unknown,
        CheckStatus::Skipped,
    ] {
        // What several checks say in the same words stands once.
        let mut lines: Vec<(String, usize)> = Vec::new();
        let checks = incident.checks.iter();
        for check in checks.filter(|check| check.status == status) {
            let note = redact_line(&check.note);
            match lines.iter_mut().find(|(line, _)| *line == note) {
                Some((_, count)) => *count += 1,
                None => lines.push((note, 1)),
            }
        }
        for (note, count) in lines {
            match count {
                1 => page.item(mark(status), &note),
                _ => page.item(mark(status), &format!("{note} ({count} checks)")),
            }
        }
    }
}

fn mark(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Failed => "FAILED ",
        CheckStatus::Ok => "ok     ",
        CheckStatus::Unknown => "unknown",
        CheckStatus::Skipped => "skipped",
    }
}

fn done(page: &mut TextBuilder, plan: &PlanSummary, outcome: &Outcome) {
    let said = match outcome.status {
        OutcomeStatus::None => "Nothing was changed.",
        // An earlier attempt may have changed something.
        OutcomeStatus::Refused | OutcomeStatus::Capped => "This invocation changed nothing.",
        OutcomeStatus::AlreadyRight if outcome.undo.is_some() => {
            "This invocation changed nothing; there is nothing left to repair."
        }
        OutcomeStatus::DryRun => "Nothing was changed: this is a dry run.",
        OutcomeStatus::Repaired => "Repaired.",
        OutcomeStatus::AlreadyRight => "Nothing was changed; there is nothing to repair.",
        OutcomeStatus::Failed => "The repair failed.",
        OutcomeStatus::Unverified => "A change was sent, and was not seen to take effect.",
    };
    let why = match outcome.status {
        OutcomeStatus::None | OutcomeStatus::Refused | OutcomeStatus::Capped => {
            Some(plan.reason.as_str())
        }
        OutcomeStatus::DryRun
        | OutcomeStatus::Repaired
        | OutcomeStatus::AlreadyRight
        | OutcomeStatus::Failed
        | OutcomeStatus::Unverified => None,
    };
    let mut text = said.to_owned();
    for part in [why, outcome.detail.as_deref()].into_iter().flatten() {
        let part = redact_line(part);
        if !part.is_empty() {
            text.push(' ');
            text.push_str(&part);
        }
    }
    page.prose(&text);
}

fn steps(page: &mut TextBuilder, runbook: &Runbook) {
    if runbook.steps.is_empty() {
        return;
    }
    page.heading("What to do");
    for (index, step) in runbook.steps.iter().enumerate() {
        let mark = format!("{}.", index + 1);
        page.item(&mark, &step.text);
        command(page, step);
    }
    if !runbook.by_cause.is_empty() {
        page.heading("And then, by what it is");
        for step in &runbook.by_cause {
            page.item("-", &step.text);
            command(page, step);
        }
    }
}

fn verify(page: &mut TextBuilder, runbook: &Runbook) {
    page.heading("How to verify");
    for step in &runbook.verify {
        page.item("-", &step.text);
        command(page, step);
    }
}

fn command(page: &mut TextBuilder, step: &Step) {
    if let Some(command) = &step.command {
        page.command(command);
    }
}

fn node_list(page: &mut TextBuilder, nodes: &NodeList) {
    let shared =
        one(nodes, |node| &node.account).is_some() && one(nodes, |node| &node.region).is_some();
    let named: Vec<String> = nodes
        .listed
        .iter()
        .map(|node| {
            let id = redact_line(&node.id);
            match (shared, &node.account, &node.region) {
                (false, Some(account), Some(region)) => format!("{id} ({account}/{region})"),
                (true | false, _, _) => id,
            }
        })
        .collect();
    let mut list = named.join(", ");
    match nodes.count - nodes.listed.len() {
        0 => {}
        more => list.push_str(&format!(" and {more} more")),
    }
    page.heading(if nodes.count == 1 { "Node" } else { "Nodes" });
    page.prose(&list);
}

fn attributes(
    severity: &str,
    cause: &str,
    nodes: &NodeList,
    kind: NotificationKind,
) -> BTreeMap<String, String> {
    [
        ("severity", Some(severity)),
        ("cause", Some(cause)),
        ("account", one(nodes, |node| &node.account)),
        ("region", one(nodes, |node| &node.region)),
        ("state", Some(kind.as_str())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
    .collect()
}

#[cfg(test)]
mod tests;
