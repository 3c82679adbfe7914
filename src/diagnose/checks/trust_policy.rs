//! May EC2 assume the role of the instance's own profile?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::trust_policy::{self, Judgement};

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
    match trust_policy::judge(&role.trust_policy, subject.partition) {
        Judgement::Allowed { by } => {
            let observation = match trust_policy::has_ours(&role.trust_policy) {
                Some(_) => Observation::TrustAllowsByRepair,
                None => Observation::TrustAllows,
            };
            let note = format!("The trust policy of the role {name} lets EC2 assume it ({by}).");
            CheckResult::new(NAME, CheckStatus::Ok, note, Some(observation))
        }
        Judgement::NotAllowed { why, blocking: _ } => CheckResult::new(
            NAME,
            CheckStatus::Failed,
            format!("Role {name}: {}", as_clause(&why)),
            Some(Observation::TrustRefuses),
        ),
        Judgement::CannotJudge { because } => CheckResult::new(
            NAME,
            CheckStatus::Unknown,
            format!(
                "Whether EC2 may assume the role {name} cannot be judged: {}",
                as_clause(&because)
            ),
            None,
        ),
    }
}

/// A sentence that goes on after a colon.
pub(super) fn as_clause(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
