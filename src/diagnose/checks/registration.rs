//! Does Systems Manager know the node, and has it reported since?

use crate::cause::Cause;
use crate::diagnose::check::{
    Check, CheckResult, CheckStatus, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{Facts, Fetched, known};
use crate::diagnose::result::capital;
use crate::finding::ErrorDetails;
use crate::node::NodeId;
use jiff::Timestamp;

pub(crate) const CHECK: Check = Check {
    name: "ssm-registration",
    question: Question::Reported,
    causes: CAUSES,
    needs: &[Query::Registration],
    uses: &[],
    observes: &[PINGED_SINCE],
    of_hybrid: OfHybrid::Also(|hybrid| reported(hybrid.id, hybrid.facts, hybrid.last)),
    evaluate,
};

/// The agent has reported since the newest evidence.
pub(crate) const PINGED_SINCE: Observation = Observation::refutes("pinged-since", &[]);

/// The causes that may keep the agent from reporting.
const CAUSES: &[Cause] = &[
    Cause::ImdsDisabled,
    Cause::ImdsUnreachable,
    Cause::NoInstanceProfile,
    Cause::StaleInstanceProfile,
    Cause::RoleNotAssumable,
    Cause::PermissionMissing,
    Cause::EndpointPolicyDenies,
    Cause::DhmcNotConfigured,
    Cause::DhmcRoleBroken,
    Cause::EndpointUnreachable,
    Cause::DnsFailure,
    Cause::ProxyFailure,
    Cause::TlsFailure,
    Cause::ClockSkew,
    Cause::CredentialsExpired,
    Cause::CredentialsInvalid,
    Cause::RegistrationInvalid,
    Cause::NodeSilent,
];

/// Whether the agent cannot report (UpdateInstanceInformation) while `cause` is
/// active, by the log. Where its clock is wrong the times of the log are too, and
/// nothing is known to be later.
pub(crate) fn stops_reporting(cause: Cause, error_details: &ErrorDetails) -> bool {
    if !CAUSES.contains(&cause) || cause == Cause::ClockSkew {
        return false;
    }
    let to_ssm = || match (&error_details.action, error_details.service.as_deref()) {
        (Some(action), _) => action.eq_ignore_ascii_case("ssm:UpdateInstanceInformation"),
        (None, service) => service == Some("ssm"),
    };
    let by_what_fails = [
        Cause::PermissionMissing,
        Cause::EndpointPolicyDenies,
        Cause::EndpointUnreachable,
        Cause::DnsFailure,
        Cause::ProxyFailure,
        Cause::TlsFailure,
    ];
    !by_what_fails.contains(&cause) || to_ssm()
}

/// The agent goes on reporting for hours while such a fault is active, on the
/// credentials that it still has: of the role that it had then, where the present
/// one is denied.
pub(crate) fn is_outlived(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ImdsDisabled
            | Cause::ImdsUnreachable
            | Cause::NoInstanceProfile
            | Cause::StaleInstanceProfile
            | Cause::RoleNotAssumable
            | Cause::PermissionMissing
            | Cause::DhmcNotConfigured
            | Cause::DhmcRoleBroken
            | Cause::RegistrationInvalid
    )
}

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let node = NodeId::Instance(subject.instance.clone());
    reported(&node, subject.facts, subject.last)
}

/// What Systems Manager knows of `id`, an instance or a hybrid node whose newest
/// evidence is of `evidence`.
pub(crate) fn reported(
    id: &NodeId,
    facts: &Facts,
    evidence: Timestamp,
) -> Result<CheckResult, CheckResult> {
    let read = facts.registrations.get(id);
    if read == Some(&Fetched::Missing) {
        return Ok(CheckResult::failed(format!(
            "Systems Manager has no node {id} in this account and Region: its agent never \
             registered, or it was deregistered."
        )));
    }
    let registration = known(read, &format!("the registration of {id}"))
        .map_err(|why| CheckResult::unknown(format!("{}.", capital(&why))))?;
    let status = &registration.ping_status;
    let version = registration.agent_version.as_ref();
    let version = version.map(|version| format!(", agent {version}"));
    let source = registration
        .source_type
        .as_ref()
        .filter(|_| id.instance().is_none());
    let source = source.map(|source| format!(", source type {source}"));
    let version: String = [version, source].into_iter().flatten().collect();
    let Some(last) = registration.last_ping else {
        return Err(CheckResult::unknown(format!(
            "Systems Manager lists {id} as {status}{version}, without a last ping."
        )));
    };
    let when = last.strftime("%Y-%m-%d %H:%M:%S UTC");
    if last > evidence {
        return Ok(CheckResult::ok(format!(
            "{id} reported to Systems Manager at {when}, after the newest of these lines \
             ({status}{version})."
        ))
        .observed(PINGED_SINCE));
    }
    let outcome = if registration.is_online() {
        CheckStatus::Ok
    } else if registration.is_lost() {
        CheckStatus::Failed
    } else {
        CheckStatus::Unknown
    };
    Ok(CheckResult::new(
        outcome,
        format!("{id} last reported to Systems Manager at {when} ({status}{version})."),
    ))
}
