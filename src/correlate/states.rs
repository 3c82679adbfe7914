//! What is carried per log stream from invocation to invocation, and how much
//! of it is kept.

use std::collections::BTreeMap;

use super::NodeState;
use crate::batch::Source;
use crate::record::Joiner;

/// What all states together may hold. A stream with a fault open holds some 10 KB,
/// one that is well less than one.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What is carried of one stream: the record that its last batch left open, and
/// what is known of its node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamState {
    pub(super) joiner: Joiner<'static>,
    pub(super) node: NodeState,
}

/// The states of the streams that this execution environment has seen. They are
/// bounded in bytes: what was not seen for longest goes first.
#[derive(Debug, Clone, Default)]
pub struct StreamStates {
    states: BTreeMap<StreamKey, Entry>,
    /// By last use, oldest first.
    by_use: BTreeMap<u64, StreamKey>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    state: StreamState,
    used: u64,
    bytes: usize,
}

/// Account, Region, log group, log stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) fn new(joiner: Joiner<'static>, node: NodeState) -> Self {
        Self { joiner, node }
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.joiner.bytes() + self.node.bytes()
    }
}

impl StreamStates {
    /// What all states hold, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state that a batch of this stream continues; a new one where nothing
    /// is known of it. It is taken out: a reader that never finishes costs what
    /// was known, and leaves no half-read state.
    pub(crate) fn take(&mut self, source: &Source) -> StreamState {
        self.remove(&StreamKey::of(source)).unwrap_or_default()
    }

    /// Keeps the state in which a stream was left. One that is complete leaves
    /// none, nor does one of which nothing is known.
    pub fn save(&mut self, source: &Source, state: StreamState) {
        if source.complete || state.joiner.open().is_none() && state.node.can_be_dropped() {
            return;
        }
        let key = StreamKey::of(source);
        self.remove(&key);
        self.uses += 1;
        // Once under each index.
        let bytes = state.bytes() + 2 * key.bytes() + size_of::<Entry>();
        self.bytes += bytes;
        self.by_use.insert(self.uses, key.clone());
        let used = self.uses;
        self.states.insert(key, Entry { state, used, bytes });
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.by_use.values().next().cloned()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &StreamKey) -> Option<StreamState> {
        let kept = self.states.remove(key)?;
        self.by_use.remove(&kept.used);
        self.bytes -= kept.bytes;
        Some(kept.state)
    }
}
