//! What is carried per log stream from invocation to invocation, and how much
//! of it is kept.

use std::collections::BTreeMap;

use crate::batch::Source;
use crate::incident::correlate::NodeState;
use crate::record::Joiner;

/// How many streams' states one execution environment keeps.
pub const MAX_STREAMS: usize = 2048;

/// What is carried of one stream: the record that its last batch left open, and
/// what is known of its node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamState {
    pub(super) joiner: Joiner<'static>,
    pub(super) node: NodeState,
    used: u64,
}

/// The states of all streams that this execution environment has seen.
#[derive(Debug, Clone, Default)]
pub struct StreamStates {
    states: BTreeMap<StreamKey, StreamState>,
    uses: u64,
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
}

impl StreamState {
    pub(super) fn new(joiner: Joiner<'static>, node: NodeState) -> Self {
        Self {
            joiner,
            node,
            used: 0,
        }
    }
}

impl StreamStates {
    /// The state that a batch of this stream continues; a new one where nothing
    /// is known of it. It is taken out: a reader that never finishes costs what
    /// was known, and leaves no half-read state.
    pub(super) fn take(&mut self, source: &Source) -> StreamState {
        self.states
            .remove(&StreamKey::of(source))
            .unwrap_or_default()
    }

    /// Keeps the state in which a stream was left. One that is complete leaves
    /// none.
    pub fn settle(&mut self, source: &Source, mut state: StreamState) {
        if source.complete {
            return;
        }
        let key = StreamKey::of(source);
        self.uses += 1;
        state.used = self.uses;
        if self.states.len() >= MAX_STREAMS {
            let oldest = self
                .states
                .iter()
                .min_by_key(|(_, state)| state.used)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.states.remove(&oldest);
            }
        }
        self.states.insert(key, state);
    }
}
