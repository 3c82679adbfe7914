//! What to do where a check has named the resource at fault: a command to see
//! it, and one to put it right with its undo.

use serde_json::json;

use super::Step;
use super::case::Case;
use super::denial::simulate;
use super::identity::attach_core;
use super::permission::CORE_ACTIONS;
use crate::cause::Cause;
use crate::command::{ArgKind, Command};
use crate::diagnose::check::{CheckResult, Fault};
use crate::diagnose::verdict::implications;

/// The steps for the faults by which `checks` proved `cause`, each fault once.
pub(super) fn steps(case: &Case, cause: Cause, checks: &[CheckResult]) -> Vec<Step> {
    let proves = |check: &&CheckResult| {
        let sign = check.observation.map(implications);
        sign.is_some_and(|implications| implications.confirms == Some(cause))
    };
    let mut faults: Vec<&Fault> = Vec::new();
    let proving = checks.iter().filter(proves);
    for fault in proving.filter_map(|check| check.fault.as_ref()) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for step in faults.into_iter().flat_map(|fault| of(case, fault)) {
        if !steps
            .iter()
            .any(|known| known.command.is_some() && known.command == step.command)
        {
            steps.push(step);
        }
    }
    steps
}

fn of(case: &Case, fault: &Fault) -> Vec<Step> {
    match fault {
        Fault::MissingActions { role, actions } => missing_actions(case, role, actions),
        Fault::PolicyDenies { action, policy, .. } => policy_denies(case, action, policy),
        Fault::EndpointPolicy { endpoint } => endpoint_policy(case, endpoint),
        Fault::EndpointState { endpoint } => vec![Step::run(
            format!(
                "See why {endpoint} is in that state. One that was rejected, failed or expired \
                 must be accepted by the owner of its service, or made anew:"
            ),
            describe_endpoint(case, endpoint)
                .text("--query 'VpcEndpoints[].{State:State,Error:LastError,Service:ServiceName}'"),
        )],
        Fault::PrivateDnsDisabled { endpoint } => endpoint_nameless(case, endpoint),
        Fault::EndpointBypassed { .. } => super::network::resolver(case),
        Fault::EndpointSgBlocksInstance { endpoint, groups } => {
            endpoint_shut(case, endpoint, groups)
        }
        Fault::Egress { groups } => egress(case, groups),
        Fault::Acl { acl, subnet } => network_acl(case, acl, subnet),
        Fault::Route { table, subnet } => route(case, table, subnet),
        Fault::NoPublicAddress { table } => vec![
            show_table(case, table),
            Step::say(
                "An internet gateway serves only public addresses. Give the instance an Elastic \
                 IP, or lead the subnet out over a NAT gateway, or make interface endpoints for \
                 ssm and ssmmessages in the VPC.",
            ),
        ],
        Fault::DnsSupport { vpc } => vec![
            Step::run(
                format!("See that {vpc} answers for no name:"),
                case.aws("aws ec2 describe-vpc-attribute")
                    .option("--vpc-id", ArgKind::VpcId, vpc)
                    .text("--attribute enableDnsSupport"),
            ),
            Step::run(
                "Switch its resolver on (--no-enable-dns-support undoes it):",
                case.aws("aws ec2 modify-vpc-attribute")
                    .option("--vpc-id", ArgKind::VpcId, vpc)
                    .text("--enable-dns-support"),
            ),
        ],
        Fault::DhmcRole { role } => vec![Step::run(
            "Default Host Management names this role. See whether it exists and trusts \
             ssm.amazonaws.com; if not, name another in Systems Manager's settings, or make it \
             anew:",
            case.iam("aws iam get-role")
                .option("--role-name", ArgKind::RoleName, role)
                .text("--query Role.AssumeRolePolicyDocument"),
        )],
    }
}

/// The smallest policy that grants what is missing, beside AWS's own.
fn missing_actions(case: &Case, role: &str, actions: &[String]) -> Vec<Step> {
    let mut steps = vec![Step::run(
        format!("Show which policies the role {role} has:"),
        case.iam("aws iam list-attached-role-policies")
            .option("--role-name", ArgKind::RoleName, role)
            .text("--query 'AttachedPolicies[].PolicyArn' --output text"),
    )];
    if actions
        .iter()
        .all(|action| CORE_ACTIONS.contains(&action.as_str()))
    {
        steps.push(Step::run(
            "Attach AmazonSSMManagedInstanceCore, which allows all that the agent needs \
             (detach-role-policy undoes it):",
            attach_core(case, true),
        ));
    }
    let least = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    steps.push(Step::run(
        "Or allow just what is missing (delete-role-policy undoes it):",
        case.iam("aws iam put-role-policy")
            .option("--role-name", ArgKind::RoleName, role)
            .text("--policy-name ssm-agent")
            .json_option("--policy-document", &least.to_string(), "POLICY_DOCUMENT"),
    ));
    steps
}

fn policy_denies(case: &Case, action: &str, policy: &str) -> Vec<Step> {
    let mut steps = vec![Step::run(
        "See what IAM decides, and by which policy:",
        simulate(case, &[action]),
    )];
    if ArgKind::Arn.accepts(policy) {
        steps.push(Step::run(
            "Show the boundary, and have its owner allow the action. A boundary only limits: the \
             role's own policies must allow the action, too.",
            case.iam("aws iam get-policy")
                .option("--policy-arn", ArgKind::Arn, policy),
        ));
    } else {
        steps.push(Step::say(format!(
            "Take {action} out of what denies it, which is {policy}. No Allow elsewhere lifts a \
             Deny."
        )));
    }
    steps
}

fn endpoint_policy(case: &Case, endpoint: &str) -> Vec<Step> {
    let unsigned = super::permission::unsigned(case);
    let whom = match unsigned {
        Some(_) => "these nodes",
        None => "this role",
    };
    let mut steps = vec![
        Step::run(
            format!("Save the policy of {endpoint}; put back, it undoes the next step:"),
            describe_endpoint(case, endpoint)
                .text("--query 'VpcEndpoints[0].PolicyDocument' --output text"),
        ),
        Step::run(
            format!("Add the action for {whom} to it, and put it in place:"),
            case.aws("aws ec2 modify-vpc-endpoint")
                .option("--vpc-endpoint-id", ArgKind::VpcEndpointId, endpoint)
                .text("--policy-document file://endpoint-policy.json"),
        ),
    ];
    steps.splice(1..1, unsigned);
    steps
}

fn endpoint_nameless(case: &Case, endpoint: &str) -> Vec<Step> {
    vec![
        Step::run(
            format!("See that {endpoint} does not answer for the service's name:"),
            describe_endpoint(case, endpoint)
                .text("--query 'VpcEndpoints[].[State,PrivateDnsEnabled]' --output text"),
        ),
        Step::run(
            "Let it (--no-private-dns-enabled undoes it). The VPC needs both DNS attributes on, \
             and from then on every instance in it takes the endpoint:",
            case.aws("aws ec2 modify-vpc-endpoint")
                .option("--vpc-endpoint-id", ArgKind::VpcEndpointId, endpoint)
                .text("--private-dns-enabled"),
        ),
    ]
}

fn endpoint_shut(case: &Case, endpoint: &str, groups: &[String]) -> Vec<Step> {
    let first = groups.first().map_or("", String::as_str);
    vec![
        Step::run(
            format!("Show whom the security groups of {endpoint} let in:"),
            show_groups(case, groups).text("--query 'SecurityGroups[].[GroupId,IpPermissions]'"),
        ),
        Step::run(
            "Let the instance's security group in on 443 (revoke-security-group-ingress with the \
             same words undoes it):",
            case.aws("aws ec2 authorize-security-group-ingress")
                .option("--group-id", ArgKind::SecurityGroupId, first)
                .text("--protocol tcp --port 443")
                .option("--source-group", ArgKind::SecurityGroupId, case.group()),
        ),
    ]
}

fn egress(case: &Case, groups: &[String]) -> Vec<Step> {
    let first = groups.first().map_or("", String::as_str);
    vec![
        Step::run(
            "Show what the instance's security groups let out:",
            show_groups(case, groups)
                .text("--query 'SecurityGroups[].[GroupId,IpPermissionsEgress]'"),
        ),
        Step::run(
            "Let 443 out (revoke-security-group-egress with the same words undoes it):",
            case.aws("aws ec2 authorize-security-group-egress")
                .option("--group-id", ArgKind::SecurityGroupId, first)
                .text(
                    "--ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=0.0.0.0/0}]'",
                ),
        ),
    ]
}

fn network_acl(case: &Case, acl: &str, subnet: &str) -> Vec<Step> {
    vec![
        Step::run(
            format!("Show the entries of the network ACL of {subnet}, in their order:"),
            case.aws("aws ec2 describe-network-acls")
                .option("--network-acl-ids", ArgKind::NetworkAclId, acl)
                .text("--query 'sort_by(NetworkAcls[0].Entries,&RuleNumber)'"),
        ),
        Step::say(
            "Allow TCP 443 out, and TCP 1024 to 65535 back in, by entries whose numbers are below \
             those that deny. It concerns every instance of the subnet, so its owner decides.",
        ),
    ]
}

fn route(case: &Case, table: &str, subnet: &str) -> Vec<Step> {
    vec![
        show_table(case, table),
        Step::say(format!(
            "Give {subnet} a way: interface endpoints for ssm and ssmmessages in the VPC (and \
             ec2messages for agents before 3.3.40.0), or a route over a NAT gateway."
        )),
    ]
}

fn show_table(case: &Case, table: &str) -> Step {
    Step::run(
        "Show the routes that the subnet uses:",
        case.aws("aws ec2 describe-route-tables")
            .option("--route-table-ids", ArgKind::RouteTableId, table)
            .text("--query 'RouteTables[].Routes'"),
    )
}

fn show_groups(case: &Case, groups: &[String]) -> Command {
    let command = case
        .aws("aws ec2 describe-security-groups")
        .text("--group-ids");
    groups.iter().fold(command, |command, group| {
        command.value(ArgKind::SecurityGroupId, group)
    })
}

fn describe_endpoint(case: &Case, endpoint: &str) -> Command {
    case.aws("aws ec2 describe-vpc-endpoints").option(
        "--vpc-endpoint-ids",
        ArgKind::VpcEndpointId,
        endpoint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::{Advice, advise, sample};
    use crate::cause::Confidence;
    use crate::diagnose::check::{CheckName, Observation};

    const ENDPOINT: &str = "vpce-0a1b2c3d4e5f60718";
    const GROUP: &str = "sg-0a1b2c3d4e5f60718";
    const SUBNET: &str = "subnet-0a1b2c3d4e5f60718";
    const TABLE: &str = "rtb-0a1b2c3d4e5f60718";

    fn advice(cause: Cause, fault: Fault) -> Advice {
        let mut incident = sample::incident(cause);
        incident.confidence = Confidence::Confirmed;
        incident.instances[0].network.groups = vec!["sg-00000000000000001".to_owned()];
        let sign = match cause {
            Cause::PermissionMissing => Observation::PermissionLacking,
            Cause::EndpointPolicyDenies => Observation::EndpointPolicyRefuses,
            Cause::DnsFailure => Observation::DnsOff,
            Cause::DhmcRoleBroken => Observation::DhmcRoleUnusable,
            _ => Observation::WayBlocked,
        };
        let failed = CheckResult::failed(CheckName::Egress, "It is at fault.", sign, fault);
        incident.checks = vec![failed];
        advise(&incident, &sample::nothing_done())
    }

    fn every_fault() -> Vec<(Cause, Fault)> {
        let endpoint = || ENDPOINT.to_owned();
        let subnet = || SUBNET.to_owned();
        let table = || TABLE.to_owned();
        let groups = || vec![GROUP.to_owned()];
        let role = || "MySSMRole".to_owned();
        let action = || "ssm:UpdateInstanceInformation".to_owned();
        let reach = Cause::EndpointUnreachable;
        vec![
            (
                Cause::PermissionMissing,
                Fault::MissingActions {
                    role: role(),
                    actions: vec![action()],
                },
            ),
            (
                Cause::PermissionMissing,
                Fault::PolicyDenies {
                    role: role(),
                    action: action(),
                    policy: "the statement NoSsm of the inline policy Own".to_owned(),
                },
            ),
            (
                Cause::PermissionMissing,
                Fault::PolicyDenies {
                    role: role(),
                    action: action(),
                    policy: "arn:aws:iam::123456789012:policy/Boundary".to_owned(),
                },
            ),
            (
                Cause::EndpointPolicyDenies,
                Fault::EndpointPolicy {
                    endpoint: endpoint(),
                },
            ),
            (
                reach,
                Fault::EndpointState {
                    endpoint: endpoint(),
                },
            ),
            (
                reach,
                Fault::PrivateDnsDisabled {
                    endpoint: endpoint(),
                },
            ),
            (
                reach,
                Fault::EndpointSgBlocksInstance {
                    endpoint: endpoint(),
                    groups: groups(),
                },
            ),
            (reach, Fault::Egress { groups: groups() }),
            (
                reach,
                Fault::Acl {
                    acl: "acl-0a1b2c3d4e5f60718".to_owned(),
                    subnet: subnet(),
                },
            ),
            (
                reach,
                Fault::Route {
                    table: table(),
                    subnet: subnet(),
                },
            ),
            (reach, Fault::NoPublicAddress { table: table() }),
            (
                Cause::DnsFailure,
                Fault::DnsSupport {
                    vpc: "vpc-0a1b2c3d4e5f60718".to_owned(),
                },
            ),
            (Cause::DhmcRoleBroken, Fault::DhmcRole { role: role() }),
        ]
    }

    #[test]
    fn every_fault_is_seen_and_put_right_by_its_own_id() {
        let mut text = String::new();
        for (cause, fault) in every_fault() {
            let steps = advice(cause, fault).steps;
            text.push_str(&format!("{cause}\n"));
            for step in steps {
                text.push_str(&format!("- {}\n", step.line().replace('\n', "\n    ")));
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_call_without_a_signature_is_let_pass_by_whose_node_it_is() {
        let texts = |action: &str| -> Vec<String> {
            let endpoint = Fault::EndpointPolicy {
                endpoint: ENDPOINT.to_owned(),
            };
            let failed = CheckResult::failed(
                CheckName::EndpointPolicy,
                "It is at fault.",
                Observation::EndpointPolicyRefuses,
                endpoint,
            );
            let cause = Cause::EndpointPolicyDenies;
            let mut proved = sample::incident(cause);
            proved.confidence = Confidence::Confirmed;
            proved.checks = vec![failed];
            // No VPC of a hybrid node is ever read.
            [sample::on_hybrid_node(cause), proved]
                .into_iter()
                .map(|mut incident| {
                    incident.error_details.action = Some(action.to_owned());
                    let steps = advise(&incident, &sample::nothing_done()).steps;
                    steps.iter().map(Step::line).collect()
                })
                .collect()
        };
        for action in crate::diagnose::UNSIGNED {
            for text in texts(action) {
                assert!(text.contains(&format!("A node calls {action} without a signature")));
                assert!(
                    text.contains("ssm:NodeAccountId or ssm:NodeOrgId"),
                    "{text}"
                );
                assert!(!text.contains("this role"), "{text}");
            }
        }
        for text in texts("ssm:UpdateInstanceInformation") {
            assert!(!text.contains("ssm:NodeOrgId"), "{text}");
        }
    }

    #[test]
    fn a_fault_that_does_not_prove_the_cause_leaves_its_steps_alone() {
        let groups = vec![GROUP.to_owned()];
        let other = advice(Cause::RoleNotAssumable, Fault::Egress { groups });
        let lines: Vec<String> = other.steps.iter().map(Step::line).collect();
        assert!(!lines.concat().contains(GROUP));
        assert!(lines.concat().contains("aws iam get-role"));
    }

    #[test]
    fn an_id_that_does_not_pass_its_grammar_stays_out_of_commands() {
        let hostile = advice(
            Cause::EndpointUnreachable,
            Fault::Egress {
                groups: vec!["sg-1; evil".to_owned()],
            },
        );
        let steps = hostile.steps.iter();
        let commands: Vec<&str> = steps.filter_map(|step| step.command.as_deref()).collect();
        assert!(!commands.is_empty());
        assert!(commands.iter().all(|command| !command.contains("evil")));
    }
}
