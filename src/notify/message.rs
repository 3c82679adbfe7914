//! A message within the limits of SNS ("Publish" in the API reference): a
//! subject of fewer than 100 printable ASCII characters in one line, and body
//! and attributes of at most 262,144 bytes together.

use std::collections::BTreeMap;

use crate::incident::store::{Happened, NotifyReason, State};
use crate::runbook::Doubt;

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
pub enum NotificationKind {
    Opened,
    /// By a write of this function.
    Repaired,
    /// Live state shows it right, and this function changed nothing.
    Resolved,
    RepairFailed,
    /// It hits many more nodes.
    Grew,
    /// Still open, told again after a while.
    Reminder,
    /// Every node works again by its own log. Readers know it as resolved.
    AllRecovered,
}

impl NotificationKind {
    /// From why the incident speaks, and what this invocation came to.
    pub fn of(why: NotifyReason, happened: impl Into<Happened>) -> Self {
        let happened = happened.into();
        match (why, happened.state) {
            (NotifyReason::Resolved, _) => Self::AllRecovered,
            (NotifyReason::Opened, State::Resolved) if happened.perhaps_ours => Self::Resolved,
            (NotifyReason::Opened | NotifyReason::StateChanged, State::RepairFailed) => {
                Self::RepairFailed
            }
            (NotifyReason::Opened | NotifyReason::StateChanged, State::Repaired) => Self::Repaired,
            (NotifyReason::StateChanged, State::Resolved) => Self::Resolved,
            (NotifyReason::Opened | NotifyReason::StateChanged, State::Open | State::Recurred)
            | (NotifyReason::Opened, State::Resolved) => Self::Opened,
            (NotifyReason::Grew, _) => Self::Grew,
            (NotifyReason::Reminder, _) => Self::Reminder,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Repaired => "repaired",
            Self::RepairFailed => "repair-failed",
            Self::Grew => "grew",
            Self::Reminder => "reminder",
            Self::Resolved | Self::AllRecovered => "resolved",
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

    /// `identity` is what makes two messages about `key` the same news.
    pub fn new(
        subject: &Subject,
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
            subject: subject.line(),
            body: within(body, MESSAGE_BYTES.saturating_sub(overhead)),
            attributes,
            group: digest(key),
            deduplication: digest(&format!("{key}\n{identity}")),
        }
    }
}

/// The parts of a subject line. Only the fault's words give way where it gets
/// too long: what the message is, how sure it is and how many nodes it
/// concerns stay whole.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `[SSM high] `.
    pub lead: &'a str,
    /// What is wrong, with [`Doubt::words`] at its end where it is in doubt.
    pub title: &'a str,
    /// ` (3 nodes)`.
    pub tail: &'a str,
}

impl Subject<'_> {
    /// The subject in printable ASCII: what is not becomes `?`.
    fn line(&self) -> String {
        let (lead, tail) = (ascii(self.lead), ascii(self.tail));
        let (fault, doubt) = Doubt::split(self.title);
        let fault = ascii(fault);
        let room =
            |doubt: &str| SUBJECT_LENGTH.saturating_sub(lead.len() + doubt.len() + tail.len());
        let words = doubt.map_or("", Doubt::words);
        let (fault, doubt) = if fault.len() <= room(words) {
            (fault, words)
        } else {
            let short = doubt.map_or("", Doubt::short);
            (shortened(fault, room(short)), short)
        };
        let mut subject = format!("{lead}{fault}{doubt}{tail}").trim().to_owned();
        subject.truncate(SUBJECT_LENGTH);
        subject
    }
}

fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            c if c.is_whitespace() => ' ',
            _ => '?',
        })
        .collect()
}

/// ASCII text in at most `room` characters: a long name in it gives way first,
/// then the end. Ids of AWS resources are shorter than a name that is long.
fn shortened(text: String, room: usize) -> String {
    const LONG: usize = 24;
    const KEPT: usize = 12;
    if text.len() <= room {
        return text;
    }
    let excess = text.len() - room + "...".len();
    let longest = text.split(' ').max_by_key(|word| word.len());
    match longest {
        Some(name) if name.len() > LONG && name.len() >= excess + KEPT => {
            text.replacen(name, &format!("{}...", &name[..name.len() - excess]), 1)
        }
        Some(_) | None => format!("{}...", text[..room.saturating_sub(3)].trim_end()),
    }
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

    fn subject(lead: &str, title: &str, tail: &str) -> String {
        Subject { lead, title, tail }.line()
    }

    const T: Subject = Subject {
        lead: "",
        title: "t",
        tail: "",
    };

    #[test]
    fn the_title_gives_way_to_what_stands_around_it() {
        assert_eq!(
            subject("[high] ", "a title", " (3 nodes)"),
            "[high] a title (3 nodes)"
        );
        let long = subject("[high] ", &"word ".repeat(40), " (3 nodes)");
        assert_eq!(long.len(), SUBJECT_LENGTH);
        assert!(long.ends_with("... (3 nodes)"), "{long}");
        let role = "MyVeryLongRoleNameOfTheProductionFleetInFrankfurt";
        assert_eq!(
            subject(
                "[SSM still open] ",
                &format!("The role {role} lacks ssm:UpdateInstanceInformation"),
                " (3 nodes)"
            ),
            "[SSM still open] The role MyVeryLongRoleNameOfTheP... lacks ssm:UpdateInstanceInformation (3 nodes)",
        );
        assert_eq!(subject("", "Größe\r\nX-Evil: 1", ""), "Gr??e  X-Evil: 1");
    }

    #[test]
    fn a_subject_keeps_its_doubt_and_shortens_what_is_in_doubt() {
        let long = "No stable channel to Systems Manager from i-0123456789abcdef0";
        let undecided = format!("{long}{}", Doubt::Undetermined.words());
        assert_eq!(
            subject("[SSM medium] ", &undecided, " (10 nodes)"),
            format!("[SSM medium] {long}: undetermined (10 nodes)"),
        );
        let title = "Default Host Management role does not work in 123456789012/eu-central-1";
        let not_seen = format!("{title}{}", Doubt::NotSeenLive.words());
        assert_eq!(
            subject("[SSM medium] ", &not_seen, " (1 node)"),
            "[SSM medium] Default Host Management role does not work in 123456789012/e...: not observed (1 node)",
        );
    }

    #[test]
    fn news_follow_from_why_and_state() {
        for (why, state, kind) in [
            (NotifyReason::Opened, State::Open, NotificationKind::Opened),
            (
                NotifyReason::Opened,
                State::Repaired,
                NotificationKind::Repaired,
            ),
            (
                NotifyReason::Opened,
                State::Resolved,
                NotificationKind::Opened,
            ),
            (
                NotifyReason::Opened,
                State::RepairFailed,
                NotificationKind::RepairFailed,
            ),
            (
                NotifyReason::StateChanged,
                State::Repaired,
                NotificationKind::Repaired,
            ),
            (
                NotifyReason::StateChanged,
                State::Resolved,
                NotificationKind::Resolved,
            ),
            (
                NotifyReason::StateChanged,
                State::Recurred,
                NotificationKind::Opened,
            ),
            (NotifyReason::Grew, State::Open, NotificationKind::Grew),
            (
                NotifyReason::Reminder,
                State::RepairFailed,
                NotificationKind::Reminder,
            ),
            (
                NotifyReason::Resolved,
                State::Repaired,
                NotificationKind::AllRecovered,
            ),
        ] {
            assert_eq!(NotificationKind::of(why, state), kind, "{why:?} {state:?}");
        }
    }

    #[test]
    fn a_long_body_is_cut_with_a_note() {
        let attributes = BTreeMap::from([("state".to_owned(), "opened".to_owned())]);
        let message = Message::new(&T, "é".repeat(200_000), attributes, "k", "i");
        assert!(message.body.len() + "stateopenedString".len() <= MESSAGE_BYTES);
        assert!(message.body.ends_with(" more bytes cut]\n"));
        assert!(message.body.starts_with("éé"));
    }

    #[test]
    fn a_printed_message_is_one_line() {
        let attributes = BTreeMap::from([("state".to_owned(), "opened".to_owned())]);
        let message = Message::new(&T, "a\n\n  b\n".to_owned(), attributes, "k", "i");
        assert_eq!(
            message.log_line(),
            r#"{"attributes":{"state":"opened"},"body":["a","","  b"],"subject":"t","type":"message"}"#
        );
    }

    #[test]
    fn ids_of_a_fifo_topic_follow_the_news() {
        let of = |key, identity| Message::new(&T, String::new(), BTreeMap::new(), key, identity);
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

        #[test]
        fn however_long_the_name_what_the_message_says_of_it_stays(
            lead in prop::sample::select(vec![
                "[SSM critical] ", "[SSM high] ", "[SSM repair failed] ", "[SSM still open] ",
            ]),
            fault in "[A-Za-z][ -~é]{0,160}[a-z]",
            doubt in prop::sample::select(vec![Doubt::Undetermined, Doubt::NotSeenLive]),
            nodes in 1_usize..100_000,
        ) {
            let tail = format!(" ({nodes} nodes)");
            let subject = subject(lead, &format!("{fault}{}", doubt.words()), &tail);
            prop_assert!(subject.len() <= SUBJECT_LENGTH);
            prop_assert!(subject.starts_with(lead), "{subject}");
            let whole = subject.ends_with(&format!("{}{tail}", doubt.words()));
            let short = subject.ends_with(&format!("{}{tail}", doubt.short()));
            prop_assert!(whole || short, "{subject}");
        }
    }
}
