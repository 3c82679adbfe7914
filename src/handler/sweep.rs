//! A sweep: nodes that have gone silent are looked at, whatever log comes. What a check
//! proves is notified as from a log; what is over on a node that reports again is
//! closed; what is open for long is notified again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::error::HandlerError;
use super::invocation::{Invocation, Services};
use super::notifier::Settled;
use super::progress::Progress;
use super::{LogLevel, log};
use crate::cause::Cause;
use crate::diagnose::by_id::{NodeStatus, diagnose_by_id, finding_of};
use crate::diagnose::diagnosis::Diagnosis;
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts};
use crate::diagnose::sweep::{Listed, OpenFault, Suspect};
use crate::finding::{Finding, Recovered, SourceSummary};
use crate::incident::store::Incidents;
use crate::node::{Home, Node, NodeId};
use crate::report::{IncidentReport, Report, SweepReport, build};
use crate::selection::Selection;
use crate::sort;
use crate::state::{StateError, Store};

/// What proves that a node reports again.
const PING: &str = "ssm-registration";

/// What a sweep asks of AWS beside the checks.
pub(super) trait SweepServices: Services {
    /// Whom `selection` names. The error says why it could not be read.
    async fn list<C>(&self, selection: &Selection, by: &Invocation<C>) -> Result<Listed, String>;

    /// Live state for `findings`, read anew but for `registrations`.
    async fn look_at<C>(
        &self,
        findings: &[Finding],
        registrations: BTreeMap<NodeId, Fetched<RegistrationFacts>>,
        by: &Invocation<C>,
    ) -> Facts;

    /// What Systems Manager knows of each of `ids`.
    async fn registrations<C>(
        &self,
        ids: Vec<NodeId>,
        by: &Invocation<C>,
    ) -> BTreeMap<NodeId, Fetched<RegistrationFacts>>;
}

/// What one invocation came to.
struct Swept {
    looked_at: Vec<(Node, NodeStatus)>,
    incidents: Vec<IncidentReport>,
    recovered: Vec<Recovered>,
    /// Everything was read in time.
    is_whole: bool,
}

/// A node in open incidents that reports again.
struct Reporting {
    node: Node,
    registration: RegistrationFacts,
    ping: Timestamp,
    faults: Vec<OpenFault>,
}

impl<C: Fn() -> Timestamp + Copy> Invocation<C> {
    /// Looks at whom `selection` names, as far as this invocation gets.
    pub(super) async fn sweep<A: SweepServices, S: Store>(
        &self,
        selection: &Selection,
        grace: Duration,
        services: &Arc<A>,
        state: &S,
    ) -> Result<Report, HandlerError> {
        let mut sweep = SweepReport {
            selection: selection.to_string(),
            ..SweepReport::default()
        };
        let home = &self.home;
        let source = SourceSummary {
            account: home.account.as_ref().map(ToString::to_string),
            region: home.region.as_ref().map(ToString::to_string),
            ..SourceSummary::default()
        };
        let turn = (self.me, self.ends_at);
        let of_member = (self.home != self.own).then(|| format!("{home}, "));
        let whom = format!("{}{}", of_member.unwrap_or_default(), sweep.selection);
        let begun = Progress::begin(&whom, state, turn, self.now).await?;
        let Some(mut progress) = begun else {
            sweep.under_way = true;
            return Ok(build::sweep(source, sweep, &[], Vec::new(), Vec::new()));
        };
        let swept = self.look_at(selection, grace, &mut progress, &mut sweep, services, state);
        let swept = swept.await;
        let is_done = matches!(&swept, Ok(swept) if swept.is_whole);
        match &swept {
            Ok(_) => progress.note(unread(sweep.unread), home, &sweep.selection, self.now),
            Err(HandlerError::Sweep(why)) => {
                progress.note(Some(why.clone()), home, &sweep.selection, self.now);
            }
            Err(_) => {}
        }
        progress.end(is_done, state, self.now).await?;
        let swept = swept?;
        self.metrics.add("Sweeps", 1);
        Ok(build::sweep(
            source,
            sweep,
            &swept.looked_at,
            swept.incidents,
            swept.recovered,
        ))
    }

    async fn look_at<A: SweepServices, S: Store>(
        &self,
        selection: &Selection,
        grace: Duration,
        progress: &mut Progress,
        sweep: &mut SweepReport,
        services: &Arc<A>,
        state: &S,
    ) -> Result<Swept, HandlerError> {
        let (now, home) = (self.now, &self.home);
        let mut known = Incidents::new(self.reminder, self.me);
        let open = match known.load_open(state, now).await {
            Err(StateError::Unusable(why)) => {
                log(
                    LogLevel::Warn,
                    format_args!("what is open cannot be looked up: {why}"),
                );
                Vec::new()
            }
            open => open?,
        };
        let listed = services.list(selection, self).await;
        let listed = listed.map_err(HandlerError::Sweep)?;
        sweep.unread = listed.unread;
        let lost = listed.registered.iter().filter(|one| one.is_lost());
        let lost = sort::set(lost.map(|one| one.id.clone()));
        let suspects = listed.suspects(home, grace, now);
        sweep.suspects = suspects.len();
        let (suspects, remain) = progress.next(suspects);
        sweep.continues = remain;
        let reporting = self.reporting(open, &lost, &known, &**services).await;

        let to_check = reporting.iter().filter(|one| one.wants_checks());
        let to_check = to_check.map(|one| finding_of(one.node.clone(), now));
        let asked = suspects.iter().map(|one| one.finding(now)).chain(to_check);
        let asked: Vec<Finding> = asked.collect();
        let read = suspects.iter().map(Suspect::registration);
        let read = read.chain(reporting.iter().map(Reporting::registration));
        let facts = services.look_at(&asked, read.collect(), self).await;
        let is_whole = Instant::now() < self.budget.checks;

        let nodes = suspects.iter().map(|one| &one.node);
        known.load_nodes(state, nodes, now).await?;
        let (mut looked_at, mut wrong) = (Vec::new(), Vec::new());
        for suspect in suspects {
            let verdict = suspect.diagnose(&facts, home, grace, now);
            *sweep.statuses.entry(verdict.status).or_default() += 1;
            looked_at.push((suspect.node, verdict.status));
            let found = verdict.diagnosis;
            wrong.extend(found.filter(|one| !is_explained(one, &known, now)));
        }
        for one in &mut wrong {
            known.attach_to_open(one);
        }
        let idle = looked_at.iter().filter(|(_, status)| status.is_idle());
        let idle: Vec<&Node> = idle.map(|(node, _)| node).collect();
        let over = reporting.iter();
        let recovered: Vec<Recovered> = over.flat_map(|one| one.over(&facts, home, now)).collect();

        let (settled, mut round) = self.notify_of(&wrong, &mut known, services, state).await?;
        round.recover(&recovered).await?;
        round.remind(&idle).await?;
        if !round.undelivered.is_empty() {
            return Err(HandlerError::UndeliveredNotification(round.undelivered));
        }
        Ok(Swept {
            looked_at,
            incidents: settled.into_iter().map(Settled::report).collect(),
            recovered,
            is_whole,
        })
    }

    /// Those of `open`, nodes in open incidents, that report to Systems Manager.
    async fn reporting<A: SweepServices>(
        &self,
        open: Vec<Node>,
        lost: &BTreeSet<NodeId>,
        known: &Incidents,
        services: &A,
    ) -> Vec<Reporting> {
        let home = &self.home;
        let is_own = |node: &Node| node.account == home.account && node.region == home.region;
        let may_report = |node: &Node| {
            is_own(node) && !matches!(node.id, NodeId::Unknown(_)) && !lost.contains(&node.id)
        };
        let nodes: Vec<Node> = open.into_iter().filter(may_report).collect();
        let ids = nodes.iter().map(|node| node.id.clone()).collect();
        let read = services.registrations(ids, self).await;
        let reporting = nodes.into_iter().filter_map(|node| {
            let registration = read.get(&node.id)?.found()?;
            Some(Reporting {
                registration: registration.clone(),
                ping: registration
                    .last_ping
                    .filter(|_| registration.is_online())?,
                faults: known.open_faults(&node),
                node,
            })
        });
        reporting.collect()
    }
}

/// Why instances could not be looked at, if so many could not.
fn unread(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("the registration of 1 running instance could not be read".to_owned()),
        _ => Some(format!(
            "the registrations of {count} running instances could not be read"
        )),
    }
}

/// Whether nothing but silence is known of it, which an open incident explains.
fn is_explained(one: &Diagnosis, known: &Incidents, now: Timestamp) -> bool {
    let faults = known.open_faults(&one.finding.node);
    one.cause == Cause::NodeSilent && faults.iter().any(|fault| fault.explains_silence(now))
}

impl Reporting {
    fn registration(&self) -> (NodeId, Fetched<RegistrationFacts>) {
        let known = self.registration.clone();
        (self.node.id.clone(), Fetched::Found(known))
    }

    /// Whether its ping alone leaves something open that the checks can settle.
    fn wants_checks(&self) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| !fault.ends_with_ping(self.ping) && fault.is_checkable())
    }

    /// What is over on it.
    fn over(&self, facts: &Facts, home: &Home, now: Timestamp) -> Vec<Recovered> {
        let seen = (self.wants_checks())
            .then(|| diagnose_by_id(finding_of(self.node.clone(), now), facts, home));
        let over = |fault: &OpenFault| {
            let at = match &seen {
                _ if fault.ends_with_ping(self.ping) => self.ping,
                Some(seen) if fault.is_no_longer_observed(seen) => now,
                _ => return None,
            };
            Some(Recovered {
                node: self.node.id.to_string(),
                cause: fault.cause,
                signature: PING.to_owned(),
                since: None,
                at,
            })
        };
        self.faults.iter().filter_map(over).collect()
    }
}
