//! Does the subnet's route table lead to the service?

use crate::diagnose::check::{Check, CheckResult, OfHybrid, Query, Question, Subject};
use crate::diagnose::network::egress_path::{EgressPath, egress_path};
use crate::diagnose::network::path::{NetworkPath, Traffic};
use crate::diagnose::network::{BLOCKED, CAUSES};

pub(crate) const CHECK: Check = Check {
    name: "route",
    question: Question::Reachable,
    causes: CAUSES,
    // The endpoints decide where the path leads.
    needs: &[
        Query::Instance,
        Query::RouteTables,
        Query::Endpoints,
        Query::Subnet,
    ],
    uses: &[],
    observes: &[BLOCKED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.running_instance()?;
    let id = &instance.id;
    let what = format!("where the route of {id} leads");
    let unknown = |why: String| CheckResult::undetermined(&what, &why);
    let traffic = Traffic::of(subject, instance);
    let service = traffic.service;
    if let NetworkPath::Endpoint { endpoint, .. } = &traffic.path {
        return Err(CheckResult::ok(format!(
            "{id} reaches the endpoint {} for {service} inside the VPC: no route is needed.",
            endpoint.id
        )));
    }
    if let Some(why) = traffic.path.doubt() {
        return Err(unknown(why));
    }
    let path = egress_path(subject, &traffic).map_err(unknown)?;
    Ok(match (path, traffic.endpoints.as_deref()) {
        (EgressPath::Open(note), _) => CheckResult::ok(note),
        (EgressPath::Opaque(note), _) => CheckResult::unknown(note),
        // Where an endpoint is meant to be the path, no route is at fault.
        (EgressPath::Closed { note, .. }, Ok([endpoint, ..])) => CheckResult::skipped(format!(
            "{note} The VPC has the endpoint {} for {service}.",
            endpoint.id
        )),
        (EgressPath::Closed { note, fault }, Ok([])) => CheckResult::failed(format!(
            "{note} The VPC has no interface endpoint for {service}."
        ))
        .observed(BLOCKED)
        .at(fault),
        (EgressPath::Closed { .. }, Err(why)) => unknown(why.clone()),
    })
}
