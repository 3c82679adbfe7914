//! What both generations of the AWS SDK for Go share in the agent's log: the wait
//! after a fault, and a refusal in the metadata service's place.

use super::shapes::{at_once, records};
use super::verdict::{fixture, summary};

const REFRESHER: &str = "2026-11-25 18:25:37.9779 ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. ";
const WAIT: &str = "2026-11-25 18:25:37.9780 INFO [CredentialRefresher] Sleeping for 5m0s before retrying retrieve credentials";

#[test]
fn a_wait_belongs_to_the_fault_that_was_just_logged() {
    for (error, says) in [
        (
            "RequestId: R Error: InternalServerError: An error occurred on the server side.",
            "low likely service-error",
        ),
        (
            "Error: ServiceUnavailable: \n\tstatus code: 503, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a",
            "low likely service-error",
        ),
        (
            "RequestId: R Error: https response error StatusCode: 500, RequestID: R, InternalServerError: x",
            "low likely service-error",
        ),
        (
            "RequestId: R Error: https response error StatusCode: 503, RequestID: R, api error UnknownError: UnknownError",
            "low likely service-error",
        ),
        (
            "RequestId: R Error: https response error StatusCode: 400, RequestID: R, api error ThrottlingException: Rate exceeded",
            "medium likely throttled",
        ),
        (
            "Error: operation error SSM: UpdateInstanceInformation, https response error StatusCode: 0, RequestID: , request send failed, Post \"https://ssm.us-east-1.amazonaws.com/\": Proxy Authentication Required",
            "high likely proxy-failure",
        ),
        (
            "RequestId: R Error: https response error StatusCode: 502, RequestID: R, deserialization failed, failed to decode response body, invalid character '<' looking for beginning of value",
            "high undetermined proxy-failure,service-error,endpoint-unreachable",
        ),
        (
            "RequestId: R Error: https response error StatusCode: 400, RequestID: R, api error NeverHeardOfException: x",
            "low undetermined unrecognised",
        ),
    ] {
        let pieces = [format!("{REFRESHER}{error}"), WAIT.to_owned()];
        assert_eq!(summary(&at_once(&pieces)), [says], "{error}");
    }
}

#[test]
fn a_wait_tells_when_the_agent_tries_again() {
    let error = format!(
        "{REFRESHER}RequestId: R Error: https response error StatusCode: 400, RequestID: R, api error ThrottlingException: Rate exceeded"
    );
    let reading = at_once(&[error, WAIT.to_owned()]);
    assert_eq!(reading.findings[0].retry_in_seconds, Some(300));
}

#[test]
fn a_wait_alone_still_says_that_there_are_no_credentials() {
    assert_eq!(
        summary(&at_once(&[WAIT.to_owned()])),
        [
            "high undetermined role-not-assumable,no-instance-profile,imds-disabled,imds-unreachable,stale-instance-profile"
        ]
    );
}

/// A refusal at the start of the second generation, after the agent's list of its
/// proxy settings where it is given.
fn refusal(proxy: Option<[&str; 3]>) -> Vec<String> {
    let mut pieces = Vec::new();
    if let Some([https, http, no]) = proxy {
        for line in [
            "Proxy environment variables:".to_owned(),
            format!("https_proxy: {https}"),
            format!("http_proxy: {http}"),
            format!("no_proxy: {no}"),
        ] {
            pieces.push(format!("2026-11-25 18:25:12.5427 INFO {line}"));
        }
    }
    pieces.push("2026-11-25 18:25:12.5490 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: operation error ec2imds: GetMetadata, failed to get API token, operation error ec2imds: getToken, http response error StatusCode: 403, request to EC2 IMDS failed".to_owned());
    pieces
}

#[test]
fn the_logs_own_proxy_lines_tell_who_refused_in_the_metadata_services_place() {
    const PROXY: &str = "http://10.0.0.10:3128";
    const OFF: &str = "high likely imds-disabled";
    const CAUGHT: &str = "high likely proxy-failure,imds-disabled";
    for (proxy, says) in [
        (Some(["", "", ""]), OFF),
        (Some([PROXY, PROXY, ""]), CAUGHT),
        (Some(["", PROXY, "localhost,.internal"]), CAUGHT),
        (Some([PROXY, PROXY, "169.254.169.254"]), OFF),
        (Some([PROXY, PROXY, "localhost, 169.254.0.0/16 "]), OFF),
        (Some([PROXY, PROXY, "*"]), OFF),
        (Some([PROXY, PROXY, "169.254.170.2"]), CAUGHT),
        // Calls to the metadata service are plain HTTP.
        (Some([PROXY, "", ""]), OFF),
        (None, "high undetermined imds-disabled,proxy-failure"),
    ] {
        assert_eq!(summary(&at_once(&refusal(proxy))), [says], "{proxy:?}");
    }
    // Upper case, as some environments write it.
    let upper: Vec<String> = refusal(Some([PROXY, PROXY, "169.254.169.254"]))
        .iter()
        .map(|line| {
            ["https_proxy", "http_proxy", "no_proxy"]
                .iter()
                .fold(line.clone(), |line, name| {
                    line.replace(&format!(" {name}:"), &format!(" {}:", name.to_uppercase()))
                })
        })
        .collect();
    assert_eq!(summary(&at_once(&upper)), [OFF]);
}

#[test]
fn a_later_list_of_proxy_settings_replaces_the_earlier() {
    let mut pieces = refusal(Some(["", "http://10.0.0.10:3128", ""]));
    pieces.pop();
    pieces.extend(refusal(Some(["", "", ""])));
    assert_eq!(summary(&at_once(&pieces)), ["high likely imds-disabled"]);
}

#[test]
fn the_end_of_a_metadata_error_names_the_cause_in_a_whole_log() {
    const REFUSED: &str = "http response error StatusCode: 403, request to EC2 IMDS failed";
    const CA: &str =
        "unable to add custom RootCAs HTTPClient, has no WithTransportOptions, *http.Client";
    for (log, tail, says) in [
        (
            "v2-imds-role403",
            "http response error StatusCode: 401, request to EC2 IMDS failed",
            "high likely imds-unreachable",
        ),
        (
            "v2-imds-role403",
            "exceeded maximum number of attempts, 3, http response error StatusCode: 500, request to EC2 IMDS failed",
            "high likely imds-unreachable",
        ),
        (
            "v2-imds-role403",
            "canceled, context deadline exceeded",
            "high likely imds-unreachable,imds-disabled",
        ),
        (
            "v2-imds-role403",
            "exceeded maximum number of attempts, 3, request send failed, Get \"http://169.254.169.254/latest/meta-data/iam/security-credentials/\": dial tcp 169.254.169.254:80: connect: no route to host",
            "high likely imds-unreachable,imds-disabled",
        ),
        (
            "v2-imds-role403",
            "failed to get API token, operation error ec2imds: getToken, http response error StatusCode: 403, request to EC2 IMDS failed",
            "high likely imds-disabled",
        ),
        (
            "v2-imds-disabled",
            "http response error StatusCode: 503, request to EC2 IMDS failed",
            "high likely imds-unreachable",
        ),
        (
            "v2-imds-disabled",
            "http response error StatusCode: 407, request to EC2 IMDS failed",
            "high likely proxy-failure,imds-unreachable",
        ),
        // Not EC2's service, or none that knows tokens: several causes are possible.
        (
            "v2-imds-disabled",
            "http response error StatusCode: 404, request to EC2 IMDS failed",
            "high undetermined imds-unreachable,imds-disabled,proxy-failure,registration-invalid",
        ),
        (
            "v2-imds-disabled",
            CA,
            "high likely agent-config-invalid,tls-failure",
        ),
    ] {
        let text = fixture(&format!("v2/{log}.log")).replace(REFUSED, tail);
        assert_eq!(summary(&at_once(&records(&text))), [says], "{tail}");
    }
}

#[test]
fn a_proxys_own_words_put_the_proxy_first() {
    let log = fixture("v2/v2-proxy-407.log");
    for (words, says) in [
        ("Forbidden", "high likely proxy-failure"),
        (
            "Network Authentication Required",
            "high likely proxy-failure",
        ),
        (
            "Blocked by policy",
            "high undetermined proxy-failure,endpoint-unreachable,dns-failure,tls-failure",
        ),
    ] {
        let text = log.replace("Proxy Authentication Required", words);
        assert_eq!(summary(&at_once(&records(&text))), [says], "{words}");
    }
}

#[test]
fn a_skipped_health_ping_is_told_with_what_made_the_agent_skip_it() {
    const SKIPPED: &str = "2026-08-20 10:00:14.1006 WARN [ssm-agent-worker] [HealthCheck] Skipping health update due to identity provider errors";
    const ON_AZURE: &str = "2026-08-20 10:00:02.1005 INFO [ssm-agent-worker] [HealthCheck] Agent is registered with Azure";
    let refused = "2026-08-20 10:00:04.1005 ERROR [ssm-agent-worker] [HealthCheck] Error getting availability zone: operation error ec2imds: GetMetadata, http response error StatusCode: 403, request to EC2 IMDS failed";
    let silent = "2026-08-20 10:00:04.1005 ERROR [ssm-agent-worker] [HealthCheck] Error getting source id: unable to get Azure metadata response: unexpected status code: 400";
    for (lines, says, service) in [
        (vec![SKIPPED], "high undetermined imds-unreachable", None),
        (
            vec![ON_AZURE, SKIPPED],
            "high undetermined imds-unreachable",
            Some("azure-imds"),
        ),
        (
            vec![silent, SKIPPED],
            "high likely imds-unreachable",
            Some("azure-imds"),
        ),
        (
            vec![refused, SKIPPED],
            "high undetermined imds-disabled,proxy-failure,imds-unreachable",
            Some("imds"),
        ),
    ] {
        let pieces: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let reading = at_once(&pieces);
        assert_eq!(summary(&reading), [says], "{lines:?}");
        let error_details = &reading.findings[0].error_details;
        assert_eq!(error_details.service.as_deref(), service, "{lines:?}");
    }
}
