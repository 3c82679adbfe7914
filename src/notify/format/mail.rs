//! The mail that SNS sends: what wakes someone at three in the morning. Mail
//! readers use proportional fonts and join lines, so nothing is in columns.

use super::{FOUR_LINES, Quoted, sections};
use crate::notify::content::Content;
use crate::notify::kind::NotificationKind;
use crate::notify::page::{Page, Style};

/// The body of the mail.
pub(super) fn render(content: &Content, style: Style) -> String {
    body(content, style, FOUR_LINES)
}

/// The body in such lines, with so much of the agent's log.
pub(super) fn body(content: &Content, style: Style, quoted: Quoted) -> String {
    let mut page = Page::new("", style);
    page.prose(&format!("{} {}", content.summary, content.detail));
    page.line("");
    if content.kind != NotificationKind::Resolved {
        page.prose(&format!(
            "Severity: {}, {}.",
            content.severity, content.confidence
        ));
    }
    let place = match (&content.account, &content.region) {
        (Some(account), Some(region)) => format!("Account {account}, {region}."),
        (Some(account), None) => format!("Account {account}."),
        (None, Some(region)) => format!("Region {region}."),
        (None, None) => String::new(),
    };
    page.prose(&format!("Since: {} {place}", content.since));
    page.prose(&format!("Changed: {}", content.changed));
    sections(&mut page, content, quoted);
    page.line("");
    if content.node_count > 1 {
        page.prose(&format!("Nodes: {}.", content.nodes));
    }
    page.line(&format!("Incident {}", content.key));
    page.text
}
