//! Does the policy of the VPC endpoint let the role make the call?

use crate::diagnose::check::{CheckName, CheckResult, Fault, Sign, Subject};
use crate::diagnose::facts::EndpointFacts;
use crate::diagnose::network::names::{endpoints_for, gateway_for};
use crate::diagnose::policy::{Caller, Document, Request, Says, says};
use crate::incident::finding::DenyReason;
use crate::report::CheckStatus;

const NAME: CheckName = CheckName::EndpointPolicy;

/// Calls of a node that has no credentials yet. They carry no IAM signature,
/// so that an endpoint policy sees no principal and none of its keys.
const UNSIGNED: &[&str] = &[
    "ssm:RegisterManagedInstance",
    "ssm:RequestManagedInstanceRoleToken",
    "ssm:UpdateManagedInstancePublicKey",
];

const NO_PRINCIPAL: &str = "The call is not signed, so it meets no condition on an aws:Principal \
                            key; ssm:NodeAccountId and ssm:NodeOrgId are the keys that tell \
                            whose node it is.";

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    look(subject).unwrap_or_else(|result| result)
}

fn look(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.standing_instance(NAME)?;
    let vpc = instance.vpc.as_deref().unwrap_or("the VPC");
    let unknown = |why: String| {
        let note = format!("The policies of the endpoints of {vpc} are not judged: {why}.");
        CheckResult::unknown(NAME, note)
    };
    let clues = subject.clues;
    let Some(action) = clues.action.as_deref() else {
        return Err(unknown("the log does not name the action".to_owned()));
    };
    let service = action.split(':').next().unwrap_or_default();
    let endpoints = endpoints_for(subject, instance, service).map_err(unknown)?;
    let gateway = gateway_for(subject, instance, service).map_err(unknown)?;
    let Some(endpoint) = the_one(&endpoints, gateway) else {
        return Err(if endpoints.is_empty() && gateway.is_none() {
            none_here(clues.reason, vpc, service)
        } else {
            unknown(format!("it has several endpoints for {service}"))
        });
    };
    let unsigned = UNSIGNED.iter().any(|one| one.eq_ignore_ascii_case(action));
    let (who, caller) = if unsigned {
        ("any node".to_owned(), Some(Caller::Unsigned))
    } else {
        let role = subject.own_role(NAME, instance)?;
        let other = clues.role.as_ref().filter(|denied| **denied != role.name);
        if other.is_some() {
            let why = "the log names another role than the instance's";
            return Err(unknown(why.to_owned()));
        }
        let caller = role.account().map(|account| Caller::Role {
            arn: &role.arn,
            account,
        });
        (format!("the role {}", role.name), caller)
    };
    let id = &endpoint.id;
    // Without a policy of its own an endpoint allows everything.
    let Some(text) = endpoint.policy.as_deref().filter(|text| !text.is_empty()) else {
        return Err(unknown(format!("EC2 gives no policy of {id}")));
    };
    let resource = clues.resource.as_deref().unwrap_or("*");
    let request = Request {
        action,
        resource,
        caller,
    };
    let document = Document {
        name: "the endpoint's policy",
        text,
    };
    let failed = |what: String| {
        let note = if unsigned {
            format!("{what} {NO_PRINCIPAL}")
        } else {
            what
        };
        let endpoint = id.clone();
        let sign = Sign::EndpointPolicyRefuses;
        CheckResult::failed(NAME, note, sign, Fault::EndpointPolicy { endpoint })
    };
    Ok(match says(&[document], &request) {
        Says::Allowed(_) => CheckResult::new(
            NAME,
            CheckStatus::Ok,
            format!("The policy of the endpoint {id} lets {who} call {action}."),
            Some(Sign::EndpointPolicyAllows),
        ),
        Says::Denied(by) => failed(format!(
            "The endpoint {id} denies {action} to {who}, by {by}."
        )),
        Says::Nothing => failed(format!(
            "No statement of the policy of the endpoint {id} lets {who} call {action}."
        )),
        Says::Unclear(why) => unknown(format!("{id}: {why}")),
    })
}

/// Where the log does not blame an endpoint, one that is not there denies nothing.
fn none_here(reason: Option<DenyReason>, vpc: &str, service: &str) -> CheckResult {
    if reason == Some(DenyReason::VpcEndpointPolicy) {
        let note = format!(
            "{vpc} has no interface endpoint for {service}: look for one in a VPC that is shared, \
             peered or reached over a transit gateway."
        );
        return CheckResult::unknown(NAME, note);
    }
    CheckResult::new(
        NAME,
        CheckStatus::Ok,
        format!("{vpc} has no interface endpoint for {service} whose policy could deny it."),
        Some(Sign::EndpointPolicyAllows),
    )
}

/// The endpoint that the agent's calls go through: the only one, or the only
/// one to which the service's name leads. A gateway endpoint lies behind the
/// public addresses, to which private DNS of an interface endpoint may or may
/// not lead (for S3 it can be meant for other networks only).
fn the_one<'a>(
    endpoints: &[&'a EndpointFacts],
    gateway: Option<&'a EndpointFacts>,
) -> Option<&'a EndpointFacts> {
    if let Some(gateway) = gateway {
        let is_passed = !endpoints.iter().any(|endpoint| endpoint.private_dns);
        return is_passed.then_some(gateway);
    }
    if let [only] = endpoints {
        return Some(only);
    }
    let mut named = endpoints.iter().filter(|endpoint| endpoint.private_dns);
    match (named.next(), named.next()) {
        (Some(one), None) => Some(one),
        (Some(_), Some(_)) | (None, _) => None,
    }
}
