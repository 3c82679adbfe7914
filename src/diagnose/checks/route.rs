//! Does the subnet's route table lead to the service?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::{Destination, InstanceFacts, RouteTableFacts, RouteTarget};
use crate::diagnose::network::RemoteEnd;
use crate::diagnose::network::names::own_subnet;
use crate::diagnose::network::path::{NetworkPath, Traffic, table_of};
use crate::diagnose::network::space::{Family, public};
use crate::diagnose::network::table::{RouteLookup, lead, leads_to_other_networks};
use crate::failure::address_class::ALL_V4;

const NAME: CheckName = CheckName::Route;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance(NAME)?;
    let id = &instance.id;
    let unknown = |why: String| {
        CheckResult::unknown(
            NAME,
            format!("Where the route of {id} leads is not told: {why}."),
        )
    };
    let traffic = Traffic::of(subject, instance);
    match &traffic.way {
        NetworkPath::Endpoint { endpoint, .. } => {
            let note = format!(
                "{id} reaches the endpoint {} for {} inside the VPC: no route is needed.",
                endpoint.id, traffic.service
            );
            return Err(CheckResult::ok(NAME, note));
        }
        NetworkPath::Unclear(why) => return Err(unknown(why.clone())),
        NetworkPath::Public => {}
    }
    let road = public_road(subject, instance, &traffic).map_err(unknown)?;
    let endpoints = traffic.endpoints.as_deref();
    Ok(match road {
        EgressPath::Open(note) => CheckResult::ok(NAME, note),
        EgressPath::Opaque(note) => CheckResult::unknown(NAME, note),
        EgressPath::Closed { note, fault } => match endpoints {
            // Where an endpoint is meant to be the way, no route is at fault.
            Ok([endpoint, ..]) => {
                let note = format!(
                    "{note} The VPC has the endpoint {} for {}.",
                    endpoint.id, traffic.service
                );
                CheckResult::skipped(NAME, note)
            }
            Ok([]) => CheckResult::failed(
                NAME,
                format!(
                    "{note} The VPC has no interface endpoint for {}.",
                    traffic.service
                ),
                Observation::WayBlocked,
                fault,
            ),
            Err(why) => unknown(why.clone()),
        },
    })
}

/// The way to the service's public addresses.
pub enum EgressPath {
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
/// A clause where it cannot be told.
pub fn public_road(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    traffic: &Traffic<'_>,
) -> Result<EgressPath, String> {
    own_subnet(subject, instance)?;
    let table = table_of(subject.facts, instance)?;
    let mut roads = traffic
        .far()?
        .iter()
        .map(|far| (far.family(), road(subject, instance, traffic, table, far)));
    let Some((family, first)) = roads.next() else {
        return Err("no address family is common to both ends".to_owned());
    };
    if !matches!(first, Ok(EgressPath::Closed { .. })) {
        return first;
    }
    let other = roads.find(|(_, road)| !matches!(road, Ok(EgressPath::Closed { .. })));
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

fn road(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    traffic: &Traffic<'_>,
    table: &RouteTableFacts,
    far: &RemoteEnd<'_>,
) -> Result<EgressPath, String> {
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
    let of_endpoint = |id: &str| traffic.list_route(subject, instance, id);
    let route = match lead(table, space, of_endpoint) {
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
            EgressPath::Opaque(format!("{leads}: what lies behind it is not looked at."))
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
