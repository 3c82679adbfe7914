//! What the role, an endpoint policy, an organisation or the Default Host
//! Management setting allows.

use super::Step;
use super::case::Case;
use crate::command::{ArgKind, Command};
use crate::diagnose::UNSIGNED;

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

pub(super) fn endpoint_policy_denies(case: &Case) -> Vec<Step> {
    let show = Step::run(
        format!(
            "A VPC endpoint's policy does not allow {}, whatever the role may do. Show the \
             policies of the endpoints for {} in the VPC:",
            case.denied_in_words(),
            case.service()
        ),
        describe_endpoints(case).text(
            "--query 'VpcEndpoints[].{Id:VpcEndpointId,Service:ServiceName,Policy:PolicyDocument}'",
        ),
    );
    let change = Step::run(
        "Save that policy, add what was denied for this caller (or go back to full access), and \
         put it in place; the saved one put back undoes it:",
        case.aws("aws ec2 modify-vpc-endpoint")
            .option("--vpc-endpoint-id", ArgKind::VpcEndpointId, "")
            .text("--policy-document file://endpoint-policy.json"),
    );
    [Some(show), unsigned(case), Some(change)]
        .into_iter()
        .flatten()
        .collect()
}

/// How a policy lets calls of nodes pass that carry no signature, where one of
/// them was denied ("Condition keys for AWS Systems Manager").
pub(super) fn unsigned(case: &Case) -> Option<Step> {
    let denied = case.error_details.denied_actions();
    let calls: Vec<&str> = (UNSIGNED.iter().copied())
        .filter(|call| {
            denied
                .iter()
                .any(|action| action.eq_ignore_ascii_case(call))
        })
        .collect();
    (!calls.is_empty()).then(|| {
        Step::say(format!(
            "A node calls {} without a signature: the policy sees no principal, so that only \
             Principal \"*\" is met, and no condition on an aws:Principal key. Limit these calls \
             by ssm:NodeAccountId or ssm:NodeOrgId, which tell whose node it is.",
            super::denial::in_words(calls)
        ))
    })
}

/// The endpoints of the case's service in its VPC.
pub(super) fn describe_endpoints(case: &Case) -> Command {
    case.in_vpc(
        case.aws("aws ec2 describe-vpc-endpoints"),
        "Name=vpc-id,Values=",
    )
    .value_within(
        "Name=service-name,Values=*.",
        ArgKind::Service,
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
                    ArgKind::Arn,
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
