//! The sentences that go beyond title and checks: what the verdict rests on
//! and what follows from it.

use super::check::{CheckName, CheckResult, Observation};
use super::checks::registration::stops_reporting;
use super::verdict::{Decision, FaultState, Live, implications, is_outlived};
use crate::cause::{Cause, Confidence};
use crate::diagnose::check::CheckStatus;
use crate::finding::Finding;

pub(super) fn detail(
    cause: Cause,
    decision: &Decision,
    finding: &Finding,
    signs: &[Observation],
    checks: &[CheckResult],
    live: &Live,
) -> Option<String> {
    let saw = |observation: Observation| signs.contains(&observation);
    let mut sentences: Vec<String> = Vec::new();
    if decision.recovered {
        let at = match live.last_ping {
            Some(at) => at.strftime(", at %Y-%m-%dT%H:%M:%SZ").to_string(),
            None => String::new(),
        };
        sentences.push(format!(
            "The agent has reported to Systems Manager since the newest of these lines{at}: it \
             works again."
        ));
    } else if saw(Observation::InstanceGone) {
        sentences.push("The instance is gone, so nothing is left to repair.".to_owned());
    } else if decision.fault_state == FaultState::NotObserved {
        sentences.push(already_right(cause, signs).to_owned());
    }
    if decision.fault_state == FaultState::Active {
        sentences.extend(fault_state(cause, decision, signs, live));
        sentences.extend(narrowed(cause, decision, checks));
        sentences.extend(nothing_in_the_way(cause, decision, checks));
        if saw(Observation::PingedSince)
            && is_outlived(cause)
            && stops_reporting(cause, &finding.error_details)
        {
            let on_what = if decision.confidence == Confidence::Confirmed {
                "on credentials that it holds from before; they last some hours"
            } else {
                "which excludes nothing: it can for some hours, on credentials that it holds from \
                 before"
            };
            sentences.push(format!(
                "The agent still reports to Systems Manager, {on_what}."
            ));
        }
        sentences.extend(also_wrong(cause, decision, checks));
    }
    if saw(Observation::InstanceStopped) {
        sentences.push("The instance is stopped now.".to_owned());
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn already_right(cause: Cause, signs: &[Observation]) -> &'static str {
    if cause == Cause::ImdsDisabled && signs.contains(&Observation::ImdsEnabled) {
        "The metadata service is switched on at this moment: it was switched on after these lines \
         were logged, or a proxy answered in its place."
    } else if cause == Cause::RoleNotAssumable && signs.contains(&Observation::TrustAllowsByRepair)
    {
        "The trust policy holds the statement that a repair of this function added and lets EC2 \
         assume the role. EC2 takes it up at its next credential refresh; associating the \
         instance profile again, or stopping and starting the instance, forces it."
    } else {
        "What the log suspects is right at this moment: it was put right after these lines were \
         logged, or the fault lies where AWS does not show it."
    }
}

fn fault_state(
    cause: Cause,
    decision: &Decision,
    signs: &[Observation],
    live: &Live,
) -> Option<String> {
    let saw = |observation: Observation| signs.contains(&observation);
    if cause == Cause::ImdsUnreachable && saw(Observation::ImdsEnabled) {
        let hops = live.instance.as_ref()?.imds.as_ref()?.hop_limit;
        let container = match hops {
            Some(1) => {
                "; with the hop limit of 1 the service does not answer an agent that runs in a \
                 container"
            }
            Some(_) | None => "",
        };
        let since = match decision.confidence {
            Confidence::Undetermined => {
                " If what the checks show was put right only after these lines were logged, \
                 nothing is left to do."
            }
            Confidence::Likely | Confidence::Confirmed => "",
        };
        return Some(format!(
            "The metadata service is switched on, so look inside the host: a proxy without \
             169.254.169.254 in NO_PROXY, a stale route, a firewall{container}.{since}"
        ));
    }
    if cause == Cause::StaleInstanceProfile && saw(Observation::TrustAllows) {
        return Some(
            "The trust policy lets EC2 assume the role now, while EC2 may still hold its earlier \
             refusal until its next credential refresh. Associating the instance profile again, \
             or stopping and starting the instance, forces it."
                .to_owned(),
        );
    }
    saw(Observation::InstanceUnknown).then(|| {
        "EC2 does not know the instance in this account and Region, so the log alone speaks."
            .to_owned()
    })
}

/// What on the way to a service is at fault.
fn narrowed(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    if cause != Cause::EndpointUnreachable || decision.confidence != Confidence::Confirmed {
        return None;
    }
    let notes: Vec<&str> = checks
        .iter()
        .filter(|result| result.observation == Some(Observation::WayBlocked))
        .map(|result| result.note.as_str())
        .collect();
    (!notes.is_empty()).then(|| notes.join(" "))
}

/// Where every check of the way found it open, the host is left.
fn nothing_in_the_way(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    let of_the_way: Vec<&CheckResult> = checks
        .iter()
        .filter(|result| WAY.contains(&result.check))
        .collect();
    let open = of_the_way.len() == WAY.len()
        && of_the_way
            .iter()
            .all(|result| result.status == CheckStatus::Ok);
    let unproven = decision.confidence != Confidence::Confirmed;
    (cause == Cause::EndpointUnreachable && unproven && open).then(|| {
        "Nothing in AWS stands in the way now: security groups, network ACL, route and endpoint \
         let the instance through. It was put right after these lines were logged, or the host \
         itself is in the way: its firewall, a proxy that it needs, its own routes."
            .to_owned()
    })
}

const WAY: [CheckName; 4] = [
    CheckName::VpcEndpoint,
    CheckName::Egress,
    CheckName::Route,
    CheckName::NetworkAcl,
];

/// Further faults that checks proved: they surface once the first is fixed.
fn also_wrong(cause: Cause, decision: &Decision, checks: &[CheckResult]) -> Option<String> {
    if decision.confidence != Confidence::Confirmed {
        return None;
    }
    let notes: Vec<&str> = checks
        .iter()
        .filter(|result| {
            let confirms = result
                .observation
                .and_then(|observation| implications(observation).confirms);
            confirms.is_some_and(|other| other != cause)
        })
        .map(|result| result.note.as_str())
        .collect();
    (!notes.is_empty()).then(|| format!("Also to be put right: {}", notes.join(" ")))
}
