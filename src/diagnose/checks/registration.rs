//! Does Systems Manager know the node, and has it reported since?

use jiff::Timestamp;

use crate::cause::Cause;
use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckName, CheckResult, Observation, Subject};
use crate::diagnose::facts::Fetched;
use crate::finding::ErrorDetails;

const NAME: CheckName = CheckName::Registration;

/// The causes that may keep the agent from reporting.
pub const CAUSES: &[Cause] = &[
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
];

/// Whether the agent cannot report (UpdateInstanceInformation) while `cause` is
/// active, as the log tells it. Where its clock is wrong the times of the log are
/// too, and nothing is known to be later.
pub fn stops_reporting(cause: Cause, error_details: &ErrorDetails) -> bool {
    if !CAUSES.contains(&cause) || cause == Cause::ClockSkew {
        return false;
    }
    let to_ssm = || match (&error_details.action, error_details.service.as_deref()) {
        (Some(action), _) => action.eq_ignore_ascii_case("ssm:UpdateInstanceInformation"),
        (None, service) => service == Some("ssm"),
    };
    let by_what_it_hits = [
        Cause::PermissionMissing,
        Cause::EndpointPolicyDenies,
        Cause::EndpointUnreachable,
        Cause::DnsFailure,
        Cause::ProxyFailure,
        Cause::TlsFailure,
    ];
    !by_what_it_hits.contains(&cause) || to_ssm()
}

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let id = subject.instance;
    let registration = match subject.facts.registrations.get(id) {
        Some(Fetched::Found(registration)) => registration,
        Some(Fetched::Missing) => {
            let note = format!(
                "Systems Manager knows no node {id} in this account and Region: its agent has \
                 never registered, or was deregistered."
            );
            return CheckResult::new(NAME, CheckStatus::Failed, note, None);
        }
        Some(Fetched::Failed(why)) => {
            let note = format!("What Systems Manager knows of {id} could not be read: {why}.");
            return CheckResult::unknown(NAME, note);
        }
        None => return CheckResult::unknown(NAME, format!("{id} was not asked about.")),
    };
    let status = &registration.ping_status;
    let version = match &registration.agent_version {
        Some(version) => format!(", agent {version}"),
        None => String::new(),
    };
    let Some(last) = registration.last_ping else {
        let note = format!("Systems Manager lists {id} as {status}{version}, without a last ping.");
        return CheckResult::unknown(NAME, note);
    };
    let when = in_seconds(last);
    if last > subject.last {
        let note = format!(
            "{id} has reported to Systems Manager at {when}, after the newest of these lines \
             ({status}{version})."
        );
        return CheckResult::new(NAME, CheckStatus::Ok, note, Some(Observation::PingedSince));
    }
    let note = format!("{id} has last reported to Systems Manager at {when} ({status}{version}).");
    let is = |known: &str| status.eq_ignore_ascii_case(known);
    let status = if is("Online") {
        CheckStatus::Ok
    } else if is("ConnectionLost") || is("Inactive") {
        CheckStatus::Failed
    } else {
        CheckStatus::Unknown
    };
    CheckResult::new(NAME, status, note, None)
}

fn in_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
