//! How the time that Lambda leaves for one invocation is shared out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Kept back for the answer itself: at least so long, and no less than the
/// [`MARGIN_SHARE`]th part, since a small function does everything slowly …
const MARGIN: Duration = Duration::from_millis(500);
const MARGIN_SHARE: u32 = 20;

/// … and for the answers to what is under way when no further message begins,
/// the tenth part, at most so long.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Of which so much is for the error alone, when not even the state answers. Never more than
/// half of the time.
const LAST_WORD: Duration = Duration::from_millis(150);

/// What may run until when. What is left of one share falls to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Two fifths of the time: a check that is late is `unknown`, which harms
    /// less than a repair or a message that is cut off.
    pub checks: Instant,
    /// Three quarters: what remains must carry the messages.
    pub repairs: Instant,
    /// No message begins after this: one that is cut off may have been
    /// delivered all the same, and would be sent a second time.
    pub last_message: Instant,
    /// Messages under way are given up.
    pub messages: Instant,
    /// Everything is given up: an invocation that Lambda has to end loses its environment,
    /// and says nothing.
    pub all: Instant,
}

impl Budget {
    /// `deadline` is Lambda's, in milliseconds since 1970. One that has passed
    /// leaves no time for anything.
    pub(super) fn new(deadline: u64, now: Timestamp, at: Instant) -> Self {
        let deadline = i64::try_from(deadline).unwrap_or(i64::MAX);
        let left = deadline.saturating_sub(now.as_millisecond());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let all = at + left - LAST_WORD.min(left / 2);
        let left = left.saturating_sub(MARGIN.max(left / MARGIN_SHARE));
        Self {
            checks: at + left * 2 / 5,
            repairs: at + left * 3 / 4,
            last_message: at + left - LAST_ANSWERS.min(left / 10),
            messages: at + left,
            all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_repairs_and_messages_each_have_their_share() {
        let now = Timestamp::from_millisecond(1_700_000_000_000).expect("in range");
        let at = Instant::now();
        let after = |milliseconds: [u64; 5]| milliseconds.map(|ms| at + Duration::from_millis(ms));
        let of = |deadline| {
            let budget = Budget::new(deadline, now, at);
            [
                budget.checks,
                budget.repairs,
                budget.last_message,
                budget.messages,
                budget.all,
            ]
        };
        let minute = after([22_800, 42_750, 52_000, 57_000, 59_850]);
        assert_eq!(of(1_700_000_060_000), minute);
        let three_seconds = after([1_000, 1_875, 2_250, 2_500, 2_850]);
        assert_eq!(of(1_700_000_003_000), three_seconds);
        assert_eq!(of(1_700_000_000_200), after([0, 0, 0, 0, 100]));
        for passed in [0, 1_699_999_999_000] {
            assert_eq!(of(passed), [at; 5]);
        }
    }

    #[test]
    fn a_deadline_out_of_range_does_not_overflow() {
        let budget = Budget::new(u64::MAX, Timestamp::UNIX_EPOCH, Instant::now());
        assert!(budget.checks <= budget.messages);
    }
}
