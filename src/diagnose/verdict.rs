//! From a finding and the results of its checks to a cause: what the
//! observations confirm and refute, and the few things that they say together.

use jiff::{SignedDuration, Timestamp};

use super::checks::registration::{is_outlived, stops_reporting};
use super::checks::{dhmc, imds, instance_state, registration, trust_policy};
use super::detail;
use super::diagnosis::{Decision, Diagnosis, FaultState, Live};
use super::result::{CheckResult, Observation};
use super::scope::scope;
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::finding::{ErrorDetails, Finding, Recovered};

impl Diagnosis {
    /// Whether what the log and live state name now may be the thing at fault
    /// for `cause` that was known before: another role is another thing, while
    /// no role at all says nothing.
    pub fn may_concern(&self, cause: Cause, known: &Scope) -> bool {
        let now = scope(cause, &self.finding, &self.live, None);
        known.kind != ScopeKind::Role || now.kind != known.kind || now.id == known.id
    }

    /// `cause` was fixed before the newest of these lines was logged, so they
    /// come from something else: the next candidate, where the log names one that
    /// live state does not refute.
    pub fn rule_out(&mut self, cause: Cause) {
        let enabled = (self.checks.iter()).any(|check| check.observation == Some(imds::ENABLED));
        let doubtful = self.fault_state == FaultState::NotObserved
            && self.recovered_at.is_none()
            && cause == Cause::ImdsDisabled
            && enabled;
        if !doubtful || self.cause != cause || self.candidates.len() < 2 {
            return;
        }
        self.candidates.remove(0);
        self.cause = self.candidates[0];
        self.fault_state = FaultState::Active;
        self.scope = scope(self.cause, &self.finding, &self.live, None);
        self.severity = severity(self.cause, &self.finding, self.confidence, false);
        self.detail = Some(
            "The metadata endpoint was enabled before the newest of these lines was logged, so \
             something else answers in place of the metadata service or blocks the agent: a proxy \
             that is used for 169.254.169.254, or a firewall or a route of the host."
                .to_owned(),
        );
    }
}

/// The nodes of which Systems Manager has heard since their newest evidence,
/// and what they have thereby recovered from.
pub fn recovered(diagnosed: &[Diagnosis]) -> Vec<Recovered> {
    let recovery = |one: &Diagnosis| {
        Some(Recovered {
            node: one.finding.node.id.to_string(),
            cause: one.cause,
            signature: registration::CHECK.name.to_owned(),
            since: Some(one.finding.first),
            at: one.recovered_at?,
        })
    };
    diagnosed.iter().filter_map(recovery).collect()
}

/// The credentials of an instance profile live for six hours, those of Default
/// Host Management and of a hybrid node for one.
const CREDENTIALS_LIVE: SignedDuration = SignedDuration::from_hours(6);

/// Whether the agent could not have reported at `ping` while `cause` was active since
/// evidence of `last`: credentials of before may have lived on until then.
pub fn is_disproved_by_ping(
    cause: Cause,
    error_details: &ErrorDetails,
    last: Timestamp,
    ping: Timestamp,
) -> bool {
    stops_reporting(cause, error_details) && (!is_outlived(cause) || is_renewed(last, ping))
}

/// Whether what the agent had at `last` has run out by `ping`.
fn is_renewed(last: Timestamp, ping: Timestamp) -> bool {
    ping.duration_since(last) > CREDENTIALS_LIVE
}

/// The verdict on one finding. Without checks, as in the command-line tool, it
/// is what the log alone says.
pub fn decide(finding: Finding, checks: Vec<CheckResult>, live: Live) -> Diagnosis {
    let observed = checks.iter().filter_map(|result| result.observation);
    let observed: Vec<Observation> = observed.collect();
    let decision = rank_candidates(&finding, &observed, live.last_ping);
    let cause = decision.candidates.first().copied();
    let cause = cause.unwrap_or(Cause::Unrecognised);
    let gone = observed.contains(&instance_state::GONE);
    let proof = checks.iter().filter(|result| result.confirms(cause));
    let fault = proof.filter_map(|result| result.fault.as_ref()).next();
    Diagnosis {
        scope: scope(cause, &finding, &live, fault),
        recovered_at: live.last_ping.filter(|_| decision.recovered),
        severity: severity(cause, &finding, decision.confidence, gone),
        detail: detail::detail(cause, &decision, &finding, &observed, &checks, &live),
        cause,
        candidates: decision.candidates,
        confidence: decision.confidence,
        fault_state: decision.fault_state,
        finding,
        checks,
        live,
    }
}

/// `observed` in the order of the checks.
fn rank_candidates(
    finding: &Finding,
    observed: &[Observation],
    last_ping: Option<Timestamp>,
) -> Decision {
    let named = &finding.candidates;
    let saw = |observation: Observation| observed.contains(&observation);
    let decision = |candidates, confidence, fault_state| Decision {
        candidates,
        confidence,
        fault_state,
        recovered: false,
    };
    let not_observed =
        |candidates, confidence| decision(candidates, confidence, FaultState::NotObserved);
    let active = |candidates, confidence| decision(candidates, confidence, FaultState::Active);
    if saw(instance_state::GONE) {
        return not_observed(named.clone(), finding.confidence);
    }
    let mut confirmed: Vec<Cause> = Vec::new();
    for cause in observed.iter().filter_map(|one| one.confirms) {
        // Only what the log names too: what else is wrong did not cause this.
        if named.contains(&cause) && !confirmed.contains(&cause) {
            confirmed.push(cause);
        }
    }
    let refuted = |cause: &Cause| observed.iter().any(|one| one.refutes.contains(cause));
    let left = |cause: &&Cause| !confirmed.contains(cause) && !refuted(cause);
    let rest: Vec<Cause> = named.iter().filter(left).copied().collect();
    let renewed = last_ping.is_some_and(|at| is_renewed(finding.last, at));
    let disproved = |cause: &Cause| {
        stops_reporting(*cause, &finding.error_details)
            && (!is_outlived(*cause) || renewed && !confirmed.contains(cause))
    };
    if saw(registration::PINGED_SINCE) && named.iter().all(disproved) {
        return Decision {
            recovered: true,
            ..not_observed(named.clone(), finding.confidence)
        };
    }
    if rest == [Cause::DhmcNotConfigured] && confirmed.is_empty() && saw(dhmc::OFF) {
        confirmed.push(Cause::DhmcNotConfigured);
    }
    if !confirmed.is_empty() {
        let others = rest.into_iter().filter(|cause| !confirmed.contains(cause));
        let others: Vec<Cause> = others.collect();
        confirmed.extend(others);
        return active(confirmed, Confidence::Confirmed);
    }
    // The metadata service itself said that it was off, and now it is on: it
    // was switched on since, or something else answered in its place. Lines of
    // before cannot tell which; lines of later do ([`Diagnosis::rule_out`]).
    let said_off = named.first() == Some(&Cause::ImdsDisabled);
    if said_off && saw(imds::ENABLED) && !rest.is_empty() {
        return not_observed(led_by(Cause::ImdsDisabled, rest), Confidence::Undetermined);
    }
    let unassumable = named.contains(&Cause::RoleNotAssumable);
    if unassumable && saw(trust_policy::ALLOWS_BY_REPAIR) {
        return not_observed(
            led_by(Cause::RoleNotAssumable, rest),
            Confidence::Undetermined,
        );
    }
    if unassumable && saw(trust_policy::ALLOWS) && log_confirms_trust(finding) {
        return active(
            led_by(Cause::StaleInstanceProfile, rest),
            Confidence::Likely,
        );
    }
    let Some(first) = rest.first().copied() else {
        return not_observed(named.clone(), Confidence::Undetermined);
    };
    let leads = named.first() == Some(&first);
    let confidence = if leads && rest == [Cause::ImdsUnreachable] && saw(imds::ENABLED) {
        Confidence::Likely
    } else if leads {
        finding.confidence
    } else {
        // What is left was not the log's own first guess, and that may have been
        // fixed since.
        Confidence::Undetermined
    };
    active(rest, confidence)
}

fn led_by(cause: Cause, rest: Vec<Cause>) -> Vec<Cause> {
    let mut candidates = vec![cause];
    candidates.extend(rest.into_iter().filter(|other| *other != cause));
    candidates
}

/// The log itself, and not only its silence, says that EC2 may not assume the
/// role: the metadata service's `AssumeRoleUnauthorizedAccess`.
fn log_confirms_trust(finding: &Finding) -> bool {
    finding.error_details.code.as_deref() == Some("AssumeRoleUnauthorizedAccess")
        || (finding.confidence == Confidence::Likely
            && finding.candidates.first() == Some(&Cause::RoleNotAssumable))
}

pub(super) fn severity(
    cause: Cause,
    finding: &Finding,
    confidence: Confidence,
    gone: bool,
) -> Severity {
    // How much these matter depends on what they stop, which the log says.
    let by_log = matches!(
        cause,
        Cause::PermissionMissing | Cause::EndpointPolicyDenies | Cause::EndpointUnreachable
    );
    let as_logged = finding.candidates.first() == Some(&cause);
    let of_output = matches!(
        finding.error_details.service.as_deref(),
        Some("s3" | "kms" | "logs")
    );
    if gone {
        Severity::Low
    } else if (as_logged && (by_log || confidence != Confidence::Confirmed))
        || (by_log && of_output)
    {
        finding.severity
    } else if confidence == Confidence::Confirmed {
        cause.severity()
    } else {
        // What may heal by itself stays low until a check proves it.
        cause.severity().min(finding.severity)
    }
}
