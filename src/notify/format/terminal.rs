//! One incident for whoever has its log in hand. Nothing is changed there, and
//! times are the log's own.

use super::{FOUR_LINES, sections};
use crate::cause::Severity;
use crate::notify::content::Content;
use crate::notify::page::{Ink, Page, Style, wrap};

/// Before every line, where the number of an incident finds room.
pub(crate) const INDENT: &str = "   ";

/// The incident: its severity and title, then what a message says of it.
pub(super) fn render(content: &Content, style: Style) -> String {
    let ink = match content.severity {
        Severity::Critical | Severity::High => Ink::RED,
        Severity::Medium => Ink::YELLOW,
        Severity::Low | Severity::Info => Ink::PLAIN,
    };
    let mut page = Page::new(INDENT, style);
    let severity = content.severity.as_str().to_uppercase();
    let title = format!("{}{}", content.title, content.doubt);
    let head = format!("{INDENT}{severity}  ");
    let title = wrap(&title, &head, INDENT, style.width);
    page.line(&format!(
        "{INDENT}{}  {}",
        page.paint(ink, &severity),
        page.paint(Ink::BOLD, title.strip_prefix(&head).unwrap_or(&title))
    ));
    page.prose(&format!(
        "Confidence: {} [{}].",
        content.confidence, content.cause
    ));
    page.prose(&format!("On {}.", content.nodes));
    page.prose(&content.detail);
    sections(&mut page, content, FOUR_LINES);
    page.text
}
