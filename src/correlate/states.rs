//! What is carried per log stream from invocation to invocation, and what of it is
//! worth a write.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::NodeState;
use super::attempts::Attempts;
use super::recent::Recent;
use crate::batch::Source;
use crate::record::{Hosts, Reader};
use crate::sort;
use crate::state::pairs::is_default;
use crate::state::{Item, Key, Kind, MAX_ITEM_BYTES, StateError, Versioned, Write, decode, encode};

/// So long after its last evidence a fault is kept, as its incident is.
const EXPIRES_WITH_FAULT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So long what is known of a node that is well: batches are delivered again, and
/// come late, for a day. What else is known the agent logs again when it starts.
const EXPIRES: SignedDuration = SignedDuration::from_hours(2 * 24);

/// What is kept of one stream, in bytes before it is packed: as JSON, in which a
/// character takes up to six bytes, it can still be unpacked.
const MAX_BYTES: usize = 8 * MAX_ITEM_BYTES;

/// What is carried of one stream: the records that its last batch left open, the
/// hosts that its lines named, and what is known of the node of each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) reader: Reader<'static>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) hosts: Option<Hosts>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) nodes: Vec<NodeState>,
}

impl StreamState {
    /// The key of the state of the stream of `source`.
    pub fn key(source: &Source) -> Key {
        let account = source
            .account
            .as_ref()
            .map_or("", |account| account.as_str());
        let region = source.region.as_ref().map_or("", |region| region.as_str());
        let (group, stream) = (&source.log_group, &source.log_stream);
        // No name of a stream or group holds a colon.
        Key::new(
            Kind::Stream,
            &format!("{account}:{region}:{group}:{stream}"),
        )
    }

    /// The state that `item` holds at `now`.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn read(
        key: &Key,
        item: Option<&Item>,
        now: Timestamp,
    ) -> Result<Versioned<Self>, StateError> {
        let read = decode(key, item, now)?;
        let is_sound = |state: &Self| {
            let hosts = state.hosts.as_ref().map_or(1, Hosts::places);
            (state.nodes.is_empty() && state.hosts.is_none() || state.nodes.len() == hosts)
                && state.hosts.as_ref().is_none_or(Hosts::is_sound)
                && state.reader.is_sound()
        };
        if read.value.as_ref().is_none_or(is_sound) {
            Ok(read)
        } else {
            Err(StateError::Damaged(key.clone()))
        }
    }

    /// The write that puts the state in the place of the item that was read with
    /// `version`. One that is too large is cut.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn write(mut self, key: &Key, version: u64, now: Timestamp) -> Result<Write, StateError> {
        let has_fault = !self.nodes.iter().all(NodeState::is_idle);
        let expires = if has_fault {
            EXPIRES_WITH_FAULT
        } else {
            EXPIRES
        };
        let expires_at = now.saturating_add(expires).unwrap_or(Timestamp::MAX);
        let mut room = MAX_BYTES;
        loop {
            self.shrink(room);
            match encode(key, version, &self, expires_at) {
                Err(StateError::TooLarge(_)) if room > 1 => room /= 2,
                written => return written,
            }
        }
    }

    /// Whether a verdict, a message or the joining of records may need what it has
    /// other than `stored`. Counters and moments alone it has not: how many batches
    /// came, when the last line was logged, a record of INFO that a batch cut.
    pub fn is_worth_a_write(&self, stored: &Self) -> bool {
        let told_apart = |state: &Self| state.hosts.clone().filter(Hosts::are_told_apart);
        let nobody = NodeState::default();
        let mut places = 0..self.nodes.len().max(stored.nodes.len());
        !self.reader.leaves_open_what(&stored.reader)
            || told_apart(self) != told_apart(stored)
            || places.any(|place| {
                let node = self.nodes.get(place).unwrap_or(&nobody);
                node.differs_from(stored.nodes.get(place).unwrap_or(&nobody))
            })
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(NodeState::bytes).sum();
        size_of::<Self>()
            + self.reader.bytes()
            + self.hosts.as_ref().map_or(0, Hosts::bytes)
            + nodes
            + self.nodes.len() * size_of::<NodeState>()
    }

    /// Cuts it to some `room` bytes: of each fault all evidence but the first, then
    /// what lines and records of the stream were cut, then what is oldest, faults
    /// and hosts alike.
    fn shrink(&mut self, room: usize) {
        if self.bytes() <= room {
            return;
        }
        for open in self.nodes.iter_mut().flat_map(|node| &mut node.open) {
            open.evidence.truncate(1);
        }
        self.reader.shrink(room / 2);
        let mut over = self.bytes().saturating_sub(room);
        let hosts = self.hosts.as_ref().map_or(0, Hosts::bytes);
        let each = hosts / self.nodes.len().max(1) + size_of::<NodeState>();
        // Of one moment the last host goes first, its faults before itself.
        let mut pieces = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            let mut rest = each + node.bytes();
            for (at, open) in node.open.iter().enumerate() {
                rest -= open.bytes();
                pieces.push((open.last, Reverse(place), Some(at), open.bytes()));
            }
            if place > 0 {
                let seen = node.latest.unwrap_or(Timestamp::MIN);
                pieces.push((seen, Reverse(place), None, rest));
            }
        }
        sort::by_key(&mut pieces, |(at, place, fault, _)| {
            (*at, *place, fault.is_none(), *fault)
        });
        let mut gone = BTreeSet::new();
        for (_, Reverse(place), fault, bytes) in pieces {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(bytes);
            gone.insert((place, fault));
        }
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let mut at = 0..;
            node.open.retain(|_| !gone.contains(&(place, at.next())));
        }
        let nodes = std::mem::take(&mut self.nodes);
        self.nodes = match &mut self.hosts {
            Some(hosts) => keep(hosts, nodes, |place, _| !gone.contains(&(place, None))),
            None => nodes,
        };
        if self.bytes() > room
            && let Some(hosts) = &mut self.hosts
        {
            hosts.forget_aliases();
        }
    }
}

/// The states of the hosts of which something `is_needed`; the others are forgotten.
pub(super) fn keep(
    hosts: &mut Hosts,
    nodes: Vec<NodeState>,
    is_needed: impl Fn(usize, &NodeState) -> bool,
) -> Vec<NodeState> {
    let kept = hosts.retain(|place| is_needed(place, &nodes[place]));
    let mut nodes: Vec<Option<NodeState>> = nodes.into_iter().map(Some).collect();
    let kept = kept.into_iter();
    kept.filter_map(|place| nodes.get_mut(place)?.take())
        .collect()
}

impl NodeState {
    /// Whether a later batch may need what it has other than `stored`.
    pub(super) fn differs_from(&self, stored: &Self) -> bool {
        self.essence() != stored.essence()
    }

    /// Less what no later batch needs to know.
    fn essence(&self) -> Self {
        let mut node = Self {
            recent: Recent::default(),
            latest: None,
            resumed: None,
            delivered_from: None,
            delivered_before: None,
            batch: 0,
            ..self.clone()
        };
        if node.attempts.count == 0 {
            node.attempts = Attempts::default();
        }
        if !node.open.iter().any(|open| open.pending) {
            node.identified = None;
        }
        // Counts are of the batch that brought them.
        node.channel.forget_counts();
        for open in &mut node.open {
            open.batch = 0;
            open.signatures.iter_mut().for_each(|seen| seen.count = 0);
        }
        if node.is_idle() {
            // It is compared with when a fault began.
            node.session = None;
        }
        node
    }
}
