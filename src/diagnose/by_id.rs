//! A node of which no log is at hand: every check is run, and what they prove is
//! the verdict.

use jiff::{SignedDuration, Timestamp};

use super::check::{CheckResult, CheckStatus, Observation};
use super::checks::registration::{is_outlived, stops_reporting};
use super::checks::{CHECKS, dhmc, instance_profile, instance_state, question, registration};
use super::console;
use super::diagnosis::{Diagnosis, FaultState, Live};
use super::facts::{Facts, Fetched};
use super::needs::{OPTIONAL, SERVICES, look, service_place};
use super::verdict::decide;
use crate::cause::{Cause, Confidence, Severity, closed_names};
use crate::finding::{ErrorDetails, Finding};
use crate::node::{AccountId, Home, Node};
use crate::sort;

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
        /// Not silent for long enough to be notified of.
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
    /// Its `Name` tag, else what Systems Manager calls it.
    pub name: Option<String>,
    pub status: NodeStatus,
    /// Every check, by [`Question`](super::check::Question).
    pub checks: Vec<CheckResult>,
    /// What is wrong, where something is.
    pub diagnosis: Option<Diagnosis>,
}

/// An instance that was started later is not accused of its silence.
const GRACE: SignedDuration = SignedDuration::from_mins(15);

/// The credentials of an instance profile, which an agent does without where
/// Default Host Management gives it others.
const OF_PROFILE: &[Cause] = &[
    Cause::NoInstanceProfile,
    Cause::StaleInstanceProfile,
    Cause::RoleNotAssumable,
    Cause::PermissionMissing,
];

/// The call by which a node reports.
fn reporting() -> ErrorDetails {
    ErrorDetails {
        service: Some("ssm".to_owned()),
        action: Some("ssm:UpdateInstanceInformation".to_owned()),
        ..ErrorDetails::default()
    }
}

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
        error_details: reporting(),
        evidence: Vec::new(),
        signatures: Vec::new(),
        first: now,
        last: now,
        retry_in_seconds: None,
        fresh: true,
    }
}

/// The verdict on what [`finding_of`] asked, by what was read.
pub fn diagnose_by_id(mut asked: Finding, facts: &Facts, home: &Home) -> NodeDiagnosis {
    let (mut checks, live) = look(&asked, facts, home);
    let owner = live
        .instance
        .as_ref()
        .and_then(|one| one.network.owner.as_deref());
    let account = &mut asked.node.account;
    *account = account.take().or_else(|| AccountId::parse(owner?));
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
    let has_profile = saw(instance_profile::SOUND);
    let proved = proved(&checks, reports == Some(CheckStatus::Ok));
    if has_profile {
        not_needed(&mut checks);
    }
    let is_unseen = checks.iter().any(|result| {
        result.check == instance_state::CHECK.name && result.status == CheckStatus::Unknown
    });
    let started = live.instance.as_ref().and_then(|one| one.launched_at);
    let is_young = started.is_some_and(|at| asked.last.duration_since(at) < GRACE);
    let console = on_console(&asked, facts, &live);
    let (status, diagnosis) = match (not_running, proved, reports) {
        (Some((_, status)), ..) => (status, None),
        (None, Some(proved), _) => {
            let diagnosis = by_proof(asked, proved, console, checks.clone(), live);
            (NodeStatus::Faulty, Some(diagnosis))
        }
        (None, None, Some(CheckStatus::Ok)) => (NodeStatus::Healthy, None),
        // Whether it runs at all is not known.
        (None, None, Some(CheckStatus::Failed)) if is_unseen => (NodeStatus::Undetermined, None),
        (None, None, Some(CheckStatus::Failed)) if is_young => (NodeStatus::Late, None),
        (None, None, Some(CheckStatus::Failed)) => {
            let of_ssm = of_service(checks.clone(), SERVICES[0]);
            let shown = console.into_iter().map(|mut finding| {
                finding.evidence.extend(asked.evidence.iter().cloned());
                finding.evidence.truncate(MOST_EVIDENCE);
                decide(finding, of_ssm.clone(), live.clone())
            });
            let mut possible = shown.filter(|one| one.fault_state == FaultState::Active);
            match possible.next() {
                Some(shown) => (NodeStatus::Faulty, Some(shown)),
                None => (
                    NodeStatus::Silent,
                    Some(silence(asked, checks.clone(), live)),
                ),
            }
        }
        (None, None, _) => (NodeStatus::Undetermined, None),
    };
    sort::by_key(&mut checks, |result| {
        (question(result.check), result.service.map(service_place))
    });
    NodeDiagnosis {
        name: name(&node, facts),
        node,
        status,
        checks,
        diagnosis,
    }
}

fn name(node: &Node, facts: &Facts) -> Option<String> {
    let instance = node
        .id
        .instance()
        .and_then(|id| facts.instances.get(id)?.found());
    let tag = instance.and_then(|instance| instance.name.clone());
    let registration = facts.registrations.get(&node.id).and_then(Fetched::found);
    tag.or_else(|| registration?.name.clone())
}

/// What checks prove of a node.
struct Proved {
    /// The cause that explains the others first.
    causes: Vec<Cause>,
    confidence: Confidence,
    /// The service that they keep from the node: what it reports to, where they
    /// are not about the path to another.
    service: &'static str,
    /// The node reports to Systems Manager.
    reports: bool,
    /// What closes the paths to others: sentences.
    others: Vec<String>,
}

/// What the checks prove and can be this node's trouble.
fn proved(checks: &[CheckResult], reports: bool) -> Option<Proved> {
    let observed: Vec<Observation> = (checks.iter())
        .filter_map(|result| result.observation)
        .collect();
    let saw = |observation: Observation| observed.contains(&observation);
    let without_profile = saw(dhmc::OFF) || saw(dhmc::ROLE_UNUSABLE);
    let other_credentials = saw(dhmc::SOUND) || reports && !without_profile;
    let to_ssm = |result: &CheckResult| result.service.is_none_or(|service| service == "ssm");
    let is_closed = |result: &CheckResult| result.confirms(Cause::EndpointUnreachable);
    let around = reports && checks.iter().any(|one| to_ssm(one) && is_closed(one));
    let possible = |result: &CheckResult, cause: Cause| match cause {
        // What reports is reached and allowed, be it by a proxy of the host, which
        // then carries the rest too.
        Cause::EndpointUnreachable if reports => !to_ssm(result) && !around,
        cause if reports && stops_reporting(cause, &reporting()) && !is_outlived(cause) => false,
        cause if OF_PROFILE.contains(&cause) && other_credentials => false,
        // Without a profile the node was left to Default Host Management.
        Cause::NoInstanceProfile => !saw(dhmc::ROLE_UNUSABLE),
        Cause::DhmcRoleBroken => saw(instance_profile::NONE),
        // Nobody opens a session to a node that does not report.
        Cause::SessionFailure => reports,
        _ => true,
    };
    let proofs = checks.iter().filter(|result| {
        let cause = result.observation.and_then(|one| one.confirms);
        cause.is_some_and(|cause| possible(result, cause))
    });
    // A node whose path to ssm is open would report: what closes another is no reason.
    let (of_reporting, others): (Vec<_>, Vec<_>) = proofs.partition(|one| to_ssm(one));
    let first = *of_reporting.first().or(others.first())?;
    let service = first.service.unwrap_or(SERVICES[0]);
    let (of_service, others): (Vec<_>, Vec<_>) = (of_reporting.into_iter().chain(others))
        .partition(|one| one.service.is_none_or(|other| other == service));
    let mut causes: Vec<Cause> = Vec::new();
    for cause in of_service
        .iter()
        .filter_map(|one| one.observation?.confirms)
    {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    // Default Host Management may make up for it, where it could not be read; and a
    // proxy of the host, which no log tells of, for a path that is closed.
    let is_sure = |cause: &Cause| match cause {
        Cause::EndpointUnreachable | Cause::DnsFailure => false,
        cause => without_profile || !OF_PROFILE.contains(cause),
    };
    Some(Proved {
        confidence: match causes.iter().any(is_sure) {
            true => Confidence::Confirmed,
            false => Confidence::Likely,
        },
        service,
        reports,
        others: others.into_iter().map(|one| one.note.clone()).collect(),
        causes,
    })
}

/// The verdict that `proved` is, with what the console shows of it.
fn by_proof(
    asked: Finding,
    proved: Proved,
    console: Vec<Finding>,
    checks: Vec<CheckResult>,
    live: Live,
) -> Diagnosis {
    let mut finding = asked;
    let (cause, service) = (proved.causes[0], proved.service);
    let shown = console.into_iter();
    let shown = shown.filter(|shown| shown.candidates.contains(&cause));
    let shown = shown.flat_map(|shown| shown.evidence);
    finding.evidence.extend(shown);
    finding.evidence.truncate(MOST_EVIDENCE);
    finding.candidates = proved.causes;
    finding.error_details = named(cause, service);
    if service == OPTIONAL {
        finding.severity = Severity::Low;
    }
    let mut decided = decide(finding, of_service(checks, service), live);
    decided.confidence = proved.confidence;
    let mut more: Vec<String> = decided.detail.take().into_iter().collect();
    let is_path = matches!(cause, Cause::EndpointUnreachable | Cause::DnsFailure);
    if is_path && !proved.reports {
        let proxied = "Without a log it cannot be seen whether the agent connects through a proxy, which needs no such path.";
        more.push(proxied.to_owned());
    }
    if service != SERVICES[0] {
        let reason = match proved.reports {
            false => "the node would report all the same: look on the host too",
            true => "the node reports, so that a proxy of the host may carry it",
        };
        more.push(format!("It is the path to {service}: {reason}."));
    }
    if !proved.others.is_empty() {
        more.push(format!("Also to be fixed: {}", proved.others.join(" ")));
    }
    decided.detail = (!more.is_empty()).then(|| more.join(" "));
    decided
}

/// What a log would name of such a fault, so that both are of one incident.
fn named(cause: Cause, service: &str) -> ErrorDetails {
    match cause {
        Cause::PermissionMissing | Cause::EndpointPolicyDenies => reporting(),
        Cause::EndpointUnreachable | Cause::DnsFailure => ErrorDetails {
            service: Some(service.to_owned()),
            ..ErrorDetails::default()
        },
        _ => ErrorDetails::default(),
    }
}

/// Those that are not about the path to another service.
fn of_service(mut checks: Vec<CheckResult>, service: &str) -> Vec<CheckResult> {
    checks.retain(|result| result.service.is_none_or(|other| other == service));
    checks
}

/// Records that one incident quotes.
const MOST_EVIDENCE: usize = 3;

/// The verdict on a node that does not report, where nothing shows why.
fn silence(asked: Finding, checks: Vec<CheckResult>, live: Live) -> Diagnosis {
    let mut finding = Finding {
        candidates: vec![Cause::NodeSilent],
        severity: Cause::NodeSilent.severity(),
        ..asked
    };
    finding.error_details = ErrorDetails::default();
    Diagnosis {
        confidence: Confidence::Undetermined,
        ..decide(finding, checks, live)
    }
}

/// What the console shows, where the node has not reported since.
fn on_console(asked: &Finding, facts: &Facts, live: &Live) -> Vec<Finding> {
    let id = asked.node.id.instance();
    let console = id.and_then(|id| facts.consoles.get(id).and_then(Fetched::found));
    let since = |at: &Timestamp| live.last_ping.is_none_or(|ping| ping < *at);
    let console = console.filter(|console| console.at.as_ref().is_none_or(since));
    let shown = console.map(|console| console::read(&asked.node, console, asked.last));
    let shown = shown.into_iter().flatten();
    shown.filter_map(|shown| shown.finding).collect()
}

/// Default Host Management that is off is no fault of a node with a role.
fn not_needed(checks: &mut [CheckResult]) {
    for result in checks {
        if result.observation == Some(dhmc::OFF) {
            result.status = CheckStatus::Skipped;
        }
    }
}
