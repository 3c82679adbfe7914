//! What happens to the fleet by the script of a seed, what its agents log, and how
//! that is cut into batches and arrives.

use std::collections::BTreeMap;

use super::clock::{START, timestamp};
use super::run::Batch;
use super::table::Faults;
use super::world::{Fault, Kind, World, name};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// How long the script goes on.
const SPAN: i64 = 7 * DAY;

/// What is simulated. What may go wrong is given of a thousand.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub seed: u64,
    pub nodes: usize,
    /// So many invocations at once.
    pub environments: usize,
    /// The state is the memory of the one environment, in place of a table.
    pub memory: bool,
    /// Batches arrive by Kinesis, several at once.
    pub kinesis: bool,
    /// Invocations that are cut off.
    pub crashes: u32,
    /// Messages that the topic does not take.
    pub refused: u32,
    /// Answers to writes that are lost.
    pub lost_answers: u32,
    pub table: Faults,
    /// Of the batches.
    pub late: u32,
    pub doubled: u32,
    pub permuted: u32,
    pub lost: u32,
    pub split: u32,
}

impl Setup {
    /// By the seed: each kind of trouble is there in some seeds.
    pub(super) fn of(seed: u64, nodes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let mut some = |most: u32| match random.u8(..3) {
            0 => 0,
            _ => random.u32(..=most),
        };
        let memory = seed % 8 == 7;
        let unless = |of: u32| if memory { 0 } else { of };
        let environments = [1, 2, 3, 5, 8, 16, 16, 1][usize::try_from(seed % 8).expect("small")];
        Self {
            seed,
            nodes,
            environments,
            memory,
            kinesis: seed % 4 == 2,
            // What is cut off with its memory has no memory.
            crashes: unless(some(60)),
            refused: some(40),
            lost_answers: some(300),
            table: Faults {
                refused: some(10),
                lost: some(10),
                throttling: some(3) == 1,
            },
            late: some(30),
            doubled: some(50),
            permuted: some(30),
            lost: some(15),
            split: some(150),
        }
    }

    /// Nothing goes wrong but what the fleet itself does.
    pub(super) fn calm(seed: u64, nodes: usize, environments: usize) -> Self {
        Self {
            seed,
            nodes,
            environments,
            memory: false,
            kinesis: false,
            crashes: 0,
            refused: 0,
            lost_answers: 0,
            table: Faults::default(),
            late: 0,
            doubled: 0,
            permuted: 0,
            lost: 0,
            split: 0,
        }
    }
}

/// One time at which an agent logged.
#[derive(Debug)]
pub(super) struct Tick {
    pub node: usize,
    pub at: i64,
    /// It had its fault, and said so.
    pub broken: bool,
    pub batches: Vec<usize>,
}

/// The agents, and the ways of their logs.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// When each node first wakes.
    pub first: Vec<(i64, usize)>,
    pub ticks: Vec<Tick>,
    /// The attempts since the fault of a node began, while it has it.
    attempts: BTreeMap<usize, u32>,
    /// When the last batch of a node arrives.
    arrives: BTreeMap<usize, i64>,
    boots: BTreeMap<usize, i64>,
}

impl Fleet {
    pub(super) fn new(setup: &Setup, random: &mut fastrand::Rng) -> (Self, World) {
        let mut fleet = Self::default();
        let mut world = World::default();
        let mut nodes: Vec<usize> = (0..setup.nodes).collect();
        random.shuffle(&mut nodes);
        let part = |share: usize| (setup.nodes / share).max(1);
        let mut script = vec![
            (Kind::Role, part(10), 20 * MINUTE, None),
            (Kind::Role, part(30), 20 * MINUTE, None),
            (Kind::Imds, 1, MINUTE, None),
            (Kind::Imds, 1, MINUTE, None),
            (Kind::Imds, part(40), 10 * MINUTE, None),
            (Kind::Proxy, 1, MINUTE, None),
            (Kind::Proxy, 2, 5 * MINUTE, None),
            (Kind::Proxy, part(20), 8 * MINUTE, None),
            (Kind::Endpoint, part(15), 10 * MINUTE, None),
            (Kind::Throttling, part(12), 20 * MINUTE, None),
            (Kind::Proxy, 1, MINUTE, Some(random.i64(20..60) * MINUTE)),
        ];
        if random.bool() {
            let wave = &mut script[9];
            wave.3 = Some(random.i64(60..180) * MINUTE);
        }
        for (kind, count, spread, period) in script {
            if random.u8(..5) == 0 {
                continue;
            }
            let from = START + random.i64(HOUR..SPAN - 2 * DAY);
            let lasts = match (period, random.u8(..3)) {
                (Some(_), _) => random.i64(12 * HOUR..36 * HOUR),
                (None, 0) => random.i64(12 * HOUR..40 * HOUR),
                (None, _) => random.i64(45 * MINUTE..6 * HOUR),
            };
            let place = world.faults.len();
            let hit: Vec<usize> = (0..count).filter_map(|_| nodes.pop()).collect();
            for node in &hit {
                world.faulty.insert(*node, place);
                fleet.first.push((from + random.i64(0..spread), *node));
                if random.bool() {
                    fleet
                        .first
                        .push((from - random.i64(10 * MINUTE..HOUR), *node));
                }
            }
            world.faults.push(Fault {
                kind,
                nodes: hit,
                from,
                until: from + lasts,
                period,
                tagged: random.u8(..4) > 0,
            });
        }
        let storm = START + random.i64(HOUR..SPAN - DAY);
        for (place, node) in nodes.into_iter().enumerate() {
            if place < setup.nodes / 10 {
                let at = storm + random.i64(0..2 * MINUTE);
                fleet.boots.insert(node, at);
                fleet.first.push((at, node));
            }
            fleet.first.push((START + random.i64(0..SPAN), node));
        }
        (fleet, world)
    }

    /// All nodes at once lose their role, for ten minutes.
    pub(super) fn storm(setup: &Setup, _random: &mut fastrand::Rng) -> (Self, World) {
        let from = START + HOUR;
        let nodes: Vec<usize> = (0..setup.nodes).collect();
        let fleet = Self {
            first: nodes.iter().map(|node| (from, *node)).collect(),
            ..Self::default()
        };
        let world = World {
            faulty: nodes.iter().map(|node| (*node, 0)).collect(),
            faults: vec![Fault {
                kind: Kind::Role,
                nodes,
                from,
                until: from + 10 * MINUTE,
                period: None,
                tagged: false,
            }],
            ..World::default()
        };
        (fleet, world)
    }

    /// What the agent of `node` logs at `at`, and when it tries again.
    pub(super) fn tick(
        &mut self,
        world: &World,
        node: usize,
        at: i64,
        random: &mut fastrand::Rng,
    ) -> (Vec<(i64, String)>, Option<i64>) {
        let fault = world.faulty.get(&node).map(|place| &world.faults[*place]);
        let period = fault.and_then(|fault| fault.period);
        let broken = world.is_broken(node, at);
        let attempts = self.attempts.get(&node).copied();
        let next = match (broken, period) {
            (true, None) => Some(World::wait(attempts.unwrap_or_default())),
            (_, Some(_)) if fault.is_some_and(|fault| fault.from <= at && at < fault.until) => {
                Some(5 * MINUTE)
            }
            (true, Some(_)) | (false, _) => None,
        };
        let next = next.map(|wait| at + wait + random.i64(0..wait / 5));
        let booting = self.boots.get(&node) == Some(&at);
        let well = attempts.is_some() || fault.is_none_or(|fault| fault.from > at);
        if !broken && !well && !booting {
            return (Vec::new(), next);
        }
        match broken {
            true => *self.attempts.entry(node).or_default() += 1,
            false => {
                self.attempts.remove(&node);
            }
        }
        self.ticks.push(Tick {
            node,
            at,
            broken,
            batches: Vec::new(),
        });
        let records = match booting {
            true => boot(node, at),
            false => world.log(node, at),
        };
        let lines = records.iter().flat_map(|record| record.lines());
        (lines.map(|line| (at, line.to_owned())).collect(), next)
    }

    /// The batches of the lines of a tick: when each arrives, and when once more.
    pub(super) fn cut(
        &mut self,
        setup: &Setup,
        node: usize,
        mut lines: Vec<(i64, String)>,
        random: &mut fastrand::Rng,
    ) -> Vec<(i64, Batch, Option<i64>)> {
        let mut batches = Vec::new();
        let now = lines.first().map_or(START, |(at, _)| *at);
        while !lines.is_empty() {
            let rest = match random.u32(..1_000) < setup.split && lines.len() > 1 {
                true => lines.split_off(random.usize(1..lines.len())),
                false => Vec::new(),
            };
            let mut at = now + random.i64(SECOND..20 * SECOND);
            if random.u32(..1_000) < setup.late {
                at += match random.bool() {
                    true => random.i64(MINUTE..HOUR),
                    false => random.i64(HOUR..DAY),
                };
            }
            let before = self.arrives.entry(node).or_insert(at);
            if random.u32(..1_000) >= setup.permuted {
                at = at.max(*before);
                *before = at + 1;
            }
            let again = (random.u32(..1_000) < setup.doubled)
                .then(|| at + [10 * SECOND, HOUR, DAY][random.usize(..3)]);
            let batch = Batch {
                node,
                lines: std::mem::replace(&mut lines, rest),
                lost: random.u32(..1_000) < setup.lost,
                begun: Vec::new(),
                done: Vec::new(),
            };
            batches.push((at, batch, again));
        }
        batches
    }
}

/// What a healthy agent logs when it starts, as the laboratory has it.
fn boot(node: usize, at: i64) -> Vec<String> {
    const LOG: &str = include_str!("../fixtures/lab/agent/s1_healthy.log");
    let mut number = 0;
    let mut lines = Vec::new();
    for line in LOG.lines() {
        let line = line.replace("i-0123456789abcdef0", &name(node));
        let line = match line.strip_prefix("2026-11-23 ") {
            Some(rest) => {
                number += 1;
                let at = at + number * 25;
                let second = timestamp(at).strftime("%Y-%m-%d %H:%M:%S");
                let (_, text) = rest.split_once(' ').expect("a time, then its text");
                format!("{second}.{:03}0 {text}", at.rem_euclid(SECOND))
            }
            None => line,
        };
        let is_up = line.contains("Set up control channel successfully");
        lines.push(line);
        if is_up {
            break;
        }
    }
    lines
}
