//! How far sweeps have come: a fleet that is larger than one invocation goes on in the
//! next, and of two that run at once one looks.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::HandlerError;
use crate::diagnose::sweep::{NotChecked, Suspect};
use crate::node::Home;
use crate::sort;
use crate::state::{Key, Kind, SaveError, Slot, StateError, Store, load};

/// So many suspects are looked at in one invocation: what is read and said of them fits
/// into its memory.
const MOST: usize = 1_000;

/// So many at least, however little time there is.
const LEAST: usize = 25;

const EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    /// The invocation that is at it, and when it ends at the latest.
    under_way: Option<(u64, Timestamp)>,
    /// The last node that was looked at, by its id; `None` to begin anew.
    after: Option<String>,
    /// How many suspects are looked at next.
    most: usize,
    /// What the last sweep could not look at.
    #[serde(default)]
    not_checked: Option<NotChecked>,
}

/// What the last sweeps could not look at, the longest first.
pub(super) async fn not_checked<S: Store>(
    state: &S,
    now: Timestamp,
) -> Result<Vec<NotChecked>, StateError> {
    let keys = state.open(Kind::Sweep).await?;
    let slots: Vec<Slot<Place>> = load(state, &keys, Key::clone, now).await?;
    let places = slots.into_iter().filter_map(|slot| slot.value);
    let mut all: Vec<NotChecked> = places.filter_map(|place| place.not_checked).collect();
    sort::by_key(&mut all, |one| one.since);
    Ok(all)
}

/// The place of the sweeps of one selection, held by this invocation.
#[derive(Debug)]
pub(super) struct Progress {
    key: Key,
    slot: Slot<Place>,
    place: Place,
    after: Option<String>,
}

impl Progress {
    /// Takes the place over for the invocation `me`, which ends at `ends_at` at the
    /// latest; `None` while another one has it.
    pub(super) async fn begin<S: Store>(
        selection: &str,
        state: &S,
        (me, ends_at): (u64, Timestamp),
        now: Timestamp,
    ) -> Result<Option<Self>, HandlerError> {
        let key = Key::new(Kind::Sweep, selection);
        let slots = load(state, std::slice::from_ref(&key), Key::clone, now).await?;
        let slot: Slot<Place> = slots.into_iter().next().unwrap_or_default();
        let known = slot.value.clone().unwrap_or(Place {
            under_way: None,
            after: None,
            most: MOST,
            not_checked: None,
        });
        let is_held = |(by, until): (u64, Timestamp)| by != me && now < until;
        if known.under_way.is_some_and(is_held) {
            return Ok(None);
        }
        let place = Place {
            under_way: Some((me, ends_at)),
            ..known
        };
        let mut progress = Self {
            key,
            slot,
            after: place.after.clone(),
            place,
        };
        Ok(progress.save(state, now).await?.then_some(progress))
    }

    /// Those of `suspects`, sorted by id, whose turn it is; whether others remain.
    pub(super) fn next(&mut self, suspects: Vec<Suspect>) -> (Vec<Suspect>, bool) {
        let is_ahead = |one: &Suspect| {
            let after = self.place.after.as_deref();
            after.is_none_or(|after| one.node.id.as_str() > after)
        };
        let mut ahead: Vec<Suspect> = suspects.into_iter().filter(is_ahead).collect();
        let remain = ahead.len() > self.place.most;
        ahead.truncate(self.place.most);
        let last = ahead.last().filter(|_| remain);
        self.after = last.map(|last| last.node.id.to_string());
        (ahead, remain)
    }

    /// Takes note of `why` the sweep, of this selection at `home`, could not look at
    /// nodes; `None` where it could at all.
    pub(super) fn note(
        &mut self,
        why: Option<String>,
        home: &Home,
        selection: &str,
        now: Timestamp,
    ) {
        let since = self.place.not_checked.take().map_or(now, |one| one.since);
        self.place.not_checked = why.map(|why| NotChecked {
            account: home.account.clone(),
            region: home.region.clone(),
            selection: selection.to_owned(),
            why,
            since,
        });
    }

    /// Gives the place back. What was not looked at, for want of time, has its turn
    /// again, with fewer beside it.
    pub(super) async fn end<S: Store>(
        mut self,
        is_done: bool,
        state: &S,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        self.place.under_way = None;
        if is_done || self.place.most == LEAST {
            self.place.after = self.after.take();
            self.place.most = (2 * self.place.most).min(MOST);
        } else {
            self.place.most = (self.place.most / 2).max(LEAST);
        }
        // Whoever took it over meanwhile goes on from where this one began.
        self.save(state, now).await?;
        Ok(())
    }

    /// Whether it was written: another invocation may have been faster.
    async fn save<S: Store>(&mut self, state: &S, now: Timestamp) -> Result<bool, HandlerError> {
        self.slot.value = Some(self.place.clone());
        self.slot.dirty = true;
        let expires_at = now.saturating_add(EXPIRES).unwrap_or(Timestamp::MAX);
        let Some(mut write) = self.slot.write(&self.key, expires_at)? else {
            return Ok(true);
        };
        // So that a digest finds it.
        write.item.open = self.place.not_checked.is_some();
        match state.save(vec![write]).await.pop() {
            Some(Ok(())) | None => {
                self.slot.saved();
                Ok(true)
            }
            Some(Err(SaveError::Conflict)) => Ok(false),
            Some(Err(SaveError::State(error))) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Home;
    use crate::diagnose::facts::RegistrationFacts;
    use crate::diagnose::sweep::Listed;
    use crate::node::NodeId;
    use crate::state::Memory;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
    }

    fn suspects(count: usize) -> Vec<Suspect> {
        let lost = |number| RegistrationFacts {
            id: NodeId::parse(&format!("i-{number:017}")).expect("an id"),
            ping_status: "ConnectionLost".to_owned(),
            last_ping: None,
            agent_version: None,
            name: None,
            source_type: None,
            activation: None,
        };
        let listed = Listed {
            registered: (0..count).map(lost).collect(),
            ..Listed::default()
        };
        listed.suspects(&Home::default(), Duration::ZERO, at(0))
    }

    async fn begin(state: &Memory, me: u64, now: i64) -> Option<Progress> {
        let turn = (me, at(now + 60));
        let begun = Progress::begin("lost", state, turn, at(now)).await;
        begun.expect("the state can be used")
    }

    /// The first and the last number that are looked at next, and whether others remain.
    async fn next(state: &Memory, now: i64, is_done: bool) -> (usize, usize, bool) {
        let mut progress = begin(state, 1, now).await.expect("nobody is at it");
        let (next, remain) = progress.next(suspects(2_300));
        let ended = progress.end(is_done, state, at(now + 1)).await;
        ended.expect("the state can be used");
        let number = |one: Option<&Suspect>| {
            let id = one.expect("some").node.id.as_str();
            id.trim_start_matches("i-").parse().expect("digits")
        };
        (number(next.first()), number(next.last()), remain)
    }

    #[tokio::test]
    async fn a_fleet_that_is_larger_than_one_sweep_goes_on_in_the_next() {
        let state = Memory::default();
        let mut seen = Vec::new();
        for number in 0..4 {
            seen.push(next(&state, 100 * number, true).await);
        }
        let expected = [
            (0, 999, true),
            (1_000, 1_999, true),
            (2_000, 2_299, false),
            (0, 999, true),
        ];
        assert_eq!(seen, expected);
        // Where time was up, the same have their turn again, with fewer beside them.
        assert_eq!(next(&state, 500, false).await, (1_000, 1_999, true));
        assert_eq!(next(&state, 600, true).await, (1_000, 1_499, true));
        assert_eq!(next(&state, 700, true).await, (1_500, 2_299, false));
    }

    #[tokio::test]
    async fn of_two_sweeps_at_once_one_looks_and_one_that_was_cut_off_holds_up_nobody() {
        let state = Memory::default();
        let first = begin(&state, 1, 0).await.expect("nobody is at it");
        assert!(begin(&state, 2, 30).await.is_none());
        let second = begin(&state, 2, 60).await.expect("the first has ended");
        first
            .end(true, &state, at(61))
            .await
            .expect("it is harmless");
        assert!(begin(&state, 3, 62).await.is_none(), "the second is at it");
        second
            .end(true, &state, at(63))
            .await
            .expect("it is written");
        assert!(begin(&state, 3, 64).await.is_some());
    }
}
