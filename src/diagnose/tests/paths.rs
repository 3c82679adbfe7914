//! Which way a connection takes, and what that makes of the rules on it:
//! address families, private ranges, other accounts' subnets.

use super::checks::run_with;
use super::world::{address, found, group, nat, table, world, world_with_endpoint};
use crate::diagnose::check::CheckResult;
use crate::diagnose::check::CheckStatus;
use crate::diagnose::facts::{AclEntry, Facts, Fetched, Ports, Protocol, RouteTarget, SubnetFacts};
use crate::finding::ErrorDetails;
use crate::node::Region;
use CheckStatus::{Failed, Ok, Unknown};

pub(super) const LOCAL: (&str, RouteTarget) = ("10.0.0.0/16", RouteTarget::Local);
const LOCAL_V6: (&str, RouteTarget) = ("2600:1f18:1::/56", RouteTarget::Local);

pub(super) fn to(service: &str, host: &str, remote_ip: &str) -> ErrorDetails {
    ErrorDetails {
        service: Some(service.to_owned()),
        host: Some(host.to_owned()),
        region: Region::parse("eu-central-1"),
        remote_ip: remote_ip.parse().ok(),
        ..ErrorDetails::default()
    }
}

pub(super) fn to_ssm(remote_ip: &str) -> ErrorDetails {
    to("ssm", "ssm.eu-central-1.amazonaws.com", remote_ip)
}

pub(super) fn to_dual_stack(remote_ip: &str) -> ErrorDetails {
    to("ssm", "ssm.eu-central-1.api.aws", remote_ip)
}

pub(super) fn beyond(id: &str) -> RouteTarget {
    RouteTarget::Opaque(id.to_owned())
}

fn eigw() -> RouteTarget {
    RouteTarget::EgressOnlyGateway("eigw-1".to_owned())
}

pub(super) fn igw() -> RouteTarget {
    RouteTarget::InternetGateway("igw-1".to_owned())
}

pub(super) fn with_routes(mut facts: Facts, routes: &[(&str, RouteTarget)]) -> Facts {
    facts.route_tables = found("vpc-1", vec![table(false, routes)]);
    facts
}

pub(super) fn with_egress(mut facts: Facts, rules: &[&str]) -> Facts {
    let own = group("sg-1", &[], rules);
    facts.groups.insert("sg-1".to_owned(), Fetched::Found(own));
    facts
}

fn at(addresses: &[&str]) -> Facts {
    world(|instance, _| {
        instance.network.addresses = addresses.iter().map(|text| address(text)).collect();
    })
}

pub(super) const V4: &str = "10.0.1.10";
pub(super) const V6: &str = "2600:1f18:1::10";

/// The table's answers, each with its title where it is another.
pub(super) fn evaluated(
    check: &'static str,
    rows: &[(&str, Facts, ErrorDetails, CheckStatus)],
) -> Vec<CheckResult> {
    let judge =
        |(title, facts, error_details, status): &(&str, Facts, ErrorDetails, CheckStatus)| {
            let result = run_with(check, facts, error_details);
            assert_eq!(result.status, *status, "{title}: {}", result.note);
            result
        };
    rows.iter().map(judge).collect()
}

#[test]
fn private_ranges_alone_let_nothing_out_to_the_public_way() {
    let private = ["-1 10.0.0.0/8", "-1 172.16.0.0/12", "-1 100.64.0.0/10"];
    let out = |rules: &[&str]| with_egress(world(|_, _| {}), rules);
    let with_transit = |rules: &[&str]| {
        let routes = [LOCAL, ("10.0.0.0/8", beyond("tgw-1")), ("0.0.0.0/0", nat())];
        with_routes(out(rules), &routes)
    };
    let mut unread = out(&private);
    unread.route_tables.clear();
    let mut unread_group = out(&["tcp:443 sg-hub"]);
    unread_group.route_tables.clear();
    evaluated(
        "egress",
        &[
            ("private ranges", out(&private), to_ssm(""), Failed),
            ("dialled", out(&private), to_ssm("52.94.1.1"), Failed),
            ("the VPC", out(&["tcp:443 10.0.0.0/16"]), to_ssm(""), Failed),
            (
                "with one more",
                out(&["tcp:443 52.0.0.0/8"]),
                to_ssm(""),
                Unknown,
            ),
            // A name may lead to an endpoint in the network behind it.
            (
                "a transit gateway",
                with_transit(&private),
                to_ssm(""),
                Unknown,
            ),
            ("no rule at all", with_transit(&[]), to_ssm(""), Failed),
            // An endpoint in another network has groups of its own.
            ("a group", out(&["tcp:443 sg-hub"]), to_ssm(""), Failed),
            (
                "a group, a transit gateway",
                with_transit(&["tcp:443 sg-hub"]),
                to_ssm(""),
                Unknown,
            ),
            (
                "a group, a transit gateway, dialled",
                with_transit(&["tcp:443 sg-hub"]),
                to_ssm("52.94.1.1"),
                Failed,
            ),
            ("a group, routes unread", unread_group, to_ssm(""), Unknown),
            ("routes unread", unread, to_ssm(""), Unknown),
        ],
    );
}

#[test]
fn the_name_of_an_endpoint_elsewhere_leads_to_no_public_address() {
    let facts = || with_egress(world(|_, _| {}), &["-1 10.0.0.0/8"]);
    let routes = || with_routes(facts(), &[LOCAL]);
    for name in [
        "vpce-0f-x.ssm.eu-central-1.vpce.amazonaws.com",
        "bucket.vpce-0f-x.s3.eu-central-1.vpce.amazonaws.com",
        "vpce-0f-x-eu-central-1a.ssm.cn-north-1.vpce.amazonaws.com.cn",
    ] {
        let error_details = || to("ssm", name, "");
        evaluated("egress", &[(name, facts(), error_details(), Unknown)]);
        evaluated("route", &[(name, routes(), error_details(), Unknown)]);
    }
}

#[test]
fn address_families_are_evaluated_apart() {
    let over_v6 = |facts: Facts| with_routes(facts, &[LOCAL, LOCAL_V6, ("::/0", eigw())]);
    let neither = |facts: Facts| with_routes(facts, &[LOCAL, LOCAL_V6]);
    let nat64 = |facts: Facts| {
        let routes = [LOCAL, LOCAL_V6, ("64:ff9b::/96", nat()), ("::/0", eigw())];
        with_routes(facts, &routes)
    };
    let s3 = to("s3", "logs.s3.dualstack.eu-central-1.amazonaws.com", "");
    evaluated(
        "route",
        &[
            (
                "both, IPv6 open",
                over_v6(at(&[V4, V6])),
                to_dual_stack(""),
                Unknown,
            ),
            (
                "both, IPv4 dialled",
                over_v6(at(&[V4, V6])),
                to_dual_stack("52.94.1.1"),
                Unknown,
            ),
            (
                "both, IPv6 dialled",
                over_v6(at(&[V4, V6])),
                to_dual_stack("2600:9000::1"),
                Ok,
            ),
            ("both, s3", over_v6(at(&[V4, V6])), s3.clone(), Unknown),
            (
                "both, a name of IPv4",
                over_v6(at(&[V4, V6])),
                to_ssm(""),
                Failed,
            ),
            (
                "both, no route",
                neither(at(&[V4, V6])),
                to_dual_stack(""),
                Failed,
            ),
            ("IPv6 only", over_v6(at(&[V6])), to_dual_stack(""), Ok),
            ("IPv6 only, s3", over_v6(at(&[V6])), s3, Ok),
            (
                "IPv6 only, no route",
                neither(at(&[V6])),
                to_dual_stack(""),
                Failed,
            ),
            (
                "IPv6 only, a name of IPv4",
                over_v6(at(&[V6])),
                to_ssm(""),
                Unknown,
            ),
            ("IPv6 only, translated", nat64(at(&[V6])), to_ssm(""), Ok),
            (
                "IPv6 only, translated, dialled",
                nat64(at(&[V6])),
                to_ssm("64:ff9b::345e:101"),
                Ok,
            ),
            ("IPv4 only", over_v6(at(&[V4])), to_dual_stack(""), Failed),
        ],
    );
    let out = |addresses: &[&str], rules: &[&str]| with_egress(over_v6(at(addresses)), rules);
    evaluated(
        "egress",
        &[
            (
                "both",
                out(&[V4, V6], &["-1 ::/0"]),
                to_dual_stack(""),
                Unknown,
            ),
            ("IPv6 only", out(&[V6], &["-1 ::/0"]), to_dual_stack(""), Ok),
            (
                "IPv6 only, for IPv4",
                out(&[V6], &["-1 0.0.0.0/0"]),
                to_dual_stack(""),
                Failed,
            ),
            ("neither", out(&[V4, V6], &[]), to_dual_stack(""), Failed),
            (
                "the VPC",
                out(&[V6], &["-1 2600:1f18:1::/56"]),
                to_dual_stack(""),
                Failed,
            ),
            (
                "a name of IPv4",
                out(&[V4, V6], &["-1 ::/0"]),
                to_ssm(""),
                Failed,
            ),
        ],
    );
}

pub(super) fn with_acl(mut facts: Facts, entries: &[(i32, bool, &str)]) -> Facts {
    for read in facts.acls.values_mut() {
        let Fetched::Found(acls) = read else { continue };
        let both = |(number, allow, range): &(i32, bool, &str)| {
            [true, false].map(|egress| AclEntry {
                number: *number,
                egress,
                allow: *allow,
                protocol: Protocol::All,
                ports: Ports::ALL,
                range: range.parse().ok(),
            })
        };
        acls[0].entries = entries.iter().flat_map(both).collect();
    }
    facts
}

#[test]
fn an_acl_is_evaluated_for_each_family_over_the_whole_list() {
    let v6_denied = [(90, true, "0.0.0.0/0"), (100, false, "::/0")];
    let v4_denied = [(90, false, "0.0.0.0/0"), (100, true, "::/0")];
    let no_public = [
        (80, false, "169.254.0.0/16"),
        (90, false, "192.168.0.0/16"),
        (100, true, "0.0.0.0/0"),
    ];
    let unread_endpoint = |entries: &[(i32, bool, &str)], subnet: &str| {
        let subnet = subnet.to_owned();
        let facts = world_with_endpoint(|facts, endpoint| {
            facts.interfaces.clear();
            endpoint.subnets = vec![subnet];
        });
        with_acl(facts, entries)
    };
    evaluated(
        "network-acl",
        &[
            (
                "IPv6 only, denied",
                with_acl(at(&[V6]), &v6_denied),
                to_dual_stack(""),
                Failed,
            ),
            (
                "IPv6 only, allowed",
                with_acl(at(&[V6]), &v4_denied),
                to_dual_stack(""),
                Ok,
            ),
            (
                "both, IPv4 allowed",
                with_acl(at(&[V4, V6]), &v6_denied),
                to_dual_stack(""),
                Ok,
            ),
            (
                "both, IPv6 allowed",
                with_acl(at(&[V4, V6]), &v4_denied),
                to_dual_stack(""),
                Unknown,
            ),
            (
                "ranges without a public address",
                with_acl(at(&[V4]), &no_public),
                to_ssm(""),
                Ok,
            ),
            (
                "an unread endpoint, all denied",
                unread_endpoint(&[], "subnet-2"),
                to_ssm(""),
                Failed,
            ),
            (
                "perhaps in the same subnet",
                unread_endpoint(&[], "subnet-1"),
                to_ssm(""),
                Unknown,
            ),
        ],
    );
}

#[test]
fn what_another_account_shares_is_not_evaluated() {
    let shared = |mut facts: Facts| {
        facts.subnets = found(
            "subnet-1",
            SubnetFacts {
                id: "subnet-1".to_owned(),
                owner: "444455556666".to_owned(),
            },
        );
        // Nothing of the owner's is visible.
        facts.acls = found("vpc-1", Vec::new());
        facts.route_tables = found("vpc-1", vec![table(true, &[LOCAL])]);
        facts.endpoints = found("vpc-1", Vec::new());
        facts
    };
    let mut denied = to_ssm("");
    denied.action = Some("ssm:UpdateInstanceInformation".to_owned());
    for check in [
        "egress",
        "route",
        "network-acl",
        "vpc-endpoint",
        "vpc-endpoint-policy",
    ] {
        let note = run_with(check, &shared(world(|_, _| {})), &denied).note;
        assert!(note.contains("444455556666"), "{check}: {note}");
        let mut unread = shared(world(|_, _| {}));
        unread.subnets.clear();
        for facts in [shared(world(|_, _| {})), unread] {
            let result = run_with(check, &facts, &denied);
            assert_eq!(result.status, Unknown, "{check}: {}", result.note);
        }
    }
    // Its own security groups lie before the instance wherever it stands.
    let shut = with_egress(shared(world(|_, _| {})), &[]);
    assert_eq!(
        run_with("egress", &shut, &to_ssm("52.94.1.1")).status,
        Failed
    );
}

#[test]
fn a_static_route_wins_over_a_propagated_one() {
    let both = |reversed: bool, dead: bool| {
        let mut routes = table(
            false,
            &[LOCAL, ("0.0.0.0/0", beyond("vgw-1")), ("0.0.0.0/0", nat())],
        );
        routes.routes[1].propagated = true;
        routes.routes[2].blackhole = dead;
        if reversed {
            routes.routes.reverse();
        }
        let mut facts = world(|_, _| {});
        facts.route_tables = found("vpc-1", vec![routes]);
        facts
    };
    for reversed in [false, true] {
        let result = run_with("route", &both(reversed, false), &to_ssm("52.94.1.1"));
        assert_eq!(result.status, Ok, "{}", result.note);
        assert!(result.note.contains("nat-1"), "{}", result.note);
        let result = run_with("route", &both(reversed, true), &to_ssm("52.94.1.1"));
        assert_eq!(result.status, Unknown, "{}", result.note);
    }
}

#[test]
fn shared_address_space_and_mapped_addresses_are_private() {
    let facts = || with_egress(world(|_, _| {}), &[]);
    for remote_ip in [
        "100.64.0.9",
        "fd12::9",
        "::ffff:10.9.9.9",
        "64:ff9b::a09:909",
    ] {
        let result = run_with("egress", &facts(), &to_ssm(remote_ip));
        assert_eq!(result.status, Unknown, "{remote_ip}: {}", result.note);
    }
    // A public address in IPv6 clothes is an IPv4 one.
    let open = with_egress(world(|_, _| {}), &["-1 0.0.0.0/0"]);
    assert_eq!(
        run_with("egress", &open, &to_ssm("::ffff:52.94.1.1")).status,
        Ok
    );
}

#[test]
fn routes_that_are_named_apart_stay_apart() {
    let halves = |other: RouteTarget| {
        let routes = [LOCAL, ("0.0.0.0/1", nat()), ("128.0.0.0/1", other)];
        with_routes(world(|_, _| {}), &routes)
    };
    evaluated(
        "route",
        &[
            ("both halves over one", halves(nat()), to_ssm(""), Ok),
            ("over two", halves(beyond("tgw-1")), to_ssm(""), Unknown),
        ],
    );
}
