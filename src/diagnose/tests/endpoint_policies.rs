//! What the policy of an endpoint allows, and whether it is the endpoint that
//! the calls go through.

use super::endpoints::{gateway, with_gateway};
use super::paths::{LOCAL, beyond, evaluated, to_ssm, with_routes};
use super::permissions::{PING, denied, denied_both, denied_by, shown};
use super::world::{found, group, world, world_with_endpoint};
use crate::diagnose::check::CheckStatus::{Failed, Ok, Unknown};
use crate::diagnose::facts::{EndpointFacts, Facts, Fetched};
use crate::failure::DenyReason;
use crate::finding::ErrorDetails;
use crate::node::Region;

#[test]
fn an_endpoints_policy_is_evaluated_for_the_role_and_the_action() {
    let with = |policy: &str| {
        let policy = policy.to_owned();
        world_with_endpoint(|_, endpoint| endpoint.policy = Some(policy))
    };
    let other_role = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/Other"},"Action":"*","Resource":"*"}}"#;
    let lists =
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ssm:List*","Resource":"*"}]}"#;
    let denies = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Sid":"Never","Effect":"Deny","Principal":"*","Action":"ssm:Update*","Resource":"*"}]}"#;
    let by_org = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}]}"#;
    let not_org = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Sid":"Perimeter","Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}}]}"#;
    let for_account = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"}]}"#;
    let by_node_org = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"ssm:NodeOrgId":"o-1"}}}]}"#;
    let twice = r#"{"Statement":[{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
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
        "vpc-endpoint-policy",
        &[
            ("everything", world_with_endpoint(|_, _| {}), denied(PING)),
            ("lists only", with(lists), endpoint_blamed.clone()),
            ("denied", with(denies), endpoint_blamed.clone()),
            ("for another role", with(other_role), denied(PING)),
            ("for an organisation", with(by_org), denied(PING)),
            (
                "for an organisation, a call without a signature",
                with(by_org),
                denied("ssm:RequestManagedInstanceRoleToken"),
            ),
            (
                "denied outside an organisation, a call without a signature",
                with(not_org),
                denied("ssm:RegisterManagedInstance"),
            ),
            (
                "denied outside an organisation",
                with(not_org),
                denied(PING),
            ),
            (
                "for an account, a call without a signature",
                with(for_account),
                denied("ssm:UpdateManagedInstancePublicKey"),
            ),
            (
                "for the organisation's nodes, a call without a signature",
                with(by_node_org),
                denied("ssm:RegisterManagedInstance"),
            ),
            (
                "everything, a call without a signature and a node without a role",
                {
                    let mut facts = world_with_endpoint(|_, _| {});
                    facts.profiles.clear();
                    facts
                },
                denied("ssm:RegisterManagedInstance"),
            ),
            ("an element twice", with(twice), denied(PING)),
            ("not JSON", with("?"), denied(PING)),
            ("not read", silent, denied(PING)),
            ("two, one named", both([false, true]), denied(PING)),
            ("two, none named", both([false, false]), denied(PING)),
            ("none here", world(|_, _| {}), denied(PING)),
            (
                "none here, the log blames one",
                world(|_, _| {}),
                endpoint_blamed,
            ),
            ("another role denied", with(lists), other),
            ("no action", with(lists), ErrorDetails::default()),
        ],
    );
    insta::assert_snapshot!(text);
}

const DENIES: &str =
    r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn with(change: impl FnOnce(&mut EndpointFacts)) -> Facts {
    world_with_endpoint(|_, endpoint| {
        endpoint.policy = Some(DENIES.to_owned());
        change(endpoint);
    })
}

#[test]
fn an_endpoint_that_calls_may_pass_by_convicts_nobody() {
    let blamed = || denied_by(DenyReason::VpcEndpointPolicy);
    let nameless = || with(|endpoint| endpoint.private_dns = false);
    let in_state = |state: &str| with(|endpoint| endpoint.state = state.to_owned());
    let mut beside = with(|_| {});
    let rejected = EndpointFacts {
        state: "rejected".to_owned(),
        ..super::world::endpoint("vpce-2")
    };
    for read in beside.endpoints.values_mut() {
        if let Fetched::Found(endpoints) = read {
            endpoints.push(rejected.clone());
        }
    }
    let open = world_with_endpoint(|_, endpoint| endpoint.private_dns = false);
    evaluated(
        "vpc-endpoint-policy",
        &[
            ("the name leads to it", with(|_| {}), denied(PING), Failed),
            ("private DNS off", nameless(), denied(PING), Unknown),
            ("private DNS off, blamed", nameless(), blamed(), Failed),
            ("private DNS off, blamed, open", open, blamed(), Unknown),
            ("pending", in_state("pending"), denied(PING), Unknown),
            ("rejected", in_state("rejected"), blamed(), Unknown),
            ("deleting", in_state("deleting"), denied(PING), Unknown),
            (
                "one that does not work beside it",
                beside,
                denied(PING),
                Failed,
            ),
        ],
    );
}

#[test]
fn an_endpoint_for_another_region_is_not_the_one_that_is_called() {
    let abroad = || with(|endpoint| endpoint.service = "com.amazonaws.us-east-1.ssm".to_owned());
    let called = ErrorDetails {
        region: Region::parse("us-east-1"),
        ..denied(PING)
    };
    evaluated(
        "vpc-endpoint-policy",
        &[
            ("calls of the own Region", abroad(), denied(PING), Ok),
            ("calls of that Region", abroad(), called, Failed),
        ],
    );
    let mut shut = abroad();
    shut.groups.insert(
        "sg-endpoint".to_owned(),
        Fetched::Found(group("sg-endpoint", &[], &[])),
    );
    evaluated("vpc-endpoint", &[("shut", shut, to_ssm(""), Ok)]);
}

#[test]
fn every_call_that_the_log_names_must_pass_for_a_policy_to_be_cleared() {
    const LISTS: &str =
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ssm:List*","Resource":"*"}]}"#;
    let lists = with(|endpoint| endpoint.policy = Some(LISTS.to_owned()));
    let both = |other: &str| denied_both("ssm:ListAssociations", other);
    let unread = || Fetched::Failed("DescribeRouteTables was throttled".to_owned());
    let mut no_routes = lists.clone();
    no_routes.route_tables = super::world::one("vpc-1", unread());
    evaluated(
        "vpc-endpoint-policy",
        &[
            ("the first is allowed", lists.clone(), both(PING), Failed),
            (
                "both are",
                lists.clone(),
                both("ssm:ListInstanceAssociations"),
                Ok,
            ),
            (
                "the second has no endpoint",
                lists,
                both("s3:PutObject"),
                Ok,
            ),
            ("nor known routes", no_routes, both("s3:PutObject"), Unknown),
        ],
    );
}

#[test]
fn an_endpoint_elsewhere_may_deny_where_the_vpc_has_none() {
    let transit = [LOCAL, ("0.0.0.0/0", beyond("tgw-1"))];
    let hub = || with_routes(world(|_, _| {}), &transit);
    let fips = with(|endpoint| endpoint.service.push_str("-fips"));
    let several = world(|instance, _| instance.network.more_interfaces = true);
    let proxied = ErrorDetails {
        proxied: true,
        ..denied(PING)
    };
    let by_role = denied_by(DenyReason::IdentityPolicy);
    evaluated(
        "vpc-endpoint-policy",
        &[
            ("no other way", world(|_, _| {}), denied(PING), Ok),
            ("a transit gateway", hub(), denied(PING), Unknown),
            ("a transit gateway, the role is blamed", hub(), by_role, Ok),
            ("a proxy", world(|_, _| {}), proxied, Unknown),
            ("several interfaces", several, denied(PING), Unknown),
            ("a FIPS endpoint", fips, denied(PING), Unknown),
        ],
    );
}

#[test]
fn a_principal_counts_only_where_it_is_read_as_the_caller() {
    let of = |principal: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"*","Resource":"*"}}]}}"#
        )
    };
    let interface = |principal: &str| with(|endpoint| endpoint.policy = Some(of(principal)));
    let routes = [LOCAL, ("pl-s3", gateway("vpce-s3"))];
    let at_gateway = |principal: &str| with_gateway(&routes, &of(principal));
    let put = || denied("s3:PutObject");
    const ACCOUNT: &str = r#"{"AWS":"111122223333"}"#;
    const ROLE: &str = r#"{"AWS":["arn:aws:iam::111122223333:role/MySSMRole"]}"#;
    evaluated(
        "vpc-endpoint-policy",
        &[
            ("the account", interface(ACCOUNT), denied(PING), Ok),
            ("the role", interface(ROLE), denied(PING), Ok),
            (
                "a service",
                interface(r#"{"Service":"ssm.amazonaws.com"}"#),
                denied(PING),
                Failed,
            ),
            (
                "a kind not known",
                interface(r#"{"*":"*"}"#),
                denied(PING),
                Unknown,
            ),
            ("all, at a gateway", at_gateway(r#"{"AWS":"*"}"#), put(), Ok),
            (
                "the account, at a gateway",
                at_gateway(ACCOUNT),
                put(),
                Unknown,
            ),
            ("the role, at a gateway", at_gateway(ROLE), put(), Unknown),
        ],
    );
}
