use super::*;

const OLD: &str = "i-0123456789abcdef0";
const NEW: &str = "i-0fedcba9876543210";

const STARTS: &str = "INFO Proxy environment variables:\n";
const GIVEN_UP: &str = "ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity\n";

fn denied(id: &str) -> String {
    format!(
        "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/{id} is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/{id}\n"
    )
}

fn opens_channel(id: &str) -> String {
    format!(
        "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Setting up websocket for controlchannel for instance: {id}, requestId: 3fcd0364-0000-4000-8000-000000000000\n"
    )
}

/// The node of each finding, and whether its id is in doubt.
fn nodes(stream: &str, records: &[(&str, &str)]) -> Vec<(String, bool)> {
    let log: String = (records.iter())
        .map(|(time, record)| format!("2026-11-{time} {record}"))
        .collect();
    let mut batch = batch(&log, true);
    batch.source.log_stream = stream.to_owned();
    let analysis = ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH);
    let findings = analysis.findings.iter();
    findings
        .map(|one| (one.node.id.to_string(), one.error_details.id_in_doubt))
        .collect()
}

#[test]
fn an_id_that_was_named_before_a_silence_and_a_start_is_in_doubt() {
    let denied = denied(OLD);
    let fails = [("29 08:00:01", FORBIDDEN), ("29 08:00:03", GIVEN_UP)];
    let log = |stream: &str, between: &[(&str, &str)]| {
        let records = [&[("20 08:00:00", &*denied)], between, &fails].concat();
        nodes(stream, &records)
    };
    let known = |doubt: bool| (OLD.to_owned(), doubt);
    // The denial is the old one's for certain.
    assert_eq!(
        log("", &[("29 08:00:00", STARTS)]),
        [known(true), known(false)]
    );
    // errors.log has no line of the start.
    assert_eq!(log("", &[]), [known(true), known(false)]);
    assert_eq!(
        log(OLD, &[("29 08:00:00", STARTS)]),
        [known(false), known(false)]
    );
    // The machine has named itself since, or was not silent.
    for between in [
        ("29 07:50:00", opens_channel(OLD)),
        ("29 07:59:30", format!("INFO [instanceID={OLD}] x\n")),
    ] {
        let records = [("29 07:45:00", STARTS), (between.0, &*between.1)];
        assert_eq!(log("", &records), [known(false), known(false)]);
    }
    let rebooted = nodes(
        "",
        &[
            ("29 07:58:00", &*denied),
            ("29 08:00:00", STARTS),
            fails[0],
            fails[1],
        ],
    );
    assert_eq!(rebooted, [known(false), known(false)]);
}

#[test]
fn a_channel_that_opens_names_the_machine_that_goes_on() {
    let (denied, channel) = (denied(OLD), opens_channel(NEW));
    let (first, start) = (("20 08:00:00", &*denied), ("29 08:00:00", STARTS));
    let named = nodes("", &[first, start, ("29 08:00:05", &channel)]);
    assert_eq!(named, []);
    let without_start = nodes("", &[first, ("29 08:00:05", &channel)]);
    assert_eq!(without_start, [(OLD.to_owned(), false)]);
}
