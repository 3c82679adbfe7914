//! The sentences that go beyond title and checks: what the verdict rests on
//! and what follows from it.

use super::checks::registration::{is_outlived, stops_reporting};
use super::checks::{CHECKS, imds, instance_state, registration, trust_policy};
use super::diagnosis::{Decision, FaultState, Live};
use super::network;
use super::result::{CheckResult, CheckStatus, Observation};
use crate::cause::{Cause, Confidence};
use crate::finding::Finding;

pub(super) fn detail(
    cause: Cause,
    decision: &Decision,
    finding: &Finding,
    observed: &[Observation],
    checks: &[CheckResult],
    live: &Live,
) -> Option<String> {
    let saw = |observation: Observation| observed.contains(&observation);
    let mut sentences: Vec<String> = Vec::new();
    if decision.recovered {
        let at = match live.last_ping {
            Some(at) => at.strftime(", at %Y-%m-%d %H:%M:%S UTC").to_string(),
            None => String::new(),
        };
        sentences.push(format!(
            "The agent reported to Systems Manager after the newest of these lines{at}: it works \
             again."
        ));
    } else if saw(instance_state::GONE) {
        sentences.push("The instance is terminated: there is nothing to repair.".to_owned());
    } else if decision.fault_state == FaultState::NotObserved {
        sentences.push(already_right(cause, observed).to_owned());
    }
    if decision.fault_state == FaultState::Active {
        sentences.extend(follows(cause, decision, observed, live));
        sentences.extend(narrowed(cause, decision, checks));
        sentences.extend(nothing_blocks(cause, decision, checks));
        if saw(registration::PINGED_SINCE)
            && is_outlived(cause)
            && stops_reporting(cause, &finding.error_details)
        {
            let until = if decision.confidence == Confidence::Confirmed {
                "they last some hours"
            } else {
                "this excludes nothing: they last some hours"
            };
            sentences.push(format!(
                "The agent still reports to Systems Manager, with credentials that it already \
                 has; {until}."
            ));
        }
        sentences.extend(also_wrong(cause, decision, checks));
    }
    if saw(instance_state::STOPPED) {
        sentences.push("The instance is stopped.".to_owned());
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn already_right(cause: Cause, observed: &[Observation]) -> &'static str {
    if cause == Cause::ImdsDisabled && observed.contains(&imds::ENABLED) {
        "The metadata service is enabled now: it was enabled after these lines were logged, or a \
         proxy answered in its place."
    } else if cause == Cause::RoleNotAssumable && observed.contains(&trust_policy::ALLOWS_BY_REPAIR)
    {
        "The trust policy contains the statement that a repair of this function added and allows \
         EC2 to assume the role. EC2 applies it at its next credential refresh; associating the \
         instance profile again, or stopping and starting the instance, forces it."
    } else {
        "Live checks find nothing wrong now: it was fixed after these lines were logged, or the \
         fault is not visible in AWS."
    }
}

fn follows(
    cause: Cause,
    decision: &Decision,
    observed: &[Observation],
    live: &Live,
) -> Option<String> {
    let saw = |observation: Observation| observed.contains(&observation);
    if cause == Cause::ImdsUnreachable && saw(imds::ENABLED) {
        let hops = live.instance.as_ref()?.imds.as_ref()?.hop_limit;
        let container = match hops {
            Some(1) => {
                "; with a hop limit of 1 the service does not answer an agent in a container"
            }
            Some(_) | None => "",
        };
        let since = match decision.confidence {
            Confidence::Undetermined => {
                " If it was fixed only after these lines were logged, there is nothing to do."
            }
            Confidence::Likely | Confidence::Confirmed => "",
        };
        return Some(format!(
            "The metadata service is enabled, so look inside the host: a proxy without \
             169.254.169.254 in NO_PROXY, a stale route, a firewall{container}.{since}"
        ));
    }
    if cause == Cause::StaleInstanceProfile && saw(trust_policy::ALLOWS) {
        return Some(
            "The trust policy allows EC2 to assume the role now, but EC2 may apply that only at \
             its next credential refresh. Associating the instance profile again, or stopping and \
             starting the instance, forces it."
                .to_owned(),
        );
    }
    saw(instance_state::UNKNOWN).then(|| {
        "EC2 returned no such instance in this account and Region, so only the log is known."
            .to_owned()
    })
}

/// What on the path to a service is at fault.
fn narrowed(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    if cause != Cause::EndpointUnreachable || decision.confidence != Confidence::Confirmed {
        return None;
    }
    notes(checks, |result| result.confirms(cause))
}

/// Where every check of the path found it open, the host is left.
fn nothing_blocks(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    let mut of_path = CHECKS
        .iter()
        .filter(|check| check.causes == network::CAUSES);
    let open = of_path.all(|check| {
        let is_ok =
            |result: &CheckResult| result.check == check.name && result.status == CheckStatus::Ok;
        checks.iter().any(is_ok)
    });
    let unproven = decision.confidence != Confidence::Confirmed;
    (cause == Cause::EndpointUnreachable && unproven && open).then(|| {
        "Nothing in AWS blocks the path now: security groups, network ACL, route and endpoint \
         allow it. It was fixed after these lines were logged, or the host itself blocks it: its \
         firewall, a proxy that it needs, its own routes."
            .to_owned()
    })
}

/// Further faults that checks proved: they surface once the first is fixed.
fn also_wrong(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    if decision.confidence != Confidence::Confirmed {
        return None;
    }
    let notes = notes(checks, |result| {
        let observation = result.observation.and_then(|one| one.confirms);
        observation.is_some_and(|other| other != cause)
    })?;
    Some(format!("Also to be fixed: {notes}"))
}

fn notes(checks: &[CheckResult], which: impl Fn(&CheckResult) -> bool) -> Option<String> {
    let notes = checks.iter().filter(|result| which(result));
    let notes: Vec<&str> = notes.map(|result| result.note.as_str()).collect();
    (!notes.is_empty()).then(|| notes.join(" "))
}
