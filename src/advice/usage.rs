//! One session, one command or its output failed while the agent is well.

use super::Step;
use super::case::Case;
use super::denial;
use crate::cause::Cause;
use crate::command::{ArgKind, Command};

pub(super) fn session_failure(case: &Case) -> Vec<Step> {
    if case.error_details.client {
        return vec![Step::say(
            "session-manager-plugin wrote this on the machine of the person who starts the \
             session; the node is not at fault. A certificate error there means that this \
             machine's network inspects TLS: let it trust the inspecting authority, or exempt \
             ssmmessages from the inspection. Else see that machine's proxy and firewall.",
        )];
    }
    let role = case.role_in_words();
    let denied = denial::of_usage(case);
    let mut steps = Vec::new();
    match case.error_details.service.as_deref() {
        Some("kms") => steps.push(Step::say(format!(
            "A session encrypted by KMS needs two permissions on the key of the session \
             preferences, in the key's policy as well where the key is another account's: the \
             person who opens the session kms:GenerateDataKey, {role} kms:Decrypt."
        ))),
        Some("s3") => steps.push(Step::say(format!(
            "The session preferences demand an encrypted bucket. Encrypt it, and let {role} call \
             s3:GetEncryptionConfiguration on it, in the bucket's policy as well where the \
             bucket is another account's; or no longer demand encryption there."
        ))),
        Some("logs") => steps.push(Step::say(format!(
            "The session preferences demand an encrypted log group. Encrypt it with a key, and \
             let {role} call logs:DescribeLogGroups (on *); or no longer demand encryption there."
        ))),
        Some(_) | None => {}
    }
    if denied.is_empty() && case.error_details.host.is_some() {
        steps.push(reach(case));
    }
    steps.extend(denied);
    steps.extend([
        Step::run(
            "Show the session preferences of this Region (key, log destinations, Run As user):",
            case.aws("aws ssm get-document")
                .text("--name SSM-SessionManagerRunShell --query Content --output text"),
        ),
        Step::run(
            "Show how the latest sessions to the node ended:",
            case.aws("aws ssm describe-sessions")
                .text("--state History --max-results 5 --filters")
                .value_within("key=Target,value=", ArgKind::NodeId, case.node(), ""),
        ),
        case.connection_status(),
    ]);
    if !matches!(
        case.error_details.service.as_deref(),
        Some("kms" | "s3" | "logs")
    ) {
        steps.push(Step::say(
            "Run As: the user must exist on the host. Encryption by KMS: the person who opens \
             the session needs kms:GenerateDataKey on that key, the node's role kms:Decrypt. \
             Encryption demanded for the log: the bucket or log group must be encrypted. Port \
             forwarding: something must listen on the port. On Linux the agent makes the user \
             ssm-user; on a domain controller it does not.",
        ));
    }
    steps
}

pub(super) fn command_failure(case: &Case) -> Vec<Step> {
    let mut steps = denial::of_usage(case);
    steps.extend([
        Step::run(
            "Show the latest runs on the node, with their status:",
            case.with_node(
                case.aws("aws ssm list-command-invocations").text("--details"),
                "--instance-id",
            )
            .text(
                "--max-results 5 --query 'CommandInvocations[].[CommandId,DocumentName,Status,StatusDetails]' \
                 --output text",
            ),
        ),
        Step::run(
            "Show the associations of the node and what became of them:",
            case.with_node(
                case.aws("aws ssm describe-instance-associations-status"),
                "--instance-id",
            ),
        ),
        Step::run(
            "Their output lies on the host (Linux):",
            "sudo ls -t /var/lib/amazon/ssm/*/document/orchestration | head -5",
        ),
    ]);
    steps
}

pub(super) fn output_failure(case: &Case) -> Vec<Step> {
    let denied = denial::of_usage(case);
    let lost = "The run itself went on; only its output is lost.";
    let mut steps = if denied.is_empty() {
        let role = case.role_in_words();
        vec![Step::say(format!(
            "{lost} For that, {role} needs: for S3, s3:PutObject and s3:GetEncryptionConfiguration \
             on the bucket; for CloudWatch Logs, logs:CreateLogStream, logs:PutLogEvents, \
             logs:DescribeLogGroups and logs:DescribeLogStreams; for a key, kms:GenerateDataKey \
             and kms:Decrypt. The policies of bucket, log group and key must allow it, too."
        ))]
    } else {
        let lost = Step::say(format!("{lost} What writes it was denied:"));
        std::iter::once(lost).chain(denied).collect()
    };
    steps.push(reach(case));
    steps.push(Step::say(
        "Does the bucket or log group exist, in this Region, under the name that the document or \
         the session preferences give?",
    ));
    steps
}

fn reach(case: &Case) -> Step {
    Step::run(
        "Does the node reach the destination? Without a way to the internet it needs an endpoint \
         for s3, logs or kms as well:",
        Command::new("curl -sS -o /dev/null -w '%{http_code} from %{remote_ip}\\n' -m 10")
            .value_within("https://", ArgKind::Host, &case.host(), "/"),
    )
}

/// Runs the smallest thing of the same kind again.
pub(super) fn try_again(case: &Case, cause: Cause) -> Step {
    if cause == Cause::SessionFailure {
        return Step::run(
            "Open a session:",
            case.with_node(case.aws("aws ssm start-session"), "--target"),
        );
    }
    Step::run(
        "Run a small command and see it succeed (Windows: AWS-RunPowerShellScript):",
        case.with_node(
            case.aws("aws ssm send-command")
                .text("--document-name AWS-RunShellScript --parameters commands=hostname"),
            "--instance-ids",
        ),
    )
}
