//! Which fault explains another, and which matters little beside it.

use super::{NO_CREDENTIALS, REFUSED, actionable, at, read};
use crate::cause::{Cause, Severity};

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
