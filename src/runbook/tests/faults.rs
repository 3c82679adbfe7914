//! The steps where a check named the resource at fault.

use super::*;
use crate::diagnose::check::{CheckResult, Observation};

const ENDPOINT: &str = "vpce-0a1b2c3d4e5f60718";
const GROUP: &str = "sg-0a1b2c3d4e5f60718";
const SUBNET: &str = "subnet-0a1b2c3d4e5f60718";
const TABLE: &str = "rtb-0a1b2c3d4e5f60718";

fn advice(cause: Cause, fault: Fault) -> Runbook {
    let mut incident = sample::incident(cause);
    incident.confidence = Confidence::Confirmed;
    incident.instances[0].network.groups = vec!["sg-00000000000000001".to_owned()];
    let proved = match fault {
        Fault::Egress { .. } => Cause::EndpointUnreachable,
        _ => cause,
    };
    let failed = CheckResult::failed("It is at fault.")
        .observed(Observation::confirms("fault", proved, &[]))
        .at(fault);
    incident.checks = vec![failed];
    advise(&incident, &sample::nothing_done())
}

pub(super) fn every_fault() -> Vec<(Cause, Fault)> {
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
        let cause = Cause::EndpointPolicyDenies;
        let failed = CheckResult::failed("It is at fault.")
            .observed(Observation::confirms("fault", cause, &[]))
            .at(endpoint);
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
    for action in crate::failure::UNSIGNED {
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
