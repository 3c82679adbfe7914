//! One session, one command or its output failed while the agent is well.

use super::Step;
use super::case::Case;
use crate::command::{Command, Grammar};
use crate::incident::cause::Cause;

pub(super) fn session_failure(case: &Case) -> Vec<Step> {
    vec![
        case.connection_status(),
        Step::run(
            "Show the session preferences of this Region (key, log destinations, Run As user):",
            case.aws("aws ssm get-document")
                .text("--name SSM-SessionManagerRunShell --query Content --output text"),
        ),
        Step::say(
            "Run As: the user must exist on the host. Encryption by KMS: the role and the person \
             both need kms:Decrypt on that key. Port forwarding: something must listen on the \
             port. On Linux the agent makes the user ssm-user; on a domain controller it does \
             not.",
        ),
        Step::run(
            "Show how the latest sessions to the node ended:",
            case.aws("aws ssm describe-sessions")
                .text("--state History --max-results 5 --filters")
                .value_within("key=Target,value=", Grammar::NodeId, case.node(), ""),
        ),
    ]
}

pub(super) fn command_failure(case: &Case) -> Vec<Step> {
    vec![
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
    ]
}

pub(super) fn output_failure(case: &Case) -> Vec<Step> {
    let role = case.role_in_words();
    let denied = case
        .clues
        .action
        .as_deref()
        .filter(|action| Grammar::Action.accepts(action));
    let mut steps = vec![Step::say(match denied {
        Some(action) => format!(
            "The run itself went on; only its output is lost. For that, {role} needs {action} on the \
             destination, and the destination's own policy and key must allow it."
        ),
        None => format!(
            "The run itself went on; only its output is lost. For that, {role} needs: for S3, \
             s3:PutObject and s3:GetEncryptionConfiguration on the bucket; for CloudWatch Logs, \
             logs:CreateLogStream, logs:PutLogEvents, logs:DescribeLogGroups and \
             logs:DescribeLogStreams; for a key, kms:GenerateDataKey and kms:Decrypt."
        ),
    })];
    if let Some(action) = denied {
        steps.push(Step::run(
            "See what IAM decides:",
            case.with_role_arn(
                case.iam("aws iam simulate-principal-policy"),
                "--policy-source-arn",
            )
            .option("--action-names", Grammar::Action, action)
            .text("--query 'EvaluationResults[].[EvalActionName,EvalDecision]'"),
        ));
    }
    steps.push(Step::run(
        "Does the node reach the destination? Without a way to the internet it needs an endpoint \
         for s3, logs or kms as well:",
        Command::new("curl -sS -o /dev/null -w '%{http_code} from %{remote_ip}\\n' -m 10")
            .value_within("https://", Grammar::Host, &case.host(), "/"),
    ));
    steps.push(Step::say(
        "Does the bucket or log group exist, in this Region, under the name that the document or \
         the session preferences give?",
    ));
    steps
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
