//! A table that all execution environments share, with what may go wrong with one.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::clock;
use super::run::Call;
use super::world::{ACCOUNT, REGION, name};
use crate::state::{
    self, Consistency, Item, Key, Kind, Memory, SaveError, StateError, Store, Write,
};

/// An eventually consistent read may lack the writes of so many milliseconds.
const STALE: i64 = 1_000;

/// What goes wrong how often, of a thousand operations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Nothing is done, and that is said.
    pub refused: u32,
    /// It is done, and the answer is lost.
    pub lost: u32,
    /// In some minutes of each hour half of all operations are throttled.
    pub throttling: bool,
}

pub(super) struct Table {
    random: fastrand::Rng,
    pub faults: Faults,
    /// What was written of each item, and when: the last is what stands there.
    items: HashMap<Key, Vec<(i64, Item)>>,
    pub operations: u64,
    pub conflicts: u64,
}

impl Table {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            faults,
            items: HashMap::new(),
            operations: 0,
            conflicts: 0,
        }
    }

    /// What stands there of an incident, and of nodes in it.
    pub(super) fn stored(&self, incident: &str, nodes: &BTreeSet<usize>) -> String {
        let place = format!("{ACCOUNT}/{REGION}");
        let nodes = nodes
            .iter()
            .map(|node| (state::Kind::Node, format!("{place}/{}", name(*node))));
        let all = std::iter::once((state::Kind::Incident, incident.to_owned())).chain(nodes);
        let texts = all.filter_map(|(kind, name)| {
            let key = Key::new(kind, &name);
            let (_, item) = self.items.get(&key)?.last()?;
            let read = state::decode::<serde_json::Value>(&key, Some(item), Timestamp::MIN);
            let value = read
                .ok()?
                .value
                .filter(|_| kind == state::Kind::Incident || item.version > 0)?;
            Some(format!("  {key} {}: {value}\n", item.version))
        });
        texts.collect()
    }

    fn fails(&mut self) -> Option<StateError> {
        self.operations += 1;
        let minute = clock::millis() / 60_000 % 60;
        let throttled = self.faults.throttling && minute < 7 && self.random.bool();
        (throttled || self.random.u32(..1_000) < self.faults.refused)
            .then(|| StateError::Unavailable("ProvisionedThroughputExceededException".to_owned()))
    }

    fn read(&mut self, key: &Key, consistency: Consistency) -> Option<Item> {
        let history = self.items.get(key)?;
        let until = match consistency {
            Consistency::Strong => i64::MAX,
            Consistency::Eventual if self.random.u8(..4) > 0 => i64::MAX,
            Consistency::Eventual => clock::millis() - self.random.i64(0..STALE),
        };
        let seen = history.iter().rev().find(|(at, _)| *at <= until);
        seen.map(|(_, item)| item.clone())
    }

    fn open(&self, kind: Kind) -> Vec<Key> {
        let newest = |history: &[(i64, Item)]| history.last().is_some_and(|(_, item)| item.open);
        let items = self.items.iter();
        let open = items.filter(|(key, history)| key.name_of(kind).is_some() && newest(history));
        open.map(|(key, _)| key.clone()).collect()
    }

    fn write(&mut self, Write { key, item }: Write) -> Result<(), SaveError> {
        if let Some(error) = self.fails() {
            return Err(error.into());
        }
        let now = clock::millis();
        let history = self.items.entry(key).or_default();
        let version = history.last().map_or(0, |(_, item)| item.version);
        if version + 1 != item.version {
            self.conflicts += 1;
            return Err(SaveError::Conflict);
        }
        while history.get(1).is_some_and(|(at, _)| now - at > STALE) {
            history.remove(0);
        }
        history.push((now, item));
        if self.random.u32(..1_000) < self.faults.lost {
            let why = "the answer was lost".to_owned();
            return Err(StateError::Unavailable(why).into());
        }
        Ok(())
    }
}

/// The state, as one invocation reaches it.
pub(super) enum SimStore {
    Table(Arc<Mutex<Table>>, Arc<Call>),
    /// The memory of the one environment that there is.
    Memory(Arc<Memory>),
}

impl SimStore {
    /// How long one operation takes: most are quick.
    fn takes(table: &Mutex<Table>) -> u64 {
        let mut table = table.lock().expect("nobody panicked with it");
        match table.random.u8(..50) {
            0 => table.random.u64(200..2_000),
            _ => table.random.u64(1..20),
        }
    }
}

impl Store for SimStore {
    async fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, StateError> {
        let table = match self {
            Self::Table(table, _) => table,
            Self::Memory(memory) => return memory.load(keys, consistency).await,
        };
        clock::pause(Self::takes(table)).await;
        let read = {
            let mut table = table.lock().expect("nobody panicked with it");
            match table.fails() {
                Some(error) => Err(error),
                None => Ok((keys.iter().map(|key| table.read(key, consistency))).collect()),
            }
        };
        clock::pause(Self::takes(table)).await;
        read
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        match self {
            Self::Table(table, _) => {
                let table = table.lock().expect("nobody panicked with it");
                Ok(table.open(kind))
            }
            Self::Memory(memory) => memory.open(kind).await,
        }
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        let (table, call) = match self {
            Self::Table(table, call) => (table, call),
            Self::Memory(memory) => return memory.save(writes).await,
        };
        let mut results = Vec::with_capacity(writes.len());
        for write in writes {
            clock::pause(Self::takes(table)).await;
            let mut table = table.lock().expect("nobody panicked with it");
            let result = table.write(write);
            if matches!(result, Err(SaveError::State(_))) {
                call.trouble();
            }
            results.push(result);
        }
        clock::pause(Self::takes(table)).await;
        results
    }

    async fn back_off(&self, conflicts: u32) {
        if let Self::Table(table, _) = self {
            let longest = 20_u64 << conflicts.min(6);
            let millis = {
                let mut table = table.lock().expect("nobody panicked with it");
                table.random.u64(1..longest)
            };
            clock::pause(millis).await;
        }
    }
}
