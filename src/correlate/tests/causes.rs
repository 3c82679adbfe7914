//! What several records say together.

use jiff::Timestamp;

use super::{ENGINE, FORBIDDEN, NO_CREDENTIALS, NO_DHMC, NO_ROLE, actionable, at, batch, read};
use crate::cause::{Cause, Confidence, Severity};
use crate::correlate::states::StreamState;
use crate::finding::Finding;

#[test]
fn a_missing_profile_is_likely_once_the_metadata_service_has_answered() {
    let log = [
        at("04:00:00.0000", "INFO Agent will take identity from EC2\n"),
        at("04:00:01.0000", NO_ROLE),
        at("04:00:01.1000", NO_DHMC),
        at("04:00:01.2000", NO_CREDENTIALS),
        at(
            "04:00:01.3000",
            "INFO [CredentialRefresher] Sleeping for 5m0s before retrying retrieve credentials\n",
        ),
        at("04:50:01.0000", NO_ROLE),
        at("04:50:01.1000", NO_DHMC),
    ];
    let reading = read(&log.concat());
    assert_eq!(actionable(&reading), ["no-instance-profile (likely)"]);
    assert!(
        !reading.findings[0]
            .candidates
            .contains(&Cause::ImdsDisabled)
    );
}

#[test]
fn without_that_proof_the_same_line_has_several_causes() {
    let reading = read(&at("04:00:01.0000", NO_ROLE));
    assert_eq!(actionable(&reading), ["no-instance-profile (undetermined)"]);
    assert!(
        reading.findings[0]
            .candidates
            .contains(&Cause::ImdsDisabled)
    );
}

#[test]
fn the_metadata_service_switched_off_while_the_agent_runs_is_no_missing_profile() {
    let log = [
        at("04:00:00.0000", "INFO Agent will take identity from EC2\n"),
        at(
            "04:00:01.0000",
            "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
        ),
        at(
            "04:05:00.0000",
            "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n",
        ),
        at("04:05:00.0010", FORBIDDEN),
        at("04:10:00.0010", FORBIDDEN),
        at("04:30:01.0000", NO_ROLE),
        at("04:30:01.1000", NO_DHMC),
        at(
            "04:30:01.2000",
            "ERROR EC2RoleProvider failed to retrieve instance profile role credentials. Err: EC2RoleRequestError: no EC2 instance role found\n",
        ),
    ];
    assert_eq!(actionable(&read(&log.concat())), ["imds-disabled (likely)"]);
}

#[test]
fn a_channel_that_does_not_reopen_is_reported_though_no_error_is_logged() {
    let status = "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages\n";
    let log = [
        at(
            "04:00:00.0000",
            "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n",
        ),
        at(
            "04:10:00.0000",
            "WARN [ssm-agent-worker] [MessageService] [MGSInteractor] Reach the retry limit 5 for receive messages. Error: websocket: close 1000 (normal): Bye\n",
        ),
        at("04:10:07.0000", status),
        at("04:10:26.0000", status),
    ];
    assert_eq!(
        actionable(&read(&log.concat())),
        ["endpoint-unreachable (undetermined)"]
    );
    let reopened = [
        log.concat(),
        at(
            "04:10:30.0000",
            "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 10.0.1.7:443\n",
        ),
    ];
    assert_eq!(actionable(&read(&reopened.concat())), [""; 0]);
}

#[test]
fn a_hybrid_node_whose_role_cannot_be_assumed_does_not_blame_default_host_management() {
    let log = [
        at("04:00:00.0000", "INFO Agent will take identity from OnPrem\n"),
        at("04:00:01.0000", "ERROR [CredentialRefresher] Retrieve credentials produced error: operation error SSM: RequestManagedInstanceRoleToken, https response error StatusCode: 400, RequestID: c7a8114f, api error ValidationException: Could not assume role arn:aws:iam::123456789012:role/HybridRole\n"),
    ]
    .concat();
    assert_eq!(
        actionable(&read(&log)),
        ["registration-invalid (undetermined)"]
    );
}

#[test]
fn the_next_retry_is_reported() {
    let log = [
        at("04:00:01.0000", NO_CREDENTIALS),
        at(
            "04:00:01.0000",
            "INFO [CredentialRefresher] Sleeping for 27m51s before retrying retrieve credentials\n",
        ),
    ];
    assert_eq!(
        read(&log.concat()).findings[0].retry_in_seconds,
        Some(27 * 60 + 51)
    );
}

#[test]
fn an_error_inside_that_is_not_known_is_unrecognised_not_invented() {
    let reading = read(&at(
        "04:00:01.0000",
        "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - BrandNewException: something else\n",
    ));
    assert_eq!(reading.findings[0].candidates, [Cause::Unrecognised]);
}

#[test]
fn the_second_generation_of_the_sdk_is_read() {
    let reading = read(&at(
        "04:00:01.0000",
        "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: c7a8114f-02e5-49ff-9bbf-3db760a1143a, api error AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0\n",
    ));
    let finding = &reading.findings[0];
    assert_eq!(
        (finding.candidates[0], finding.confidence),
        (Cause::PermissionMissing, Confidence::Likely)
    );
    assert_eq!(finding.severity, Severity::High);
}

#[test]
fn a_line_that_a_screen_cuts_off_leaves_that_there_are_no_credentials() {
    let sentence = "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: x";
    let profile = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: x";
    let wait = "INFO [CredentialRefresher] Sleeping for 5m0s before retrying retrieve credentials";
    let cut = |records: &[&str]| -> String {
        let lines = records.iter().map(|record| at("08:00:00.6400", record));
        lines
            .map(|line| line.chars().take(120).collect::<String>() + "\n")
            .collect()
    };
    for records in [
        &[profile, sentence, wait][..],
        &[profile, sentence],
        &[profile, profile, wait],
    ] {
        let log = cut(records);
        let mut batch = batch(&log, true);
        batch.source.pasted = true;
        let analysis = ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH);
        let found: Vec<&Finding> = (analysis.findings.iter())
            .filter(|one| one.severity.is_actionable())
            .collect();
        assert_eq!(found.len(), 1, "{log}{:#?}", analysis.findings);
        assert_eq!(found[0].confidence, Confidence::Undetermined);
        for cause in [
            Cause::NoInstanceProfile,
            Cause::PermissionMissing,
            Cause::DnsFailure,
        ] {
            assert!(found[0].candidates.contains(&cause), "{log}");
        }
    }
}

#[test]
fn a_wait_brings_back_no_cause_that_its_fault_excludes() {
    let fault = "ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. Error: RequestError: send request failed\n";
    let wait =
        "INFO [CredentialRefresher] Sleeping for 5m0s before retrying retrieve credentials\n";
    let alone = at("08:00:01.0000", fault);
    let log = at("07:58:00.0000", wait) + &alone + &at("08:00:01.0000", wait);
    let candidates = |log: &str| read(log).findings[0].candidates.clone();
    assert_eq!(candidates(&log), candidates(&alone));
}

#[test]
fn a_bare_answer_to_the_request_for_credentials_is_not_the_health_pings() {
    let answer = "ThrottlingException: Rate exceeded\n\tstatus code: 400, request id: 8f755a3b-acd1-4864-a478-c2e90f4f8f5c\n";
    for (writer, action) in [
        (
            "[CredentialRefresher] Retrieve credentials produced error: ",
            None,
        ),
        (
            "[ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - ",
            Some("ssm:UpdateInstanceInformation"),
        ),
    ] {
        let analysis = read(&at("08:00:00.1000", &format!("ERROR {writer}{answer}")));
        let [finding] = &analysis.findings[..] else {
            panic!("{writer}: {:#?}", analysis.findings);
        };
        assert_eq!(finding.candidates[0], Cause::Throttled, "{writer}");
        assert_eq!(finding.error_details.action.as_deref(), action, "{writer}");
    }
}
