//! `enable-imds-endpoint`: switches the metadata endpoint of one instance on.

use std::time::Duration;

use super::action::Action;
use super::memory::RepairMemory;
use super::plan::{CurrentState, Plan, plan};
use super::task::{Task, in_time, poll_until_seen};
use super::verify::{self, Seen};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::ImdsFacts;
use crate::node::InstanceId;
use crate::repair::outcome::{Outcome, OutcomeStatus};

/// How long an accepted change may be `pending` before it counts as not seen.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a change may stay unseen whose answer was lost.
const PATIENCE_WHEN_LOST: Duration = Duration::from_secs(4);

/// Plans again on the instance as it is now.
///
/// # Errors
/// A sentence for the reader when it cannot be read: nothing is then written.
pub(super) async fn plan_again(
    instance: &InstanceId,
    task: Task<'_>,
    memory: &RepairMemory,
) -> Result<Plan, String> {
    let ids = std::slice::from_ref(instance);
    let read = task.clients.live.instances(ids);
    let instances = in_time("DescribeInstances", task.until, read)
        .await
        .map_err(|error| {
            format!(
                "The instance could not be read again right before the change, so nothing was changed. {}",
                verify::sentence(&error)
            )
        })?;
    let current = CurrentState {
        instances: &instances,
        role: None,
    };
    Ok(plan(
        task.incident,
        current,
        task.guardrails,
        memory,
        task.now,
    ))
}

/// Asks EC2 once with `DryRun`.
pub(super) async fn dry_run(instance: &InstanceId, action: &Action, task: Task<'_>) -> Outcome {
    let ask = task
        .clients
        .ec2
        .dry_run_enable_imds_endpoint(&task.clients.session, instance);
    let (status, detail) = match in_time("ModifyInstanceMetadataOptions", task.until, ask).await {
        Ok(()) => (
            OutcomeStatus::DryRun,
            "A dry run: EC2 would make the change. Nothing was changed.".to_owned(),
        ),
        Err(error) => (
            OutcomeStatus::Refused,
            format!("A dry run. {}", verify::refused(&error, action)),
        ),
    };
    Outcome {
        status,
        detail: Some(detail),
        command: Some(action.command(&task.guardrails.region)),
        undo: None,
    }
}

/// The one write, and what reading shows afterwards.
pub(super) async fn write(instance: &InstanceId, task: Task<'_>) -> (Result<(), CallError>, Seen) {
    let write = task
        .clients
        .ec2
        .enable_imds_endpoint(&task.clients.session, instance);
    let written = in_time("ModifyInstanceMetadataOptions", task.until, write).await;
    let patience = if written.is_ok() {
        PATIENCE
    } else {
        PATIENCE_WHEN_LOST
    };
    let seen = poll_until_seen(&written, patience, task.until, || async {
        let ids = std::slice::from_ref(instance);
        let read = in_time(
            "DescribeInstances",
            task.until,
            task.clients.live.instances(ids),
        )
        .await;
        verify::imds_seen(&read, instance.as_str())
    })
    .await;
    (written, seen)
}

/// What was done, for the reader.
pub(super) fn done(instance: &InstanceId, before: &ImdsFacts) -> String {
    let mut done = format!(
        "Switched the metadata endpoint of {instance} on and left its other metadata options as they were. The launch template and the account's defaults still decide for the next launch."
    );
    if !before.tokens_required {
        done.push_str(" HttpTokens is optional there, so the endpoint also answers requests without a token (IMDSv1); set it to required once everything on the instance uses tokens.");
    }
    done
}
