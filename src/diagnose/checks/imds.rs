//! Is the instance metadata service enabled?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, Observation, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{Fetched, ImdsDefaults, InstanceFacts};

pub(crate) const CHECK: Check = Check {
    name: "imds",
    question: Question::Credentials,
    causes: &[Cause::ImdsDisabled, Cause::ImdsUnreachable],
    needs: &[Query::Instance],
    uses: &[Query::ImdsDefaults, Query::LaunchTemplate],
    observes: &[DISABLED, ENABLED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

const DISABLED: Observation = Observation::confirms(
    "imds-disabled",
    Cause::ImdsDisabled,
    &[Cause::ImdsUnreachable],
);
pub(crate) const ENABLED: Observation =
    Observation::refutes("imds-enabled", &[Cause::ImdsDisabled]);

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let id = &instance.id;
    let Some(imds) = &instance.imds else {
        let note = format!("EC2 returned no metadata options of {id}.");
        return Err(CheckResult::unknown(note));
    };
    let pending = if imds.pending { ", change pending" } else { "" };
    if !imds.endpoint_enabled {
        let set_by = instance.imds_defaults.as_ref().map(set_by);
        let note = format!(
            "The metadata service of {id} is disabled (HttpEndpoint disabled{pending}).{}{}",
            set_by.unwrap_or_default(),
            launched_from(subject, instance)
        );
        return Ok(CheckResult::failed(note).observed(DISABLED));
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
        "The metadata service of {id} is enabled \
         (HttpEndpoint enabled, HttpTokens {tokens}{hops}{pending})."
    );
    Ok(if imds.pending {
        // Until it is applied the metadata service may still be off ("State" in
        // the EC2 API reference, InstanceMetadataOptionsResponse).
        CheckResult::unknown(note)
    } else {
        CheckResult::ok(note).observed(ENABLED)
    })
}

/// What an instance is replaced by has the options of its template: a sentence with a
/// blank before it.
fn launched_from(subject: &Subject<'_>, instance: &InstanceFacts) -> String {
    let Some(launched) = &instance.launch.template else {
        return String::new();
    };
    let (template, version) = launched;
    let sets = match subject.facts.templates.get(launched) {
        Some(Fetched::Found(Some(false))) => {
            "which disables it too: what is launched from it next has it disabled".to_owned()
        }
        Some(Fetched::Found(Some(true))) => {
            "which enables it: it was disabled after the launch".to_owned()
        }
        Some(Fetched::Found(None)) => "which leaves it to the defaults".to_owned(),
        Some(Fetched::Missing) => "which does not exist any more".to_owned(),
        Some(Fetched::Failed(why)) => {
            format!("whose metadata options could not be read: {why}")
        }
        None => "whose metadata options were not read".to_owned(),
    };
    format!(" It was launched from version {version} of the launch template {template}, {sets}.")
}

/// What set the endpoint to disabled, and whether enabling it lasts: a sentence
/// with a blank before it.
fn set_by(defaults: &Fetched<ImdsDefaults>) -> String {
    let defaults = match defaults {
        Fetched::Found(defaults) => defaults,
        Fetched::Missing => return String::new(),
        Fetched::Failed(why) => {
            return format!(" Could not determine the account's metadata defaults: {why}.");
        }
    };
    let mut text = match (defaults.endpoint_enabled, defaults.declared) {
        (Some(false), true) => {
            " A declarative policy of the organization sets it: the account default for this \
             Region is disabled and cannot be changed within the account."
        }
        (Some(false), false) => {
            " The account default for this Region is disabled too: instances that are launched \
             later have it disabled until the default is changed."
        }
        (Some(true) | None, _) => {
            " The account default for this Region does not disable it: it was disabled at launch \
             or later."
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
