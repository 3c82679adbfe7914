//! The error text inside a record, understood as structure: which service,
//! what went wrong, who was denied what and why.
//!
//! The agent wraps the errors of the AWS SDK for Go, of Go's network stack, of
//! the metadata service and of proxies into its own sentences. Whatever the
//! sentence, the error inside decides, and the deepest one decides most.

mod address;
pub(crate) mod address_class;
mod answer;
mod denial;
mod judge;
mod phrase;

pub(crate) use address::Service;
pub(crate) use denial::{Denied, DenyReason, Principal};
pub(crate) use judge::verdict;

use std::net::IpAddr;

use self::answer::{Answer, Answerer};
use crate::node::{AccountId, Region};

/// One error, as far as its text tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub kind: Kind,
    pub code: Option<&'static str>,
    pub host: Option<String>,
    pub service: Option<Service>,
    pub region: Option<Region>,
    /// The address that was dialled.
    pub remote_ip: Option<IpAddr>,
    /// `ssm:UpdateInstanceInformation`.
    pub action: Option<String>,
    pub role: Option<String>,
    pub account: Option<AccountId>,
    pub resource: Option<String>,
    pub reason: Option<DenyReason>,
    /// Who was denied.
    pub principal: Option<Principal>,
    /// Every denied call of the text; empty for another kind of failure.
    pub denied: Vec<Denied>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The metadata service answered 403 with its own page.
    ImdsDisabled,
    /// 403 for the metadata address, without the page that the real service sends.
    ImdsForbiddenByOther,
    /// 403, with nothing that tells who answered.
    ImdsForbidden,
    /// 401 for a request without a token.
    ImdsTokenRequired,
    /// 401 for a request with a token.
    ImdsTokenRefused,
    /// The metadata service, or what answers in its place, answered 5xx.
    ImdsFault,
    ImdsUnreachable,
    /// No answer from the metadata service, its cause cut away.
    ImdsUnclear,
    /// The metadata service answered that there is no role.
    NoRole,
    /// The metadata service names a role and has no credentials of it.
    RoleWithoutCredentials,
    /// The metadata service named a role; why its credentials did not come is not
    /// known here, or cut away.
    RoleCredentialsUnclear,
    /// The SDK's summary "no EC2 instance role found" with its cause cut away.
    NoRoleOrImds,
    RoleUnassumable,
    ProfileStale,
    /// Azure's metadata service gave no answer, or none of use.
    AzureMetadata,
    /// Calls to the metadata address went to a proxy.
    ProxyCatchesImds,
    Proxy,
    /// Something else than AWS answered, with an HTTP status or a page.
    ProxyAnswer,
    Dns,
    /// The host name itself is malformed: a typing error in the Region.
    HostName,
    ClockSkew,
    Tls,
    /// No answer on the port: dropped on the way.
    Blocked,
    Refused,
    NoRouteFromHost,
    Reset,
    TimedOut,
    TooManyOpenFiles,
    /// "send request failed", its cause cut away.
    Unsent,
    /// The SDK gave up trying again, what failed each time cut away.
    RetriesExhausted,
    /// The caller itself gave the request up.
    Canceled,
    AccessDenied,
    DhmcNotConfigured,
    DhmcRoleBroken,
    OptInRequired,
    /// ssmmessages answered "Unauthorized request".
    Unauthorized,
    Throttled,
    Expired,
    TokenInvalid,
    SignatureInvalid,
    NoCredentials,
    /// A credentials file or endpoint of the host itself failed.
    CredentialSource,
    NotRegistered,
    Activation,
    AlreadyRegistered,
    Fingerprint,
    InputInvalid,
    RegionMissing,
    /// A bundle of CA certificates that the SDK cannot use.
    CaBundle,
    WrongEndpoint,
    DestinationMissing,
    ServiceError,
    /// A service refused, with a code that is not known here.
    OtherRefusal,
    /// An answer that could not be read, its body cut away.
    Unreadable,
    DiskFull,
    InotifyExhausted,
    ReadOnly,
    PermissionDenied,
    OutOfMemory,
    OutOfProcesses,
    Noexec,
    FileMissing,
    Crash,
}

/// Reads the error inside `flat`, the record's text on one line
/// ([`crate::record::Record::flat`]). `None` when it holds no error known here.
pub(crate) fn read(flat: &str) -> Option<Failure> {
    use phrase::Phrase as M;
    let seen = phrase::PhraseSet::scan(flat);
    let address = seen.find(M::Url, || address::last_address(flat));
    let answer = seen.find(M::Status, || Answer::last(flat));
    if seen.is_empty() && address.is_none() && answer.is_none() {
        return None;
    }
    let kind = kind(flat, &seen, address.as_ref(), answer.as_ref())?;
    let denial = (seen.find(M::Denial, || Some(denial::read(flat)))).unwrap_or_default();
    let (host, service, region) = match address {
        Some(address) => (Some(address.host), address.service, address.region),
        None => (None, None, None),
    };
    let service = match kind {
        Kind::AzureMetadata => Some(Service::AzureMetadata),
        _ => service,
    };
    // A URL is nearer to the error than the call around it.
    let call = seen.find(M::Call, || answer::call(flat));
    let call = call.filter(|call| service.is_none_or(|one| one == call.service));
    let first = denial.denied.first().cloned().unwrap_or_default();
    let action = first
        .action
        .or_else(|| call.as_ref().and_then(|call| call.action.clone()));
    let service = service
        .or_else(|| action.as_deref().and_then(Service::of_action))
        .or_else(|| call.map(|call| call.service))
        // Only S3 answers with a host id beside the request id.
        .or_else(|| answer.filter(|answer| answer.host_id).map(|_| Service::S3));
    Some(Failure {
        kind,
        code: seen.code(),
        host,
        service,
        region: region.or(denial.region),
        remote_ip: address::remote_ip(flat),
        action,
        role: (denial.role).or_else(|| seen.find(M::Assume, || denial::unassumable_role(flat))),
        account: denial.account,
        resource: first.resource,
        reason: first.reason,
        principal: denial.principal,
        denied: if kind == Kind::AccessDenied {
            denial.denied
        } else {
            Vec::new()
        },
    })
}

/// The order of the tests matters: a proxy wraps whatever is inside it, DNS
/// errors contain "i/o timeout", a wrong clock shows as a certificate error.
fn kind(
    flat: &str,
    seen: &phrase::PhraseSet,
    address: Option<&address::Address>,
    answer: Option<&Answer<'_>>,
) -> Option<Kind> {
    use phrase::Phrase as M;
    if seen.has(M::AssumeRoleUnauthorized) || seen.has(M::CannotAssumeRole) {
        return Some(Kind::RoleUnassumable);
    }
    if seen.has(M::ProfileNotFound) || seen.has(M::ProfileWithoutRole) {
        return Some(Kind::ProfileStale);
    }
    // The SDK's own configuration failed: whatever it was to call is not to blame.
    if seen.has(M::CaBundle) {
        return Some(Kind::CaBundle);
    }
    let to_azure = address.is_some_and(|address| address.service == Some(Service::AzureMetadata));
    if to_azure || seen.has(M::AzureMetadata) {
        return Some(Kind::AzureMetadata);
    }
    let to_imds = address.is_some_and(|address| address.service == Some(Service::Metadata));
    if seen.has(M::ProxyConnect) {
        return Some(if to_imds {
            Kind::ProxyCatchesImds
        } else {
            Kind::Proxy
        });
    }
    // Credentials that the host itself hands out: no service of AWS was called yet.
    if address.is_some_and(|address| address::hands_out_credentials(&address.host)) {
        return Some(Kind::CredentialSource);
    }
    if let Some(kind) = network(flat, seen, address) {
        let local = matches!(kind, Kind::TooManyOpenFiles | Kind::ProxyAnswer);
        return Some(if to_imds && !local {
            Kind::ImdsUnreachable
        } else {
            kind
        });
    }
    if to_imds && (seen.has(M::SendRequestFailed) || seen.has(M::ContextDeadline)) {
        return Some(Kind::ImdsUnreachable);
    }
    imds(flat, seen, answer)
        .or_else(|| service(seen, answer))
        .or_else(|| host(seen))
        .or_else(|| unanswered(flat, seen, address, answer))
}

/// A request that got no answer, or one that says nothing known.
fn unanswered(
    flat: &str,
    seen: &phrase::PhraseSet,
    address: Option<&address::Address>,
    answer: Option<&Answer<'_>>,
) -> Option<Kind> {
    use phrase::Phrase as M;
    let sent = address.is_some()
        || answer.is_some()
        || seen.find(M::Call, || answer::call(flat)).is_some();
    if sent && seen.has(M::ContextDeadline) {
        return Some(Kind::TimedOut);
    }
    if sent && seen.has(M::Canceled) {
        return Some(Kind::Canceled);
    }
    if seen.has(M::SendRequestFailed) {
        return Some(Kind::Unsent);
    }
    if seen.has(M::RetriesExhausted) {
        return Some(Kind::RetriesExhausted);
    }
    match answer {
        Some(answer) => by_status(answer),
        // Go ends a request that got no answer with what it met: here nothing known.
        None => address
            .filter(|address| flat[address.end..].starts_with("\": "))
            .map(|_| Kind::Unsent),
    }
}

/// What the status alone says where no code is known.
fn by_status(answer: &Answer<'_>) -> Option<Kind> {
    Some(match answer.status {
        0..300 => return None,
        407 => Kind::ProxyAnswer,
        _ if answer.is_foreign() => Kind::ProxyAnswer,
        429 => Kind::Throttled,
        500.. if answer.request_id.is_some() => Kind::ServiceError,
        500.. => Kind::Unreadable,
        // A service refused, with a code that is not known here.
        _ if answer.request_id.is_some() || answer.by == Some(Answerer::Aws) => Kind::OtherRefusal,
        _ => return None,
    })
}

fn network(
    flat: &str,
    seen: &phrase::PhraseSet,
    address: Option<&address::Address>,
) -> Option<Kind> {
    use phrase::Phrase as M;
    if let Some(tail) = address.map(|address| &flat[address.end..])
        && address::is_bare_status(tail)
    {
        return Some(Kind::ProxyAnswer);
    }
    // The name could not be asked for either: the host has no descriptor left.
    if seen.has(M::SocketFiles) || seen.has(M::Lookup) && seen.has(M::TooManyFiles) {
        return Some(Kind::TooManyOpenFiles);
    }
    if seen.has(M::Lookup)
        && seen.any(&[
            M::NoSuchHost,
            M::ServerMisbehaving,
            M::TemporaryDns,
            M::Getaddrinfo,
            M::IoTimeout,
            M::LookupRefused,
        ])
    {
        let mistyped =
            address.is_some_and(|address| address.host.contains('%')) || flat.contains(".xn--");
        return Some(if mistyped { Kind::HostName } else { Kind::Dns });
    }
    if seen.any(&[M::DialLookup, M::NoSuchHost, M::Getaddrinfo]) {
        return Some(Kind::Dns);
    }
    if seen.has(M::X509) {
        return Some(
            if seen.has(M::CertificateDates) && flat.contains(" is before ") {
                Kind::ClockSkew
            } else {
                Kind::Tls
            },
        );
    }
    if seen.any(&[
        M::TlsHandshakeTimeout,
        M::RemoteTls,
        M::NotTls,
        M::HttpToHttps,
        M::TlsHandshakeFailure,
        M::TlsLibrary,
    ]) {
        return Some(Kind::Tls);
    }
    if seen.any(&[M::DialTcp, M::ReadTcp, M::WriteTcp, M::ConnectEx]) {
        if seen.any(&[M::ConnectionRefused, M::ActivelyRefused]) {
            return Some(Kind::Refused);
        }
        if seen.any(&[
            M::NoRouteToHost,
            M::NetworkUnreachable,
            M::CannotAssign,
            M::InvalidArgument,
            M::UnreachableNetworkWindows,
            M::ConnectDenied,
        ]) {
            return Some(Kind::NoRouteFromHost);
        }
        if seen.any(&[
            M::IoTimeout,
            M::ConnectionTimedOut,
            M::DidNotRespond,
            M::ContextDeadline,
        ]) {
            return Some(Kind::Blocked);
        }
        if seen.any(&[
            M::ConnectionReset,
            M::BrokenPipe,
            M::ClosedConnection,
            M::ForciblyClosed,
        ]) {
            return Some(Kind::Reset);
        }
    }
    if seen.any(&[M::ClientTimeout, M::HeadersTimeout]) {
        return Some(Kind::TimedOut);
    }
    if seen.has(M::Http2Closed) {
        return Some(Kind::Reset);
    }
    if let Some(address) = address {
        let tail = flat[address.end..].trim_start_matches(['"', ':', ' ']);
        if tail.starts_with("EOF")
            || tail.starts_with("unexpected EOF")
            || seen.any(&[M::ConnectionReset, M::BrokenPipe])
        {
            return Some(Kind::Reset);
        }
        if tail.starts_with("context deadline exceeded") {
            return Some(Kind::TimedOut);
        }
    }
    None
}

/// The metadata service and the credentials that come from it. The SDK heads every
/// failure of the role listing "no EC2 … role found": what answered, and how, decides.
fn imds(flat: &str, seen: &phrase::PhraseSet, answer: Option<&Answer<'_>>) -> Option<Kind> {
    use phrase::Phrase as M;
    let metadata = seen.any(&[M::MetadataError, M::MetadataAddress, M::MetadataCall])
        || answer.is_some_and(|answer| answer.by == Some(Answerer::Metadata));
    let status = answer
        .filter(|answer| metadata && answer.by != Some(Answerer::Aws))
        .map_or(0, |answer| answer.status);
    if metadata && (status == 403 || seen.has(M::Forbidden403)) {
        return Some(if seen.has(M::ForbiddenPage) {
            Kind::ImdsDisabled
        } else if flat.contains("EC2Metadata request status code: 403") {
            Kind::ImdsForbiddenByOther
        } else {
            Kind::ImdsForbidden
        });
    }
    if metadata && (status == 401 || seen.any(&[M::Unauthorized401, M::UnauthorizedPage])) {
        // The second generation asks with a token or not at all.
        return Some(if seen.has(M::MetadataCall) {
            Kind::ImdsTokenRefused
        } else {
            Kind::ImdsTokenRequired
        });
    }
    if status == 407 {
        return Some(Kind::ProxyCatchesImds);
    }
    if seen.has(M::EmptyRoleList) {
        return Some(Kind::NoRole);
    }
    let of_role = seen.any(&[M::RoleRequestError, M::NoInstanceRole, M::NamedRole]);
    if of_role && (status == 404 || seen.has(M::NotFoundPage)) && !seen.has(M::TokenFallback) {
        return Some(if seen.has(M::NoInstanceRole) {
            Kind::NoRole
        } else {
            Kind::RoleWithoutCredentials
        });
    }
    let timed_out = seen.has(M::ContextDeadline);
    if status >= 500 && seen.has(M::MetadataCall) {
        return Some(Kind::ImdsFault);
    }
    if seen.has(M::MetadataCall) {
        return Some(if timed_out {
            Kind::ImdsUnreachable
        } else {
            Kind::ImdsUnclear
        });
    }
    if of_role {
        return Some(if metadata && seen.has(M::TokenFallback) {
            Kind::ImdsUnreachable
        } else if seen.has(M::NamedRole) && !seen.has(M::NoInstanceRole) {
            Kind::RoleCredentialsUnclear
        } else {
            Kind::NoRoleOrImds
        });
    }
    if seen.has(M::TokenFallback) || seen.has(M::InstanceIdFromImds) {
        return Some(if timed_out {
            Kind::ImdsUnreachable
        } else {
            Kind::ImdsUnclear
        });
    }
    None
}

/// Answers of AWS services, by their codes.
fn service(seen: &phrase::PhraseSet, answer: Option<&Answer<'_>>) -> Option<Kind> {
    use phrase::Phrase as M;
    let table: [(&[M], Kind); 21] = [
        (&[M::DhmcNotConfigured], Kind::DhmcNotConfigured),
        (&[M::CouldNotAssumeRole], Kind::DhmcRoleBroken),
        (
            &[
                M::SignatureExpired,
                M::SignatureNotYetCurrent,
                M::RequestExpired,
                M::TimeTooSkewed,
            ],
            Kind::ClockSkew,
        ),
        (
            &[
                M::Throttling,
                M::RateExceeded,
                M::ThrottledText,
                M::TooManyRequests,
                M::SlowDown,
            ],
            Kind::Throttled,
        ),
        (&[M::ExpiredToken, M::SharedCredsExpired], Kind::Expired),
        (&[M::TokenInvalid], Kind::TokenInvalid),
        (&[M::SignatureInvalid], Kind::SignatureInvalid),
        (&[M::OptInRequired], Kind::OptInRequired),
        (&[M::UnknownOperation], Kind::WrongEndpoint),
        (&[M::AccessDenied, M::NotAuthorized], Kind::AccessDenied),
        (&[M::UnauthorizedRequest], Kind::Unauthorized),
        (&[M::FingerprintMismatch], Kind::Fingerprint),
        (
            &[M::NotExistingInstance, M::InvalidInstanceId],
            Kind::NotRegistered,
        ),
        (&[M::Activation], Kind::Activation),
        (&[M::AlreadyRegistered], Kind::AlreadyRegistered),
        (&[M::NoCredentialProviders], Kind::NoCredentials),
        (&[M::DestinationMissing], Kind::DestinationMissing),
        (&[M::MissingRegion], Kind::RegionMissing),
        (
            &[M::ValidationFailed, M::InvalidParameter],
            Kind::InputInvalid,
        ),
        (&[M::InternalError], Kind::ServiceError),
        (
            &[M::SharedCreds, M::CredentialsEndpoint, M::EmptyStaticCreds],
            Kind::CredentialSource,
        ),
    ];
    if let Some((_, kind)) = table.iter().find(|(phrases, _)| seen.any(phrases)) {
        return Some(*kind);
    }
    if seen.has(M::SerializationError) || seen.has(M::UnmarshalError) {
        return Some(match answer.filter(|answer| answer.request_id.is_some()) {
            // An empty request id: the answer did not come from AWS.
            Some(answer) if answer.is_foreign() => Kind::ProxyAnswer,
            // The words of a gateway, AWS's own or one on the way.
            Some(answer) if matches!(answer.status, 502 | 504) => Kind::Unreadable,
            Some(_) => Kind::ServiceError,
            None => Kind::Unreadable,
        });
    }
    seen.any(&[M::BadGatewayPage, M::HtmlPage])
        .then_some(Kind::ProxyAnswer)
}

/// Errors of the host's own operating system.
fn host(seen: &phrase::PhraseSet) -> Option<Kind> {
    use phrase::Phrase as M;
    if seen.has(M::NoSpace) {
        return Some(if seen.has(M::Watch) {
            Kind::InotifyExhausted
        } else {
            Kind::DiskFull
        });
    }
    if seen.has(M::TooManyFiles) {
        return Some(Kind::InotifyExhausted);
    }
    let table: [(&[M], Kind); 7] = [
        (&[M::ReadOnlyFs], Kind::ReadOnly),
        (&[M::OutOfMemory], Kind::OutOfMemory),
        (&[M::OutOfProcesses], Kind::OutOfProcesses),
        (&[M::GroupPolicy, M::ExecFormat], Kind::Noexec),
        (&[M::GoPanic], Kind::Crash),
        (&[M::PermissionDenied], Kind::PermissionDenied),
        (&[M::NoSuchFile], Kind::FileMissing),
    ];
    if seen.has(M::ForkExec) && seen.has(M::PermissionDenied) {
        return Some(Kind::Noexec);
    }
    table
        .iter()
        .find(|(phrases, _)| seen.any(phrases))
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests;
