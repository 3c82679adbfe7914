//! The state in the memory of one execution environment.

use std::hash::RandomState;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use clru::{CLruCache, CLruCacheConfig, WeightScale};

use super::{Consistency, Item, Key, Kind, SaveError, StateError, Store, Write};

/// What all items together may take.
pub(super) const MAX_BYTES: NonZeroUsize =
    NonZeroUsize::new(24 * 1024 * 1024).expect("24 MiB are not zero");

/// Bounded in bytes: what was not used for longest goes first.
#[derive(Debug)]
pub struct Memory(Mutex<CLruCache<Key, Item, RandomState, Bytes>>);

#[derive(Debug)]
struct Bytes;

impl WeightScale<Key, Item> for Bytes {
    fn weight(&self, key: &Key, item: &Item) -> usize {
        // The key stands in the cache's list and in its index.
        2 * (size_of::<Key>() + key.0.capacity()) + size_of::<Item>() + item.body.capacity()
    }
}

impl Default for Memory {
    fn default() -> Self {
        let config = CLruCacheConfig::new(MAX_BYTES).with_scale(Bytes);
        Self(Mutex::new(CLruCache::with_config(config)))
    }
}

impl Memory {
    /// What all items take, in bytes.
    pub fn bytes(&self) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .weight()
    }
}

impl Store for Memory {
    async fn load(&self, keys: &[Key], _: Consistency) -> Result<Vec<Option<Item>>, StateError> {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.iter().map(|key| items.get(key).cloned()).collect())
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = items
            .iter()
            .filter(|(key, item)| item.open && key.name_of(kind).is_some());
        Ok(open.map(|(key, _)| key.clone()).collect())
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut save = |Write { key, mut item }: Write| {
            let version = items.peek(&key).map_or(0, |item| item.version);
            if version + 1 != item.version {
                return Err(SaveError::Conflict);
            }
            item.body.shrink_to_fit();
            // What alone would take more than all may is not kept.
            let _ = items.put_with_weight(key, item);
            Ok(())
        };
        writes.into_iter().map(&mut save).collect()
    }

    async fn back_off(&self, _: u32) {}
}
