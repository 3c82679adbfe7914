//! The words that tell errors apart.

use crate::text::literals::Literals;

macro_rules! phrases {
    ($($name:ident: $($text:literal)|+),+ $(,)?) => {
        /// What a text may hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Phrase { $($name),+ }

        const TEXTS: &[(Phrase, &str)] = &[$($((Phrase::$name, $text)),+),+];

        static LITERALS: Literals<{ TEXTS.len() }> = Literals::new([$($($text),+),+]);
    };
}

phrases! {
    RoleUnassumable: "AssumeRoleUnauthorizedAccess" | "EC2 cannot assume the role",
    ProfileStale: "InstanceProfileNotFound" | "Instance Profile does not contain a role",
    ProxyConnect: "proxyconnect" | "socks connect",
    Lookup: "lookup ",
    DialLookup: "dial tcp: lookup " | "dial udp",
    NoSuchHost: "no such host" | "No such host is known" | "getaddrinfow",
    LookupFailed: "server misbehaving" | "Temporary failure in name resolution"
        | ":53: connect: connection refused" | ":53: read: connection refused",
    X509: "x509: ",
    CertificateDates: "has expired or is not yet valid",
    Tls: "TLS handshake timeout" | "tls: handshake failure" | "remote error: tls:" | "local error: tls:"
        | "tls: protocol version not supported" | "tls: no supported versions"
        | "first record does not look like a TLS handshake" | "server gave HTTP response to HTTPS client"
        | ": tls: ",
    Tcp: "dial tcp" | "read tcp" | "write tcp" | "connectex:",
    IoTimeout: "i/o timeout",
    NoAnswer: "connection timed out" | "did not properly respond",
    Refused: "connection refused" | "actively refused",
    NoRoute: "no route to host" | "network is unreachable" | "unreachable network" | "unreachable host"
        | "host is down" | "cannot assign requested address" | "connect: invalid argument"
        | "connect: permission denied" | "connect: operation not permitted"
        | "forbidden by its access permissions",
    SocketFiles: "socket: too many open files" | "lacked sufficient buffer space",
    Reset: "connection reset by peer" | "broken pipe",
    Closed: "forcibly closed" | "aborted by the software in your host machine"
        | "use of closed network connection",
    Http2Closed: "http2: server sent GOAWAY" | "http2: client connection lost" | "http2: client connection force closed" | "stream error: stream ID" | "server closed idle connection" | "transport connection broken",
    ClientTimeout: "Client.Timeout" | "awaiting headers" | "awaiting response headers"
        | "waiting for connection",
    ContextDeadline: "context deadline exceeded",
    SendRequestFailed: "send request failed" | "request send failed" | "failed to make http client call",
    RetriesExhausted: "exceeded maximum number of attempts" | "retry quota exceeded",
    Canceled: "context canceled",
    Metadata: "EC2Metadata" | "EC2MetadataError" | "169.254.169.254" | "fd00:ec2::254",
    AzureMetadata: "Azure metadata" | "azure metadata" | "Azure Metadata",
    MetadataCall: "operation error ec2imds",
    Forbidden403: "403 Forbidden" | "403 - Forbidden",
    ForbiddenPage: "403 - Forbidden",
    Unauthorized401: "401 Unauthorized" | "401 - Unauthorized",
    NotFoundPage: "404 - Not Found",
    RoleRequestError: "EC2RoleRequestError",
    NoInstanceRole: "no EC2 instance role found" | "no EC2 IMDS role found",
    EmptyRoleList: "EmptyEC2RoleList" | "empty EC2 IMDS role list",
    NamedRole: "EC2 instance role credentials" | "EC2 IMDS role credentials",
    TokenFallback: "failed to get IMDSv2 token" | "failed to get API token",
    InstanceIdFromImds: "failed to get identity instance id" | "EC2MetadataRequestError",
    DhmcNotConfigured: "instance management role is not configured",
    CouldNotAssumeRole: "Could not assume role",
    ClockSkew: "Signature expired:" | "Signature not yet current" | "RequestExpired" | "Request has expired"
        | "RequestTimeTooSkewed",
    Throttled: "ThrottlingException" | "Throttling:" | "ThrottledException" | "RequestThrottled"
        | "RequestLimitExceeded" | "ProvisionedThroughputExceeded" | "PriorRequestNotComplete"
        | "Rate exceeded" | "Unable to process due to throttling" | "TooManyRequestsException"
        | "TooManyUpdates" | "Too Many Requests" | "SlowDown",
    Expired: "ExpiredToken" | "security token included in the request is expired"
        | "shared credentials are already expired",
    TokenInvalid: "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" | "security token included in the request is invalid",
    SignatureInvalid: "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature",
    OptInRequired: "OptInRequired" | "SubscriptionRequiredException",
    UnknownOperation: "UnknownOperationException",
    NotAuthenticated: "AccessDeniedException: Authentication failed",
    AccessDenied: "AccessDeniedException" | "AccessDenied" | "AuthorizationFailureException"
        | "UnauthorizedOperation" | "UnauthorizedException" | "is not authorized to perform",
    UnauthorizedRequest: "Unauthorized request",
    FingerprintMismatch: "MachineFingerprintDoesNotMatch",
    NotRegistered: "Not existing InstanceId" | "InvalidInstanceId",
    Activation: "ActivationExpired" | "InvalidActivation" | "RegistrationLimitExceeded",
    AlreadyRegistered: "InstanceAlreadyRegistered",
    NoCredentialProviders: "NoCredentialProviders",
    DestinationMissing: "NoSuchBucket" | "ResourceNotFoundException" | "NoSuchKey",
    MissingRegion: "MissingRegion" | "endpoint rule error" | "could not find region configuration",
    InputInvalid: "ValidationException" | "validation error(s) found" | "InvalidParameter",
    CaBundle: "custom RootCAs" | "custom CA bundle",
    InternalError: "InternalServerError" | "InternalServerException" | "InternalFailure" | "InternalError" | "ServiceUnavailable" | "ServiceException",
    CredentialSource: "SharedCredsLoad" | "SharedCredsAccessKey" | "SharedCredsSecret"
        | "SharedConfigLoadError" | "failed to load shared config" | "failed to get shared config profile"
        | "CredentialsEndpointError" | "169.254.170.2" | "EmptyStaticCreds" | "static credentials are empty",
    Page: "<title>502" | "<title>503" | "<title>407" | "<title>504" | "<html" | "<HTML" | "<!DOCTYPE"
        | "|<html",
    Unreadable: "SerializationError" | "deserialization failed" | "UnmarshalError",
    NoSpace: "no space left on device" | "not enough space on the disk"
        | "disk quota exceeded",
    Watch: "watch",
    TooManyFiles: "too many open files",
    ReadOnlyFs: "read-only file system" | "media is write protected",
    DiskError: "input/output error" | "structure needs cleaning" | "stale NFS file handle" | "stale file handle",
    BadPath: "volume label syntax is incorrect",
    OutOfMemory: "cannot allocate memory" | "out of memory" | "Out of memory"
        | "paging file is too small" | "Insufficient system resources"
        | "Not enough memory resources" | "Not enough storage is available to process",
    OutOfProcesses: "resource temporarily unavailable",
    Noexec: "blocked by group policy" | "exec format error"
        | "contains a virus or potentially unwanted software",
    ForkExec: "fork/exec",
    GoPanic: "runtime error:",
    PermissionDenied: "permission denied" | "Access is denied" | "operation not permitted",
    NoSuchFile: "no such file or directory" | "cannot find the file",
    // These name no error, but what else is worth looking for.
    Url: "http://" | "https://" | "ws://" | "wss://",
    Status: "status code: " | "response error StatusCode: " | "Error: HTTP ",
    Call: "operation error ",
    Denied: "not authorized to perform: ",
    DenialTail: "because no " | "with an explicit deny" | "no resource-based policies allow access",
    AssumedRole: "assumed-role/",
    AccountNotConfigured: "not configured for account: ",
    Assume: "cannot assume the role ",
}

/// Which markers a text holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PhraseSet {
    bits: u128,
    code: Option<usize>,
}

impl PhraseSet {
    pub(super) fn scan(text: &str) -> Self {
        let mut seen = Self::default();
        LITERALS.each(text, |index, at| {
            let (phrase, literal) = TEXTS[index];
            seen.bits |= 1 << phrase as u8;
            // The first error code by position names the failure.
            let end = at + literal.len();
            if seen.code.is_none()
                && is_code(literal)
                && starts_word(text, at)
                && ends_word(text, end)
            {
                seen.code = Some(index);
            }
        });
        seen
    }

    /// Whether none of the words that name an error is there.
    pub(super) fn is_empty(&self) -> bool {
        self.bits & ((1 << Phrase::Url as u8) - 1) == 0
    }

    pub(super) fn has(&self, phrase: Phrase) -> bool {
        self.bits & (1 << phrase as u8) != 0
    }

    /// What `find` finds in a text that holds `phrase`, without which there is
    /// nothing to be found.
    pub(super) fn find<T>(&self, phrase: Phrase, find: impl FnOnce() -> Option<T>) -> Option<T> {
        self.has(phrase).then(find).flatten()
    }

    pub(super) fn any(&self, phrases: &[Phrase]) -> bool {
        phrases.iter().any(|phrase| self.has(*phrase))
    }

    /// What the first of `known` that the text holds stands for.
    pub(super) fn first<T: Copy>(&self, known: &[(Phrase, T)]) -> Option<T> {
        let found = known.iter().find(|(phrase, _)| self.has(*phrase))?;
        Some(found.1)
    }

    /// The first AWS error code in the text.
    pub(super) fn code(&self) -> Option<&'static str> {
        self.code.map(|index| TEXTS[index].1.trim_end_matches(':'))
    }
}

/// Error codes are written as one word in CamelCase.
fn is_code(literal: &str) -> bool {
    literal.len() > 6
        && literal.starts_with(|c: char| c.is_ascii_uppercase())
        && literal
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b':')
}

fn starts_word(text: &str, at: usize) -> bool {
    at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric()
}

fn ends_word(text: &str, end: usize) -> bool {
    text.as_bytes()
        .get(end)
        .is_none_or(|b| !b.is_ascii_alphanumeric())
}
