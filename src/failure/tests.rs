//! One table: error texts as the agent writes them, and what they are.

use super::*;

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
            "dial tcp 10.0.1.5:443: connectex: A socket operation was attempted to an unreachable host.",
            Kind::NoRouteFromHost,
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
            .dialled
            .map(|address| address.to_string())
            .as_deref(),
        Some("10.0.1.5")
    );
}
