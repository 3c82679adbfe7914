//! What to do about a denial, by its own words: who was denied what, and by which kind of policy.

use super::Step;
use super::case::Case;
use super::identity::attach_core;
use super::permission::{CORE_ACTIONS, endpoint_policy_denies};
use crate::command::{ArgKind, Command};
use crate::failure::{DenyReason, Principal};

pub(super) fn permission_missing(case: &Case) -> Vec<Step> {
    let caller = case.caller_in_words();
    let what = case.denied_in_words();
    let explicit = case.error_details.denied.iter().any(|one| one.explicit);
    let deny = if explicit { "denies" } else { "does not allow" };
    let mut steps = Vec::new();
    if matches!(
        case.error_details.principal,
        Some(Principal::User(_) | Principal::Federated(_))
    ) {
        steps.push(Step::say(format!(
            "The log names {caller} as the caller, not a role. Where that is the agent, a shared \
             credentials file or variables of its service stand before the role; where it is the \
             person who opens the session, that person lacks the permission."
        )));
    }
    match case.error_details.reason {
        None | Some(DenyReason::IdentityPolicy) => steps.extend(identity_policy(case)),
        Some(DenyReason::PermissionsBoundary) => {
            steps.push(Step::say(format!(
                "The permissions boundary of {caller} {deny} {what}. Have its owner allow it; a \
                 boundary only limits, so a policy of {caller} must allow it, too."
            )));
            if case.error_details.denying_policy().is_none() {
                steps.push(boundary(case));
            }
        }
        Some(reason @ (DenyReason::ServiceControlPolicy | DenyReason::ResourceControlPolicy)) => {
            steps.extend(organization(case, reason, explicit));
        }
        Some(DenyReason::SessionPolicy) => steps.extend([
            Step::say(format!(
                "A session policy narrows the credentials of {caller}, and {deny} {what}. \
                 Credentials of an instance profile carry no session policy: something else \
                 hands them to the agent."
            )),
            Step::run(
                "Look for a shared credentials file or variables that stand before the profile:",
                "sudo ls -l /root/.aws/; \
                 systemctl show amazon-ssm-agent -p Environment -p EnvironmentFiles",
            ),
        ]),
        Some(DenyReason::VpcEndpointPolicy) => return endpoint_policy_denies(case),
        Some(DenyReason::ResourcePolicy) => steps.push(Step::say(format!(
            "The policy of the resource itself{} {deny} {what} to {caller}: change it there \
             (bucket policy, key policy, policy of the log group).",
            case.denied_resource()
                .map_or(String::new(), |arn| format!(", {arn},")),
        ))),
        Some(DenyReason::RoleTrustPolicy) => steps.push(trust_policy(case, deny)),
        Some(DenyReason::ExplicitDeny) => steps.push(Step::say(format!(
            "A policy denies {what} to {caller} by name, and does not say which; an Allow \
             elsewhere does not lift that. The policies of {caller}, its boundary, the \
             organization and the resource can all hold the statement."
        ))),
    }
    steps.extend(denying_policy(case));
    match case.error_details.reason {
        Some(DenyReason::RoleTrustPolicy | DenyReason::VpcEndpointPolicy) => {}
        None | Some(DenyReason::IdentityPolicy) => steps.push(Step::run(
            "See what IAM decides now, and by which policy:",
            simulate(case, &case.error_details.denied_actions()),
        )),
        Some(
            DenyReason::PermissionsBoundary
            | DenyReason::ServiceControlPolicy
            | DenyReason::ResourceControlPolicy
            | DenyReason::SessionPolicy
            | DenyReason::ResourcePolicy
            | DenyReason::ExplicitDeny,
        ) => steps.push(Step::run(
            "See what IAM decides by the caller's own policies, and by which one (it simulates no \
             session policy and no policy of a resource):",
            simulate(case, &case.error_details.denied_actions()),
        )),
    }
    steps
}

/// The same where one session, command or its output failed by a denial; none else.
pub(super) fn of_usage(case: &Case) -> Vec<Step> {
    if case.error_details.denied.is_empty() {
        return Vec::new();
    }
    permission_missing(case)
}

/// The policy that AWS names by its ARN.
fn denying_policy(case: &Case) -> Vec<Step> {
    let Some((reason, arn)) = case.error_details.denying_policy() else {
        return Vec::new();
    };
    match reason {
        DenyReason::ServiceControlPolicy | DenyReason::ResourceControlPolicy => {
            let id = arn.rsplit('/').next().unwrap_or_default();
            vec![
                Step::run(
                    format!(
                        "AWS names the policy {arn} as one that denies; others may deny, too. \
                         Show it, from the organization's management account or a delegated administrator:"
                    ),
                    case.iam("aws organizations describe-policy")
                        .option("--policy-id", ArgKind::PolicyId, id)
                        .text("--query Policy.Content --output text"),
                ),
                Step::run(
                    "Show what it is attached to, and have its owner exempt the caller \
                     (aws:PrincipalArn) or the action:",
                    case.iam("aws organizations list-targets-for-policy")
                        .option("--policy-id", ArgKind::PolicyId, id),
                ),
            ]
        }
        DenyReason::IdentityPolicy
        | DenyReason::PermissionsBoundary
        | DenyReason::SessionPolicy
        | DenyReason::VpcEndpointPolicy
        | DenyReason::ResourcePolicy
        | DenyReason::RoleTrustPolicy
        | DenyReason::ExplicitDeny => vec![Step::run(
            format!(
                "AWS names the policy {arn} as one that denies; others may deny, too. Show its \
                 statements:"
            ),
            case.in_partition(
                case.in_partition(Command::new("aws iam get-policy-version").option(
                    "--policy-arn",
                    ArgKind::Arn,
                    arn,
                ))
                .text("--version-id \"$(aws iam get-policy")
                .option("--policy-arn", ArgKind::Arn, arn),
            )
            .text("--query Policy.DefaultVersionId --output text)\"")
            .text("--query PolicyVersion.Document"),
        )],
    }
}

fn boundary(case: &Case) -> Step {
    match case.user() {
        Some(user) => Step::run(
            "Find the boundary:",
            case.iam("aws iam get-user")
                .option("--user-name", ArgKind::UserName, user)
                .text("--query User.PermissionsBoundary"),
        ),
        None => Step::run(
            "Find the boundary:",
            case.with_role(case.iam("aws iam get-role"))
                .text("--query Role.PermissionsBoundary"),
        ),
    }
}

fn organization(case: &Case, reason: DenyReason, explicit: bool) -> Vec<Step> {
    let caller = case.caller_in_words();
    let what = case.denied_in_words();
    let (kind, account, filter) = if reason == DenyReason::ResourceControlPolicy {
        (
            "resource control policy (RCP)",
            "the account that owns the resource",
            "--filter RESOURCE_CONTROL_POLICY",
        )
    } else {
        (
            "service control policy (SCP)",
            "the account of the caller",
            "--filter SERVICE_CONTROL_POLICY",
        )
    };
    let mut steps = vec![Step::say(format!(
        "{} of {account} {} {what} to {caller}; nothing within that account can lift it.",
        if explicit {
            format!("A {kind}")
        } else {
            format!("No {kind}")
        },
        if explicit { "denies" } else { "allows" },
    ))];
    if case.error_details.denying_policy().is_none() {
        let id = match reason {
            DenyReason::ResourceControlPolicy => case.denied_resources_account(),
            _ => case.callers_account(),
        };
        steps.push(Step::run(
            format!(
                "List the policies attached to {account}, from the organization's management \
                 account or a delegated administrator; those of its organizational units and of \
                 the root count as well:"
            ),
            case.iam("aws organizations list-policies-for-target")
                .option("--target-id", ArgKind::AccountId, id)
                .text(filter),
        ));
    }
    steps
}

/// The role that was to be assumed is the resource of the denial.
fn trust_policy(case: &Case, deny: &str) -> Step {
    let role = (case.denied_resource())
        .and_then(|arn| arn.split_once(":role/"))
        .map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    Step::run(
        format!(
            "The trust policy of the role to be assumed {deny} {} to {}. Show it, and add the \
             caller there; permissions of the caller do not replace it:",
            case.denied_in_words(),
            case.caller_in_words(),
        ),
        case.iam("aws iam get-role")
            .option("--role-name", ArgKind::RoleName, role)
            .text("--query Role.AssumeRolePolicyDocument"),
    )
}

fn identity_policy(case: &Case) -> Vec<Step> {
    let caller = case.caller_in_words();
    let what = case.denied_in_words();
    if case.error_details.denied.iter().any(|one| one.explicit) {
        return vec![Step::say(format!(
            "A policy of {caller} denies {what} by name; no Allow elsewhere lifts that. Take the \
             statement out, or exempt the caller in it."
        ))];
    }
    if let Some(user) = case.user() {
        return vec![Step::run(
            format!("Allow {what} in a policy of {caller}. Show which policies it has:"),
            case.iam("aws iam list-attached-user-policies")
                .option("--user-name", ArgKind::UserName, user)
                .text("--query 'AttachedPolicies[].PolicyArn' --output text"),
        )];
    }
    let mut steps = vec![Step::run(
        format!("Show which policies {caller} has:"),
        case.with_role(case.iam("aws iam list-attached-role-policies"))
            .text("--query 'AttachedPolicies[].PolicyArn' --output text"),
    )];
    let denied = case.error_details.denied_actions();
    let beyond: Vec<&str> = (denied.iter().copied())
        .filter(|action| !CORE_ACTIONS.contains(action) && ArgKind::Action.accepts(action))
        .collect();
    if beyond.len() < denied.len() || denied.is_empty() {
        steps.push(Step::run(
            format!(
                "Attach AmazonSSMManagedInstanceCore, which allows {} and all else that the \
                 agent needs (detach-role-policy undoes it):",
                if beyond.is_empty() {
                    what
                } else {
                    in_words(
                        (denied.iter().copied())
                            .filter(|action| CORE_ACTIONS.contains(action))
                            .collect(),
                    )
                }
            ),
            attach_core(case, true),
        ));
    }
    if !beyond.is_empty() {
        steps.push(Step::run(
            format!(
                "AmazonSSMManagedInstanceCore does not hold {}: allow it in a policy of {caller}, \
                 on the one resource that the log names.",
                in_words(beyond)
            ),
            case.with_role(case.iam("aws iam list-role-policies")),
        ));
    }
    steps
}

/// `a`, `a and b`, `a, b and c`; beyond four a count.
pub(super) fn in_words(mut actions: Vec<&str>) -> String {
    const NAMED: usize = 4;
    let more = actions.len().saturating_sub(NAMED);
    actions.truncate(NAMED);
    match (actions.split_last(), more) {
        (None, _) => "the action that the log names".to_owned(),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
        (Some(_), more) => format!("{} and {more} more", actions.join(", ")),
    }
}

/// What IAM decides about `actions`, for the caller that was denied.
pub(super) fn simulate(case: &Case, actions: &[&str]) -> Command {
    let command = case
        .with_caller_arn(
            case.iam("aws iam simulate-principal-policy"),
            "--policy-source-arn",
        )
        .text("--action-names");
    let known: Vec<&str> = (actions.iter().copied())
        .filter(|action| ArgKind::Action.accepts(action))
        .collect();
    let command = match known.as_slice() {
        [] => command.value(ArgKind::Action, ""),
        known => (known.iter()).fold(command, |command, action| {
            command.value(ArgKind::Action, action)
        }),
    };
    command.text(
        "--query 'EvaluationResults[].[EvalActionName,EvalDecision,MatchedStatements[].SourcePolicyId]'",
    )
}
