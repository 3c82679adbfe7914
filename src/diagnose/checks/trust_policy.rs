//! May EC2 assume the role of the instance's own profile?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::policy::{PolicyDecision, Service, has_ours, may_assume, whom_it_allows};

const NAME: CheckName = CheckName::TrustPolicy;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let instance = match subject.existing_instance(NAME) {
        Ok(instance) => instance,
        Err(result) => return result,
    };
    let role = match subject.own_role(NAME, instance) {
        Ok(role) => role,
        Err(result) => return result,
    };
    let name = &role.name;
    let (policy, partition) = (&role.trust_policy, subject.partition);
    let failed = |why: String| {
        let note = format!("Role {name}: {why}.");
        CheckResult::new(
            NAME,
            CheckStatus::Failed,
            note,
            Some(Observation::TrustRefuses),
        )
    };
    match may_assume(Service::Ec2, policy, partition) {
        PolicyDecision::Allowed(at) => {
            let observation = match has_ours(policy) {
                Some(_) => Observation::TrustAllowsByRepair,
                None => Observation::TrustAllows,
            };
            let note = format!("The trust policy of the role {name} lets EC2 assume it ({at}).");
            CheckResult::new(NAME, CheckStatus::Ok, note, Some(observation))
        }
        PolicyDecision::Denied(at) => failed(format!("{} denies it to EC2", at.in_full())),
        PolicyDecision::NotAllowed => failed(format!(
            "no statement of the trust policy lets EC2 assume it; {}",
            whom_it_allows(Service::Ec2, policy, partition)
        )),
        PolicyDecision::Unclear(why) => CheckResult::unknown(
            NAME,
            format!("Could not determine whether EC2 may assume the role {name}: {why}."),
        ),
    }
}
