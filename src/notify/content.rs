//! What a message says of one incident, before any format: built once, by the
//! way that leads there. All text in it is redacted, on one line and not yet
//! wrapped; a [`format`](super::format) only arranges it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::event::{Event, earlier};
use super::kind::NotificationKind;
use crate::cause::{Cause, Confidence, Severity};
use crate::diagnose::check::{CheckResult, CheckStatus};
use crate::diagnose::diagnosis::FaultState;
use crate::finding::Evidence;
use crate::incident::group::Incident;
use crate::incident::nodes::{NODES_LISTED, NodeEntry, NodeList};
use crate::incident::store::ResolvedIncident;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::runbook::{Doubt, Runbook};
use crate::sort;
use crate::text::quote;
use crate::text::redact::{one_line, redact_line};
use crate::text::sanitize::cut;

/// From this age on a message says how old its evidence is.
const OLD: SignedDuration = SignedDuration::from_hours(24);

/// Records quoted in one message. Where a live check proves the cause, one.
const RECORDS: usize = 2;

/// Of more checks that found nothing wrong only the names are given.
const OK_NOTES: usize = 3;

/// Nodes that are all named; of more the first [`FIRST_NODES`] are.
const ALL_NODES: usize = 10;
const FIRST_NODES: usize = 5;

/// Characters shown of a Name tag, which may have 256.
const NAME_LENGTH: usize = 40;

/// The message of one incident.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Content {
    pub kind: NotificationKind,
    pub cause: Cause,
    pub severity: Severity,
    /// What is wrong: the same over the life of the incident.
    pub title: String,
    /// What follows the title where the fault may not be so; else empty.
    pub doubt: String,
    /// What is wrong in a sentence, and the nodes.
    pub summary: String,
    /// What the diagnosis adds; may be empty.
    pub detail: String,
    /// How sure it is, and by what.
    pub confidence: String,
    /// Since when, how long, and when it was last logged; empty where no log says so.
    pub since: String,
    pub account: Option<String>,
    pub region: Option<String>,
    /// What this function wrote, or why it wrote nothing.
    pub changed: String,
    /// What to do, what happens next, and how to verify it.
    pub runbook: Option<Runbook>,
    /// Takes back what this function wrote.
    pub undo: Option<String>,
    /// At most [`RECORDS`], the proving one first.
    pub evidence: Vec<Quote>,
    /// What the checks found by status, a note that several share once.
    pub checks: Vec<(CheckStatus, Vec<String>)>,
    /// The checks are from before the repair.
    pub repaired: bool,
    /// The nodes with their Name tags: all of a few, the first of many.
    pub nodes: String,
    pub node_count: usize,
    /// The first [`NODES_LISTED`] of which evidence was read now, with when theirs began.
    pub began: Vec<(String, String)>,
    pub key: String,
    /// What makes two messages of one incident the same.
    pub identity: String,
    /// The same for a program.
    pub event: Event,
}

impl Content {
    /// Adds a sentence to what the diagnosis says.
    pub(crate) fn add_detail(&mut self, sentence: &str) {
        if !self.detail.is_empty() {
            self.detail.push(' ');
        }
        self.detail.push_str(&redact_line(sentence));
    }
}

/// A proving record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Where it stands or comes from, when, and how old it is.
    pub origin: String,
    /// Whole lines, the first with level and component; never empty.
    pub lines: Vec<String>,
}

impl Content {
    /// What there is to say of `incident`: `nodes` are all that it hits, those
    /// of earlier batches too, and `began` is its oldest evidence. Without a
    /// `now`, times are those of the log's own clock.
    pub(crate) fn of(
        incident: &Incident,
        nodes: &NodeList,
        plan: &PlanSummary,
        outcome: &Outcome,
        kind: NotificationKind,
        began: Timestamp,
        now: Option<Timestamp>,
    ) -> Self {
        let status = outcome.status;
        let mut runbook = outcome.runbook(incident, now);
        let (confidence, mut doubt) = certainty(incident, now);
        let mut event = Event::of(incident, nodes, plan, outcome, kind, began);
        if kind == NotificationKind::Resolved {
            doubt.clear();
            runbook.steps.clear();
            event.incident.advice.clear();
        }
        let title = one_line(Doubt::split(&incident.title).0);
        let detail = (incident.detail.as_deref()).map_or(String::new(), redact_line);
        Self {
            kind,
            cause: incident.cause,
            severity: incident.severity,
            summary: summary(incident, nodes, kind, status, &runbook.summary),
            title,
            doubt,
            confidence,
            since: match (now, is_without_log(incident)) {
                (Some(now), true) => since(began, None, now),
                (Some(now), false) => since(began, Some(incident.last), now),
                (None, true) => String::new(),
                (None, false) => by_the_log(began, incident.last),
            },
            account: shared(nodes, |node| &node.account),
            region: shared(nodes, |node| &node.region),
            changed: changed(plan, outcome),
            runbook: Some(runbook),
            undo: outcome.undo.clone(),
            evidence: evidence(&incident.evidence, records(incident), now),
            checks: checks(incident, &detail),
            detail,
            repaired: status == OutcomeStatus::Repaired,
            nodes: list(nodes, |id| label(id, incident)),
            node_count: nodes.count,
            began: (incident.affected.iter().take(NODES_LISTED))
                .map(|hit| (label(hit.node.id.as_str(), incident), second(hit.first)))
                .collect(),
            key: redact_line(&incident.key),
            identity: format!("{kind} {status:?} {} {}", incident.last, nodes.count),
            event,
        }
    }

    /// That an incident of which the reader was notified is over.
    pub(crate) fn resolved(over: &ResolvedIncident, now: Timestamp) -> Self {
        let (kind, nodes, end) = (NotificationKind::Resolved, &over.nodes, over.resolved_at);
        let title = one_line(Doubt::split(&over.title).0);
        let (at, ago) = (minute(end), age(now.duration_since(end)));
        let ended = match (&over.explained_by, nodes.count) {
            (Some(other), _) => format!(
                "Closed, because a live check has now confirmed a cause: {}. Its own message says what to do. Nothing to do here.",
                one_line(other)
            ),
            (None, 1) => {
                let node = match nodes.listed.first().map(|node| redact_line(&node.id)) {
                    Some(id) if !title.contains(&id) => id,
                    _ => "The node".to_owned(),
                };
                format!("{node} works again, since {at} ({ago} ago). Nothing to do.")
            }
            (None, count) => format!(
                "All {count} nodes work again, the last since {at} ({ago} ago). Nothing to do."
            ),
        };
        let (began, lasted) = (minute(over.since), age(end.duration_since(over.since)));
        Self {
            kind,
            cause: over.cause,
            severity: over.severity,
            summary: match over.explained_by {
                Some(_) => format!("{title}. {ended}"),
                None => format!("Resolved. The fault: {title}. {ended}"),
            },
            title,
            // Its node is not well: another incident goes on.
            doubt: match over.explained_by {
                Some(_) => ": cause now confirmed".to_owned(),
                None => String::new(),
            },
            detail: String::new(),
            confidence: "resolved".to_owned(),
            since: format!("{began}, for {lasted}."),
            account: shared(nodes, |node| &node.account),
            region: shared(nodes, |node| &node.region),
            changed: match over.written_at {
                Some(at) => earlier(at),
                None => "nothing that this function remembers.".to_owned(),
            },
            runbook: None,
            undo: None,
            evidence: Vec::new(),
            checks: Vec::new(),
            repaired: false,
            nodes: list(nodes, redact_line),
            node_count: nodes.count,
            began: Vec::new(),
            key: redact_line(&over.key),
            identity: format!("{kind} {end}"),
            event: Event::resolved(over),
        }
    }
}

/// How sure the incident is, and what follows its title when it is not.
fn certainty(incident: &Incident, now: Option<Timestamp>) -> (String, String) {
    let without_log = is_without_log(incident);
    let remembered = is_remembered(incident);
    let (sure, doubt) = match (incident.fault_state, incident.confidence) {
        (FaultState::NotObserved, _) => ("by the log alone", ": not observed"),
        (FaultState::Active, Confidence::Confirmed) if remembered => {
            ("confirmed by a live check before", "")
        }
        (FaultState::Active, Confidence::Likely) if remembered => ("likely, as before", ""),
        (FaultState::Active, Confidence::Confirmed) => {
            return (
                format!("confirmed (live check{})", clock(now)),
                String::new(),
            );
        }
        (FaultState::Active, Confidence::Likely) if without_log => {
            return (format!("likely (live check{})", clock(now)), String::new());
        }
        (FaultState::Active, Confidence::Undetermined) if without_log && !remembered => (
            "undetermined (no live check proves a cause)",
            ": undetermined",
        ),
        (FaultState::Active, Confidence::Likely) => ("likely (the log alone)", ""),
        (FaultState::Active, Confidence::Undetermined) => match incident.candidates.len() {
            0 | 1 if remembered => ("undetermined, as before", ": undetermined"),
            0 | 1 => ("undetermined (the log alone)", ": undetermined"),
            several => {
                let causes = format!("{several} possible causes");
                return (format!("undetermined, {causes}"), format!(", {causes}"));
            }
        },
    };
    (sure.to_owned(), doubt.to_owned())
}

/// When the checks of this invocation ran, as far as a reader needs it.
fn clock(now: Option<Timestamp>) -> String {
    now.map_or(String::new(), |now| now.strftime(", %H:%M UTC").to_string())
}

/// Of a node that is given by its id, or has gone silent, there is no log.
fn is_without_log(incident: &Incident) -> bool {
    incident.signatures.is_empty() && !incident.evidence.iter().any(Evidence::is_logged)
}

/// Whether it is open still, and nothing new was read about it.
fn is_remembered(incident: &Incident) -> bool {
    is_without_log(incident) && incident.checks.is_empty()
}

/// What is wrong and where, in a sentence or two. What is over, or may not be
/// so, is named by its title, which claims no more than that.
fn summary(
    incident: &Incident,
    nodes: &NodeList,
    kind: NotificationKind,
    status: OutcomeStatus,
    sure: &str,
) -> String {
    let (title, doubt) = Doubt::split(&incident.title);
    let title = one_line(title);
    let fault = match doubt {
        None => one_line(sure),
        Some(Doubt::Undetermined) => format!("{title}. The cause could not be determined."),
        Some(Doubt::NotSeenLive) => {
            format!("{title}, according to the log. Live checks find nothing wrong now.")
        }
    };
    let mut text = match kind {
        NotificationKind::Opened => fault,
        NotificationKind::Repaired => format!("Repaired. The fault: {title}."),
        NotificationKind::Resolved => format!("Resolved. The fault: {title}."),
        NotificationKind::RepairFailed if status == OutcomeStatus::Unverified => {
            format!("The repair was not seen to take effect. The fault: {title}.")
        }
        NotificationKind::RepairFailed => format!("The repair failed. {fault}"),
        NotificationKind::Grew => format!("More nodes than before. {fault}"),
        NotificationKind::Reminder if is_remembered(incident) => {
            format!("Still open; nothing new was read about it. {fault}")
        }
        NotificationKind::Reminder => format!("Still active. {fault}"),
        NotificationKind::Recurred => format!("It has come back. {fault}"),
    };
    match &nodes.listed[..] {
        [only] => {
            let (id, label) = (redact_line(&only.id), label(&only.id, incident));
            text = match text.contains(&id) {
                true => text.replacen(&id, &label, 1),
                false => format!("{text} Affected: {label}."),
            };
        }
        _ => text.push_str(&format!(" Affected: {} nodes.", nodes.count)),
    }
    text
}

fn since(began: Timestamp, logged: Option<Timestamp>, now: Timestamp) -> String {
    let newest = logged.unwrap_or(began);
    let (first, last) = (minute(began), minute(newest));
    let lasted = now.duration_since(began);
    let lasted = match lasted.is_positive() {
        true => format!(" ({})", age(lasted)),
        false => String::new(),
    };
    let again = match last == first {
        true => String::new(),
        false => format!(", last logged {last}"),
    };
    let old = logged.and_then(|logged| old(logged, now));
    let old = old.map(|age| format!(" The newest log line is {age} old."));
    format!("{first}{lasted}{again}.{}", old.unwrap_or_default())
}

/// Since when, by the clock of a log in hand.
fn by_the_log(began: Timestamp, last: Timestamp) -> String {
    let [first, last] = [began, last].map(second);
    match first == last {
        true => format!("{first}."),
        false => format!("{first}, last logged {last}."),
    }
}

/// The age of evidence that is not of today.
fn old(at: Timestamp, now: Timestamp) -> Option<String> {
    let old = now.duration_since(at);
    (old > OLD).then(|| age(old))
}

/// What all listed nodes have in common.
fn shared(nodes: &NodeList, of: impl Fn(&NodeEntry) -> &Option<String>) -> Option<String> {
    let first = of(nodes.listed.first()?);
    let mut listed = nodes.listed.iter();
    listed
        .all(|node| of(node) == first)
        .then(|| first.clone())?
}

fn changed(plan: &PlanSummary, outcome: &Outcome) -> String {
    let why = Some(plan.reason.as_str());
    let (what, why) = match outcome.status {
        OutcomeStatus::None => ("nothing.", why),
        // An earlier attempt may have changed something.
        OutcomeStatus::Refused | OutcomeStatus::Capped => ("nothing in this invocation.", why),
        OutcomeStatus::AlreadyRight if outcome.undo.is_some() => {
            ("nothing in this invocation.", None)
        }
        OutcomeStatus::AlreadyRight => ("nothing. Live checks find nothing to repair.", None),
        OutcomeStatus::DryRun => ("nothing. TRIAGE_REPAIR is dry-run.", None),
        OutcomeStatus::Repaired => ("", None),
        OutcomeStatus::Failed => ("nothing.", None),
        OutcomeStatus::Unverified => ("undetermined.", None),
    };
    let more = [why, outcome.detail.as_deref()].into_iter().flatten();
    let text = more.fold(what.to_owned(), |text, more| {
        text + " " + &redact_line(more)
    });
    text.trim_start().to_owned()
}

fn records(incident: &Incident) -> usize {
    match (incident.fault_state, incident.confidence) {
        (FaultState::Active, Confidence::Confirmed) => 1,
        _ => RECORDS,
    }
}

/// At most so many quoted records: no line a second time.
fn evidence(records: &[Evidence], most: usize, now: Option<Timestamp>) -> Vec<Quote> {
    let mut quoted: Vec<Quote> = Vec::new();
    for record in records {
        let mut lines = quote::readable(&record.text);
        let component = match record.component.as_str() {
            "" => String::new(),
            component => format!("[{}] ", redact_line(component)),
        };
        if record.is_logged() {
            lines[0] = format!("{} {component}{}", record.level, lines[0]);
        }
        let known = |line: &String| quoted.iter().any(|other| other.lines.contains(line));
        if quoted.len() == most || known(&lines[0]) {
            continue;
        }
        lines.retain(|line| !known(line));
        let place = (record.place.as_deref()).map_or("Log".to_owned(), redact_line);
        let at = second(record.at);
        let (zone, old) = match now {
            Some(now) => (" UTC", old(record.at, now)),
            None => ("", None),
        };
        let old = old.map_or(String::new(), |age| format!(" ({age} old)"));
        let origin = format!("{place}, {at}{zone}{old}");
        quoted.push(Quote { origin, lines });
    }
    quoted
}

/// What the checks found, what proves the cause first, but for what `detail` says already.
fn checks(incident: &Incident, detail: &str) -> Vec<(CheckStatus, Vec<String>)> {
    use CheckStatus::{Failed, Ok, Skipped, Unknown};
    let mut found = [Failed, Ok, Unknown, Skipped]
        .map(|status| (status, Vec::new()))
        .to_vec();
    let mut sorted: Vec<&CheckResult> = incident.checks.iter().collect();
    sort::by_key(&mut sorted, |check| !check.confirms(incident.cause));
    for (status, notes) in &mut found {
        let checks = sorted.iter().filter(|check| check.status == *status);
        let all: Vec<String> = checks.map(|check| redact_line(&check.note)).collect();
        for (at, note) in all.iter().enumerate() {
            let count = all.iter().filter(|other| *other == note).count();
            match count {
                _ if note == detail || all[..at].contains(note) => {}
                1 => notes.push(note.clone()),
                count => notes.push(format!("{note} ({count} checks)")),
            }
        }
        if *status == Ok && notes.len() > OK_NOTES {
            let checks = sorted.iter().filter(|check| check.status == Ok);
            let mut names: Vec<&str> = checks.map(|check| check.check).collect();
            let mut known = BTreeSet::new();
            names.retain(|name| known.insert(*name));
            *notes = vec![format!("{}.", names.join(", "))];
        }
    }
    found.retain(|(_, notes)| !notes.is_empty());
    found
}

/// Each node with its account and Region, unless all have the same.
fn list(nodes: &NodeList, label: impl Fn(&str) -> String) -> String {
    let place = |node: &NodeEntry| Some((node.account.clone()?, node.region.clone()?));
    let first = nodes.listed.first().and_then(place);
    let same = nodes.listed.iter().all(|node| place(node) == first);
    let named = |node: &NodeEntry| match place(node).filter(|_| !same) {
        Some((account, region)) => format!("{} [{account}/{region}]", label(&node.id)),
        None => label(&node.id),
    };
    let many = nodes.count > ALL_NODES;
    let most = if many { FIRST_NODES } else { ALL_NODES };
    let names: Vec<String> = nodes.listed.iter().take(most).map(named).collect();
    match many {
        true => format!(
            "{} nodes, the first {most}: {}",
            nodes.count,
            names.join(", ")
        ),
        false => names.join(", "),
    }
}

/// `i-0123456789abcdef0 (web-03)`, by the instance's Name tag.
fn label(id: &str, incident: &Incident) -> String {
    let mut instances = incident.instances.iter();
    let found = instances.find(|instance| instance.id.as_str() == id);
    match found.and_then(|found| Some(one_line(found.name.as_ref()?))) {
        Some(name) if !name.is_empty() => {
            format!("{} ({})", redact_line(id), cut(&name, NAME_LENGTH))
        }
        Some(_) | None => redact_line(id),
    }
}

/// `2026-11-23 04:19 UTC`.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2026-11-23 04:19:04`, as a log has it.
pub(crate) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// One rounded unit of which there are at least two: `42 min`, `25 h`, `3 days`.
pub(crate) fn age(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", rounded(60)),
        7_200..172_800 => format!("{} h", rounded(3_600)),
        _ => format!("{} days", rounded(86_400)),
    }
}
