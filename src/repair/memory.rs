//! What this function has changed: in all its execution environments, where they
//! share a state.
//!
//! It answers how many repairs the last hour saw, whether a resource was
//! repaired in it, and what is to be notified again when the message of a repair
//! failed. Every attempt counts in which a write was sent, whatever came of it.
//!
//! An attempt is written down before anything is sent: on condition that no other
//! environment has begun one, and that the hour has room for it. One that ends before
//! it can tell what came of it therefore stands there as not verified.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::incident::group::Incident;
use crate::node::AccountId;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::repairs::Repair;
use crate::state::{Key, Kind, SaveError, Slot, StateError, Store, load};

/// For so long a repaired resource is left alone, and over so long repairs are
/// counted.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(60 * 60);

/// For so long after a change a read may still give the state from before it:
/// EC2 and IAM are eventually consistent.
pub(crate) const SETTLING: Duration = Duration::from_secs(60);

/// So long an attempt is remembered: far longer than Lambda delivers its batch again.
const EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// So often a write is tried again on what another environment has written.
const TRIES: u32 = 12;

/// One repair for which a write was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Attempt {
    /// The repair's name.
    pub action: &'static str,
    /// As [`target_of`] gives it.
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
}

/// `ACCOUNT/ID` of what is at fault in `incident`: the instance's id, or the role's name,
/// which another account may have as well.
pub(crate) fn target_of(incident: &Incident) -> String {
    let account = incident.nodes().find_map(|node| node.account.as_ref());
    let account = account.map_or("-", AccountId::as_str);
    format!("{account}/{}", incident.scope.id)
}

/// What is remembered of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Resource {
    last: Attempt,
    /// When the latest write was sent that has, or may have, changed it.
    written_at: Option<Timestamp>,
    /// The invocation that is at it, and when that one ends at the latest.
    under_way: Option<(u64, Timestamp)>,
}

/// The attempts that an invocation has to do with.
#[derive(Debug, Clone, Default)]
pub(crate) struct RepairMemory {
    /// By which the other invocations tell this one from theirs.
    me: u64,
    /// By the repair's name and the target.
    resources: BTreeMap<(&'static str, String), Slot<Resource>>,
    /// When the attempts of the last hour were, oldest first.
    hour: Slot<Vec<Timestamp>>,
    /// What was known of a target before the attempt that was begun here.
    before: BTreeMap<(&'static str, String), Option<Resource>>,
    /// Why nothing may be repaired: what was done before is not known.
    unusable: Option<String>,
}

impl RepairMemory {
    /// None is at hand yet. `me` is a number that no other invocation has.
    pub(crate) fn new(me: u64) -> Self {
        Self {
            me,
            ..Self::default()
        }
    }

    /// Nothing may be repaired: what was done before is not known, for this reason.
    pub(crate) fn close(&mut self, why: impl Into<String>) {
        self.unusable.get_or_insert_with(|| why.into());
    }

    /// Why nothing may be repaired.
    pub(crate) fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Takes note of an attempt, as from its beginning to its end.
    #[cfg(test)]
    pub(crate) fn record(&mut self, attempt: Attempt) {
        self.count(attempt.at);
        self.note(attempt, None);
    }

    /// Counts an attempt into the hour that ends with it.
    fn count(&mut self, at: Timestamp) {
        let hour = self.hour.value.get_or_insert_default();
        hour.retain(|other| in_cooldown(*other, at));
        hour.push(at);
        self.hour.dirty = true;
    }

    /// Puts `attempt` in the place of the latest one on its target.
    fn note(&mut self, attempt: Attempt, under_way: Option<(u64, Timestamp)>) {
        let target = (attempt.action, attempt.target.clone());
        let slot = self.resources.entry(target).or_default();
        let before = slot.value.as_ref().and_then(|known| known.written_at);
        let written_at = match attempt.may_have_written() {
            true => Some(attempt.at),
            // The same attempt, of which it is now known that it changed nothing.
            false => before.filter(|at| *at != attempt.at),
        };
        slot.value = Some(Resource {
            last: attempt,
            written_at,
            under_way,
        });
        slot.dirty = true;
    }

    fn resource(&self, action: &str, target: &str) -> Option<&Resource> {
        let action = Repair::named(action)?.name;
        let slot = self.resources.get(&(action, target.to_owned()))?;
        slot.value.as_ref()
    }

    /// The latest attempt on `target`, however long ago.
    pub(crate) fn last(&self, action: &str, target: &str) -> Option<&Attempt> {
        self.resource(action, target).map(|known| &known.last)
    }

    /// When the latest write was sent that has, or may have, changed `target`.
    pub(crate) fn written_at(&self, action: &str, target: &str) -> Option<Timestamp> {
        self.resource(action, target)?.written_at
    }

    /// Whether another invocation is repairing `target` at this moment.
    pub(crate) fn is_under_way(&self, action: &str, target: &str, now: Timestamp) -> bool {
        let known = self.resource(action, target);
        let under_way = known.and_then(|known| known.under_way);
        under_way.is_some_and(|(by, until)| by != self.me && now < until)
    }

    /// Takes note that `target` was found broken again after its latest attempt.
    pub(crate) fn mark_undone(&mut self, action: &'static str, target: &str) {
        let slot = self.resources.get_mut(&(action, target.to_owned()));
        let slot = slot.and_then(|slot| Some((&mut slot.dirty, slot.value.as_mut()?)));
        if let Some((dirty, known)) = slot.filter(|(_, known)| !known.last.undone) {
            known.last.undone = true;
            *dirty = true;
        }
    }

    /// When `most` repairs an hour allow the next one; `None` when they allow
    /// it now. With `most` of zero there is no such moment, and `now` stands
    /// for it.
    pub(crate) fn full_until(&self, most: u32, now: Timestamp) -> Option<Timestamp> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let recent: Vec<Timestamp> = (self.hour.value.iter().flatten().copied())
            .filter(|at| in_cooldown(*at, now))
            .collect();
        let over = recent.len().checked_sub(most)?;
        match recent.get(over) {
            Some(at) => at.checked_add(COOLDOWN).ok(),
            None => Some(now),
        }
    }

    /// Reads what is known of `target` and of the last hour, again where it was read
    /// before.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) async fn load<S: Store>(
        &mut self,
        state: &S,
        action: &'static str,
        target: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let name = format!("{action}/{target}");
        let of_target = |_: &()| Key::new(Kind::Repair, &name);
        let slot = load(state, &[()], of_target, now).await?.pop();
        self.resources
            .insert((action, target.to_owned()), slot.unwrap_or_default());
        self.load_hour(state, now).await
    }

    async fn load_hour<S: Store>(&mut self, state: &S, now: Timestamp) -> Result<(), StateError> {
        let slot = load(state, &[()], |_| hour_key(), now).await?.pop();
        self.hour = slot.unwrap_or_default();
        Ok(())
    }

    /// Writes down that `attempt` is about to be made, until `until` at the latest, and counts it.
    /// Answers whether it may be: no other invocation has begun one on the same target
    /// meanwhile, and of the `most` that an hour allows there is one left.
    ///
    /// # Errors
    /// When that could not be written down.
    pub(crate) async fn begin<S: Store>(
        &mut self,
        state: &S,
        attempt: Attempt,
        most: u32,
        until: Timestamp,
    ) -> Result<bool, StateError> {
        let (action, target, at) = (attempt.action, attempt.target.clone(), attempt.at);
        let place = (action, target.clone());
        let known = self
            .resources
            .get(&place)
            .and_then(|slot| slot.value.clone());
        self.before.insert(place, known);
        self.note(attempt, Some((self.me, until)));
        match self.save_resource(state, action, &target, at).await {
            Err(SaveError::Conflict) => {
                self.load(state, action, &target, at).await?;
                return Ok(false);
            }
            other => other.map_err(as_state)?,
        }
        for conflicts in 0..TRIES {
            if self.full_until(most, at).is_some() {
                break;
            }
            self.count(at);
            match self.save_hour(state, at).await {
                Ok(()) => return Ok(true),
                Err(SaveError::Conflict) => state.back_off(conflicts).await,
                Err(SaveError::State(error)) => return Err(error),
            }
            self.load_hour(state, at).await?;
        }
        self.withdraw(state, action, &target, at).await?;
        Ok(false)
    }

    /// Writes down what came of an attempt that was begun. It is tried several times:
    /// what stands there otherwise is that nobody knows.
    ///
    /// # Errors
    /// When that could not be written down.
    pub(crate) async fn end<S: Store>(
        &mut self,
        state: &S,
        attempt: Attempt,
    ) -> Result<(), StateError> {
        let (action, target, at) = (attempt.action, attempt.target.clone(), attempt.at);
        for conflicts in 0..TRIES {
            self.note(attempt.clone(), None);
            match self.save_resource(state, action, &target, at).await {
                Err(SaveError::Conflict) => {
                    state.back_off(conflicts).await;
                    self.load(state, action, &target, at).await?;
                }
                other => return other.map_err(as_state),
            }
        }
        Ok(())
    }

    /// Nothing was sent of the attempt that was begun at `at`: what was known of the
    /// target before holds, and the hour has room for another.
    ///
    /// # Errors
    /// When that could not be written down.
    pub(crate) async fn withdraw<S: Store>(
        &mut self,
        state: &S,
        action: &'static str,
        target: &str,
        at: Timestamp,
    ) -> Result<(), StateError> {
        let place = (action, target.to_owned());
        let slot = self.resources.entry(place.clone()).or_default();
        slot.value = self.before.remove(&place).flatten();
        slot.dirty = true;
        self.save_resource(state, action, target, at)
            .await
            .map_err(as_state)?;
        for conflicts in 0..TRIES {
            let hour = self.hour.value.get_or_insert_default();
            let Some(place) = hour.iter().rposition(|other| *other == at) else {
                break;
            };
            hour.remove(place);
            self.hour.dirty = true;
            match self.save_hour(state, at).await {
                Err(SaveError::Conflict) => {
                    state.back_off(conflicts).await;
                    self.load_hour(state, at).await?;
                }
                other => return other.map_err(as_state),
            }
        }
        Ok(())
    }

    /// Writes down that a target was found broken again, where it was.
    ///
    /// # Errors
    /// When that could not be written down.
    pub(crate) async fn save<S: Store>(
        &mut self,
        state: &S,
        action: &'static str,
        target: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        match self.save_resource(state, action, target, now).await {
            // Somebody repairs it anew.
            Err(SaveError::Conflict) => self.load(state, action, target, now).await,
            other => other.map_err(as_state),
        }
    }

    async fn save_resource<S: Store>(
        &mut self,
        state: &S,
        action: &'static str,
        target: &str,
        now: Timestamp,
    ) -> Result<(), SaveError> {
        let key = Key::new(Kind::Repair, &format!("{action}/{target}"));
        let slot = self
            .resources
            .entry((action, target.to_owned()))
            .or_default();
        save(state, slot, &key, now).await
    }

    async fn save_hour<S: Store>(&mut self, state: &S, now: Timestamp) -> Result<(), SaveError> {
        save(state, &mut self.hour, &hour_key(), now).await
    }
}

async fn save<T: Clone + Serialize, S: Store>(
    state: &S,
    slot: &mut Slot<T>,
    key: &Key,
    now: Timestamp,
) -> Result<(), SaveError> {
    let expires_at = now.saturating_add(EXPIRES).unwrap_or(Timestamp::MAX);
    let Some(write) = slot.write(key, expires_at)? else {
        return Ok(());
    };
    let result = state.save(vec![write]).await.pop();
    if let Some(Ok(())) = result {
        slot.saved();
    }
    result.unwrap_or(Ok(()))
}

fn hour_key() -> Key {
    Key::new(Kind::RepairHour, "all")
}

/// A conflict that goes on is a state that cannot be reached.
fn as_state(error: SaveError) -> StateError {
    match error {
        SaveError::State(error) => error,
        SaveError::Conflict => StateError::Unavailable(error.to_string()),
    }
}

/// An [`Attempt`] as it is read.
#[derive(Deserialize)]
struct Stored {
    action: String,
    target: String,
    at: Timestamp,
    outcome: Outcome,
    undone: bool,
}

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(d)?;
        let unknown = || de::Error::custom(format!("{} is no repair", stored.action));
        Ok(Self {
            action: Repair::named(&stored.action).ok_or_else(unknown)?.name,
            target: stored.target,
            at: stored.at,
            outcome: stored.outcome,
            undone: stored.undone,
        })
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
    use crate::state::Memory;
    use crate::state::tests::block_on;

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
                request: None,
                checks_again: None,
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

    const ACTION: &str = "trust-ec2";

    /// An invocation that has read what is known of `target`.
    fn reads(me: u64, state: &Memory, target: &str, now: i64) -> RepairMemory {
        let mut memory = RepairMemory::new(me);
        block_on(memory.load(state, ACTION, target, at(now))).expect("it can be read");
        memory
    }

    fn begins(memory: &mut RepairMemory, state: &Memory, target: &str, now: i64) -> bool {
        let begun = attempt(target, now);
        block_on(memory.begin(state, begun, 2, at(now + 60))).expect("it can be written")
    }

    #[test]
    fn of_two_that_have_read_the_same_one_begins_and_the_other_sees_it_under_way() {
        let state = Memory::default();
        let (mut one, mut two) = (reads(1, &state, "web", 0), reads(2, &state, "web", 0));
        assert!(begins(&mut one, &state, "web", 0));
        assert!(!one.is_under_way(ACTION, "web", at(1)), "it is its own");
        assert!(!begins(&mut two, &state, "web", 0));
        assert!(two.is_under_way(ACTION, "web", at(59)));
        // It ended before it could tell what came of it.
        assert!(!two.is_under_way(ACTION, "web", at(60)));
        assert!(
            two.last(ACTION, "web")
                .is_some_and(Attempt::may_have_written)
        );
        block_on(one.end(&state, attempt("web", 0))).expect("it can be written");
        let later = reads(3, &state, "web", 5);
        assert!(!later.is_under_way(ACTION, "web", at(5)));
        assert!(later.last(ACTION, "web").is_some_and(Attempt::holds));
    }

    #[test]
    fn the_cap_counts_over_all_invocations() {
        let state = Memory::default();
        let mut readers = ["a", "b", "c"].map(|target| (target, reads(1, &state, target, 0)));
        let begun = readers
            .each_mut()
            .map(|(target, memory)| begins(memory, &state, target, 0));
        assert_eq!(begun, [true, true, false]);
        assert_eq!(reads(2, &state, "c", 1).last(ACTION, "c"), None);
        assert!(begins(
            &mut reads(2, &state, "c", 3_600),
            &state,
            "c",
            3_600
        ));
    }

    #[test]
    fn what_was_not_sent_counts_for_nothing() {
        let state = Memory::default();
        let mut memory = reads(1, &state, "web", 0);
        assert!(begins(&mut memory, &state, "web", 0));
        block_on(memory.withdraw(&state, ACTION, "web", at(0))).expect("it can be written");
        let mut later = reads(2, &state, "web", 1);
        assert_eq!(later.last(ACTION, "web"), None);
        assert_eq!(later.full_until(1, at(1)), None);
        assert!(begins(&mut later, &state, "web", 1));
    }
}
