//! A plan carried out: read live again, judge and gate once more, print the
//! audit line, write the least, and look whether it took effect.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::action::{Action, action_for};
use super::audit;
use super::conclude::{is_recurred, without_write};
use super::memory::{Attempt, RepairMemory};
use super::plan::{CurrentState, Guardrails, Permit, Plan, plan};
use super::verify::{self, Seen};
use super::{imds, trust_ec2};
use crate::aws::ec2::Ec2;
use crate::aws::iam::Iam;
use crate::aws::{LiveState, Retry, Session};
use crate::diagnose::call_error::CallError;
use crate::incident::group::Incident;
use crate::repair::outcome::{Outcome, OutcomeStatus};

/// No write begins with less time left than this: what is written must be
/// seen to take effect, and told.
pub const LEAST_TIME: Duration = Duration::from_secs(3);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What reads and writes live state.
#[derive(Debug)]
pub struct Clients {
    pub(super) session: Arc<Session>,
    pub(super) live: Arc<LiveState>,
    /// One attempt each: what became of it is settled by reading.
    pub(super) ec2: Ec2,
    pub(super) iam: Iam,
    audit: fn(&str) -> std::io::Result<()>,
}

impl Clients {
    /// No connection is made before the first call. `live` is what the checks
    /// read with. Audit lines go to standard output.
    pub fn new(session: Arc<Session>, live: Arc<LiveState>) -> Self {
        Self {
            session,
            live,
            ec2: Ec2::new(Retry::Never),
            iam: Iam::new(Retry::Never),
            audit: print,
        }
    }
}

/// One repair to be planned and, when every lock is open, carried out.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
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
pub async fn execute(task: Task<'_>, memory: &mut RepairMemory) -> (Plan, Outcome) {
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

/// The answer to one call, or that there was none in time.
pub(super) async fn in_time<T>(
    call: &'static str,
    until: Instant,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match timeout_at(until, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(CallError::NoAnswer {
            call,
            message: "no answer in the time of this invocation".to_owned(),
        }),
    }
}

/// Looks, and looks again, until the change is in effect or time is up, and
/// gives the last look. After a write that AWS refused there is nothing to see.
pub(super) async fn poll_until_seen<F: Future<Output = Seen>>(
    write: &Result<(), CallError>,
    patience: Duration,
    until: Instant,
    mut look: impl FnMut() -> F,
) -> Seen {
    if let Err(error) = write
        && !error.outcome_is_open()
    {
        return Seen::Unchanged;
    }
    let until = until.min(Instant::now() + patience);
    loop {
        let seen = look().await;
        if seen == Seen::InEffect || Instant::now() + PAUSE >= until {
            return seen;
        }
        sleep(PAUSE).await;
    }
}

/// Unlike `println!` this does not panic when nobody reads.
fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests;
