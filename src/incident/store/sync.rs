//! What is at hand, read from the state and written back.
//!
//! A node is first written with the name of each incident that it is about to join, so
//! that whoever reads the node finds them. Then the incident is written, on condition of
//! its version: that is the moment at which a change counts. It holds the members that
//! changed with it until they stand with their nodes, which are written last. So nothing
//! is counted twice or lost when an execution environment ends in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Incidents;
use super::entry::Entry;
use super::member::Joined;
use crate::incident::group::Incident;
use crate::incident::shared::shared_keys;
use crate::node::{AccountId, IdSource, Node, NodeId, Region};
use crate::sort;
use crate::state::{Key, Kind, SaveError, Slot, StateError, Store, Write, encode, load};

/// So long after it was last seen an incident is forgotten, without a word of an
/// end: silence is none. Far more than a reminder, and than Lambda keeps an event
/// for its retries.
const EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// So many members of earlier writes may wait with their incident; with more it is
/// made sure that they stand with their nodes.
const MAX_PENDING: usize = 32;

/// So many of one write may. Of a batch with more nodes that one incident hits, those
/// beyond are counted twice when the environment ends at the wrong moment.
const MAX_PENDING_AT_ONCE: usize = 256;

/// So often a write is tried again on what another environment has written.
const TRIES: u32 = 12;

impl Incidents {
    /// Reads what is known of `nodes`, and the incidents that they have joined.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn load_nodes<S: Store>(
        &mut self,
        state: &S,
        nodes: impl IntoIterator<Item = &Node>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let nodes = sort::set(nodes.into_iter().map(super::entry::key));
        let new = nodes
            .into_iter()
            .filter(|node| !self.nodes.contains_key(node));
        let new: Vec<Node> = new.collect();
        let slots = load(state, &new, node_key, now).await?;
        let mut joined = BTreeSet::new();
        for (node, slot) in new.into_iter().zip(slots) {
            let value: Option<&Joined> = slot.value.as_ref();
            joined.extend(
                value
                    .into_iter()
                    .flat_map(|joined| joined.incidents.keys().cloned()),
            );
            self.nodes.insert(node, slot);
        }
        self.load_keys(state, joined, now).await
    }

    /// Reads what is known of `incidents` and of what they may become part of.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn load_incidents<S: Store>(
        &mut self,
        state: &S,
        incidents: &[&Incident],
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.load_nodes(state, incidents.iter().flat_map(|one| one.nodes()), now)
            .await?;
        let shared: BTreeSet<String> = (incidents.iter())
            .flat_map(|one| shared_keys(one))
            .collect();
        let new: Vec<String> = (shared.iter())
            .filter(|key| !self.groups.contains_key(*key))
            .cloned()
            .collect();
        let slots = load(state, &new, |key| Key::new(Kind::Group, key), now).await?;
        self.groups.extend(new.into_iter().zip(slots));
        let keys = incidents.iter().map(|one| one.key.clone());
        self.load_keys(state, keys.chain(shared.iter().cloned()).collect(), now)
            .await?;
        self.load_singles(state, now).await
    }

    /// Reads the incidents of the groups at hand, with their nodes.
    async fn load_singles<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let groups = self.groups.values().filter_map(|slot| slot.value.as_ref());
        let singles = groups.flat_map(|group| &group.singles);
        let (keys, nodes): (BTreeSet<String>, Vec<Node>) = singles
            .map(|(key, (node, _))| (key.clone(), node.clone()))
            .unzip();
        self.load_nodes(state, &nodes, now).await?;
        self.load_keys(state, keys, now).await
    }

    /// Reads the incidents of `keys`, and then the nodes at hand again: a member that is
    /// no longer with its incident stands with a node that is read after it.
    pub(super) async fn load_keys<S: Store>(
        &mut self,
        state: &S,
        keys: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let mut keys = keys;
        loop {
            keys.retain(|key| !self.incidents.contains_key(key));
            let new: Vec<String> = std::mem::take(&mut keys).into_iter().collect();
            let slots = load(state, &new, |key| Key::new(Kind::Incident, key), now).await?;
            let any = slots.iter().any(|slot: &Slot<Entry>| slot.value.is_some());
            self.incidents.extend(new.iter().cloned().zip(slots));
            if !any {
                return Ok(());
            }
            let nodes: Vec<Node> = self.nodes.keys().cloned().collect();
            let fresh = load(state, &nodes, node_key, now).await?;
            for (node, fresh) in nodes.into_iter().zip(fresh) {
                let slot = self.nodes.entry(node).or_default();
                *slot = merged(slot.value.take().unwrap_or_default(), fresh);
                let joined = slot.value.iter();
                keys.extend(joined.flat_map(|joined| joined.incidents.keys().cloned()));
            }
            for key in &new {
                self.overlay(key);
            }
        }
    }

    /// Takes over the members that may not stand with their nodes yet.
    fn overlay(&mut self, key: &str) {
        let entry = self.incidents.get(key).and_then(|slot| slot.value.as_ref());
        for (node, membership) in entry.into_iter().flat_map(|entry| &entry.pending) {
            if let Some(slot) = self.nodes.get_mut(node) {
                let joined = slot.value.get_or_insert_default();
                slot.dirty |= joined.take(key, membership);
            }
        }
    }

    /// Writes what has changed. Gives the keys of the incidents and groups that
    /// another environment has written meanwhile: they are read again, what was changed
    /// in them here is gone, and is to be decided again.
    ///
    /// # Errors
    /// When the state cannot be written; what was written before that stays.
    pub async fn save<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StateError> {
        self.settle_pending(state, now).await?;
        self.announce_members(state, now).await?;
        let (mut keys, mut writes) = (Vec::new(), Vec::new());
        for (key, slot) in &self.incidents {
            let seen_at = slot.value.as_ref().map(|entry| expiry(entry.seen_at()));
            let mut write = slot.write(&Key::new(Kind::Incident, key), seen_at.unwrap_or(now))?;
            if let Some(write) = &mut write {
                write.item.open = slot.value.is_some();
            }
            writes.extend(write);
            keys.resize(writes.len(), (key.clone(), false));
        }
        for (key, slot) in &self.groups {
            writes.extend(slot.write(&Key::new(Kind::Group, key), expiry(now))?);
            keys.resize(writes.len(), (key.clone(), true));
        }
        if writes.is_empty() && !self.nodes.values().any(|slot| slot.dirty) {
            return Ok(BTreeSet::new());
        }
        let mut conflicts = BTreeSet::new();
        let mut failed = None;
        for ((key, is_group), result) in keys.into_iter().zip(state.save(writes).await) {
            match (result, is_group) {
                (Ok(()), true) => self.groups.entry(key).or_default().saved(),
                (Ok(()), false) => self.incidents.entry(key).or_default().saved(),
                (Err(SaveError::Conflict), _) => {
                    conflicts.insert(key);
                }
                (Err(SaveError::State(error)), _) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.reload(state, &conflicts, now).await?;
        self.save_nodes(state, now).await?;
        Ok(conflicts)
    }

    /// Reads the incidents and groups of `keys` again, as if nothing had been changed
    /// in them.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn reload<S: Store>(
        &mut self,
        state: &S,
        keys: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        if keys.is_empty() {
            return Ok(());
        }
        for joined in self
            .nodes
            .values_mut()
            .filter_map(|slot| slot.value.as_mut())
        {
            joined.incidents.retain(|key, _| !keys.contains(key));
        }
        let groups = keys.iter().filter(|key| self.groups.contains_key(*key));
        let groups: Vec<String> = groups.cloned().collect();
        let slots = load(state, &groups, |key| Key::new(Kind::Group, key), now).await?;
        self.groups.extend(groups.into_iter().zip(slots));
        self.incidents.retain(|key, _| !keys.contains(key));
        self.load_keys(state, keys.clone(), now).await?;
        self.load_singles(state, now).await
    }

    /// Names with their nodes the incidents that they are about to join.
    async fn announce_members<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let changed = self.incidents.iter().filter(|(_, slot)| slot.dirty);
        let mut joining: BTreeMap<Node, Vec<String>> = BTreeMap::new();
        for (key, entry) in changed.filter_map(|(key, slot)| Some((key, slot.value.as_ref()?))) {
            for node in entry.pending.keys() {
                joining.entry(node.clone()).or_default().push(key.clone());
            }
        }
        let announced = |node: &Node, slot: &Slot<Joined>| {
            let mut joined = slot.stored.clone().unwrap_or_default();
            let keys = joining.get(node)?.iter();
            let new = keys.filter(|key| joined.announce(key)).count();
            (new > 0).then_some(joined)
        };
        self.write_nodes(state, now, announced).await
    }

    /// Writes the nodes that have changed.
    async fn save_nodes<S: Store>(&mut self, state: &S, now: Timestamp) -> Result<(), StateError> {
        let changed = self.nodes.values_mut().filter(|slot| slot.dirty);
        for joined in changed.filter_map(|slot| slot.value.as_mut()) {
            joined.shrink();
        }
        let changed = |_: &Node, slot: &Slot<Joined>| slot.value.clone().filter(|_| slot.dirty);
        self.write_nodes(state, now, changed).await
    }

    /// Writes of each node at hand what `part` gives. What another environment has written
    /// of one is about other incidents, or older: both are put together.
    async fn write_nodes<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
        part: impl Fn(&Node, &Slot<Joined>) -> Option<Joined>,
    ) -> Result<(), StateError> {
        for conflicts in 0..TRIES {
            let (mut parts, mut writes) = (Vec::new(), Vec::new());
            for (node, slot) in &self.nodes {
                if let Some(part) = part(node, slot) {
                    writes.push(write_of(node, slot.version, &part, now)?);
                    parts.push((node.clone(), part));
                }
            }
            if writes.is_empty() {
                break;
            }
            let mut again = Vec::new();
            for ((node, part), result) in parts.into_iter().zip(state.save(writes).await) {
                match result {
                    Ok(()) => {
                        let slot = self.nodes.entry(node.clone()).or_default();
                        slot.version += 1;
                        slot.stored = Some(part);
                        if slot.value == slot.stored {
                            slot.dirty = false;
                            self.stands_with_node(&node);
                        }
                    }
                    Err(SaveError::Conflict) => again.push(node),
                    Err(SaveError::State(error)) => return Err(error),
                }
            }
            if again.is_empty() {
                return Ok(());
            }
            state.back_off(conflicts).await;
            let fresh = load(state, &again, node_key, now).await?;
            for (node, fresh) in again.into_iter().zip(fresh) {
                let slot = self.nodes.entry(node).or_default();
                *slot = merged(slot.value.take().unwrap_or_default(), fresh);
            }
        }
        // They wait with their incidents.
        Ok(())
    }

    /// What the node has joined is written with it.
    fn stands_with_node(&mut self, node: &Node) {
        for slot in self.incidents.values_mut().filter(|slot| !slot.dirty) {
            for entry in [&mut slot.value, &mut slot.stored].into_iter().flatten() {
                entry.pending.remove(node);
            }
        }
    }

    /// Makes sure that what has long waited with an incident stands with its node.
    async fn settle_pending<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let full: Vec<String> = (self.incidents.iter())
            .filter(|(_, slot)| {
                let stored = slot.stored.as_ref();
                slot.dirty && stored.is_some_and(|entry| entry.pending.len() >= MAX_PENDING)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in full {
            let stored = self
                .incidents
                .get(&key)
                .and_then(|slot| slot.stored.as_ref());
            let waiting = stored
                .map(|entry| entry.pending.clone())
                .unwrap_or_default();
            let nodes: Vec<Node> = waiting.keys().cloned().collect();
            let mut fresh: Vec<Slot<Joined>> = load(state, &nodes, node_key, now).await?;
            let mut writes = Vec::new();
            for ((node, membership), slot) in waiting.iter().zip(&mut fresh) {
                let joined = slot.value.get_or_insert_default();
                if joined.take(&key, membership) {
                    writes.push(write_of(node, slot.version, joined, now)?);
                }
            }
            // A conflict is with whoever writes the same.
            let results = state.save(writes).await;
            let wait = |result| matches!(result, Err(SaveError::State(_)));
            if results.into_iter().any(wait) {
                continue;
            }
            if let Some(entry) = self
                .incidents
                .get_mut(&key)
                .and_then(|slot| slot.value.as_mut())
            {
                entry
                    .pending
                    .retain(|node, one| waiting.get(node) != Some(one));
            }
        }
        for entry in self
            .incidents
            .values_mut()
            .filter_map(|slot| slot.value.as_mut())
        {
            while entry.pending.len() > MAX_PENDING_AT_ONCE {
                entry.pending.pop_last();
            }
        }
        Ok(())
    }
}

/// What is known here of a node, on top of what was read.
fn merged(ours: Joined, mut fresh: Slot<Joined>) -> Slot<Joined> {
    for (key, membership) in &ours.incidents {
        let joined = fresh.value.get_or_insert_default();
        fresh.dirty |= joined.take(key, membership);
    }
    fresh
}

/// The write of a node that has changed; the state finds it while it is in an incident.
fn write_of(
    node: &Node,
    version: u64,
    joined: &Joined,
    now: Timestamp,
) -> Result<Write, StateError> {
    let mut write = encode(&node_key(node), version, joined, expiry(now))?;
    write.item.open = joined.is_open();
    Ok(write)
}

fn node_key(node: &Node) -> Key {
    let place = crate::diagnose::account_region(node);
    Key::new(Kind::Node, &format!("{place}/{}", node.id))
}

/// The node of this key, but for one whose name was too long for it.
pub(super) fn node_of(key: &Key) -> Option<Node> {
    let mut parts = key.name_of(Kind::Node)?.splitn(3, '/');
    let (account, region, id) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Node {
        id: NodeId::parse(id).unwrap_or_else(|| NodeId::Unknown(id.into())),
        id_source: IdSource::Nobody,
        account: AccountId::parse(account),
        region: Region::parse(region),
    })
}

fn expiry(at: Timestamp) -> Timestamp {
    at.saturating_add(EXPIRES).unwrap_or(Timestamp::MAX)
}
