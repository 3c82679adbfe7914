//! Is the instance there, and does it run?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Sign, Subject};
use crate::diagnose::facts::Read;

const NAME: CheckName = CheckName::InstanceState;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let id = subject.instance;
    let instance = match subject.facts.instances.get(id) {
        Some(Read::Found(instance)) => instance,
        Some(Read::Missing) => {
            let note = format!(
                "EC2 knows no instance {id} in this account and Region: it was terminated more \
                 than an hour ago, or its log comes from elsewhere."
            );
            return CheckResult::new(NAME, CheckStatus::Failed, note, Some(Sign::InstanceUnknown));
        }
        Some(Read::Failed(why)) => {
            let note = format!("Could not look at {id}: {why}.");
            return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
        }
        None => {
            let note = format!("{id} was not asked about.");
            return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
        }
    };
    let (status, sign) = match instance.state.as_str() {
        "running" | "pending" => (CheckStatus::Ok, Some(Sign::InstanceUp)),
        "stopped" | "stopping" => (CheckStatus::Failed, Some(Sign::InstanceStopped)),
        "terminated" | "shutting-down" => (CheckStatus::Failed, Some(Sign::InstanceGone)),
        _ => (CheckStatus::Unknown, None),
    };
    let note = match &instance.managed_by {
        Some(manager) => format!("{id} is {} and managed by {manager}.", instance.state),
        None => format!("{id} is {}.", instance.state),
    };
    CheckResult::new(NAME, status, note, sign)
}
