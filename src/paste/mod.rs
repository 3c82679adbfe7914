//! Text as a person copies it → lines as the record reader takes them: marks of
//! quoting and counting taken off, broken lines mended, and records found that
//! have lost their head.
//!
//! Only for text that a person hands over. A log is left as it is: where a line
//! begins as the agent begins one, nothing is read without a head.

mod aligned;
mod characters;
mod edge;
mod fields;
mod forms;
mod frame;
mod lines;
mod literal;
mod mail;
mod marks;
mod page;
mod rows;
mod run_on;
mod table;
mod wrap;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;

use crate::record::{Level, Reader, Record};

/// What names a node wherever it stands.
static NODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:m?i-[0-9a-f]{8,17}|ip(?:-\d{1,3}){4})\b")
        .expect("a regular expression that a test compiles")
});

/// The lines of `text` for the record reader; `None` where it reads them best as
/// they are. `begins` is what the catalogue knows of a message's beginning.
pub fn read<'t>(text: &'t str, begins: impl Fn(&str) -> Option<Beginning>) -> Option<Mended<'t>> {
    let lines = lines::read(text, &begins)?;
    let mut nodes = BTreeSet::new();
    for line in &lines {
        nodes.extend(
            NODE.find_iter(&line.text)
                .map(|node| (&node.as_str()[..2], node.as_str())),
        );
    }
    let several = |kind| {
        nodes
            .range((kind, "")..)
            .take_while(|(its, _)| *its == kind)
            .count()
            > 1
    };
    Some(Mended {
        broken: lines.iter().any(|line| line.joined)
            || !lines.iter().any(|line| marks::begins_log(&line.text)),
        names_several: ["i-", "ip", "mi"].into_iter().any(several),
        lines,
    })
}

/// What a catalogue says of a message that begins as one of its signatures does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// A level that the signature reads.
    pub level: Level,
    /// The length of the text it begins with, in bytes.
    pub length: usize,
    /// Whether the message holds all else that the signature asks for.
    pub whole: bool,
}

/// A paste as the lines of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Mended<'t> {
    /// For the record reader.
    pub lines: Vec<Line<'t>>,
    /// Lines were broken, and have been joined or have no head: what says whose one is
    /// may be lost.
    pub broken: bool,
    /// Several nodes are named, by ids or by the names that EC2 gives.
    pub names_several: bool,
}

/// One line of a paste for the record reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'t> {
    /// The line of the text it begins in, from 1.
    pub number: u64,
    /// Without what the paste put around it.
    pub text: Cow<'t, str>,
    /// What it is.
    pub kind: Kind,
    /// It ends at the edge of a screen, and more of it stood behind.
    pub cut: bool,
    /// It is joined of several lines of the text.
    joined: bool,
}

/// How the record reader takes a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By its own beginning, as a line of a log.
    Line,
    /// It begins a record that has lost its head: the level is the signature's.
    Headless {
        /// Of the record.
        level: Level,
        /// When it was logged, where the line says so.
        at: Option<Timestamp>,
    },
    /// Nobody's: the record before is over.
    Foreign {
        /// Another program's, for all that the text says.
        program: bool,
    },
}

impl<'t> Line<'t> {
    fn into_owned<'o>(self) -> Line<'o> {
        Line {
            text: Cow::Owned(self.text.into_owned()),
            number: self.number,
            kind: self.kind,
            cut: self.cut,
            joined: self.joined,
        }
    }

    /// Hands the line to `reader`, which saw `before` lines before the text; gives
    /// each record that ended with it.
    pub fn feed<'l>(
        &'l self,
        reader: &mut Reader<'l>,
        before: u64,
        at: Option<Timestamp>,
        received: Timestamp,
        each: impl FnMut(&Record<'l>),
    ) {
        reader.begin_line(before + self.number);
        match self.kind {
            Kind::Line => reader.text(&self.text, at, received, each),
            Kind::Headless { level, at: own } => {
                reader.headless(&self.text, level, own.or(at), received, each);
            }
            Kind::Foreign { program } => {
                reader.close(each);
                if program {
                    reader.foreign();
                }
            }
        }
        if self.cut {
            reader.end_at_edge();
        }
    }
}
