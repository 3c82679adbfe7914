//! A clock that is set back: what a file holds before that step was logged before what stands
//! behind it, though its time is later.
//!
//! A file may also be several that were put together, the newest first, or the same twice.
//! Then time alone tells what came first; so a step counts only where its length shows what it is.

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::NodeState;
use super::open::ActiveFault;
use crate::cause::Cause;
use crate::record::Record;

const HOUR: i64 = 3600;

/// The agent logs something every half hour at the least: of the hour that the end of daylight
/// saving time repeats no more is missing.
const MOST_OF_AN_HOUR: SignedDuration = SignedDuration::from_mins(30);

impl NodeState {
    /// Takes note of a record whose time lies well before that of the one before it in its file.
    pub(super) fn note_step(&mut self, record: &Record<'_>) {
        let ahead = self.open.iter().filter_map(ahead).max();
        let is_step = ahead.is_some_and(|ahead| ahead >= record.back)
            || self.is_well_logged() && repeats_an_hour(record);
        if let Some(latest) = self.latest.filter(|_| is_step) {
            self.set_back(latest.duration_since(record.at));
        }
    }

    /// Whether what was read is no errors.log, which other logs may follow.
    fn is_well_logged(&self) -> bool {
        self.pinged.is_some() || !self.proven.is_empty()
    }

    /// Takes all that is known as so much earlier. What was logged keeps its time.
    fn set_back(&mut self, by: SignedDuration) {
        let back = |at: &mut Timestamp| *at = at.checked_sub(by).unwrap_or(Timestamp::MIN);
        for open in &mut self.open {
            let seen = [&mut open.first, &mut open.last, &mut open.since];
            seen.into_iter().for_each(back);
        }
        self.proven.iter_mut().for_each(|(_, at)| back(at));
        self.over.iter_mut().for_each(|(_, at)| back(at));
        self.channel.moments().for_each(back);
        let seen = [
            &mut self.latest,
            &mut self.attempts.last,
            &mut self.identified,
            &mut self.stopping,
            &mut self.unexplained,
            &mut self.cut_off,
            &mut self.pinged,
            &mut self.session,
            &mut self.live,
        ];
        seen.into_iter().flatten().for_each(back);
        self.identity.iter_mut().for_each(|it| back(&mut it.at));
        self.wait.iter_mut().for_each(|(at, _)| back(at));
        self.pings.iter_mut().for_each(|(at, _)| back(at));
        self.resumed.iter_mut().for_each(|(at, _)| back(at));
    }
}

/// By how much the clock is ahead, as the service that refused its signature says: `Signature not
/// yet current: 20261125T182526Z is still later than 20261125T172526Z (20261125T172026Z + 5 min.)`.
fn ahead(open: &ActiveFault) -> Option<SignedDuration> {
    if open.causes.lead() != Cause::ClockSkew {
        return None;
    }
    let text = &open.evidence.last()?.text;
    let (_, text) = text.split_once("Signature not yet current: ")?;
    let (signed, text) = text.split_once(" is still later than ")?;
    let (received, _) = text.split_once(" (")?.1.split_once(" + ")?;
    let time = |text: &str| text.parse::<Timestamp>().ok();
    Some(time(signed)?.duration_since(time(received)?))
}

/// Whether `record` goes on with an hour of the night that the one before it had begun, as where
/// daylight saving time ends: between 23:00 and 03:00, and till 04:00 in the east of Europe.
fn repeats_an_hour(record: &Record<'_>) -> bool {
    let before = record.at.as_second().saturating_add(record.back.as_secs());
    !record.level.is_trouble()
        && record.back >= MOST_OF_AN_HOUR
        && before.div_euclid(HOUR) == record.at.as_second().div_euclid(HOUR)
        && matches!(Offset::UTC.to_datetime(record.at).hour(), 23 | 0..=3)
}
