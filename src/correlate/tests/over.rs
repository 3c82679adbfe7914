//! What a log shows to be over.

use jiff::Timestamp;

use super::{
    ENGINE, FORBIDDEN, NO_CREDENTIALS, NO_DHMC, REFUSED, actionable, at, batch, only_recovered,
    read,
};
use crate::cause::{Cause, Confidence};
use crate::correlate::states::StreamState;

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
fn a_recovery_closes_and_is_reported() {
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
fn a_record_that_arrives_late_does_not_reopen_what_is_over() {
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
fn a_worker_that_was_killed_once_is_over_when_it_opens_its_channel() {
    let gone = "INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Process ssm-agent-worker (pid:115) has been terminated, remove from worker pool\n";
    let open = "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n";
    let once = [at("04:00:00.0000", gone), at("04:00:05.0000", open)].concat();
    assert_eq!(only_recovered(&once), [Cause::AgentWorker]);
    // A crash loop opens the channel between.
    let again = [at("04:02:00.0000", gone), at("04:02:05.0000", open)].concat();
    let twice = once + &again;
    assert_eq!(read(&twice).findings[0].candidates[0], Cause::AgentWorker);
    let later = at("05:30:00.0000", open);
    assert_eq!(read(&(twice + &later)).findings, []);
    let not_started = at(
        "04:00:00.0000",
        "ERROR [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: permission denied\n",
    );
    let started = not_started + &at("04:01:00.0000", open);
    assert_eq!(only_recovered(&started).len(), 1);
}

#[test]
fn a_call_of_the_agent_proves_what_every_call_needs() {
    let connected = at(
        "08:20:00.0000",
        "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n",
    );
    let upload = |error: &str| {
        format!(
            "ERROR [ssm-document-worker] [cd8541ad-f21a-4e5f-bdaa-7f57e8b04abf] [DataBackend] [pluginName=aws:runShellScript] Failed to upload /var/lib/amazon/ssm/x/stdout to s3://my-bucket/out err:{error}\n"
        )
    };
    let over = |record: &str| only_recovered(&(at("08:00:00.0000", record) + &connected));
    for (record, cause) in [
        (
            "WARN Failed to read system certificate pool: open /etc/ssl/certs/ca-certificates.crt: permission denied\n",
            Cause::TlsFailure,
        ),
        (
            "WARN ParseProxySettings, invalid URL or host for proxy: http=proxy:80;https=proxy:80\n",
            Cause::ProxyFailure,
        ),
        (
            &upload(
                "RequestTimeTooSkewed: The difference between the request time and the current time is too large.",
            ),
            Cause::ClockSkew,
        ),
    ] {
        assert_eq!(over(record), [cause], "{record}");
    }
    // Another service's certificate is none that the call has seen.
    let other = upload(
        "RequestError: send request failed\ncaused by: Put \"https://my-bucket.s3.us-east-1.amazonaws.com/out\": x509: certificate signed by unknown authority",
    );
    let log = at("08:00:00.0000", &other) + &connected;
    assert_eq!(read(&log).findings.len(), 1);
}

#[test]
fn an_image_takes_the_log_of_another_machine_along() {
    let denied = |day: &str, id: &str| {
        format!(
            "2026-11-{day} 08:00:00.0000 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/{id} is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/{id}\n"
        )
    };
    let line = |day: &str, text: &str| format!("2026-11-{day} 07:59:00.0000 INFO {text}\n");
    let connected = "EC2RoleProvider Successfully connected with instance profile role credentials";
    let (old, new) = ("i-0123456789abcdef0", "i-0fedcba9876543210");
    let nodes = |log: String| {
        let mut batch = batch(&log, true);
        batch.source.log_stream = String::new();
        let analysis = ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH);
        let findings = analysis.findings.iter();
        findings
            .map(|one| (one.node.id.to_string(), one.first.to_string()))
            .collect::<Vec<_>>()
    };
    let only = |id: &str, day: &str| vec![(id.to_owned(), format!("2026-11-{day}T08:00:00Z"))];
    // The agent starts after days of silence, and then names another id.
    let start = line("29", "[amazon-ssm-agent] Starting Core Agent");
    let image = denied("20", old) + &start + &denied("29", new);
    assert_eq!(nodes(image), only(new, "29"));
    // Nothing of the first machine is active.
    let well = denied("20", old) + &line("21", connected) + &denied("29", new);
    assert_eq!(nodes(well), only(new, "29"));
    // Its own log after a start, and that of two machines at once.
    let same = denied("20", old) + &start + &denied("29", old);
    assert_eq!(nodes(same), only(old, "20"));
    let start = line("20", "[amazon-ssm-agent] Starting Core Agent");
    let mixed = start.clone() + &denied("20", old) + &start + &denied("20", new);
    assert_eq!(nodes(mixed), only(old, "20"));
}

#[test]
fn a_call_that_succeeds_shows_nothing_of_another_that_is_denied() {
    let denied = |action: &str| {
        at(
            "08:00:00.0000",
            &format!(
                "ERROR [ssm-agent-worker] [MessageService] [Association] Encountered error while loading association 983247a6-1a3f-42cc-99cc-070fe2113070 contents, AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:{action} on resource: arn:aws:ssm:us-east-1:123456789012:document/x\n"
            ),
        )
    };
    let refreshed = at(
        "08:00:00.1000",
        "INFO [ssm-agent-worker] [MessageService] [Association] Schedule manager refreshed with 1 associations, 1 new associations associated\n",
    );
    let log = |action: &str| denied(action) + &refreshed;
    assert_eq!(
        actionable(&read(&log("GetDocument"))),
        ["permission-missing (likely)"]
    );
    assert_eq!(
        actionable(&read(&(refreshed.clone() + &log("GetDocument")))).len(),
        1
    );
    assert_eq!(
        only_recovered(&log("ListInstanceAssociations")),
        [Cause::PermissionMissing]
    );
}

#[test]
fn what_needs_a_repair_is_not_over_because_the_agent_works_on() {
    let connected =
        "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n";
    let causes = |record: &str, later: &str| {
        let log = at("08:00:00.0000", record) + &format!("2026-{later}:00.0000 {connected}");
        actionable(&read(&log))
    };
    let denied = "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream] Failed to get datachannel token, error: CreateDataChannel failed with error: createDataChannel request failed: unexpected response from the service <AccessDeniedException><Message>User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssmmessages:CreateDataChannel on resource: x because no identity-based policy allows the ssmmessages:CreateDataChannel action</Message></AccessDeniedException>\n";
    let full = "ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [cd8541ad] messaging worker encountered error: write /var/lib/amazon/ssm/i-0123456789abcdef0/channels/x: no space left on device\n";
    let read_only = "WARN [CredentialRefresher] Failed to save new expiration: failed to write runtime config 'identity_config.json': open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: read-only file system\n";
    for record in [denied, full, read_only] {
        assert_eq!(causes(record, "11-23 09:30").len(), 1, "{record}");
        assert_eq!(causes(record, "11-25 09:30").len(), 1, "{record}");
    }
    assert_eq!(causes(denied, "12-01 09:30"), [""; 0]);
}

#[test]
fn pings_in_succession_without_an_error_have_arrived() {
    const PING: &str =
        "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n";
    let failed = |error: &str| {
        let ping = at("08:00:00.0000", PING);
        ping + &at(
            "08:00:00.1000",
            &format!(
                "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp{error}\n"
            ),
        )
    };
    let pings = |minutes: &[&str]| -> String {
        let times = minutes.iter().map(|minute| format!("08:{minute}:00.2000"));
        times.map(|time| at(&time, PING)).collect()
    };
    let dns = failed(": lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: no such host");
    let three = pings(&["05", "10", "15"]);
    assert_eq!(only_recovered(&(dns.clone() + &three)), [Cause::DnsFailure]);
    // However the log is cut into batches.
    let mut state = StreamState::default();
    let batches = [dns.clone(), pings(&["05"]), pings(&["10"]), pings(&["15"])];
    let recovered = batches.map(|text| {
        let batch = batch(&text, false);
        let analysis = ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
        analysis.recovered.len()
    });
    assert_eq!(recovered, [0, 0, 0, 1]);
    let silent = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: operation error ec2imds: GetMetadata, failed to get API token, operation error ec2imds: getToken, exceeded maximum number of attempts, 3, request send failed, Put \"http://169.254.169.254/latest/api/token\": net/http: timeout awaiting response headers\n";
    let start = at("08:00:00.0000", "INFO Agent will take identity from EC2\n");
    let imds = start + &at("08:00:00.1000", silent) + &three;
    assert_eq!(read(&imds).findings, []);
    let error = at("08:06:00.0000", silent);
    for log in [
        // Too few, another machine's between, an error between, an error that is not logged again.
        dns.clone() + &pings(&["05", "10"]),
        dns.clone() + &pings(&["05", "06", "07"]),
        dns + &pings(&["05"]) + &error + &pings(&["10", "15"]),
        failed(" 10.0.1.9:443: i/o timeout") + &three,
    ] {
        assert_ne!(actionable(&read(&log)), [""; 0], "{log}");
    }
}

#[test]
fn time_runs_out_on_a_machine_that_was_suspended() {
    let ping = "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n";
    let timeout = "ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [cd8541ad-f21a-4e5f-bdaa-7f57e8b04abf] ipc messaging received timedout signal!\n";
    let after = |time: &str| read(&(at("08:00:00.0000", ping) + &at(time, timeout))).findings;
    assert_eq!(after("17:00:00.0000"), []);
    assert_eq!(after("08:04:00.0000").len(), 1);
    // errors.log holds no ping: that it is silent says nothing.
    let errors = at("08:00:00.0000", timeout) + &at("17:00:00.0000", timeout);
    assert_eq!(read(&errors).findings.len(), 1);
}

#[test]
fn a_service_that_refuses_a_call_can_be_reached() {
    let line = |time: &str, error: &str| {
        at(
            time,
            &format!(
                "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: {error}\n"
            ),
        )
    };
    let timeout = line(
        "08:00:00.0000",
        "RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 52.94.228.178:443: i/o timeout",
    );
    let refused = "AccessDeniedException: Systems Manager's instance management role is not configured for account: 123456789012";
    let log = timeout.clone() + &line("08:00:16.0000", refused);
    assert_eq!(only_recovered(&log), [Cause::EndpointUnreachable]);
    let log = line("07:59:00.0000", refused) + &timeout;
    assert_eq!(actionable(&read(&log)).len(), 1);
}
