//! From event lines to records: one record is one statement of the agent, its
//! continuation lines joined to it.

mod head;
mod hosts;
mod join;
mod level;
mod normalized;
mod opening;
mod reader;
mod tags;
mod text;
mod unwrap;

pub use head::{begins_record, read_stamp};
pub use hosts::{Host, Hosts};
pub(crate) use join::CLOCK_STEP;
pub use join::Limits;
pub use level::Level;
pub use normalized::NormalizedRecord;
pub use opening::{Opening, first_time, opening};
pub use reader::{Reader, records};
pub use tags::{Tags, begins_with_tag, is_agent_tag, without_tags};
pub use text::{cut, fold, lines, without_last};
pub(crate) use unwrap::{is_foreign, is_heading, names_agent, without_colours};

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::state::pairs::is_default;

/// Ends a quotation that was cut.
const ELLIPSIS: &str = " \u{2026}";

/// One statement of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// When it happened: the event's time; where the event has none, the record's
    /// own time read as UTC, else its wrapper's, else that of the record before.
    pub at: Timestamp,
    pub level: Level,
    /// The record's own time as logged: host-local, without a zone. Used only
    /// to tell copies of one record apart from repetitions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stamp: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Tags<'a>,
    /// What follows the tags, up to the end of the head's line.
    pub message: Cow<'a, str>,
    /// Continuation lines without their wrappers; see [`Limits`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub rest: Vec<Cow<'a, str>>,
    /// Which program wrote the record.
    pub origin: Origin,
    /// The host that its wrappers name.
    #[serde(default, skip_serializing_if = "is_default", with = "hosts::shared")]
    pub host: Option<Arc<Host>>,
    /// What its wrappers show of the machine.
    #[serde(default, skip_serializing_if = "is_default")]
    pub machine: Machine,
    /// The line number of the head within its batch or file, from 1.
    pub line: u64,
    /// Its batch ended with it: lines of it may be missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cut: bool,
    /// By how much its own time lies before that of the record before it in its file; none
    /// where an event or a wrapper brought it, which may come late.
    #[serde(skip)]
    pub back: SignedDuration,
    /// A line of it ends at the edge of the screen that it was copied from: what
    /// stood behind it is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub edge: bool,
    /// How many of `rest` stood there when an earlier invocation counted the
    /// record as the one that its batch left open.
    #[serde(default, skip_serializing_if = "is_default")]
    pub counted: Option<usize>,
}

/// Which program wrote a record. Programs other than the agent write records
/// only where they speak of the agent; everything else in a stream is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// A head with a timestamp and a level: the agent's log file.
    File,
    /// Level first, without a time.
    LevelFirst,
    /// The agent's standard output: no level, or Go's own panic text.
    Raw,
    /// Go's own panic text that is the agent's only if it names the agent: another
    /// program's lines stand before it, or its stack is still to come, or it may
    /// be what a record quotes.
    Unattributed,
    /// systemd telling of the agent's unit.
    Systemd,
    /// The kernel telling of one of the agent's processes.
    Kernel,
    /// A person's paste, without a head: the level is that of the signature which
    /// begins as the line does.
    Paste,
}

impl<'a> Record<'a> {
    /// The last tag: the part of the agent that wrote it.
    pub fn component(&self) -> &str {
        self.tags.last().unwrap_or_default()
    }

    /// The whole text after the tags as one line: white space folded, typographic
    /// quotes made plain, so that wrapped and run-on copies read alike.
    pub fn flat(&self) -> Cow<'_, str> {
        normalized::flat(self)
    }

    /// The text as logged, for quoting as evidence.
    pub fn text(&self) -> String {
        let mut text = self.message.to_string();
        for line in &self.rest {
            text.push('\n');
            text.push_str(line);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// As [`Record::text`], of at most `most` bytes. It ends between words, so
    /// that no secret is cut to a form in which it is not known as one.
    pub fn quote(&self, most: usize) -> String {
        let lines = || std::iter::once(&self.message).chain(&self.rest);
        let length = lines().map(|line| line.len()).sum::<usize>() + self.rest.len();
        let mut text = String::with_capacity(length.min(most + ELLIPSIS.len()));
        for line in lines() {
            if text.len() > most {
                break;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(cut(line, most + 1 - text.len().min(most)));
        }
        if text.len() > most {
            let kept = cut(&text, most);
            let end = kept.rfind(char::is_whitespace).unwrap_or(0);
            text.truncate(end);
            text.truncate(text.trim_end().len());
            text.push_str(ELLIPSIS);
        }
        text.truncate(text.trim_end().len());
        text.shrink_to_fit();
        text
    }

    /// What it holds on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        let rest: usize = self
            .rest
            .iter()
            .map(|line| size_of_val(line) + line.len())
            .sum();
        self.tags.bytes() + self.message.len() + rest
    }

    /// A copy that does not borrow from the batch, for the stream state.
    pub fn into_owned(self) -> Record<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Record {
            at: self.at,
            level: self.level,
            stamp: self.stamp.map(own),
            tags: self.tags.into_owned(),
            message: own(self.message),
            rest: self.rest.into_iter().map(own).collect(),
            origin: self.origin,
            host: self.host,
            machine: self.machine,
            line: self.line,
            cut: self.cut,
            back: self.back,
            edge: self.edge,
            counted: self.counted,
        }
    }

    /// The record with no more than the first `lines` of `rest`.
    pub fn with_lines(&self, lines: usize) -> Self {
        let mut earlier = self.clone();
        earlier.rest.truncate(lines);
        earlier
    }
}
