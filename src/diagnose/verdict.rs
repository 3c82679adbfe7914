//! From a finding and the results of its checks to a cause: one table of what
//! each sign means, one function that applies it.

use jiff::{SignedDuration, Timestamp};

use super::check::{CheckName, CheckResult, Observation};
use super::checks::registration::stops_reporting;
use super::detail;
use super::facts::{InstanceFacts, RoleFacts};
use super::scope::scope;
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::finding::{Finding, Recovered};

/// A finding with what live state says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// As the log gave it: its candidates are what the log names.
    pub finding: Finding,
    pub cause: Cause,
    /// What is still possible, likeliest first; starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub confidence: Confidence,
    pub severity: Severity,
    pub fault_state: FaultState,
    /// When the agent reported after all of this: it works again.
    pub recovered_at: Option<Timestamp>,
    /// What the title and the checks do not say.
    pub detail: Option<String>,
    /// In the order of the list of checks.
    pub checks: Vec<CheckResult>,
    pub live: Live,
}

impl Diagnosed {
    /// Whether live state takes away something that the log names. What says so
    /// must not be older than the log's own lines.
    pub fn is_acquittal(&self) -> bool {
        self.fault_state == FaultState::NotObserved
            || self.confidence != Confidence::Confirmed
                && self.candidates != self.finding.candidates
    }
}

/// Whether live state still shows the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultState {
    /// It stands, or nothing says that it does not.
    Active,
    /// Everything the log suspects is right at this moment (put right since,
    /// or not visible from AWS), or the instance is gone. Nothing is to be
    /// repaired.
    NotObserved,
}

/// The live state of one node that a repair starts from. The role is the one
/// that the instance's own profile holds, never one that the log names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    pub instance: Option<InstanceFacts>,
    pub role: Option<RoleFacts>,
    /// When the agent last reported to Systems Manager.
    pub last_ping: Option<Timestamp>,
}

impl Live {
    pub fn vpc(&self) -> Option<&str> {
        self.instance.as_ref()?.vpc.as_deref()
    }

    pub fn subnet(&self) -> Option<&str> {
        self.instance.as_ref()?.subnet.as_deref()
    }
}

impl Diagnosed {
    /// Whether what the log and live state name now may be the thing at fault
    /// for `cause` that was known before: another role is another thing, while
    /// no role at all says nothing.
    pub fn may_concern(&self, cause: Cause, known: &Scope) -> bool {
        let now = scope(cause, &self.finding, &self.live, None);
        known.kind != ScopeKind::Role || now.kind != known.kind || now.id == known.id
    }

    /// Live state was right about the cause before the newest of these lines
    /// was logged, so they tell of something else: the next candidate, where
    /// the log names one that live state does not refute.
    pub fn rule_out(&mut self, cause: Cause) {
        let enabled =
            (self.checks.iter()).any(|check| check.observation == Some(Observation::ImdsEnabled));
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
             something else answered in place of the metadata service, or keeps the agent from \
             it: a proxy that is used for 169.254.169.254, a firewall or a route of the host."
                .to_owned(),
        );
    }
}

/// The nodes of which Systems Manager has heard since their newest evidence,
/// and what they have thereby recovered from.
pub fn recovered(diagnosed: &[Diagnosed]) -> Vec<Recovered> {
    let recovery = |one: &Diagnosed| {
        Some(Recovered {
            node: one.finding.node.id.to_string(),
            cause: one.cause,
            signature: CheckName::Registration.as_str().to_owned(),
            at: one.recovered_at?,
        })
    };
    diagnosed.iter().filter_map(recovery).collect()
}

/// The credentials of an instance profile live for six hours, those of Default
/// Host Management and of a hybrid node for one.
const CREDENTIALS_LIVE: SignedDuration = SignedDuration::from_hours(6);

/// What a sign means for the candidates of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implications {
    pub confirms: Option<Cause>,
    pub refutes: &'static [Cause],
}

/// The table of verdicts. Of several causes that are confirmed the one whose
/// sign stands first in [`Observation`] explains the others: without the metadata
/// service neither profile nor trust policy is ever tried.
pub fn implications(observation: Observation) -> Implications {
    use Cause::*;
    let (confirms, refutes): (Option<Cause>, &'static [Cause]) = match observation {
        Observation::InstanceUnknown
        | Observation::InstanceGone
        | Observation::InstanceStopped
        | Observation::InstanceUp => (None, &[]),
        Observation::ImdsDisabled => (Some(ImdsDisabled), &[ImdsUnreachable]),
        Observation::ImdsEnabled => (None, &[ImdsDisabled]),
        Observation::NoProfile => (
            Some(NoInstanceProfile),
            &[StaleInstanceProfile, RoleNotAssumable],
        ),
        Observation::ProfileAttached => (None, &[NoInstanceProfile]),
        Observation::ProfileDeleted
        | Observation::ProfileRecreated
        | Observation::ProfileWithoutRole => (
            Some(StaleInstanceProfile),
            &[NoInstanceProfile, RoleNotAssumable],
        ),
        // EC2 may still hold an old association: stale is not refuted.
        Observation::ProfileSound => (None, &[NoInstanceProfile]),
        Observation::TrustAllows | Observation::TrustAllowsByRepair => (None, &[RoleNotAssumable]),
        Observation::TrustRefuses => (Some(RoleNotAssumable), &[]),
        Observation::DnsOff => (Some(DnsFailure), &[]),
        Observation::WayBlocked => (Some(EndpointUnreachable), &[]),
        Observation::PermissionLacking => (Some(PermissionMissing), &[]),
        Observation::PermissionGranted => (None, &[PermissionMissing]),
        Observation::EndpointPolicyRefuses => (Some(EndpointPolicyDenies), &[]),
        Observation::EndpointPolicyAllows => (None, &[EndpointPolicyDenies]),
        Observation::DhmcRoleUnusable => (Some(DhmcRoleBroken), &[DhmcNotConfigured]),
        // That it is off is a fault only of a node that has nothing else.
        Observation::DhmcOff => (None, &[DhmcRoleBroken]),
        Observation::DhmcOn => (None, &[DhmcNotConfigured]),
        Observation::DhmcSound => (None, &[DhmcNotConfigured, DhmcRoleBroken]),
        Observation::PingedSince => (None, &[]),
    };
    Implications { confirms, refutes }
}

/// The verdict on one finding. Without checks, as in the command-line tool, it
/// is what the log alone says.
pub fn decide(finding: Finding, checks: Vec<CheckResult>, live: Live) -> Diagnosed {
    let mut signs: Vec<Observation> = checks
        .iter()
        .filter_map(|result| result.observation)
        .collect();
    signs.sort_unstable();
    let decision = rank_candidates(&finding, &signs, live.last_ping);
    let cause = decision.candidates.first().copied();
    let cause = cause.unwrap_or(Cause::Unrecognised);
    let gone = signs.contains(&Observation::InstanceGone);
    let confirms = |result: &&CheckResult| {
        let observation = result.observation.map(implications);
        observation.is_some_and(|implications| implications.confirms == Some(cause))
    };
    let fault = checks
        .iter()
        .filter(confirms)
        .find_map(|result| result.fault.as_ref());
    Diagnosed {
        scope: scope(cause, &finding, &live, fault),
        recovered_at: live.last_ping.filter(|_| decision.recovered),
        severity: severity(cause, &finding, decision.confidence, gone),
        detail: detail::detail(cause, &decision, &finding, &signs, &checks, &live),
        cause,
        candidates: decision.candidates,
        confidence: decision.confidence,
        fault_state: decision.fault_state,
        finding,
        checks,
        live,
    }
}

/// What the signs leave of a finding's candidates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    pub candidates: Vec<Cause>,
    pub confidence: Confidence,
    pub fault_state: FaultState,
    /// The agent has reported since, which it could not while the fault stood.
    pub recovered: bool,
}

/// `signs` in the order of [`Observation`].
fn rank_candidates(
    finding: &Finding,
    signs: &[Observation],
    last_ping: Option<Timestamp>,
) -> Decision {
    let named = &finding.candidates;
    let saw = |observation: Observation| signs.contains(&observation);
    let as_logged = |fault_state| Decision {
        candidates: named.clone(),
        confidence: finding.confidence,
        fault_state,
        recovered: false,
    };
    if saw(Observation::InstanceGone) {
        return as_logged(FaultState::NotObserved);
    }
    let mut confirmed: Vec<Cause> = Vec::new();
    for cause in signs
        .iter()
        .filter_map(|observation| implications(*observation).confirms)
    {
        // Only what the log names too: what else is wrong did not cause this.
        if named.contains(&cause) && !confirmed.contains(&cause) {
            confirmed.push(cause);
        }
    }
    let refuted = |cause: &Cause| {
        signs
            .iter()
            .any(|observation| implications(*observation).refutes.contains(cause))
    };
    let rest: Vec<Cause> = named
        .iter()
        .filter(|cause| !confirmed.contains(cause) && !refuted(cause))
        .copied()
        .collect();
    let renewed = last_ping.is_some_and(|at| at.duration_since(finding.last) > CREDENTIALS_LIVE);
    let disproved = |cause: &Cause| {
        stops_reporting(*cause, &finding.error_details)
            && (!is_outlived(*cause) || renewed && !confirmed.contains(cause))
    };
    if saw(Observation::PingedSince) && named.iter().all(disproved) {
        return Decision {
            recovered: true,
            ..as_logged(FaultState::NotObserved)
        };
    }
    if rest == [Cause::DhmcNotConfigured] && confirmed.is_empty() && saw(Observation::DhmcOff) {
        confirmed.push(Cause::DhmcNotConfigured);
    }
    if !confirmed.is_empty() {
        let others = rest.into_iter().filter(|cause| !confirmed.contains(cause));
        let others: Vec<Cause> = others.collect();
        confirmed.extend(others);
        return Decision {
            candidates: confirmed,
            confidence: Confidence::Confirmed,
            fault_state: FaultState::Active,
            recovered: false,
        };
    }
    // The metadata service itself said that it was off, and now it is on: it
    // was switched on since, or something else answered in its place. Lines of
    // before cannot tell which; lines of later do ([`Diagnosed::rule_out`]).
    let said_off = named.first() == Some(&Cause::ImdsDisabled);
    if said_off && saw(Observation::ImdsEnabled) && !rest.is_empty() {
        return Decision {
            candidates: led_by(Cause::ImdsDisabled, rest),
            confidence: Confidence::Undetermined,
            fault_state: FaultState::NotObserved,
            recovered: false,
        };
    }
    let unassumable = named.contains(&Cause::RoleNotAssumable);
    if unassumable && saw(Observation::TrustAllowsByRepair) {
        return Decision {
            candidates: led_by(Cause::RoleNotAssumable, rest),
            confidence: Confidence::Undetermined,
            fault_state: FaultState::NotObserved,
            recovered: false,
        };
    }
    if unassumable && saw(Observation::TrustAllows) && log_convicts_trust(finding) {
        return Decision {
            candidates: led_by(Cause::StaleInstanceProfile, rest),
            confidence: Confidence::Likely,
            fault_state: FaultState::Active,
            recovered: false,
        };
    }
    let Some(first) = rest.first().copied() else {
        return Decision {
            confidence: Confidence::Undetermined,
            ..as_logged(FaultState::NotObserved)
        };
    };
    let leads = named.first() == Some(&first);
    let confidence = if leads && rest == [Cause::ImdsUnreachable] && saw(Observation::ImdsEnabled) {
        Confidence::Likely
    } else if leads {
        finding.confidence
    } else {
        // What is left was not the log's own first guess, and what was may
        // have been put right since.
        Confidence::Undetermined
    };
    Decision {
        candidates: rest,
        confidence,
        fault_state: FaultState::Active,
        recovered: false,
    }
}

/// The agent goes on reporting for hours while such a fault stands, on the
/// credentials that it holds from before: of the role that it had then, where the
/// present one is denied.
pub(super) fn is_outlived(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ImdsDisabled
            | Cause::ImdsUnreachable
            | Cause::NoInstanceProfile
            | Cause::StaleInstanceProfile
            | Cause::RoleNotAssumable
            | Cause::PermissionMissing
            | Cause::DhmcNotConfigured
            | Cause::DhmcRoleBroken
            | Cause::RegistrationInvalid
    )
}

fn led_by(cause: Cause, rest: Vec<Cause>) -> Vec<Cause> {
    let mut candidates = vec![cause];
    candidates.extend(rest.into_iter().filter(|other| *other != cause));
    candidates
}

/// The log itself, and not only its silence, says that EC2 may not assume the
/// role: the metadata service's `AssumeRoleUnauthorizedAccess`.
fn log_convicts_trust(finding: &Finding) -> bool {
    finding.error_details.code.as_deref() == Some("AssumeRoleUnauthorizedAccess")
        || (finding.confidence == Confidence::Likely
            && finding.candidates.first() == Some(&Cause::RoleNotAssumable))
}

fn severity(cause: Cause, finding: &Finding, confidence: Confidence, gone: bool) -> Severity {
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
        // What may heal by itself stays quiet until a check proves it.
        cause.severity().min(finding.severity)
    }
}
