//! A node of which no log is at hand: every check is run, and what they prove is
//! the verdict.

use jiff::Timestamp;

use super::check::{CheckResult, CheckStatus, Observation};
use super::checks::registration::{is_outlived, stops_reporting};
use super::checks::{CHECKS, dhmc, instance_profile, instance_state, question, registration};
use super::diagnosis::Diagnosis;
use super::facts::Facts;
use super::needs::{Home, look};
use super::verdict::decide;
use crate::cause::{Cause, Confidence, Severity, closed_names};
use crate::finding::{ErrorDetails, Finding};
use crate::node::Node;

closed_names! {
    /// What the checks together say of a node.
    pub NodeStatus {
        /// It reports to Systems Manager, and no check proves a fault.
        Healthy = "healthy",
        /// Something is wrong with it.
        Faulty = "faulty",
        /// It does not report, and no check proves why.
        Silent = "silent",
        /// Stopped or stopping: no agent runs.
        Stopped = "stopped",
        /// Terminated or about to be.
        Terminated = "terminated",
        /// EC2 returned no such instance in this account and Region.
        NotFound = "not-found",
        /// Not silent for long enough to be told.
        Late = "late",
        /// Whether it reports could not be read, and no check proves a fault.
        Undetermined = "undetermined",
    }
}

impl NodeStatus {
    /// Whether the checks could not look.
    pub fn is_unknown(self) -> bool {
        matches!(self, Self::NotFound | Self::Undetermined)
    }

    /// Whether no agent can run on it.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Stopped | Self::Terminated | Self::NotFound)
    }
}

/// What live state says of a node given by its id.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDiagnosis {
    pub node: Node,
    pub status: NodeStatus,
    /// Every check, by [`Question`](super::check::Question).
    pub checks: Vec<CheckResult>,
    /// What is wrong, where something is.
    pub diagnosis: Option<Diagnosis>,
}

/// The credentials of an instance profile, which an agent does without where
/// Default Host Management gives it others.
const OF_PROFILE: &[Cause] = &[
    Cause::NoInstanceProfile,
    Cause::StaleInstanceProfile,
    Cause::RoleNotAssumable,
    Cause::PermissionMissing,
];

/// What is asked of a node that nobody has heard of: every cause that a check can
/// prove, for the call by which it reports.
pub fn finding_of(node: Node, now: Timestamp) -> Finding {
    let provable = CHECKS.iter().flat_map(|check| check.observes);
    let mut candidates: Vec<Cause> = provable.filter_map(|one| one.confirms).collect();
    // Off is a fault only of a node that has nothing else.
    candidates.push(Cause::DhmcNotConfigured);
    candidates.push(Cause::NodeSilent);
    Finding {
        node,
        candidates,
        confidence: Confidence::Undetermined,
        severity: Severity::High,
        error_details: ErrorDetails {
            service: Some("ssm".to_owned()),
            action: Some("ssm:UpdateInstanceInformation".to_owned()),
            ..ErrorDetails::default()
        },
        evidence: Vec::new(),
        signatures: Vec::new(),
        first: now,
        last: now,
        retry_in_seconds: None,
        fresh: true,
    }
}

/// The verdict on what [`finding_of`] asked, by what was read.
pub fn diagnose_by_id(asked: Finding, facts: &Facts, home: &Home) -> NodeDiagnosis {
    let (mut checks, live) = look(&asked, facts, home);
    let node = asked.node.clone();
    let saw = |observation: Observation| {
        let mut observed = checks.iter().filter_map(|result| result.observation);
        observed.any(|one| one == observation)
    };
    let not_running = [
        (instance_state::UNKNOWN, NodeStatus::NotFound),
        (instance_state::GONE, NodeStatus::Terminated),
        (instance_state::STOPPED, NodeStatus::Stopped),
    ];
    let not_running = not_running.into_iter().find(|(what, _)| saw(*what));
    let reports = (checks.iter())
        .find(|result| result.check == registration::CHECK.name)
        .map(|result| result.status);
    let is_unseen = |result: &CheckResult| {
        result.check == instance_state::CHECK.name && result.status == CheckStatus::Unknown
    };
    // Whether it runs at all is not known.
    let is_unseen = checks.iter().any(is_unseen);
    let proved = proved(&checks, &asked.error_details, reports);
    let without_profile = saw(dhmc::OFF) || saw(dhmc::ROLE_UNUSABLE);
    let has_profile = saw(instance_profile::SOUND);
    let (status, verdict) = if let Some((_, status)) = not_running {
        (status, None)
    } else if !proved.is_empty() {
        // Default Host Management may make up for it, where it could not be read.
        let sure = without_profile || proved.iter().any(|cause| !OF_PROFILE.contains(cause));
        let confidence = match sure {
            true => Confidence::Confirmed,
            false => Confidence::Likely,
        };
        (
            NodeStatus::Faulty,
            Some((proved, Severity::High, confidence)),
        )
    } else {
        match reports {
            Some(CheckStatus::Ok) => (NodeStatus::Healthy, None),
            Some(CheckStatus::Failed) if !is_unseen => {
                let silent = vec![Cause::NodeSilent];
                let severity = Cause::NodeSilent.severity();
                let verdict = (silent, severity, Confidence::Undetermined);
                (NodeStatus::Silent, Some(verdict))
            }
            _ => (NodeStatus::Undetermined, None),
        }
    };
    if has_profile {
        not_needed(&mut checks);
    }
    let diagnosis = verdict.map(|(candidates, severity, confidence)| {
        let mut finding = Finding {
            candidates,
            severity,
            ..asked
        };
        // What a log would name of such a fault, so that both are of one incident.
        match finding.candidates[0] {
            Cause::PermissionMissing | Cause::EndpointPolicyDenies => {}
            Cause::EndpointUnreachable | Cause::DnsFailure => finding.error_details.action = None,
            _ => finding.error_details = ErrorDetails::default(),
        }
        Diagnosis {
            confidence,
            ..decide(finding, checks.clone(), live)
        }
    });
    checks.sort_by_key(|result| question(result.check));
    NodeDiagnosis {
        node,
        status,
        checks,
        diagnosis,
    }
}

/// The causes that checks prove and that can be this node's trouble, the one
/// that explains the others first.
fn proved(
    checks: &[CheckResult],
    error_details: &ErrorDetails,
    reports: Option<CheckStatus>,
) -> Vec<Cause> {
    let observed: Vec<Observation> = (checks.iter())
        .filter_map(|result| result.observation)
        .collect();
    let saw = |observation: Observation| observed.contains(&observation);
    let reports = reports == Some(CheckStatus::Ok);
    let other_credentials =
        saw(dhmc::SOUND) || reports && !saw(dhmc::OFF) && !saw(dhmc::ROLE_UNUSABLE);
    let possible = |cause: &Cause| match cause {
        // What reports is reached and allowed, be it by a proxy of the host.
        cause if reports && stops_reporting(*cause, error_details) && !is_outlived(*cause) => false,
        cause if OF_PROFILE.contains(cause) && other_credentials => false,
        // Without a profile the node was left to Default Host Management.
        Cause::NoInstanceProfile => !saw(dhmc::ROLE_UNUSABLE),
        Cause::DhmcRoleBroken => saw(instance_profile::NONE),
        _ => true,
    };
    let mut proved: Vec<Cause> = Vec::new();
    for cause in observed.iter().filter_map(|one| one.confirms) {
        if possible(&cause) && !proved.contains(&cause) {
            proved.push(cause);
        }
    }
    proved
}

/// Default Host Management that is off is no fault of a node with a role.
fn not_needed(checks: &mut [CheckResult]) {
    for result in checks {
        if result.observation == Some(dhmc::OFF) {
            result.status = CheckStatus::Skipped;
        }
    }
}
