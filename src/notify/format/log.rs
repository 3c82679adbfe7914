//! One JSON object on one line, for the function's own log, where a message
//! goes for want of a topic: Lambda makes an event of each line. That log holds
//! three short lines of an agent's at most.

use super::mail;
use crate::notify::content::Content;
use crate::notify::message::{BODY_BYTES, attributes, subject, within};
use crate::notify::page::Style;

/// A paragraph is a line: the console wraps it.
const STYLE: Style = Style {
    colour: false,
    width: usize::MAX,
};

/// The line, without its end. The body stands as a list of lines, which the
/// console shows one below the other.
pub(super) fn render(content: &Content, _: Style) -> String {
    let body = within(mail::body(content, STYLE, (3, 240)), BODY_BYTES);
    serde_json::json!({
        "type": "message",
        "subject": subject(content),
        "attributes": attributes(content),
        "body": body.lines().collect::<Vec<_>>(),
    })
    .to_string()
}
