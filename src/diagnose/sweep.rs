//! Nodes that have gone silent: whom a sweep suspects, what of the verdicts on them is
//! an alarm, and what is over on a node that reports again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::by_id::{NodeDiagnosis, NodeStatus, diagnose_by_id, finding_of};
use super::check::{Check, CheckStatus};
use super::checks::CHECKS;
use super::checks::registration::stops_reporting;
use super::facts::{Facts, Fetched, RegistrationFacts, RunningInstance};
use super::verdict::is_disproved_by_ping;
use crate::cause::Cause;
use crate::finding::{ErrorDetails, Evidence, Finding};
use crate::node::{AccountId, Home, IdSource, Node, NodeId, Region};
use crate::record::Level;
use crate::sort;

/// An agent that cannot work hibernates and pings no more often than this ("Hibernate
/// mode": up to an hour): silence that nothing explains is not notified before.
pub const HIBERNATION: Duration = Duration::from_secs(60 * 60);

/// What was listed for a sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listed {
    pub registered: Vec<RegistrationFacts>,
    /// Running instances that Systems Manager does not know.
    pub never_seen: Vec<RunningInstance>,
    /// So many instances of which it could not be asked.
    pub unread: usize,
}

/// Nodes that a sweep could not look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotChecked {
    pub account: Option<AccountId>,
    pub region: Option<Region>,
    /// Whom the sweep was to look at.
    pub selection: String,
    /// Why it could not, as a clause.
    pub why: String,
    /// The first one of the sweeps in a row that could not.
    pub since: Timestamp,
}

/// A node that has been silent for longer than the grace, or never reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    pub node: Node,
    /// What Systems Manager says of it; `None` where it has never seen it.
    registration: Option<RegistrationFacts>,
    /// When it last reported, or was started; `None` where neither is known.
    since: Option<Timestamp>,
}

/// Whether something of `since` is older than `span`; what is not known is.
fn is_older(since: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
    let age = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
    since.is_none_or(|since| age(since) >= span)
}

impl Listed {
    /// Whom to look at, sorted by id, each once.
    pub fn suspects(self, home: &Home, grace: Duration, now: Timestamp) -> Vec<Suspect> {
        let node = |id: NodeId, id_source| Node {
            id,
            id_source,
            account: home.account.clone(),
            region: home.region.clone(),
        };
        let lost = self
            .registered
            .into_iter()
            .filter(RegistrationFacts::is_lost);
        let lost = lost.map(|known| Suspect {
            node: node(known.id.clone(), IdSource::SystemsManager),
            since: known.last_ping,
            registration: Some(known),
        });
        let never_seen = self.never_seen.into_iter().map(|one| Suspect {
            node: node(NodeId::Instance(one.id), IdSource::Ec2),
            since: one.launched_at,
            registration: None,
        });
        let mut suspects: Vec<Suspect> = (lost.chain(never_seen))
            .filter(|one| is_older(one.since, grace, now))
            .collect();
        sort::by(&mut suspects, |one, other| one.node.cmp(&other.node));
        suspects.dedup_by(|one, other| one.node.id == other.node.id);
        suspects
    }
}

impl Suspect {
    /// What was read of its registration.
    pub fn registration(&self) -> (NodeId, Fetched<RegistrationFacts>) {
        let known = self.registration.clone();
        let read = known.map_or(Fetched::Missing, Fetched::Found);
        (self.node.id.clone(), read)
    }

    /// What is asked of it: as of a node that is given by its id, with the silence as
    /// evidence.
    pub fn finding(&self, now: Timestamp) -> Finding {
        let text = match &self.registration {
            None => "never registered".to_owned(),
            Some(known) => match known.last_ping {
                None => known.ping_status.clone(),
                Some(at) => format!(
                    "{}: last ping {}, {} min ago",
                    known.ping_status,
                    at.strftime("%Y-%m-%d %H:%M UTC"),
                    (now.duration_since(at).as_secs() + 30) / 60,
                ),
            },
        };
        let silence = Evidence {
            at: now,
            level: Level::Warn,
            component: String::new(),
            text,
            place: Some(Evidence::SYSTEMS_MANAGER.to_owned()),
        };
        Finding {
            evidence: vec![silence],
            first: self.since.unwrap_or(now).min(now),
            ..finding_of(self.node.clone(), now)
        }
    }

    /// The verdict by what was read, as of a node that is given by its id. Nothing is
    /// wrong with what has not been silent for long enough.
    pub fn diagnose(
        &self,
        facts: &Facts,
        home: &Home,
        grace: Duration,
        now: Timestamp,
    ) -> NodeDiagnosis {
        let verdict = diagnose_by_id(self.finding(now), facts, home);
        let started = self
            .node
            .id
            .instance()
            .and_then(|id| facts.instances.get(id));
        let started = started
            .and_then(Fetched::found)
            .and_then(|one| one.launched_at);
        let patience = match verdict.status {
            NodeStatus::Silent => grace.max(HIBERNATION),
            _ => grace,
        };
        let is_late =
            verdict.diagnosis.is_some() && !is_older(self.since.max(started), patience, now);
        match is_late {
            true => NodeDiagnosis {
                status: NodeStatus::Late,
                diagnosis: None,
                ..verdict
            },
            false => verdict,
        }
    }
}

/// What a node is in, as far as it was known before.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenFault {
    /// The incident's.
    pub cause: Cause,
    /// What its findings named.
    pub candidates: Vec<Cause>,
    /// The service and the action that fail, where they are known.
    pub error_details: ErrorDetails,
    /// The newest evidence of this node.
    pub last: Timestamp,
    /// A check had proved it.
    pub confirmed: bool,
    /// Since when the thing at fault has been right, where that was seen.
    pub right_since: Option<Timestamp>,
}

impl OpenFault {
    /// Whether it explains that the node does not report: while it is active, and until
    /// an agent that hibernates has had the time to try again.
    pub fn explains_silence(&self, now: Timestamp) -> bool {
        let has_time = |since| !is_older(Some(since), 2 * HIBERNATION, now);
        self.cause != Cause::NodeSilent
            && stops_reporting(self.cause, &self.error_details)
            && self.right_since.is_none_or(has_time)
    }

    /// Whether a ping at `ping` shows that it is over: with it the agent could not have
    /// reported.
    pub fn ends_with_ping(&self, ping: Timestamp) -> bool {
        let disproved =
            |cause: &Cause| is_disproved_by_ping(*cause, &self.error_details, self.last, ping);
        ping > self.last && disproved(&self.cause) && self.candidates.iter().all(disproved)
    }

    /// Whether the checks that are run without a log can show it to be over.
    pub fn is_checkable(&self) -> bool {
        let action = self.error_details.action.as_deref();
        let of_reports = action
            .is_none_or(|action| action.eq_ignore_ascii_case("ssm:UpdateInstanceInformation"));
        let service = self.error_details.service.as_deref();
        self.confirmed
            && of_reports
            && service.is_none_or(|service| service == "ssm")
            && proving(self.cause).next().is_some()
    }

    /// Whether the checks, which looked at everything that it may come from, no longer
    /// observe it.
    pub fn is_no_longer_observed(&self, seen: &NodeDiagnosis) -> bool {
        let is_clear = |check: &Check| {
            let mut results = seen.checks.iter().filter(|one| one.check == check.name);
            results.all(|one| one.status != CheckStatus::Unknown && !one.confirms(self.cause))
        };
        self.is_checkable()
            && seen.status == NodeStatus::Healthy
            && proving(self.cause).all(is_clear)
    }
}

/// The checks that can prove `cause`.
fn proving(cause: Cause) -> impl Iterator<Item = &'static Check> {
    let proves = move |check: &&Check| {
        let mut observes = check.observes.iter();
        observes.any(|one| one.confirms == Some(cause))
    };
    CHECKS.iter().filter(proves)
}
