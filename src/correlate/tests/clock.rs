use crate::cause::Cause;

use super::*;

const AHEAD: &str = "ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. RequestId: 8f755a3b-acd1-4864-a478-c2e90f4f8f5c Error: https response error StatusCode: 400, RequestID: 8f755a3b-acd1-4864-a478-c2e90f4f8f5c, api error InvalidSignatureException: Signature not yet current: 20261123T090500Z is still later than 20261123T080500Z (20261123T080000Z + 5 min.)\n";
const CONNECTED: &str =
    "INFO EC2RoleProvider Successfully connected with instance profile role credentials\n";
const PING: &str = "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\n";
const DENIED: &str = "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: 8f755a3b-acd1-4864-a478-c2e90f4f8f5c, api error AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:UpdateInstanceInformation action\n";

const WRONG: [&str; 1] = ["clock-skew (likely)"];
const LACKS: [&str; 1] = ["permission-missing (likely)"];

fn log(records: &[(&str, &str)]) -> String {
    records.iter().map(|(time, text)| at(time, text)).collect()
}

#[test]
fn a_clock_that_was_ahead_and_is_set_back_is_right() {
    for connected in ["08:03:00.0400", "08:10:00.0400", "09:04:00.0400"] {
        let healed = log(&[("09:05:00.0400", AHEAD), (connected, CONNECTED)]);
        assert_eq!(only_recovered(&healed), [Cause::ClockSkew], "{connected}");
    }
    // What else was logged by that clock is as old.
    let both = log(&[
        ("09:05:00.0400", AHEAD),
        ("09:06:00.0400", DENIED),
        ("08:03:00.0400", CONNECTED),
    ]);
    let mut over = only_recovered(&both);
    over.sort();
    assert_eq!(over, [Cause::PermissionMissing, Cause::ClockSkew]);
    // What comes then is new.
    let again = log(&[
        ("09:05:00.0400", AHEAD),
        ("08:03:00.0400", CONNECTED),
        ("08:08:00.0400", AHEAD),
    ]);
    assert_eq!(actionable(&read(&again)), WRONG);
}

#[test]
fn a_log_put_behind_a_newer_one_ends_no_wrong_clock() {
    // It was logged before the service refused the signature, at 08:00.
    let older = log(&[("09:05:00.0400", AHEAD), ("07:59:59.0400", CONNECTED)]);
    assert_eq!(actionable(&read(&older)), WRONG);
    // The log twice.
    let whole = log(&[("07:55:00.0400", CONNECTED), ("09:05:00.0400", AHEAD)]);
    assert_eq!(actionable(&read(&whole.repeat(2))), WRONG);
    // Processes write a moment out of order.
    let close = log(&[("09:05:00.0400", AHEAD), ("09:04:59.9000", CONNECTED)]);
    assert_eq!(actionable(&read(&close)), WRONG);
}

#[test]
fn what_comes_in_an_hour_that_daylight_saving_time_repeats_is_later() {
    let after = log(&[
        ("02:50:00.0400", CONNECTED),
        ("02:05:00.0400", PING),
        ("02:05:00.1200", DENIED),
    ]);
    assert_eq!(actionable(&read(&after)), LACKS);
    let healed = log(&[
        ("01:00:00.0400", CONNECTED),
        ("02:55:00.0400", DENIED),
        ("02:06:00.0400", CONNECTED),
    ]);
    assert_eq!(only_recovered(&healed), [Cause::PermissionMissing]);
}

#[test]
fn what_goes_back_otherwise_is_another_file() {
    for [before, after] in [
        ["12:50:00.0400", "12:05:00.0400"],
        ["02:50:00.0400", "02:30:00.0400"],
        ["03:05:00.0400", "02:06:00.0400"],
        ["02:50:00.0400", "01:50:00.0400"],
    ] {
        let older = log(&[
            ("01:00:00.0400", CONNECTED),
            (before, DENIED),
            (after, CONNECTED),
        ]);
        assert_eq!(actionable(&read(&older)), LACKS, "{before} {after}");
    }
    // errors.log, and behind it the log.
    let errors = log(&[("02:50:00.0400", DENIED), ("02:05:00.0400", CONNECTED)]);
    assert_eq!(actionable(&read(&errors)), LACKS);
}

#[test]
fn events_may_come_late() {
    let records = [
        at("09:05:00.0400", AHEAD),
        at("08:10:00.0400", CONNECTED),
        at("08:15:00.0400", PING),
    ];
    let times = ["09:05:00.04Z", "08:10:00.04Z", "08:15:00.04Z"];
    let event = |(text, time): (&String, &str)| Event {
        id: Cow::Borrowed("1"),
        at: Some(format!("2026-11-23T{time}").parse().expect("a time")),
        message: Cow::Owned(text.clone()),
    };
    for complete in [true, false] {
        let mut batch = batch("", complete);
        batch.events = records.iter().zip(times).map(event).collect();
        let reading = ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH);
        assert_eq!(actionable(&reading), WRONG, "{complete}");
    }
}
