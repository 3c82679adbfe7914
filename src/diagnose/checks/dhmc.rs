//! Is Default Host Management on, and can Systems Manager use its role?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::Fetched;
use crate::policy::{PolicyDecision, Service, may_assume};

const NAME: CheckName = CheckName::Dhmc;

/// What the setting holds while it is off.
const OFF: &str = "$None";

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let unknown = |why: &str| {
        let note = format!("Could not determine whether Default Host Management is on: {why}.");
        CheckResult::unknown(NAME, note)
    };
    let setting = match &subject.facts.dhmc_setting {
        Some(Fetched::Found(setting)) => setting.trim(),
        Some(Fetched::Missing) => return unknown("Systems Manager does not know it here"),
        Some(Fetched::Failed(why)) => return unknown(why),
        None => return unknown("it was not asked about"),
    };
    if setting.is_empty() || setting == OFF {
        let note = "Default Host Management is off in this account and Region.";
        return CheckResult::new(NAME, CheckStatus::Failed, note, Some(Observation::DhmcOff));
    }
    let name = setting.rsplit('/').next().unwrap_or(setting);
    let on = |status, what: String| {
        let note = format!("Default Host Management is on with the role {name}{what}.");
        CheckResult::new(NAME, status, note, Some(Observation::DhmcOn))
    };
    let failed = |what: &str| {
        let note = format!("Default Host Management names the role {name}, {what}.");
        let role = name.to_owned();
        CheckResult::failed(
            NAME,
            note,
            Observation::DhmcRoleUnusable,
            Fault::DhmcRole { role },
        )
    };
    match &subject.facts.dhmc_role {
        Some(Fetched::Missing) => failed("which does not exist"),
        Some(Fetched::Failed(why)) => on(
            CheckStatus::Unknown,
            format!(", which could not be read: {why}"),
        ),
        None => on(
            CheckStatus::Unknown,
            ", which was not asked about".to_owned(),
        ),
        Some(Fetched::Found(role)) => match may_assume(
            Service::SystemsManager,
            &role.trust_policy,
            subject.partition,
        ) {
            PolicyDecision::Allowed(_) => {
                let note = format!(
                    "Default Host Management is on, and its role {name} trusts Systems Manager."
                );
                CheckResult::new(NAME, CheckStatus::Ok, note, Some(Observation::DhmcSound))
            }
            PolicyDecision::Denied(_) | PolicyDecision::NotAllowed => {
                failed("which does not trust ssm.amazonaws.com")
            }
            PolicyDecision::Unclear(why) => on(
                CheckStatus::Unknown,
                format!("; could not determine whether it trusts Systems Manager: {why}"),
            ),
        },
    }
}
