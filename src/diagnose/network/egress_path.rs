//! The path from a subnet to a service's public addresses, by its route table.

use super::RemoteEnd;
use super::names::own_subnet;
use super::path::Traffic;
use super::space::{Family, public};
use super::table::{RouteLookup, lead, leads_to_other_networks};
use crate::diagnose::facts::{Destination, RouteTableFacts, RouteTarget};
use crate::diagnose::result::Fault;
use crate::diagnose::subject::Subject;
use crate::failure::address_class::ALL_V4;

/// The path to the service's public addresses.
pub(crate) enum EgressPath {
    Open(String),
    /// What lies behind its target is not read: a sentence.
    Opaque(String),
    Closed {
        note: String,
        fault: Fault,
    },
}

/// By the families that the connection may use.
///
/// # Errors
/// A clause where it could not be determined.
pub(crate) fn egress_path(
    subject: &Subject<'_>,
    traffic: &Traffic<'_>,
) -> Result<EgressPath, String> {
    own_subnet(subject, traffic.instance)?;
    let table = traffic.table()?;
    let mut paths = traffic
        .far()?
        .iter()
        .map(|far| (far.family(), path_to(far, traffic, table)));
    let Some((family, first)) = paths.next() else {
        return Err("no address family is common to both ends".to_owned());
    };
    if !matches!(first, Ok(EgressPath::Closed { .. })) {
        return first;
    }
    let other = paths.find(|(_, path)| !matches!(path, Ok(EgressPath::Closed { .. })));
    match other {
        Some((other, _)) => Err(format!(
            "{} leads nowhere for {}, and {} may carry the connection",
            table.id,
            family.as_str(),
            other.as_str()
        )),
        None if traffic.remote_ip.is_none() && leads_to_other_networks(table) => Err(format!(
            "{} leads to no public address of {}, but to other networks, in one of which the name \
             may have an endpoint",
            table.id, traffic.service
        )),
        None => first,
    }
}

fn path_to(
    far: &RemoteEnd<'_>,
    traffic: &Traffic<'_>,
    table: &RouteTableFacts,
) -> Result<EgressPath, String> {
    let instance = traffic.instance;
    let subnet = instance.subnet.as_deref().unwrap_or("the subnet");
    let fault = || Fault::Route {
        table: table.id.clone(),
        subnet: subnet.to_owned(),
    };
    // What lies in other networks is not public.
    let space = match far.space.as_slice() {
        [all] if *all == ALL_V4 => public(Family::V4),
        space => space,
    };
    let route = match lead(table, space, |id| traffic.list_route(id)) {
        RouteLookup::Route(route) => route,
        RouteLookup::Unclear(why) => return Err(why),
        RouteLookup::Nowhere => {
            return Ok(EgressPath::Closed {
                note: format!(
                    "{} of {subnet} has no route to {}.",
                    named(table),
                    traffic.target_label()
                ),
                fault: fault(),
            });
        }
    };
    let to = match &route.destination {
        Destination::Range(range) => range.to_string(),
        Destination::PrefixList(id) => id.clone(),
    };
    if route.blackhole {
        return Ok(EgressPath::Closed {
            note: format!(
                "The route of {} to {to}, which {subnet} uses, leads to {}, which is gone \
                 (blackhole).",
                table.id,
                target(&route.target)
            ),
            fault: fault(),
        });
    }
    let leads = format!(
        "{} of {subnet} leads to {} over {}",
        named(table),
        traffic.target_label(),
        target(&route.target)
    );
    let over_ipv4 = far.family() == Family::V4;
    Ok(match (&route.target, &route.destination) {
        (RouteTarget::InternetGateway(_), _) if over_ipv4 && !instance.network.public => {
            EgressPath::Closed {
                note: format!(
                    "{leads}, an internet gateway, but {} has no public IPv4 address.",
                    instance.id
                ),
                fault: Fault::NoPublicAddress {
                    table: table.id.clone(),
                },
            }
        }
        (RouteTarget::GatewayEndpoint(_), Destination::PrefixList(_)) => {
            EgressPath::Open(format!("{leads}, a gateway endpoint."))
        }
        // By range it is the endpoint of a firewall or a load balancer.
        (RouteTarget::GatewayEndpoint(_) | RouteTarget::Opaque(_), _) => {
            EgressPath::Opaque(format!("{leads}: what is behind it is not checked."))
        }
        (
            RouteTarget::InternetGateway(_)
            | RouteTarget::NatGateway(_)
            | RouteTarget::EgressOnlyGateway(_)
            | RouteTarget::Local,
            _,
        ) => EgressPath::Open(format!("{leads}.")),
    })
}

fn named(table: &RouteTableFacts) -> String {
    if table.subnets.is_empty() {
        format!("The main route table {}", table.id)
    } else {
        format!("The route table {}", table.id)
    }
}

fn target(target: &RouteTarget) -> &str {
    match target {
        RouteTarget::Local => "the VPC itself",
        RouteTarget::InternetGateway(id)
        | RouteTarget::NatGateway(id)
        | RouteTarget::EgressOnlyGateway(id)
        | RouteTarget::GatewayEndpoint(id)
        | RouteTarget::Opaque(id) => id,
    }
}
