//! The recipes: sequences of records that mean one thing.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;

use crate::batch::{Batch, Event, Source};
use crate::cause::{Cause, Confidence, Severity};
use crate::correlate::states::StreamState;
use crate::correlate::stream::BatchAnalysis;
use crate::engine::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

fn batch(text: &str, complete: bool) -> Batch<'_> {
    Batch {
        source: Source {
            log_stream: "i-0123456789abcdef0".to_owned(),
            complete,
            ..Source::default()
        },
        events: vec![Event {
            id: Cow::Borrowed("1"),
            at: None,
            message: Cow::Borrowed(text),
        }],
    }
}

fn read(text: &str) -> BatchAnalysis {
    ENGINE.analyze(
        &mut StreamState::default(),
        &batch(text, true),
        Timestamp::UNIX_EPOCH,
    )
}

/// The causes that a log without an open fault has recovered from.
fn only_recovered(text: &str) -> Vec<Cause> {
    let analysis = read(text);
    assert_eq!(analysis.findings, []);
    let causes = analysis.recovered.iter().map(|recovered| recovered.cause);
    causes.collect()
}

/// `cause (confidence)` of every actionable finding.
fn actionable(reading: &BatchAnalysis) -> Vec<String> {
    reading
        .findings
        .iter()
        .filter(|finding| finding.severity.is_actionable())
        .map(|finding| format!("{} ({})", finding.candidates[0], finding.confidence))
        .collect()
}

const REFUSED: &str = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: connection refused\n";
const FORBIDDEN: &str = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: 403 Forbidden: Forbidden\n\tstatus code: 403, request id: \ncaused by: EC2MetadataError: failed to make EC2Metadata request\n<html>\n <head>\n  <title>403 - Forbidden</title>\n </head>\n</html>\n\n\tstatus code: 403, request id: \n";
const NO_ROLE: &str = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: EC2RoleRequestError: no EC2 instance role found\n";
const NO_DHMC: &str = "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. ec2 instance not yet registered with Systems Manager\n";
const NO_CREDENTIALS: &str = "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: ec2 instance not yet registered with Systems Manager\n";

fn at(time: &str, record: &str) -> String {
    format!("2026-11-23 {time} {record}")
}

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
fn a_lost_hybrid_registration_explains_the_metadata_errors_after_it() {
    let attempt = [
        at("04:00:00.0000", "WARN [OnPremIdentity] Error while loading server info Failed to load instance info from vault. data file of RegistrationKey is missing\n"),
        at("04:00:00.1000", REFUSED),
        at("04:00:00.2000", "ERROR Agent failed to assume any identity\n"),
    ]
    .concat();
    let log = [
        attempt.clone(),
        attempt.replace("04:00:00", "04:00:01"),
        attempt.replace("04:00:00", "04:00:02"),
        at(
            "04:00:03.0000",
            "ERROR failed to get identity: failed to find agent identity\n",
        ),
    ];
    assert_eq!(
        actionable(&read(&log.concat())),
        ["registration-invalid (likely)"]
    );
}

#[test]
fn first_attempts_before_the_service_answered_are_not_the_cause() {
    let log = [
        at("04:00:00.0000", REFUSED),
        at("04:00:00.5000", REFUSED),
        at("04:00:01.0000", FORBIDDEN),
        at(
            "04:00:01.1000",
            "ERROR failed to get identity: failed to find agent identity\n",
        ),
    ];
    assert_eq!(actionable(&read(&log.concat())), ["imds-disabled (likely)"]);
}

#[test]
fn errors_alone_show_that_an_identity_was_found_after_a_race_at_boot() {
    let boot = |day: &str| {
        let errors = [
            ("00.6955", REFUSED),
            ("00.6956", "ERROR Agent failed to assume any identity\n"),
            (
                "00.6957",
                "ERROR failed to find identity, retrying: failed to find agent identity\n",
            ),
            ("02.4402", NO_DHMC),
            ("02.4403", NO_CREDENTIALS),
        ];
        errors
            .map(|(second, text)| format!("2026-11-{day} 01:00:{second} {text}"))
            .concat()
    };
    for log in [boot("23"), boot("23") + &boot("24")] {
        let findings = read(&log).findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(findings[0].confidence, Confidence::Undetermined);
        assert!(findings[0].candidates.contains(&Cause::PermissionMissing));
    }
}

/// Of a hybrid node: it writes no line that says that its health ping succeeded.
#[test]
fn new_credentials_end_an_outage_of_their_service() {
    let timeout = "RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 52.46.1.1:443: i/o timeout\n";
    let log = [
        at(
            "07:00:00.0000",
            "INFO Agent will take identity from OnPrem\n",
        ),
        at(
            "08:00:02.0000",
            &format!("ERROR [CredentialRefresher] Retrieve credentials produced error: {timeout}"),
        ),
        at(
            "08:00:20.0000",
            &format!(
                "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - {timeout}"
            ),
        ),
        at(
            "08:05:36.0000",
            "INFO [CredentialRefresher] Credentials ready\n",
        ),
    ];
    let rotation = |minutes: &str| {
        at(
            "08:05:36.1000",
            &format!(
                "INFO [CredentialRefresher] Next credential rotation will be in {minutes} minutes\n"
            ),
        )
    };
    let causes = only_recovered(&(log.concat() + &rotation("29.999992")));
    assert_eq!(causes, [Cause::EndpointUnreachable]);
    // From the cache, without a call to AWS.
    assert_eq!(
        actionable(&read(&(log.concat() + &rotation("17.2")))).len(),
        1
    );
}

#[test]
fn an_open_channel_ends_what_would_have_kept_it_shut() {
    let open = at(
        "08:00:20.0000",
        "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: wss://ssmmessages.us-east-1.amazonaws.com/v1/control-channel/i-0123456789abcdef0?role=subscribe&stream=input\n",
    );
    let denied = "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MyRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation\n";
    let expired = "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - ExpiredTokenException: The security token included in the request is expired\n";
    for over in [
        at("08:00:00.0000", expired),
        at(
            "08:00:00.0000",
            &format!("INFO [ssm-agent-worker] Entering SSM Agent hibernate - {denied}"),
        ),
    ] {
        assert_eq!(only_recovered(&(over + &open)).len(), 1);
    }
    let ping = at(
        "08:00:00.0000",
        &format!(
            "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - {denied}"
        ),
    );
    assert_eq!(
        actionable(&read(&(ping + &open))),
        ["permission-missing (likely)"]
    );
}

#[test]
fn a_process_without_files_watches_none() {
    let socket = at(
        "08:01:00.0000",
        "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 10.0.1.9:443: socket: too many open files\n",
    );
    let watch = |error: &str| {
        at(
            "08:02:00.0000",
            &format!(
                "ERROR [ssm-document-worker] [cd8541ad] filewatcher listener encountered error when add watch: {error}\n"
            ),
        )
    };
    let causes = |log: String| actionable(&read(&log));
    assert_eq!(
        causes(socket.clone() + &watch("too many open files")),
        ["host-memory (likely)"]
    );
    assert_eq!(causes(socket + &watch("no space left on device")).len(), 2);
}

#[test]
fn a_registration_that_is_refused_matters_little_while_the_profile_works() {
    let throttled = "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: ThrottlingException: Rate exceeded\n";
    let connected = at(
        "08:00:03.0000",
        "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
    );
    let log = connected + &at("08:00:17.0000", throttled);
    assert_eq!(actionable(&read(&log)), [""; 0]);
    assert_eq!(
        actionable(&read(&at("08:00:17.0000", throttled))),
        ["throttled (likely)"]
    );
}

#[test]
fn a_race_at_first_boot_is_quiet_in_every_batch() {
    let first = [at("04:00:00.0000", REFUSED), at("04:00:00.5000", REFUSED)].concat();
    let second = at("04:00:01.0000", "INFO Agent will take identity from EC2\n");
    let mut state = StreamState::default();
    for text in [&first, &second] {
        let reading = ENGINE.analyze(&mut state, &batch(text, false), Timestamp::UNIX_EPOCH);
        assert_eq!(actionable(&reading), [""; 0]);
    }
}

#[test]
fn a_proxy_that_wants_a_password_explains_the_bare_request_error() {
    let log = [
        at("04:00:00.0000", "INFO https_proxy: http://10.0.0.1:3128\n"),
        at(
            "04:00:01.0000",
            "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": Proxy Authentication Required\n",
        ),
        at(
            "04:00:02.0000",
            "ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. Error: RequestError: send request failed\n",
        ),
    ];
    assert_eq!(actionable(&read(&log.concat())), ["proxy-failure (likely)"]);
}

#[test]
fn a_channel_that_does_not_reopen_is_told_though_no_error_is_logged() {
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
fn message_errors_matter_little_while_the_control_channel_is_open() {
    let log = [
        at(
            "04:00:00.0000",
            "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n",
        ),
        at(
            "04:00:01.0000",
            "ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: RequestError: send request failed\ncaused by: Post \"https://ec2messages.us-east-1.amazonaws.com/\": dial tcp 10.0.1.6:443: i/o timeout\n",
        ),
    ];
    let reading = read(&log.concat());
    assert_eq!(
        reading.findings[0].candidates[0],
        Cause::EndpointUnreachable
    );
    assert_eq!(reading.findings[0].severity, Severity::Low);
}

#[test]
fn a_worker_that_goes_after_a_stop_was_stopped() {
    let gone = "INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Process ssm-agent-worker (pid:115) has been terminated, remove from worker pool\n";
    let stopped = [
        at(
            "04:00:00.0000",
            "INFO [amazon-ssm-agent] amazon-ssm-agent got signal:terminated value:0x925ec0\n",
        ),
        at("04:00:01.0000", gone),
    ];
    assert_eq!(actionable(&read(&stopped.concat())), [""; 0]);
    assert_eq!(
        read(&at("04:00:01.0000", gone)).findings[0].candidates[0],
        Cause::AgentWorker
    );
}

#[test]
fn copies_of_a_record_count_once() {
    let record = at("04:00:01.0000", NO_CREDENTIALS);
    let copy = at(
        "04:00:01.0000",
        &NO_CREDENTIALS.replacen("ERROR ", "ERROR [minLog @ credentialrefresher.go.280] ", 1),
    );
    let reading = read(&[record.clone(), copy, record].concat());
    assert_eq!(reading.findings[0].signatures[0].count, 1);
}

#[test]
fn a_recovery_closes_and_is_told() {
    let log = [
        at("04:00:01.0000", NO_CREDENTIALS),
        at(
            "04:00:01.5000",
            "ERROR [CredentialRefresher] Retrieve credentials produced error: ThrottlingException: Rate exceeded\n",
        ),
        at(
            "04:30:01.0000",
            "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
        ),
    ];
    assert_eq!(only_recovered(&log.concat()), [Cause::Throttled]);
}

#[test]
fn a_second_proof_within_one_whole_second_closes_what_came_between() {
    let opened = "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 10.0.1.7:443\n";
    let failed = "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: failed to make http client call: Post \"https://ssmmessages.us-east-1.amazonaws.com/v1/control-channel/i-0123456789abcdef0\": EOF\n";
    let second = |records: &[&str]| -> String {
        records
            .iter()
            .map(|record| at("04:00:00", record))
            .collect()
    };
    let healed = second(&[opened, failed, opened]);
    assert_eq!(actionable(&read(&healed)), Vec::<String>::new());
    let broken = second(&[opened, failed]);
    assert_eq!(actionable(&read(&broken)).len(), 1);
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
fn a_record_told_late_does_not_reopen_what_is_over() {
    let mut state = StreamState::default();
    let over = at(
        "04:30:00.0000",
        "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
    );
    let late = at("04:00:00.0000", NO_CREDENTIALS);
    ENGINE.analyze(&mut state, &batch(&over, false), Timestamp::UNIX_EPOCH);
    let reading = ENGINE.analyze(&mut state, &batch(&late, false), Timestamp::UNIX_EPOCH);
    assert_eq!(reading.findings, []);
}

#[test]
fn the_next_retry_is_told() {
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
fn a_quiet_fault_hides_no_loud_symptom() {
    let log = [
        at(
            "04:00:01.0000",
            "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: InternalServerError: Internal server error\n",
        ),
        at("04:00:02.0000", NO_CREDENTIALS),
    ];
    assert_eq!(
        actionable(&read(&log.concat())),
        ["role-not-assumable (undetermined)"]
    );
}

#[test]
fn a_fault_explains_only_what_stands_near_it() {
    let throttled = "ERROR [CredentialRefresher] Retrieve credentials produced error: ThrottlingException: Rate exceeded\n";
    let near = [
        at("04:00:01.0000", throttled),
        at("04:30:02.0000", NO_CREDENTIALS),
    ];
    assert_eq!(actionable(&read(&near.concat())), ["throttled (likely)"]);
    let far = [
        at("04:00:01.0000", throttled),
        at("09:00:02.0000", NO_CREDENTIALS),
    ];
    assert_eq!(actionable(&read(&far.concat())).len(), 2);
    // The same symptom, seen beside the fault and again when long nothing was.
    let again = [
        at("04:00:01.0000", throttled),
        at("04:00:02.0000", NO_CREDENTIALS),
        at("09:00:02.0000", NO_CREDENTIALS),
    ];
    assert_eq!(actionable(&read(&again.concat())).len(), 2);
    // Without a silence it goes on.
    let hours = ["05:00", "06:00", "07:00", "08:00", "09:00"];
    let goes_on = hours.map(|hour| at(&format!("{hour}:02.0000"), NO_CREDENTIALS));
    let all = [near.concat(), goes_on.concat()].concat();
    assert_eq!(actionable(&read(&all)), ["throttled (likely)"]);
}

#[test]
fn a_metadata_service_that_was_silent_hours_before_it_was_switched_off_is_a_fault_of_its_own() {
    let silent = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: no route to host\n";
    let off = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: 403 Forbidden: Forbidden\n\tstatus code: 403, request id: \n";
    let causes = |between: &str| {
        let listing = [
            "Proxy environment variables:",
            "https_proxy: ",
            "http_proxy: ",
            "no_proxy: ",
        ];
        let listing = listing.map(|line| at("04:00:00.0000", &format!("INFO {line}\n")));
        let log = [at("04:00:01.0000", silent), at(between, off)];
        let reading = read(&[listing.concat(), log.concat()].concat());
        let causes = reading.findings.iter().map(|finding| finding.candidates[0]);
        causes.collect::<Vec<_>>()
    };
    assert_eq!(causes("04:00:02.0000"), [Cause::ImdsDisabled]);
    assert_eq!(causes("12:00:00.0000").len(), 2);
}

#[test]
fn a_bare_series_that_ends_is_reported_as_recovered() {
    let log = [
        at("04:00:01.0000", NO_CREDENTIALS),
        at(
            "04:30:01.0000",
            "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
        ),
    ];
    assert_eq!(only_recovered(&log.concat()), [Cause::RoleNotAssumable]);
}

#[test]
fn a_killed_worker_is_over_once_the_agent_has_worked_on() {
    let gone = "INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Process ssm-agent-worker (pid:115) has been terminated, remove from worker pool\n";
    let open = "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n";
    let soon = [at("04:00:00.0000", gone), at("04:00:05.0000", open)];
    assert_eq!(
        read(&soon.concat()).findings[0].candidates[0],
        Cause::AgentWorker
    );
    let later = [at("04:00:00.0000", gone), at("05:30:00.0000", open)];
    let reading = read(&later.concat());
    assert_eq!(reading.findings, []);
    assert_eq!(reading.recovered[0].cause, Cause::AgentWorker);
}

#[test]
fn a_policy_that_denies_the_registration_for_dhmc_matters_little_and_is_not_called_harmless() {
    let denied = |tail: &str| {
        let line = format!(
            "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance \
             API: AccessDeniedException: User: \
             arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0 is not \
             authorized to perform: ssm:RegisterManagedInstance{tail}\n"
        );
        let reading = read(&at("04:00:01.0000", &line));
        let finding = reading.findings.first();
        finding.map(|finding| (finding.candidates[0], finding.severity))
    };
    let here = " on resource: arn:aws:ssm:us-east-1:123456789012:*";
    for (tail, cause) in [
        (
            "because no VPC endpoint policy allows the ssm:RegisterManagedInstance action",
            Cause::EndpointPolicyDenies,
        ),
        (
            "with an explicit deny in a VPC endpoint policy",
            Cause::EndpointPolicyDenies,
        ),
        (
            "with an explicit deny in a service control policy",
            Cause::PermissionMissing,
        ),
    ] {
        let found = denied(&format!("{here} {tail}"));
        assert_eq!(found, Some((cause, Severity::Low)), "{tail}");
    }
    assert_eq!(denied(""), None);
}
