//! One invocation from end to end: receive → decode → analyze → diagnose →
//! group into incidents → repair → notify → report.
//!
//! What must outlive an invocation is in the [`state`](crate::state): a table that all
//! execution environments share, or the memory of this one. Reading and notifying are
//! committed apart: what was read stays read when a message fails, and the retry
//! notifies what was not notified, and nothing twice.

mod budget;
mod error;
mod intake;
mod log;
mod notifier;

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lambda_events::streams::KinesisEventResponse;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::dynamodb::Table;
use crate::aws::{LiveState, Session};
use crate::config::Config;
use crate::correlate::states::StreamStates;
use crate::decode::DecodeContext;
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::diagnose::facts::Facts;
use crate::diagnose::live::{self, KEPT, Kept, Recent};
use crate::diagnose::verdict::recovered;
use crate::diagnose::{Home, Needs, diagnose};
use crate::engine::{Engine, LoadError};
use crate::finding::{Finding, Recovered};
use crate::incident::group::{Incident, as_one, gather_with_members};
use crate::incident::nodes::NodeList;
use crate::incident::store::agree::Times;
use crate::incident::store::{Incidents, State};
use crate::node::AccountId;
use crate::receive::{self, Kind, receive};
use crate::repair::clients::Clients;
use crate::repair::execute::{Task, execute};
use crate::repair::locks::Guardrails;
use crate::repair::memory::RepairMemory;
use crate::repair::plan::PlanSummary;
use crate::report::build;
use crate::report::{Notified, Report};
use crate::state::{Memory, StateError, Store};

use budget::Budget;
pub use error::{HandlerError, UndeliveredNotification};
use intake::IngestedBatches;
pub use log::log;
use notifier::{Notifications, Notifier, Settled, wrote};

/// The function of one execution environment.
#[derive(Debug)]
pub struct Handler {
    config: Config,
    /// Built at the first batch, unless the operator has signatures.
    engine: OnceLock<Engine>,
    /// Without memory: what repairs read with.
    live: Arc<LiveState>,
    /// What the checks have read lately.
    kept: Arc<Kept>,
    repairs: Clients,
    notifier: Arc<Notifier>,
    /// The state that all execution environments share.
    table: Option<Table>,
    /// In its place where there is none.
    memory: Memory,
    streams: Mutex<StreamStates>,
    /// Held for a whole invocation: Lambda has one at a time.
    turn: Mutex<()>,
}

/// What an invocation answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The report of what was read.
    Report(Box<Report>),
    /// The records that are to be delivered again.
    Kinesis(KinesisEventResponse),
}

/// Who and where this function is in one invocation, and how long it has.
struct Invocation {
    home: Home,
    guardrails: Guardrails,
    budget: Budget,
    now: Timestamp,
    began: Instant,
    /// Lambda's deadline.
    ends_at: Timestamp,
    /// A number that no other invocation has.
    me: u64,
    /// Why the table is not used, where there is one.
    without_state: Option<String>,
}

impl Handler {
    /// Makes no connection and reads no certificate: clients are built at
    /// their first call. Signatures of the operator's own are read, so that a
    /// fault in them stops the start and no batch.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn new(config: Config) -> Result<Self, LoadError> {
        let engine = match &config.signatures {
            Some(own) => OnceLock::from(Engine::load(Some(own))?),
            None => OnceLock::new(),
        };
        let session = Arc::new(Session::default());
        let live = Arc::new(LiveState::new(Arc::clone(&session)));
        Ok(Self {
            engine,
            repairs: Clients::new(Arc::clone(&session), Arc::clone(&live)),
            live,
            kept: Arc::default(),
            table: (config.state_table.as_ref()).map(|name| Table::new(name, Arc::clone(&session))),
            notifier: Arc::new(Notifier::new(&config, session)),
            memory: Memory::default(),
            streams: Mutex::default(),
            turn: Mutex::default(),
            config,
        })
    }

    /// Handles one event.
    ///
    /// # Errors
    /// When the input cannot be read, and when an incident could not be notified:
    /// Lambda then delivers the event again.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, HandlerError> {
        // Erased: nested whole into the runtime's own futures, its type is
        // deeper than the compiler's limit.
        let answering: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(self.answer(&event));
        let result = answering.await;
        if let Err(error) = &result {
            log(format_args!(
                "the invocation fails: {}: {}",
                error.name(),
                error.summary()
            ));
        }
        result
    }

    async fn answer(&self, event: &LambdaEvent<Box<RawValue>>) -> Result<Answer, HandlerError> {
        let (now, at) = (Timestamp::now(), Instant::now());
        let account = own_account(&event.context.invoked_function_arn);
        let around = DecodeContext {
            max_decoded_bytes: self.config.max_decoded_bytes,
            own_account: account.clone(),
            own_region: Some(self.config.region.clone()),
            own_log_group: self.config.own_log_group.clone(),
        };
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let mut invocation = Invocation {
            home: Home {
                account: account.clone(),
                region: Some(self.config.region.clone()),
            },
            guardrails: self.config.guardrails(account),
            budget: Budget::new(event.context.deadline, now, at),
            now,
            began: at,
            ends_at: Timestamp::from_millisecond(deadline).unwrap_or(Timestamp::MAX),
            me: RandomState::new().hash_one(&event.context.request_id),
            without_state: None,
        };
        let _turn = self.turn.lock().await;
        if let Some(table) = &self.table {
            match self.run(event, table, &around, &invocation).await {
                // Nothing is lost without it: what was told may be told again.
                Err(HandlerError::State(StateError::Unusable(why))) => {
                    let why = format!("the state table cannot be used, {why}");
                    log(format_args!(
                        "going on without the state of other environments: {why}"
                    ));
                    invocation.without_state = Some(why);
                }
                answer => return answer,
            }
        }
        self.run(event, &self.memory, &around, &invocation).await
    }

    /// Handles the event with this state.
    async fn run<S: Store>(
        &self,
        event: &LambdaEvent<Box<RawValue>>,
        state: &S,
        around: &DecodeContext,
        invocation: &Invocation,
    ) -> Result<Answer, HandlerError> {
        let deliveries = receive(event.payload.get())?;
        let kind = deliveries.kind;
        let mut streams = self.streams.lock().await;
        let mut intake = intake::read(
            self.engine(),
            &mut streams,
            deliveries,
            around,
            invocation.now,
        )?;
        drop(streams);
        let failed = std::mem::take(&mut intake.failed);
        let report = self.settle(intake, kind, state, invocation).await?;
        Ok(match report {
            Some(report) => Answer::Report(Box::new(report)),
            None => Answer::Kinesis(receive::failures(failed)),
        })
    }

    /// From what was read to what is notified. Nobody reads a report on Kinesis, so
    /// none is written.
    async fn settle<S: Store>(
        &self,
        intake: IngestedBatches,
        kind: Kind,
        state: &S,
        invocation: &Invocation,
    ) -> Result<Option<Report>, HandlerError> {
        let now = invocation.now;
        let mut recovered = intake.recovered;
        let mut known = Incidents::new(self.config.reminder, invocation.me);
        let mut repairs = RepairMemory::new(invocation.me);
        if let Some(why) = &invocation.without_state {
            repairs.close(why);
        }
        let nodes = intake.findings.iter().map(|finding| &finding.node);
        known
            .load_nodes(state, nodes.chain(&intake.nodes), now)
            .await?;
        let (diagnosed, reported) = self.diagnose(intake.findings, &known, invocation).await;
        let (incidents, members): (Vec<Incident>, Vec<Vec<usize>>) =
            gather_with_members(&diagnosed).into_iter().unzip();
        let all: Vec<&Incident> = incidents.iter().collect();
        known.load_incidents(state, &all, now).await?;
        let mut settled = Vec::with_capacity(incidents.len());
        // One after another: the hourly cap counts them all.
        for incident in incidents {
            let task = Task {
                incident: &incident,
                clients: &self.repairs,
                guardrails: &invocation.guardrails,
                now,
                ends_at: invocation.ends_at,
                until: invocation.budget.repairs,
            };
            let plan = execute(task, &mut repairs, state).await;
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
        if settled.iter().any(|one| wrote(one.outcome.status)) {
            self.kept.forget();
        }
        let alike = alike(&settled);
        let alike: Vec<&Incident> = alike
            .iter()
            .map(|place| &settled[*place].incident)
            .collect();
        known.register_all(&alike, state, now).await?;
        let mut settled = share(settled, &members, &diagnosed, &known, now);
        let patience = invocation.budget.repairs - invocation.began;
        let mut round = Notifications {
            notifier: &self.notifier,
            incidents: &mut known,
            state,
            times: Times {
                clock: Timestamp::now,
                ends_at: invocation.ends_at,
                patience: now.saturating_add(patience).unwrap_or(now),
            },
            budget: invocation.budget,
            without_state: invocation.without_state.as_deref(),
            undelivered: Vec::new(),
        };
        round.tell(&mut settled).await?;
        round.recover(&recovered).await?;
        if !round.undelivered.is_empty() {
            return Err(HandlerError::UndeliveredNotification(round.undelivered));
        }
        if kind == Kind::Kinesis {
            return Ok(None);
        }
        // Their incidents have been notified as right above; the log's own recoveries
        // come without one.
        recovered.extend(reported);
        let incidents = settled.into_iter().map(|one| {
            build::incident(
                &one.incident,
                one.nodes,
                &one.plan,
                &one.outcome,
                one.notified,
            )
        });
        Ok(Some(build::report(
            intake.source,
            incidents.collect(),
            recovered,
            intake.benign,
            intake.unrecognised,
        )))
    }

    /// The findings, each proved as far as the time for checks allows, and who
    /// turned out to have recovered since.
    async fn diagnose(
        &self,
        findings: Vec<Finding>,
        known: &Incidents,
        invocation: &Invocation,
    ) -> (Vec<Diagnosis>, Vec<Recovered>) {
        let facts = self.look(&findings, KEPT, invocation).await;
        let mut diagnosed = diagnose(findings, &facts, &invocation.home);
        // Nothing is found right by what was read before these lines came.
        let again: Vec<&mut Diagnosis> = diagnosed
            .iter_mut()
            .filter(|one| one.finding.fresh && one.is_acquittal())
            .collect();
        let findings: Vec<Finding> = again.iter().map(|one| one.finding.clone()).collect();
        let facts = self.look(&findings, Duration::ZERO, invocation).await;
        let anew = diagnose(findings, &facts, &invocation.home);
        for (one, anew) in again.into_iter().zip(anew) {
            *one = anew;
        }
        for one in &mut diagnosed {
            known.attach_to_open(one);
        }
        let reported = recovered(&diagnosed);
        (diagnosed, reported)
    }

    /// Live state, read in this invocation or before it by at most `age`.
    async fn look(&self, findings: &[Finding], age: Duration, invocation: &Invocation) -> Facts {
        let needs = Needs::of(findings, &invocation.home);
        if needs.is_empty() {
            return Facts::default();
        }
        let (reads, kept) = (Arc::clone(&self.live), Arc::clone(&self.kept));
        let reads = Arc::new(Recent::new(reads, kept, invocation.began, age));
        live::read(&needs, &reads, invocation.budget.checks).await
    }

    fn engine(&self) -> &Engine {
        self.engine.get_or_init(Engine::default)
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

/// The account in the function's own ARN.
fn own_account(function_arn: &str) -> Option<AccountId> {
    AccountId::parse(function_arn.split(':').nth(4)?)
}
