//! An invocation cut off at each place at which it waits, one after another: its batch
//! is delivered again, to another environment.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::task::{LocalSet, yield_now};

use super::clock;
use super::run::{Call, TIMEOUT, cut_off, delivery, handle, invocation_of};
use super::services::{Aws, SimServices};
use super::table::{Faults, SimStore, Table};
use super::world::{Fault, Kind, World};
use crate::notify::kind::NotificationKind;
use crate::receive::{Kind as Input, Payloads};

const NODE: usize = 7;
const MINUTE: i64 = 60_000;

/// A node whose fault this function may repair, and a table.
struct Play {
    aws: Arc<Mutex<Aws>>,
    table: Arc<Mutex<Table>>,
    invocations: u64,
}

impl Play {
    fn new(kind: Kind, seed: u64) -> Self {
        clock::reset();
        let fault = Fault {
            kind,
            nodes: vec![NODE],
            from: clock::START,
            until: i64::MAX,
            period: None,
            tagged: true,
        };
        let world = World {
            faults: vec![fault],
            faulty: [(NODE, 0)].into(),
            ..World::default()
        };
        Self {
            aws: Arc::new(Mutex::new(Aws::new(seed, world))),
            table: Arc::new(Mutex::new(Table::new(seed, Faults::default()))),
            invocations: 0,
        }
    }

    /// What the agent has logged at each of `moments`, as it was then.
    fn log(&self, moments: &[i64]) -> Vec<(i64, String)> {
        let aws = self.aws.lock().expect("nobody panicked with it");
        let records = moments.iter().flat_map(|at| {
            let records = aws.world.log(NODE, *at);
            records.into_iter().map(|record| (*at, record))
        });
        records.collect()
    }

    /// Handles a batch, unless it is cut off. Answers whether it was.
    fn invoke(&mut self, lines: &[(i64, String)], cut_at: Option<u32>) -> bool {
        self.invocations += 1;
        let call = Arc::new(Call {
            began: clock::millis(),
            trouble: AtomicBool::new(false),
            done: AtomicBool::new(false),
        });
        let store = SimStore::Table(Arc::clone(&self.table), Arc::clone(&call));
        let services = Arc::new(SimServices {
            aws: Arc::clone(&self.aws),
            call,
        });
        let invocation = invocation_of(self.invocations);
        let payloads = Payloads {
            kind: Input::Subscription,
            items: vec![delivery(0, NODE, lines)],
        };
        let deadline = clock::millis() + TIMEOUT;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let result = LocalSet::new().block_on(&runtime, async {
            let handled = tokio::task::spawn_local(async move {
                let handled = handle(&invocation, payloads, &services, &store);
                cut_off(handled, cut_at, deadline).await
            });
            while !handled.is_finished() {
                for _ in 0..4 {
                    yield_now().await;
                }
                clock::wake_next();
            }
            handled.await.expect("it does not panic")
        });
        let was_cut = result.is_none();
        if let Some(result) = result {
            result.expect("nothing else goes wrong");
        }
        was_cut
    }

    /// Handles the second batch from `after` milliseconds after the first on, side by
    /// side.
    fn race(&mut self, first: &[(i64, String)], second: &[(i64, String)], after: u64) {
        let mut start = |lines: &[(i64, String)], after: u64| {
            self.invocations += 1;
            let call = Arc::new(Call {
                began: clock::millis(),
                trouble: AtomicBool::new(false),
                done: AtomicBool::new(false),
            });
            let store = SimStore::Table(Arc::clone(&self.table), Arc::clone(&call));
            let aws = Arc::clone(&self.aws);
            let services = Arc::new(SimServices { aws, call });
            let me = self.invocations;
            let payloads = Payloads {
                kind: Input::Subscription,
                items: vec![delivery(0, NODE, lines)],
            };
            async move {
                clock::pause(after).await;
                let invocation = invocation_of(me);
                handle(&invocation, payloads, &services, &store).await
            }
        };
        let both = [start(first, 0), start(second, after)];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let both = both.map(tokio::task::spawn_local);
            while !both.iter().all(|one| one.is_finished()) {
                for _ in 0..4 {
                    yield_now().await;
                }
                clock::wake_next();
            }
            for one in both {
                let handled = one.await.expect("it does not panic");
                handled.expect("nothing else goes wrong");
            }
        });
    }

    fn count(&self, which: impl Fn(NotificationKind, bool) -> bool) -> usize {
        let aws = self.aws.lock().expect("nobody panicked with it");
        let sent = aws.sent.iter();
        sent.filter(|sent| which(sent.kind, sent.is_end)).count()
    }

    fn story(&self) -> String {
        let aws = self.aws.lock().expect("nobody panicked with it");
        let sent = aws.sent.iter();
        let sent = sent.map(|sent| format!("{} {} {}", sent.key, sent.kind, sent.changed));
        sent.collect::<Vec<_>>().join("; ")
    }

    fn writes(&self) -> usize {
        self.aws
            .lock()
            .expect("nobody panicked with it")
            .written
            .len()
    }
}

/// Plays the story with a cut at each place, until there is none any more.
fn at_every_await(mut story: impl FnMut(Option<u32>) -> bool) {
    let mut places = 0;
    while story(Some(places)) {
        places += 1;
        assert!(places < 1_000, "it never ends");
    }
    println!("{places} places");
    assert!(places > 10, "it was cut off at {places} places only");
}

#[test]
fn an_opening_with_its_repair_survives_a_cut_at_every_await() {
    for kind in [Kind::Role, Kind::Imds] {
        at_every_await(|cut_at| {
            let mut play = Play::new(kind, 1);
            clock::advance(clock::START + 11 * MINUTE);
            let now = clock::millis();
            let lines = play.log(&[now - 10 * MINUTE, now - 5 * MINUTE]);
            let was_cut = play.invoke(&lines, cut_at);
            for _ in 0..2 {
                clock::advance(clock::millis() + 2 * MINUTE);
                play.invoke(&lines, None);
            }
            let sent = play.count(|_, is_end| !is_end);
            let most = if was_cut { 2 } else { 1 };
            assert!(
                (1..=most).contains(&sent),
                "{kind:?} at {cut_at:?}, cut {was_cut}: {}",
                play.story()
            );
            assert!(play.writes() <= 1, "{kind:?} at {cut_at:?}: written twice");
            if cut_at.is_none() || !was_cut {
                assert_eq!(play.writes(), 1, "{kind:?} at {cut_at:?}");
            }
            was_cut
        });
    }
}

#[test]
fn a_resolution_survives_a_cut_at_every_await() {
    for kind in [Kind::Role, Kind::Imds, Kind::Proxy, Kind::Throttling] {
        at_every_await(|cut_at| {
            let mut play = Play::new(kind, 1);
            clock::advance(clock::START + 11 * MINUTE);
            let now = clock::millis();
            let lines = play.log(&[now - 10 * MINUTE, now - 5 * MINUTE]);
            play.invoke(&lines, None);
            let opened = play.count(|_, is_end| !is_end);
            assert_eq!(opened, 1, "{kind:?}");
            clock::advance(now + 20 * MINUTE);
            play.aws
                .lock()
                .expect("nobody panicked with it")
                .world
                .faults[0]
                .until = now + 10 * MINUTE;
            let lines = play.log(&[now + 19 * MINUTE]);
            let was_cut = play.invoke(&lines, cut_at);
            for _ in 0..2 {
                clock::advance(clock::millis() + 2 * MINUTE);
                play.invoke(&lines, None);
            }
            let ended = play.count(|_, is_end| is_end);
            let most = if was_cut { 2 } else { 1 };
            assert!(
                (1..=most).contains(&ended),
                "{kind:?} at {cut_at:?}, cut {was_cut}: {}",
                play.story()
            );
            assert_eq!(play.count(|_, is_end| !is_end), 1, "{kind:?} at {cut_at:?}");
            was_cut
        });
    }
}

#[test]
fn a_recovery_that_is_handled_beside_its_opening_ends_it() {
    let mut both = 0;
    for after in (0..6_000).step_by(20) {
        let mut play = Play::new(Kind::Proxy, after);
        clock::advance(clock::START + 11 * MINUTE);
        let now = clock::millis();
        let opening = play.log(&[now - 10 * MINUTE, now - 5 * MINUTE]);
        play.aws
            .lock()
            .expect("nobody panicked with it")
            .world
            .faults[0]
            .until = now - 4 * MINUTE;
        let recovery = play.log(&[now - 2_000]);
        play.race(&opening, &recovery, after);
        let (opened, ended) = (
            play.count(|_, is_end| !is_end),
            play.count(|_, is_end| is_end),
        );
        assert!(opened <= 1, "after {after} ms: {}", play.story());
        assert_eq!(opened, ended, "after {after} ms: {}", play.story());
        both += ended;
    }
    assert!(both > 50, "it was opened {both} times only");
}
