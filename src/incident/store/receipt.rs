//! What is left of a notified incident that had to be forgotten: enough that a
//! retry of the same evidence does not notify of it twice.

use std::collections::{BTreeMap, VecDeque};

use super::entry::{Entry, LastNotified};
use crate::incident::group::Incident;
use crate::text::digest;

/// How many receipts are kept: more than incidents fit into one Kinesis event.
const MOST: usize = 20_000;

/// Receipts by a digest of the incident's key, the oldest going first.
#[derive(Debug, Clone, Default)]
pub(super) struct Receipts {
    receipts: BTreeMap<u128, LastNotified>,
    order: VecDeque<u128>,
}

impl Receipts {
    /// Keeps the receipt of an entry that is forgotten, if anybody was notified.
    pub(super) fn keep(&mut self, key: &str, entry: &Entry) {
        let Some(notified) = entry.notified() else {
            return;
        };
        if self.receipts.insert(digest(key), notified).is_none() {
            self.order.push_back(digest(key));
        }
        while self.receipts.len() > MOST {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.receipts.remove(&oldest);
        }
    }

    /// Takes out what the reader knows of an incident that comes again. Newer
    /// evidence is none of what was notified: it opens the incident anew.
    pub(super) fn take(&mut self, key: &str, incident: &Incident) -> Option<LastNotified> {
        let digest = digest(key);
        let notified = self.receipts.remove(&digest)?;
        self.order.retain(|other| *other != digest);
        (incident.last <= notified.evidence).then_some(notified)
    }
}
