use crate::cause::Cause;

use super::*;

const UNRESOLVED: &str = "ERROR [HandleAwsError @ awserr.go.137] [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, exceeded maximum number of attempts, 4, https response error StatusCode: 0, RequestID: , request send failed, Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp: lookup ssm.us-east-1.amazonaws.com on 10.0.0.2:53: no such host\n";
const TIMED_OUT: &str = "ERROR [HandleAwsError @ awserr.go.137] [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, exceeded maximum number of attempts, 4, https response error StatusCode: 0, RequestID: , request send failed, Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 10.0.1.7:443: i/o timeout\n";
const DENIED: &str = "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - operation error SSM: UpdateInstanceInformation, https response error StatusCode: 400, RequestID: 8f755a3b-acd1-4864-a478-c2e90f4f8f5c, api error AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:UpdateInstanceInformation action\n";
const NO_CHANNEL: &str = "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: failed to make http client call: Post \"https://ssmmessages.us-east-1.amazonaws.com/v1/control-channel/i-0123456789abcdef0\": dial tcp: lookup ssmmessages.us-east-1.amazonaws.com on 10.0.0.2:53: no such host\n";
const READ_ONLY: &str = "WARN [CredentialRefresher] Failed to save new expiration: failed to write runtime config 'identity_config.json': open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: read-only file system\n";

const SESSION: &str = "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream] Failed to retrieve uid for deploy: user: unknown user deploy\n";
const COMMAND: &str = "ERROR [S3Upload @ s3util.go.135] [ssm-document-worker] [cd8541ad-f21a-4e5f-bdaa-7f57e8b04abf] [DataBackend] [pluginName=aws:runShellScript] Failed to upload /var/lib/amazon/ssm/x/stdout to s3://my-bucket/out err:AccessDenied: Access Denied\n\tstatus code: 403, request id: 3XK0S5Q9TVWE8FAB, host id: x1y2z3==\n";

/// What `fault` is when `work` is logged on the day of November.
fn after(fault: &str, day: u32, work: &str) -> BatchAnalysis {
    read(&format!(
        "2026-11-20 08:00:00.0400 {fault}2026-11-{day} 08:00:00.0800 {work}"
    ))
}

fn over(fault: &str, day: u32, work: &str) -> Vec<Cause> {
    let recovered = after(fault, day, work).recovered.into_iter();
    recovered.map(|over| over.cause).collect()
}

fn is_open(fault: &str, cause: Cause, day: u32, work: &str) -> bool {
    let mut findings = after(fault, day, work).findings.into_iter();
    findings.any(|finding| finding.candidates[0] == cause)
}

#[test]
fn a_session_or_a_command_shows_that_a_message_has_come() {
    for work in [SESSION, COMMAND] {
        assert_eq!(over(UNRESOLVED, 23, work), [Cause::DnsFailure]);
        let no_credentials = format!("{NO_DHMC}2026-11-20 08:00:00.0600 {NO_CREDENTIALS}");
        let causes = [Cause::RoleNotAssumable, Cause::DhmcNotConfigured];
        assert_eq!(over(&no_credentials, 23, work), causes);
        // It may have come before.
        assert!(is_open(UNRESOLVED, Cause::DnsFailure, 22, work));
    }
    assert_eq!(over(NO_CHANNEL, 23, SESSION), [Cause::DnsFailure]);
}

#[test]
fn a_message_that_has_come_shows_no_more() {
    for (fault, cause, work) in [
        (DENIED, Cause::PermissionMissing, SESSION),
        (TIMED_OUT, Cause::EndpointUnreachable, SESSION),
        (READ_ONLY, Cause::HostReadOnly, SESSION),
        (NO_CHANNEL, Cause::DnsFailure, COMMAND),
    ] {
        assert!(is_open(fault, cause, 30, work), "{fault}");
    }
}

#[test]
fn what_a_schedule_runs_has_come_in_no_message() {
    let scheduled = COMMAND.replace("b04abf]", "b04abf.2026-11-30T07-59-58.034Z]");
    let other = SESSION.replace("alice-0a1b2c3d4e5f67890", "--help");
    for work in [scheduled, other] {
        assert!(is_open(UNRESOLVED, Cause::DnsFailure, 30, &work), "{work}");
    }
}
