//! The control channel after a good start: a loss that does not reopen is reported
//! by no error, only by the same status line again and again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::finding::Evidence;
use crate::state::pairs::is_default;

/// A reopened socket shows within seconds; after this long without one the
/// channel is down.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// Two failed attempts that are certain, or eight that may each have opened a
/// socket in a batch that was not seen.
const OUTAGE: usize = 8;
const CERTAIN: usize = 4;

/// Further attempts say nothing more.
const MOST_ATTEMPTS: usize = 16;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Channel {
    #[serde(skip_serializing_if = "is_default")]
    lost: Option<Loss>,
    #[serde(skip_serializing_if = "is_default")]
    opened: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Loss {
    pub first: Timestamp,
    pub last: Timestamp,
    /// When each reconnect attempt ended without an open socket, and whether the
    /// log shows that none opened right before.
    attempts: Vec<(Timestamp, bool)>,
    pub evidence: Vec<Evidence>,
    pub signature: String,
    /// The batch that brought the last record of it.
    pub batch: u64,
    /// The records that this batch brought.
    pub count: u64,
}

impl Channel {
    /// The channel opened: what was lost before that is over.
    pub(super) fn opened(&mut self, at: Timestamp) {
        if self.lost.as_ref().is_none_or(|loss| loss.last <= at) {
            self.lost = None;
        }
        self.opened = self.opened.max(Some(at));
    }

    pub(super) fn lost(&mut self, evidence: Evidence, signature: &str, batch: u64) {
        let at = evidence.at;
        if self.opened.is_some_and(|opened| opened > at) {
            return;
        }
        let loss = self.lost.get_or_insert_with(|| Loss {
            first: at,
            last: at,
            attempts: Vec::new(),
            evidence: vec![evidence],
            signature: signature.to_owned(),
            batch,
            count: 0,
        });
        if loss.first < at {
            // What is lost again was open in between.
            loss.first = at;
            loss.attempts.retain(|(attempt, _)| *attempt > at);
        }
        loss.last = loss.last.max(at);
        loss.count(batch);
    }

    /// An attempt to reconnect ended; `certain` says that the log right before
    /// it is known, so that an opened socket would have been seen.
    pub(super) fn status(&mut self, evidence: Evidence, batch: u64, certain: bool) {
        if let Some(loss) = &mut self.lost
            && loss.first <= evidence.at
        {
            if loss.attempts.len() < MOST_ATTEMPTS {
                loss.attempts.push((evidence.at, certain));
            }
            loss.count(batch);
            if loss.last <= evidence.at {
                loss.last = evidence.at;
                loss.evidence.truncate(1);
                loss.evidence.push(evidence);
            }
        }
    }

    /// A record of `at` that the loss rests on was delivered again.
    pub(super) fn freshen(&mut self, at: Timestamp, batch: u64) {
        if let Some(loss) = &mut self.lost
            && loss.first <= at
            && at <= loss.last
        {
            loss.count(batch);
        }
    }

    /// As if no batch had brought anything of a loss.
    pub(super) fn forget_counts(&mut self) {
        if let Some(loss) = &mut self.lost {
            (loss.batch, loss.count) = (0, 0);
        }
    }

    /// The moments by which it is compared with others.
    pub(super) fn moments(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        let lost = self.lost.iter_mut().flat_map(|loss| {
            let attempts = loss.attempts.iter_mut().map(|(at, _)| at);
            attempts.chain([&mut loss.first, &mut loss.last])
        });
        lost.chain(&mut self.opened)
    }

    /// Whether it was seen lost or open since `begin`.
    pub(super) fn is_of(&self, begin: Timestamp) -> bool {
        let lost = self.lost.as_ref().map(|loss| loss.last);
        lost.max(self.opened).is_some_and(|at| at >= begin)
    }

    /// Nothing is lost.
    pub(super) fn is_quiet(&self) -> bool {
        self.lost.is_none()
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.lost.as_ref().map_or(0, |loss| {
            let evidence: usize = loss.evidence.iter().map(Evidence::bytes).sum();
            evidence
                + loss.signature.capacity()
                + loss.attempts.capacity() * size_of::<(Timestamp, bool)>()
        })
    }

    /// Whether the channel was seen open and not lost since.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some() && self.lost.is_none()
    }

    /// The loss, once it is an outage and no reconnect. Time alone tells so only
    /// where the log is `complete` up to `latest`.
    pub(super) fn outage(&self, latest: Timestamp, complete: bool) -> Option<&Loss> {
        self.lost.as_ref().filter(|loss| {
            let attempts = loss.attempts.iter();
            let weight: usize = attempts
                .map(|(_, certain)| if *certain { CERTAIN } else { 1 })
                .sum();
            weight >= OUTAGE || complete && latest.duration_since(loss.first) >= PATIENCE
        })
    }
}

impl Loss {
    fn count(&mut self, batch: u64) {
        if self.batch < batch {
            self.batch = batch;
            self.count = 0;
        }
        self.count += 1;
    }
}
