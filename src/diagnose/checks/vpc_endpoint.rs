//! Does the VPC's interface endpoint for the service let the instance in?

use std::net::IpAddr;

use ipnet::IpNet;

use super::egress::names;
use super::route::{EgressPath, public_road};
use crate::diagnose::check::{CheckName, CheckResult, Fault, Observation, Subject};
use crate::diagnose::facts::{EndpointFacts, GroupFacts, InstanceFacts, known};
use crate::diagnose::network::names::gateway_for;
use crate::diagnose::network::path::{NetworkPath, Traffic, answers_for_the_name};
use crate::diagnose::network::space::Family;
use crate::diagnose::network::{Allows, RemoteEnd, group};
use crate::failure::address_class::ALL_V4;

const NAME: CheckName = CheckName::VpcEndpoint;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance(NAME)?;
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    let traffic = Traffic::of(subject, instance);
    let service = traffic.service;
    let unknown = |why: &str| {
        let note = format!("The endpoint of {vpc} for {service} is not judged: {why}.");
        CheckResult::unknown(NAME, note)
    };
    match &traffic.way {
        NetworkPath::Endpoint { endpoint, .. } => {
            Ok(of_endpoint(subject, instance, endpoint, &traffic))
        }
        NetworkPath::Unclear(why) => {
            let endpoints = traffic.endpoints.as_deref().unwrap_or_default();
            let bypassed = (endpoints.iter())
                .find(|endpoint| why.starts_with(&answers_for_the_name(&endpoint.id)));
            Err(CheckResult {
                fault: bypassed.map(|endpoint| Fault::EndpointBypassed {
                    endpoint: endpoint.id.clone(),
                }),
                ..unknown(why)
            })
        }
        NetworkPath::Public => match traffic.endpoints.as_deref() {
            Err(why) => Err(unknown(why)),
            Ok([]) => {
                let note = match gateway_for(subject, instance, service) {
                    Ok(Some(gateway)) => format!(
                        "{vpc} has no interface endpoint for {service}: the gateway endpoint {} \
                         carries it.",
                        gateway.id
                    ),
                    Ok(None) | Err(_) => format!(
                        "{vpc} has no interface endpoint for {service}: the way is the public one."
                    ),
                };
                Err(CheckResult::ok(NAME, note))
            }
            Ok(endpoints) => Ok(passed_by(subject, instance, endpoints, &traffic)),
        },
    }
}

fn of_endpoint(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    endpoint: &EndpointFacts,
    traffic: &Traffic<'_>,
) -> CheckResult {
    let (id, service) = (&endpoint.id, traffic.service);
    if !endpoint.is_available() {
        // One that does not work answers for no name, which leaves the public
        // way; where its address was dialled, the name did lead to it.
        let around = traffic.past_endpoints(subject, instance);
        let around = traffic
            .remote_ip
            .is_none()
            .then(|| public_road(subject, instance, &around));
        let (is_only_way, aside) = match around {
            None | Some(Ok(EgressPath::Closed { .. })) => (true, String::new()),
            Some(Ok(EgressPath::Open(_) | EgressPath::Opaque(_))) => {
                let open = ", and a route leads to the public addresses";
                (false, open.to_owned())
            }
            Some(Err(why)) => (
                false,
                format!("; whether there is another way is unclear: {why}"),
            ),
        };
        let note = format!(
            "The endpoint {id} for {service} is {}{aside}.",
            endpoint.state,
        );
        return if is_settled(&endpoint.state) && is_only_way {
            let endpoint = id.clone();
            CheckResult::failed(
                NAME,
                note,
                Observation::WayBlocked,
                Fault::EndpointState { endpoint },
            )
        } else {
            CheckResult::unknown(NAME, note)
        };
    }
    let unknown = |why: String| {
        let note = format!(
            "Whether the endpoint {id} for {service} lets {} in is not told: {why}.",
            instance.id
        );
        CheckResult::unknown(NAME, note)
    };
    if endpoint.groups.is_empty() {
        return unknown("EC2 names no security group of it".to_owned());
    }
    let mut unread = None;
    let mut groups: Vec<&GroupFacts> = Vec::new();
    for group in &endpoint.groups {
        match known(subject.facts.groups.get(group), group) {
            Ok(facts) => groups.push(facts),
            Err(why) => unread = unread.or(Some(why)),
        }
    }
    let from = |family: Family| {
        let of_family = |at: &&IpAddr| Family::of(at.is_ipv4()) == family;
        let addresses = instance.network.addresses.iter().filter(of_family);
        let mut space: Vec<IpNet> = addresses.map(|at| IpNet::from(*at)).collect();
        if space.is_empty() {
            space.push(ALL_V4);
        }
        RemoteEnd {
            space,
            groups: &instance.network.groups,
            list: None,
        }
    };
    let named = names(&endpoint.groups);
    let rules = || groups.iter().flat_map(|group| &group.ingress);
    let answer = match traffic.lets(|far| group::lets(rules(), &from(far.family()))) {
        Ok(answer) => answer,
        Err(why) => return unknown(why),
    };
    match (answer, unread) {
        (Allows::Yes, _) => CheckResult::ok(
            NAME,
            format!(
                "The endpoint {id} for {service} is available, and an inbound rule of {named} lets {} in on \
                 443.",
                instance.id
            ),
        ),
        (Allows::Maybe(why), _) | (Allows::No, Some(why)) => unknown(why),
        (Allows::No, None) => CheckResult::failed(
            NAME,
            format!(
                "No inbound rule of {named} lets {} in on 443 to the endpoint {id} for {service}.",
                instance.id
            ),
            Observation::WayBlocked,
            Fault::EndpointSgBlocksInstance {
                endpoint: id.clone(),
                groups: endpoint.groups.clone(),
            },
        ),
    }
}

/// Endpoints for the service exist, and the agent does not use them.
fn passed_by(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    endpoints: &[&EndpointFacts],
    traffic: &Traffic<'_>,
) -> CheckResult {
    let service = traffic.service;
    if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.private_dns) {
        return CheckResult::unknown(
            NAME,
            format!(
                "The endpoint {} for {service} does not answer for the name that the agent uses.",
                endpoint.id
            ),
        );
    }
    let ids: Vec<&str> = endpoints
        .iter()
        .map(|endpoint| endpoint.id.as_str())
        .collect();
    let nameless = format!(
        "Private DNS of the endpoint {} for {service} is off, so that the service's name leads to \
         public addresses",
        ids.join(", ")
    );
    match (public_road(subject, instance, traffic), endpoints) {
        (Ok(EgressPath::Closed { note, .. }), [endpoint]) => CheckResult::failed(
            NAME,
            format!("{nameless}. {note}"),
            Observation::WayBlocked,
            Fault::PrivateDnsDisabled {
                endpoint: endpoint.id.clone(),
            },
        ),
        (Ok(EgressPath::Open(_)), _) => CheckResult::ok(NAME, format!("{nameless}.")),
        (Ok(EgressPath::Closed { note, .. } | EgressPath::Opaque(note)), _) => {
            CheckResult::unknown(NAME, format!("{nameless}. {note}"))
        }
        (Err(why), _) => CheckResult::unknown(NAME, format!("{nameless}; beyond that, {why}.")),
    }
}

/// A state in which an endpoint carries nothing and stays so by itself.
fn is_settled(state: &str) -> bool {
    [
        "pendingAcceptance",
        "rejected",
        "failed",
        "expired",
        "deleting",
    ]
    .iter()
    .any(|dead| state.eq_ignore_ascii_case(dead))
}
