//! Which way the agent's connection takes: to an interface endpoint in the VPC
//! or to the service's public addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::names::{Host, endpoints_for};
use super::space::{Family, parts, public};
use super::table::{self, ListRoute, table_of};
use super::{Allows, RemoteEnd};
use crate::diagnose::facts::{
    Destination, EndpointFacts, Facts, GroupFacts, InstanceFacts, InterfaceFacts, RouteTableFacts,
    RouteTarget, known,
};
use crate::diagnose::subject::Subject;
use crate::failure::address_class::{ALL_V4, AddressClass, NAT64, class_of};
use crate::finding::ErrorDetails;

/// A connection, by the log and the VPC's endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Traffic<'a> {
    subject: Subject<'a>,
    pub instance: &'a InstanceFacts,
    /// `ssm`, or "the service" where the log names none.
    pub service: &'a str,
    pub remote_ip: Option<IpAddr>,
    /// The interface endpoints of the VPC for the service, or why they are not
    /// known: a clause.
    pub endpoints: Result<Vec<&'a EndpointFacts>, String>,
    pub path: NetworkPath<'a>,
    /// The far ends, one for each family that may be used; the likelier first.
    far: Result<Vec<RemoteEnd<'a>>, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NetworkPath<'a> {
    Endpoint {
        endpoint: &'a EndpointFacts,
        /// The interfaces of it that may be meant: the one that was dialled, or
        /// all. Empty when they could not be read.
        interfaces: Vec<&'a InterfaceFacts>,
    },
    Public,
    /// The endpoint answers for the service's name, and the log dialled another
    /// address.
    Bypassed(&'a EndpointFacts, IpAddr),
    /// Why it could not be determined: a clause.
    Unclear(String),
}

impl<'a> Traffic<'a> {
    pub(crate) fn of(subject: &Subject<'a>, instance: &'a InstanceFacts) -> Self {
        let error_details = subject.error_details;
        let service = error_details
            .service
            .as_deref()
            .filter(|name| is_of_aws(name));
        let endpoints = match service {
            Some(service) => endpoints_for(subject, instance, service),
            None => Err("the log does not name the service".to_owned()),
        };
        let path = path(error_details, subject.facts, instance, service, &endpoints);
        let mut traffic = Self {
            subject: *subject,
            instance,
            service: service.unwrap_or("the service"),
            remote_ip: error_details
                .remote_ip
                .map(|address| address.to_canonical()),
            endpoints,
            path,
            far: Ok(Vec::new()),
        };
        traffic.far = traffic.far_ends();
        traffic
    }

    /// The same connection to the service's public addresses.
    pub(crate) fn past_endpoints(&self) -> Self {
        let mut public = Self {
            remote_ip: None,
            path: NetworkPath::Public,
            ..self.clone()
        };
        public.far = public.far_ends();
        public
    }

    /// The far ends, or why they are not known: a clause. Never empty.
    pub(crate) fn far(&self) -> Result<&[RemoteEnd<'a>], String> {
        self.far.as_deref().map_err(Clone::clone)
    }

    /// The answer of rules, over the families that the connection may use.
    pub(crate) fn allows(
        &self,
        allows: impl Fn(&RemoteEnd<'a>) -> Allows,
    ) -> Result<Allows, String> {
        let far = self.far()?;
        let mut answers = far.iter().map(|far| (far.family(), allows(far)));
        let Some((family, first)) = answers.next() else {
            return Err("no address family is common to both ends".to_owned());
        };
        let other = answers.find(|(_, answer)| *answer != Allows::No);
        Ok(match (first, other) {
            (Allows::No, Some((other, _))) => Allows::Maybe(format!(
                "it is closed for {}, and {} may carry the connection",
                family.as_str(),
                other.as_str()
            )),
            (first, _) => first,
        })
    }

    /// The answer of the security groups `ids`, of those that could be read.
    pub(crate) fn allowed_by_groups(
        &self,
        ids: &[String],
        allows: impl Fn(&[&'a GroupFacts], &RemoteEnd<'a>) -> Allows,
    ) -> Result<Allows, String> {
        if ids.is_empty() {
            return Err("EC2 returned no security group".to_owned());
        }
        let read = ids
            .iter()
            .map(|id| known(self.subject.facts.groups.get(id), id));
        let (groups, unread): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
        let groups: Vec<&GroupFacts> = groups.into_iter().flatten().collect();
        let answer = self.allows(|far| allows(&groups, far))?;
        Ok(match (answer, unread.into_iter().find_map(Result::err)) {
            (Allows::No, Some(why)) => Allows::Maybe(why),
            (answer, _) => answer,
        })
    }

    fn far_ends(&self) -> Result<Vec<RemoteEnd<'a>>, String> {
        if let Some(why) = self.path.doubt() {
            return Err(why);
        }
        let mut ends = match &self.path {
            NetworkPath::Endpoint {
                endpoint,
                interfaces,
            } => self.of_endpoint(endpoint, interfaces),
            NetworkPath::Public | NetworkPath::Bypassed(..) | NetworkPath::Unclear(_) => {
                self.of_public()
            }
        };
        // The family that was dialled is the one that the log is about.
        if let Some(remote_ip) = self.remote_ip {
            let family = Family::of(remote_ip.is_ipv4());
            ends.retain(|far| far.family() != family);
            let (groups, list) = self.company();
            let space = vec![IpNet::from(remote_ip)];
            ends.insert(
                0,
                RemoteEnd {
                    space,
                    groups,
                    list,
                },
            );
        }
        if ends.is_empty() {
            return Err(format!(
                "{} has no address of a family that {} has: see whether its subnet uses DNS64 and \
                 a NAT gateway",
                self.instance.id,
                self.target_label()
            ));
        }
        Ok(ends)
    }

    /// Which security groups and which prefix list the far end has.
    fn company(&self) -> (&'a [String], Option<&'a str>) {
        match &self.path {
            NetworkPath::Endpoint { endpoint, .. } => (&endpoint.groups, None),
            NetworkPath::Public | NetworkPath::Bypassed(..) | NetworkPath::Unclear(_) => {
                (&[], self.list())
            }
        }
    }

    fn of_endpoint(
        &self,
        endpoint: &'a EndpointFacts,
        interfaces: &[&'a InterfaceFacts],
    ) -> Vec<RemoteEnd<'a>> {
        let addresses: Vec<IpAddr> = interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
            .collect();
        let of = |family: Family| -> Option<RemoteEnd<'a>> {
            let mut space: Vec<IpNet> = addresses
                .iter()
                .filter(|at| Family::of(at.is_ipv4()) == family)
                .map(|at| IpNet::from(*at))
                .collect();
            // Which addresses it has is not known: any.
            if addresses.is_empty() && family == Family::V4 {
                space.push(ALL_V4);
            }
            (has(self.instance, family) && !space.is_empty()).then_some(RemoteEnd {
                space,
                groups: &endpoint.groups,
                list: None,
            })
        };
        [Family::V4, Family::V6]
            .into_iter()
            .filter_map(of)
            .collect()
    }

    fn of_public(&self) -> Vec<RemoteEnd<'a>> {
        let instance = self.instance;
        let host = self.subject.error_details.host.as_deref().map(Host::of);
        let dual = host.as_ref().is_none_or(Host::has_ipv6);
        let table = self.table().ok();
        let list = self.list();
        let far = |space: Vec<IpNet>| RemoteEnd {
            space,
            groups: &[],
            list,
        };
        // What is inside the VPC is nobody's public address.
        let local: Vec<IpNet> = table.map(table::local).unwrap_or_default();
        let outside = |family: Family| {
            let mut parts = parts(public(family), &local);
            parts.retain(|part| !local.iter().any(|range| range.contains(part)));
            parts
        };
        let mut ends = Vec::new();
        if has(instance, Family::V4) {
            let mut space = outside(Family::V4);
            // Another network may hold an endpoint to which the name leads.
            if table.is_none_or(table::leads_to_other_networks) {
                space = vec![ALL_V4];
            }
            ends.push(far(space));
        }
        if has(instance, Family::V6) {
            if dual {
                ends.push(far(outside(Family::V6)));
            } else if table.is_some_and(table::translates) {
                ends.push(far(vec![NAT64]));
            }
        }
        ends
    }

    /// The route table of the subnet, or why it is not known: a clause.
    pub(crate) fn table(&self) -> Result<&'a RouteTableFacts, String> {
        table_of(self.subject.facts, self.instance)
    }

    /// The prefix list of a gateway endpoint for the service, by a route.
    fn list(&self) -> Option<&'a str> {
        let table = self.table().ok()?;
        table.routes.iter().find_map(|route| {
            let (Destination::PrefixList(list), RouteTarget::GatewayEndpoint(id)) =
                (&route.destination, &route.target)
            else {
                return None;
            };
            let carries = self.list_route(id) == ListRoute::Carries;
            carries.then_some(list.as_str())
        })
    }

    /// What a route by prefix list to the endpoint `id` means for this connection.
    pub(crate) fn list_route(&self, id: &str) -> ListRoute {
        let subject = &self.subject;
        let of_vpc = self.instance.vpc.as_ref();
        let read = of_vpc.and_then(|vpc| subject.facts.endpoints.get(vpc)?.found());
        let endpoint = read.and_then(|all| all.iter().find(|endpoint| endpoint.id == id));
        // Only these two have gateway endpoints ("Gateway endpoints").
        let has_gateway = ["s3", "dynamodb"].contains(&self.service);
        match endpoint {
            Some(endpoint) if !endpoint.gateway => ListRoute::Unknown,
            Some(_) if self.service == "the service" => ListRoute::Unknown,
            Some(endpoint) if !endpoint.service.ends_with(&format!(".{}", self.service)) => {
                ListRoute::Elsewhere
            }
            None if !has_gateway && self.service != "the service" => ListRoute::Elsewhere,
            Some(_) if is_elsewhere(subject) => ListRoute::Elsewhere,
            // It carries its own Region's addresses, and IPv6 ones only as it is set up.
            Some(_)
                if subject.error_details.region.as_ref() == subject.region
                    && subject.region.is_some()
                    && self.remote_ip.is_none_or(|address| address.is_ipv4()) =>
            {
                ListRoute::Carries
            }
            Some(_) | None => ListRoute::Unknown,
        }
    }

    /// The far end in words, as it ends a sentence.
    pub(crate) fn target_label(&self) -> String {
        let service = self.service;
        if let NetworkPath::Endpoint { endpoint, .. } = &self.path {
            return format!("the endpoint {} for {service}", endpoint.id);
        }
        match self.remote_ip {
            Some(address) => format!("{service} at {address}"),
            None => format!("the public addresses of {service}"),
        }
    }
}

/// The log names a Region of the service, and it is another than the instance's.
fn is_elsewhere(subject: &Subject<'_>) -> bool {
    match (&subject.error_details.region, subject.region) {
        (Some(asked), Some(own)) => asked != own,
        (Some(_) | None, _) => false,
    }
}

/// The instance has an address of `family`; one whose addresses are not known
/// has an IPv4 one, as nearly all have.
pub(crate) fn has(instance: &InstanceFacts, family: Family) -> bool {
    let addresses = &instance.network.addresses;
    let of_family = addresses
        .iter()
        .any(|at| Family::of(at.is_ipv4()) == family);
    of_family || (addresses.is_empty() && family == Family::V4)
}

/// The endpoint prefix of a service that a connection can be evaluated for.
fn is_of_aws(service: &str) -> bool {
    !matches!(service, "imds" | "other" | "")
}

fn path<'a>(
    error_details: &ErrorDetails,
    facts: &'a Facts,
    instance: &InstanceFacts,
    service: Option<&str>,
    endpoints: &Result<Vec<&'a EndpointFacts>, String>,
) -> NetworkPath<'a> {
    let unclear = |why: &str| NetworkPath::Unclear(why.to_owned());
    if error_details.proxied {
        return unclear("the agent goes through a proxy");
    }
    if service.is_none() && error_details.remote_ip.is_none() {
        return unclear("the log does not name the service");
    }
    if instance.network.more_interfaces {
        return unclear(
            "the instance has several network interfaces, and the host decides which one it uses",
        );
    }
    let Some(address) = error_details
        .remote_ip
        .map(|address| address.to_canonical())
    else {
        return match endpoints {
            Ok(endpoints) => by_name(facts, endpoints, error_details.host.as_deref()),
            Err(why) => NetworkPath::Unclear(why.clone()),
        };
    };
    let is_private = match class_of(address) {
        AddressClass::Host => {
            return NetworkPath::Unclear(format!(
                "the log dialled {address}, which is on the host itself"
            ));
        }
        AddressClass::Private => true,
        AddressClass::Translated(inner) => class_of(inner.into()) != AddressClass::Public,
        AddressClass::Public => is_in_vpc(facts, instance, address),
    };
    match endpoints {
        Ok(endpoints) if is_private => dialled_within(facts, endpoints, address, instance),
        Err(why) if is_private => NetworkPath::Unclear(why.clone()),
        Ok(endpoints) => dialled_outside(endpoints, address, error_details.host.as_deref()),
        // Whether an endpoint is meant to be the way is not known; the address is.
        Err(_) => NetworkPath::Public,
    }
}

impl NetworkPath<'_> {
    /// Why it is not certain: a clause.
    pub(crate) fn doubt(&self) -> Option<String> {
        match self {
            Self::Endpoint { .. } | Self::Public => None,
            Self::Bypassed(endpoint, address) => Some(format!(
                "the endpoint {} answers for the service's name, yet the log dialled the public \
                 address {address}: the node resolves names elsewhere, or the endpoint is newer \
                 than the log; look at the resolver that the host uses first",
                endpoint.id
            )),
            Self::Unclear(why) => Some(why.clone()),
        }
    }
}

/// A public address that was dialled although an endpoint is there to answer
/// for the name: the resolver comes first.
fn dialled_outside<'a>(
    endpoints: &[&'a EndpointFacts],
    address: IpAddr,
    host: Option<&str>,
) -> NetworkPath<'a> {
    let host = host.map(Host::of);
    let answering = endpoints
        .iter()
        .find(|endpoint| host.as_ref().is_none_or(|host| host.may_lead_to(endpoint)));
    match answering {
        Some(endpoint) if endpoint.private_dns => NetworkPath::Bypassed(endpoint, address),
        Some(_) | None => NetworkPath::Public,
    }
}

fn is_in_vpc(facts: &Facts, instance: &InstanceFacts, address: IpAddr) -> bool {
    let local = table_of(facts, instance).map(table::local);
    local.is_ok_and(|ranges| ranges.iter().any(|range| range.contains(&address)))
}

/// The endpoint that has the address that was dialled.
fn dialled_within<'a>(
    facts: &'a Facts,
    endpoints: &[&'a EndpointFacts],
    address: IpAddr,
    instance: &InstanceFacts,
) -> NetworkPath<'a> {
    let mut unread = None;
    for endpoint in endpoints {
        for id in &endpoint.interfaces {
            match known(facts.interfaces.get(id), &format!("the interface {id}")) {
                Ok(interface) if interface.addresses.contains(&address) => {
                    return NetworkPath::Endpoint {
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
    NetworkPath::Unclear(unread.unwrap_or_else(|| {
        format!(
            "the address {address} that was dialled is private and belongs to no endpoint for \
             the service in {vpc}: look for an endpoint in a VPC that is shared, peered or \
             reached over a transit gateway, for a private hosted zone, and for a proxy"
        )
    }))
}

/// Where the service's name leads: to the one endpoint with private DNS, else
/// to public addresses.
fn by_name<'a>(
    facts: &'a Facts,
    endpoints: &[&'a EndpointFacts],
    host: Option<&str>,
) -> NetworkPath<'a> {
    let host = host.map(Host::of);
    let own_name = endpoints.iter().find(|endpoint| {
        host.as_ref()
            .is_some_and(|host| host.is_own_name_of(endpoint))
    });
    let mut named = endpoints.iter().filter(|endpoint| {
        endpoint.private_dns && host.as_ref().is_none_or(|host| host.may_lead_to(endpoint))
    });
    let endpoint = match (own_name, named.next(), named.next()) {
        (Some(endpoint), _, _) => *endpoint,
        (None, Some(endpoint), None) => {
            if let Some(host) = host.as_ref().filter(|host| !host.leads_to(endpoint)) {
                return NetworkPath::Unclear(format!(
                    "whether the endpoint {} answers for {} is not known",
                    endpoint.id, host.name
                ));
            }
            *endpoint
        }
        (None, Some(one), Some(other)) => {
            return NetworkPath::Unclear(format!(
                "both {} and {} answer for the service's name",
                one.id, other.id
            ));
        }
        (None, None, _) => match host.as_ref().filter(|host| host.is_of_an_endpoint()) {
            Some(host) => {
                return NetworkPath::Unclear(format!(
                    "{} is the name of an endpoint that the VPC does not show: look for it in a \
                     VPC that is peered or reached over a transit gateway, and whether it is gone",
                    host.name
                ));
            }
            None => return NetworkPath::Public,
        },
    };
    let interfaces = endpoint.interfaces.iter();
    let interfaces: Option<Vec<&InterfaceFacts>> = interfaces
        .map(|id| facts.interfaces.get(id)?.found())
        .collect();
    NetworkPath::Endpoint {
        endpoint,
        interfaces: interfaces.unwrap_or_default(),
    }
}
