//! What the OpsItem of an incident says, within the limits of OpsCenter ("CreateOpsItem"
//! in the API reference).

use super::content::Content;
use super::format::Format;
use super::kind::NotificationKind;
use super::page::Style;
use crate::cause::Severity;
use crate::text::sanitize::cut;

/// Characters of a title, of which a cut text's note takes some.
const TITLE: usize = 1_024 - 40;

/// Characters of a description.
const DESCRIPTION: usize = 2_048 - 40;

/// By what OpsItems are sorted.
pub(crate) const CATEGORY: &str = "Availability";

/// What an OpsItem is about.
pub(crate) fn title(content: &Content) -> String {
    cut(&content.title, TITLE).into_owned()
}

/// The mail up to what happens next; whole where that is short enough.
pub(crate) fn description(content: &Content) -> String {
    let mail = Format::Mail.render(content, Style::PLAIN);
    let most = |text: &str| cut(text, DESCRIPTION).into_owned();
    match mail.split_once("\nEVIDENCE\n") {
        Some((steps, _)) if mail.chars().count() > DESCRIPTION => most(steps),
        _ => most(&mail),
    }
}

/// 1, the most severe, to 4.
pub(crate) fn severity(content: &Content) -> &'static str {
    match content.severity {
        Severity::Critical => "1",
        Severity::High => "2",
        Severity::Medium => "3",
        Severity::Low | Severity::Info => "4",
    }
}

/// Whether the OpsItem is to be open: `None` leaves it as it is.
pub(crate) fn is_open(content: &Content) -> Option<bool> {
    match content.kind {
        NotificationKind::Opened | NotificationKind::Recurred => Some(true),
        NotificationKind::Resolved => Some(false),
        NotificationKind::Repaired
        | NotificationKind::RepairFailed
        | NotificationKind::Grew
        | NotificationKind::Reminder => None,
    }
}
