//! Where an invocation keeps its state.

use crate::aws::dynamodb::Table;
use crate::state::{Consistency, Item, Key, Kind, Memory, SaveError, StateError, Store, Write};

/// One type for both stores: what goes over a store is compiled once for it, not once
/// for each.
pub(super) enum State<'a> {
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
        match self {
            Self::Table(table) => table.load(keys, consistency).await,
            Self::Memory(memory) => memory.load(keys, consistency).await,
        }
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        match self {
            Self::Table(table) => table.open(kind).await,
            Self::Memory(memory) => memory.open(kind).await,
        }
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        match self {
            Self::Table(table) => table.save(writes).await,
            Self::Memory(memory) => memory.save(writes).await,
        }
    }

    async fn back_off(&self, conflicts: u32) {
        match self {
            Self::Table(table) => table.back_off(conflicts).await,
            Self::Memory(memory) => memory.back_off(conflicts).await,
        }
    }
}
