//! Does the VPC's interface endpoint for the service allow the instance?

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diagnose::check::{Check, CheckResult, Fault, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::EndpointFacts;
use crate::diagnose::network::egress_path::{EgressPath, egress_path};
use crate::diagnose::network::names::gateway_for;
use crate::diagnose::network::path::{NetworkPath, Traffic};
use crate::diagnose::network::space::Family;
use crate::diagnose::network::{Allows, BLOCKED, CAUSES, RemoteEnd, group};
use crate::failure::address_class::ALL_V4;

pub(crate) const CHECK: Check = Check {
    name: "vpc-endpoint",
    question: Question::Reachable,
    causes: CAUSES,
    needs: &[Query::Instance, Query::Endpoints, Query::Subnet],
    uses: &[Query::RouteTables],
    observes: &[BLOCKED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance()?;
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    let traffic = Traffic::of(subject, instance);
    let service = traffic.service;
    let what = format!("which endpoint of {vpc} for {service} is used");
    let unknown = |why: &str| CheckResult::undetermined(&what, why);
    if let Some(why) = traffic.path.doubt() {
        let result = unknown(&why);
        return Err(match traffic.path {
            NetworkPath::Bypassed(endpoint, _) => result.at(Fault::EndpointBypassed {
                endpoint: endpoint.id.clone(),
            }),
            _ => result,
        });
    }
    if let NetworkPath::Endpoint { endpoint, .. } = &traffic.path {
        return Ok(if endpoint.is_available() {
            available(endpoint, &traffic)
        } else {
            unavailable(subject, endpoint, &traffic)
        });
    }
    let endpoints = traffic.endpoints.as_deref().map_err(|why| unknown(why))?;
    if endpoints.is_empty() {
        let path = match gateway_for(subject, instance, service) {
            Ok(Some(gateway)) => format!("the gateway endpoint {} carries it", gateway.id),
            Ok(None) | Err(_) => "the path is the public one".to_owned(),
        };
        return Err(CheckResult::ok(format!(
            "{vpc} has no interface endpoint for {service}: {path}."
        )));
    }
    Ok(unused(subject, endpoints, &traffic))
}

/// One that is not available answers for no name, which leaves the public
/// path; where its address was dialled, the name did lead to it.
fn unavailable(
    subject: &Subject<'_>,
    endpoint: &EndpointFacts,
    traffic: &Traffic<'_>,
) -> CheckResult {
    let around = traffic
        .remote_ip
        .is_none()
        .then(|| egress_path(subject, &traffic.past_endpoints()));
    let (is_only_path, aside) = match around {
        None | Some(Ok(EgressPath::Closed { .. })) => (true, String::new()),
        Some(Ok(EgressPath::Open(_) | EgressPath::Opaque(_))) => {
            let open = ", and a route leads to the public addresses";
            (false, open.to_owned())
        }
        Some(Err(why)) => (
            false,
            format!(". Could not determine whether there is another path: {why}"),
        ),
    };
    let (id, state) = (&endpoint.id, &endpoint.state);
    let note = format!(
        "The endpoint {id} for {} is {state}{aside}.",
        traffic.service
    );
    if is_settled(state) && is_only_path {
        let endpoint = id.clone();
        CheckResult::failed(note)
            .observed(BLOCKED)
            .at(Fault::EndpointState { endpoint })
    } else {
        CheckResult::unknown(note)
    }
}

fn available(endpoint: &EndpointFacts, traffic: &Traffic<'_>) -> CheckResult {
    let (id, service, instance) = (&endpoint.id, traffic.service, traffic.instance);
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
    let answer = traffic.allowed_by_groups(&endpoint.groups, |groups, far| {
        let rules = groups.iter().flat_map(|group| &group.ingress);
        group::allows(rules, &from(far.family()))
    });
    let named = endpoint.groups.join(", ");
    match answer {
        Ok(Allows::Yes) => CheckResult::ok(format!(
            "The endpoint {id} for {service} is available, and an inbound rule of {named} allows \
             {} on 443.",
            instance.id
        )),
        Ok(Allows::Maybe(why)) | Err(why) => {
            let what = format!(
                "whether the endpoint {id} for {service} allows {}",
                instance.id
            );
            CheckResult::undetermined(&what, &why)
        }
        Ok(Allows::No) => CheckResult::failed(format!(
            "No inbound rule of {named} allows {} to connect to the endpoint {id} for {service} \
             on 443.",
            instance.id
        ))
        .observed(BLOCKED)
        .at(Fault::EndpointSgBlocksInstance {
            endpoint: id.clone(),
            groups: endpoint.groups.clone(),
        }),
    }
}

/// Endpoints for the service exist, and the agent does not use them.
fn unused(
    subject: &Subject<'_>,
    endpoints: &[&EndpointFacts],
    traffic: &Traffic<'_>,
) -> CheckResult {
    let service = traffic.service;
    if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.private_dns) {
        return CheckResult::unknown(format!(
            "The endpoint {} for {service} does not answer for the name that the agent uses.",
            endpoint.id
        ));
    }
    let ids: Vec<&str> = endpoints.iter().map(|one| one.id.as_str()).collect();
    let disabled = format!(
        "Private DNS of the endpoint {} for {service} is disabled, so that the service's name \
         leads to public addresses",
        ids.join(", ")
    );
    match (egress_path(subject, traffic), endpoints) {
        (Ok(EgressPath::Closed { note, .. }), [endpoint]) => {
            CheckResult::failed(format!("{disabled}. {note}"))
                .observed(BLOCKED)
                .at(Fault::PrivateDnsDisabled {
                    endpoint: endpoint.id.clone(),
                })
        }
        (Ok(EgressPath::Open(_)), _) => CheckResult::ok(format!("{disabled}.")),
        (Ok(EgressPath::Closed { note, .. } | EgressPath::Opaque(note)), _) => {
            CheckResult::unknown(format!("{disabled}. {note}"))
        }
        (Err(why), _) => CheckResult::unknown(format!(
            "{disabled}. Could not determine whether a route leads there: {why}."
        )),
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
