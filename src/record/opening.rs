//! What a line by itself opens, and the first time in a text: wrappers off, before any of it is read.

use jiff::Timestamp;

use super::Origin;
use super::head::{head, read_stamp};
use super::join::is_metadata_answer;
use super::text::{lines, without_last};
use super::unwrap::{self, Context, Known, MAX_DEPTH, Producer, names_agent};

/// What a line opens a record with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The agent's own head, or a wrapper that names the agent.
    Log,
    /// A level.
    Level,
    /// The agent's standard output, or the metadata service's answer.
    Raw,
}

/// What `line` opens a record with, if it does in a log that holds no timestamps.
pub fn opening(line: &str) -> Option<Opening> {
    opening_within(line, 0)
}

fn opening_within(line: &str, depth: usize) -> Option<Opening> {
    match head(line).map(|head| head.origin) {
        Some(Origin::File) => return Some(Opening::Log),
        Some(Origin::LevelFirst) => return Some(Opening::Level),
        Some(_) => return Some(Opening::Raw),
        None => {}
    }
    let known = Known::default();
    let context = Context {
        known: &known,
        depth,
    };
    match unwrap::open(line, &context) {
        Some(opened) => match opened.envelope.producer {
            Producer::Agent => opening_within(&opened.text, depth + 1).map(|_| Opening::Log),
            Producer::Systemd | Producer::Kernel => {
                names_agent(&opened.text).then_some(Opening::Log)
            }
            Producer::Unnamed | Producer::Source(_) | Producer::Other(_) => {
                opening_within(&opened.text, depth + 1).filter(|opening| *opening == Opening::Log)
            }
        },
        None => is_metadata_answer(line).then_some(Opening::Raw),
    }
}

/// The agent's own time in the first line that has one, wrappers and all.
pub fn first_time(text: &str) -> Option<Timestamp> {
    first_time_within(text, 0)
}

fn first_time_within(text: &str, depth: usize) -> Option<Timestamp> {
    let known = Known::default();
    let context = Context {
        known: &known,
        depth,
    };
    let within = |text: &str| {
        let opened = unwrap::open(text, &context)?;
        first_time_within(&opened.text, depth + 1)
    };
    if depth < MAX_DEPTH
        && text.starts_with(['{', '['])
        && let Some(time) = within(text)
    {
        return Some(time);
    }
    lines(text).find_map(|line| {
        let head = head(line).filter(|head| head.origin == Origin::File);
        match head.and_then(|head| head.stamp) {
            Some(stamp) => read_stamp(stamp),
            None => within(without_last(line, b'\r')),
        }
    })
}
