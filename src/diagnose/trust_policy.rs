//! May EC2 assume the role of the instance's own profile?

use super::check::{CheckName, CheckResult, Sign, Subject};
use super::facts::Read;
use crate::report::CheckStatus;
use crate::trust_policy::{self, Judgement};

const NAME: CheckName = CheckName::TrustPolicy;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let instance = match subject.standing_instance(NAME) {
        Ok(instance) => instance,
        Err(result) => return result,
    };
    let Some(role) = subject.facts.role_of(instance) else {
        let profile = instance.profile.as_ref();
        let unread = profile.is_some_and(|profile| {
            !matches!(
                subject.facts.profiles.get(&profile.name),
                Some(Read::Found(_) | Read::Missing)
            )
        });
        let (status, note) = if unread {
            (
                CheckStatus::Unknown,
                format!("The role of {} could not be found out.", instance.id),
            )
        } else {
            (
                CheckStatus::Skipped,
                format!("{} has no role to judge.", instance.id),
            )
        };
        return CheckResult::new(NAME, status, note, None);
    };
    let name = &role.name;
    if role.tags == Read::Missing {
        let note = format!("The role {name} does not exist.");
        return CheckResult::new(NAME, CheckStatus::Skipped, note, None);
    }
    match trust_policy::judge(&role.trust_policy, subject.partition) {
        Judgement::Allowed { by } => {
            let sign = match trust_policy::has_ours(&role.trust_policy) {
                Some(_) => Sign::TrustAllowsByRepair,
                None => Sign::TrustAllows,
            };
            let note = format!("The trust policy of the role {name} lets EC2 assume it ({by}).");
            CheckResult::new(NAME, CheckStatus::Ok, note, Some(sign))
        }
        Judgement::NotAllowed { why, blocking: _ } => CheckResult::new(
            NAME,
            CheckStatus::Failed,
            format!("Role {name}: {}", as_clause(&why)),
            Some(Sign::TrustRefuses),
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
fn as_clause(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
