//! The control channel after a good start: a loss that does not reopen is told
//! by no error, only by the same status line again and again.

use jiff::{SignedDuration, Timestamp};

use crate::incident::finding::Evidence;

/// A reopened socket shows within seconds; after this long without one the
/// channel is down.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    lost: Option<Loss>,
    opened: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    pub first: Timestamp,
    pub last: Timestamp,
    /// Reconnect attempts that ended without an open socket.
    pub attempts: u64,
    pub evidence: Vec<Evidence>,
    pub signature: String,
    pub batch: u64,
}

impl Channel {
    pub fn opened(&mut self, at: Timestamp) {
        self.lost = None;
        self.opened = Some(at);
    }

    pub fn lost(&mut self, evidence: Evidence, signature: &str, batch: u64) {
        let at = evidence.at;
        if self.opened.is_some_and(|opened| opened > at) {
            return;
        }
        let loss = self.lost.get_or_insert_with(|| Loss {
            first: at,
            last: at,
            attempts: 0,
            evidence: vec![evidence],
            signature: signature.to_owned(),
            batch,
        });
        loss.last = loss.last.max(at);
        loss.batch = batch;
    }

    pub fn status(&mut self, evidence: Evidence, batch: u64) {
        if let Some(loss) = &mut self.lost {
            loss.attempts += 1;
            loss.last = loss.last.max(evidence.at);
            loss.batch = batch;
            loss.evidence.truncate(1);
            loss.evidence.push(evidence);
        }
    }

    /// A record of `at` that the loss rests on was delivered again.
    pub fn freshen(&mut self, at: Timestamp, batch: u64) {
        if let Some(loss) = &mut self.lost
            && loss.first <= at
            && at <= loss.last
        {
            loss.batch = batch;
        }
    }

    /// Whether the channel was seen open and not lost since.
    pub fn is_open(&self) -> bool {
        self.opened.is_some() && self.lost.is_none()
    }

    /// The loss, once it is an outage and no reconnect.
    pub fn outage(&self, latest: Timestamp) -> Option<&Loss> {
        self.lost
            .as_ref()
            .filter(|loss| loss.attempts >= 2 || latest.duration_since(loss.first) >= PATIENCE)
    }
}
