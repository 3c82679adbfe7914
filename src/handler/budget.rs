//! How the time that Lambda leaves for one invocation is shared out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Kept back for the answer itself.
const MARGIN: Duration = Duration::from_millis(500);

/// What may run until when. What is left of one share falls to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Two fifths of the time: a check that is late is `unknown`, which harms
    /// less than a repair or a message that is cut off.
    pub checks: Instant,
    /// Three quarters: what remains must carry the messages.
    pub repairs: Instant,
    pub messages: Instant,
}

impl Budget {
    /// `deadline` is Lambda's, in milliseconds since 1970. One that has passed
    /// leaves no time for anything.
    pub fn new(deadline: u64, now: Timestamp, at: Instant) -> Self {
        let deadline = i64::try_from(deadline).unwrap_or(i64::MAX);
        let left = deadline.saturating_sub(now.as_millisecond());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0)).saturating_sub(MARGIN);
        Self {
            checks: at + left * 2 / 5,
            repairs: at + left * 3 / 4,
            messages: at + left,
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
        let after = |milliseconds| at + Duration::from_millis(milliseconds);
        let of = |deadline| {
            let budget = Budget::new(deadline, now, at);
            [budget.checks, budget.repairs, budget.messages]
        };
        let full = [after(24_000), after(45_000), after(60_000)];
        assert_eq!(of(1_700_000_060_500), full);
        for passed in [0, 1_699_999_999_000, 1_700_000_000_400] {
            assert_eq!(of(passed), [at; 3]);
        }
    }

    #[test]
    fn a_deadline_out_of_range_does_not_overflow() {
        let budget = Budget::new(u64::MAX, Timestamp::UNIX_EPOCH, Instant::now());
        assert!(budget.checks <= budget.messages);
    }
}
