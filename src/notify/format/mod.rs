//! The forms in which a message leaves: one file each, and one line in
//! `formats!`. The order of the sections is that in which a reader needs them.

pub(crate) mod chat;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod per_protocol;
pub(crate) mod terminal;

use super::content::Content;
use super::page::{Ink, Page, Style};
use crate::cause::closed_names;
use crate::diagnose::check::CheckStatus;
use crate::runbook::Step;
use crate::text::quote;

macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident = $name:literal: $render:path;)+) => {
        closed_names! {
            /// A form of messages.
            pub(crate) Format { $($(#[$doc])* $format = $name),+ }
        }

        impl Format {
            /// The message that says `content` in this form.
            pub(crate) fn render(self, content: &Content, style: Style) -> String {
                match self { $(Self::$format => $render(content, style)),+ }
            }
        }
    };
}

formats! {
    Mail = "mail": mail::render;
    Chat = "chat": chat::render;
    /// The event.
    Json = "json": json::render;
    PerProtocol = "per-protocol": per_protocol::render;
    Html = "html": html::render;
    Log = "log": log::render;
    Terminal = "terminal": terminal::render;
}

/// Lines of an agent's log in one message, and characters of each.
type Quoted = (usize, usize);

const FOUR_LINES: Quoted = (4, 600);

/// What to do, what happens next, and what proves it.
fn sections(page: &mut Page, content: &Content, quoted: Quoted) {
    if let Some(runbook) = &content.runbook {
        page.heading("FIX");
        if runbook.steps.is_empty() {
            page.prose("Nothing to do.");
        }
        for (number, one) in (1..).zip(&runbook.steps) {
            step(page, &format!("{number}. "), one);
        }
        if !runbook.by_cause.is_empty() {
            page.prose("Then, by cause, most likely first:");
        }
        for one in &runbook.by_cause {
            step(page, "", one);
        }
        if let Some(undo) = &content.undo {
            page.prose("To undo, remove the tag first, or it is repaired again:");
            undo.lines().for_each(|command| page.command(command));
        }
        page.heading("NEXT");
        let next = &runbook.next;
        page.prose(&format!("{} {}", next.retries, next.restart.sentence()));
        for one in &runbook.verify {
            step(page, "Verify: ", one);
        }
    }
    if !content.evidence.is_empty() || !content.checks.is_empty() {
        page.heading("EVIDENCE");
        evidence(page, content, quoted);
    }
}

fn step(page: &mut Page, mark: &str, step: &Step) {
    page.wrapped(&step.text, mark, "");
    if let Some(command) = &step.command {
        page.command(command);
    }
}

/// The records as they are quoted: where each comes from, and its lines.
fn records(content: &Content, (mut room, length): Quoted) -> Vec<(&str, Vec<String>)> {
    let left = (0..content.evidence.len()).rev();
    let quoted = left.zip(&content.evidence).map(|(after, record)| {
        // A line is left for each record that follows.
        let lines = quote::fewer(&record.lines, room - after, length);
        room -= lines.len();
        (record.origin.as_str(), lines)
    });
    quoted.collect()
}

fn evidence(page: &mut Page, content: &Content, quoted: Quoted) {
    for (origin, lines) in records(content, quoted) {
        page.painted(Ink::DIM, &format!("{origin}:"));
        for line in &lines {
            page.wrapped(line, "| ", "|   ");
        }
    }
    let before = if content.repaired {
        " before the repair"
    } else {
        ""
    };
    for (status, notes) in &content.checks {
        let mark = match status {
            CheckStatus::Failed => "Failed",
            CheckStatus::Ok => "Ok",
            CheckStatus::Unknown => "Could not determine",
            CheckStatus::Skipped => "Skipped",
        };
        page.prose(&format!("{mark}{before}: {}", notes.join(" ")));
    }
}
