//! One invocation from end to end: receive → decode → analyze → diagnose →
//! group into incidents → repair → notify → report.
//!
//! What must outlive an invocation is in the [`state`](crate::state): a table that all
//! execution environments share, or the memory of this one. Reading and notifying are
//! committed apart: what was read stays read when a message fails, and the retry
//! notifies what was not notified, and nothing twice.

mod budget;
mod by_id;
mod digest;
mod error;
mod intake;
mod invocation;
mod log;
mod metrics;
mod notifier;
mod progress;
mod request;
mod services;
mod settle;
mod state;
mod sweep;

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use aws_lambda_events::streams::KinesisEventResponse;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::aws::Session;
use crate::aws::dynamodb::Table;
use crate::config::Config;
use crate::decode::DecodeContext;
use crate::engine::{Engine, LoadError};
use crate::node::{AccountId, Home, NodeId};
use crate::notify::digest::Digest;
use crate::receive::{self, Input, Payloads, ReceiveError, RepairRequest};
use crate::repair::repairs::Repair;
use crate::report::Report;
use crate::selection::Selection;
use crate::state::{Memory, StateError};

use budget::Budget;
pub use error::{HandlerError, UndeliveredNotification};
use invocation::Invocation;
use log::print;
pub use log::{LogLevel, log};
use metrics::Metrics;
use services::Aws;
use state::{Kept, State};

/// The function of one execution environment.
#[derive(Debug)]
pub struct Handler {
    config: Config,
    /// Built at the first batch, unless the operator has signatures.
    engine: OnceLock<Engine>,
    services: Arc<Aws>,
    session: Arc<Session>,
    /// The state that all execution environments share.
    table: Option<Table>,
    /// In its place where there is none.
    memory: Memory,
    /// Held for a whole invocation: Lambda has one at a time.
    turn: Mutex<()>,
}

/// What an invocation does that has a state.
enum Work<'p> {
    Logs(Payloads<'p>),
    Sweep(Selection),
    Repair(&'static Repair, NodeId),
    Digest,
}

/// What an invocation answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The report of what was read.
    Report(Box<Report>),
    /// What there is to say of all incidents.
    Digest(Box<Digest>),
    /// The records that are to be delivered again.
    Kinesis(KinesisEventResponse),
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
        Ok(Self {
            engine,
            services: Arc::new(Aws::new(&config, &session)),
            table: (config.state_table.as_ref()).map(|name| Table::new(name, Arc::clone(&session))),
            memory: Memory::default(),
            turn: Mutex::default(),
            session,
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
            log(
                LogLevel::Error,
                format_args!(
                    "the invocation fails: {}: {}",
                    error.name(),
                    error.summary()
                ),
            );
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
        let own = Home {
            account: account.clone(),
            region: Some(self.config.region.clone()),
        };
        let mut invocation = Invocation {
            home: own.clone(),
            own,
            has_member_role: self.config.member_role.is_some(),
            guardrails: self.config.guardrails(account),
            budget: Budget::new(event.context.deadline, now, at),
            now,
            clock: Timestamp::now as fn() -> Timestamp,
            began: at,
            metrics: Metrics::default(),
            ends_at: Timestamp::from_millisecond(deadline).unwrap_or(Timestamp::MAX),
            me: RandomState::new().hash_one(&event.context.request_id),
            without_state: None,
            reminder: self.config.reminder,
            min_severity: self.config.min_severity,
        };
        let work = match receive::input(event.payload.get())? {
            Input::Logs(deliveries) => Work::Logs(deliveries),
            Input::Sweep(selection, home) => {
                invocation.turn_to(home)?;
                Work::Sweep(selection.unwrap_or_else(|| self.config.sweep.clone()))
            }
            Input::Repair(RepairRequest { action, node, home }) => {
                invocation.turn_to(home)?;
                let repair = Repair::named(&action);
                let repair = repair.ok_or_else(|| ReceiveError::Repair {
                    found: format!(
                        "action {:?}, which is none of {}",
                        action.chars().take(40).collect::<String>(),
                        Repair::names()
                    ),
                })?;
                invocation.guardrails.requested = true;
                Work::Repair(repair, node)
            }
            Input::Digest => Work::Digest,
            Input::Nodes(nodes, home) => {
                invocation.turn_to(home)?;
                let report = invocation.diagnose_by_id(nodes, &*self.services).await;
                return Ok(Answer::Report(Box::new(report)));
            }
        };
        let _turn = self.turn.lock().await;
        let until = invocation.budget.all;
        let working = self.with_state(&work, &around, &mut invocation);
        let answer = (timeout_at(until, working).await).unwrap_or(Err(HandlerError::OutOfTime));
        let metrics = &invocation.metrics;
        if let Err(HandlerError::UndeliveredNotification(messages)) = &answer {
            metrics.add("Undelivered", messages.len());
        }
        metrics.add("Calls", self.session.take_calls());
        let function = self.config.function.as_deref();
        let line = metrics.line(function.unwrap_or(env!("CARGO_PKG_NAME")), now);
        if let Err(error) = print(&line) {
            log(
                LogLevel::Warn,
                format_args!("the metrics could not be printed: {error}"),
            );
        }
        answer
    }

    /// Does the work of an invocation over the table, or without it where it cannot be
    /// used.
    async fn with_state(
        &self,
        work: &Work<'_>,
        around: &DecodeContext,
        invocation: &mut Invocation<fn() -> Timestamp>,
    ) -> Result<Answer, HandlerError> {
        if let Some(table) = &self.table {
            let state = State::new(Kept::Table(table));
            let answer = self.run(work, &state, around, invocation).await;
            invocation.metrics.add("StateConflicts", state.conflicts());
            match answer {
                // Nothing is lost without it: what was notified may be notified again.
                Err(HandlerError::State(StateError::Unusable(why))) => {
                    let why = format!("the state table cannot be used, {why}");
                    log(
                        LogLevel::Warn,
                        format_args!("going on without the state of other environments: {why}"),
                    );
                    invocation.without_state = Some(why);
                }
                answer => return answer,
            }
        }
        let memory = State::new(Kept::Memory(&self.memory));
        self.run(work, &memory, around, invocation).await
    }

    /// Does the work of an invocation with this state.
    async fn run(
        &self,
        work: &Work<'_>,
        state: &State<'_>,
        around: &DecodeContext,
        invocation: &Invocation<fn() -> Timestamp>,
    ) -> Result<Answer, HandlerError> {
        let deliveries = match work {
            Work::Logs(deliveries) => deliveries,
            Work::Sweep(selection) => {
                let grace = self.config.sweep_grace;
                let report = invocation.sweep(selection, grace, &self.services, state);
                return Ok(Answer::Report(Box::new(report.await?)));
            }
            Work::Digest => {
                let digest = invocation.digest(&*self.services, state);
                return Ok(Answer::Digest(Box::new(digest.await?)));
            }
            Work::Repair(repair, node) => {
                let report = invocation.repair(repair, node.clone(), &self.services, state);
                return Ok(Answer::Report(Box::new(report.await?)));
            }
        };
        let kind = deliveries.kind;
        let now = invocation.now;
        let mut intake = intake::read(self.engine(), state, deliveries, around, now).await?;
        let metrics = &invocation.metrics;
        metrics.add("Batches", deliveries.items.len());
        metrics.add("Records", intake.source.records as usize);
        let unrecognised = intake.unrecognised.iter().map(|one| one.count as usize);
        metrics.add("Unrecognised", unrecognised.sum());
        if let Some(newest) = intake.source.newest {
            metrics.lateness(newest, now);
        }
        let failed = std::mem::take(&mut intake.failed);
        let settled = invocation.settle(intake, kind, &self.services, state);
        let report = settled.await?;
        Ok(match report {
            Some(report) => Answer::Report(Box::new(report)),
            None => Answer::Kinesis(receive::failures(failed)),
        })
    }

    fn engine(&self) -> &Engine {
        self.engine.get_or_init(Engine::default)
    }
}

/// The account in the function's own ARN.
fn own_account(function_arn: &str) -> Option<AccountId> {
    AccountId::parse(function_arn.split(':').nth(4)?)
}

#[cfg(test)]
#[path = "../tests/simulator/mod.rs"]
mod simulator;
