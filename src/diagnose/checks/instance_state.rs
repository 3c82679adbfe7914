//! Is the instance there, and does it run?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::diagnose::facts::Fetched;

const NAME: CheckName = CheckName::InstanceState;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let id = subject.instance;
    let instance = match subject.facts.instances.get(id) {
        Some(Fetched::Found(instance)) => instance,
        Some(Fetched::Missing) => {
            let note = format!(
                "EC2 knows no instance {id} in this account and Region: it was terminated more \
                 than an hour ago, or its log comes from elsewhere."
            );
            return CheckResult::new(
                NAME,
                CheckStatus::Failed,
                note,
                Some(Observation::InstanceUnknown),
            );
        }
        Some(Fetched::Failed(why)) => {
            let note = format!("Could not look at {id}: {why}.");
            return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
        }
        None => {
            let note = format!("{id} was not asked about.");
            return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
        }
    };
    let (status, observation) = match instance.state.as_str() {
        "running" | "pending" => (CheckStatus::Ok, Some(Observation::InstanceUp)),
        "stopped" | "stopping" => (CheckStatus::Failed, Some(Observation::InstanceStopped)),
        "terminated" | "shutting-down" => (CheckStatus::Failed, Some(Observation::InstanceGone)),
        _ => (CheckStatus::Unknown, None),
    };
    let note = match &instance.managed_by {
        Some(manager) => format!("{id} is {} and managed by {manager}.", instance.state),
        None => format!("{id} is {}.", instance.state),
    };
    CheckResult::new(NAME, status, note, observation)
}
