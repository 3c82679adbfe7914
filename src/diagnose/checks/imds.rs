//! Is the instance metadata service switched on?

use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::diagnose::facts::{Fetched, ImdsDefaults};

const NAME: CheckName = CheckName::Imds;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let instance = match subject.existing_instance(NAME) {
        Ok(instance) => instance,
        Err(result) => return result,
    };
    let id = &instance.id;
    let Some(imds) = &instance.imds else {
        let note = format!("EC2 does not tell the metadata options of {id}.");
        return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
    };
    let pending = if imds.pending {
        ", a change of which is pending"
    } else {
        ""
    };
    if !imds.endpoint_enabled {
        let wanted_by = instance.imds_defaults.as_ref().map(wanted_by);
        let note = format!(
            "The metadata service of {id} is switched off (HttpEndpoint is disabled{pending}).{}",
            wanted_by.unwrap_or_default()
        );
        return CheckResult::new(
            NAME,
            CheckStatus::Failed,
            note,
            Some(Observation::ImdsDisabled),
        );
    }
    let tokens = if imds.tokens_required {
        "required"
    } else {
        "optional"
    };
    let hops = match imds.hop_limit {
        Some(limit) => format!(", hop limit {limit}"),
        None => String::new(),
    };
    let note = format!(
        "The metadata service of {id} is switched on \
         (HttpEndpoint enabled, HttpTokens {tokens}{hops}{pending})."
    );
    if imds.pending {
        // Until it is applied the metadata service may still be off ("State" in
        // the EC2 API reference, InstanceMetadataOptionsResponse).
        return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
    }
    CheckResult::new(NAME, CheckStatus::Ok, note, Some(Observation::ImdsEnabled))
}

/// Who wants the endpoint off, and whether switching it on lasts: a sentence
/// with a blank before it.
fn wanted_by(defaults: &Fetched<ImdsDefaults>) -> String {
    let defaults = match defaults {
        Fetched::Found(defaults) => defaults,
        Fetched::Missing => return String::new(),
        Fetched::Failed(why) => {
            return format!(
                " Could not determine whether the account's metadata defaults want it so: {why}."
            );
        }
    };
    let mut text = match (defaults.endpoint_enabled, defaults.declared) {
        (Some(false), true) => {
            " A declarative policy of the organization wants it so: the account's default for \
             this Region is disabled, and cannot be changed within the account."
        }
        (Some(false), false) => {
            " The account's default for this Region is disabled, too: instances that are launched \
             later have it off again until the default is changed."
        }
        (Some(true) | None, _) => {
            " The account's default for this Region does not switch it off: the launch of this \
             instance did, or somebody after it."
        }
    }
    .to_owned();
    if let Some(message) = &defaults.exception_message {
        text.push_str(&format!(" The declarative policy says: {message}"));
        if !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
    }
    if defaults.tokens_enforced {
        text.push_str(" The account enforces IMDSv2 (HttpTokensEnforced).");
    }
    text
}
