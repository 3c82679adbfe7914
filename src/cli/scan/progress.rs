//! A sign of life on long input.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Tells on a terminal's standard error how many records were read.
pub(super) struct Progress {
    records: u64,
    next: Option<Instant>,
    shown: bool,
}

const EVERY: Duration = Duration::from_secs(1);

/// Looking at the clock for each record would cost more than reading it.
const STRIDE: u64 = 4096;

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            records: 0,
            next: io::stderr().is_terminal().then(|| Instant::now() + EVERY),
            shown: false,
        }
    }

    /// One more record was read.
    pub(super) fn step(&mut self) {
        self.records += 1;
        if !self.records.is_multiple_of(STRIDE) {
            return;
        }
        if let Some(next) = self.next
            && Instant::now() >= next
        {
            self.next = Some(Instant::now() + EVERY);
            self.shown = true;
            // Nothing depends on whether it is seen.
            let _ = write!(io::stderr(), "\r{} records read …", self.records);
        }
    }

    /// Takes the sign away.
    pub(super) fn finish(self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
