//! Which endpoint a connection goes to: a gateway's, a FIPS one, one of IPv6
//! addresses, a firewall's; and the resolver that should lead there.

use super::checks::run_with;
use super::paths::{
    LOCAL, V4, V6, beyond, evaluated, igw, to, to_dual_stack, to_ssm, with_acl, with_egress,
    with_routes,
};
use super::world::{address, endpoint, found, group, interface, one, world, world_with_endpoint};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::facts::{EndpointFacts, Facts, Fetched, RouteTarget};
use crate::finding::ErrorDetails;
use crate::node::Region;
use CheckStatus::{Failed, Ok, Unknown};

fn to_s3() -> ErrorDetails {
    to("s3", "logs.s3.eu-central-1.amazonaws.com", "")
}

pub(super) fn gateway(id: &str) -> RouteTarget {
    RouteTarget::GatewayEndpoint(id.to_owned())
}

/// The gateway endpoint `vpce-s3`.
fn s3_gateway(policy: &str) -> EndpointFacts {
    EndpointFacts {
        service: "com.amazonaws.eu-central-1.s3".to_owned(),
        interface: false,
        gateway: true,
        private_dns: false,
        groups: Vec::new(),
        interfaces: Vec::new(),
        subnets: Vec::new(),
        policy: Some(policy.to_owned()),
        ..endpoint("vpce-s3")
    }
}

const OPEN: &str =
    r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
const SHUT: &str =
    r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}"#;

pub(super) fn with_gateway(routes: &[(&str, RouteTarget)], policy: &str) -> Facts {
    let mut facts = with_routes(world(|_, _| {}), routes);
    facts.endpoints = found("vpc-1", vec![s3_gateway(policy)]);
    facts
}

#[test]
fn s3_goes_over_its_gateway_endpoint() {
    let by_list = ("pl-s3", gateway("vpce-s3"));
    let only = || with_gateway(&[LOCAL, by_list.clone()], OPEN);
    let beside = |default| with_gateway(&[LOCAL, by_list.clone(), ("0.0.0.0/0", default)], OPEN);
    let mut dead = only();
    for read in dead.route_tables.values_mut() {
        if let Fetched::Found(tables) = read {
            tables[0].routes[1].blackhole = true;
        }
    }
    let mut elsewhere = to_s3();
    elsewhere.region = Region::parse("us-east-1");
    let mut nowhere = to_s3();
    nowhere.region = None;
    let specific = [LOCAL, by_list.clone(), ("52.0.0.0/8", beyond("tgw-1"))];
    let mut unread = only();
    unread.endpoints.clear();
    evaluated(
        "route",
        &[
            ("no other route", only(), to_s3(), Ok),
            (
                "dialled",
                only(),
                to("s3", "s3.eu-central-1.amazonaws.com", "52.219.1.1"),
                Ok,
            ),
            ("an internet gateway beside it", beside(igw()), to_s3(), Ok),
            (
                "a transit gateway beside it",
                beside(beyond("tgw-1")),
                to_s3(),
                Ok,
            ),
            ("for ssm", only(), to_ssm(""), Failed),
            ("a bucket of another Region", only(), elsewhere, Failed),
            ("a bucket of no known Region", only(), nowhere, Unknown),
            (
                "a more specific route",
                with_gateway(&specific, OPEN),
                to_s3(),
                Unknown,
            ),
            ("gone", dead, to_s3(), Failed),
            ("endpoints unread", unread, to_s3(), Unknown),
            (
                "not of this table",
                with_gateway(&[LOCAL], OPEN),
                to_s3(),
                Failed,
            ),
        ],
    );
    let rules = |rules: &[&str]| with_egress(only(), rules);
    evaluated(
        "egress",
        &[
            ("by its list", rules(&["tcp:443 pl-s3"]), to_s3(), Ok),
            (
                "by another list",
                rules(&["tcp:443 pl-1"]),
                to_s3(),
                Unknown,
            ),
            (
                "to ssm by its list",
                rules(&["tcp:443 pl-s3"]),
                to_ssm(""),
                Unknown,
            ),
            (
                "the VPC only",
                rules(&["tcp:443 10.0.0.0/16"]),
                to_s3(),
                Failed,
            ),
        ],
    );
    let note = run_with("vpc-endpoint", &only(), &to_s3()).note;
    assert!(note.contains("the gateway endpoint vpce-s3"), "{note}");
}

#[test]
fn a_gateway_endpoints_policy_is_evaluated_where_a_route_leads_to_it() {
    let by_list = [LOCAL, ("pl-s3", gateway("vpce-s3"))];
    let mut error_details = to_s3();
    error_details.action = Some("s3:PutObject".to_owned());
    let mut unread = with_gateway(&by_list, SHUT);
    unread.route_tables.clear();
    let mut both = with_gateway(&by_list, SHUT);
    let mut interface = endpoint("vpce-1");
    interface.service = "com.amazonaws.eu-central-1.s3".to_owned();
    both.endpoints = found("vpc-1", vec![s3_gateway(SHUT), interface]);
    let results = evaluated(
        "vpc-endpoint-policy",
        &[
            (
                "open",
                with_gateway(&by_list, OPEN),
                error_details.clone(),
                Ok,
            ),
            (
                "shut",
                with_gateway(&by_list, SHUT),
                error_details.clone(),
                Failed,
            ),
            (
                "no route to it",
                with_gateway(&[LOCAL], SHUT),
                error_details.clone(),
                Ok,
            ),
            ("routes unread", unread, error_details.clone(), Unknown),
            (
                "an interface endpoint beside it",
                both,
                error_details.clone(),
                Unknown,
            ),
        ],
    );
    assert_eq!(
        results[1].observation.map(|one| one.name),
        Some("endpoint-policy-refuses")
    );
    assert!(results[1].note.contains("vpce-s3"), "{}", results[1].note);
}

#[test]
fn the_resolver_comes_first_where_an_endpoint_should_answer() {
    let facts = || {
        let facts = with_egress(world_with_endpoint(|_, _| {}), &["tcp:443 sg-endpoint"]);
        with_acl(facts, &[(100, true, "10.0.0.0/16")])
    };
    for check in ["egress", "network-acl", "route", "vpc-endpoint"] {
        let result = run_with(check, &facts(), &to_ssm("52.94.1.1"));
        assert_eq!(result.status, Unknown, "{check}: {}", result.note);
        assert!(result.note.contains("resolver"), "{check}: {}", result.note);
    }
    // One that answers for no name is not meant to be the way.
    let mut nameless = facts();
    for read in nameless.endpoints.values_mut() {
        if let Fetched::Found(endpoints) = read {
            endpoints[0].private_dns = false;
        }
    }
    assert_eq!(
        run_with("egress", &nameless, &to_ssm("52.94.1.1")).status,
        Failed
    );
}

#[test]
fn a_fips_name_is_evaluated_by_the_endpoint_that_answers_for_it() {
    let fips = to("ssm", "ssm-fips.eu-central-1.amazonaws.com", "");
    let shut = |id: &str, service: &str, names: &[&str]| EndpointFacts {
        service: format!("com.amazonaws.eu-central-1.{service}"),
        groups: vec!["sg-shut".to_owned()],
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..endpoint(id)
    };
    let facts = |endpoints: Vec<EndpointFacts>| {
        let mut facts = world_with_endpoint(|_, _| {});
        let none = group("sg-shut", &[], &[]);
        facts
            .groups
            .insert("sg-shut".to_owned(), Fetched::Found(none));
        for id in ["vpce-1", "vpce-2"] {
            let at = interface(id, "10.0.2.5", "subnet-2");
            facts.interfaces.insert(at.id.clone(), Fetched::Found(at));
        }
        facts.endpoints = found("vpc-1", endpoints);
        facts
    };
    let plain = || shut("vpce-1", "ssm", &[]);
    let own_names = [
        "ssm.eu-central-1.amazonaws.com",
        "vpce-1-x.ssm.eu-central-1.vpce.amazonaws.com",
    ];
    let results = evaluated(
        "vpc-endpoint",
        &[
            ("the plain one", facts(vec![plain()]), fips.clone(), Ok),
            (
                "the plain one's own name",
                facts(vec![plain()]),
                to_ssm(""),
                Failed,
            ),
            (
                "both",
                facts(vec![plain(), shut("vpce-2", "ssm-fips", &[])]),
                fips.clone(),
                Failed,
            ),
            (
                "the plain one, which has the name too",
                facts(vec![shut(
                    "vpce-1",
                    "ssm",
                    &["ssm-fips.eu-central-1.amazonaws.com"],
                )]),
                fips.clone(),
                Failed,
            ),
            (
                "a dual-stack name that it does not have",
                facts(vec![shut("vpce-1", "ssm", &own_names)]),
                to_dual_stack(""),
                Unknown,
            ),
        ],
    );
    assert!(results[2].note.contains("vpce-2"), "{}", results[2].note);
}

#[test]
fn an_endpoint_of_ipv6_addresses_is_judged_by_ipv6_rules() {
    let facts = |ingress: &str| {
        let mut facts = world_with_endpoint(|facts, _| {
            let at = interface("vpce-1", "2600:1f18:1:2::5", "subnet-2");
            facts.interfaces = found("eni-vpce-1", at);
            let own = group("sg-endpoint", &[ingress], &[]);
            facts
                .groups
                .insert("sg-endpoint".to_owned(), Fetched::Found(own));
        });
        for read in facts.instances.values_mut() {
            if let Fetched::Found(instance) = read {
                instance.network.addresses = vec![address(V4), address(V6)];
            }
        }
        with_egress(facts, &["tcp:443 ::/0"])
    };
    evaluated(
        "vpc-endpoint",
        &[
            ("by IPv6", facts("tcp:443 2600:1f18:1::/56"), to_ssm(""), Ok),
            ("by IPv4", facts("tcp:443 10.0.0.0/16"), to_ssm(""), Failed),
        ],
    );
    assert_eq!(
        run_with("egress", &facts("tcp:443 ::/0"), &to_ssm("")).status,
        Ok
    );
}

#[test]
fn behind_a_firewalls_endpoint_nothing_is_seen() {
    let by_range = with_routes(
        world(|_, _| {}),
        &[LOCAL, ("0.0.0.0/0", gateway("vpce-fw"))],
    );
    let mut by_list = with_routes(world(|_, _| {}), &[LOCAL, ("pl-1", gateway("vpce-fw"))]);
    let firewall = EndpointFacts {
        service: "com.amazonaws.vpce.eu-central-1.vpce-svc-1".to_owned(),
        interface: false,
        gateway: false,
        ..endpoint("vpce-fw")
    };
    by_list.endpoints = found("vpc-1", vec![firewall]);
    evaluated(
        "route",
        &[
            ("a default route", by_range.clone(), to_ssm(""), Unknown),
            ("dialled", by_range, to_ssm("52.94.1.1"), Unknown),
            ("by a list", by_list, to_ssm(""), Unknown),
        ],
    );
}

#[test]
fn an_endpoint_that_does_not_work_is_at_fault_where_it_is_the_only_way() {
    let rejected = || world_with_endpoint(|_, endpoint| endpoint.state = "rejected".to_owned());
    let only = || with_routes(rejected(), &[LOCAL]);
    let unread = |mut facts: Facts| {
        let why = "DescribeRouteTables was denied".to_owned();
        facts.route_tables = one("vpc-1", Fetched::Failed(why));
        facts
    };
    let to_hub = with_routes(rejected(), &[LOCAL, ("10.0.0.0/8", beyond("tgw-1"))]);
    evaluated(
        "vpc-endpoint",
        &[
            ("no other way", only(), to_ssm(""), Failed),
            (
                "its address dialled",
                rejected(),
                to_ssm("10.0.2.5"),
                Failed,
            ),
            ("a NAT gateway beside it", rejected(), to_ssm(""), Unknown),
            ("routes unread", unread(only()), to_ssm(""), Unknown),
            (
                "routes unread, its address dialled",
                unread(only()),
                to_ssm("10.0.2.5"),
                Failed,
            ),
            ("routes to other networks", to_hub, to_ssm(""), Unknown),
        ],
    );
}
