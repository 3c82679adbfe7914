//! A message within the limits of SNS ("Publish" in the API reference): a
//! subject of fewer than 100 printable ASCII characters in one line, and body
//! and attributes of at most 262,144 bytes together.

use std::collections::BTreeMap;

use super::content::Content;
use super::format::Format;
use super::kind::NotificationKind;
use super::page::Style;
use crate::text::digest;

/// The longest subject, in characters.
pub(crate) const SUBJECT_LENGTH: usize = 99;

/// Body, attribute names, types and values together, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 262_144;

/// What the attributes leave of it for a body: theirs are names of closed lists, an
/// account and a Region.
pub(crate) const BODY_BYTES: usize = MESSAGE_BYTES - 1_024;

/// One message, ready to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub subject: String,
    pub body: String,
    /// The body is an object with a body for each protocol.
    pub per_protocol: bool,
    /// For subscription filters: `severity`, `cause`, `account`, `region` and
    /// `state`. What is unknown is left out.
    pub attributes: BTreeMap<String, String>,
    /// The message group of a FIFO topic: one per incident.
    pub group: String,
    /// The deduplication id of a FIFO topic: the same news has the same.
    pub deduplication: String,
}

impl Message {
    /// The message that says `content` in the words of `format`.
    pub(crate) fn new(content: &Content, format: Format) -> Self {
        Self {
            subject: subject(content),
            body: within(format.render(content, Style::PLAIN), BODY_BYTES),
            per_protocol: format == Format::PerProtocol,
            attributes: attributes(content),
            group: id(&content.key),
            deduplication: id(&format!("{}\n{}", content.key, content.identity)),
        }
    }
}

/// For subscription filters; what is unknown is left out.
pub(crate) fn attributes(content: &Content) -> BTreeMap<String, String> {
    known(&[
        ("severity", Some(content.severity.as_str())),
        ("cause", Some(content.cause.as_str())),
        ("account", content.account.as_deref()),
        ("region", content.region.as_deref()),
        ("state", Some(content.kind.as_str())),
    ])
}

/// The attributes that have a value.
pub(super) fn known(attributes: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
    let known = attributes.iter();
    known
        .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())))
        .collect()
}

/// `[SSM STATE] TITLE` in printable ASCII: what is not becomes `?`. Only the
/// title gives way where it gets too long: what the message is, how sure it is
/// and how many nodes it concerns stay whole.
pub(crate) fn subject(content: &Content) -> String {
    let state = match content.kind {
        NotificationKind::Opened => content.severity.as_str(),
        kind => kind.as_str(),
    };
    let count = match content.node_count {
        1 => String::new(),
        count => format!(" ({count} nodes)"),
    };
    let lead = format!("[SSM {state}] ");
    let tail = ascii(&format!("{}{count}", content.doubt));
    let room = SUBJECT_LENGTH.saturating_sub(lead.len() + tail.len());
    let title = shortened(ascii(&content.title), room);
    format!("{lead}{title}{tail}").trim().to_owned()
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
pub(super) fn within(mut body: String, most: usize) -> String {
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

/// 32 hex digits that stay the same over versions and machines.
pub(super) fn id(text: &str) -> String {
    format!("{:032x}", digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut_with_a_note() {
        let body = within("é".repeat(200_000), MESSAGE_BYTES);
        assert!(body.len() <= MESSAGE_BYTES);
        assert!(body.ends_with(" more bytes cut]\n"));
        assert!(body.starts_with("éé"));
    }

    #[test]
    fn ids_of_a_fifo_topic_stay_the_same_for_the_same_text() {
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
        assert_eq!(id("a").len(), 32);
    }
}
