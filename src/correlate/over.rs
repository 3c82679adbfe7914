//! What ends a fault without a line that says so, and what does not end it.

use jiff::{SignedDuration, Timestamp};

use super::NodeState;
use super::open::ActiveFault;
use crate::signature::{Kind, Match, Part, Role};

/// A crash loop of the worker has a period of one minute, a failed start of two.
const OUTLIVED: SignedDuration = SignedDuration::from_hours(1);

/// What lies outside the agent comes back with the next attempt, at most a day later.
const OUTLIVED_OUTSIDE: SignedDuration = SignedDuration::from_hours(24);

/// Three attempts to find an identity stand half a second apart; the end of each
/// is written within milliseconds.
const BETWEEN_TRIES: SignedDuration = SignedDuration::from_secs(1);

/// Every way to credentials is tried within this time of one refresh; the next
/// refresh comes minutes later.
const BETWEEN_REFRESHES: SignedDuration = SignedDuration::from_mins(1);

impl NodeState {
    /// What was tried right before `at` has not healed: a later try would be
    /// written between the two. Of the attempts to find an identity that is the
    /// last alone, where no batch between may be missing. What is bare waits for a
    /// later try: that another line of its own follows excludes no cause.
    pub(super) fn settle(&mut self, part: Part, at: Timestamp) {
        let before_next = match part {
            Part::Identity => BETWEEN_TRIES,
            _ => BETWEEN_REFRESHES,
        };
        let attempt = |open: &ActiveFault| {
            open.kind == Kind::Fault && open.role == Some(Role::IdentityAttempt) && open.last <= at
        };
        let attempts = self.open.iter().filter(|open| attempt(open));
        let last_attempt = attempts.map(|open| open.last).max();
        let batch = self.batch;
        for open in &mut self.open {
            let since = at.duration_since(open.last);
            let not_the_last = attempt(open)
                && (open.batch < batch || last_attempt.is_some_and(|last| open.last < last));
            if open.part == part
                && !(open.cut || open.bare || not_the_last)
                && SignedDuration::ZERO <= since
                && since <= before_next
            {
                open.pending = false;
            }
        }
    }
}

/// What happens to an agent once and leaves no line when it is over: a worker that
/// was killed, a failed start, a failed command. A live connection well after it
/// shows that the agent works on.
pub(super) fn outlived(open: &ActiveFault, live: Timestamp) -> bool {
    let quiet_for = match open.part {
        Part::Worker | Part::Core | Part::Command | Part::Session | Part::Inventory => OUTLIVED,
        Part::Output | Part::Update | Part::Host | Part::Config => OUTLIVED_OUTSIDE,
        Part::Identity
        | Part::Credentials
        | Part::Registration
        | Part::Health
        | Part::ControlChannel
        | Part::Messages
        | Part::Associations => return false,
    };
    live.duration_since(open.last) >= quiet_for
}

/// Credentials that are merely held prove no call: they may come from the cache.
pub(super) fn survives(open: &ActiveFault, found: &Match<'_>) -> bool {
    let weak = found.signature.role.is_none() && found.signature.part == Part::Credentials;
    weak && open.kind == Kind::Fault && open.decided && open.role != Some(Role::ProfileRefused)
}
