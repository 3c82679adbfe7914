//! What a message is about in the life of its incident.

use crate::cause::closed_names;
use crate::incident::store::{Happened, NotifyReason, State};

closed_names! {
    /// What a message says of its incident: the attribute `state`.
    pub(crate) NotificationKind {
        Opened = "opened",
        /// By a write of this function.
        Repaired = "repaired",
        /// Live state shows it right, and this function changed nothing; or every
        /// node works again by its own log.
        Resolved = "resolved",
        RepairFailed = "repair-failed",
        /// It hits many more nodes.
        Grew = "grew",
        /// Still open, notified again after a while.
        Reminder = "reminder",
        /// It comes and goes, or came back after it was put right.
        Recurred = "recurred",
    }
}

impl NotificationKind {
    /// From why the incident is notified, and what this invocation came to.
    pub(crate) fn of(why: NotifyReason, happened: impl Into<Happened>) -> Self {
        let happened = happened.into();
        match (why, happened.state) {
            (NotifyReason::Resolved, _) => Self::Resolved,
            (NotifyReason::Opened, State::Resolved) if happened.perhaps_ours => Self::Resolved,
            (NotifyReason::Opened | NotifyReason::StateChanged, State::RepairFailed) => {
                Self::RepairFailed
            }
            (NotifyReason::Opened | NotifyReason::StateChanged, State::Repaired) => Self::Repaired,
            (NotifyReason::StateChanged, State::Resolved) => Self::Resolved,
            (NotifyReason::Opened | NotifyReason::StateChanged, State::Recurred)
            | (NotifyReason::Flapping, _) => Self::Recurred,
            (NotifyReason::Opened | NotifyReason::StateChanged, State::Open)
            | (NotifyReason::Opened, State::Resolved) => Self::Opened,
            (NotifyReason::Grew, _) => Self::Grew,
            (NotifyReason::Reminder, _) => Self::Reminder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_follows_from_why_and_state() {
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
                NotificationKind::Recurred,
            ),
            (
                NotifyReason::Flapping,
                State::Open,
                NotificationKind::Recurred,
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
                NotificationKind::Resolved,
            ),
        ] {
            assert_eq!(NotificationKind::of(why, state), kind, "{why:?} {state:?}");
        }
    }
}
