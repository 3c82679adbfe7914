//! Other programs name the same hosts and codes, and people's scripts print
//! lines like the agent's: neither raises anything loud.

use super::shapes::{at_once, lines};
use super::verdict::{loud, summary};

const OTHERS: [(&str, &str); 11] = [
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
                loud(&reading).is_empty(),
                "{program}: {:?}",
                summary(&reading)
            );
        }
    }
}
