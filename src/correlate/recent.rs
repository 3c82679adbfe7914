//! Which records were taken in before: errors.log, journald and redelivery bring copies.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::record::NormalizedRecord;

const MOST: usize = 256;

/// Whether a record was taken in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    No,
    FromThisBatch,
    FromEarlier,
}

/// The records taken in last, as a ring.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recent {
    /// A hash of each, with the batch that last brought it.
    hashes: Vec<(u64, u64)>,
    /// A byte of each hash: most records are new, which a search for a byte shows
    /// at once.
    bytes: Vec<u8>,
    /// Where the oldest stands, once the ring is full.
    oldest: usize,
}

impl Recent {
    /// Takes in a record of `batch`. One without a stamp has no copies.
    pub(super) fn take(&mut self, record: &NormalizedRecord<'_, '_>, batch: u64) -> Known {
        let Some(stamp) = &record.stamp else {
            return Known::No;
        };
        let mut hasher = DefaultHasher::new();
        (stamp, record.level as u8, record.flat()).hash(&mut hasher);
        let hash = hasher.finish();
        let byte = hash as u8;
        let mut alike = memchr::memchr_iter(byte, &self.bytes);
        if let Some(at) = alike.find(|at| self.hashes[*at].0 == hash) {
            return if std::mem::replace(&mut self.hashes[at].1, batch) == batch {
                Known::FromThisBatch
            } else {
                Known::FromEarlier
            };
        }
        if self.hashes.len() < MOST {
            self.hashes.push((hash, batch));
            self.bytes.push(byte);
        } else {
            self.hashes[self.oldest] = (hash, batch);
            self.bytes[self.oldest] = byte;
            self.oldest = (self.oldest + 1) % MOST;
        }
        Known::No
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<(u64, u64)>() + self.bytes.capacity()
    }
}
