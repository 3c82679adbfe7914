//! What the role, an endpoint policy, an organisation or the Default Host
//! Management setting allows.

use super::Step;
use super::case::Case;
use super::identity::attach_core;
use crate::command::{Command, Grammar};
use crate::incident::finding::DenyReason;

/// What AmazonSSMManagedInstanceCore allows, as its default version lists it.
pub(super) const CORE_ACTIONS: &[&str] = &[
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:DescribeAssociation",
    "ssm:DescribeDocument",
    "ssm:GetDeployablePatchSnapshotForInstance",
    "ssm:GetDocument",
    "ssm:GetManifest",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutConfigurePackageResult",
    "ssm:PutInventory",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

const DHMC_SETTING: &str =
    "--setting-id /ssm/managed-instance/default-ec2-instance-management-role";

pub(super) fn permission_missing(case: &Case) -> Vec<Step> {
    let mut steps = match case.clues.reason {
        None | Some(DenyReason::IdentityPolicy) => identity_policy(case),
        Some(DenyReason::PermissionsBoundary) => vec![Step::run(
            format!(
                "The permissions boundary of {} does not allow {}. Find the boundary, and have \
                 its owner allow the action:",
                case.role_in_words(),
                action(case)
            ),
            case.with_role(case.iam("aws iam get-role"))
                .text("--query Role.PermissionsBoundary"),
        )],
        Some(DenyReason::ServiceControlPolicy) => vec![Step::run(
            format!(
                "A service control policy of the organisation denies {}; nothing in this account \
                 can lift it. From the organisation's management account:",
                action(case)
            ),
            case.with_account(
                case.iam("aws organizations list-policies-for-target"),
                "--target-id",
            )
            .text("--filter SERVICE_CONTROL_POLICY"),
        )],
        Some(DenyReason::SessionPolicy) => vec![
            Step::say(format!(
                "A session policy narrows the credentials that the agent uses, and leaves out \
                 {}. Credentials of an instance profile carry no session policy: something else \
                 hands them to the agent.",
                action(case)
            )),
            Step::run(
                "Look for a shared credentials file or variables that stand before the profile:",
                "sudo ls -l /root/.aws/; \
                 systemctl show amazon-ssm-agent -p Environment -p EnvironmentFiles",
            ),
        ],
        Some(DenyReason::VpcEndpointPolicy) => return endpoint_policy_denies(case),
        Some(DenyReason::ResourcePolicy) => vec![Step::say(format!(
            "The policy of the resource itself does not allow {} to {}: add it there (bucket \
             policy, key policy, log group policy).",
            action(case),
            case.role_in_words()
        ))],
        Some(DenyReason::ExplicitDeny) => vec![Step::run(
            format!(
                "A policy denies {} by name; an Allow elsewhere does not lift that. Find the \
                 statement:",
                action(case)
            ),
            simulate(case, case.clues.action.as_deref()),
        )],
    };
    if case
        .clues
        .reason
        .is_some_and(|reason| reason != DenyReason::IdentityPolicy)
    {
        steps.push(Step::run(
            "See what IAM decides, and by which policy:",
            simulate(case, case.clues.action.as_deref()),
        ));
        steps.dedup_by(|a, b| a.command.is_some() && a.command == b.command);
    }
    steps
}

fn identity_policy(case: &Case) -> Vec<Step> {
    let role = case.role_in_words();
    let mut steps = vec![Step::run(
        format!("Show which policies {role} has:"),
        case.with_role(case.iam("aws iam list-attached-role-policies"))
            .text("--query 'AttachedPolicies[].PolicyArn' --output text"),
    )];
    let denied = case.clues.action.as_deref();
    if denied.is_none_or(|denied| CORE_ACTIONS.contains(&denied)) {
        steps.push(Step::run(
            format!(
                "Attach AmazonSSMManagedInstanceCore, which allows {} and all else that the \
                 agent needs (detach-role-policy undoes it):",
                action(case)
            ),
            attach_core(case, true),
        ));
    } else {
        steps.push(Step::run(
            format!(
                "AmazonSSMManagedInstanceCore does not hold {}: allow it in a policy of {role}, \
                 on the one resource that the log names.",
                action(case)
            ),
            case.with_role(case.iam("aws iam list-role-policies")),
        ));
    }
    steps.push(Step::run(
        "See what IAM decides now, and by which policy:",
        simulate(case, case.clues.action.as_deref()),
    ));
    steps
}

pub(super) fn endpoint_policy_denies(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            format!(
                "A VPC endpoint's policy does not allow {}, whatever the role may do. Show the \
                 policies of the endpoints for {} in the VPC:",
                action(case),
                case.service()
            ),
            describe_endpoints(case).text(
                "--query 'VpcEndpoints[].{Id:VpcEndpointId,Service:ServiceName,Policy:PolicyDocument}'",
            ),
        ),
        Step::run(
            "Save that policy, add the action for this role (or go back to full access), and \
             put it in place; the saved one put back undoes it:",
            case.aws("aws ec2 modify-vpc-endpoint")
                .option("--vpc-endpoint-id", Grammar::VpcEndpointId, "")
                .text("--policy-document file://endpoint-policy.json"),
        ),
    ]
}

/// The endpoints of the case's service in its VPC.
pub(super) fn describe_endpoints(case: &Case) -> Command {
    case.in_vpc(
        case.aws("aws ec2 describe-vpc-endpoints"),
        "Name=vpc-id,Values=",
    )
    .value_within(
        "Name=service-name,Values=*.",
        Grammar::Service,
        case.service(),
        "",
    )
}

pub(super) fn dhmc_not_configured(case: &Case) -> Vec<Step> {
    vec![
        Step::say(
            "The node has neither an instance profile that works nor Default Host Management to \
             fall back on. One of the two is enough: an instance profile with \
             AmazonSSMManagedInstanceCore is the usual one.",
        ),
        Step::run(
            "Attach an instance profile to this instance:",
            case.with_one_instance(case.aws("aws ec2 associate-iam-instance-profile"))
                .text("--iam-instance-profile Name=INSTANCE_PROFILE_NAME"),
        ),
        show_setting(case),
        Step::run(
            "Or turn Default Host Management on for the whole account and Region, with a role \
             that trusts ssm.amazonaws.com and has AmazonSSMManagedEC2InstanceDefaultPolicy. It \
             needs agent 3.2.582.0 or newer, IMDSv2, and up to 30 minutes.",
            case.aws("aws ssm update-service-setting")
                .text(DHMC_SETTING)
                .text("--setting-value service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"),
        ),
    ]
}

pub(super) fn dhmc_role_broken(case: &Case) -> Vec<Step> {
    vec![
        show_setting(case),
        Step::run(
            "Default Host Management names a role that Systems Manager cannot use. Does it \
             exist, and does it trust ssm.amazonaws.com?",
            case.iam("aws iam get-role").text(
                "--role-name AWSSystemsManagerDefaultEC2InstanceManagementRole \
                 --query Role.AssumeRolePolicyDocument",
            ),
        ),
        Step::run(
            "Attach its policy, which changes nothing where it is attached:",
            case.iam("aws iam attach-role-policy")
                .text("--role-name AWSSystemsManagerDefaultEC2InstanceManagementRole")
                .option(
                    "--policy-arn",
                    Grammar::Arn,
                    &case.managed_policy("AmazonSSMManagedEC2InstanceDefaultPolicy"),
                ),
        ),
        Step::say("Do not let EC2 assume that role: it is for Systems Manager alone."),
    ]
}

fn show_setting(case: &Case) -> Step {
    Step::run(
        "Show the Default Host Management setting of this account and Region ($None: off):",
        case.aws("aws ssm get-service-setting")
            .text(DHMC_SETTING)
            .text("--query 'ServiceSetting.[SettingValue,Status]' --output text"),
    )
}

/// What IAM decides about `action`.
pub(super) fn simulate(case: &Case, action: Option<&str>) -> Command {
    case.with_role_arn(case.iam("aws iam simulate-principal-policy"), "--policy-source-arn")
        .option_or_placeholder("--action-names", Grammar::Action, action)
        .text(
            "--query 'EvaluationResults[].[EvalActionName,EvalDecision,MatchedStatements[].SourcePolicyId]'",
        )
}

fn action<'a>(case: &'a Case) -> &'a str {
    case.clues
        .action
        .as_deref()
        .filter(|action| Grammar::Action.accepts(action))
        .unwrap_or("the action that the log names")
}
