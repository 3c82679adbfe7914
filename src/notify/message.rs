//! A message within the limits of SNS ("Publish" in the API reference): a
//! subject of fewer than 100 printable ASCII characters in one line, and body
//! and attributes of at most 262,144 bytes together.

use std::collections::BTreeMap;

use crate::incident::store::{State, Why};
use crate::report::OutcomeStatus;

/// The longest subject, in characters.
pub const SUBJECT_LENGTH: usize = 99;

/// Body, attribute names, types and values together, in bytes.
pub const MESSAGE_BYTES: usize = 262_144;

/// One message, ready to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub body: String,
    /// For subscription filters: `severity`, `cause`, `account`, `region` and
    /// `state`. What is unknown is left out.
    pub attributes: BTreeMap<String, String>,
    /// The message group of a FIFO topic: one per incident.
    pub group: String,
    /// The deduplication id of a FIFO topic: the same news has the same.
    pub deduplication: String,
}

/// What a message says of its incident: the attribute `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum News {
    Opened,
    Repaired,
    RepairFailed,
    /// It hits many more nodes.
    Grew,
    /// Still open, told again after a while.
    Reminder,
    Over,
}

impl News {
    /// From why the incident speaks, its state, and what came of the repair.
    pub fn of(why: Why, state: State, outcome: OutcomeStatus) -> Self {
        match (why, state, outcome) {
            (Why::Over, _, _) => Self::Over,
            (Why::Opened | Why::StateChanged, State::RepairFailed, _) => Self::RepairFailed,
            (Why::Opened | Why::StateChanged, State::Right, OutcomeStatus::Repaired)
            | (Why::StateChanged, State::Right, _) => Self::Repaired,
            (Why::Opened | Why::StateChanged, State::Open | State::BrokenAgain, _)
            | (Why::Opened, State::Right, _) => Self::Opened,
            (Why::Grew, _, _) => Self::Grew,
            (Why::Reminder, _, _) => Self::Reminder,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Repaired => "repaired",
            Self::RepairFailed => "repair-failed",
            Self::Grew => "grew",
            Self::Reminder => "reminder",
            Self::Over => "over",
        }
    }
}

impl Message {
    /// The message as one JSON object on one line, for the function's own log:
    /// Lambda makes an event of each line. The body stands as a list of lines,
    /// which the console shows one below the other.
    pub fn log_line(&self) -> String {
        serde_json::json!({
            "type": "message",
            "subject": self.subject,
            "attributes": self.attributes,
            "body": self.body.lines().collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// `lead` and `tail` stay whole in the subject; `title` between them gives
    /// way. `identity` is what makes two messages about `key` the same news.
    pub fn new(
        (lead, title, tail): (&str, &str, &str),
        body: String,
        attributes: BTreeMap<String, String>,
        key: &str,
        identity: &str,
    ) -> Self {
        let overhead: usize = attributes
            .iter()
            .map(|(name, value)| name.len() + value.len() + "String".len())
            .sum();
        Self {
            subject: subject(lead, title, tail),
            body: within(body, MESSAGE_BYTES.saturating_sub(overhead)),
            attributes,
            group: digest(key),
            deduplication: digest(&format!("{key}\n{identity}")),
        }
    }
}

/// The subject, in printable ASCII: what is not becomes `?`.
fn subject(lead: &str, title: &str, tail: &str) -> String {
    let ascii = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                ' '..='~' => c,
                c if c.is_whitespace() => ' ',
                _ => '?',
            })
            .collect()
    };
    let (lead, title, tail) = (ascii(lead), ascii(title), ascii(tail));
    let room = SUBJECT_LENGTH.saturating_sub(lead.len() + tail.len());
    let title = if title.len() <= room {
        title
    } else {
        format!("{}...", title[..room.saturating_sub(3)].trim_end())
    };
    let mut subject = format!("{lead}{title}{tail}").trim().to_owned();
    subject.truncate(SUBJECT_LENGTH);
    subject
}

/// `body` in at most `most` bytes, characters whole, with a note of what is
/// cut.
fn within(mut body: String, most: usize) -> String {
    const NOTE_BYTES: usize = 64;
    if body.len() <= most {
        return body;
    }
    let all = body.len();
    body.truncate(body.floor_char_boundary(most.saturating_sub(NOTE_BYTES)));
    let left = all - body.len();
    body.push_str(&format!("\n[{left} more bytes cut]\n"));
    body
}

/// 32 hex digits that stay the same over versions and machines: 64-bit FNV-1a,
/// forwards and backwards. No secret and no authority rests on it.
fn digest(text: &str) -> String {
    fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
    format!("{:016x}{:016x}", fnv(text.bytes()), fnv(text.bytes().rev()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_title_gives_way_to_what_stands_around_it() {
        assert_eq!(
            subject("[high] ", "a title", " (3 nodes)"),
            "[high] a title (3 nodes)"
        );
        let long = subject("[high] ", &"word ".repeat(40), " (3 nodes)");
        assert_eq!(long.len(), SUBJECT_LENGTH);
        assert!(long.ends_with("... (3 nodes)"), "{long}");
        assert_eq!(subject("", "Größe\r\nX-Evil: 1", ""), "Gr??e  X-Evil: 1");
    }

    #[test]
    fn news_follow_from_why_and_state() {
        use OutcomeStatus as O;
        for (why, state, outcome, news) in [
            (Why::Opened, State::Open, O::None, News::Opened),
            (Why::Opened, State::Right, O::Repaired, News::Repaired),
            (Why::Opened, State::Right, O::AlreadyRight, News::Opened),
            (
                Why::Opened,
                State::RepairFailed,
                O::Failed,
                News::RepairFailed,
            ),
            (
                Why::StateChanged,
                State::Right,
                O::AlreadyRight,
                News::Repaired,
            ),
            (
                Why::StateChanged,
                State::BrokenAgain,
                O::Refused,
                News::Opened,
            ),
            (Why::Grew, State::Open, O::None, News::Grew),
            (
                Why::Reminder,
                State::RepairFailed,
                O::Refused,
                News::Reminder,
            ),
            (Why::Over, State::Right, O::None, News::Over),
        ] {
            assert_eq!(News::of(why, state, outcome), news, "{why:?} {state:?}");
        }
    }

    #[test]
    fn a_long_body_is_cut_with_a_note() {
        let attributes = BTreeMap::from([("state".to_owned(), "opened".to_owned())]);
        let message = Message::new(("", "t", ""), "é".repeat(200_000), attributes, "k", "i");
        assert!(message.body.len() + "stateopenedString".len() <= MESSAGE_BYTES);
        assert!(message.body.ends_with(" more bytes cut]\n"));
        assert!(message.body.starts_with("éé"));
    }

    #[test]
    fn a_printed_message_is_one_line() {
        let attributes = BTreeMap::from([("state".to_owned(), "opened".to_owned())]);
        let message = Message::new(("", "t", ""), "a\n\n  b\n".to_owned(), attributes, "k", "i");
        assert_eq!(
            message.log_line(),
            r#"{"attributes":{"state":"opened"},"body":["a","","  b"],"subject":"t","type":"message"}"#
        );
    }

    #[test]
    fn ids_of_a_fifo_topic_follow_the_news() {
        let of = |key, identity| {
            Message::new(("", "t", ""), String::new(), BTreeMap::new(), key, identity)
        };
        assert_eq!(of("k", "a").group, of("k", "b").group);
        assert_ne!(of("k", "a").group, of("l", "a").group);
        assert_eq!(of("k", "a").deduplication, of("k", "a").deduplication);
        assert_ne!(of("k", "a").deduplication, of("k", "b").deduplication);
        assert_eq!(of("k", "a").deduplication.len(), 32);
    }

    proptest! {
        #[test]
        fn every_subject_is_one_that_sns_takes(
            lead in any::<String>(), title in any::<String>(), tail in any::<String>(),
        ) {
            let subject = subject(&lead, &title, &tail);
            prop_assert!(subject.len() < 100);
            prop_assert!(subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
