//! Route tables: the longest prefix wins.

use ipnet::IpNet;

use super::space::parts;
use crate::diagnose::facts::{
    Destination, Facts, InstanceFacts, RouteFacts, RouteTableFacts, RouteTarget, known,
};
use crate::failure::address_class::{NAT64, private};

/// The table that a subnet uses: its own, else the main one of the VPC.
pub(crate) fn of_subnet<'a>(
    tables: &'a [RouteTableFacts],
    subnet: &str,
) -> Option<&'a RouteTableFacts> {
    let own = tables
        .iter()
        .find(|table| table.subnets.iter().any(|id| id == subnet));
    own.or_else(|| tables.iter().find(|table| table.main))
}

/// Where a table leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RouteLookup<'a> {
    Route(&'a RouteFacts),
    Nowhere,
    /// Why it could not be determined: a clause.
    Unclear(String),
}

/// What a route to an endpoint by prefix list means for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListRoute {
    /// The list holds every address that may be meant: a gateway endpoint for
    /// the service.
    Carries,
    /// It holds none: a gateway endpoint for another service.
    Elsewhere,
    Unknown,
}

/// The route to the addresses of `space`, where it is one for all of them.
/// `of_endpoint` says what a route by prefix list to that endpoint means.
pub(crate) fn lead<'a>(
    table: &'a RouteTableFacts,
    space: &[IpNet],
    of_endpoint: impl Fn(&str) -> ListRoute,
) -> RouteLookup<'a> {
    let mut carrier = None;
    for route in &table.routes {
        let Destination::PrefixList(list) = &route.destination else {
            continue;
        };
        let means = match &route.target {
            RouteTarget::GatewayEndpoint(id) => of_endpoint(id),
            RouteTarget::Local
            | RouteTarget::InternetGateway(_)
            | RouteTarget::NatGateway(_)
            | RouteTarget::EgressOnlyGateway(_)
            | RouteTarget::Opaque(_) => ListRoute::Unknown,
        };
        match means {
            ListRoute::Carries => carrier = Some(route),
            ListRoute::Elsewhere => {}
            // A list's routes stand behind more specific ones and before others.
            ListRoute::Unknown => {
                return RouteLookup::Unclear(format!(
                    "a route of {} goes by the prefix list {list}, and whether it holds the \
                     address is not known",
                    table.id
                ));
            }
        }
    }
    let ranges: Vec<IpNet> = table.routes.iter().filter_map(range).collect();
    let mut one: Option<Option<&RouteFacts>> = None;
    for part in parts(space, &ranges) {
        let found = match (best(table, &part), carrier) {
            (Err(why), _) => return RouteLookup::Unclear(why),
            (Ok(None), carrier) => carrier,
            // The list is more specific than a default route; than others, perhaps.
            (Ok(Some(route)), Some(carrier)) if is_default(route) => Some(carrier),
            (Ok(Some(_)), Some(_)) => return splits(table),
            (Ok(Some(route)), None) => Some(route),
        };
        match one {
            None => one = Some(found),
            Some(before) if lead_alike(before, found) => {}
            Some(_) => return splits(table),
        }
    }
    match one.flatten() {
        Some(route) => RouteLookup::Route(route),
        None => RouteLookup::Nowhere,
    }
}

fn splits<'a>(table: &RouteTableFacts) -> RouteLookup<'a> {
    RouteLookup::Unclear(format!(
        "the routes of {} tell the addresses that may be meant apart",
        table.id
    ))
}

fn lead_alike(one: Option<&RouteFacts>, other: Option<&RouteFacts>) -> bool {
    let way = |route: Option<&RouteFacts>| route.map(|r| (r.target.clone(), r.blackhole));
    way(one) == way(other)
}

fn range(route: &RouteFacts) -> Option<IpNet> {
    match route.destination {
        Destination::Range(range) => Some(range),
        Destination::PrefixList(_) => None,
    }
}

fn is_default(route: &RouteFacts) -> bool {
    range(route).is_some_and(|range| range.prefix_len() == 0)
}

/// The longest prefix, and of two alike the static route.
fn best<'a>(table: &'a RouteTableFacts, part: &IpNet) -> Result<Option<&'a RouteFacts>, String> {
    let rank = |route: &&RouteFacts| {
        let range = range(route).filter(|range| range.contains(part))?;
        Some((range.prefix_len(), !route.propagated))
    };
    let matching = table.routes.iter().filter(|route| rank(route).is_some());
    let Some(best) = matching.clone().max_by_key(rank) else {
        return Ok(None);
    };
    let spare = matching
        .filter(|route| range(route).map(|r| r.trunc()) == range(best).map(|r| r.trunc()))
        .any(|route| !route.blackhole);
    match best.blackhole && spare {
        true => Err(format!(
            "{} has both a live and a dead route to the same destination",
            table.id
        )),
        false => Ok(Some(best)),
    }
}

/// What is inside the VPC, by its local routes.
pub(crate) fn local(table: &RouteTableFacts) -> Vec<IpNet> {
    let local = table
        .routes
        .iter()
        .filter(|route| route.target == RouteTarget::Local);
    local.filter_map(range).collect()
}

/// A NAT gateway translates from IPv6 for the subnets that use the table.
pub(crate) fn translates(table: &RouteTableFacts) -> bool {
    let route = best(table, &NAT64).ok().flatten();
    route
        .is_some_and(|route| matches!(route.target, RouteTarget::NatGateway(_)) && !route.blackhole)
}

/// It has a route to private addresses outside the VPC, over something that is
/// not looked behind.
pub(crate) fn leads_to_other_networks(table: &RouteTableFacts) -> bool {
    table.routes.iter().any(|route| {
        let holds_private = range(route).is_none_or(|range| {
            private().any(|block| block.contains(&range) || range.contains(&block))
        });
        let beyond = match route.target {
            RouteTarget::Opaque(_) => true,
            // By range it is no gateway endpoint, but an appliance's.
            RouteTarget::GatewayEndpoint(_) => range(route).is_some(),
            RouteTarget::Local
            | RouteTarget::InternetGateway(_)
            | RouteTarget::NatGateway(_)
            | RouteTarget::EgressOnlyGateway(_) => false,
        };
        holds_private && beyond && !route.blackhole
    })
}

/// The route table that the instance's subnet uses, or why it is not known: a clause.
pub(crate) fn table_of<'a>(
    facts: &'a Facts,
    instance: &InstanceFacts,
) -> Result<&'a RouteTableFacts, String> {
    let (Some(vpc), Some(subnet)) = (&instance.vpc, &instance.subnet) else {
        return Err(format!("EC2 returned no subnet of {}", instance.id));
    };
    let tables = known(
        facts.route_tables.get(vpc),
        &format!("the route tables of {vpc}"),
    )?;
    of_subnet(tables, subnet)
        .ok_or_else(|| format!("{vpc} shows no route table that {subnet} uses"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::diagnose::network::space::{Family, public};

    fn table(id: &str, main: bool, subnets: &[&str], routes: &[(&str, &str)]) -> RouteTableFacts {
        let route = |(to, via): &(&str, &str)| RouteFacts {
            destination: match to.parse() {
                Ok(range) => Destination::Range(range),
                Err(_) => Destination::PrefixList((*to).to_owned()),
            },
            target: match via.split('-').next() {
                Some("local") => RouteTarget::Local,
                Some("igw") => RouteTarget::InternetGateway((*via).to_owned()),
                Some("nat") => RouteTarget::NatGateway((*via).to_owned()),
                Some("vpce") => RouteTarget::GatewayEndpoint((*via).to_owned()),
                Some(_) | None => RouteTarget::Opaque((*via).to_owned()),
            },
            blackhole: false,
            propagated: false,
        };
        RouteTableFacts {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            main,
            subnets: subnets.iter().map(|id| (*id).to_owned()).collect(),
            routes: routes.iter().map(route).collect(),
        }
    }

    fn via(lead: &RouteLookup<'_>) -> String {
        match lead {
            RouteLookup::Route(route) => match &route.target {
                RouteTarget::Local => "local".to_owned(),
                RouteTarget::InternetGateway(id)
                | RouteTarget::NatGateway(id)
                | RouteTarget::EgressOnlyGateway(id)
                | RouteTarget::GatewayEndpoint(id)
                | RouteTarget::Opaque(id) => id.clone(),
            },
            RouteLookup::Nowhere => "nowhere".to_owned(),
            RouteLookup::Unclear(_) => "unclear".to_owned(),
        }
    }

    #[test]
    fn a_subnet_uses_its_own_table_and_else_the_main_one() {
        let tables = [
            table("rtb-main", true, &[], &[]),
            table("rtb-own", false, &["subnet-1"], &[]),
        ];
        let id = |subnet| of_subnet(&tables, subnet).map(|table| table.id.as_str());
        assert_eq!(id("subnet-1"), Some("rtb-own"));
        assert_eq!(id("subnet-2"), Some("rtb-main"));
        assert_eq!(of_subnet(&tables[1..], "subnet-2"), None);
    }

    #[test]
    fn the_longest_prefix_leads() {
        const LOCAL: (&str, &str) = ("10.0.0.0/16", "local");
        let table_of = |routes: &[(&str, &str)]| table("rtb-1", true, &[], routes);
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
        let rows: &[Row<'_>] = &[
            (&[LOCAL, ("0.0.0.0/0", "nat-1")], Some("52.1.1.1"), "nat-1"),
            (&[LOCAL, ("0.0.0.0/0", "nat-1")], Some("10.0.9.9"), "local"),
            (&[LOCAL, ("0.0.0.0/0", "nat-1")], None, "nat-1"),
            (
                &[("0.0.0.0/0", "igw-1"), ("52.0.0.0/8", "tgw-1")],
                Some("52.1.1.1"),
                "tgw-1",
            ),
            (
                &[("0.0.0.0/0", "igw-1"), ("52.0.0.0/8", "tgw-1")],
                None,
                "unclear",
            ),
            (
                &[LOCAL, ("172.16.0.0/12", "tgw-1"), ("0.0.0.0/0", "nat-1")],
                None,
                "nat-1",
            ),
            (&[LOCAL], None, "nowhere"),
            (&[LOCAL], Some("52.1.1.1"), "nowhere"),
            (&[LOCAL, ("::/0", "igw-1")], None, "nowhere"),
            (&[LOCAL, ("pl-1", "vpce-1")], None, "nowhere"),
            (&[LOCAL, ("pl-1", "tgw-1")], None, "unclear"),
            (
                &[LOCAL, ("pl-1", "tgw-1"), ("0.0.0.0/0", "nat-1")],
                None,
                "unclear",
            ),
            (
                &[("0.0.0.0/1", "nat-1"), ("128.0.0.0/1", "nat-1")],
                None,
                "nat-1",
            ),
            (
                &[("0.0.0.0/1", "nat-1"), ("128.0.0.0/1", "nat-2")],
                None,
                "unclear",
            ),
            (
                &[LOCAL, ("192.0.2.0/24", "tgw-1"), ("0.0.0.0/0", "nat-1")],
                None,
                "nat-1",
            ),
            (&[("0.0.0.0/1", "nat-1")], Some("52.1.1.1"), "nat-1"),
        ];
        for (routes, address, expected) in rows {
            let table = table_of(routes);
            let space = match address {
                Some(at) => vec![IpNet::from(at.parse::<IpAddr>().expect("an address"))],
                None => public(Family::V4).to_vec(),
            };
            assert_eq!(
                via(&lead(&table, &space, |_| ListRoute::Elsewhere)),
                *expected,
                "{routes:?} {address:?}"
            );
        }
    }
}
