//! What outlives an invocation: small items, each with the version that it was
//! last written with.
//!
//! Whoever changes an item reads it, computes the next one, and writes it on
//! condition that the version is still the one that was read. Of two that do so at
//! once one has a [`SaveError::Conflict`], reads again and computes again. So no
//! execution environment overwrites what another has written.
//!
//! [`Memory`] keeps the items in the memory of one execution environment; a DynamoDB
//! table, which all of them share, is behind the same [`Store`].

mod item;
mod memory;
pub mod pairs;
mod slot;

use std::fmt;

use jiff::Timestamp;

pub use item::{Versioned, decode, encode};
pub use memory::Memory;
pub(crate) use slot::{Slot, load};

/// The format of the items that this function writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// No item is larger, in bytes: DynamoDB takes 400 KB, and charges for each
/// kilobyte that is written.
pub const MAX_ITEM_BYTES: usize = 64 * 1024;

/// So long a key may be. DynamoDB takes 2,048 bytes of a partition key.
const MAX_KEY_BYTES: usize = 1024;

/// What an item is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What was carried over of a log stream.
    Stream,
    /// The incidents that a node has joined, and what is known of it in each.
    Node,
    /// An incident.
    Incident,
    /// The incidents of one node each that show the same.
    Group,
    /// The latest repair of a resource.
    Repair,
    /// The repairs of the last hour.
    RepairHour,
    /// How far sweeps have come, and which one is under way.
    Sweep,
    /// Until when the last digest was, and which one is under way.
    Digest,
}

impl Kind {
    /// With which its keys begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Node => "node",
            Self::Incident => "incident",
            Self::Group => "group",
            Self::Repair => "repair",
            Self::RepairHour => "repair-hour",
            Self::Sweep => "sweep",
            Self::Digest => "digest",
        }
    }
}

/// By which an item is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key of the item of this kind and name. A name that is too long for a key
    /// is taken by its digest.
    pub fn new(kind: Kind, name: &str) -> Self {
        let kind = kind.name();
        if kind.len() + 1 + name.len() <= MAX_KEY_BYTES {
            Self(format!("{kind}#{name}"))
        } else {
            Self(format!("{kind}#{:032x}", crate::text::digest(name)))
        }
    }

    /// As the table has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that a table has so.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name of an item of this kind, where the key is of one: what [`Key::new`]
    /// was given, or its digest.
    pub fn name_of(&self, kind: Kind) -> Option<&str> {
        let (own, name) = self.0.split_once('#')?;
        (own == kind.name()).then_some(name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item as it stands in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Counted up with each write; the first one is 1.
    pub version: u64,
    /// The [`FORMAT`] of the body.
    pub format: u32,
    /// As [`encode`] gives it.
    pub body: Vec<u8>,
    /// From when on it counts as absent. A table removes it some days later.
    pub expires_at: Timestamp,
    /// Whether [`Store::open`] finds it: a node in open incidents, an incident that is
    /// remembered, or a sweep that could not look at nodes.
    pub open: bool,
}

/// An item that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// By which it is found.
    pub key: Key,
    /// What is written, with the version that it has then: one more than that
    /// which was read, 1 where there was none.
    pub item: Item,
}

/// How fresh what is read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// It may lack the writes of the last moments, at half the price.
    Eventual,
    /// It has all writes that were answered before.
    Strong,
}

/// Where items are kept.
pub trait Store {
    /// The items of `keys`, in their order; `None` for one that is not there.
    /// What has expired is given still, since its version counts.
    ///
    /// # Errors
    /// When they could not be read, all of them.
    fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> impl Future<Output = Result<Vec<Option<Item>>, StateError>>;

    /// The keys of the items of this kind that are [`Item::open`]. The writes of the last
    /// moments may be lacking, and what has expired may be among them.
    ///
    /// # Errors
    /// When they could not be read, all of them.
    fn open(&self, kind: Kind) -> impl Future<Output = Result<Vec<Key>, StateError>>;

    /// Writes each of `writes`, whose keys differ, by itself and on condition that the version
    /// before its own stands in the store. What became of each, in their order.
    fn save(&self, writes: Vec<Write>) -> impl Future<Output = Vec<Result<(), SaveError>>>;

    /// Waits before the attempt after `conflicts` conflicts in a row, for a time
    /// that differs between environments.
    fn back_off(&self, conflicts: u32) -> impl Future<Output = ()>;
}

/// Why an item was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// Its version is no longer the one that was read.
    #[error("another execution environment has written it meanwhile")]
    Conflict,
    /// It could not be written, or is not known to have been.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why the state could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It will pass: throttled, too slow, a fault of the service.
    #[error("the state could not be reached: {0}")]
    Unavailable(String),
    /// It will not pass by itself: denied, no such table.
    #[error("the state cannot be used: {0}")]
    Unusable(String),
    /// A newer function wrote the item.
    #[error(
        "{key} has the format {format} of a newer version of this function, which reads {FORMAT} and older: update this one"
    )]
    Newer {
        /// The item.
        key: Key,
        /// Its format.
        format: u32,
    },
    /// The item's body cannot be read.
    #[error("{0} cannot be read: its body is damaged; delete the item from the table")]
    Damaged(Key),
    /// The item would be larger than [`MAX_ITEM_BYTES`].
    #[error("{0} would be larger than {MAX_ITEM_BYTES} bytes")]
    TooLarge(Key),
}

impl StateError {
    /// A stable name, for `errorType` and for alarms.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "StateUnavailable",
            Self::Unusable(_) => "StateUnusable",
            Self::Newer { .. } => "StateNewer",
            Self::Damaged(_) => "StateDamaged",
            Self::TooLarge(_) => "StateTooLarge",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
