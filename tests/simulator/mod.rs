//! A fleet over a week in virtual time, played from a seed: faults come and go, agents
//! log them, batches arrive late, doubled, permuted, lost and split, up to sixteen
//! execution environments handle them side by side over one table that throttles,
//! answers late and loses answers, and some invocations are cut off where they wait.
//! What runs is the function itself, from [`intake`](super::intake) to the marking of
//! its messages; AWS alone is played.
//!
//! The same seed plays the same week. `SEEDS=3..4 cargo test --lib simulator::weeks`
//! plays one, `SEEDS=1000` the first thousand, `NODES=10000` larger fleets.

// What a test prints is shown when it fails.
#![allow(clippy::print_stdout)]

mod clock;
mod crash;
mod fleet;
mod growth;
mod run;
mod services;
mod table;
mod verdict;
mod world;

use std::collections::BTreeSet;
use std::env;
use std::ops::Range;

use fleet::{Fleet, Setup};

use crate::notify::kind::NotificationKind;

/// Seeds and nodes of a fleet where nothing else is asked for.
const SEEDS: Range<u64> = 0..4;
const NODES: usize = 100;

fn seeds() -> Range<u64> {
    let Ok(asked) = env::var("SEEDS") else {
        return SEEDS;
    };
    let number = |text: &str| text.parse().expect("SEEDS is a number, or two as in 3..5");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&asked),
    }
}

fn nodes(unless_asked: usize) -> usize {
    env::var("NODES").map_or(unless_asked, |nodes| nodes.parse().expect("a number"))
}

#[test]
fn weeks_of_a_fleet_are_notified_as_promised() {
    let nodes = nodes(NODES);
    let mut broken = Vec::new();
    for seed in seeds() {
        let setup = Setup::of(seed, nodes);
        let outcome = run::run(setup.clone(), Fleet::new);
        let sent = outcome.sent.iter();
        let incidents: BTreeSet<&str> = sent.clone().map(|one| one.key.as_str()).collect();
        let reminders = sent.filter(|one| one.kind == NotificationKind::Reminder);
        println!(
            "seed {seed}: {} batches in {} invocations, {} cut off, {} failed, {} operations, {} conflicts, {} messages of {} incidents with {} reminders, {} writes",
            outcome.batches.len(),
            outcome.calls,
            outcome.cut,
            outcome.failed,
            outcome.table.operations,
            outcome.table.conflicts,
            outcome.sent.len(),
            incidents.len(),
            reminders.count(),
            outcome.written.len(),
        );
        let complaints = verdict::complaints(&outcome);
        if !complaints.is_empty() {
            println!("{setup:?}\n{}", complaints.join("\n"));
            broken.push(seed);
        }
    }
    assert!(
        broken.is_empty(),
        "promises broken in the seeds {broken:?}: play one with SEEDS={}..{} NODES={nodes}",
        broken[0],
        broken[0] + 1,
    );
}
