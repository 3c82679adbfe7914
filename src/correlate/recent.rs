//! Which records were taken in before: errors.log, journald and redelivery bring copies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::record::NormalizedRecord;

const MOST: usize = 256;

/// Bits that are kept of a hash: among so few records more tell no better.
const HASH: u64 = (1 << 47) - 1;

/// Whether a record was taken in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    No,
    FromThisBatch,
    FromEarlier,
}

/// The records taken in last, as a ring.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Packed", try_from = "Packed")]
pub(super) struct Recent {
    /// A hash of each, with the batch that last brought it.
    hashes: Vec<(u64, u64)>,
    /// A byte of each hash: most records are new, which a search for a byte shows
    /// at once.
    bytes: Vec<u8>,
    /// Where the oldest stands, once the ring is full.
    oldest: usize,
}

/// The ring as it is written: the last batch, and six bytes of each record, the
/// oldest first, whose highest bit says that this batch brought it.
#[derive(Serialize, Deserialize)]
struct Packed(u64, String);

impl Recent {
    /// Takes in a record of `batch`. One without a stamp has no copies.
    pub(super) fn take(&mut self, record: &NormalizedRecord<'_, '_>, batch: u64) -> Known {
        let Some(stamp) = &record.stamp else {
            return Known::No;
        };
        let seed = mix(record.level as u64, stamp.as_bytes());
        let hash = mix(seed, record.flat().as_bytes()) & HASH;
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

    /// Ends `batch`: of what is older it makes no difference in which one it came.
    pub(super) fn end_batch(&mut self, batch: u64) {
        self.hashes.rotate_left(self.oldest);
        self.bytes.rotate_left(self.oldest);
        self.oldest = 0;
        for (_, last) in &mut self.hashes {
            *last = if *last == batch { batch } else { 0 };
        }
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<(u64, u64)>() + self.bytes.capacity()
    }
}

impl From<Recent> for Packed {
    fn from(recent: Recent) -> Self {
        let last = recent.hashes.iter().map(|(_, batch)| *batch).max();
        let last = last.unwrap_or_default();
        let mut bytes = Vec::with_capacity(6 * recent.hashes.len());
        for (hash, batch) in recent.hashes {
            let flag = u64::from(batch == last && last != 0) << 47;
            bytes.extend_from_slice(&(hash | flag).to_be_bytes()[2..]);
        }
        Self(last, URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl TryFrom<Packed> for Recent {
    type Error = base64::DecodeError;

    fn try_from(Packed(last, text): Packed) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text)?;
        let (hashes, _) = bytes.as_chunks::<6>();
        let hashes: Vec<(u64, u64)> = (hashes.iter().take(MOST))
            .map(|hash| {
                let bits = hash
                    .iter()
                    .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                (bits & HASH, if bits > HASH { last } else { 0 })
            })
            .collect();
        Ok(Self {
            bytes: hashes.iter().map(|(hash, _)| *hash as u8).collect(),
            hashes,
            oldest: 0,
        })
    }
}

/// A hash of `bytes` that is the same in every process and version: eight of them
/// at a time, multiplied and folded. No secret and no authority rests on it.
fn mix(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: [u8; 8]| {
        let product = u128::from(hash ^ u64::from_le_bytes(word)) * FACTOR;
        (product >> 64) as u64 ^ product as u64
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(seed, |hash, word| fold(hash, *word));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // With the length, so that zeros at the end count.
    fold(
        fold(hash, last),
        (bytes.len() as u64 | 1 << 63).to_le_bytes(),
    )
}
