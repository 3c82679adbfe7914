//! Is an instance profile attached, does it still exist, does it hold a role?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::diagnose::facts::Fetched;

const NAME: CheckName = CheckName::InstanceProfile;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let instance = match subject.existing_instance(NAME) {
        Ok(instance) => instance,
        Err(result) => return result,
    };
    let id = &instance.id;
    let failed = |note: String, observation| {
        CheckResult::new(NAME, CheckStatus::Failed, note, Some(observation))
    };
    let Some(attached) = &instance.profile else {
        return failed(
            format!("No instance profile is attached to {id}."),
            Observation::NoProfile,
        );
    };
    let name = &attached.name;
    let unread = |why: &str| {
        let note = format!("Could not look at the instance profile {name} of {id}: {why}.");
        CheckResult::new(
            NAME,
            CheckStatus::Unknown,
            note,
            Some(Observation::ProfileAttached),
        )
    };
    let profile = match subject.facts.profiles.get(name) {
        Some(Fetched::Found(profile)) => profile,
        Some(Fetched::Missing) => {
            return failed(
                format!("The instance profile {name}, attached to {id}, does not exist."),
                Observation::ProfileDeleted,
            );
        }
        Some(Fetched::Failed(why)) => return unread(why),
        None => return unread("it was not asked about"),
    };
    if is_profile_id(&attached.id) && is_profile_id(&profile.id) && attached.id != profile.id {
        return failed(
            format!(
                "The instance profile {name} was deleted and created again: {id} still holds \
                 {}, the profile of this name is {}.",
                attached.id, profile.id
            ),
            Observation::ProfileRecreated,
        );
    }
    match &profile.role {
        None => failed(
            format!("The instance profile {name} of {id} holds no role."),
            Observation::ProfileWithoutRole,
        ),
        Some(role) if role.tags == Fetched::Missing => failed(
            format!(
                "The role {} of the instance profile {name} of {id} does not exist.",
                role.name
            ),
            Observation::ProfileWithoutRole,
        ),
        Some(role) => {
            let note = format!(
                "{id} has the instance profile {name} with the role {}.",
                role.name
            );
            CheckResult::new(NAME, CheckStatus::Ok, note, Some(Observation::ProfileSound))
        }
    }
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
