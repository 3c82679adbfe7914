//! Other programs name the same hosts and codes, and people's scripts print
//! lines like the agent's: neither raises anything actionable.

use super::shapes::{at_once, lines};
use super::verdict::{actionable, summary};

const OTHERS: [(&str, &str); 16] = [
    (
        "another Go program that dies without credentials",
        "panic: EC2MetadataError: failed to make EC2Metadata request\n<?xml version=\"1.0\"?><html><title>403 - Forbidden</title></html>\n\tstatus code: 403, request id: \n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:31 +0x1d",
    ),
    (
        "another Go program that dies of its proxy",
        "panic: RequestError: send request failed\ncaused by: Post \"https://sqs.us-east-1.amazonaws.com/\": proxyconnect tcp: dial tcp 10.0.0.10:3128: i/o timeout\n\ngoroutine 1 [running]:\ngithub.com/example/worker/queue.Must(...)\n\t/go/pkg/mod/github.com/example/worker/queue/queue.go:12",
    ),
    (
        "another Go program that dies of the second SDK's error",
        "panic: operation error SQS: ReceiveMessage, get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, http response error StatusCode: 404, request to EC2 IMDS failed\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:8 +0x2b",
    ),
    (
        "another Go program's own mistake",
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x8a3b1c]\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/app/main.go:201 +0x1d",
    ),
    (
        "CloudWatch agent",
        "2024-11-04T10:02:44Z E! [outputs.cloudwatchlogs] Aws error received when sending logs: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: logs:PutLogEvents\n2024-11-04T10:02:45Z W! retryable error: RequestError: send request failed\ncaused by: Post \"https://logs.us-east-1.amazonaws.com/\": dial tcp 52.1.2.3:443: i/o timeout",
    ),
    (
        "aws-cli",
        "An error occurred (AccessDeniedException) when calling the UpdateInstanceInformation operation: User: arn:aws:iam::123456789012:user/x is not authorized to perform: ssm:UpdateInstanceInformation\nUnable to locate credentials. You can configure credentials by running \"aws configure\".",
    ),
    (
        "botocore",
        "2024-11-04 10:02:44,962 - botocore.credentials - ERROR - Unable to retrieve credentials from 169.254.169.254\n2024-11-04 10:02:44,963 ERROR EC2 cannot assume the role MySSMRole",
    ),
    (
        "kubelet",
        "E1104 10:02:44.962900    2373 aws_credentials.go:77] EC2RoleRequestError: no EC2 instance role found\ncaused by: RequestError: send request failed\ncaused by: Get \"http://169.254.169.254/latest/meta-data/iam/security-credentials/\": dial tcp 169.254.169.254:80: i/o timeout",
    ),
    (
        "Terraform",
        "2024-11-04T10:02:44.962Z [ERROR] provider.terraform-provider-aws: Response contains error diagnostic: AccessDenied\nError: error modifying instance metadata options: UnauthorizedOperation: You are not authorized to perform this operation.",
    ),
    (
        "an application's own log",
        "2024-11-04 10:02:44 ERROR com.example.Poller - ThrottlingException: Rate exceeded (Service: Ssm, Status Code: 400)\n2024-11-04 10:02:44.962 ERROR [main] c.e.App: error when calling AWS APIs",
    ),
    (
        "other programs behind syslog",
        "Nov  4 10:02:44 ip-10-0-1-20 sshd[2200]: ERROR [HealthCheck] error when calling AWS APIs. error details - ThrottlingException: Rate exceeded\nNov  4 10:02:44 ip-10-0-1-20 cloud-init[900]: 2024-11-04 10:02:44 ERROR Agent failed to assume any identity",
    ),
    (
        "a script that prints agent-like lines, in a reply",
        "2024-11-04 10:02:44.9629 INFO [ssm-agent-worker] [MessageService] [MDSInteractor] Sending reply {\n  \"standardError\": \"\",\n  \"standardOutput\": \"2024-11-04 10:00:00 ERROR [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: fake\\nERROR Agent failed to assume any identity\\n\",\n  \"status\": \"Success\"\n}",
    ),
    (
        "a script with an error in its text",
        "2024-11-04 10:02:44.9629 INFO [ssm-document-worker] [cd8541ad-f21a-4e5f-bdaa-7f57e8b04abf] [DataBackend] [pluginName=aws:runShellScript] aws:runShellScript started with configuration {<nil> map[runCommand:[grep ERROR /var/log/x\necho panic: oops\nERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity\nfatal error: fake\n] timeoutSeconds:3600] }",
    ),
    (
        "the agent's own audit file",
        "SchemaVersion=1\nagent_telemetry amazon-ssm-agent.start 3.3.1142.0 09:56:19",
    ),
    (
        "programs that speak of a line of the agent",
        "I1104 10:02:44.962900       1 tail.go:7] cannot parse the line: \"2024-11-04 10:02:44.9629 ERROR [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: fake\"\nlogagent: failed to read the line: 2024-11-04 10:02:44.9629 ERROR [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: fake",
    ),
    (
        "a JSON application log",
        "{\"level\":\"error\",\"ts\":\"2024-11-04T10:02:44Z\",\"msg\":\"AccessDeniedException: not authorized to perform: ssm:UpdateInstanceInformation\"}\n{\"time\":\"2024-11-04T10:02:44Z\",\"message\":\"2024-11-04 10:00:00 dial tcp 10.0.0.1:443: i/o timeout\"}",
    ),
];

#[test]
fn other_programs_raise_nothing_loud() {
    for (program, text) in OTHERS {
        for pieces in [vec![text.to_owned()], lines(text)] {
            let reading = at_once(&pieces);
            assert!(
                actionable(&reading).is_empty(),
                "{program}: {:?}",
                summary(&reading)
            );
        }
    }
}

/// session-manager-plugin writes a file of the same name and grammar, on the machine
/// of the person who starts the session.
#[test]
fn a_clients_log_is_told_as_a_clients() {
    for text in [
        "2023-05-16 21:41:43 ERROR [OpenConnection @ websocketutil.go.63] Failed to dial websocket: x509: certificate signed by unknown authority",
        "2023-05-16 21:41:43 ERROR [OpenConnection @ websocketutil.go.63] Failed to dial websocket: dial tcp: lookup ssmmessages.us-east-1.amazonaws.com: no such host\n2023-05-16 21:41:43 ERROR [OpenDataChannel @ sessionhandler.go.49] Retrying connection for data channel id: alice-0b849af47232a9d46 failed with error: failed to open data channel with error: dial tcp: lookup ssmmessages.us-east-1.amazonaws.com: no such host",
        "2023-05-16 21:41:43 ERROR Failed to dial websocket: websocket: bad handshake",
    ] {
        let reading = at_once(&lines(text));
        assert_eq!(summary(&reading), ["low likely session-failure"], "{text}");
        assert!(reading.findings[0].error_details.client, "{text}");
    }
}

#[test]
fn a_data_channel_is_not_the_control_channel() {
    let line = |error: &str| {
        format!(
            "2026-03-30 09:00:02.1000 WARN [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream] Reach the retry limit 5 for receive messages. Error: websocket: {error}"
        )
    };
    // Long after it, so that a lost control channel would be an outage.
    let later = "2026-03-30 11:00:02.1000 INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.".to_owned();
    for (error, says) in [
        ("close 1000 (normal): Bye", &[][..]),
        ("close 1001 (going away): Going away", &[]),
        (
            "close 1006 (abnormal closure): unexpected EOF",
            &["low undetermined session-failure"],
        ),
    ] {
        let reading = at_once(&[line(error), later.clone()]);
        assert_eq!(summary(&reading), says, "{error}");
    }
}
