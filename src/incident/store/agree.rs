//! Who notifies of what: decided, claimed and written down before anything is sent,
//! so that of all execution environments one speaks.
//!
//! What conflicts with another environment's write is decided again on what stands
//! there then. Who wins the claim sends the message and marks it; whoever ends in
//! between leaves a claim that runs out, and a batch that Lambda delivers again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Decision, Delivery, Happened, Incidents, NotifyDecision, NotifyReason, ResolvedIncident,
};
use crate::finding::Recovered;
use crate::incident::group::Incident;
use crate::sort;
use crate::state::{StateError, Store};

/// So often something is decided again on what another environment has written.
const TRIES: u32 = 20;

/// When things happen in one invocation.
#[derive(Debug, Clone, Copy)]
pub struct Times<C> {
    /// What time it is.
    pub clock: C,
    /// When the invocation ends at the latest: a claim holds no longer.
    pub ends_at: Timestamp,
    /// Until then the message of another environment is awaited.
    pub patience: Timestamp,
}

impl Incidents {
    /// Registers the incidents of one node each for their groups, see
    /// [`Incidents::register`], and writes that down.
    ///
    /// # Errors
    /// When the state cannot be used.
    pub async fn register_all<S: Store>(
        &mut self,
        incidents: &[&Incident],
        state: &S,
        now: Timestamp,
    ) -> Result<(), StateError> {
        for conflicts in 0..TRIES {
            self.register(incidents, now);
            if self.save(state, now).await?.is_empty() {
                return Ok(());
            }
            state.back_off(conflicts).await;
        }
        Err(contended())
    }

    /// Decides on each of `incidents`, and claims the messages that are due and that
    /// `is_sent` says are sent at all. A decision to wait is given where the other
    /// environment's message did not come in time.
    ///
    /// # Errors
    /// When the state cannot be used.
    pub async fn decide_all<S: Store, C: Fn() -> Timestamp>(
        &mut self,
        incidents: &[(&Incident, Happened)],
        is_sent: impl Fn(usize, &Decision) -> bool,
        state: &S,
        times: &Times<C>,
    ) -> Result<Vec<Decision>, StateError> {
        let mut decisions: Vec<Option<Decision>> = vec![None; incidents.len()];
        let mut undecided: Vec<usize> = (0..incidents.len()).collect();
        let mut conflicts = 0;
        for tries in 0.. {
            let now = (times.clock)();
            let mut waiting = BTreeSet::new();
            for place in &undecided {
                let (incident, happened) = incidents[*place];
                let decision = self.decide(incident, happened, now);
                match decision.notify {
                    NotifyDecision::Send(why) if is_sent(*place, &decision) => {
                        self.claim(&incident.key, why, times.ends_at, now);
                    }
                    NotifyDecision::Wait => {
                        waiting.insert(incident.key.clone());
                    }
                    NotifyDecision::Send(_) | NotifyDecision::Suppress => {}
                }
                decisions[*place] = Some(decision);
            }
            self.reload(state, &waiting, now).await?;
            let contended_keys = self.save(state, now).await?;
            let is_open = |place: &usize| {
                let key = &incidents[*place].0.key;
                contended_keys.contains(key) || waiting.contains(key)
            };
            undecided = (0..incidents.len()).filter(is_open).collect();
            let others = contended_keys.len() + waiting.len() > undecided.len();
            if others {
                for (incident, _) in incidents {
                    self.detach_if_confirmed(incident, now);
                }
            }
            if undecided.is_empty() && !others || contended_keys.is_empty() && now >= times.patience
            {
                break;
            }
            conflicts += u32::from(!contended_keys.is_empty());
            if conflicts > TRIES {
                return Err(contended());
            }
            state.back_off(tries).await;
            self.reload(state, &waiting, (times.clock)()).await?;
        }
        Ok(decisions.into_iter().flatten().collect())
    }

    /// Closes what `recovered` puts an end to. Gives the incidents that are over and
    /// whose end is to be notified, claimed: whatever was notified has an end, and what
    /// was too slight to be notified has none. The second list has those of which another
    /// environment was about to notify and did not in time.
    ///
    /// # Errors
    /// When the state cannot be used.
    pub async fn recover_all<S: Store, C: Fn() -> Timestamp>(
        &mut self,
        recovered: &[Recovered],
        state: &S,
        times: &Times<C>,
    ) -> Result<(Vec<ResolvedIncident>, Vec<ResolvedIncident>), StateError> {
        let mut conflicts = 0;
        for tries in 0.. {
            let now = (times.clock)();
            let over = self.recover(recovered);
            let is_claimed = |over: &ResolvedIncident| self.is_claimed_by_another(&over.key, now);
            let (waiting, over): (Vec<_>, Vec<_>) = over.into_iter().partition(is_claimed);
            for one in &over {
                if !self.is_own_claim(&one.key) {
                    self.claim(&one.key, NotifyReason::Resolved, times.ends_at, now);
                }
            }
            let is_settled = self.save(state, now).await?.is_empty();
            if is_settled && (waiting.is_empty() || now >= times.patience) {
                return Ok((over, waiting));
            }
            conflicts += u32::from(!is_settled);
            if conflicts > TRIES {
                break;
            }
            state.back_off(tries).await;
            let keys = waiting.into_iter().map(|over| over.key).collect();
            self.reload(state, &keys, (times.clock)()).await?;
        }
        Err(contended())
    }

    /// Writes down what became of messages.
    ///
    /// # Errors
    /// When the state cannot be used: a message may then be sent once more.
    pub async fn settle_claims<S: Store>(
        &mut self,
        delivered: &[Delivery],
        state: &S,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut left = sort::set(delivered.iter().map(|one| &one.key));
        for conflicts in 0..TRIES {
            for one in delivered.iter().filter(|one| left.contains(&one.key)) {
                self.settle(one, now);
            }
            let again = self.save(state, now).await?;
            left.retain(|key| again.contains(*key));
            if left.is_empty() {
                return Ok(());
            }
            state.back_off(conflicts).await;
        }
        Err(contended())
    }
}

fn contended() -> StateError {
    StateError::Unavailable("other execution environments were always faster".to_owned())
}
