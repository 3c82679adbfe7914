//! Where an invocation keeps its state.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::aws::dynamodb::Table;
use crate::state::{Consistency, Item, Key, Kind, Memory, SaveError, StateError, Store, Write};

/// One type for both stores: what goes over a store is compiled once for it, not once
/// for each.
pub(super) struct State<'a> {
    kept: Kept<'a>,
    conflicts: AtomicUsize,
}

impl<'a> State<'a> {
    pub(super) fn new(kept: Kept<'a>) -> Self {
        Self {
            kept,
            conflicts: AtomicUsize::new(0),
        }
    }

    /// How many writes another environment was faster with.
    pub(super) fn conflicts(&self) -> usize {
        self.conflicts.load(Ordering::Relaxed)
    }
}

/// Where.
pub(super) enum Kept<'a> {
    /// Shared by all execution environments.
    Table(&'a Table),
    /// Of this one.
    Memory(&'a Memory),
}

impl Store for State<'_> {
    async fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, StateError> {
        match self.kept {
            Kept::Table(table) => table.load(keys, consistency).await,
            Kept::Memory(memory) => memory.load(keys, consistency).await,
        }
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        match self.kept {
            Kept::Table(table) => table.open(kind).await,
            Kept::Memory(memory) => memory.open(kind).await,
        }
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        let saved = match self.kept {
            Kept::Table(table) => table.save(writes).await,
            Kept::Memory(memory) => memory.save(writes).await,
        };
        let conflicts = saved.iter().filter(|one| **one == Err(SaveError::Conflict));
        self.conflicts
            .fetch_add(conflicts.count(), Ordering::Relaxed);
        saved
    }

    async fn back_off(&self, conflicts: u32) {
        match self.kept {
            Kept::Table(table) => table.back_off(conflicts).await,
            Kept::Memory(memory) => memory.back_off(conflicts).await,
        }
    }
}
