//! What is carried per log stream from invocation to invocation, and how much
//! of it is kept.

use std::hash::RandomState;
use std::num::NonZeroUsize;

use clru::{CLruCache, CLruCacheConfig, WeightScale};
use serde::{Deserialize, Serialize};

use super::NodeState;
use crate::batch::Source;
use crate::record::{Hosts, Reader};
use crate::state::pairs::is_default;

/// What all states together may hold. A stream with a fault open holds some 10 KB,
/// one that is well less than one.
pub const MAX_BYTES: NonZeroUsize =
    NonZeroUsize::new(16 * 1024 * 1024).expect("16 MiB are not zero");

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

/// The states of the streams that this execution environment has seen. They are
/// bounded in bytes: what was not seen for longest goes first.
#[derive(Debug)]
pub struct StreamStates(CLruCache<StreamKey, StreamState, RandomState, Bytes>);

#[derive(Debug, Clone, Copy)]
struct Bytes;

impl WeightScale<StreamKey, StreamState> for Bytes {
    fn weight(&self, key: &StreamKey, state: &StreamState) -> usize {
        // The key stands in the cache's list and in its index.
        2 * key.bytes() + state.bytes()
    }
}

/// Account, Region, log group, log stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct StreamKey(String, String, String, String);

impl StreamKey {
    fn of(source: &Source) -> Self {
        let text = |part: Option<String>| part.unwrap_or_default();
        Self(
            text(source.account.as_ref().map(ToString::to_string)),
            text(source.region.as_ref().map(ToString::to_string)),
            source.log_group.clone(),
            source.log_stream.clone(),
        )
    }

    fn bytes(&self) -> usize {
        let texts = [&self.0, &self.1, &self.2, &self.3];
        let texts: usize = texts.into_iter().map(String::capacity).sum();
        size_of::<Self>() + texts
    }
}

impl StreamState {
    pub(super) fn new(
        reader: Reader<'static>,
        hosts: Option<Hosts>,
        nodes: Vec<NodeState>,
    ) -> Self {
        Self {
            reader,
            hosts,
            nodes,
        }
    }

    /// Nothing is known that a later batch could need.
    fn can_be_dropped(&self) -> bool {
        self.reader.can_be_dropped()
            && self.hosts.is_none()
            && self.nodes.iter().all(NodeState::can_be_dropped)
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(NodeState::bytes).sum();
        size_of::<Self>()
            + self.reader.bytes()
            + self.hosts.as_ref().map_or(0, Hosts::bytes)
            + nodes
            + self.nodes.capacity() * size_of::<NodeState>()
    }
}

impl Default for StreamStates {
    fn default() -> Self {
        Self(CLruCache::with_config(
            CLruCacheConfig::new(MAX_BYTES).with_scale(Bytes),
        ))
    }
}

impl StreamStates {
    /// What all states hold, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.weight()
    }

    /// The state that a batch of this stream continues; a new one where nothing
    /// is known of it. It is taken out: an analyzer that never finishes costs
    /// what was known, and leaves no half-read state.
    pub(crate) fn take(&mut self, source: &Source) -> StreamState {
        self.0.pop(&StreamKey::of(source)).unwrap_or_default()
    }

    /// Keeps the state in which a stream was left. One that is complete leaves
    /// none, nor does one of which nothing is known, or which alone would take
    /// more than all may.
    pub fn save(&mut self, source: &Source, state: StreamState) {
        if !state.can_be_dropped() && !source.complete {
            let _ = self.0.put_with_weight(StreamKey::of(source), state);
        }
    }
}
