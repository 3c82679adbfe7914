//! An item that is at hand, and what it was when it was read.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Consistency, Key, StateError, Store, Write, decode, encode};

/// An item of the state that is at hand.
#[derive(Debug, Clone)]
pub(crate) struct Slot<T> {
    /// With which it was read; 0 where there is none.
    pub(crate) version: u64,
    /// As it was read.
    pub(crate) stored: Option<T>,
    pub(crate) value: Option<T>,
    /// It is worth a write.
    pub(crate) dirty: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            version: 0,
            stored: None,
            value: None,
            dirty: false,
        }
    }
}

impl<T: Clone + Serialize> Slot<T> {
    /// The write, when there is one to be made.
    pub(crate) fn write(
        &self,
        key: &Key,
        expires_at: Timestamp,
    ) -> Result<Option<Write>, StateError> {
        if !self.dirty {
            return Ok(None);
        }
        // What is gone leaves an item that has expired.
        let Some(value) = self.value.as_ref().or(self.stored.as_ref()) else {
            return Ok(None);
        };
        let expires_at = match self.value {
            Some(_) => expires_at,
            None => Timestamp::UNIX_EPOCH,
        };
        encode(key, self.version, value, expires_at).map(Some)
    }

    /// It stands as it is here.
    pub(crate) fn saved(&mut self) {
        self.version += 1;
        self.stored.clone_from(&self.value);
        self.dirty = false;
    }
}

/// Reads the items of `names`, in their order.
pub(crate) async fn load<K, T: DeserializeOwned + Clone, S: Store>(
    state: &S,
    names: &[K],
    key: impl Fn(&K) -> Key,
    now: Timestamp,
) -> Result<Vec<Slot<T>>, StateError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = names.iter().map(key).collect();
    let items = state.load(&keys, Consistency::Strong).await?;
    let slots = keys.iter().zip(items).map(|(key, item)| {
        let read = decode::<T>(key, item.as_ref(), now)?;
        Ok(Slot {
            version: read.version,
            stored: read.value.clone(),
            value: read.value,
            dirty: false,
        })
    });
    slots.collect()
}
