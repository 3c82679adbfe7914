//! The verdict as text: what is wrong first, then the lines that show it, what
//! to do, and what only looked bad.

use crate::cause::{Cause, Confidence, Severity};
use crate::correlate::unknown::MAX_TEMPLATES;
use crate::finding::{Evidence, Unrecognised};
use crate::incident::group::Incident;
use crate::notify::layout::wrap;
use crate::record::Level;
use crate::runbook::{self, Step};
use crate::signature::Signature;
use crate::text::quote;
use crate::text::redact::redact_line;
use jiff::Timestamp;

use super::Verdict;
use crate::cli::input::one_line;
use crate::cli::terminal::Style;

/// Kinds of harmless and unrecognised records that are listed; the others are
/// counted.
const LISTED: usize = 12;

/// The verdict for a person.
pub fn render(verdict: &Verdict, catalogue: &[Signature], style: Style) -> String {
    let mut page = Page {
        text: String::new(),
        style,
    };
    let (loud, quiet): (Vec<&Incident>, Vec<&Incident>) = verdict
        .incidents
        .iter()
        .filter(|incident| incident.cause != Cause::Unrecognised)
        .partition(|incident| incident.severity.is_actionable());
    headline(&mut page, verdict, loud.len(), quiet.len());
    unread(&mut page, verdict);
    for (number, incident) in (1..).zip(loud.iter().chain(&quiet)) {
        one(&mut page, number, incident);
    }
    recovered(&mut page, verdict);
    benign(&mut page, verdict, catalogue);
    unrecognised(&mut page, verdict);
    page.text
}

fn headline(page: &mut Page, verdict: &Verdict, loud: usize, quiet: usize) {
    let source = &verdict.reading.source;
    let unknown = not_recognised(&verdict.reading.unrecognised);
    let (ink, said) = match (loud, quiet, source.records, &unknown) {
        (0, _, 0, _) => (
            Ink::Yellow,
            "No record of the SSM Agent was found.".to_owned(),
        ),
        (0, 0, _, None) if !verdict.unread.is_empty() => (
            Ink::Yellow,
            "Nothing is wrong in what could be read.".to_owned(),
        ),
        (0, 0, _, None) => (Ink::Green, "Nothing is wrong.".to_owned()),
        (0, 0, _, Some(unknown)) => (Ink::Yellow, format!("Nothing known is wrong; {unknown}.")),
        (0, quiet, _, None) => (
            Ink::Green,
            format!(
                "Nothing urgent; {} of low severity.",
                plural(quiet, "thing")
            ),
        ),
        (0, quiet, _, Some(unknown)) => (
            Ink::Yellow,
            format!(
                "Nothing known is urgent; {} of low severity, {unknown}.",
                plural(quiet, "thing")
            ),
        ),
        (loud, 0, _, _) => (Ink::Red, format!("{} to fix.", plural(loud, "thing"))),
        (loud, quiet, _, _) => (
            Ink::Red,
            format!(
                "{} to fix, {quiet} more of low severity.",
                plural(loud, "thing")
            ),
        ),
    };
    page.line(&page.paint(ink, &said));
    let mut read = format!(
        "Read {} in {}",
        plural(
            usize::try_from(source.records).unwrap_or(usize::MAX),
            "record"
        ),
        plural(verdict.files, "file"),
    );
    if verdict.nodes > 1 {
        read.push_str(&format!(" of {} nodes", verdict.nodes));
    }
    if let (Some(oldest), Some(newest)) = (source.oldest, source.newest) {
        read.push_str(&format!(
            ", {} to {} by the log's clock",
            time(oldest),
            time(newest)
        ));
    }
    read.push('.');
    page.paragraph(&read);
    if source.records == 0 {
        page.paragraph(
            "Its log is /var/log/amazon/ssm/amazon-ssm-agent.log, on Windows \
             %PROGRAMDATA%\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log.",
        );
    }
}

/// What the verdict does not rest on; standard error says why.
fn unread(page: &mut Page, verdict: &Verdict) {
    if !verdict.unread.is_empty() && verdict.reading.source.records > 0 {
        let count = plural(verdict.unread.len(), "input");
        let (were, rest) = (
            if verdict.unread.len() == 1 {
                "was"
            } else {
                "were"
            },
            "not read, or not to the end, or held no record: the verdict is on the rest.",
        );
        page.paragraph(&format!("{count} {were} {rest}"));
    }
}

/// How many records nothing recognised: a fault may be among them.
fn not_recognised(unknown: &[Unrecognised]) -> Option<String> {
    let records: u64 = unknown.iter().map(|unknown| unknown.count).sum();
    // Of a node with many kinds of them the oldest are no longer counted.
    let least = if unknown.len() < MAX_TEMPLATES {
        ""
    } else {
        "at least "
    };
    match records {
        0 => None,
        1 => Some("1 record of WARN or ERROR was not recognised".to_owned()),
        many => Some(format!(
            "{least}{many} records of WARN or ERROR were not recognised"
        )),
    }
}

fn one(page: &mut Page, number: usize, incident: &Incident) {
    let ink = match incident.severity {
        Severity::Critical | Severity::High => Ink::Red,
        Severity::Medium => Ink::Yellow,
        Severity::Low | Severity::Info => Ink::Plain,
    };
    let title = redact_line(&incident.title);
    page.line("");
    let severity = incident.severity.as_str().to_uppercase();
    let head = format!("{number}. {severity}  ");
    let title = wrap(&title, &head, "   ", page.style.width);
    let title = page.paint(Ink::Bold, title.strip_prefix(&head).unwrap_or(&title));
    page.line(&format!(
        "{number}. {}  {title}",
        page.paint(ink, &severity)
    ));
    let nodes: Vec<String> = incident
        .nodes()
        .map(|node| one_line(node.id.as_str()))
        .collect();
    page.prose(&format!(
        "{} [{}]. On {}.",
        how_sure(incident),
        incident.cause,
        some(&nodes, LISTED),
    ));
    if let Some(detail) = &incident.detail {
        page.prose(&redact_line(detail));
    }
    for evidence in &incident.evidence {
        quoted(page, evidence);
    }
    let runbook = runbook::expand(&incident.situation(), None);
    page.heading("What to do");
    for (at, step) in (1..).zip(&runbook.steps) {
        page.step(&format!("{at}."), step);
    }
    if !runbook.by_cause.is_empty() {
        page.heading("And then, by what it is");
        for step in &runbook.by_cause {
            page.step("-", step);
        }
    }
    page.heading("How to verify");
    for step in &runbook.verify {
        page.step("-", step);
    }
    page.heading("When it comes back");
    page.step("-", &said(runbook.next.retries));
    page.step("-", &said(runbook.next.restart.sentence().to_owned()));
}

fn said(text: String) -> Step {
    Step {
        text,
        command: None,
    }
}

fn how_sure(incident: &Incident) -> String {
    match (incident.confidence, &incident.candidates[..]) {
        (Confidence::Confirmed, _) => "Confirmed".to_owned(),
        (Confidence::Likely, _) => "Likely, by the log alone".to_owned(),
        (Confidence::Undetermined, [] | [_]) => "The log does not tell what causes it".to_owned(),
        (Confidence::Undetermined, several) => {
            let names: Vec<&str> = several.iter().map(|cause| cause.as_str()).collect();
            format!(
                "The log does not tell which of these it is, likeliest first: {}",
                names.join(", ")
            )
        }
    }
}

fn quoted(page: &mut Page, evidence: &Evidence) {
    page.line("");
    let component = match evidence.component.as_str() {
        "" => String::new(),
        component => format!("[{}] ", redact_line(component)),
    };
    let place = evidence.place.as_deref().map_or(String::new(), redact_line);
    page.line(&page.paint(Ink::Dim, &format!("   {place}")));
    let head = format!("{} {} {component}", time(evidence.at), evidence.level);
    for (at, line) in quote::lines(&evidence.text).iter().enumerate() {
        let head = if at == 0 { &head } else { "" };
        let line = format!("{head}{line}");
        page.line(&wrap(&line, "   | ", "   |   ", page.style.width));
    }
}

fn recovered(page: &mut Page, verdict: &Verdict) {
    let recovered = &verdict.reading.recovered;
    if recovered.is_empty() {
        return;
    }
    page.section("Over by itself");
    let lines: Vec<String> = recovered
        .iter()
        .map(|over| {
            format!(
                "{} on {}, at {} ({})",
                over.cause,
                redact_line(&over.node),
                time(over.at),
                over.signature
            )
        })
        .collect();
    page.list(&lines, "");
}

fn benign(page: &mut Page, verdict: &Verdict, catalogue: &[Signature]) {
    let looks_bad = |signature: &Signature| {
        [Level::Warn, Level::Error, Level::Critical]
            .into_iter()
            .any(|level| signature.reads(level))
    };
    let mut seen: Vec<(u64, &Signature)> = catalogue
        .iter()
        .filter(|signature| looks_bad(signature))
        .filter_map(|signature| Some((*verdict.reading.benign.get(signature.id)?, signature)))
        .collect();
    if seen.is_empty() {
        return;
    }
    seen.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    page.section("Harmless, though it looks bad");
    let lines: Vec<String> = seen
        .into_iter()
        .map(|(count, signature)| format!("{count} × {} ({})", signature.title, signature.id))
        .collect();
    page.list(&lines, "");
}

fn unrecognised(page: &mut Page, verdict: &Verdict) {
    let unknown = &verdict.reading.unrecognised;
    if unknown.is_empty() {
        return;
    }
    page.section("Not recognised, at WARN or above");
    let lines: Vec<String> = unknown
        .iter()
        .map(|unknown| {
            let example = quote::lines(&unknown.example);
            let first = example.first().map_or("", String::as_str);
            format!("{} × {first}", unknown.count)
        })
        .collect();
    // Beyond as many, the oldest are not known any more.
    let full = unknown.len() >= MAX_TEMPLATES;
    page.list(&lines, if full { "at least " } else { "" });
}

/// `2026-11-23 04:19:04`, as the log has it: host-local, without a zone.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn some(names: &[String], most: usize) -> String {
    let listed = names[..names.len().min(most)].join(", ");
    match names.len().saturating_sub(most) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Yellow,
    Green,
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "1;31",
            Ink::Yellow => "1;33",
            Ink::Green => "1;32",
        };
        if self.style.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn paragraph(&mut self, text: &str) {
        self.line(&wrap(text, "", "", self.style.width));
    }

    fn prose(&mut self, text: &str) {
        self.line(&wrap(text, "   ", "   ", self.style.width));
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(&format!("   {}", self.paint(Ink::Bold, text)));
    }

    fn section(&mut self, text: &str) {
        self.line("");
        self.line(&self.paint(Ink::Bold, text));
    }

    fn step(&mut self, mark: &str, step: &Step) {
        let rest = " ".repeat(4 + mark.len());
        let width = self.style.width;
        self.line(&wrap(&step.text, &format!("   {mark} "), &rest, width));
        if let Some(command) = &step.command {
            self.line(&format!("{rest}  {command}"));
        }
    }

    /// `at_least` stands before the number of lines that are not shown.
    fn list(&mut self, lines: &[String], at_least: &str) {
        for line in lines.iter().take(LISTED) {
            self.line(&wrap(line, "   ", "     ", self.style.width));
        }
        if lines.len() > LISTED {
            self.line(&format!("   and {at_least}{} more", lines.len() - LISTED));
        }
    }
}
