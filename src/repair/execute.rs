//! A plan carried out: read live again, judge and gate once more, print the
//! audit line, write the least, and look whether it took effect.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::audit;
use super::change::Seen;
use super::clients::Clients;
use super::locks::{Guardrails, Reason, calendar_lock};
use super::memory::{Attempt, RepairMemory, target_of};
use super::outcome::{Outcome, OutcomeStatus};
use super::plan::permit::Permit;
use super::plan::{Plan, plan};
use super::repairs::{Call, Repair, call};
use super::verify;
use crate::diagnose::call_error::CallError;
use crate::diagnose::live::{Call as _, GetCalendarState, Reads};
use crate::incident::group::Incident;
use crate::state::{StateError, Store};

/// No write begins with less time left than this: what is written must be
/// seen to take effect, and notified.
pub(crate) const LEAST_TIME: Duration = Duration::from_secs(3);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a change may stay unseen whose answer was lost.
const PATIENCE_WHEN_LOST: Duration = Duration::from_secs(4);

/// One repair to be planned and, when every lock is open, carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    pub incident: &'a Incident,
    pub clients: &'a Clients,
    pub guardrails: &'a Guardrails,
    pub now: Timestamp,
    /// When the invocation ends at the latest.
    pub ends_at: Timestamp,
    /// Nothing runs on after this.
    pub until: Instant,
}

/// Plans the repair of an incident and, when every lock is open, carries it
/// out. Where the state cannot be used, `memory` is closed: without knowing what was
/// done before nothing is written.
pub(crate) async fn execute<S: Store>(
    task: Task<'_>,
    memory: &mut RepairMemory,
    state: &S,
) -> Plan {
    let Some(repair) = Repair::of(task.incident.cause) else {
        return plan(task.incident, task.guardrails, memory, task.now);
    };
    if let Err(error) = task.remember(repair, memory, state).await {
        memory.close(error.to_string());
    }
    let planned = plan(task.incident, task.guardrails, memory, task.now);
    let plan = task.carry_out(planned, repair, memory, state).await;
    if plan.is_recurred() {
        let target = target_of(task.incident);
        memory.mark_undone(repair.name, &target);
        if let Err(error) = memory.save(state, repair.name, &target, task.now).await {
            memory.close(error.to_string());
        }
    }
    plan
}

impl Task<'_> {
    /// Reads what was done before. Where another invocation is at it, what comes of
    /// that is awaited.
    async fn remember<S: Store>(
        self,
        repair: &Repair,
        memory: &mut RepairMemory,
        state: &S,
    ) -> Result<(), StateError> {
        let (name, target) = (repair.name, target_of(self.incident));
        for looks in 0.. {
            memory.load(state, name, &target, self.now).await?;
            if !memory.is_under_way(name, &target, self.now) || Instant::now() >= self.until {
                break;
            }
            state.back_off(looks).await;
        }
        Ok(())
    }

    async fn carry_out<S: Store>(
        self,
        planned: Plan,
        repair: &Repair,
        memory: &mut RepairMemory,
        state: &S,
    ) -> Plan {
        let Some(permit) = planned.permit() else {
            return planned;
        };
        let first = permit.change().clone();
        if self.until.saturating_duration_since(Instant::now()) < LEAST_TIME {
            return planned.untouched("This invocation has no time left to make the change and to see it take effect. The next batch of the same fault leads to it.".to_owned());
        }
        // Others repair too, and every lock is judged by what is there right now.
        let mut fresh = self.incident.clone();
        if let Err(error) = self.read(repair, &mut fresh).await {
            return planned.untouched(format!(
                "The {} could not be read again right before the change, so nothing was changed. {}",
                repair.kind(),
                verify::sentence(&error)
            ));
        }
        let again = plan(&fresh, self.guardrails, memory, self.now);
        let Some(permit) = again.permit().cloned() else {
            // Another invocation may have begun since that was asked, and be the reason.
            if let Err(error) = self.remember(repair, memory, state).await {
                memory.close(error.to_string());
            }
            return plan(&fresh, self.guardrails, memory, self.now);
        };
        if !(repair.still_holds)(&first, permit.change()) {
            return planned.untouched(format!(
                "Somebody changed the {} while it was being looked at, so nothing was written. The next batch of the same fault is judged on the new one.",
                repair.subject
            ));
        }
        if let Some(closed) = self.closed_calendar().await {
            return Plan::kept_back(closed, &permit, self.guardrails);
        }
        if !permit.is_dry_run() {
            let begun = self.begun(repair, &permit);
            let most = self.guardrails.max_repairs;
            match memory.begin(state, begun, most, self.ends_at).await {
                Ok(true) => {}
                // Another invocation was faster, or the hour is full.
                Ok(false) => return self.after_another(repair, fresh, memory, state).await,
                Err(error) => {
                    memory.close(error.to_string());
                    return plan(&fresh, self.guardrails, memory, self.now);
                }
            }
        }
        // No trace, no change.
        let audit = |outcome: Option<&Outcome>| {
            let (key, now) = (&self.incident.key, self.now);
            (self.clients.audit)(&audit::line(&permit, key, self.guardrails, now, outcome))
        };
        if let Err(error) = audit(None) {
            if !permit.is_dry_run() {
                self.withdraw(repair, memory, state).await;
            }
            return again.untouched(format!(
                "The audit line could not be written ({error}), so nothing was changed."
            ));
        }
        let mut outcome = match permit.is_dry_run() {
            true => self.dry_run(repair, &permit).await,
            false => self.write(repair, &permit, fresh, memory, state).await,
        };
        if let Err(error) = audit(Some(&outcome)) {
            let detail = outcome.detail.get_or_insert_default();
            detail.push_str(&format!(
                " The audit line of this outcome could not be written ({error})."
            ));
        }
        again.with(outcome)
    }

    /// The plan once another invocation has come to an end with the same target.
    async fn after_another<S: Store>(
        self,
        repair: &Repair,
        mut incident: Incident,
        memory: &mut RepairMemory,
        state: &S,
    ) -> Plan {
        if let Err(error) = self.remember(repair, memory, state).await {
            memory.close(error.to_string());
        }
        // What was read before it is judged where this cannot be read.
        let _ = self.read(repair, &mut incident).await;
        plan(&incident, self.guardrails, memory, self.now)
    }

    async fn dry_run(self, repair: &Repair, permit: &Permit) -> Outcome {
        let (service, _) = repair.writes.split_once(':').unwrap_or_default();
        let service = service.to_ascii_uppercase();
        let (status, detail) = match &permit.change().preview {
            Some(preview) => (
                OutcomeStatus::DryRun,
                format!(
                    "A dry run: {preview} {service} has no dry run, so it was not asked. Nothing was changed."
                ),
            ),
            None => match self.send(repair, permit).await {
                Ok(()) => (
                    OutcomeStatus::DryRun,
                    format!("A dry run: {service} would make the change. Nothing was changed."),
                ),
                Err(error) => (
                    OutcomeStatus::Refused,
                    format!("A dry run. {}", verify::refused(&error, repair)),
                ),
            },
        };
        Outcome {
            command: Some(permit.change().command.clone()),
            ..Outcome::of(status, detail)
        }
    }

    /// The one write, and what reading shows afterwards.
    async fn write<S: Store>(
        self,
        repair: &Repair,
        permit: &Permit,
        mut incident: Incident,
        memory: &mut RepairMemory,
        state: &S,
    ) -> Outcome {
        let change = permit.change();
        let written = self.send(repair, permit).await;
        let patience = match &written {
            Ok(()) => Some(repair.patience),
            Err(error) if error.outcome_is_open() => Some(PATIENCE_WHEN_LOST),
            // After a write that AWS refused there is nothing to see.
            Err(_) => None,
        };
        let mut seen = Seen::Unchanged;
        if let Some(patience) = patience {
            let until = self.until.min(Instant::now() + patience);
            loop {
                seen = match self.read(repair, &mut incident).await {
                    Ok(()) => (repair.seen)(&incident, change),
                    Err(error) => Seen::Unreadable(error.to_string()),
                };
                if seen == Seen::InEffect || Instant::now() + PAUSE >= until {
                    break;
                }
                sleep(PAUSE).await;
            }
        }
        let (status, detail) = verify::verdict_of_write(&written, &seen, repair, change, self.now);
        let outcome = Outcome {
            command: Some(change.command.clone()),
            undo: (status != OutcomeStatus::Failed).then(|| change.undo.clone()),
            ..Outcome::of(status, detail)
        };
        if matches!(written, Err(CallError::NotSent { .. })) {
            self.withdraw(repair, memory, state).await;
            return outcome;
        }
        let attempt = Attempt {
            outcome: outcome.clone(),
            ..self.begun(repair, permit)
        };
        if let Err(error) = memory.end(state, attempt).await {
            // It stands there as not verified; the message of this invocation says more.
            memory.close(error.to_string());
        }
        outcome
    }

    /// The attempt as it stands until it is known what comes of it.
    fn begun(self, repair: &Repair, permit: &Permit) -> Attempt {
        let change = permit.change();
        let outcome = Outcome {
            command: Some(change.command.clone()),
            undo: Some(change.undo.clone()),
            ..Outcome::of(
                OutcomeStatus::Unverified,
                "The invocation that began the change ended before it could tell what came of it: it may have been made.",
            )
        };
        Attempt {
            action: repair.name,
            target: target_of(self.incident),
            at: self.now,
            outcome,
            undone: false,
        }
    }

    /// Nothing was sent of what was begun.
    async fn withdraw<S: Store>(self, repair: &Repair, memory: &mut RepairMemory, state: &S) {
        let (name, target) = (repair.name, target_of(self.incident));
        if let Err(error) = memory.withdraw(state, name, &target, self.now).await {
            memory.close(error.to_string());
        }
    }

    /// The lock of the change calendars, where there are any.
    async fn closed_calendar(self) -> Option<Reason> {
        let calendars = &self.guardrails.calendars;
        if calendars.is_empty() {
            return None;
        }
        let query = GetCalendarState(calendars.clone());
        let answer = self.answer(GetCalendarState::NAME, self.clients.calendars.read(&query));
        calendar_lock(calendars, answer.await)
    }

    async fn read(self, repair: &Repair, incident: &mut Incident) -> Result<(), CallError> {
        self.in_time(repair.reads, (repair.read)(incident, self.clients))
            .await
    }

    async fn send(self, repair: &Repair, permit: &Permit) -> Result<(), CallError> {
        self.in_time(repair.writes, (repair.write)(permit, self.clients))
            .await
    }

    async fn in_time(self, action: &'static str, answer: Call<'_>) -> Result<(), CallError> {
        self.answer(call(action), answer).await
    }

    /// The answer to one call, or that there was none in time.
    async fn answer<T>(
        self,
        call: &'static str,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        timeout_at(self.until, answer).await.unwrap_or_else(|_| {
            Err(CallError::NoAnswer {
                call,
                message: "no answer in the time of this invocation".to_owned(),
            })
        })
    }
}

impl Plan {
    /// Nothing was written after all, and `why` says so.
    fn untouched(self, why: String) -> Self {
        let outcome = Outcome {
            command: self.permit().map(|permit| permit.change().command.clone()),
            ..Outcome::of(OutcomeStatus::Refused, why)
        };
        self.with(outcome)
    }
}

#[cfg(test)]
mod tests;
