//! What this function has changed, as this execution environment remembers it.
//!
//! It answers how many repairs the last hour saw, whether a resource was
//! repaired in it, and what is to be notified again when the message of a repair
//! failed. Every attempt counts in which a write was sent, whatever came of it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::repair::outcome::{Outcome, OutcomeStatus};

/// For so long a repaired resource is left alone, and over so long repairs are
/// counted.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(60 * 60);

/// For so long after a change a read may still give the state from before it:
/// EC2 and IAM are eventually consistent.
pub(crate) const SETTLING: Duration = Duration::from_secs(60);

/// How many attempts are remembered: as many as the settings allow in an hour.
const MOST: usize = 1_000;

/// One repair for which a write was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    /// The repair's name.
    pub action: &'static str,
    /// The instance's id or the role's name.
    pub target: String,
    pub at: Timestamp,
    /// `repaired`, `failed` or `unverified`.
    pub outcome: Outcome,
    /// It was found broken again later, so what is right now is not known to
    /// be this function's doing.
    pub undone: bool,
}

impl Attempt {
    /// Whether it has, or may have, changed the resource.
    pub(crate) fn may_have_written(&self) -> bool {
        self.outcome.status != OutcomeStatus::Failed
    }

    /// Whether it has put the resource right, for all that is known.
    pub(crate) fn holds(&self) -> bool {
        self.outcome.status == OutcomeStatus::Repaired && !self.undone
    }

    fn is_on(&self, action: &str, target: &str) -> bool {
        self.action == action && self.target == target
    }
}

/// The attempts of this execution environment, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct RepairMemory {
    attempts: VecDeque<Attempt>,
}

impl RepairMemory {
    /// Forgets the oldest attempt when there are too many.
    pub(crate) fn record(&mut self, attempt: Attempt) {
        if self.attempts.len() == MOST {
            self.attempts.pop_front();
        }
        self.attempts.push_back(attempt);
    }

    /// The latest attempt on `target`, however long ago.
    pub(crate) fn last(&self, action: &str, target: &str) -> Option<&Attempt> {
        let mut attempts = self.attempts.iter().rev();
        attempts.find(|attempt| attempt.is_on(action, target))
    }

    /// When the latest write was sent that has, or may have, changed `target`.
    pub(crate) fn written_at(&self, action: &str, target: &str) -> Option<Timestamp> {
        let mut attempts = self.attempts.iter().rev();
        attempts
            .find(|attempt| attempt.is_on(action, target) && attempt.may_have_written())
            .map(|attempt| attempt.at)
    }

    /// Takes note that `target` was found broken again after its latest attempt.
    pub(crate) fn mark_undone(&mut self, action: &str, target: &str) {
        let mut attempts = self.attempts.iter_mut().rev();
        if let Some(attempt) = attempts.find(|attempt| attempt.is_on(action, target)) {
            attempt.undone = true;
        }
    }

    /// When `most` repairs an hour allow the next one; `None` when they allow
    /// it now. With `most` of zero there is no such moment, and `now` stands
    /// for it.
    pub(crate) fn full_until(&self, most: u32, now: Timestamp) -> Option<Timestamp> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let recent: Vec<Timestamp> = (self.attempts.iter())
            .map(|attempt| attempt.at)
            .filter(|at| in_cooldown(*at, now))
            .collect();
        let over = recent.len().checked_sub(most)?;
        match recent.get(over) {
            Some(at) => at.checked_add(COOLDOWN).ok(),
            None => Some(now),
        }
    }
}

/// Whether `at` is less than [`COOLDOWN`] before `now`. A moment after `now` counts
/// too: a clock that was set back opens no lock.
pub(crate) fn in_cooldown(at: Timestamp, now: Timestamp) -> bool {
    is_within(COOLDOWN, at, now)
}

/// Whether `at` is less than [`SETTLING`] before `now`, or after it.
pub(crate) fn is_settling(at: Timestamp, now: Timestamp) -> bool {
    is_within(SETTLING, at, now)
}

fn is_within(span: Duration, at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).map_or(true, |age| age < span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn attempt(target: &str, seconds: i64) -> Attempt {
        Attempt {
            action: "trust-ec2",
            target: target.to_owned(),
            at: at(seconds),
            outcome: Outcome {
                status: OutcomeStatus::Repaired,
                detail: None,
                command: None,
                undo: None,
            },
            undone: false,
        }
    }

    #[test]
    fn the_cap_counts_the_last_hour() {
        let mut memory = RepairMemory::default();
        for (number, seconds) in [0, 600, 1200].into_iter().enumerate() {
            memory.record(attempt(&format!("role{number}"), seconds));
        }
        for (most, now, expected) in [
            (1, 1300, Some(1200 + 3600)),
            (2, 1300, Some(600 + 3600)),
            (3, 1300, Some(3600)),
            (4, 1300, None),
            (3, 3599, Some(3600)),
            (3, 3600, None),
            (2, 3600, Some(600 + 3600)),
            (1, 1200 + 3600, None),
            (3, -10, Some(3600)),
        ] {
            let until = memory.full_until(most, at(now));
            assert_eq!(until, expected.map(at), "{most} at {now}");
        }
        for memory in [memory, RepairMemory::default()] {
            assert!(
                memory.full_until(0, at(0)).is_some(),
                "none is ever allowed"
            );
        }
    }

    #[test]
    fn the_latest_attempt_on_a_resource_is_found() {
        let mut memory = RepairMemory::default();
        memory.record(attempt("web", 0));
        memory.record(attempt("web", 10));
        memory.record(attempt("db", 20));
        let last = memory.last("trust-ec2", "web");
        assert_eq!(last.map(|attempt| attempt.at), Some(at(10)));
        assert_eq!(memory.last("enable-imds-endpoint", "web"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = RepairMemory::default();
        for number in 0..=MOST {
            memory.record(attempt(&number.to_string(), 0));
        }
        assert_eq!(memory.attempts.len(), MOST);
        assert_eq!(memory.last("trust-ec2", "0"), None);
    }
}
