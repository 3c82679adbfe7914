//! The second half of the way: from what was read to what is notified.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::error::{HandlerError, UndeliveredNotification};
use super::intake::IngestedBatches;
use super::invocation::{Invocation, Services};
use super::notifier::{Notifications, Settled, wrote};
use crate::correlate::streams;
use crate::diagnose::diagnose;
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::diagnose::live::KEPT;
use crate::diagnose::verdict::recovered;
use crate::finding::{Finding, Recovered};
use crate::incident::group::{Incident, as_one, gather_with_members};
use crate::incident::nodes::NodeList;
use crate::incident::store::agree::Times;
use crate::incident::store::{Incidents, State};
use crate::node::Home;
use crate::receive::Kind;
use crate::repair::memory::RepairMemory;
use crate::repair::plan::PlanSummary;
use crate::report::build;
use crate::report::{Notified, Report};
use crate::sort;
use crate::state::Store;
use crate::text::redact::redact_line;

impl<C: Fn() -> Timestamp + Copy> Invocation<C> {
    /// From what was read to what is notified. Nobody reads a report on Kinesis, so
    /// none is written.
    pub(super) async fn settle<A: Services, S: Store>(
        &self,
        intake: IngestedBatches,
        kind: Kind,
        services: &Arc<A>,
        state: &S,
    ) -> Result<Option<Report>, HandlerError> {
        let now = self.now;
        let mut recovered = intake.recovered;
        let mut known = Incidents::new(self.reminder, self.me);
        let nodes = intake.findings.iter().map(|finding| &finding.node);
        known
            .load_nodes(state, nodes.chain(&intake.nodes), now)
            .await?;
        let (diagnosed, reported) = self.diagnose(intake.findings, &known, &**services).await;
        let (settled, mut round) = self
            .notify_of(&diagnosed, &mut known, services, state)
            .await?;
        let mut over = intake.over;
        over.extend(streams::over(state, &intake.fresh, now).await?);
        round.recover(&over).await?;
        if !round.undelivered.is_empty() {
            return Err(HandlerError::UndeliveredNotification(round.undelivered));
        }
        if kind == Kind::Kinesis {
            return Ok(None);
        }
        // Their incidents have been notified as right above; the log's own recoveries
        // come without one.
        recovered.extend(reported);
        Ok(Some(build::report(
            intake.source,
            settled.into_iter().map(Settled::report).collect(),
            recovered,
            intake.benign,
            intake.unrecognised,
        )))
    }

    /// Repairs what `diagnosed` make up, where that is allowed, and notifies of it.
    pub(super) async fn notify_of<'a, A: Services, S: Store>(
        &'a self,
        diagnosed: &[Diagnosis],
        known: &'a mut Incidents,
        services: &'a Arc<A>,
        state: &'a S,
    ) -> Result<(Vec<Settled>, Notifications<'a, A, S, C>), HandlerError> {
        let now = self.now;
        let mut repairs = RepairMemory::new(self.me);
        if let Some(why) = &self.without_state {
            repairs.close(why);
        }
        let incidents = gather_with_members(diagnosed);
        let all: Vec<&Incident> = incidents.iter().map(|(incident, _)| incident).collect();
        known.load_incidents(state, &all, now).await?;
        let (mut settled, mut members) = (Vec::new(), Vec::new());
        let mut undelivered = Vec::new();
        // One after another: the hourly cap counts them all.
        for (incident, of_incident) in incidents {
            let plan = services.repair(&incident, &mut repairs, state, self).await;
            if plan.is_under_way() {
                undelivered.push(UndeliveredNotification {
                    why: "Another invocation was repairing the resource and did not come to an end"
                        .to_owned(),
                    subject: redact_line(&incident.title),
                    text: String::new(),
                });
                continue;
            }
            members.push(of_incident);
            settled.push(Settled {
                happened: plan.happened(&incident, &repairs),
                plan: plan.summary,
                outcome: plan.outcome,
                incident,
                nodes: NodeList::default(),
                since: now,
                notified: Notified::BelowThreshold,
            });
        }
        let alike = alike(&settled);
        let alike: Vec<&Incident> = alike
            .iter()
            .map(|place| &settled[*place].incident)
            .collect();
        known.register_all(&alike, state, now).await?;
        let mut settled = share(settled, &members, diagnosed, known, now);
        let patience = self.budget.repairs - self.began;
        let mut round = Notifications {
            services,
            min_severity: self.min_severity,
            incidents: known,
            state,
            times: Times {
                clock: self.clock,
                ends_at: self.ends_at,
                patience: now.saturating_add(patience).unwrap_or(now),
            },
            budget: self.budget,
            metrics: &self.metrics,
            without_state: self.without_state.as_deref(),
            undelivered,
        };
        round.tell(&mut settled).await?;
        for one in &settled {
            let (checks, status) = (&one.incident.checks, one.outcome.status);
            (self.metrics).settled(checks, &one.plan, status, one.nodes.count);
        }
        Ok((settled, round))
    }

    /// The findings, each proved as far as the time for checks allows, and who
    /// turned out to have recovered since.
    async fn diagnose<A: Services>(
        &self,
        findings: Vec<Finding>,
        known: &Incidents,
        services: &A,
    ) -> (Vec<Diagnosis>, Vec<Recovered>) {
        let mut diagnosed = self.prove(findings, KEPT, services).await;
        // Nothing is found right by what was read before these lines came.
        let again: Vec<&mut Diagnosis> = diagnosed
            .iter_mut()
            .filter(|one| one.finding.fresh && one.is_acquittal())
            .collect();
        let findings: Vec<Finding> = again.iter().map(|one| one.finding.clone()).collect();
        let anew = self.prove(findings, Duration::ZERO, services).await;
        for (one, anew) in again.into_iter().zip(anew) {
            *one = anew;
        }
        for one in &mut diagnosed {
            known.attach_to_open(one);
        }
        let reported = recovered(&diagnosed);
        (diagnosed, reported)
    }
}

impl<C> Invocation<C> {
    /// The verdicts on `findings`, in their order, each by the live state of where its
    /// node is, as far as the function may look there.
    async fn prove<A: Services>(
        &self,
        findings: Vec<Finding>,
        age: Duration,
        services: &A,
    ) -> Vec<Diagnosis> {
        let mut homes: BTreeMap<Home, (Vec<usize>, Vec<Finding>)> = BTreeMap::new();
        for (place, finding) in findings.into_iter().enumerate() {
            let (places, of_home) = homes.entry(self.home_of(&finding.node)).or_default();
            places.push(place);
            of_home.push(finding);
        }
        let proved = homes.into_iter().map(async |(home, (places, findings))| {
            let facts = services.look(&findings, &home, age, self).await;
            places.into_iter().zip(diagnose(findings, &facts, &home))
        });
        let mut proved: Vec<(usize, Diagnosis)> =
            join_all(proved).await.into_iter().flatten().collect();
        sort::by_key(&mut proved, |(place, _)| *place);
        proved.into_iter().map(|(_, diagnosis)| diagnosis).collect()
    }
}

/// The places of those that may go into a list: nothing was, or may have been,
/// written of them.
fn alike(settled: &[Settled]) -> Vec<usize> {
    let alike = |one: &Settled| {
        let state = match one.incident.fault_state {
            FaultState::Active => State::Open,
            FaultState::NotObserved => State::Resolved,
        };
        one.happened.state == state
            && one.happened.written_at.is_none()
            && !one.happened.perhaps_ours
            && !wrote(one.outcome.status)
    };
    let places = settled.iter().enumerate();
    places
        .filter(|(_, one)| alike(one))
        .map(|(place, _)| place)
        .collect()
}

/// Puts those together that many nodes show alike and of which nothing was
/// written: what this function changed, or may have changed, is notified node by
/// node, as what it was.
/// `members` has for each of `settled` its places in `diagnosed`.
fn share(
    settled: Vec<Settled>,
    members: &[Vec<usize>],
    diagnosed: &[Diagnosis],
    known: &Incidents,
    now: Timestamp,
) -> Vec<Settled> {
    let open = alike(&settled);
    let incidents: Vec<&Incident> = open.iter().map(|place| &settled[*place].incident).collect();
    let groups = known.shared(&incidents, now);
    let mut settled: Vec<Option<Settled>> = settled.into_iter().map(Some).collect();
    for (scope, places) in groups {
        let places: Vec<usize> = places.into_iter().map(|place| open[place]).collect();
        let Some(first) = settled[places[0]].as_ref() else {
            continue;
        };
        let together = places.iter().flat_map(|place| &members[*place]);
        let together = together.map(|place| diagnosed[*place].clone()).collect();
        let Some(incident) = as_one(together, first.incident.cause, &scope) else {
            continue;
        };
        let mut reasons: Vec<&str> = Vec::new();
        for one in places.iter().filter_map(|place| settled[*place].as_ref()) {
            if !reasons.contains(&one.plan.reason.as_str()) && reasons.len() < 3 {
                reasons.push(&one.plan.reason);
            }
        }
        let plan = PlanSummary {
            reason: reasons.join(" "),
            ..first.plan.clone()
        };
        let one = Settled {
            incident,
            plan,
            happened: first.happened,
            outcome: first.outcome.clone(),
            nodes: NodeList::default(),
            since: first.since,
            notified: Notified::BelowThreshold,
        };
        for place in &places {
            settled[*place] = None;
        }
        settled[places[0]] = Some(one);
    }
    settled.into_iter().flatten().collect()
}
