//! Why an invocation fails, under names that alarms can count.

use std::collections::BTreeMap;

use lambda_runtime::Diagnostic;

use crate::decode::DecodeError;
use crate::receive::ReceiveError;
use crate::sort;
use crate::state::StateError;

/// Bytes that an error may take up as JSON: the record of a failure destination
/// must also hold the event and stay below what a queue takes.
const ROOM: usize = 64 * 1024;

/// Of these, what the names may take up before the messages themselves, …
const ROOM_FOR_NAMES: usize = ROOM / 4;

/// … the reasons, …
const ROOM_FOR_REASONS: usize = ROOM / 16;

/// … and each message, so that one long one leaves room for others.
const ROOM_FOR_ONE: usize = ROOM / 8;

/// Bytes that the function's own log may hold of it.
const ROOM_IN_LOG: usize = 4 * 1024;

/// Why an invocation failed. Lambda delivers the event again and in the end
/// hands it, with this error, to the failure destination.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HandlerError {
    /// The event is none that this function takes.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A payload cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What outlives an invocation cannot be read or written.
    #[error("{}{}", .0, advice(.0))]
    State(#[from] StateError),
    /// The nodes that a sweep looks at could not be listed: why, as a clause.
    #[error("the nodes of the sweep could not be listed: {0}")]
    Sweep(String),
    /// The time of the invocation ran out while something was waited for.
    #[error(
        "the time of the invocation ran out; the event is delivered again, and what was done is not done twice; if this lasts, see whether the services that the function calls are slow, and give it more time (parameter Timeout)"
    )]
    OutOfTime,
    /// Never empty.
    #[error("{}", undelivered(.0))]
    UndeliveredNotification(Vec<UndeliveredNotification>),
}

/// A message that could not be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct UndeliveredNotification {
    /// Why, in one sentence without its full stop.
    pub why: String,
    /// The subject of the message.
    pub subject: String,
    /// Empty when there was no time left even to write it.
    pub text: String,
}

impl HandlerError {
    /// A stable name, for `errorType` and for alarms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Receive(error) => error.name(),
            Self::Decode(error) => error.name(),
            Self::State(error) => error.name(),
            Self::Sweep(_) => "SweepNotListed",
            Self::OutOfTime => "OutOfTime",
            Self::UndeliveredNotification(_) => "MessageNotSent",
        }
    }

    /// What the function's own log may hold: no line of an agent's log, not
    /// even in a message.
    pub fn summary(&self) -> String {
        match self {
            Self::Receive(error) => error.to_string(),
            Self::Decode(error) => error.to_string(),
            Self::State(_) | Self::Sweep(_) | Self::OutOfTime => self.to_string(),
            Self::UndeliveredNotification(messages) => {
                let mut text = Bounded::new(ROOM_IN_LOG);
                text.push(&count(messages.len()));
                text.push(": ");
                text.within(ROOM_IN_LOG / 2, |text| text.list("; ", &reasons(messages)));
                text.push("; ");
                text.list("; ", &subjects(messages));
                text.text
            }
        }
    }
}

impl From<HandlerError> for Diagnostic {
    fn from(error: HandlerError) -> Self {
        Self {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// What the operator should look at, where the error does not say it.
fn advice(error: &StateError) -> &'static str {
    match error {
        StateError::Unavailable(_) => {
            "; the event is delivered again; if this lasts, see the metrics ThrottledRequests and \
             SystemErrors of the state table, and the function's way to DynamoDB"
        }
        StateError::Unusable(_) => {
            "; see that the table is there, and that the function's role may use it as \
             template.yaml has it"
        }
        StateError::Newer { .. } | StateError::Damaged(_) | StateError::TooLarge(_) => "",
    }
}

/// How many there are and why, the name of each, then the messages themselves:
/// as many and as much of them as there is room for.
fn undelivered(messages: &[UndeliveredNotification]) -> String {
    let mut text = Bounded::new(ROOM);
    text.push(&count(messages.len()));
    text.push("\n\n");
    text.within(ROOM_FOR_NAMES, |text| text.list("\n", &subjects(messages)));
    text.push("\n\n");
    text.within(ROOM_FOR_REASONS, |text| text.list("\n", &reasons(messages)));
    for message in messages.iter().filter(|message| !message.text.is_empty()) {
        text.within(ROOM_FOR_ONE, |text| {
            text.push(&format!("\n\n{}\n\n{}", message.subject, message.text));
        });
    }
    text.text
}

fn count(messages: usize) -> String {
    match messages {
        1 => "a message of this batch could not be sent".to_owned(),
        count => format!("{count} messages of this batch could not be sent"),
    }
}

fn subjects(messages: &[UndeliveredNotification]) -> Vec<String> {
    messages.iter().map(|m| m.subject.clone()).collect()
}

/// Each reason once, the commonest first.
fn reasons(messages: &[UndeliveredNotification]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for message in messages {
        *counts.entry(&message.why).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    sort::by_key(&mut counts, |(why, count)| {
        (std::cmp::Reverse(*count), *why)
    });
    let each = counts.into_iter().map(|(why, count)| match count {
        1 => why.to_owned(),
        count => format!("{why} ({count} messages)"),
    });
    each.collect()
}

/// A text that stays within so many bytes as a JSON string, characters whole.
struct Bounded {
    text: String,
    /// What the text so far takes up.
    taken: usize,
    room: usize,
}

impl Bounded {
    fn new(room: usize) -> Self {
        Self {
            text: String::new(),
            // The quotation marks.
            taken: 2,
            room,
        }
    }

    /// Appends `more` as far as there is room; what is cut says so.
    fn push(&mut self, more: &str) {
        const CUT: &str = " [cut]";
        let bytes: usize = more.chars().map(json_bytes).sum();
        if self.taken + bytes <= self.room {
            self.text.push_str(more);
            self.taken += bytes;
            return;
        }
        for c in more.chars() {
            if self.taken + json_bytes(c) + CUT.len() > self.room {
                break;
            }
            self.taken += json_bytes(c);
            self.text.push(c);
        }
        if self.taken + CUT.len() <= self.room {
            self.text.push_str(CUT);
        }
        self.taken = self.room;
    }

    /// Appends whole items while there is room, and counts the others.
    fn list(&mut self, between: &str, items: &[String]) {
        const COUNTED: usize = 40;
        for (index, item) in items.iter().enumerate() {
            let between = if index == 0 { "" } else { between };
            let bytes: usize = (between.chars().chain(item.chars())).map(json_bytes).sum();
            if self.taken + bytes + COUNTED > self.room {
                self.push(&format!("{between}and {} more", items.len() - index));
                return;
            }
            self.push(between);
            self.push(item);
        }
    }

    /// Lets `append` use no more than `room` of what is left.
    fn within(&mut self, room: usize, append: impl FnOnce(&mut Self)) {
        let all = self.room;
        let before = self.taken;
        self.room = all.min(before + room);
        append(self);
        // What was cut has used up its own room and no more.
        self.room = all;
    }
}

/// What serde_json writes for a character.
fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c.is_ascii_control() => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: String) -> UndeliveredNotification {
        UndeliveredNotification {
            why: "The topic is gone".to_owned(),
            subject: "[SSM high] Something (1 node)".to_owned(),
            text,
        }
    }

    fn as_json(error: &HandlerError) -> usize {
        serde_json::to_string(&error.to_string())
            .expect("a string is JSON")
            .len()
    }

    #[test]
    fn the_error_carries_the_message() {
        let error =
            HandlerError::UndeliveredNotification(vec![message("The whole text.".to_owned())]);
        insta::assert_snapshot!(error, @r"
        a message of this batch could not be sent

        [SSM high] Something (1 node)

        The topic is gone

        [SSM high] Something (1 node)

        The whole text.
        ");
        insta::assert_snapshot!(
            error.summary(),
            @"a message of this batch could not be sent: The topic is gone; [SSM high] Something (1 node)"
        );
    }

    #[test]
    fn many_messages_are_named_counted_and_given_as_far_as_there_is_room() {
        let mut messages: Vec<UndeliveredNotification> = (0..1_500)
            .map(|n| UndeliveredNotification {
                subject: format!("[SSM high] The role role-{n} lacks a permission (1 node)"),
                ..message("Line\n\"é\" ".repeat(300))
            })
            .collect();
        messages[7].why = "No time was left".to_owned();
        let error = HandlerError::UndeliveredNotification(messages);
        let text = error.to_string();
        assert!(as_json(&error) <= ROOM, "{}", as_json(&error));
        assert!(as_json(&error) > ROOM / 2, "{}", as_json(&error));
        assert!(text.starts_with("1500 messages of this batch could not be sent\n\n[SSM high]"));
        assert!(text.contains("\nand 1"), "the names left out are counted");
        assert!(text.contains("The topic is gone (1499 messages)\nNo time was left"));
        assert!(
            text.matches("\n\n[SSM high]").count() > 4,
            "several in full"
        );
        assert!(error.summary().len() <= ROOM_IN_LOG);
    }

    #[test]
    fn one_long_message_leaves_room_for_the_next() {
        let long = message("x".repeat(ROOM));
        let error = HandlerError::UndeliveredNotification(vec![long, message("short".to_owned())]);
        let text = error.to_string();
        assert!(text.contains("x [cut]\n\n[SSM high]"));
        assert!(text.ends_with("short"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_error_stays_within_its_room(
            texts in prop::collection::vec(("[ -~]{0,40}", any::<char>(), 0..40_000usize), 1..40),
        ) {
            let messages = texts.into_iter().map(|(subject, c, times)| UndeliveredNotification {
                why: subject.clone(),
                subject,
                text: String::from_iter(std::iter::repeat_n(c, times)),
            });
            let error = HandlerError::UndeliveredNotification(messages.collect());
            prop_assert!(as_json(&error) <= ROOM);
            prop_assert!(error.summary().len() <= ROOM_IN_LOG);
        }
    }
}
