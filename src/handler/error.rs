//! Why an invocation fails, under names that alarms can count.

use lambda_runtime::Diagnostic;

use crate::decode::DecodeError;
use crate::receive::ReceiveError;

/// Bytes that untold messages may take up in an error: the record of a failure
/// destination must also hold the event and stay below what a queue takes.
const ROOM: usize = 64 * 1024;

/// Why an invocation failed. Lambda delivers the event again and in the end
/// hands it, with this error, to the failure destination.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HandlerError {
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Never empty.
    #[error("{}", untold(.0))]
    Untold(Vec<Untold>),
}

/// A message that could not be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Untold {
    /// Why, in one sentence without its full stop.
    pub why: String,
    pub subject: String,
    pub text: String,
}

impl HandlerError {
    /// A stable name, for `errorType` and for alarms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Receive(error) => error.name(),
            Self::Decode(error) => error.name(),
            Self::Untold(_) => "MessageNotSent",
        }
    }

    /// What the function's own log may hold: no line of an agent's log, not
    /// even in a message.
    pub fn summary(&self) -> String {
        match self {
            Self::Receive(error) => error.to_string(),
            Self::Decode(error) => error.to_string(),
            Self::Untold(messages) => {
                let each = messages
                    .iter()
                    .map(|m| format!("{} ({})", m.why, m.subject));
                each.collect::<Vec<_>>().join("; ")
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

/// The messages themselves, as far as a record of the failure destination has
/// room for them; what is left out is named by its subject.
fn untold(messages: &[Untold]) -> String {
    let mut text = match messages.len() {
        1 => "a message of this batch could not be sent".to_owned(),
        count => format!("{count} messages of this batch could not be sent"),
    };
    for message in messages {
        let whole = format!(
            "\n\n{}\n{}\n\n{}",
            message.why, message.subject, message.text
        );
        if text.len() + whole.len() <= ROOM {
            text.push_str(&whole);
        } else {
            text.push_str("\n\nToo long to be given here: ");
            text.push_str(&message.subject);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: String) -> Untold {
        Untold {
            why: "The topic is gone".to_owned(),
            subject: "[SSM high] Something (1 node)".to_owned(),
            text,
        }
    }

    #[test]
    fn the_error_carries_the_message() {
        let error = HandlerError::Untold(vec![message("The whole text.".to_owned())]);
        insta::assert_snapshot!(error, @r"
        a message of this batch could not be sent

        The topic is gone
        [SSM high] Something (1 node)

        The whole text.
        ");
        assert_eq!(
            error.summary(),
            "The topic is gone ([SSM high] Something (1 node))"
        );
    }

    #[test]
    fn messages_beyond_the_room_are_named() {
        let long = message("x".repeat(ROOM));
        let error = HandlerError::Untold(vec![long, message("short".to_owned())]);
        let text = error.to_string();
        assert!(text.len() < ROOM);
        assert!(text.contains("Too long to be given here: [SSM high]"));
        assert!(text.ends_with("short"));
    }
}
