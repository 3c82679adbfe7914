//! How far sweeps have come: a fleet that is larger than one invocation goes on in the
//! next, and of two that run at once one looks.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::HandlerError;
use super::invocation::Invocation;
use crate::diagnose::sweep::Suspect;
use crate::state::{Key, Kind, SaveError, Slot, Store, load};

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
    /// Takes the place over; `None` while another invocation has it.
    pub(super) async fn begin<S: Store, C>(
        selection: &str,
        state: &S,
        by: &Invocation<C>,
    ) -> Result<Option<Self>, HandlerError> {
        let key = Key::new(Kind::Sweep, selection);
        let slots = load(state, std::slice::from_ref(&key), Key::clone, by.now).await?;
        let slot: Slot<Place> = slots.into_iter().next().unwrap_or_default();
        let known = slot.value.clone().unwrap_or(Place {
            under_way: None,
            after: None,
            most: MOST,
        });
        let is_held = |(by_whom, until): (u64, Timestamp)| by_whom != by.me && by.now < until;
        if known.under_way.is_some_and(is_held) {
            return Ok(None);
        }
        let place = Place {
            under_way: Some((by.me, by.ends_at)),
            ..known
        };
        let mut progress = Self {
            key,
            slot,
            after: place.after.clone(),
            place,
        };
        Ok(progress.save(state, by.now).await?.then_some(progress))
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
        let Some(write) = self.slot.write(&self.key, expires_at)? else {
            return Ok(true);
        };
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
