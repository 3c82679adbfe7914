//! From a failure to the causes it points at.

use super::DenyReason;
use super::{Failure, Kind, Service};
use crate::cause::{Cause, Severity};

/// The causes a failure points at, likeliest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub causes: Vec<Cause>,
    /// Whether the text alone decides for the first; else the causes stand side by side.
    /// Decided for none: the error is certain, and its cause is not known here.
    pub decided: bool,
    /// Where it differs from the first cause's own severity.
    pub severity: Option<Severity>,
}

/// The causes of "no credentials": none of them shows in such a line.
pub(super) const NO_CREDENTIALS: [Cause; 5] = [
    Cause::RoleNotAssumable,
    Cause::NoInstanceProfile,
    Cause::ImdsDisabled,
    Cause::ImdsUnreachable,
    Cause::StaleInstanceProfile,
];

/// One table: what went wrong → what causes it.
pub(crate) fn verdict(failure: &Failure) -> Verdict {
    let decided = |causes: &[Cause]| Verdict {
        causes: causes.to_vec(),
        decided: true,
        severity: None,
    };
    let open = |causes: &[Cause]| Verdict {
        causes: causes.to_vec(),
        decided: false,
        severity: None,
    };
    match failure.kind {
        Kind::ImdsDisabled => decided(&[Cause::ImdsDisabled]),
        // A proxy's refusal reads the same.
        Kind::ImdsForbidden => open(&[Cause::ImdsDisabled, Cause::ProxyFailure]),
        Kind::ImdsForbiddenByOther => decided(&[Cause::ProxyFailure, Cause::ImdsDisabled]),
        // Rarely just an old agent: without its identity nothing works.
        Kind::ImdsTokenRequired => Verdict {
            severity: Some(Severity::High),
            ..decided(&[Cause::AgentOutdated, Cause::ImdsUnreachable])
        },
        // Every request carried a token: the agent's age is not to blame.
        Kind::ImdsTokenRefused | Kind::ImdsFault => {
            open(&[Cause::ImdsUnreachable, Cause::ProxyFailure])
        }
        Kind::AzureMetadata => decided(&[Cause::ImdsUnreachable]),
        Kind::RoleWithoutCredentials => open(&[
            Cause::StaleInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::NoInstanceProfile,
        ]),
        // The instance has a profile with a role.
        Kind::RoleCredentialsUnclear => open(&[
            Cause::RoleNotAssumable,
            Cause::StaleInstanceProfile,
            Cause::ImdsUnreachable,
            Cause::ImdsDisabled,
        ]),
        Kind::ImdsUnreachable => decided(&[Cause::ImdsUnreachable, Cause::ImdsDisabled]),
        Kind::ImdsUnclear => open(&[
            Cause::ImdsUnreachable,
            Cause::ImdsDisabled,
            Cause::ProxyFailure,
        ]),
        Kind::NoRole => decided(&[Cause::NoInstanceProfile, Cause::StaleInstanceProfile]),
        Kind::NoRoleOrImds => open(&[
            Cause::NoInstanceProfile,
            Cause::ImdsDisabled,
            Cause::ImdsUnreachable,
            Cause::StaleInstanceProfile,
        ]),
        Kind::RoleUnassumable => decided(&[Cause::RoleNotAssumable, Cause::StaleInstanceProfile]),
        Kind::ProfileStale => decided(&[Cause::StaleInstanceProfile, Cause::NoInstanceProfile]),
        Kind::ProxyCatchesImds => decided(&[Cause::ProxyFailure, Cause::ImdsUnreachable]),
        Kind::Proxy | Kind::ProxyAnswer => decided(&[Cause::ProxyFailure]),
        Kind::Dns => reach(failure, Cause::DnsFailure),
        Kind::HostName | Kind::RegionMissing | Kind::InputInvalid => {
            decided(&[Cause::AgentConfigInvalid])
        }
        Kind::ClockSkew => decided(&[Cause::ClockSkew]),
        Kind::Tls => decided(&[Cause::TlsFailure]),
        Kind::Blocked | Kind::Refused | Kind::NoRouteFromHost | Kind::Reset | Kind::TimedOut => {
            reach(failure, Cause::EndpointUnreachable)
        }
        Kind::TooManyOpenFiles => decided(&[Cause::HostMemory, Cause::HostInotifyExhausted]),
        Kind::Unsent => open(&[
            Cause::EndpointUnreachable,
            Cause::DnsFailure,
            Cause::ProxyFailure,
            Cause::TlsFailure,
            Cause::ImdsUnreachable,
        ]),
        // The errors after which the SDK tries again.
        Kind::RetriesExhausted => open(&[
            Cause::EndpointUnreachable,
            Cause::DnsFailure,
            Cause::ProxyFailure,
            Cause::Throttled,
            Cause::ServiceError,
        ]),
        // Whatever is behind it, none of the known causes shows.
        Kind::Canceled | Kind::OtherRefusal => decided(&[]),
        Kind::CaBundle => Verdict {
            severity: Some(Severity::High),
            ..decided(&[Cause::AgentConfigInvalid, Cause::TlsFailure])
        },
        Kind::AccessDenied => denied(failure),
        // Only the answer of the fallback: why the profile did not work is not in it.
        Kind::DhmcNotConfigured => open(&[
            Cause::DhmcNotConfigured,
            Cause::NoInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::ImdsDisabled,
            Cause::ImdsUnreachable,
            Cause::StaleInstanceProfile,
            Cause::PermissionMissing,
        ]),
        Kind::DhmcRoleBroken => decided(&[Cause::DhmcRoleBroken]),
        Kind::OptInRequired => decided(&[Cause::PermissionMissing]),
        Kind::Unauthorized => open(&[
            Cause::PermissionMissing,
            Cause::CredentialsInvalid,
            Cause::ClockSkew,
        ]),
        Kind::Throttled => decided(&[Cause::Throttled]),
        Kind::Expired => decided(&[Cause::CredentialsExpired]),
        Kind::TokenInvalid => decided(&[Cause::CredentialsInvalid]),
        Kind::SignatureInvalid => decided(&[Cause::CredentialsInvalid, Cause::ClockSkew]),
        Kind::NoCredentials | Kind::CredentialSource => open(&NO_CREDENTIALS),
        Kind::NotRegistered | Kind::Activation | Kind::AlreadyRegistered | Kind::Fingerprint => {
            decided(&[Cause::RegistrationInvalid])
        }
        Kind::WrongEndpoint => decided(&[Cause::AgentConfigInvalid, Cause::EndpointUnreachable]),
        Kind::DestinationMissing => decided(&[Cause::OutputFailure]),
        Kind::ServiceError => decided(&[Cause::ServiceError]),
        Kind::Unreadable => open(&[
            Cause::ProxyFailure,
            Cause::ServiceError,
            Cause::EndpointUnreachable,
        ]),
        Kind::DiskFull => decided(&[Cause::HostDiskFull]),
        Kind::InotifyExhausted => decided(&[Cause::HostInotifyExhausted]),
        Kind::ReadOnly => decided(&[Cause::HostReadOnly]),
        Kind::PermissionDenied => decided(&[Cause::HostPermission]),
        Kind::OutOfMemory => decided(&[Cause::HostMemory]),
        Kind::OutOfProcesses => decided(&[Cause::HostMemory, Cause::HostInotifyExhausted]),
        Kind::Noexec => decided(&[Cause::HostNoexec]),
        Kind::FileMissing => open(&[]),
        Kind::Crash => decided(&[Cause::AgentCrash]),
    }
}

/// A path that is cut hurts by the service at its end: without S3, KMS or
/// CloudWatch Logs only output is lost.
fn reach(failure: &Failure, cause: Cause) -> Verdict {
    let output = failure.service.is_some_and(Service::is_output);
    if output {
        let causes = if cause == Cause::EndpointUnreachable {
            vec![Cause::OutputFailure, Cause::EndpointUnreachable]
        } else {
            vec![cause, Cause::OutputFailure]
        };
        return Verdict {
            causes,
            decided: true,
            severity: Some(Severity::Low),
        };
    }
    Verdict {
        causes: vec![cause],
        decided: true,
        severity: None,
    }
}

fn denied(failure: &Failure) -> Verdict {
    let by_endpoint = failure.reason == Some(DenyReason::VpcEndpointPolicy);
    let mut causes = if by_endpoint {
        vec![Cause::EndpointPolicyDenies, Cause::PermissionMissing]
    } else if failure.reason.is_none() {
        vec![Cause::PermissionMissing, Cause::EndpointPolicyDenies]
    } else {
        vec![Cause::PermissionMissing]
    };
    if failure.service.is_some_and(Service::is_output) {
        causes.insert(0, Cause::OutputFailure);
        return Verdict {
            causes,
            decided: true,
            severity: Some(Severity::Low),
        };
    }
    // Only the health ping's permission, or one that cannot be told, stops the agent.
    let stops = match failure.action.as_deref() {
        Some(action) => action.eq_ignore_ascii_case("ssm:UpdateInstanceInformation"),
        None => true,
    };
    let severity = (!stops && !by_endpoint).then_some(Severity::Medium);
    Verdict {
        causes,
        decided: true,
        severity,
    }
}
