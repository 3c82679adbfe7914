//! Does the policy of the VPC endpoint let the role make the call?

use crate::cause::Cause;
use crate::diagnose::check::{
    Check, CheckResult, CheckStatus, Fault, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{EndpointFacts, InstanceFacts};
use crate::diagnose::network::names::{endpoints_for, endpoints_of, gateway_for};
use crate::diagnose::network::table::leads_to_other_networks;
use crate::diagnose::network::table::table_of;
use crate::failure::{DenyReason, UNSIGNED};
use crate::policy::{self, Caller, Document, PolicyDecision, Request};

pub(crate) const CHECK: Check = Check {
    name: "vpc-endpoint-policy",
    question: Question::Allowed,
    causes: &[Cause::EndpointPolicyDenies],
    needs: &[
        Query::Instance,
        Query::Profile,
        Query::Endpoints,
        Query::Subnet,
    ],
    // A gateway endpoint carries what a route leads to it.
    uses: &[Query::RouteTables],
    observes: &[REFUSES, ALLOWS],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// The endpoint's policy does not allow the role to make the call.
const REFUSES: Observation =
    Observation::confirms("endpoint-policy-refuses", Cause::EndpointPolicyDenies, &[]);
/// It does, or no endpoint of the VPC has a say.
const ALLOWS: Observation =
    Observation::refutes("endpoint-policy-allows", &[Cause::EndpointPolicyDenies]);

const NO_PRINCIPAL: &str = "The call is not signed, so it meets no condition on an aws:Principal \
                            key; ssm:NodeAccountId and ssm:NodeOrgId are the keys that \
                            identify its owner.";

/// By every call that the log names: one that is refused settles it, and all
/// must pass for the policy to be cleared.
fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let calls = subject.error_details.denied_calls();
    let results: Vec<CheckResult> = calls
        .map(|(action, resource)| {
            let one = evaluate_call(subject, instance, action, resource);
            one.unwrap_or_else(|result| result)
        })
        .collect();
    let of = |status| results.iter().find(|result| result.status == status);
    let worst =
        of(CheckStatus::Failed).or_else(|| results.iter().find(|one| one.observation.is_none()));
    worst
        .or(results.first())
        .cloned()
        .ok_or_else(|| unknown(instance, "the log does not name the action"))
}

fn unknown(instance: &InstanceFacts, why: &str) -> CheckResult {
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    CheckResult::undetermined(&format!("what the endpoints of {vpc} allow"), why)
}

fn evaluate_call(
    subject: &Subject<'_>,
    instance: &InstanceFacts,
    action: &str,
    resource: Option<&str>,
) -> Result<CheckResult, CheckResult> {
    let error_details = subject.error_details;
    let unknown = |why: String| unknown(instance, &why);
    let service = action.split(':').next().unwrap_or_default();
    let endpoints = endpoints_for(subject, instance, service).map_err(unknown)?;
    let gateway = gateway_for(subject, instance, service).map_err(unknown)?;
    if endpoints.is_empty() && gateway.is_none() {
        return Err(none_here(subject, instance, service));
    }
    let endpoint = the_one(&endpoints, gateway, service).map_err(unknown)?;
    let blamed = error_details.reason == Some(DenyReason::VpcEndpointPolicy);
    let is_used = endpoint.gateway || endpoint.private_dns;
    if !is_used && !blamed {
        return Err(unknown(format!(
            "private DNS of {} is disabled, and the log does not show whether calls go through it",
            endpoint.id
        )));
    }
    let unsigned = UNSIGNED.iter().any(|one| one.eq_ignore_ascii_case(action));
    let (who, caller) = if unsigned {
        ("any node".to_owned(), Caller::Unsigned)
    } else {
        let role = subject.own_role(instance)?;
        let other = error_details
            .role
            .as_ref()
            .filter(|denied| **denied != role.name);
        if other.is_some() {
            let why = "the log names another role than the instance's";
            return Err(unknown(why.to_owned()));
        }
        let caller = match (role.account(), endpoint.gateway) {
            (_, true) => Caller::AtGateway,
            (Some(account), false) => Caller::Role {
                arn: &role.arn,
                account,
            },
            (None, false) => Caller::Attached,
        };
        (format!("the role {}", role.name), caller)
    };
    let id = &endpoint.id;
    // Without a policy of its own an endpoint allows everything.
    let Some(text) = endpoint.policy.as_deref().filter(|text| !text.is_empty()) else {
        return Err(unknown(format!("EC2 returned no policy of {id}")));
    };
    let request = Request {
        action,
        resource: resource.unwrap_or("*"),
        caller,
    };
    let policy = Document::parse(&format!("the policy of {id}"), text);
    let failed = |what: String| {
        let note = if unsigned {
            format!("{what} {NO_PRINCIPAL}")
        } else {
            what
        };
        CheckResult::failed(note)
            .observed(REFUSES)
            .at(Fault::EndpointPolicy {
                endpoint: id.clone(),
            })
    };
    Ok(match policy::evaluate(&[policy], &request) {
        PolicyDecision::Allowed(_) if !is_used => unknown(format!(
            "{id} allows it, but private DNS of {id} is disabled: look for the endpoint that the calls \
             go through"
        )),
        PolicyDecision::Allowed(_) => CheckResult::ok(format!(
            "The policy of the endpoint {id} allows {who} to call {action}."
        ))
        .observed(ALLOWS),
        PolicyDecision::Denied(at) => failed(format!(
            "The endpoint {id} denies {action} to {who}, by {at} of its policy."
        )),
        PolicyDecision::NotAllowed => failed(format!(
            "No statement of the policy of the endpoint {id} allows {who} to call {action}."
        )),
        PolicyDecision::Unclear(why) => unknown(why),
    })
}

/// Where the log does not blame an endpoint, one that is not there denies
/// nothing, as long as the calls cannot pass through one elsewhere.
fn none_here(subject: &Subject<'_>, instance: &InstanceFacts, service: &str) -> CheckResult {
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    let none = format!("{vpc} has no interface endpoint for {service}");
    let reason = subject.error_details.reason;
    if reason == Some(DenyReason::VpcEndpointPolicy) {
        let note = format!(
            "{none}: look for one in a VPC that is shared, peered or reached over a transit \
             gateway."
        );
        return CheckResult::unknown(note);
    }
    let elsewhere = match reason {
        // AWS itself names something else that denies.
        Some(_) => None,
        None => elsewhere(subject, instance, service),
    };
    if let Some(why) = elsewhere {
        return CheckResult::unknown(format!("{none}, but {why}."));
    }
    CheckResult::ok(format!("{none} whose policy could deny it.")).observed(ALLOWS)
}

/// Why calls may pass through an endpoint that is not the service's own in the
/// VPC: a clause.
fn elsewhere(subject: &Subject<'_>, instance: &InstanceFacts, service: &str) -> Option<String> {
    if subject.error_details.proxied {
        return Some("the agent goes through a proxy, which may use one".to_owned());
    }
    if instance.network.more_interfaces {
        let why = "the instance has several network interfaces, which may be in other VPCs";
        return Some(why.to_owned());
    }
    let fips = format!(".{service}-fips");
    let endpoints = endpoints_of(subject, instance).unwrap_or_default();
    if let Some(endpoint) = endpoints.iter().find(|one| one.service.ends_with(&fips)) {
        return Some(format!(
            "it has the FIPS endpoint {}, which the agent may use",
            endpoint.id
        ));
    }
    match table_of(subject.facts, instance) {
        Err(why) => Some(why),
        Ok(table) => leads_to_other_networks(table).then(|| {
            format!(
                "{} leads to other networks, in one of which the name may have an endpoint",
                table.id
            )
        }),
    }
}

/// The endpoint that the agent's calls go through, or why it is not known: a
/// clause. It is the only one that works, or the only one of those to which the
/// service's name leads. A gateway endpoint lies behind the public addresses,
/// to which private DNS of an interface endpoint may or may not lead (for S3 it
/// can be meant for other networks only).
fn the_one<'a>(
    endpoints: &[&'a EndpointFacts],
    gateway: Option<&'a EndpointFacts>,
    service: &str,
) -> Result<&'a EndpointFacts, String> {
    let works = |endpoint: &&'a EndpointFacts| endpoint.is_available();
    let working: Vec<&EndpointFacts> = endpoints.iter().copied().filter(works).collect();
    let several = || format!("the VPC has several endpoints for {service}");
    let idle = endpoints
        .iter()
        .copied()
        .chain(gateway)
        .find(|one| !works(one));
    let named: Vec<&EndpointFacts> = (working.iter().copied())
        .filter(|endpoint| endpoint.private_dns)
        .collect();
    match (gateway.filter(works), working.as_slice(), named.as_slice()) {
        (Some(gateway), _, []) => Ok(gateway),
        (None, [only], _) | (None, _, [only]) => Ok(only),
        (None, [], _) => Err(match idle {
            Some(endpoint) => format!("the endpoint {} is {}", endpoint.id, endpoint.state),
            None => several(),
        }),
        (Some(_), _, _) | (None, _, _) => Err(several()),
    }
}
