//! What went wrong, each kind with the causes that it points at.

use super::{DenyReason, Failure, Service};
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

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $how:ident [$($cause:ident),*];)+) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            fn verdict(self) -> Verdict {
                match self { $(Self::$kind => $how(&[$(Cause::$cause),*])),+ }
            }
        }
    };
}

kinds! {
    /// The metadata service answered 403 with its own page.
    ImdsDisabled: decided [ImdsDisabled];
    /// 403 for the metadata address, without the page that the real service sends.
    ImdsForbiddenByOther: decided [ProxyFailure, ImdsDisabled];
    /// 403, with nothing that says who answered: a proxy's refusal reads the same.
    ImdsForbidden: open [ImdsDisabled, ProxyFailure];
    /// 401 for a request without a token. Rarely just an old agent: without its identity nothing works.
    ImdsTokenRequired: grave [AgentOutdated, ImdsUnreachable];
    /// 401 for a request with a token: the agent's age is not to blame.
    ImdsTokenRefused: open [ImdsUnreachable, ProxyFailure];
    /// The metadata service, or what answers in its place, answered 5xx.
    ImdsFault: open [ImdsUnreachable, ProxyFailure];
    ImdsUnreachable: decided [ImdsUnreachable, ImdsDisabled];
    /// No answer from the metadata service, its cause cut away.
    ImdsUnclear: open [ImdsUnreachable, ImdsDisabled, ProxyFailure];
    /// The metadata service answered that there is no role.
    NoRole: decided [NoInstanceProfile, StaleInstanceProfile];
    /// The metadata service names a role and has no credentials of it.
    RoleWithoutCredentials: open [StaleInstanceProfile, RoleNotAssumable, NoInstanceProfile];
    /// The metadata service named a role, so the instance has a profile with one; why its
    /// credentials did not come is not known here, or cut away.
    RoleCredentialsUnclear: open [RoleNotAssumable, StaleInstanceProfile, ImdsUnreachable, ImdsDisabled];
    /// The SDK's summary "no EC2 instance role found" with its cause cut away.
    NoRoleOrImds: open [NoInstanceProfile, ImdsDisabled, ImdsUnreachable, StaleInstanceProfile];
    RoleUnassumable: decided [RoleNotAssumable, StaleInstanceProfile];
    ProfileStale: decided [StaleInstanceProfile, NoInstanceProfile];
    /// Azure's metadata service gave no answer, or none of use.
    AzureMetadata: decided [ImdsUnreachable];
    /// Calls to the metadata address went to a proxy.
    ProxyCatchesImds: decided [ProxyFailure, ImdsUnreachable];
    Proxy: decided [ProxyFailure];
    /// Something else than AWS answered, with an HTTP status or a page.
    ProxyAnswer: decided [ProxyFailure];
    Dns: decided [DnsFailure];
    /// The host name itself is malformed: a typing error in the Region.
    HostName: decided [AgentConfigInvalid];
    /// Neither AWS nor the metadata service was called: nothing that the agent needs.
    OtherHost: decided [];
    ClockSkew: decided [ClockSkew];
    Tls: decided [TlsFailure];
    /// No answer on the port: dropped on the way.
    Blocked: decided [EndpointUnreachable];
    Refused: decided [EndpointUnreachable];
    /// The connection was not made; why is said in a language that is not known here.
    NotConnected: decided [EndpointUnreachable];
    NoRouteFromHost: decided [EndpointUnreachable];
    Reset: decided [EndpointUnreachable];
    TimedOut: decided [EndpointUnreachable];
    /// The limit of open files of the process, or of the host.
    TooManyOpenFiles: decided [HostMemory];
    /// "send request failed", its cause cut away.
    Unsent: open [EndpointUnreachable, DnsFailure, ProxyFailure, TlsFailure, ImdsUnreachable];
    /// The SDK gave up trying again, what failed each time cut away: an error after which it tries again.
    RetriesExhausted: open [EndpointUnreachable, DnsFailure, ProxyFailure, Throttled, ServiceError];
    /// The caller itself gave the request up.
    Canceled: decided [];
    AccessDenied: decided [PermissionMissing];
    /// Only the answer of the fallback: why the profile did not work is not in it.
    DhmcNotConfigured: open [DhmcNotConfigured, NoInstanceProfile, RoleNotAssumable, ImdsDisabled,
        ImdsUnreachable, StaleInstanceProfile, PermissionMissing];
    DhmcRoleBroken: decided [DhmcRoleBroken];
    OptInRequired: decided [PermissionMissing];
    /// ssmmessages answered "Unauthorized request".
    Unauthorized: open [PermissionMissing, CredentialsInvalid, ClockSkew];
    Throttled: decided [Throttled];
    Expired: decided [CredentialsExpired];
    TokenInvalid: decided [CredentialsInvalid];
    SignatureInvalid: decided [CredentialsInvalid, ClockSkew];
    /// None of the causes shows in such a line.
    NoCredentials: open [RoleNotAssumable, NoInstanceProfile, ImdsDisabled, ImdsUnreachable, StaleInstanceProfile];
    /// A credentials file or endpoint of the host itself failed.
    CredentialSource: open [RoleNotAssumable, NoInstanceProfile, ImdsDisabled, ImdsUnreachable, StaleInstanceProfile];
    /// What hands out the credentials of a task's or a pod's own role: no instance's role is asked.
    ContainerCredentials: open [RoleNotAssumable];
    NotRegistered: decided [RegistrationInvalid];
    Activation: decided [RegistrationInvalid];
    AlreadyRegistered: decided [RegistrationInvalid];
    Fingerprint: decided [RegistrationInvalid];
    InputInvalid: decided [AgentConfigInvalid];
    RegionMissing: decided [AgentConfigInvalid];
    /// A bundle of CA certificates that the SDK cannot use.
    CaBundle: grave [AgentConfigInvalid, TlsFailure];
    WrongEndpoint: decided [AgentConfigInvalid, EndpointUnreachable];
    DestinationMissing: decided [OutputFailure];
    ServiceError: decided [ServiceError];
    /// A service refused, with a code that is not known here.
    OtherRefusal: decided [];
    /// An answer that could not be read, its body cut away.
    Unreadable: open [ProxyFailure, ServiceError, EndpointUnreachable];
    DiskFull: decided [HostDiskFull];
    InotifyExhausted: decided [HostInotifyExhausted];
    ReadOnly: decided [HostReadOnly];
    /// The disk under a file fails, or the file system on it is damaged.
    DiskError: decided [HostReadOnly];
    /// The name of the file itself is malformed.
    BadPath: decided [];
    PermissionDenied: decided [HostPermission];
    OutOfMemory: decided [HostMemory];
    OutOfProcesses: decided [HostMemory, HostInotifyExhausted];
    Noexec: decided [HostNoexec];
    FileMissing: open [];
    Crash: decided [AgentCrash];
}

fn decided(causes: &[Cause]) -> Verdict {
    Verdict {
        decided: true,
        ..open(causes)
    }
}

fn grave(causes: &[Cause]) -> Verdict {
    Verdict {
        severity: Some(Severity::High),
        ..decided(causes)
    }
}

fn open(causes: &[Cause]) -> Verdict {
    Verdict {
        causes: causes.to_vec(),
        decided: false,
        severity: None,
    }
}

/// The causes of `failure`: those of its kind, by what was called. Without S3, KMS or
/// CloudWatch Logs only output is lost.
pub(crate) fn verdict(failure: &Failure) -> Verdict {
    let mut verdict = failure.kind.verdict();
    let output = failure.service.is_some_and(Service::is_output);
    match verdict.causes.as_slice() {
        _ if failure.kind == Kind::AccessDenied => return denied(failure, output),
        [Cause::DnsFailure] if output => verdict.causes.push(Cause::OutputFailure),
        [Cause::EndpointUnreachable] if output => verdict.causes.insert(0, Cause::OutputFailure),
        _ => return verdict,
    }
    verdict.severity = Some(Severity::Low);
    verdict
}

/// Calls of a node that has no credentials yet. They carry no IAM signature, so
/// that an endpoint policy sees no principal and none of its keys.
pub(crate) const UNSIGNED: &[&str] = &[
    "ssm:RegisterManagedInstance",
    "ssm:RequestManagedInstanceRoleToken",
    "ssm:UpdateManagedInstancePublicKey",
];

/// Whether nobody signed the denied call: no role can lack the permission for it.
fn is_unsigned(failure: &Failure) -> bool {
    let action = failure.action.as_deref().unwrap_or_default();
    failure.principal.is_none() && UNSIGNED.contains(&action)
}

fn denied(failure: &Failure, output: bool) -> Verdict {
    let by_endpoint = failure.reason == Some(DenyReason::VpcEndpointPolicy);
    if is_unsigned(failure) && by_endpoint {
        return decided(&[Cause::EndpointPolicyDenies]);
    }
    if is_unsigned(failure) && failure.reason.is_none() {
        // What the sentence around it points at.
        return open(&[]);
    }
    let mut causes = match failure.reason {
        Some(DenyReason::VpcEndpointPolicy) => {
            vec![Cause::EndpointPolicyDenies, Cause::PermissionMissing]
        }
        Some(_) => vec![Cause::PermissionMissing],
        None => vec![Cause::PermissionMissing, Cause::EndpointPolicyDenies],
    };
    // Only the health ping's permission, or one that is not known, stops the agent.
    let stops = (failure.action.as_deref())
        .is_none_or(|action| action.eq_ignore_ascii_case("ssm:UpdateInstanceInformation"));
    let mut severity = (!stops && !by_endpoint).then_some(Severity::Medium);
    if output {
        causes.insert(0, Cause::OutputFailure);
        severity = Some(Severity::Low);
    }
    Verdict {
        severity,
        ..decided(&causes)
    }
}
