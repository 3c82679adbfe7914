//! Is an instance profile attached, does it still exist, does it contain a role?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, Observation, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{Fetched, known};
use crate::diagnose::result::capital;

pub(crate) const CHECK: Check = Check {
    name: "instance-profile",
    question: Question::Credentials,
    causes: &[
        Cause::NoInstanceProfile,
        Cause::StaleInstanceProfile,
        Cause::RoleNotAssumable,
        Cause::PermissionMissing,
    ],
    needs: &[Query::Instance, Query::Profile],
    uses: &[],
    observes: &[NONE, ATTACHED, DELETED, RECREATED, WITHOUT_ROLE, SOUND],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

pub(crate) const NONE: Observation = Observation::confirms(
    "no-profile",
    Cause::NoInstanceProfile,
    &[Cause::StaleInstanceProfile, Cause::RoleNotAssumable],
);
/// One is attached; it could not be read further.
pub(crate) const ATTACHED: Observation =
    Observation::refutes("profile-attached", &[Cause::NoInstanceProfile]);
/// The attached profile is deleted.
const DELETED: Observation = stale("profile-deleted");
/// A profile of this name exists, but not the one that is attached.
const RECREATED: Observation = stale("profile-recreated");
/// The attached profile contains no role, or one that is deleted.
const WITHOUT_ROLE: Observation = stale("profile-without-role");
/// Profile and role exist. EC2 does not say whether its association is fresh, so
/// that a stale one is not refuted.
pub(crate) const SOUND: Observation =
    Observation::refutes("profile-sound", &[Cause::NoInstanceProfile]);

const fn stale(name: &'static str) -> Observation {
    Observation::confirms(
        name,
        Cause::StaleInstanceProfile,
        &[Cause::NoInstanceProfile, Cause::RoleNotAssumable],
    )
}

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let id = &instance.id;
    let Some(attached) = &instance.profile else {
        let note = format!("No instance profile is attached to {id}.");
        return Ok(CheckResult::failed(note).observed(NONE));
    };
    let name = &attached.name;
    let read = subject.facts.profiles.get(name);
    if read == Some(&Fetched::Missing) {
        let note = format!("The instance profile {name}, attached to {id}, does not exist.");
        return Ok(CheckResult::failed(note).observed(DELETED));
    }
    let profile = known(read, &format!("the instance profile {name} of {id}"))
        .map_err(|why| CheckResult::unknown(format!("{}.", capital(&why))).observed(ATTACHED))?;
    if is_profile_id(&attached.id) && is_profile_id(&profile.id) && attached.id != profile.id {
        let note = format!(
            "The instance profile {name} was deleted and created again: {id} still has {}, the \
             profile of this name is {}.",
            attached.id, profile.id
        );
        return Ok(CheckResult::failed(note).observed(RECREATED));
    }
    Ok(match &profile.role {
        None => CheckResult::failed(format!(
            "The instance profile {name} of {id} contains no role."
        ))
        .observed(WITHOUT_ROLE),
        Some(role) if role.tags == Fetched::Missing => CheckResult::failed(format!(
            "The role {} of the instance profile {name} of {id} does not exist.",
            role.name
        ))
        .observed(WITHOUT_ROLE),
        Some(role) => CheckResult::ok(format!(
            "The instance profile {name} of {id} contains the role {}.",
            role.name
        ))
        .observed(SOUND),
    })
}

/// Only unique ids of instance profiles are compared ("IAM identifiers": the
/// prefix `AIPA`); some answers give an association's id in their place.
fn is_profile_id(id: &str) -> bool {
    id.len() >= 16
        && id.starts_with("AIPA")
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
