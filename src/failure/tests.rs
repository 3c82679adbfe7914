//! One table: error texts as the agent writes them, and what they are.

use super::*;
use crate::cause::Cause;

const POST: &str =
    "RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": ";

#[test]
fn network_errors_are_told_apart_in_their_order() {
    for (tail, kind) in [
        (
            "proxyconnect tcp: dial tcp: lookup proxy.corp.example on 10.0.0.2:53: no such host",
            Kind::Proxy,
        ),
        (
            "proxyconnect tcp: dial tcp 10.1.2.3:3128: i/o timeout",
            Kind::Proxy,
        ),
        (
            "socks connect tcp 10.1.2.3:1080->ssm.us-east-1.amazonaws.com:443: dial tcp 10.1.2.3:1080: connect: connection refused",
            Kind::Proxy,
        ),
        ("Proxy Authentication Required", Kind::ProxyAnswer),
        ("Service Unavailable", Kind::ProxyAnswer),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: no such host",
            Kind::Dns,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: read udp 10.0.1.20:42911->10.0.0.2:53: i/o timeout",
            Kind::Dns,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: dial udp 10.0.0.2:53: connect: network is unreachable",
            Kind::Dns,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com: i/o timeout",
            Kind::Dns,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com: getaddrinfow: No such host is known.",
            Kind::Dns,
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Kind::Tls,
        ),
        (
            "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2024-01-01T00:00:00Z",
            Kind::ClockSkew,
        ),
        (
            "x509: certificate has expired or is not yet valid: current time 2030-01-01T00:00:00Z is after 2024-01-01T00:00:00Z",
            Kind::Tls,
        ),
        ("net/http: TLS handshake timeout", Kind::Tls),
        (
            "tls: server selected unsupported protocol version 301",
            Kind::Tls,
        ),
        ("http: server gave HTTP response to HTTPS client", Kind::Tls),
        ("dial tcp 10.0.1.5:443: i/o timeout", Kind::Blocked),
        (
            "dial tcp 10.0.1.5:443: connect: connection timed out",
            Kind::Blocked,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: A connection attempt failed because the connected party did not properly respond after a period of time",
            Kind::Blocked,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: No connection could be made because the target machine actively refused it.",
            Kind::Refused,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: Es konnte keine Verbindung hergestellt werden, da der Zielcomputer die Verbindung verweigerte.",
            Kind::NotConnected,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: A socket operation was attempted to an unreachable host.",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: An attempt was made to access a socket in a way forbidden by its access permissions.",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: connectex: An operation on a socket could not be performed because the system lacked sufficient buffer space or because a queue was full.",
            Kind::TooManyOpenFiles,
        ),
        (
            "read tcp 10.0.1.20:49800->10.0.1.5:443: wsarecv: An established connection was aborted by the software in your host machine.",
            Kind::Reset,
        ),
        (
            "dial tcp 10.0.1.5:443: connect: connection refused",
            Kind::Refused,
        ),
        (
            "dial tcp 10.9.9.9:443: connect: network is unreachable",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: connect: no route to host",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: connect: cannot assign requested address",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: socket: too many open files",
            Kind::TooManyOpenFiles,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: dial udp 10.0.0.2:53: socket: too many open files",
            Kind::TooManyOpenFiles,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com: too many open files",
            Kind::TooManyOpenFiles,
        ),
        (
            "read tcp 10.0.1.20:41732->10.0.1.5:443: read: connection reset by peer",
            Kind::Reset,
        ),
        ("EOF", Kind::Reset),
        (
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            Kind::TimedOut,
        ),
        (
            "net/http: request cancelled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            Kind::TimedOut,
        ),
    ] {
        assert_eq!(
            read(&format!("{POST}{tail}")).map(|failure| failure.kind),
            Some(kind),
            "{tail}"
        );
    }
    assert_eq!(
        read("RequestError: send request failed").map(|failure| failure.kind),
        Some(Kind::Unsent)
    );
    // The client of ec2messages since 3.3.5068 has no words of its own around it.
    let unsent = read(
        "GetMessages Error: Post \"https://ec2messages.us-east-1.amazonaws.com/\": dial tcp 10.0.1.5:443: connect: protocol not available",
    );
    assert_eq!(
        unsent.map(|failure| (failure.kind, failure.service)),
        Some((Kind::Unsent, Some(Service::Ec2Messages)))
    );
}

#[test]
fn answers_are_told_apart_by_code_and_words() {
    for (text, kind) in [
        (
            "ThrottlingException: Rate exceeded status code: 400, request id: x",
            Kind::Throttled,
        ),
        (
            "unexpected response from the service <BadRequest xmlns=\"\"><message>Unable to process due to throttling.</message></BadRequest>",
            Kind::Throttled,
        ),
        (
            "unexpected response from the service <BadRequest xmlns=\"\"><message>Unauthorized request.</message></BadRequest>",
            Kind::Unauthorized,
        ),
        (
            "<AccessDeniedException> <Message>User: x is not authorized to perform: ssmmessages:CreateControlChannel on resource: y</Message>",
            Kind::AccessDenied,
        ),
        (
            "AccessDeniedException: Systems Manager's instance management role is not configured for account: 123456789012",
            Kind::DhmcNotConfigured,
        ),
        (
            "ValidationException: Could not assume role arn:aws:iam::123456789012:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole",
            Kind::DhmcRoleBroken,
        ),
        (
            "ExpiredTokenException: The security token included in the request is expired",
            Kind::Expired,
        ),
        (
            "UnrecognizedClientException: The security token included in the request is invalid.",
            Kind::TokenInvalid,
        ),
        (
            "InvalidSignatureException: Signature expired: 20250205T072745Z is now earlier than 20250205T075620Z",
            Kind::ClockSkew,
        ),
        (
            "InvalidSignatureException: The request signature we calculated does not match the signature you provided.",
            Kind::SignatureInvalid,
        ),
        ("InvalidInstanceId: ", Kind::NotRegistered),
        ("MachineFingerprintDoesNotMatch: ", Kind::Fingerprint),
        ("ActivationExpired: ", Kind::Activation),
        (
            "NoCredentialProviders: no valid providers in chain. Deprecated.",
            Kind::NoCredentials,
        ),
        (
            "{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}",
            Kind::WrongEndpoint,
        ),
        (
            "SerializationError: failed to unmarshal response error status code: 503, request id: caused by: UnmarshalError: failed decoding error message |<html>|",
            Kind::ProxyAnswer,
        ),
        (
            "SerializationError: failed to unmarshal response error status code: 503, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a caused by: UnmarshalError: failed decoding error message |<html>|",
            Kind::ServiceError,
        ),
        (
            "SerializationError: failed to unmarshal response error",
            Kind::Unreadable,
        ),
        (
            "InternalFailure: status code: 500, request id: x",
            Kind::ServiceError,
        ),
        (
            "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role MySSMRole.",
            Kind::RoleUnassumable,
        ),
        (
            "write /var/lib/amazon/ssm/x: no space left on device",
            Kind::DiskFull,
        ),
        (
            "filewatcher listener encountered error when add watch: no space left on device",
            Kind::InotifyExhausted,
        ),
        (
            "mkdir /var/lib/amazon/ssm: disk quota exceeded",
            Kind::DiskFull,
        ),
        (
            "mkdir /var/lib/amazon/ssm: input/output error",
            Kind::DiskError,
        ),
        (
            "open /var/lib/amazon/ssm/registration: structure needs cleaning",
            Kind::DiskError,
        ),
        (
            r"mkdir C:\ProgramData\Amazon\SSM: The media is write protected.",
            Kind::ReadOnly,
        ),
        (
            "CreateFile C:\\channels/?: The filename, directory name, or volume label syntax is incorrect.",
            Kind::BadPath,
        ),
        // Of the process, not of inotify.
        (
            "start process: x error: pipe2: too many open files",
            Kind::TooManyOpenFiles,
        ),
        (
            "open /dev/null: too many open files",
            Kind::TooManyOpenFiles,
        ),
        (
            "failed to create channel: too many open files",
            Kind::InotifyExhausted,
        ),
        (
            "fork/exec /usr/bin/ssm-agent-worker: permission denied",
            Kind::Noexec,
        ),
        (
            "open /var/lib/amazon/ssm/registration: permission denied",
            Kind::PermissionDenied,
        ),
    ] {
        assert_eq!(read(text).map(|failure| failure.kind), Some(kind), "{text}");
    }
    assert_eq!(read("something that no table knows"), None);
    // No terminal is left, or its other end is closed: that is no disk's fault.
    for text in [
        "open /dev/ptmx: no space left on device",
        "read /dev/ptmx: input/output error",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn the_metadata_services_answers_are_told_apart() {
    let put = "EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled caused by: ";
    for (text, kind) in [
        (format!("{put}: status code: 0, request id: caused by: RequestError: send request failed caused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: no route to host"), Kind::ImdsUnreachable),
        (format!("{put}: status code: 0, request id: caused by: RequestError: send request failed caused by: Put \"http://169.254.169.254/latest/api/token\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused"), Kind::ProxyCatchesImds),
        (format!("{put}403 Forbidden: Forbidden status code: 403, request id: caused by: EC2MetadataError: failed to make EC2Metadata request <html> <title>403 - Forbidden</title> status code: 403, request id:"), Kind::ImdsDisabled),
        (format!("{put}403 Forbidden: Forbidden status code: 403, request id: caused by: EC2MetadataError: failed to make EC2Metadata request status code: 403, request id:"), Kind::ImdsForbiddenByOther),
        (format!("{put}403 Forbidden: Forbidden status code: 403, request id:"), Kind::ImdsForbidden),
        ("EC2RoleRequestError: no EC2 instance role found caused by: EC2MetadataError: failed to make EC2Metadata request <title>404 - Not Found</title> status code: 404, request id:".to_owned(), Kind::NoRole),
        ("EC2RoleRequestError: no EC2 instance role found caused by: EC2MetadataError: failed to make EC2Metadata request <title>401 - Unauthorized</title> status code: 401, request id:".to_owned(), Kind::ImdsTokenRequired),
        ("EC2RoleRequestError: no EC2 instance role found".to_owned(), Kind::NoRoleOrImds),
        ("EC2RoleRequestError: no EC2 instance role found caused by: RequestError: send request failed caused by: Get \"http://169.254.169.254/latest/meta-data/iam/security-credentials/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned(), Kind::ImdsUnreachable),
    ] {
        assert_eq!(read(&text).map(|failure| failure.kind), Some(kind), "{text}");
    }
}

#[test]
fn the_deepest_request_names_the_service() {
    let failure = read(&format!("{POST}dial tcp 10.0.1.5:443: i/o timeout")).expect("a failure");
    assert_eq!(failure.service, Some(Service::Ssm));
    assert_eq!(
        failure.region.as_ref().map(Region::as_str),
        Some("us-east-1")
    );
    assert_eq!(
        failure
            .remote_ip
            .map(|address| address.to_string())
            .as_deref(),
        Some("10.0.1.5")
    );
}

#[test]
fn the_second_generation_of_the_sdk_is_read_like_the_first() {
    const POST: &str = "operation error SSM: UpdateInstanceInformation, exceeded maximum number of attempts, 4, https response error StatusCode: 0, RequestID: , request send failed, Post \"https://ssm.us-east-1.amazonaws.com/\": ";
    for (tail, kind) in [
        ("EOF", Kind::Reset),
        ("unexpected EOF", Kind::Reset),
        ("http2: client connection lost", Kind::Reset),
        (
            "http2: server sent GOAWAY and closed the connection; LastStreamID=1",
            Kind::Reset,
        ),
        (
            "net/http: HTTP/1.x transport connection broken: malformed HTTP status code",
            Kind::Reset,
        ),
        (
            "socks connect tcp 10.1.2.3:1080->ssm.us-east-1.amazonaws.com:443: dial tcp 10.1.2.3:1080: connect: connection refused",
            Kind::Proxy,
        ),
        ("Proxy Authentication Required", Kind::ProxyAnswer),
        ("Forbidden", Kind::ProxyAnswer),
        ("Bad Gateway", Kind::ProxyAnswer),
        ("Too Many Requests", Kind::ProxyAnswer),
        ("Network Authentication Required", Kind::ProxyAnswer),
        (
            "proxyconnect tcp: tls: first record does not look like a TLS handshake",
            Kind::Proxy,
        ),
        (
            "dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: no such host",
            Kind::Dns,
        ),
        ("dial tcp 10.0.1.5:443: i/o timeout", Kind::Blocked),
        (
            "dial tcp 10.0.1.5:443: connect: no route to host",
            Kind::NoRouteFromHost,
        ),
        (
            "dial tcp 10.0.1.5:443: context deadline exceeded",
            Kind::Blocked,
        ),
        (
            "net/http: timeout awaiting response headers",
            Kind::TimedOut,
        ),
        ("context deadline exceeded", Kind::TimedOut),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Kind::Tls,
        ),
        ("something that nobody wrote before", Kind::Unsent),
    ] {
        let failure = read(&format!("{POST}{tail}")).unwrap_or_else(|| panic!("nothing: {tail}"));
        assert_eq!(failure.kind, kind, "{tail}");
        assert_eq!(failure.service, Some(Service::Ssm), "{tail}");
    }
    for (text, kind) in [
        (
            "operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: c7a8, api error ThrottlingException: Rate exceeded",
            Kind::Throttled,
        ),
        (
            "https response error StatusCode: 400, RequestID: c7a8, api error AccessDeniedException: UnknownError",
            Kind::AccessDenied,
        ),
        (
            "https response error StatusCode: 500, RequestID: c7a8, InternalServerError: An error occurred on the server side.",
            Kind::ServiceError,
        ),
        (
            "https response error StatusCode: 503, RequestID: c7a8, api error UnknownError: UnknownError",
            Kind::ServiceError,
        ),
        (
            "https response error StatusCode: 400, RequestID: c7a8, api error NeverHeardOfException: x",
            Kind::OtherRefusal,
        ),
        (
            "https response error StatusCode: 403, RequestID: , api error UnknownError: UnknownError",
            Kind::ProxyAnswer,
        ),
        (
            "https response error StatusCode: 502, RequestID: , deserialization failed, failed to decode response body, invalid character '<' looking for beginning of value",
            Kind::ProxyAnswer,
        ),
        (
            "https response error StatusCode: 502, RequestID: c7a8, deserialization failed, failed to decode response body, invalid character '<' looking for beginning of value",
            Kind::Unreadable,
        ),
        (
            "https response error StatusCode: 500, RequestID: c7a8, deserialization failed, failed to decode response body, EOF",
            Kind::ServiceError,
        ),
        (
            "operation error SSM: UpdateInstanceInformation, failed to get rate limit token, retry quota exceeded, 4 available, 5 requested",
            Kind::RetriesExhausted,
        ),
        (
            "operation error SSM: UpdateInstanceInformation, https response error StatusCode: 0, RequestID: , canceled, context deadline exceeded",
            Kind::TimedOut,
        ),
        (
            "operation error SSM: UpdateInstanceInformation, https response error StatusCode: 0, RequestID: , canceled, context canceled",
            Kind::Canceled,
        ),
        (
            "operation error SSM: UpdateInstanceInformation, failed to resolve service endpoint, endpoint rule error, Invalid Configuration: Missing Region",
            Kind::RegionMissing,
        ),
        (
            "unable to add custom RootCAs HTTPClient, has no WithTransportOptions, *http.Client",
            Kind::CaBundle,
        ),
        (
            "GetMessages Error: HTTP 400: {\"__type\":\"com.amazon.coral.service#AccessDeniedException\",\"message\":\"x\"}",
            Kind::AccessDenied,
        ),
        (
            "GetMessages Error: Post \"https://ec2messages.us-east-1.amazonaws.com/\": EOF",
            Kind::Reset,
        ),
        (
            "operation error S3: PutObject, https response error StatusCode: 403, RequestID: R, HostID: H, api error AccessDenied: Access Denied",
            Kind::AccessDenied,
        ),
    ] {
        assert_eq!(read(text).map(|failure| failure.kind), Some(kind), "{text}");
    }
}

#[test]
fn the_tail_decides_what_failed_at_the_role_listing() {
    const HEAD: &str = "failed to retrieve IPR credentials from IMDS: api error EC2RoleRequestError: no EC2 IMDS role found, operation error ec2imds: GetMetadata, ";
    for (tail, kind) in [
        (
            "http response error StatusCode: 404, request to EC2 IMDS failed",
            Kind::NoRole,
        ),
        (
            "http response error StatusCode: 403, request to EC2 IMDS failed",
            Kind::ImdsForbidden,
        ),
        (
            "http response error StatusCode: 401, request to EC2 IMDS failed",
            Kind::ImdsTokenRefused,
        ),
        (
            "exceeded maximum number of attempts, 3, http response error StatusCode: 500, request to EC2 IMDS failed",
            Kind::ImdsFault,
        ),
        (
            "http response error StatusCode: 407, request to EC2 IMDS failed",
            Kind::ProxyCatchesImds,
        ),
        (
            "failed to get API token, operation error ec2imds: getToken, http response error StatusCode: 404, request to EC2 IMDS failed",
            Kind::ImdsUnclear,
        ),
        (
            "exceeded maximum number of attempts, 3, request send failed, Get \"http://169.254.169.254/latest/meta-data/iam/security-credentials/\": net/http: timeout awaiting response headers",
            Kind::ImdsUnreachable,
        ),
        (
            "request send failed, Get \"http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials/\": dial tcp [fd00:ec2::254]:80: connect: no route to host",
            Kind::ImdsUnreachable,
        ),
        ("canceled, context deadline exceeded", Kind::ImdsUnreachable),
    ] {
        let text = format!("{HEAD}{tail}");
        assert_eq!(
            read(&text).map(|failure| failure.kind),
            Some(kind),
            "{tail}"
        );
    }
    for (text, kind) in [
        (
            "get identity: get credentials: failed to retrieve instance profile role credentials. Err: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, http response error StatusCode: 404, request to EC2 IMDS failed",
            Kind::NoRole,
        ),
        (
            "api error EmptyEC2RoleList: unexpected empty EC2 IMDS role list",
            Kind::NoRole,
        ),
        (
            "api error EC2RoleRequestError: failed to get MySSMRole EC2 IMDS role credentials, operation error ec2imds: GetMetadata, http response error StatusCode: 404, request to EC2 IMDS failed",
            Kind::RoleWithoutCredentials,
        ),
        (
            "api error EC2RoleRequestError: failed to get MySSMRole EC2 IMDS role credentials, api error AssumeRoleUnauthorizedAccess: EC2 cannot assume the role MySSMRole.",
            Kind::RoleUnassumable,
        ),
        // A service's own 403 says nothing of the metadata service.
        (
            "operation error SSM: UpdateInstanceInformation, https response error StatusCode: 403, RequestID: c7a8, api error AccessDeniedException: User: x",
            Kind::AccessDenied,
        ),
        (
            "unable to get Azure metadata response: Get \"http://169.254.169.254/metadata/instance?api-version=2021-02-01&format=json\": dial tcp 169.254.169.254:80: i/o timeout",
            Kind::AzureMetadata,
        ),
    ] {
        assert_eq!(read(text).map(|failure| failure.kind), Some(kind), "{text}");
    }
}

#[test]
fn a_call_is_named_unless_the_address_contradicts_it() {
    let of_s3 = read("operation error SSM: UpdateInstanceInformation, https response error StatusCode: 0, RequestID: , request send failed, Post \"https://s3.us-east-1.amazonaws.com/\": EOF").expect("a failure");
    assert_eq!((of_s3.service, of_s3.action), (Some(Service::S3), None));
    let denied = read("operation error S3: HeadBucket, https response error StatusCode: 403, RequestID: R, HostID: H, api error AccessDenied: Access Denied").expect("a failure");
    assert_eq!(denied.action.as_deref(), Some("s3:ListBucket"));
    let imds = read("operation error SSM: UpdateInstanceInformation, get identity: get credentials: no EC2 IMDS role found, operation error ec2imds: GetMetadata, canceled, context deadline exceeded").expect("a failure");
    assert_eq!((imds.service, imds.action), (Some(Service::Metadata), None));
}

#[test]
fn a_role_that_the_metadata_service_names_is_never_a_missing_profile() {
    for tail in [
        "failed to get MyRole EC2 instance role credentials",
        "failed to get MyRole EC2 IMDS role credentials, api error Failed: x",
        "failed to decode MyRole EC2 IMDS role credentials, invalid character '<' looking for beginning of value",
    ] {
        let text = format!("retrieved credentials failed to report to ssm. Error: {tail}");
        let failure = read(&text).unwrap_or_else(|| panic!("no failure: {text}"));
        let verdict = verdict(&failure);
        assert!(!verdict.decided, "{text}");
        assert!(
            !verdict.causes.contains(&Cause::NoInstanceProfile),
            "{text}: {:?}",
            verdict.causes
        );
    }
}

#[test]
fn credentials_handed_out_on_the_node_are_no_endpoint_of_aws() {
    use Kind::{ContainerCredentials, CredentialSource};
    for (url, kind) in [
        (
            "http://169.254.170.2/v2/credentials/x",
            ContainerCredentials,
        ),
        ("http://169.254.170.23/v1/credentials", ContainerCredentials),
        ("http://[fd00:ec2::23]/v1/credentials", ContainerCredentials),
        (
            "http://127.0.0.1:9911/latest/meta-data/iam/security-credentials/",
            CredentialSource,
        ),
        (
            "http://localhost:9911/latest/meta-data/iam/security-credentials/",
            CredentialSource,
        ),
    ] {
        let text = format!(
            "createControlChannel request failed: failed to sign the request: failed to load credentials, request send failed, Get \"{url}\": dial tcp: connect: connection refused"
        );
        let failure = read(&text).unwrap_or_else(|| panic!("no failure: {text}"));
        assert_eq!(failure.kind, kind, "{text}");
        let verdict = verdict(&failure);
        assert!(!verdict.decided, "{text}");
        let of_instance = verdict.causes.contains(&Cause::NoInstanceProfile);
        assert_eq!(of_instance, kind == CredentialSource, "{text}");
    }
}

#[test]
fn no_role_lacks_the_permission_for_a_call_without_a_signature() {
    const CALL: &str = "operation error SSM: RequestManagedInstanceRoleToken, https response error StatusCode: 400, RequestID: c7a8, api error AccessDeniedException: ";
    for (answer, causes, decided) in [
        (
            "Authentication failed",
            &[Cause::RegistrationInvalid][..],
            true,
        ),
        ("UnknownError", &[], false),
        (
            "User: anonymous is not authorized to perform: ssm:RequestManagedInstanceRoleToken on resource: x because no VPC endpoint policy allows the ssm:RequestManagedInstanceRoleToken action",
            &[Cause::EndpointPolicyDenies],
            true,
        ),
        // Default Host Management signs it.
        (
            "User: arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0 is not authorized to perform: ssm:RequestManagedInstanceRoleToken with an explicit deny in a service control policy",
            &[Cause::PermissionMissing],
            true,
        ),
    ] {
        let text = format!("{CALL}{answer}");
        let failure = read(&text).unwrap_or_else(|| panic!("no failure: {text}"));
        let verdict = verdict(&failure);
        assert_eq!(
            (verdict.causes.as_slice(), verdict.decided),
            (causes, decided),
            "{text}"
        );
    }
    let bare = read("AccessDeniedException: Authentication failed status code: 400, request id: x");
    assert_eq!(bare.map(|failure| failure.kind), Some(Kind::NotRegistered));
}

#[test]
fn the_role_that_systems_manager_could_not_assume_is_named() {
    let failure = read("ValidationException: Could not assume role arn:aws:iam::123456789012:role/service-role/SSMServiceRole status code: 400").expect("a failure");
    assert_eq!(failure.role.as_deref(), Some("SSMServiceRole"));
}

#[test]
fn a_name_that_does_not_resolve_is_read_without_a_url() {
    let failure =
        read("dial tcp: lookup ssmmessages.eu-west-1.amazonaws.com on 10.0.0.2:53: no such host")
            .expect("a failure");
    assert_eq!(failure.kind, Kind::Dns);
    assert_eq!(failure.service, Some(Service::SsmMessages));
    assert_eq!(
        failure.host.as_deref(),
        Some("ssmmessages.eu-west-1.amazonaws.com")
    );
    assert_eq!(
        failure.region.as_ref().map(Region::as_str),
        Some("eu-west-1")
    );
}

#[test]
fn what_the_agent_never_calls_is_no_fault_of_its_network() {
    for (text, kind) in [
        (
            "dial tcp: lookup vault.corp on 10.0.0.2:53: no such host",
            Kind::OtherHost,
        ),
        (
            "dial tcp 10.0.0.7:5432: connect: connection refused",
            Kind::OtherHost,
        ),
        (
            "dial tcp 10.0.1.7:443: connect: connection refused",
            Kind::Refused,
        ),
        (
            "dial tcp 10.0.1.7:8080: connect: connection refused",
            Kind::Refused,
        ),
        (
            "dial tcp 169.254.169.254:80: connect: connection refused",
            Kind::Refused,
        ),
        (
            "dial tcp: lookup *** on 10.0.0.2:53: no such host",
            Kind::Dns,
        ),
    ] {
        let failure = read(text).unwrap_or_else(|| panic!("no failure: {text}"));
        assert_eq!(failure.kind, kind, "{text}");
    }
}
