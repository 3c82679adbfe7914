//! What is counted over all worlds.

#![allow(clippy::print_stdout, reason = "libtest captures it")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::faults::Counts;
use crate::support::lambda::Ended;

/// No execution environment, built for debugging, takes more.
const MOST_MEMORY: usize = 200 * 1024 * 1024;

pub(super) struct Figures {
    seed: u64,
    /// So many invocations there are to be at least.
    wanted: usize,
    began: Instant,
    worlds: AtomicU64,
    invocations: AtomicUsize,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    counts: BTreeMap<String, usize>,
    faults: Counts,
    peak_memory: usize,
    violations: Vec<String>,
}

impl Figures {
    pub(super) fn new(seed: u64, wanted: usize) -> Self {
        Self {
            seed,
            wanted,
            began: Instant::now(),
            worlds: AtomicU64::new(0),
            invocations: AtomicUsize::new(0),
            counted: Mutex::default(),
        }
    }

    /// The number of the next world, while there is to be another one.
    pub(super) fn next_world(&self) -> Option<u64> {
        (self.invocations.load(Ordering::Relaxed) < self.wanted)
            .then(|| self.worlds.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts an invocation that had `time`, and how it ended.
    pub(super) fn invoked(&self, time: Duration, ended: &Ended) {
        let long = time >= Duration::from_secs(2);
        let failed;
        self.count(match (ended, long) {
            (Ended::Answer(_), _) => "answered",
            (Ended::Error(failure), _) => {
                failed = format!("failed with {}", failure.error_type);
                &failed
            }
            (Ended::Killed, false) => "killed at a deadline below 2 s",
            (Ended::Killed, true) => "killed at a deadline of 2 s and more",
            (Ended::Exited, _) => "cut off by a SIGTERM",
        });
        let done = 1 + self.invocations.fetch_add(1, Ordering::Relaxed);
        if done.is_multiple_of(500) {
            let seconds = self.began.elapsed().as_secs();
            println!("{done} invocations after {seconds} s");
        }
    }

    pub(super) fn count(&self, name: &str) {
        self.add(name, 1);
    }

    pub(super) fn add(&self, name: &str, count: usize) {
        let mut counted = self.counted.lock().expect("no holder panics");
        *counted.counts.entry(name.to_owned()).or_default() += count;
    }

    /// Adds the faults of one way, and its requests.
    pub(super) fn happened(&self, (faults, requests): (Counts, usize)) {
        self.add("requests", requests);
        let mut counted = self.counted.lock().expect("no holder panics");
        for (name, count) in faults {
            *counted.faults.entry(name).or_default() += count;
        }
    }

    pub(super) fn memory(&self, peak: usize) {
        let mut counted = self.counted.lock().expect("no holder panics");
        counted.peak_memory = counted.peak_memory.max(peak);
    }

    /// Takes note of a promise that was not kept.
    pub(super) fn violated(&self, what: String) {
        println!("NOT KEPT: {what}");
        let mut counted = self.counted.lock().expect("no holder panics");
        counted.violations.push(what);
    }

    /// Prints the figures, and ends the test by what they say.
    pub(super) fn end(&self) {
        let counted = self.counted.lock().expect("no holder panics");
        println!("seed {}", self.seed);
        println!("{:6} worlds", self.worlds.load(Ordering::Relaxed));
        println!("{:6} invocations", self.invocations.load(Ordering::Relaxed));
        for (name, count) in &counted.counts {
            println!("{count:6} {name}");
        }
        println!("faults:");
        for (name, count) in &counted.faults {
            println!("{count:6} {name}");
        }
        println!("{:6} KiB resident at most", counted.peak_memory / 1024);
        println!("{:6} s", self.began.elapsed().as_secs());
        let violations = &counted.violations;
        assert!(violations.is_empty(), "seed {}: {violations:#?}", self.seed);
        assert!(counted.peak_memory < MOST_MEMORY);
        let happened = |name| counted.counts.get(name).is_some_and(|count| *count > 0);
        for name in ["answered", "messages", "writes"] {
            assert!(happened(name), "nothing was {name}: the test shows nothing");
        }
    }
}
