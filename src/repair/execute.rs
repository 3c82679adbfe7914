//! A plan carried out: read live again, judge and gate once more, print the
//! audit line, write the least, and look whether it took effect.

use std::time::Duration;

use tokio::time::Instant;

use super::action::{Action, action_for};
use super::audit;
use super::conclude::{is_recurred, without_write};
use super::memory::{Attempt, RepairMemory};
use super::plan::{CurrentState, Guardrails, Permit, Plan, plan};
use super::task::Task;
use super::verify;
use super::{imds, trust_ec2};
use crate::diagnose::call_error::CallError;
use crate::repair::outcome::{Outcome, OutcomeStatus};

/// No write begins with less time left than this: what is written must be
/// seen to take effect, and notified.
pub(crate) const LEAST_TIME: Duration = Duration::from_secs(3);

/// Plans the repair of an incident and, when every lock is open, carries it
/// out. What was written is in `memory` when this returns; tasks are to be
/// carried out one after another, so that the hourly cap counts them all.
pub(crate) async fn execute(task: Task<'_>, memory: &mut RepairMemory) -> (Plan, Outcome) {
    let (plan, outcome) = plan_and_perform(task, memory).await;
    if let Some(action) = action_for(task.incident.cause).filter(|_| is_recurred(&plan)) {
        memory.mark_undone(action, &task.incident.scope.id);
    }
    (plan, outcome)
}

async fn plan_and_perform(task: Task<'_>, memory: &mut RepairMemory) -> (Plan, Outcome) {
    let Task {
        incident,
        guardrails,
        ..
    } = task;
    let planned = plan(
        incident,
        CurrentState::of(incident),
        guardrails,
        memory,
        task.now,
    );
    let Plan::Repair(permit) = &planned else {
        let outcome = without_write(&planned, guardrails);
        return (planned, outcome);
    };
    if task.until.saturating_duration_since(Instant::now()) < LEAST_TIME {
        let why = "This invocation has no time left to make the change and to see it take effect. The next batch of the same fault leads to it.";
        let outcome = untouched(permit.action(), guardrails, why.to_owned());
        return (planned, outcome);
    }
    // Others repair too, and every lock is judged by what is there right now.
    let again = match permit.action() {
        Action::EnableImdsEndpoint { instance, .. } => {
            imds::plan_again(instance, task, memory).await
        }
        Action::TrustEc2 { edit, .. } => trust_ec2::plan_again(edit, task, memory).await,
    };
    let planned = match again {
        Ok(again) => again,
        Err(why) => {
            let outcome = untouched(permit.action(), guardrails, why);
            return (planned, outcome);
        }
    };
    let Plan::Repair(permit) = &planned else {
        let outcome = without_write(&planned, guardrails);
        return (planned, outcome);
    };
    let outcome = perform(permit, task, memory).await;
    (planned, outcome)
}

async fn perform(permit: &Permit, task: Task<'_>, memory: &mut RepairMemory) -> Outcome {
    let (key, guardrails) = (&task.incident.key, task.guardrails);
    // No trace, no change.
    let line = audit::line(permit, key, guardrails, task.now);
    if let Err(error) = (task.clients.audit)(&line) {
        let why = format!("The audit line could not be written ({error}), so nothing was changed.");
        return untouched(permit.action(), guardrails, why);
    }
    let mut outcome = write(permit, task, memory).await;
    let line = audit::outcome_line(permit, key, guardrails, task.now, &outcome);
    if let Err(error) = (task.clients.audit)(&line) {
        let detail = outcome.detail.get_or_insert_default();
        detail.push_str(&format!(
            " The audit line of this outcome could not be written ({error})."
        ));
    }
    outcome
}

async fn write(permit: &Permit, task: Task<'_>, memory: &mut RepairMemory) -> Outcome {
    let (action, guardrails) = (permit.action(), task.guardrails);
    if permit.is_dry_run() {
        return match action {
            Action::EnableImdsEndpoint { instance, .. } => {
                imds::dry_run(instance, action, task).await
            }
            Action::TrustEc2 { edit, .. } => trust_ec2::dry_run(edit, action, guardrails),
        };
    }
    let (write, seen) = match action {
        Action::EnableImdsEndpoint { instance, .. } => imds::write(instance, task).await,
        Action::TrustEc2 { role, edit } => trust_ec2::write(role, edit, task).await,
    };
    let (status, sentence) = verify::verdict_of_write(&write, &seen, action);
    let detail = if status == OutcomeStatus::Repaired {
        let done = match action {
            Action::EnableImdsEndpoint { instance, before } => imds::done(instance, before),
            Action::TrustEc2 { role, edit } => trust_ec2::done(role, edit),
        };
        format!("{done} {sentence}")
    } else {
        sentence
    };
    let outcome = Outcome {
        status,
        detail: Some(detail),
        command: Some(action.command(&guardrails.region)),
        undo: (status != OutcomeStatus::Failed).then(|| action.undo(&guardrails.region)),
    };
    if !matches!(write, Err(CallError::NotSent { .. })) {
        memory.record(Attempt {
            action: action.kind(),
            target: action.target().to_owned(),
            at: task.now,
            outcome: outcome.clone(),
            undone: false,
        });
    }
    outcome
}

/// Nothing was written after all, and `why` says so.
fn untouched(action: &Action, guardrails: &Guardrails, why: String) -> Outcome {
    Outcome {
        status: OutcomeStatus::Refused,
        detail: Some(why),
        command: Some(action.command(&guardrails.region)),
        undo: None,
    }
}

#[cfg(test)]
mod tests;
