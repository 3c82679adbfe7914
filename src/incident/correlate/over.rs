//! What ends a fault without a line that says so, and what does not end it.

use jiff::{SignedDuration, Timestamp};

use super::open::Open;
use crate::signature::{Kind, Match, Part, Role};

/// A crash loop of the worker has a period of one minute, a failed start of two.
const OUTLIVED: SignedDuration = SignedDuration::from_hours(1);

/// What lies outside the agent comes back with the next attempt, at most a day later.
const OUTLIVED_OUTSIDE: SignedDuration = SignedDuration::from_hours(24);

/// What happens to an agent once and leaves no line when it is over: a worker that
/// was killed, a failed start, a failed command. A live connection well after it
/// shows that the agent works on.
pub fn outlived(open: &Open, live: Timestamp) -> bool {
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
pub fn survives(open: &Open, found: &Match<'_>) -> bool {
    let weak = found.signature.role.is_none() && found.signature.part == Part::Credentials;
    weak && open.kind == Kind::Fault && open.decided && open.role != Some(Role::ProfileRefused)
}
