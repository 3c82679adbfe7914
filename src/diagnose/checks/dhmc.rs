//! Is Default Host Management on, and can Systems Manager use its role?

use crate::cause::Cause;
use crate::diagnose::check::{
    Check, CheckResult, Fault, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{Facts, Fetched, known};
use crate::policy::{PolicyDecision, Service, may_assume};

pub(crate) const CHECK: Check = Check {
    name: "dhmc",
    question: Question::Credentials,
    causes: &[Cause::DhmcNotConfigured, Cause::DhmcRoleBroken],
    needs: &[Query::Dhmc],
    uses: &[],
    observes: &[ROLE_UNUSABLE, OFF, ON, SOUND],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// The role is missing or not Systems Manager's.
pub(crate) const ROLE_UNUSABLE: Observation = Observation::confirms(
    "dhmc-role-unusable",
    Cause::DhmcRoleBroken,
    &[Cause::DhmcNotConfigured],
);
/// A fault only of a node that has nothing else.
pub(crate) const OFF: Observation = Observation::refutes("dhmc-off", &[Cause::DhmcRoleBroken]);
/// It is on, whatever its role is worth.
const ON: Observation = Observation::refutes("dhmc-on", &[Cause::DhmcNotConfigured]);
/// It is on, and its role trusts Systems Manager.
pub(crate) const SOUND: Observation = Observation::refutes(
    "dhmc-sound",
    &[Cause::DhmcNotConfigured, Cause::DhmcRoleBroken],
);

/// What the setting holds while it is off.
const SETTING_OFF: &str = "$None";

/// Whether the setting was read and names a role.
pub(crate) fn is_on(facts: &Facts) -> bool {
    let setting = facts.dhmc_setting.as_ref().and_then(Fetched::found);
    setting.is_some_and(|setting| !is_off(setting))
}

fn is_off(setting: &str) -> bool {
    matches!(setting.trim(), "" | SETTING_OFF)
}

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let facts = subject.facts;
    let what = "whether Default Host Management is on";
    let setting = known(facts.dhmc_setting.as_ref(), "its service setting")
        .map_err(|why| CheckResult::undetermined(what, &why))?;
    let setting = setting.trim();
    if is_off(setting) {
        let note = "Default Host Management is off in this account and Region.";
        return Ok(CheckResult::failed(note).observed(OFF));
    }
    let name = setting.rsplit('/').next().unwrap_or(setting);
    let unclear = |why: &str| {
        let note = format!(
            "Default Host Management is on with the role {name}. Could not determine whether it \
             trusts Systems Manager: {why}."
        );
        CheckResult::unknown(note).observed(ON)
    };
    let failed = |what: &str| {
        let note = format!("Default Host Management names the role {name}, {what}.");
        let role = name.to_owned();
        CheckResult::failed(note)
            .observed(ROLE_UNUSABLE)
            .at(Fault::DhmcRole { role })
    };
    if facts.dhmc_role == Some(Fetched::Missing) {
        return Ok(failed("which does not exist"));
    }
    let role = known(facts.dhmc_role.as_ref(), "it").map_err(|why| unclear(&why))?;
    let decision = may_assume(
        Service::SystemsManager,
        &role.trust_policy,
        subject.partition,
    );
    Ok(match decision {
        PolicyDecision::Allowed(_) => CheckResult::ok(format!(
            "Default Host Management is on, and its role {name} trusts Systems Manager."
        ))
        .observed(SOUND),
        PolicyDecision::Denied(_) | PolicyDecision::NotAllowed => {
            failed("which does not trust ssm.amazonaws.com")
        }
        PolicyDecision::Unclear(why) => unclear(&why),
    })
}
