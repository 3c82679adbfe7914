//! The way to a service: security groups, routes, network ACLs, endpoints and
//! names, over answers as EC2 gives them.

use super::checks::run_with;
use super::world::{
    address, endpoint, found, group, instance, instance_id, interface, nat, one, table, world,
    world_with_endpoint,
};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckResult, Fault};
use crate::diagnose::facts::{
    AclEntry, DhcpFacts, Facts, Fetched, NetworkPlace, Ports, Protocol, RouteTarget, VpcFacts,
};
use crate::finding::ErrorDetails;
use crate::node::Region;

/// The log timed out on ssm; `remote_ip` is empty when it does not say where.
fn to_ssm(remote_ip: &str) -> ErrorDetails {
    ErrorDetails {
        service: Some("ssm".to_owned()),
        host: Some("ssm.eu-central-1.amazonaws.com".to_owned()),
        remote_ip: (!remote_ip.is_empty()).then(|| address(remote_ip)),
        ..ErrorDetails::default()
    }
}

fn with_place(change: impl FnOnce(&mut NetworkPlace)) -> Facts {
    world(|instance, _| change(&mut instance.network))
}

fn egress(rules: &[&str]) -> Facts {
    let mut facts = world(|_, _| {});
    facts.groups = found("sg-1", group("sg-1", &[], rules));
    facts
}

fn routes(routes: &[(&str, RouteTarget)]) -> Facts {
    let mut facts = world(|_, _| {});
    facts.route_tables = found("vpc-1", vec![table(false, routes)]);
    facts
}

fn igw() -> RouteTarget {
    RouteTarget::InternetGateway("igw-1".to_owned())
}

const LOCAL: (&str, RouteTarget) = ("10.0.0.0/16", RouteTarget::Local);
const PUBLIC: &str = "52.94.5.5";
const PRIVATE: &str = "10.0.2.5";

/// Each world evaluated by one check, as a person reads it.
fn shown(check: &'static str, rows: &[(&str, Facts, ErrorDetails)]) -> String {
    let mut text = String::new();
    for (title, facts, error_details) in rows {
        let result = run_with(check, facts, error_details);
        convicts_only_with_a_resource(&result);
        let resource = result.fault.as_ref().map_or("-", Fault::resource);
        text.push_str(&format!(
            "{title}: {:?} {resource}\n    {}\n",
            result.status, result.note
        ));
    }
    text
}

fn convicts_only_with_a_resource(result: &CheckResult) {
    let failed = result.status == CheckStatus::Failed;
    // An endpoint that was passed by convicts nothing; it says where to look.
    let passed_by = matches!(result.fault, Some(Fault::EndpointBypassed { .. }));
    assert_eq!(
        failed || passed_by,
        result.fault.is_some(),
        "{}",
        result.note
    );
    assert_eq!(failed, result.observation.is_some(), "{}", result.note);
    if let Some(fault) = &result.fault {
        assert!(result.note.contains(fault.resource()), "{}", result.note);
    }
}

#[test]
fn egress_is_evaluated_by_all_groups_together() {
    let two_groups = |second: Fetched<_>| {
        let mut facts = with_place(|place| place.groups.push("sg-2".to_owned()));
        facts.groups = found("sg-1", group("sg-1", &[], &[]));
        facts.groups.insert("sg-2".to_owned(), second);
        facts
    };
    let open = Fetched::Found(group("sg-2", &[], &["tcp:443 0.0.0.0/0"]));
    let to_endpoint = world_with_endpoint(|facts, _| {
        facts.groups.insert(
            "sg-1".to_owned(),
            Fetched::Found(group("sg-1", &[], &["tcp:443 sg-endpoint"])),
        );
    });
    let several = with_place(|place| place.more_interfaces = true);
    let mut proxied = to_ssm(PUBLIC);
    proxied.proxied = true;
    let mut nameless = to_ssm("");
    nameless.service = None;
    let stopped = world(|instance, _| instance.state = "stopped".to_owned());
    let text = shown(
        "egress",
        &[
            ("everything out", egress(&["-1 0.0.0.0/0"]), to_ssm(PUBLIC)),
            ("443 out", egress(&["tcp:443 0.0.0.0/0"]), to_ssm("")),
            ("no rule", egress(&[]), to_ssm(PUBLIC)),
            ("no rule, nothing dialled", egress(&[]), to_ssm("")),
            ("only port 80", egress(&["tcp:80 0.0.0.0/0"]), to_ssm("")),
            ("only IPv6", egress(&["-1 ::/0"]), to_ssm(PUBLIC)),
            (
                "only inside the VPC",
                egress(&["-1 10.0.0.0/8"]),
                to_ssm(PUBLIC),
            ),
            ("a prefix list", egress(&["tcp:443 pl-1"]), to_ssm(PUBLIC)),
            (
                "a public range, address unknown",
                egress(&["tcp:443 52.0.0.0/8"]),
                to_ssm(""),
            ),
            (
                "the second group lets out",
                two_groups(open),
                to_ssm(PUBLIC),
            ),
            (
                "the second group was not read",
                two_groups(Fetched::Failed("denied".to_owned())),
                to_ssm(PUBLIC),
            ),
            (
                "by the endpoint's group",
                to_endpoint.clone(),
                to_ssm(PRIVATE),
            ),
            (
                "by the endpoint's group, dialled in public",
                to_endpoint,
                to_ssm(PUBLIC),
            ),
            ("private, whose is it", egress(&[]), to_ssm("10.9.9.9")),
            ("several interfaces", several, to_ssm(PUBLIC)),
            ("through a proxy", egress(&[]), proxied),
            ("a proxy on the host", egress(&[]), to_ssm("127.0.0.1")),
            ("no service named", egress(&[]), nameless),
            (
                "no group known",
                with_place(|place| place.groups.clear()),
                to_ssm(PUBLIC),
            ),
            ("stopped", stopped, to_ssm(PUBLIC)),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn the_route_that_the_subnet_really_uses_is_evaluated() {
    let public = |routes: &[(&str, RouteTarget)]| {
        let mut facts = with_place(|place| place.public = true);
        facts.route_tables = found("vpc-1", vec![table(false, routes)]);
        facts
    };
    let beyond = RouteTarget::Opaque("tgw-1".to_owned());
    let mut blackhole = routes(&[LOCAL, ("0.0.0.0/0", nat())]);
    for table in blackhole.route_tables.values_mut() {
        let Fetched::Found(tables) = table else {
            continue;
        };
        tables[0].routes[1].blackhole = true;
    }
    let mut own_beats_main = routes(&[LOCAL]);
    let mut main = table(true, &[LOCAL, ("0.0.0.0/0", nat())]);
    main.id = "rtb-main".to_owned();
    for tables in own_beats_main.route_tables.values_mut() {
        let Fetched::Found(tables) = tables else {
            continue;
        };
        tables.insert(0, main.clone());
    }
    let mut main_by_default = world(|_, _| {});
    main_by_default.route_tables = found("vpc-1", vec![table(true, &[LOCAL])]);
    let mut denied = world(|_, _| {});
    denied.route_tables = one(
        "vpc-1",
        Fetched::Failed("DescribeRouteTables was denied".to_owned()),
    );
    let without_route = world_with_endpoint(|facts, _| {
        facts.route_tables = found("vpc-1", vec![table(false, &[LOCAL])]);
    });
    let mut endpoints_unread = routes(&[LOCAL]);
    endpoints_unread.endpoints = one("vpc-1", Fetched::Failed("late".to_owned()));
    let s3 = RouteTarget::GatewayEndpoint("vpce-s3".to_owned());
    let text = shown(
        "route",
        &[
            (
                "NAT",
                routes(&[LOCAL, ("0.0.0.0/0", nat())]),
                to_ssm(PUBLIC),
            ),
            ("none", routes(&[LOCAL]), to_ssm(PUBLIC)),
            ("none, nothing dialled", routes(&[LOCAL]), to_ssm("")),
            ("only to S3", routes(&[LOCAL, ("pl-1", s3)]), to_ssm(PUBLIC)),
            (
                "only IPv6",
                routes(&[LOCAL, ("::/0", igw())]),
                to_ssm(PUBLIC),
            ),
            ("blackhole", blackhole, to_ssm(PUBLIC)),
            (
                "internet gateway, public address",
                public(&[LOCAL, ("0.0.0.0/0", igw())]),
                to_ssm(PUBLIC),
            ),
            (
                "internet gateway, no public address",
                routes(&[LOCAL, ("0.0.0.0/0", igw())]),
                to_ssm(""),
            ),
            (
                "transit gateway",
                routes(&[LOCAL, ("0.0.0.0/0", beyond.clone())]),
                to_ssm(PUBLIC),
            ),
            (
                "a prefix list",
                routes(&[LOCAL, ("pl-9", beyond)]),
                to_ssm(PUBLIC),
            ),
            (
                "its own table beats the main one",
                own_beats_main,
                to_ssm(PUBLIC),
            ),
            ("the main table by default", main_by_default, to_ssm(PUBLIC)),
            ("denied", denied, to_ssm(PUBLIC)),
            (
                "an endpoint is dialled",
                without_route.clone(),
                to_ssm(PRIVATE),
            ),
            ("an endpoint by name", without_route.clone(), to_ssm("")),
            (
                "an endpoint is there, public dialled",
                without_route,
                to_ssm(PUBLIC),
            ),
            (
                "endpoints unread, public dialled",
                endpoints_unread.clone(),
                to_ssm(PUBLIC),
            ),
            (
                "endpoints unread, nothing dialled",
                endpoints_unread,
                to_ssm(""),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

fn acl(entries: &[(i32, bool, bool, Ports, &str)]) -> Facts {
    let mut facts = world(|_, _| {});
    for read in facts.acls.values_mut() {
        let Fetched::Found(acls) = read else { continue };
        acls[0].entries = entries
            .iter()
            .map(|(number, egress, allow, ports, range)| AclEntry {
                number: *number,
                egress: *egress,
                allow: *allow,
                protocol: Protocol::Tcp,
                ports: *ports,
                range: range.parse().ok(),
            })
            .collect();
    }
    facts
}

#[test]
fn a_network_acl_must_let_requests_out_and_answers_in() {
    const ANY: &str = "0.0.0.0/0";
    let https = Ports { from: 443, to: 443 };
    let high = Ports {
        from: 1024,
        to: 65_535,
    };
    let only = |ports_out, ports_in| {
        acl(&[
            (1, true, true, ports_out, ANY),
            (1, false, true, ports_in, ANY),
        ])
    };
    let denied = acl(&[
        (1, true, false, https, ANY),
        (2, true, true, Ports::ALL, ANY),
        (1, false, true, high, ANY),
    ]);
    let other = |entries: &[(i32, bool, bool, Ports, &str)]| {
        let mut facts = acl(entries);
        let with = world_with_endpoint(|_, _| {});
        (facts.endpoints, facts.interfaces) = (with.endpoints, with.interfaces);
        facts
    };
    let mut same_subnet = other(&[]);
    same_subnet.interfaces = found("eni-vpce-1", interface("vpce-1", PRIVATE, "subnet-1"));
    let mut unread = world(|_, _| {});
    unread.acls = one("vpc-1", Fetched::Failed("denied".to_owned()));
    let text = shown(
        "network-acl",
        &[
            ("the default", world(|_, _| {}), to_ssm(PUBLIC)),
            ("443 out, high ports in", only(https, high), to_ssm(PUBLIC)),
            ("443 out, 443 in", only(https, https), to_ssm(PUBLIC)),
            ("80 out", only(Ports { from: 80, to: 80 }, high), to_ssm("")),
            ("443 denied before all is allowed", denied, to_ssm(PUBLIC)),
            ("nothing", acl(&[]), to_ssm("")),
            ("nothing, endpoint elsewhere", other(&[]), to_ssm(PRIVATE)),
            (
                "nothing, endpoint in the same subnet",
                same_subnet,
                to_ssm(PRIVATE),
            ),
            (
                "nothing, a private address of nobody",
                acl(&[]),
                to_ssm("10.9.9.9"),
            ),
            ("not read", unread, to_ssm(PUBLIC)),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn an_endpoint_must_be_available_named_and_open() {
    let with_ingress = |rules: &[&str]| {
        let rules = group("sg-endpoint", rules, &[]);
        world_with_endpoint(|facts, _| {
            facts
                .groups
                .insert("sg-endpoint".to_owned(), Fetched::Found(rules));
        })
    };
    let no_route = |facts: &mut Facts| {
        facts.route_tables = found("vpc-1", vec![table(false, &[LOCAL])]);
    };
    let two = |named: [bool; 2]| {
        let mut facts = world_with_endpoint(|_, _| {});
        let mut one = endpoint("vpce-1");
        one.private_dns = named[0];
        let mut other = endpoint("vpce-2");
        other.private_dns = named[1];
        other.groups = vec!["sg-shut".to_owned()];
        facts.groups.insert(
            "sg-shut".to_owned(),
            Fetched::Found(group("sg-shut", &[], &[])),
        );
        let at = interface("vpce-2", "10.0.3.5", "subnet-3");
        facts.interfaces.insert(at.id.clone(), Fetched::Found(at));
        facts.endpoints = found("vpc-1", vec![one, other]);
        facts
    };
    let state = |state: &str| {
        let state = state.to_owned();
        world_with_endpoint(|_, endpoint| endpoint.state = state)
    };
    let for_other = world_with_endpoint(|_, endpoint| {
        endpoint.service = "com.amazonaws.eu-central-1.ssmmessages".to_owned();
    });
    let mut own_name = to_ssm("");
    own_name.host = Some("vpce-2-abcd.ssm.eu-central-1.vpce.amazonaws.com".to_owned());
    let mut in_china = to_ssm("");
    in_china.host = Some("ssm.cn-north-1.amazonaws.com.cn".to_owned());
    in_china.region = Region::parse("cn-north-1");
    let china = world_with_endpoint(|facts, endpoint| {
        endpoint.service = "cn.com.amazonaws.cn-north-1.ssm".to_owned();
        facts.groups.insert(
            "sg-endpoint".to_owned(),
            Fetched::Found(group("sg-endpoint", &[], &[])),
        );
    });
    let unread = world_with_endpoint(|facts, _| {
        facts.groups.insert(
            "sg-endpoint".to_owned(),
            Fetched::Failed("denied".to_owned()),
        );
    });
    let mut denied = world(|_, _| {});
    denied.endpoints = one(
        "vpc-1",
        Fetched::Failed("DescribeVpcEndpoints was denied".to_owned()),
    );
    let no_interfaces = world_with_endpoint(|facts, _| {
        facts.interfaces = one("eni-vpce-1", Fetched::Failed("denied".to_owned()));
    });
    let nameless = world_with_endpoint(|_, endpoint| endpoint.private_dns = false);
    let nameless_without_route = world_with_endpoint(|facts, endpoint| {
        endpoint.private_dns = false;
        no_route(facts);
    });
    let text = shown(
        "vpc-endpoint",
        &[
            (
                "open to the VPC",
                with_ingress(&["tcp:443 10.0.0.0/16"]),
                to_ssm(PRIVATE),
            ),
            (
                "open to the group",
                with_ingress(&["tcp:443 sg-1"]),
                to_ssm(PRIVATE),
            ),
            (
                "open to another group",
                with_ingress(&["tcp:443 sg-9"]),
                to_ssm(PRIVATE),
            ),
            (
                "open to another subnet",
                with_ingress(&["tcp:443 10.0.2.0/24"]),
                to_ssm(""),
            ),
            (
                "open on 80",
                with_ingress(&["tcp:80 0.0.0.0/0"]),
                to_ssm(PRIVATE),
            ),
            (
                "open to a prefix list",
                with_ingress(&["tcp:443 pl-1"]),
                to_ssm(PRIVATE),
            ),
            (
                "all protocols",
                with_ingress(&["-1 10.0.1.0/24"]),
                to_ssm(PRIVATE),
            ),
            (
                "shut, public address dialled",
                with_ingress(&[]),
                to_ssm(PUBLIC),
            ),
            ("pending", state("pending"), to_ssm("")),
            ("rejected", state("rejected"), to_ssm("")),
            ("deleted", state("deleted"), to_ssm("")),
            ("none", world(|_, _| {}), to_ssm("")),
            ("none, private dialled", world(|_, _| {}), to_ssm(PRIVATE)),
            ("for another service", for_other, to_ssm("")),
            ("in China, shut", china, in_china),
            (
                "two, dialled the open one",
                two([true, false]),
                to_ssm(PRIVATE),
            ),
            (
                "two, dialled the shut one",
                two([true, false]),
                to_ssm("10.0.3.5"),
            ),
            (
                "two, the name leads to the open one",
                two([true, false]),
                to_ssm(""),
            ),
            (
                "two, the name leads to the shut one",
                two([false, true]),
                to_ssm(""),
            ),
            ("two, the shut one's own name", two([true, false]), own_name),
            ("two with the same name", two([true, true]), to_ssm("")),
            ("private DNS off, NAT", nameless, to_ssm(PUBLIC)),
            (
                "private DNS off, no route",
                nameless_without_route.clone(),
                to_ssm(PUBLIC),
            ),
            (
                "private DNS off, no route, nothing dialled",
                nameless_without_route,
                to_ssm(""),
            ),
            ("its group not read", unread, to_ssm(PRIVATE)),
            ("its addresses not read", no_interfaces, to_ssm(PRIVATE)),
            ("denied", denied, to_ssm("")),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn names_fail_in_the_vpc_only_when_its_own_resolver_is_off() {
    let dns = |support: Fetched<bool>, servers: &[&str]| {
        let mut facts = world(|_, _| {});
        facts.dns_support = one("vpc-1", support);
        facts.dhcp_options = found(
            "dopt-1",
            DhcpFacts {
                id: "dopt-1".to_owned(),
                name_servers: servers.iter().map(|s| (*s).to_owned()).collect(),
            },
        );
        facts
    };
    let own = &["AmazonProvidedDNS"];
    let mut no_options = dns(Fetched::Found(false), own);
    no_options.vpcs = found(
        "vpc-1",
        VpcFacts {
            id: "vpc-1".to_owned(),
            dhcp_options: None,
        },
    );
    let private_names_off = world_with_endpoint(|facts, _| {
        facts.dns_hostnames = found("vpc-1", false);
    });
    let text = shown(
        "vpc-dns",
        &[
            ("on", dns(Fetched::Found(true), own), to_ssm("")),
            ("off", dns(Fetched::Found(false), own), to_ssm("")),
            (
                "off, other servers",
                dns(Fetched::Found(false), &["10.0.0.53", "10.0.1.53"]),
                to_ssm(""),
            ),
            (
                "on, other servers",
                dns(Fetched::Found(true), &["10.0.0.53"]),
                to_ssm(""),
            ),
            (
                "off, both",
                dns(Fetched::Found(false), &["AmazonProvidedDNS", "10.0.0.53"]),
                to_ssm(""),
            ),
            (
                "off, no server named",
                dns(Fetched::Found(false), &[]),
                to_ssm(""),
            ),
            ("off, no option set", no_options, to_ssm("")),
            (
                "not read",
                dns(Fetched::Failed("denied".to_owned()), own),
                to_ssm(""),
            ),
            (
                "hostnames off with an endpoint",
                private_names_off,
                to_ssm(""),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_world_in_which_all_is_right_convicts_nothing() {
    for facts in [world(|_, _| {}), world_with_endpoint(|_, _| {})] {
        for remote_ip in ["", PUBLIC, PRIVATE] {
            for check in ["egress", "route", "network-acl", "vpc-endpoint", "vpc-dns"] {
                let result = run_with(check, &facts, &to_ssm(remote_ip));
                assert_ne!(result.status, CheckStatus::Failed, "{}", result.note);
            }
        }
    }
    assert_eq!(instance(1).id, instance_id(1));
}
