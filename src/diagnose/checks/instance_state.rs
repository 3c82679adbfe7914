//! Does the instance exist, and does it run?

use crate::cause::Cause;
use crate::diagnose::check::{
    Check, CheckResult, CheckStatus, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::Fetched;

pub(crate) const CHECK: Check = Check {
    name: "instance-state",
    question: Question::Running,
    // For the last five it gives role, subnet and VPC of a node, so that one
    // fault of many nodes is one incident.
    causes: &[
        Cause::ImdsDisabled,
        Cause::ImdsUnreachable,
        Cause::NoInstanceProfile,
        Cause::StaleInstanceProfile,
        Cause::RoleNotAssumable,
        Cause::PermissionMissing,
        Cause::EndpointPolicyDenies,
        Cause::EndpointUnreachable,
        Cause::DnsFailure,
    ],
    needs: &[Query::Instance],
    uses: &[],
    observes: &[UNKNOWN, GONE, STOPPED, UP],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// EC2 returned no such instance in this account and Region.
pub(crate) const UNKNOWN: Observation = Observation::refutes("instance-unknown", &[]);
/// Terminated or about to be.
pub(crate) const GONE: Observation = Observation::refutes("instance-gone", &[]);
/// Stopped or stopping.
pub(crate) const STOPPED: Observation = Observation::refutes("instance-stopped", &[]);
const UP: Observation = Observation::refutes("instance-up", &[]);

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let id = subject.instance;
    let instance = match subject.facts.instances.get(id) {
        Some(Fetched::Found(instance)) => instance,
        Some(Fetched::Missing) => {
            let note = format!(
                "EC2 returned no instance {id} in this account and Region: it was terminated more \
                 than an hour ago, or its log comes from another account or Region."
            );
            return Err(CheckResult::failed(note).observed(UNKNOWN));
        }
        Some(Fetched::Failed(_)) | None => subject.existing_instance()?,
    };
    let (status, observation) = match instance.state.as_str() {
        "running" | "pending" => (CheckStatus::Ok, Some(UP)),
        "stopped" | "stopping" => (CheckStatus::Failed, Some(STOPPED)),
        "terminated" | "shutting-down" => (CheckStatus::Failed, Some(GONE)),
        _ => (CheckStatus::Unknown, None),
    };
    let note = match &instance.managed_by {
        Some(manager) => format!("{id} is {} and managed by {manager}.", instance.state),
        None => format!("{id} is {}.", instance.state),
    };
    Ok(CheckResult {
        observation,
        ..CheckResult::new(status, note)
    })
}
