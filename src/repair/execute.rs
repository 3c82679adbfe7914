//! A plan carried out: read live again, judge and gate once more, print the
//! audit line, write the least, and look whether it took effect.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::audit;
use super::change::Seen;
use super::clients::Clients;
use super::locks::Guardrails;
use super::memory::{Attempt, RepairMemory};
use super::outcome::{Outcome, OutcomeStatus};
use super::plan::permit::Permit;
use super::plan::{Plan, plan};
use super::repairs::{Call, Repair, call};
use super::verify;
use crate::diagnose::call_error::CallError;
use crate::incident::group::Incident;

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
    /// Nothing runs on after this.
    pub until: Instant,
}

/// Plans the repair of an incident and, when every lock is open, carries it
/// out. What was written is in `memory` when this returns; tasks are to be
/// carried out one after another, so that the hourly cap counts them all.
pub(crate) async fn execute(task: Task<'_>, memory: &mut RepairMemory) -> Plan {
    let planned = plan(task.incident, task.guardrails, memory, task.now);
    let Some(repair) = Repair::of(task.incident.cause) else {
        return planned;
    };
    let plan = task.carry_out(planned, repair, memory).await;
    if plan.is_recurred() {
        memory.mark_undone(repair.name, &task.incident.scope.id);
    }
    plan
}

impl Task<'_> {
    async fn carry_out(self, planned: Plan, repair: &Repair, memory: &mut RepairMemory) -> Plan {
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
            return again;
        };
        if !(repair.still_holds)(&first, permit.change()) {
            return planned.untouched(format!(
                "Somebody changed the {} while it was being looked at, so nothing was written. The next batch of the same fault is judged on the new one.",
                repair.subject
            ));
        }
        // No trace, no change.
        let audit = |outcome: Option<&Outcome>| {
            let (key, now) = (&self.incident.key, self.now);
            (self.clients.audit)(&audit::line(&permit, key, self.guardrails, now, outcome))
        };
        if let Err(error) = audit(None) {
            return again.untouched(format!(
                "The audit line could not be written ({error}), so nothing was changed."
            ));
        }
        let mut outcome = match permit.is_dry_run() {
            true => self.dry_run(repair, &permit).await,
            false => self.write(repair, &permit, fresh, memory).await,
        };
        if let Err(error) = audit(Some(&outcome)) {
            let detail = outcome.detail.get_or_insert_default();
            detail.push_str(&format!(
                " The audit line of this outcome could not be written ({error})."
            ));
        }
        again.with(outcome)
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
    async fn write(
        self,
        repair: &Repair,
        permit: &Permit,
        mut incident: Incident,
        memory: &mut RepairMemory,
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
        if !matches!(written, Err(CallError::NotSent { .. })) {
            memory.record(Attempt {
                action: repair.name,
                target: change.target.clone(),
                at: self.now,
                outcome: outcome.clone(),
                undone: false,
            });
        }
        outcome
    }

    async fn read(self, repair: &Repair, incident: &mut Incident) -> Result<(), CallError> {
        self.in_time(repair.reads, (repair.read)(incident, self.clients))
            .await
    }

    async fn send(self, repair: &Repair, permit: &Permit) -> Result<(), CallError> {
        self.in_time(repair.writes, (repair.write)(permit, self.clients))
            .await
    }

    /// The answer to one call, or that there was none in time.
    async fn in_time(self, action: &'static str, answer: Call<'_>) -> Result<(), CallError> {
        timeout_at(self.until, answer).await.unwrap_or_else(|_| {
            Err(CallError::NoAnswer {
                call: call(action),
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
