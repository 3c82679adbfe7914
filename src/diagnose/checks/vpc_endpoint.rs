//! Does the VPC's interface endpoint for the service let the instance in?

use super::egress::names;
use super::route::{Road, public_road};
use crate::diagnose::check::{CheckName, CheckResult, Fault, Sign, Subject};
use crate::diagnose::facts::{EndpointFacts, GroupFacts, InstanceFacts, known};
use crate::diagnose::network::way::{Traffic, Way};
use crate::diagnose::network::{Far, Lets, group};

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
        Way::Endpoint { endpoint, .. } => Ok(of_endpoint(subject, instance, endpoint, &traffic)),
        Way::Unclear(why) => Err(unknown(why)),
        Way::Public => match traffic.endpoints.as_deref() {
            Err(why) => Err(unknown(why)),
            Ok([]) => Err(CheckResult::ok(
                NAME,
                format!(
                    "{vpc} has no interface endpoint for {service}: the way is the public one."
                ),
            )),
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
        let note = format!("The endpoint {id} for {service} is {}.", endpoint.state);
        return if is_settled(&endpoint.state) {
            let endpoint = id.clone();
            CheckResult::failed(
                NAME,
                note,
                Sign::WayBlocked,
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
    let from = Far::Within {
        addresses: instance
            .network
            .addresses
            .iter()
            .copied()
            .filter(|address| address.is_ipv4() == traffic.dialled.is_none_or(|at| at.is_ipv4()))
            .collect(),
        groups: &instance.network.groups,
    };
    let named = names(&endpoint.groups);
    let rules = groups.iter().flat_map(|group| &group.ingress);
    match (group::lets(rules, &from), unread) {
        (Lets::Yes, _) => CheckResult::ok(
            NAME,
            format!(
                "The endpoint {id} for {service} is available, and an inbound rule of {named} lets {} in on \
                 443.",
                instance.id
            ),
        ),
        (Lets::Maybe(why), _) | (Lets::No, Some(why)) => unknown(why),
        (Lets::No, None) => CheckResult::failed(
            NAME,
            format!(
                "No inbound rule of {named} lets {} in on 443 to the endpoint {id} for {service}.",
                instance.id
            ),
            Sign::WayBlocked,
            Fault::EndpointShut {
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
                "The endpoint {} answers for the name of {service}, yet the log dialled a public \
                 address: the node resolves names elsewhere, or the endpoint is newer than the \
                 log.",
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
        (Ok(Road::Closed { note, .. }), [endpoint]) => CheckResult::failed(
            NAME,
            format!("{nameless}. {note}"),
            Sign::WayBlocked,
            Fault::EndpointNameless {
                endpoint: endpoint.id.clone(),
            },
        ),
        (Ok(Road::Open(_)), _) => CheckResult::ok(NAME, format!("{nameless}.")),
        (Ok(Road::Closed { note, .. } | Road::Beyond(note)), _) => {
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
