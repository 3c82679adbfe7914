//! What the role's policies allow.

use super::checks::run_with;
use super::world::{CORE, found, instance_id, one, world};
use crate::diagnose::called_on::Place;
use crate::diagnose::check::Fault;
use crate::diagnose::checks::permissions::to_simulate;
use crate::diagnose::facts::{Decision, Facts, Fetched, PolicyNames, Simulated, SimulatedAction};
use crate::failure::{Denied, DenyReason};
use crate::finding::ErrorDetails;

pub(super) const PING: &str = "ssm:UpdateInstanceInformation";
const STATUS: &str = "ssm:UpdateInstanceAssociationStatus";

pub(super) fn denied(action: &str) -> ErrorDetails {
    ErrorDetails {
        service: action.split(':').next().map(str::to_owned),
        action: Some(action.to_owned()),
        ..ErrorDetails::default()
    }
}

pub(super) fn denied_by(reason: DenyReason) -> ErrorDetails {
    ErrorDetails {
        reason: Some(reason),
        ..denied(PING)
    }
}

pub(super) fn denied_both(one: &str, other: &str) -> ErrorDetails {
    let mut error_details = denied(one);
    error_details.add_denied([one, other].map(|action| Denied {
        action: Some(action.to_owned()),
        ..Denied::default()
    }));
    error_details
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
            (("MySSMRole".to_owned(), name), Fetched::Found(document))
        })
        .collect();
    facts
}

fn bounded(document: Fetched<String>) -> Facts {
    bounded_by(world(|_, _| {}), document)
}

fn bounded_by(mut facts: Facts, document: Fetched<String>) -> Facts {
    let bounded = world(|_, profile| {
        profile.role.as_mut().expect("given").boundary = Some(BOUNDARY.to_owned());
    });
    facts.profiles = bounded.profiles;
    facts.managed_policies.insert(BOUNDARY.to_owned(), document);
    facts
}

const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/Boundary";

/// The simulator's answers for the instance of the world, no policy read.
fn simulated(change: impl Fn(&mut SimulatedAction)) -> Facts {
    simulated_for(instance_id(1).as_str(), change)
}

fn simulated_for(instance: &str, change: impl Fn(&mut SimulatedAction)) -> Facts {
    let mut facts = world(|_, _| {});
    facts.policy_names.clear();
    let place = Place {
        partition: "aws",
        region: "eu-central-1",
        account: "111122223333",
        instance,
    };
    let denied = [("ec2messages:GetMessages", None), (STATUS, None)];
    let asked = to_simulate(&place, denied.into_iter());
    let actions = asked.into_iter().map(|(action, resource)| {
        let mut answer = SimulatedAction {
            action: action.to_owned(),
            resource,
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
        actions: actions.collect(),
    };
    facts.simulations = found("MySSMRole", answer);
    facts
}

fn not_allowed(answer: &mut SimulatedAction) {
    deny(answer, PING);
}

fn deny(answer: &mut SimulatedAction, action: &str) {
    if answer.action == action {
        answer.decision = Decision::ImplicitDeny;
        answer.policies.clear();
    }
}

/// The facts with the role's only policy read too, or with none.
fn with_policies(mut facts: Facts, statement: Option<&str>) -> Facts {
    let own = policies(false, &Vec::from_iter(statement));
    facts.policy_names = own.policy_names;
    facts.inline_policies = own.inline_policies;
    facts
}

const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const THIS_INSTANCE: &str = r#"{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ec2:*:*:instance/i-00000000000000001"}"#;
const CHANNEL: &str = "ssmmessages:CreateControlChannel";
const LOGGED_CHANNEL: &str =
    "arn:aws:ssmmessages:eu-central-1:111122223333:control-channel/i-00000000000000001";
const CERTAIN_CHANNELS: &str = r#"{"Effect":"Allow","Action":"ssmmessages:*","Resource":"arn:aws:ssmmessages:*:*:control-channel/*"}"#;

pub(super) fn shown(check: &'static str, rows: &[(&str, Facts, ErrorDetails)]) -> String {
    let mut text = String::new();
    for (title, facts, error_details) in rows {
        let result = run_with(check, facts, error_details);
        let observation = result
            .observation
            .map_or("-", |observation| observation.name);
        let resource = result.fault.as_ref().map_or("-", Fault::resource);
        text.push_str(&format!(
            "{title}: {:?} {observation} {resource}\n    {}\n",
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
    let statement = |text: &str| Fetched::Found(format!(r#"{{"Statement":{text}}}"#));
    let mut unread = policies(true, &[]);
    unread.managed_policies = one(
        CORE,
        Fetched::Failed("GetPolicyVersion was denied".to_owned()),
    );
    let mut unread_but_denied = policies(true, &[DENIES]);
    unread_but_denied.managed_policies = one(CORE, Fetched::Failed("denied".to_owned()));
    let mut unlisted = policies(true, &[]);
    unlisted.policy_names = one(
        "MySSMRole",
        Fetched::Failed("ListRolePolicies was denied".to_owned()),
    );
    let boundary_unknown = world(|_, profile| {
        profile.role.as_mut().expect("given").tags = Fetched::Failed("denied".to_owned());
    });
    const ALL_BUT_DOCUMENTS: &str =
        r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:ssm:*:*:document/*"}"#;
    const DENIED_BUT_DOCUMENTS: &str = r#"{"Sid":"DocumentsOnly","Effect":"Deny","Action":"*","NotResource":"arn:aws:ssm:*:*:document/*"}"#;
    const ON_INSTANCES: &str =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:instance/*"}"#;
    const ON_ASSOCIATIONS: &str =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ssm:*:*:association/*"}"#;
    const IN_CAPITALS: &str =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:Instance/*"}"#;
    const ON_BUCKETS: &str = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"}"#;
    let mut unread_beside = policies(true, &[]);
    unread_beside.managed_policies = one(CORE, Fetched::Failed("denied".to_owned()));
    let mut of_other_role = denied(PING);
    of_other_role.role = Some("AWSSystemsManagerDefaultEC2InstanceManagementRole".to_owned());
    let no_role = world(|_, profile| profile.role = None);
    let text = shown(
        "permissions",
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
                bounded(Fetched::Failed("denied".to_owned())),
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
                ErrorDetails::default(),
            ),
            (
                "no action in the log, all allowed",
                policies(true, &[]),
                ErrorDetails::default(),
            ),
            (
                "a guardrail that may deny, and nothing that allows",
                policies(false, &[DENIES_BY_TAG]),
                denied(PING),
            ),
            (
                "a boundary that stops it beside a policy that is in doubt",
                bounded_by(policies(false, &[CONDITIONED]), statement(LIST_ONLY)),
                denied(PING),
            ),
            (
                "a boundary that stops it beside a policy that was not read",
                bounded_by(unread_beside, statement(LIST_ONLY)),
                denied(PING),
            ),
            (
                "all resources but others",
                policies(false, &[ALL_BUT_DOCUMENTS]),
                denied(PING),
            ),
            (
                "denied on all resources but others",
                policies(true, &[DENIED_BUT_DOCUMENTS]),
                denied(PING),
            ),
            (
                "an association's status, on instances only",
                policies(false, &[ON_INSTANCES]),
                denied(STATUS),
            ),
            (
                "an association's status, on associations and instances",
                policies(false, &[ON_INSTANCES, ON_ASSOCIATIONS]),
                denied(STATUS),
            ),
            (
                "an association's status, on associations only",
                policies(false, &[ON_ASSOCIATIONS]),
                denied(STATUS),
            ),
            (
                "a document's status, on instances only",
                policies(false, &[ON_INSTANCES]),
                denied("ssm:UpdateAssociationStatus"),
            ),
            (
                "the inventory, on instances only",
                policies(false, &[ON_INSTANCES]),
                denied("ssm:PutInventory"),
            ),
            (
                "a resource in another case",
                policies(false, &[IN_CAPITALS]),
                denied(PING),
            ),
            (
                "messages, on resources of one service",
                policies(false, &[ON_INSTANCES]),
                denied("ec2messages:GetMessages"),
            ),
            (
                "messages, on resources that are never asked about",
                policies(false, &[ON_BUCKETS]),
                denied("ec2messages:GetMessages"),
            ),
            (
                "two denied, the second is lacking",
                policies(false, &[LIST_ONLY]),
                denied_both("ssm:ListAssociations", PING),
            ),
            (
                "two denied, both are allowed now",
                policies(false, &[ALL]),
                denied_both("ssm:ListAssociations", PING),
            ),
            (
                "two denied, the second is not evaluated",
                policies(false, &[ALL]),
                denied_both(PING, "s3:PutObject"),
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
    let organization_denies = simulated(|answer| {
        deny(answer, PING);
        answer.decision = Decision::ExplicitDeny;
        answer.organization_allows = Some(false);
    });
    let mut on_logged_resource = simulated(|answer| deny(answer, CHANNEL));
    for read in on_logged_resource.simulations.values_mut() {
        let Fetched::Found(simulated) = read else {
            continue;
        };
        for answer in &mut simulated.actions {
            if answer.action == CHANNEL {
                LOGGED_CHANNEL.clone_into(&mut answer.resource);
            }
        }
    }
    let mut silent = simulated(|_| {});
    for read in silent.simulations.values_mut() {
        let Fetched::Found(simulated) = read else {
            continue;
        };
        simulated.actions.clear();
    }
    let text = shown(
        "permissions",
        &[
            ("allowed", simulated(|_| {}), denied(PING)),
            ("not allowed", simulated(not_allowed), denied(PING)),
            (
                "asked for all instances, allowed",
                simulated_for("*", |_| {}),
                denied(PING),
            ),
            (
                "asked for all instances, not allowed",
                simulated_for("*", not_allowed),
                denied(PING),
            ),
            (
                "asked for all instances, the policies allow this one",
                with_policies(simulated_for("*", not_allowed), Some(THIS_INSTANCE)),
                denied(PING),
            ),
            (
                "asked for all instances, the policies allow none",
                with_policies(simulated_for("*", not_allowed), None),
                denied(PING),
            ),
            ("denied", explicit, denied(PING)),
            ("values missing", lacking.clone(), denied(PING)),
            ("boundary", boundary, denied(PING)),
            ("organisation", organization.clone(), denied(PING)),
            (
                "organisation, the policies allow",
                with_policies(organization.clone(), Some(ALL)),
                denied(PING),
            ),
            (
                "organisation, the log says that no policy of the role allows it",
                with_policies(organization.clone(), None),
                denied_by(DenyReason::IdentityPolicy),
            ),
            (
                "organisation by an explicit denial",
                with_policies(organization_denies, Some(ALL)),
                denied(PING),
            ),
            (
                "values missing, the policies allow without a condition",
                with_policies(lacking.clone(), Some(ALL)),
                denied(PING),
            ),
            (
                "allowed, but values are missing",
                simulated(|answer| answer.lacks_context = true),
                denied(PING),
            ),
            (
                "a channel, on no resource",
                simulated(|answer| deny(answer, CHANNEL)),
                denied(CHANNEL),
            ),
            (
                "a channel, the policies name certain resources",
                with_policies(
                    simulated(|answer| deny(answer, CHANNEL)),
                    Some(CERTAIN_CHANNELS),
                ),
                denied(CHANNEL),
            ),
            (
                "a channel, nor do the policies",
                with_policies(simulated(|answer| deny(answer, CHANNEL)), None),
                denied(CHANNEL),
            ),
            (
                "a channel, on the resource that the log names",
                on_logged_resource,
                ErrorDetails {
                    resource: Some(LOGGED_CHANNEL.to_owned()),
                    ..denied(CHANNEL)
                },
            ),
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
