//! Route tables: the longest prefix wins.

use std::net::IpAddr;

use crate::diagnose::facts::{Destination, RouteFacts, RouteTableFacts, RouteTarget};

/// The table that a subnet uses: its own, else the main one of the VPC.
pub fn of_subnet<'a>(tables: &'a [RouteTableFacts], subnet: &str) -> Option<&'a RouteTableFacts> {
    let own = tables
        .iter()
        .find(|table| table.subnets.iter().any(|id| id == subnet));
    own.or_else(|| tables.iter().find(|table| table.main))
}

/// Where a table leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Lead<'a> {
    Route(&'a RouteFacts),
    Nowhere,
    /// Why it cannot be told: a clause.
    Unclear(String),
}

/// The route to `address`, or, where none is known, to every public IPv4 address.
pub fn lead(table: &RouteTableFacts, address: Option<IpAddr>) -> Lead<'_> {
    let found = match address {
        Some(address) => to(table, address),
        None => default_of(table),
    };
    let by_list = table
        .routes
        .iter()
        .find_map(|route| match &route.destination {
            // A gateway endpoint's list holds the addresses of S3 or DynamoDB.
            Destination::PrefixList(id) => match &route.target {
                RouteTarget::GatewayEndpoint(_) => None,
                RouteTarget::Local
                | RouteTarget::InternetGateway(_)
                | RouteTarget::NatGateway(_)
                | RouteTarget::EgressOnlyGateway(_)
                | RouteTarget::Beyond(_) => Some(id),
            },
            Destination::Range(_) => None,
        });
    match (found, by_list) {
        (Some(route), None) => Lead::Route(route),
        // A list's routes stand behind more specific ones and before others.
        (Some(_) | None, Some(list)) => Lead::Unclear(format!(
            "a route of {} goes by the prefix list {list}, whose addresses are not read",
            table.id
        )),
        (None, None) if address.is_none() && splits(table) => Lead::Unclear(format!(
            "the routes of {} tell public addresses apart",
            table.id
        )),
        (None, None) => Lead::Nowhere,
    }
}

/// Inside the VPC, by its local routes.
pub fn is_local(table: &RouteTableFacts, address: IpAddr) -> bool {
    table.routes.iter().any(|route| {
        route.target == RouteTarget::Local
            && match &route.destination {
                Destination::Range(range) => range.contains(address),
                Destination::PrefixList(_) => false,
            }
    })
}

fn to(table: &RouteTableFacts, address: IpAddr) -> Option<&RouteFacts> {
    let bits = |route: &&RouteFacts| match &route.destination {
        Destination::Range(range) if range.contains(address) => Some(range.bits()),
        Destination::Range(_) | Destination::PrefixList(_) => None,
    };
    let matching = table.routes.iter().filter(|route| bits(route).is_some());
    matching.max_by_key(bits)
}

fn default_of(table: &RouteTableFacts) -> Option<&RouteFacts> {
    // A more specific public route might hold the address that is dialled.
    if splits(table) {
        return None;
    }
    table.routes.iter().find(|route| match &route.destination {
        Destination::Range(range) => range.is_ipv4() && range.is_everything(),
        Destination::PrefixList(_) => false,
    })
}

/// It has routes to some public IPv4 addresses and not to others.
fn splits(table: &RouteTableFacts) -> bool {
    table.routes.iter().any(|route| match &route.destination {
        Destination::Range(range) => {
            range.is_ipv4()
                && !range.is_everything()
                && !super::is_private(range.address())
                && route.target != RouteTarget::Local
        }
        Destination::PrefixList(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::Cidr;

    fn table(id: &str, main: bool, subnets: &[&str], routes: &[(&str, &str)]) -> RouteTableFacts {
        let route = |(to, via): &(&str, &str)| RouteFacts {
            destination: match Cidr::parse(to) {
                Some(range) => Destination::Range(range),
                None => Destination::PrefixList((*to).to_owned()),
            },
            target: match via.split('-').next() {
                Some("local") => RouteTarget::Local,
                Some("igw") => RouteTarget::InternetGateway((*via).to_owned()),
                Some("nat") => RouteTarget::NatGateway((*via).to_owned()),
                Some("vpce") => RouteTarget::GatewayEndpoint((*via).to_owned()),
                Some(_) | None => RouteTarget::Beyond((*via).to_owned()),
            },
            blackhole: false,
        };
        RouteTableFacts {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            main,
            subnets: subnets.iter().map(|id| (*id).to_owned()).collect(),
            routes: routes.iter().map(route).collect(),
        }
    }

    fn via(lead: &Lead<'_>) -> String {
        match lead {
            Lead::Route(route) => match &route.target {
                RouteTarget::Local => "local".to_owned(),
                RouteTarget::InternetGateway(id)
                | RouteTarget::NatGateway(id)
                | RouteTarget::EgressOnlyGateway(id)
                | RouteTarget::GatewayEndpoint(id)
                | RouteTarget::Beyond(id) => id.clone(),
            },
            Lead::Nowhere => "nowhere".to_owned(),
            Lead::Unclear(_) => "unclear".to_owned(),
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
                "unclear",
            ),
            (&[("0.0.0.0/1", "nat-1")], Some("52.1.1.1"), "nat-1"),
        ];
        for (routes, address, expected) in rows {
            let table = table_of(routes);
            let address = address.map(|at| at.parse().expect("an address"));
            assert_eq!(
                via(&lead(&table, address)),
                *expected,
                "{routes:?} {address:?}"
            );
        }
    }
}
