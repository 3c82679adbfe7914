//! Lets the fleet log, delivers its batches to execution environments that run side by
//! side, cuts some of them off, and delivers again what was not handled to its end.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::{LocalSet, yield_now};
use tokio::time::Instant;

use super::super::budget::Budget;
use super::super::error::HandlerError;
use super::super::intake;
use super::super::invocation::Invocation;
use super::super::metrics::Metrics;
use super::clock;
use super::fleet::{Fleet, Setup, Tick};
use super::services::{Aws, Sent, SimServices, Written};
use super::table::{SimStore, Table};
use super::world::{ACCOUNT, REGION, World, name};
use crate::cause::Severity;
use crate::decode::DecodeContext;
use crate::diagnose::Home;
use crate::engine::Engine;
use crate::node::{AccountId, Region};
use crate::receive::{Delivery, Kind, Payload, Payloads};
use crate::repair::locks::{Guardrails, RepairMode};
use crate::repair::repairs::REPAIRS;
use crate::state::Memory;

/// An invocation may take so long.
pub(super) const TIMEOUT: i64 = 60_000;

/// A batch is delivered again so long after its invocation failed, at least.
const RETRY: i64 = 60_000;

/// So many repairs an hour.
pub(super) const MAX_REPAIRS: u32 = 5;

pub(super) const REMINDER: Duration = Duration::from_secs(24 * 60 * 60);

/// One invocation.
#[derive(Debug)]
pub(super) struct Call {
    pub began: i64,
    /// Something that it wrote may stand, or not stand, other than it knows.
    pub trouble: AtomicBool,
    pub done: AtomicBool,
}

impl Call {
    pub(super) fn trouble(&self) {
        self.trouble.store(true, Ordering::Relaxed);
    }

    /// Whether what it sent may have gone unmarked, and so be sent again.
    pub(super) fn is_unsettled(&self) -> bool {
        self.trouble.load(Ordering::Relaxed) || !self.done.load(Ordering::Relaxed)
    }
}

/// Lines that arrive together.
#[derive(Debug)]
pub(super) struct Batch {
    pub node: usize,
    /// Those of a tick are numbered; together they are its whole log.
    pub lines: Vec<(i64, String)>,
    /// It never arrives.
    pub lost: bool,
    /// When invocations with it began, and ended well.
    pub begun: Vec<i64>,
    pub done: Vec<i64>,
}

/// What came of it all.
pub(super) struct Outcome {
    pub world: World,
    pub sent: Vec<Sent>,
    pub written: Vec<Written>,
    pub ticks: Vec<Tick>,
    pub batches: Vec<Batch>,
    pub calls: u64,
    pub cut: u64,
    pub failed: u64,
    pub table: Table,
}

enum Event {
    Tick(usize),
    Deliver { batches: Vec<usize>, tries: u32 },
}

struct Run {
    setup: Setup,
    random: fastrand::Rng,
    fleet: Fleet,
    batches: Vec<Batch>,
    aws: Arc<Mutex<Aws>>,
    table: Arc<Mutex<Table>>,
    memory: Arc<Memory>,
    events: BTreeMap<(i64, u64), Event>,
    number: u64,
    busy: usize,
    calls: u64,
    cut: u64,
    failed: u64,
}

/// Plays what `script` makes of the setup to its end.
pub(super) fn run(
    setup: Setup,
    script: fn(&Setup, &mut fastrand::Rng) -> (Fleet, World),
) -> Outcome {
    clock::reset();
    let mut random = fastrand::Rng::with_seed(setup.seed);
    let (fleet, world) = script(&setup, &mut random);
    let mut aws = Aws::new(random.u64(..), world);
    (aws.refused, aws.lost) = (setup.refused, setup.lost_answers);
    let table = Table::new(random.u64(..), setup.table);
    let run = Rc::new(RefCell::new(Run {
        random,
        batches: Vec::new(),
        aws: Arc::new(Mutex::new(aws)),
        table: Arc::new(Mutex::new(table)),
        memory: Arc::default(),
        events: BTreeMap::new(),
        number: 0,
        busy: 0,
        calls: 0,
        cut: 0,
        failed: 0,
        fleet,
        setup,
    }));
    {
        let mut run = run.borrow_mut();
        for (at, node) in std::mem::take(&mut run.fleet.first) {
            run.push(at, Event::Tick(node));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let local = LocalSet::new();
    local.block_on(&runtime, play(&run));
    drop(local);
    let run = Rc::into_inner(run).expect("every invocation has ended");
    let run = run.into_inner();
    let aws = Arc::into_inner(run.aws).expect("nobody asks any more");
    let aws = aws.into_inner().expect("nobody panicked with it");
    let table = Arc::into_inner(run.table).expect("nobody asks any more");
    let table = table.into_inner().expect("nobody panicked with it");
    Outcome {
        world: aws.world,
        sent: aws.sent,
        written: aws.written,
        ticks: run.fleet.ticks,
        batches: run.batches,
        calls: run.calls,
        cut: run.cut,
        failed: run.failed,
        table,
    }
}

async fn play(run: &Rc<RefCell<Run>>) {
    let mut idle = 0;
    loop {
        // Until everybody waits.
        for _ in 0..4 {
            yield_now().await;
        }
        let event = run.borrow().events.keys().next().map(|(at, _)| *at);
        match (clock::next(), event) {
            (Some(waits), event) if event.is_none_or(|event| waits <= event) => {
                idle = 0;
                clock::wake_next();
            }
            (_, Some(at)) => {
                idle = 0;
                clock::advance(at);
                let event = run.borrow_mut().events.pop_first();
                match event.map(|(_, event)| event) {
                    Some(Event::Tick(node)) => run.borrow_mut().tick(node),
                    Some(Event::Deliver { batches, tries }) => deliver(run, batches, tries),
                    None => {}
                }
            }
            (_, None) if run.borrow().busy == 0 => return,
            (_, None) => {
                idle += 1;
                assert!(idle < 1_000, "an invocation never ends, or panicked");
            }
        }
    }
}

impl Run {
    fn push(&mut self, at: i64, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    /// A node's agent tries again, or merely logs.
    fn tick(&mut self, node: usize) {
        let now = clock::millis();
        let (lines, next) = {
            let aws = self.aws.lock().expect("nobody panicked with it");
            self.fleet.tick(&aws.world, node, now, &mut self.random)
        };
        if let Some(next) = next {
            self.push(next, Event::Tick(node));
        }
        if lines.is_empty() {
            return;
        }
        let tick = self.fleet.ticks.len() - 1;
        for (at, batch, again) in self.fleet.cut(&self.setup, node, lines, &mut self.random) {
            let place = self.batches.len();
            self.fleet.ticks[tick].batches.push(place);
            let lost = batch.lost;
            self.batches.push(batch);
            for at in [Some(at), again].into_iter().flatten().filter(|_| !lost) {
                let batches = vec![place];
                self.push(at, Event::Deliver { batches, tries: 0 });
            }
        }
    }

    /// Together with what else a shard of Kinesis has by now.
    fn gather(&mut self, batches: &mut Vec<usize>) {
        let until = clock::millis() + 3_000;
        while batches.len() < 20 {
            let next = self.events.range(..(until, 0)).find_map(|(key, event)| {
                let fits = matches!(event, Event::Deliver { tries: 0, batches: more }
                    if !batches.contains(&more[0]));
                fits.then_some(*key)
            });
            let Some(Event::Deliver { batches: more, .. }) =
                next.and_then(|key| self.events.remove(&key))
            else {
                break;
            };
            batches.extend(more);
        }
    }

    fn payloads(&self, batches: &[usize]) -> Payloads<'static> {
        let kind = match self.setup.kinesis {
            true => Kind::Kinesis,
            false => Kind::Subscription,
        };
        let items = batches.iter().map(|place| {
            let batch = &self.batches[*place];
            delivery(*place, batch.node, &batch.lines)
        });
        Payloads {
            kind,
            items: items.collect(),
        }
    }

    /// An invocation with `batches` has ended: `None` when it was cut off.
    fn ended(
        &mut self,
        call: &Call,
        batches: Vec<usize>,
        tries: u32,
        result: Option<Result<(), HandlerError>>,
    ) {
        let now = clock::millis();
        self.busy -= 1;
        match result {
            Some(Ok(())) => {
                call.done.store(true, Ordering::Relaxed);
                for place in batches {
                    self.batches[place].done.push(now);
                }
                return;
            }
            Some(Err(error)) => {
                self.failed += 1;
                assert!(
                    tries < 50,
                    "never handled: {} {}",
                    error.name(),
                    error.summary()
                );
            }
            None => self.cut += 1,
        }
        let at = now + RETRY + self.random.i64(0..RETRY);
        let tries = tries + 1;
        self.push(at, Event::Deliver { batches, tries });
    }
}

/// A batch of the stream of `node`, as it is delivered.
pub(super) fn delivery(number: usize, node: usize, lines: &[(i64, String)]) -> Delivery<'static> {
    let events: Vec<_> = (lines.iter().enumerate())
        .map(|(line, (at, text))| {
            json!({"id": format!("{number}-{line}"), "timestamp": at, "message": text})
        })
        .collect();
    let message = json!({
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/ssm/agent",
        "logStream": name(node),
        "subscriptionFilters": [],
        "logEvents": events,
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    write!(gzip, "{message}").expect("a Vec takes every byte");
    let gzip = gzip.finish().expect("a Vec takes every byte");
    Delivery {
        sequence_number: Some(number.to_string()),
        payload: Payload::Base64(Cow::Owned(STANDARD.encode(gzip))),
    }
}

/// Lets a free environment handle `batches`.
fn deliver(run: &Rc<RefCell<Run>>, mut batches: Vec<usize>, tries: u32) {
    let now = clock::millis();
    let invocation;
    let payloads;
    let (store, services, call, cut_at);
    {
        let mut this = run.borrow_mut();
        if this.busy == this.setup.environments {
            this.push(now + 100, Event::Deliver { batches, tries });
            return;
        }
        if this.setup.kinesis {
            this.gather(&mut batches);
        }
        this.busy += 1;
        this.calls += 1;
        for place in &batches {
            this.batches[*place].begun.push(now);
        }
        payloads = this.payloads(&batches);
        call = Arc::new(Call {
            began: now,
            trouble: AtomicBool::new(false),
            done: AtomicBool::new(false),
        });
        store = match this.setup.memory {
            true => SimStore::Memory(Arc::clone(&this.memory)),
            false => SimStore::Table(Arc::clone(&this.table), Arc::clone(&call)),
        };
        services = Arc::new(SimServices {
            aws: Arc::clone(&this.aws),
            call: Arc::clone(&call),
        });
        let is_cut = this.random.u32(..1_000) < this.setup.crashes;
        let polls = this.random.u32(1..50);
        cut_at = is_cut.then_some(polls);
        invocation = invocation_of(this.random.u64(..));
    }
    let run = Rc::clone(run);
    tokio::task::spawn_local(async move {
        let handled = handle(&invocation, payloads, &services, &store);
        let result = cut_off(handled, cut_at, now + TIMEOUT).await;
        drop((services, store));
        run.borrow_mut().ended(&call, batches, tries, result);
    });
}

/// As [`Handler`](super::super::Handler) does with its event.
pub(super) async fn handle(
    invocation: &Invocation<fn() -> Timestamp>,
    payloads: Payloads<'static>,
    services: &Arc<SimServices>,
    store: &SimStore,
) -> Result<(), HandlerError> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(Engine::default);
    let around = DecodeContext {
        max_decoded_bytes: 1 << 20,
        own_account: invocation.home.account.clone(),
        own_region: invocation.home.region.clone(),
        own_log_group: None,
    };
    let intake = intake::read(engine, store, &payloads, &around, invocation.now).await?;
    assert!(intake.failed.is_empty(), "every payload can be read");
    let kind = payloads.kind;
    invocation.settle(intake, kind, services, store).await?;
    Ok(())
}

/// One that begins now.
pub(super) fn invocation_of(me: u64) -> Invocation<fn() -> Timestamp> {
    let account = AccountId::parse(ACCOUNT);
    let region = Region::parse(REGION).expect("a Region");
    let (now, began) = (clock::now(), Instant::now());
    // By the clock of the machine: never used up.
    let last = began + Duration::from_secs(24 * 60 * 60);
    let own = Home {
        account: account.clone(),
        region: Some(region.clone()),
    };
    Invocation {
        home: own.clone(),
        own,
        has_member_role: false,
        guardrails: Guardrails {
            mode: RepairMode::Repair,
            calendars: Vec::new(),
            requested: false,
            actions: REPAIRS.iter().map(|repair| repair.name).collect(),
            tag_value: "allow".to_owned(),
            max_repairs: MAX_REPAIRS,
            max_evidence_age: Duration::from_secs(24 * 60 * 60),
            account,
            region,
            function: None,
        },
        metrics: Metrics::default(),
        budget: Budget {
            checks: last,
            repairs: began + Duration::from_secs(45),
            last_message: last,
            messages: last,
            all: last,
        },
        now,
        clock: clock::now as fn() -> Timestamp,
        began,
        ends_at: clock::timestamp(clock::millis() + TIMEOUT),
        me,
        without_state: None,
        reminder: REMINDER,
        min_severity: Severity::Medium,
    }
}

/// The output of `handled`, unless it is cut off: where it waits for the time number
/// `cut_at`, or when its time is over.
pub(super) async fn cut_off<F: Future>(
    handled: F,
    cut_at: Option<u32>,
    deadline: i64,
) -> Option<F::Output> {
    let mut left = cut_at;
    let mut handled: Option<Pin<Box<F>>> = Some(Box::pin(handled));
    let cut = std::future::poll_fn(|context| {
        if left == Some(0) || clock::millis() >= deadline {
            handled = None;
        }
        left = left.map(|left| left.saturating_sub(1));
        match handled.as_mut() {
            Some(handled) => handled.as_mut().poll(context).map(Some),
            None => Poll::Ready(None),
        }
    });
    pin!(cut).await
}
