//! One write in every detail, and what live state says of it before and after.

use serde_json::Value;

/// One write, with the state that it starts from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The name of the repair.
    pub action: &'static str,
    /// The id of the resource, as the incident's scope has it.
    pub target: String,
    /// What is other afterwards: `HttpEndpoint disabled -> enabled`.
    pub what: String,
    /// What else its reader must know, in whole sentences.
    pub note: String,
    /// What would be written, where the service has no dry run to be asked.
    pub preview: Option<String>,
    /// The state before, as AWS names it.
    pub before: Value,
    /// Everything that the write sends, as AWS names it.
    pub request: Value,
    /// The command that does it by hand.
    pub command: String,
    /// The commands that take it back, one a line.
    pub undo: String,
}

/// What live state says of the resource, the locks aside.
#[derive(Debug)]
pub(crate) enum Judged {
    Repairable {
        change: Change,
        /// The value of the opt-in tag on the resource, or why it could not be read.
        tag: Result<Option<String>, String>,
    },
    Right(Origin),
    Unread,
    /// Something about the resource forbids the repair whatever the locks say.
    Refused {
        reason: String,
        would_do: Option<Change>,
    },
}

/// By whom a resource is right that no remembered attempt has put right.
#[derive(Debug)]
pub(crate) enum Origin {
    /// By this function, as the resource itself shows.
    Ours {
        detail: String,
        undo: Option<String>,
    },
    /// The resource does not show it: by this function if every lock is open.
    Unknown {
        undo: String,
        tag: Option<String>,
    },
    Others,
}

/// What a read after the write shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    InEffect,
    /// Accepted and still being applied.
    Pending,
    /// As it was before.
    Unchanged,
    /// Neither as it was nor as it was written.
    Overwritten,
    Unreadable(String),
}

/// The text of a member of [`Change::before`] or [`Change::request`].
pub(crate) fn member<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

/// Text of others, at a length for a sentence.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
