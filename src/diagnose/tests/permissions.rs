//! What the role and the endpoint's policy allow.

use super::checks::run_with;
use super::world::{CORE, found, instance_id, one, world, world_with_endpoint};
use crate::diagnose::check::{CheckName, Fault};
use crate::diagnose::facts::{
    Decision, EndpointFacts, Facts, PolicyNames, Read, Simulated, SimulatedAction,
};
use crate::incident::finding::{Clues, DenyReason};

const PING: &str = "ssm:UpdateInstanceInformation";

fn denied(action: &str) -> Clues {
    Clues {
        service: action.split(':').next().map(str::to_owned),
        action: Some(action.to_owned()),
        ..Clues::default()
    }
}

fn denied_by(reason: DenyReason) -> Clues {
    Clues {
        reason: Some(reason),
        ..denied(PING)
    }
}

/// The role's policies, each inline, with the managed one in front if `core`.
fn policies(core: bool, inline: &[&str]) -> Facts {
    let mut facts = world(|_, _| {});
    let names: Vec<String> = (1..=inline.len()).map(|n| format!("Own{n}")).collect();
    facts.policy_names = found(
        "MySSMRole",
        PolicyNames {
            attached: if core { vec![CORE.to_owned()] } else { vec![] },
            inline: names.clone(),
        },
    );
    facts.inline_policies = names
        .into_iter()
        .zip(inline)
        .map(|(name, text)| {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":{text}}}"#);
            (("MySSMRole".to_owned(), name), Read::Found(document))
        })
        .collect();
    facts
}

fn bounded(document: Read<String>) -> Facts {
    let mut facts = world(|_, profile| {
        profile.role.as_mut().expect("given").boundary = Some(BOUNDARY.to_owned());
    });
    facts.managed_policies.insert(BOUNDARY.to_owned(), document);
    facts
}

const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/Boundary";

fn simulated(change: impl Fn(&mut SimulatedAction)) -> Facts {
    simulated_for(1, change)
}

fn simulated_for(number: u32, change: impl Fn(&mut SimulatedAction)) -> Facts {
    let mut facts = world(|_, _| {});
    let actions = crate::diagnose::checks::permissions::judged_actions().map(|action| {
        let mut answer = SimulatedAction {
            action: action.to_owned(),
            decision: Decision::Allowed,
            policies: vec!["AmazonSSMManagedInstanceCore".to_owned()],
            lacks_context: false,
            boundary_allows: None,
            organization_allows: None,
        };
        change(&mut answer);
        answer
    });
    let answer = Simulated {
        instance: instance_id(number),
        actions: actions.collect(),
    };
    facts.simulations = found("MySSMRole", answer);
    facts
}

fn not_allowed(answer: &mut SimulatedAction) {
    if answer.action == PING {
        answer.decision = Decision::ImplicitDeny;
        answer.policies.clear();
    }
}

fn shown(check: CheckName, rows: &[(&str, Facts, Clues)]) -> String {
    let mut text = String::new();
    for (title, facts, clues) in rows {
        let result = run_with(check, facts, clues);
        let sign = result
            .sign
            .map_or("-".to_owned(), |sign| format!("{sign:?}"));
        let resource = result.fault.as_ref().map_or("-", Fault::resource);
        text.push_str(&format!(
            "{title}: {:?} {sign} {resource}\n    {}\n",
            result.status, result.note
        ));
    }
    text
}

#[test]
fn the_roles_own_policies_convict_only_by_what_they_say_plainly() {
    const LIST_ONLY: &str =
        r#"{"Effect":"Allow","Action":["ssm:List*","ssmmessages:*"],"Resource":"*"}"#;
    const CONDITIONED: &str = r#"[{"Effect":"Allow","Action":"ssm:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-central-1"}}}]"#;
    const DENIES: &str = r#"{"Sid":"NoSsm","Effect":"Deny","Action":"ssm:Update*","Resource":"*"}"#;
    const DENIES_BY_TAG: &str = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Null":{"aws:ResourceTag/x":"true"}}}"#;
    const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let statement = |text: &str| Read::Found(format!(r#"{{"Statement":{text}}}"#));
    let mut unread = policies(true, &[]);
    unread.managed_policies = one(CORE, Read::Failed("GetPolicyVersion was denied".to_owned()));
    let mut unread_but_denied = policies(true, &[DENIES]);
    unread_but_denied.managed_policies = one(CORE, Read::Failed("denied".to_owned()));
    let mut unlisted = policies(true, &[]);
    unlisted.policy_names = one(
        "MySSMRole",
        Read::Failed("ListRolePolicies was denied".to_owned()),
    );
    let boundary_unknown = world(|_, profile| {
        profile.role.as_mut().expect("given").tags = Read::Failed("denied".to_owned());
    });
    let mut of_other_role = denied(PING);
    of_other_role.role = Some("AWSSystemsManagerDefaultEC2InstanceManagementRole".to_owned());
    let no_role = world(|_, profile| profile.role = None);
    let text = shown(
        CheckName::Permissions,
        &[
            ("the managed policy", policies(true, &[]), denied(PING)),
            (
                "any case",
                policies(true, &[]),
                denied("SSM:updateinstanceinformation"),
            ),
            ("no policy", policies(false, &[]), denied(PING)),
            ("lists only", policies(false, &[LIST_ONLY]), denied(PING)),
            (
                "lists only, a list denied",
                policies(false, &[LIST_ONLY]),
                denied("ssm:ListAssociations"),
            ),
            (
                "a statement denies",
                policies(true, &[DENIES]),
                denied(PING),
            ),
            (
                "a statement may deny",
                policies(true, &[DENIES_BY_TAG]),
                denied(PING),
            ),
            ("a condition", policies(false, &[CONDITIONED]), denied(PING)),
            ("everything", policies(false, &[ALL]), denied(PING)),
            ("a document not read", unread, denied(PING)),
            (
                "a document not read, another denies",
                unread_but_denied,
                denied(PING),
            ),
            ("policies not listed", unlisted, denied(PING)),
            ("boundary allows", bounded(statement(ALL)), denied(PING)),
            (
                "boundary leaves it out",
                bounded(statement(LIST_ONLY)),
                denied(PING),
            ),
            (
                "boundary denies",
                bounded(statement(&format!("[{ALL},{DENIES}]"))),
                denied(PING),
            ),
            (
                "boundary by condition",
                bounded(statement(CONDITIONED)),
                denied(PING),
            ),
            (
                "boundary not read",
                bounded(Read::Failed("denied".to_owned())),
                denied(PING),
            ),
            ("boundary not known", boundary_unknown, denied(PING)),
            (
                "the log blames the organisation",
                policies(true, &[]),
                denied_by(DenyReason::ServiceControlPolicy),
            ),
            (
                "the log blames a session policy",
                policies(true, &[]),
                denied_by(DenyReason::SessionPolicy),
            ),
            (
                "the log says explicit deny",
                policies(true, &[]),
                denied_by(DenyReason::ExplicitDeny),
            ),
            (
                "the log blames the role's policies",
                policies(true, &[]),
                denied_by(DenyReason::IdentityPolicy),
            ),
            ("another role", policies(false, &[]), of_other_role),
            (
                "an action of a bucket",
                policies(false, &[]),
                denied("s3:PutObject"),
            ),
            (
                "no action in the log",
                policies(false, &[]),
                Clues::default(),
            ),
            (
                "no action in the log, all allowed",
                policies(true, &[]),
                Clues::default(),
            ),
            ("no role", no_role, denied(PING)),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn the_simulator_is_believed_where_it_was_given_all_it_asks_for() {
    let explicit = simulated(|answer| {
        if answer.action == PING {
            answer.decision = Decision::ExplicitDeny;
            answer.policies = vec!["NoSsm".to_owned()];
        }
    });
    let lacking = simulated(|answer| {
        not_allowed(answer);
        answer.lacks_context = true;
    });
    let boundary = simulated(|answer| {
        not_allowed(answer);
        answer.boundary_allows = Some(false);
    });
    let organization = simulated(|answer| {
        not_allowed(answer);
        answer.organization_allows = Some(false);
    });
    let mut silent = simulated(|_| {});
    for read in silent.simulations.values_mut() {
        let Read::Found(simulated) = read else {
            continue;
        };
        simulated.actions.clear();
    }
    let text = shown(
        CheckName::Permissions,
        &[
            ("allowed", simulated(|_| {}), denied(PING)),
            ("not allowed", simulated(not_allowed), denied(PING)),
            (
                "asked for another instance, the log says so too",
                simulated_for(2, not_allowed),
                denied(PING),
            ),
            (
                "asked for another instance",
                simulated_for(2, not_allowed),
                Clues::default(),
            ),
            ("denied", explicit, denied(PING)),
            ("values missing", lacking, denied(PING)),
            ("boundary", boundary, denied(PING)),
            ("organisation", organization, denied(PING)),
            (
                "another action is missing",
                simulated(not_allowed),
                denied("ssm:ListAssociations"),
            ),
            ("no answer for it", silent, denied(PING)),
            (
                "allowed, the log blames the organisation",
                simulated(|_| {}),
                denied_by(DenyReason::ServiceControlPolicy),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn an_endpoints_policy_is_judged_for_the_role_and_the_action() {
    let with = |policy: &str| {
        let policy = policy.to_owned();
        world_with_endpoint(|_, endpoint| endpoint.policy = Some(policy))
    };
    let other_role = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/Other"},"Action":"*","Resource":"*"}}"#;
    let lists =
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ssm:List*","Resource":"*"}]}"#;
    let denies = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Sid":"Never","Effect":"Deny","Principal":"*","Action":"ssm:Update*","Resource":"*"}]}"#;
    let by_org = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}]}"#;
    let two = world_with_endpoint(|_, _| {});
    let both = |named: [bool; 2]| {
        let mut facts = two.clone();
        let endpoints: Vec<EndpointFacts> =
            [("vpce-1", named[0], lists), ("vpce-2", named[1], denies)]
                .into_iter()
                .map(|(id, private_dns, policy)| EndpointFacts {
                    private_dns,
                    policy: Some(policy.to_owned()),
                    ..super::world::endpoint(id)
                })
                .collect();
        facts.endpoints = found("vpc-1", endpoints);
        facts
    };
    let mut other = denied(PING);
    other.role = Some("Other".to_owned());
    let silent = world_with_endpoint(|_, endpoint| endpoint.policy = None);
    let endpoint_blamed = denied_by(DenyReason::VpcEndpointPolicy);
    let text = shown(
        CheckName::EndpointPolicy,
        &[
            ("everything", world_with_endpoint(|_, _| {}), denied(PING)),
            ("lists only", with(lists), endpoint_blamed.clone()),
            ("denied", with(denies), endpoint_blamed.clone()),
            ("for another role", with(other_role), denied(PING)),
            ("for an organisation", with(by_org), denied(PING)),
            ("not JSON", with("?"), denied(PING)),
            ("not told", silent, denied(PING)),
            ("two, one named", both([false, true]), denied(PING)),
            ("two, none named", both([false, false]), denied(PING)),
            ("none here", world(|_, _| {}), denied(PING)),
            (
                "none here, the log blames one",
                world(|_, _| {}),
                endpoint_blamed,
            ),
            ("another role denied", with(lists), other),
            ("no action", with(lists), Clues::default()),
        ],
    );
    insta::assert_snapshot!(text);
}
