//! The event, for a program that reads the topic.

use crate::notify::content::Content;
use crate::notify::message::BODY_BYTES;
use crate::notify::page::Style;

/// One JSON object on one line.
pub(super) fn render(content: &Content, _: Style) -> String {
    content.event.within(BODY_BYTES)
}
