//! When an incident is notified, and why.

use std::time::Duration;

use jiff::Timestamp;

use super::Entry;
use crate::cause::{ScopeKind, Severity};
use crate::incident::store::claim::{Channel, LastNotified, Reached};
use crate::incident::store::{NotifyDecision, NotifyReason, State};

/// An incident has grown when it hits this many times the nodes it was notified with …
const GROWTH_FACTOR: usize = 2;

/// … and at least so many more.
const GROWTH_LEAST: usize = 4;

impl Entry {
    /// Whether to notify of it now; `stands` is what [`Entry::note`] answered. While
    /// another environment, not `me`, is about to notify of it, nothing is known: it
    /// may say this, or may have ended with this very batch in hand.
    pub(in crate::incident::store) fn notify(
        &self,
        stands: bool,
        reminder: Duration,
        me: u64,
        now: Timestamp,
    ) -> NotifyDecision {
        match self.due(stands, reminder, now) {
            None => NotifyDecision::Suppress,
            Some(_) if self.is_claimed_by_another(me, now) => NotifyDecision::Wait,
            Some(why) => NotifyDecision::Send(why),
        }
    }

    /// Whether an invocation other than `me` is about to notify of it.
    pub(in crate::incident::store) fn is_claimed_by_another(
        &self,
        me: u64,
        now: Timestamp,
    ) -> bool {
        self.claim.is_some_and(|claim| claim.is_of_another(me, now))
    }

    /// Why it is to be notified now.
    fn due(&self, stands: bool, reminder: Duration, now: Timestamp) -> Option<NotifyReason> {
        let Some(notified) = self.notified else {
            let due = self.is_due() || (stands && self.is_news());
            let why = match self.comes_and_goes() {
                true => NotifyReason::Flapping,
                false => NotifyReason::Opened,
            };
            return due.then_some(why);
        };
        if self.written_at > notified.written_at {
            return Some(NotifyReason::StateChanged);
        }
        if self.resolved_notified {
            return None;
        }
        if notified.state != self.state {
            return Some(NotifyReason::StateChanged);
        }
        if !stands {
            return None;
        }
        let count = self.count();
        let many_more =
            count >= notified.nodes * GROWTH_FACTOR && count >= notified.nodes + GROWTH_LEAST;
        let critical =
            self.severity == Severity::Critical && notified.severity < Severity::Critical;
        let grown = many_more || critical && count > notified.nodes;
        // Late evidence of further nodes says nothing new about what is right.
        let right = matches!(self.state, State::Repaired | State::Resolved);
        if grown && (!right || self.scope.kind == ScopeKind::Nodes) {
            return Some(NotifyReason::Grew);
        }
        // What was put right and has shown nothing since is no longer open.
        if self.is_silent() {
            return None;
        }
        let silent = now.duration_since(notified.at);
        (Duration::try_from(silent).is_ok_and(|silent| silent >= reminder))
            .then_some(NotifyReason::Reminder)
    }

    /// Whether it is open, and was last notified long ago.
    pub(in crate::incident::store) fn is_reminder_due(
        &self,
        reminder: Duration,
        now: Timestamp,
    ) -> bool {
        let due = || self.due(true, reminder, now);
        self.stands() && due() == Some(NotifyReason::Reminder)
    }

    /// Whether a write was sent of which no message is out.
    fn has_unnotified_write(&self) -> bool {
        self.written_at > self.notified.and_then(|notified| notified.written_at)
    }

    /// Whether a message about something that this function did, or may have
    /// done, is still to go out.
    pub(in crate::incident::store) fn is_due(&self) -> bool {
        self.has_unnotified_write()
            || (self.notified.is_none()
                && match self.state {
                    State::Open => false,
                    State::Resolved => self.perhaps_ours,
                    State::Repaired | State::RepairFailed | State::Recurred => true,
                })
    }

    /// Whether an incident of which no message is out is worth one. It is not
    /// when it was right as this function first looked, and nothing has been
    /// logged since.
    fn is_news(&self) -> bool {
        self.state != State::Resolved || !self.is_silent()
    }

    /// What a message that is sent now tells the reader.
    pub(in crate::incident::store) fn says(&self, now: Timestamp) -> LastNotified {
        LastNotified {
            at: now,
            state: self.state,
            written_at: self.written_at,
            nodes: self.count(),
            severity: self.severity,
        }
    }

    /// The channels that have had the message for `why` that is sent now, when others
    /// did not take it.
    pub(in crate::incident::store) fn reached(
        &self,
        why: NotifyReason,
        reminder: Duration,
        now: Timestamp,
    ) -> Vec<Channel> {
        let says = self.says(now);
        let reached = self.reached.iter();
        reached
            .filter(|(_, known)| known.is_same(why, &says, reminder))
            .map(|(channel, _)| *channel)
            .collect()
    }

    /// Some channels have what a message says, `why` it was sent, and others have not.
    pub(in crate::incident::store) fn mark_reached(
        &mut self,
        why: NotifyReason,
        says: LastNotified,
        channels: &[Channel],
        reminder: Duration,
    ) {
        for channel in channels {
            let known = self.reached.get(channel);
            if !known.is_some_and(|known| known.is_same(why, &says, reminder)) {
                self.reached.insert(*channel, Reached { why, says });
            }
        }
    }

    /// Marks as notified what a message says, `why` it was sent.
    pub(in crate::incident::store) fn mark_notified(
        &mut self,
        why: NotifyReason,
        says: LastNotified,
    ) {
        // Of more nodes than the first channel knows it has still to hear.
        let nodes = std::mem::take(&mut self.reached).into_values();
        let nodes = nodes
            .filter(|known| known.why == why)
            .map(|known| known.says.nodes);
        let says = LastNotified {
            nodes: nodes.fold(says.nodes, usize::min),
            ..says
        };
        match why {
            NotifyReason::Resolved => {
                self.resolved_notified = true;
                self.ended_at = Some(says.at);
            }
            NotifyReason::Opened
            | NotifyReason::StateChanged
            | NotifyReason::Grew
            | NotifyReason::Reminder
            | NotifyReason::Flapping => {
                self.notified = self
                    .notified
                    .filter(|known| known.at > says.at)
                    .or(Some(says));
                self.flapping |= why == NotifyReason::Flapping;
            }
        }
    }

    /// Whether the reader was notified of it.
    pub(in crate::incident::store) fn is_notified(&self) -> bool {
        self.notified.is_some()
    }

    /// Whether the reader was notified of it, or may have been: by an environment that
    /// has not said yet what came of its message, or ended before it could.
    pub(super) fn may_be_known(&self) -> bool {
        self.is_notified()
            || self.claim.is_some()
            || !self.reached.is_empty()
            || self.resolved_notified
    }
}
