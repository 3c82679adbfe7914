//! Which way the agent's connection takes: to an interface endpoint in the VPC
//! or to the service's public addresses.

use std::net::IpAddr;

use super::{Far, is_private, table};
use crate::diagnose::facts::{EndpointFacts, Facts, InstanceFacts, InterfaceFacts, known};
use crate::diagnose::subject::Subject;
use crate::incident::finding::Clues;

/// A connection as the log and the VPC's endpoints tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic<'a> {
    /// `ssm`, or "the service" where the log names none.
    pub service: &'a str,
    pub dialled: Option<IpAddr>,
    /// The interface endpoints of the VPC for the service, or why they are not
    /// known: a clause.
    pub endpoints: Result<Vec<&'a EndpointFacts>, String>,
    pub way: Way<'a>,
    ipv4_only: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Way<'a> {
    Endpoint {
        endpoint: &'a EndpointFacts,
        /// The interfaces of it that may be meant: the one that was dialled, or
        /// all. Empty when they could not be read.
        interfaces: Vec<&'a InterfaceFacts>,
    },
    Public,
    /// Why it cannot be told: a clause.
    Unclear(String),
}

impl<'a> Traffic<'a> {
    pub fn of(subject: &Subject<'a>, instance: &'a InstanceFacts) -> Self {
        let clues = subject.clues;
        let facts = subject.facts;
        let service = clues.service.as_deref().filter(|name| is_of_aws(name));
        let endpoints = match service {
            Some(service) => endpoints_for(facts, instance, service),
            None => Err("the log does not name the service".to_owned()),
        };
        let way = way(clues, facts, instance, service, &endpoints);
        Self {
            service: service.unwrap_or("the service"),
            dialled: clues.dialled,
            endpoints,
            way,
            ipv4_only: clues
                .host
                .as_deref()
                .is_some_and(|host| !host.ends_with(".api.aws")),
        }
    }

    /// The far end, or why it is not known: a clause.
    pub fn far(&self) -> Result<Far<'a>, String> {
        match &self.way {
            Way::Endpoint {
                endpoint,
                interfaces,
            } => Ok(Far::Within {
                addresses: match self.dialled {
                    Some(address) => vec![address],
                    None => interfaces
                        .iter()
                        .flat_map(|interface| interface.addresses.iter().copied())
                        .filter(IpAddr::is_ipv4)
                        .collect(),
                },
                groups: &endpoint.groups,
            }),
            Way::Public => Ok(match self.dialled {
                Some(address) => Far::Within {
                    addresses: vec![address],
                    groups: &[],
                },
                None => Far::Public {
                    ipv4_only: self.ipv4_only,
                },
            }),
            Way::Unclear(why) => Err(why.clone()),
        }
    }

    /// The far end in words, as it ends a sentence.
    pub fn aim(&self) -> String {
        let service = self.service;
        match (&self.way, self.dialled) {
            (Way::Endpoint { endpoint, .. }, _) => {
                format!("the endpoint {} for {service}", endpoint.id)
            }
            (Way::Public | Way::Unclear(_), Some(address)) => format!("{service} at {address}"),
            (Way::Public | Way::Unclear(_), None) => format!("the public addresses of {service}"),
        }
    }
}

/// The endpoint prefix of a service that a connection can be judged for.
fn is_of_aws(service: &str) -> bool {
    !matches!(service, "imds" | "other" | "")
}

pub fn endpoints_for<'a>(
    facts: &'a Facts,
    instance: &InstanceFacts,
    service: &str,
) -> Result<Vec<&'a EndpointFacts>, String> {
    let Some(vpc) = &instance.vpc else {
        return Err(format!("EC2 does not tell the VPC of {}", instance.id));
    };
    let endpoints = known(facts.endpoints.get(vpc), &format!("the endpoints of {vpc}"))?;
    let suffix = format!(".{service}");
    let is_for = |endpoint: &&EndpointFacts| {
        endpoint.interface
            && endpoint.service.ends_with(&suffix)
            && !endpoint.state.eq_ignore_ascii_case("deleted")
    };
    Ok(endpoints.iter().filter(is_for).collect())
}

fn way<'a>(
    clues: &Clues,
    facts: &'a Facts,
    instance: &InstanceFacts,
    service: Option<&str>,
    endpoints: &Result<Vec<&'a EndpointFacts>, String>,
) -> Way<'a> {
    let unclear = |why: &str| Way::Unclear(why.to_owned());
    if clues.proxied {
        return unclear("the agent goes through a proxy");
    }
    if service.is_none() && clues.dialled.is_none() {
        return unclear("the log does not name the service");
    }
    if instance.network.more_interfaces {
        return unclear(
            "the instance has several network interfaces, and which one is used is the host's \
             matter",
        );
    }
    match clues.dialled {
        Some(address) if is_of_the_host(address) => Way::Unclear(format!(
            "the log dialled {address}, which is on the host itself"
        )),
        Some(address) if is_private(address) || is_in_vpc(facts, instance, address) => {
            match endpoints {
                Ok(endpoints) => dialled_within(facts, endpoints, address, instance),
                Err(why) => Way::Unclear(why.clone()),
            }
        }
        Some(_) => Way::Public,
        None => match endpoints {
            Ok(endpoints) => by_name(facts, endpoints, clues.host.as_deref()),
            Err(why) => Way::Unclear(why.clone()),
        },
    }
}

/// Loopback, link-local and unspecified addresses lead nowhere else.
fn is_of_the_host(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    link_local || address.is_loopback() || address.is_unspecified()
}

fn is_in_vpc(facts: &Facts, instance: &InstanceFacts, address: IpAddr) -> bool {
    let tables = instance
        .vpc
        .as_ref()
        .and_then(|vpc| facts.route_tables.get(vpc));
    let table =
        tables.and_then(|tables| table::of_subnet(tables.found()?, instance.subnet.as_deref()?));
    table.is_some_and(|table| table::is_local(table, address))
}

/// The endpoint that has the address that was dialled.
fn dialled_within<'a>(
    facts: &'a Facts,
    endpoints: &[&'a EndpointFacts],
    address: IpAddr,
    instance: &InstanceFacts,
) -> Way<'a> {
    let mut unread = None;
    for endpoint in endpoints {
        for id in &endpoint.interfaces {
            match known(facts.interfaces.get(id), &format!("the interface {id}")) {
                Ok(interface) if interface.addresses.contains(&address) => {
                    return Way::Endpoint {
                        endpoint,
                        interfaces: vec![interface],
                    };
                }
                Ok(_) => {}
                Err(why) => unread = unread.or(Some(why)),
            }
        }
    }
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    Way::Unclear(unread.unwrap_or_else(|| {
        format!(
            "the address {address} that was dialled is private and belongs to no endpoint for \
             the service in {vpc}: look for an endpoint in a VPC that is shared, peered or \
             reached over a transit gateway, for a private hosted zone, and for a proxy"
        )
    }))
}

/// Where the service's name leads: to the one endpoint with private DNS, else
/// to public addresses.
fn by_name<'a>(facts: &'a Facts, endpoints: &[&'a EndpointFacts], host: Option<&str>) -> Way<'a> {
    // An endpoint's own name, `vpce-0a1b-x.ssm.REGION.vpce.amazonaws.com`.
    let own_name = host.and_then(|host| {
        let named = |endpoint: &&&EndpointFacts| {
            let rest = host.strip_prefix(endpoint.id.as_str());
            rest.is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        endpoints.iter().find(named)
    });
    let mut named = endpoints.iter().filter(|endpoint| endpoint.private_dns);
    let endpoint = match (own_name, named.next(), named.next()) {
        (Some(endpoint), _, _) | (None, Some(endpoint), None) => *endpoint,
        (None, Some(one), Some(other)) => {
            return Way::Unclear(format!(
                "both {} and {} answer for the service's name",
                one.id, other.id
            ));
        }
        (None, None, _) => return Way::Public,
    };
    let interfaces = endpoint.interfaces.iter();
    let interfaces: Option<Vec<&InterfaceFacts>> = interfaces
        .map(|id| facts.interfaces.get(id)?.found())
        .collect();
    Way::Endpoint {
        endpoint,
        interfaces: interfaces.unwrap_or_default(),
    }
}
