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
mod kind;
mod phrase;

pub(crate) use address::Service;
pub(crate) use denial::{Denied, DenyReason, Principal};
pub(crate) use kind::{Kind, UNSIGNED, verdict};

use std::net::IpAddr;

use self::answer::{Answer, Answerer};
use self::phrase::{Phrase as M, PhraseSet};
use crate::node::{AccountId, Region};

/// One error, as far as its text says.
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

/// Reads the error inside `flat`, the record's text on one line
/// ([`crate::record::Record::flat`]). `None` when it holds no error known here.
pub(crate) fn read(flat: &str) -> Option<Failure> {
    let seen = PhraseSet::scan(flat);
    let address = seen.find(M::Url, || address::last_address(flat));
    let answer = seen.find(M::Status, || Answer::last(flat));
    if seen.is_empty() && address.is_none() && answer.is_none() {
        return None;
    }
    let kind = kind(flat, &seen, address.as_ref(), answer.as_ref())?;
    let denial = denial::read(flat, &seen);
    let address = match kind {
        Kind::Dns => address.or_else(|| address::looked_up(flat)),
        _ => address,
    };
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
        role: (denial.role)
            .or_else(|| seen.find(M::Assume, || denial::unassumable_role(flat)))
            .or_else(|| seen.find(M::CouldNotAssumeRole, || denial::service_role(flat))),
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
    seen: &PhraseSet,
    address: Option<&address::Address>,
    answer: Option<&Answer<'_>>,
) -> Option<Kind> {
    let known = [
        (M::RoleUnassumable, Kind::RoleUnassumable),
        (M::ProfileStale, Kind::ProfileStale),
        // The SDK's own configuration failed: whatever it was to call is not to blame.
        (M::CaBundle, Kind::CaBundle),
    ];
    if let Some(kind) = seen.first(&known) {
        return Some(kind);
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
    if let Some(kind) = address.and_then(|address| address::credential_source(&address.host)) {
        return Some(kind);
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
        .or_else(|| host(flat, seen))
        .or_else(|| unanswered(flat, seen, address, answer))
}

/// A request that got no answer, or one that says nothing known.
fn unanswered(
    flat: &str,
    seen: &PhraseSet,
    address: Option<&address::Address>,
    answer: Option<&Answer<'_>>,
) -> Option<Kind> {
    let sent = address.is_some()
        || answer.is_some()
        || seen.find(M::Call, || answer::call(flat)).is_some();
    let of_sent = [
        (M::ContextDeadline, Kind::TimedOut),
        (M::Canceled, Kind::Canceled),
    ];
    let of_any = [
        (M::SendRequestFailed, Kind::Unsent),
        (M::RetriesExhausted, Kind::RetriesExhausted),
    ];
    let known = sent.then(|| seen.first(&of_sent)).flatten();
    if let Some(kind) = known.or_else(|| seen.first(&of_any)) {
        return Some(kind);
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

fn network(flat: &str, seen: &PhraseSet, address: Option<&address::Address>) -> Option<Kind> {
    if let Some(tail) = address.map(|address| &flat[address.end..])
        && address::is_bare_status(tail)
    {
        return Some(Kind::ProxyAnswer);
    }
    // The name could not be asked for either: the host has no descriptor left.
    if seen.has(M::SocketFiles) || seen.has(M::Lookup) && seen.has(M::TooManyFiles) {
        return Some(Kind::TooManyOpenFiles);
    }
    if seen.has(M::Lookup) && seen.any(&[M::NoSuchHost, M::LookupFailed, M::IoTimeout]) {
        let mistyped =
            address.is_some_and(|address| address.host.contains('%')) || flat.contains(".xn--");
        return Some(if mistyped {
            Kind::HostName
        } else {
            dns(flat, address)
        });
    }
    if seen.any(&[M::DialLookup, M::NoSuchHost]) {
        return Some(dns(flat, address));
    }
    if seen.has(M::X509) {
        let skewed = seen.has(M::CertificateDates) && flat.contains(" is before ");
        return Some(if skewed { Kind::ClockSkew } else { Kind::Tls });
    }
    if seen.has(M::Tls) {
        return Some(Kind::Tls);
    }
    let of_socket = [
        (M::Refused, Kind::Refused),
        (M::NoRoute, Kind::NoRouteFromHost),
        (M::IoTimeout, Kind::Blocked),
        (M::NoAnswer, Kind::Blocked),
        (M::ContextDeadline, Kind::Blocked),
        (M::Reset, Kind::Reset),
        (M::Closed, Kind::Reset),
    ];
    let of_client = [
        (M::ClientTimeout, Kind::TimedOut),
        (M::Http2Closed, Kind::Reset),
    ];
    let known = seen.find(M::Tcp, || seen.first(&of_socket));
    if known.is_some() && address.is_none() && address::is_other_port(flat) {
        return Some(Kind::OtherHost);
    }
    if let Some(kind) = known.or_else(|| seen.first(&of_client)) {
        return Some(kind);
    }
    // Windows words it in its own language, behind the address that was dialled.
    if seen.has(M::Tcp) && !seen.has(M::Lookup) && flat.contains(": connectex: ") {
        return Some(Kind::NotConnected);
    }
    if let Some(address) = address {
        let tail = flat[address.end..].trim_start_matches(['"', ':', ' ']);
        if tail.starts_with("EOF") || tail.starts_with("unexpected EOF") || seen.has(M::Reset) {
            return Some(Kind::Reset);
        }
        if tail.starts_with("context deadline exceeded") {
            return Some(Kind::TimedOut);
        }
    }
    None
}

/// A name that did not resolve: AWS's, for all that is known.
fn dns(flat: &str, address: Option<&address::Address>) -> Kind {
    let named = match address {
        Some(_) => None,
        None => address::looked_up(flat),
    };
    if named.is_some_and(|named| named.service.is_none()) {
        return Kind::OtherHost;
    }
    Kind::Dns
}

/// The metadata service and the credentials that come from it. The SDK heads every
/// failure of the role listing "no EC2 … role found": what answered, and how, decides.
fn imds(flat: &str, seen: &PhraseSet, answer: Option<&Answer<'_>>) -> Option<Kind> {
    let metadata = seen.any(&[M::Metadata, M::MetadataCall])
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
    if metadata && (status == 401 || seen.has(M::Unauthorized401)) {
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
    if status >= 500 && seen.has(M::MetadataCall) {
        return Some(Kind::ImdsFault);
    }
    let unanswered = if seen.has(M::ContextDeadline) {
        Kind::ImdsUnreachable
    } else {
        Kind::ImdsUnclear
    };
    if seen.has(M::MetadataCall) {
        return Some(unanswered);
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
    seen.any(&[M::TokenFallback, M::InstanceIdFromImds])
        .then_some(unanswered)
}

/// Answers of AWS services, by their codes.
fn service(seen: &PhraseSet, answer: Option<&Answer<'_>>) -> Option<Kind> {
    let known = [
        (M::DhmcNotConfigured, Kind::DhmcNotConfigured),
        (M::CouldNotAssumeRole, Kind::DhmcRoleBroken),
        (M::ClockSkew, Kind::ClockSkew),
        (M::Throttled, Kind::Throttled),
        (M::Expired, Kind::Expired),
        (M::TokenInvalid, Kind::TokenInvalid),
        (M::SignatureInvalid, Kind::SignatureInvalid),
        (M::OptInRequired, Kind::OptInRequired),
        (M::UnknownOperation, Kind::WrongEndpoint),
        // The registration's own key, with which a hybrid node signs no request.
        (M::NotAuthenticated, Kind::NotRegistered),
        (M::AccessDenied, Kind::AccessDenied),
        (M::UnauthorizedRequest, Kind::Unauthorized),
        (M::FingerprintMismatch, Kind::Fingerprint),
        (M::NotRegistered, Kind::NotRegistered),
        (M::Activation, Kind::Activation),
        (M::AlreadyRegistered, Kind::AlreadyRegistered),
        (M::NoCredentialProviders, Kind::NoCredentials),
        (M::DestinationMissing, Kind::DestinationMissing),
        (M::MissingRegion, Kind::RegionMissing),
        (M::InputInvalid, Kind::InputInvalid),
        (M::InternalError, Kind::ServiceError),
        (M::CredentialSource, Kind::CredentialSource),
    ];
    if let Some(kind) = seen.first(&known) {
        return Some(kind);
    }
    if seen.has(M::Unreadable) {
        return Some(match answer.filter(|answer| answer.request_id.is_some()) {
            // An empty request id: the answer did not come from AWS.
            Some(answer) if answer.is_foreign() => Kind::ProxyAnswer,
            // The words of a gateway, AWS's own or one on the way.
            Some(answer) if matches!(answer.status, 502 | 504) => Kind::Unreadable,
            Some(_) => Kind::ServiceError,
            None => Kind::Unreadable,
        });
    }
    seen.has(M::Page).then_some(Kind::ProxyAnswer)
}

/// Errors of the host's own operating system.
fn host(flat: &str, seen: &PhraseSet) -> Option<Kind> {
    // No disk is full, and none fails: no terminal is left, or its other end is closed.
    if flat.contains("/dev/ptmx: ") && seen.any(&[M::NoSpace, M::DiskError]) {
        return None;
    }
    if seen.has(M::NoSpace) {
        return Some(if seen.has(M::Watch) {
            Kind::InotifyExhausted
        } else {
            Kind::DiskFull
        });
    }
    if seen.has(M::ForkExec) && seen.has(M::PermissionDenied) && !seen.has(M::TooManyFiles) {
        return Some(Kind::Noexec);
    }
    if seen.has(M::TooManyFiles) && names_opened(flat) {
        return Some(Kind::TooManyOpenFiles);
    }
    seen.first(&[
        (M::TooManyFiles, Kind::InotifyExhausted),
        (M::ReadOnlyFs, Kind::ReadOnly),
        (M::DiskError, Kind::DiskError),
        (M::BadPath, Kind::BadPath),
        (M::OutOfMemory, Kind::OutOfMemory),
        (M::OutOfProcesses, Kind::OutOfProcesses),
        (M::Noexec, Kind::Noexec),
        (M::GoPanic, Kind::Crash),
        (M::PermissionDenied, Kind::PermissionDenied),
        (M::NoSuchFile, Kind::FileMissing),
    ])
}

/// Whether "too many open files" stands behind what was to be opened: a path, or the call that
/// makes a pipe. Go names nothing where the host has no inotify instance left.
fn names_opened(flat: &str) -> bool {
    let mut before = flat.match_indices(": too many open files");
    before.any(|(at, _)| {
        let opened = flat[..at].rsplit(' ').next().unwrap_or_default();
        opened.starts_with('/')
            || opened.contains(":\\")
            || matches!(opened, "pipe" | "pipe2" | "accept" | "accept4")
    })
}

#[cfg(test)]
mod tests;
