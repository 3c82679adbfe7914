//! Does the subnet's route table lead to the service?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Sign, Subject};
use crate::diagnose::facts::{Destination, InstanceFacts, RouteTableFacts, RouteTarget, known};
use crate::diagnose::network::table::{Lead, lead, of_subnet};
use crate::diagnose::network::way::{Traffic, Way};

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
        Way::Endpoint { endpoint, .. } => {
            let note = format!(
                "{id} reaches the endpoint {} for {} inside the VPC: no route is needed.",
                endpoint.id, traffic.service
            );
            return Err(CheckResult::ok(NAME, note));
        }
        Way::Unclear(why) => return Err(unknown(why.clone())),
        Way::Public => {}
    }
    let road = public_road(subject, instance, &traffic).map_err(unknown)?;
    let endpoints = traffic.endpoints.as_deref();
    Ok(match road {
        Road::Open(note) => CheckResult::ok(NAME, note),
        Road::Beyond(note) => CheckResult::unknown(NAME, note),
        Road::Closed { note, fault } => match endpoints {
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
                Sign::WayBlocked,
                fault,
            ),
            Err(why) => unknown(why.clone()),
        },
    })
}

/// The way to the service's public addresses.
pub enum Road {
    Open(String),
    /// What lies behind its target is not read: a sentence.
    Beyond(String),
    Closed {
        note: String,
        fault: Fault,
    },
}

pub fn public_road(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    traffic: &Traffic<'_>,
) -> Result<Road, String> {
    let (Some(vpc), Some(subnet)) = (&instance.vpc, &instance.subnet) else {
        return Err(format!("EC2 does not tell the subnet of {}", instance.id));
    };
    let tables = known(
        subject.facts.route_tables.get(vpc),
        &format!("the route tables of {vpc}"),
    )?;
    let table = of_subnet(tables, subnet)
        .ok_or_else(|| format!("{vpc} shows no route table that {subnet} uses"))?;
    let route = match lead(table, traffic.dialled) {
        Lead::Route(route) => route,
        Lead::Unclear(why) => return Err(why),
        Lead::Nowhere => {
            return Ok(Road::Closed {
                note: format!(
                    "{} of {subnet} has no route to {}.",
                    named(table),
                    traffic.aim()
                ),
                fault: Fault::Route {
                    table: table.id.clone(),
                    subnet: subnet.clone(),
                },
            });
        }
    };
    let to = match &route.destination {
        Destination::Range(range) => range.to_string(),
        Destination::PrefixList(id) => id.clone(),
    };
    if route.blackhole {
        return Ok(Road::Closed {
            note: format!(
                "The route of {} to {to}, which {subnet} uses, leads to {}, which is gone \
                 (blackhole).",
                table.id,
                target(&route.target)
            ),
            fault: Fault::Route {
                table: table.id.clone(),
                subnet: subnet.clone(),
            },
        });
    }
    let leads = format!(
        "{} of {subnet} leads to {} over {}",
        named(table),
        traffic.aim(),
        target(&route.target)
    );
    let over_ipv4 = traffic.dialled.is_none_or(|address| address.is_ipv4());
    Ok(match &route.target {
        RouteTarget::InternetGateway(_) if over_ipv4 && !instance.network.public => Road::Closed {
            note: format!(
                "{leads}, an internet gateway, but {} has no public IPv4 address.",
                instance.id
            ),
            fault: Fault::NoPublicAddress {
                table: table.id.clone(),
            },
        },
        RouteTarget::InternetGateway(_)
        | RouteTarget::NatGateway(_)
        | RouteTarget::EgressOnlyGateway(_)
        | RouteTarget::GatewayEndpoint(_)
        | RouteTarget::Local => Road::Open(format!("{leads}.")),
        RouteTarget::Beyond(_) => {
            Road::Beyond(format!("{leads}: what lies behind it is not looked at."))
        }
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
        | RouteTarget::Beyond(id) => id,
    }
}
