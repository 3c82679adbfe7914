//! `trust-ec2`: appends one statement to the trust policy of a role.

use std::time::Duration;

use super::action::Action;
use super::memory::RepairMemory;
use super::plan::{CurrentState, Guardrails, Plan, plan};
use super::task::{Task, in_time, poll_until_seen};
use super::verify::{self, Seen};
use crate::diagnose::call_error::CallError;
use crate::policy::{Edit, same_policy};
use crate::repair::outcome::{Outcome, OutcomeStatus};

/// How long IAM may go on giving the old policy.
const PATIENCE: Duration = Duration::from_secs(8);

/// The same when the answer to the write was lost.
const PATIENCE_WHEN_LOST: Duration = Duration::from_secs(4);

/// Reads the role right before the write and plans again on what it holds now.
///
/// # Errors
/// A sentence for the reader when the role cannot be read, or when its trust
/// policy is no longer the one that was judged: IAM knows no conditional
/// write, and sending the edit of an old policy would undo somebody's change.
pub(super) async fn plan_again(
    edit: &Edit,
    task: Task<'_>,
    memory: &RepairMemory,
) -> Result<Plan, String> {
    let read = task.clients.live.role(&task.incident.scope.id);
    let role = in_time("GetRole", task.until, read).await.map_err(|error| {
        format!(
            "The role could not be read again right before the change, so nothing was changed. {}",
            verify::sentence(&error)
        )
    })?;
    let current = CurrentState {
        instances: &task.incident.instances,
        role: Some(&role),
    };
    let again = plan(task.incident, current, task.guardrails, memory, task.now);
    let same = same_policy(&role.trust_policy, &edit.previous_document);
    if matches!(again, Plan::Repair(_)) && !same {
        return Err("Somebody changed the trust policy while it was being looked at, so nothing was written. The next batch of the same fault is judged on the new policy.".to_owned());
    }
    Ok(again)
}

/// IAM has no dry run: what would be appended is notified, and nothing is asked.
pub(super) fn dry_run(edit: &Edit, action: &Action, guardrails: &Guardrails) -> Outcome {
    Outcome {
        status: OutcomeStatus::DryRun,
        detail: Some(format!(
            "A dry run: this statement would be appended to the trust policy: {} IAM has no dry run, so it was not asked. Nothing was changed.",
            edit.statement
        )),
        command: Some(action.command(&guardrails.region)),
        undo: None,
    }
}

/// The one write, and what reading shows afterwards.
pub(super) async fn write(
    role: &str,
    edit: &Edit,
    task: Task<'_>,
) -> (Result<(), CallError>, Seen) {
    let write =
        task.clients
            .iam
            .update_trust_policy(&task.clients.session, role, &edit.new_document);
    let written = in_time("UpdateAssumeRolePolicy", task.until, write).await;
    let patience = if written.is_ok() {
        PATIENCE
    } else {
        PATIENCE_WHEN_LOST
    };
    let seen = poll_until_seen(&written, patience, task.until, || async {
        let read = in_time("GetRole", task.until, task.clients.live.role(role)).await;
        verify::trust_seen(&read, edit)
    })
    .await;
    (written, seen)
}

/// What was done, for the reader.
pub(super) fn done(role: &str, edit: &Edit) -> String {
    format!(
        "Appended the statement {} to the trust policy of the role {role}, so that EC2 may assume it; every other statement is as it was. EC2 takes it up when it next refreshes the credentials of an instance; associating the instance profile again, or stop and start, makes it at once. Whoever may pass this role to EC2 can now use its permissions on an instance.",
        edit.sid
    )
}
