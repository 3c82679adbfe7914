//! Which moments belong together.

use std::time::Duration;

use jiff::Timestamp;

use crate::incident::shared::WITHIN;

/// What was under way when the state was put right may still fail and be
/// logged for so long.
const SETTLING: Duration = Duration::from_secs(60);

/// Whether what is from `at` may come from before `since`.
pub(super) fn settles(since: Option<Timestamp>, at: Timestamp) -> bool {
    let settled = since.map(|since| since.checked_add(SETTLING));
    matches!(settled, Some(Ok(settled)) if at <= settled)
}

pub(super) fn within(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).map_or(true, |age| age <= WITHIN)
}
