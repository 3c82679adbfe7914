//! The state of a stream, written and read back: an environment continues a stream
//! wherever another one left it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use proptest::prelude::*;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::state::Store;

use super::deliveries::{shapes, tables};
use super::shapes::{events, lines, source};
use super::verdict::{ENGINE, fixture};

/// The result of a future that waits for nothing.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a store in memory waits for nothing"),
    }
}

/// What one invocation makes of `batches`, as the function does.
pub(crate) fn invoke(store: &impl Store, batches: &[Batch<'_>]) -> Vec<BatchAnalysis> {
    block_on(async {
        let mut streams = ENGINE.streams(Timestamp::UNIX_EPOCH);
        streams.load(store, batches).await.expect("the states");
        loop {
            for batch in batches {
                streams.analyze(batch);
            }
            let again = streams.save(store).await.expect("the states");
            if again.is_empty() {
                return streams.into_analyses().map(|read| read.analysis).collect();
            }
        }
    })
}

/// The state after each of the batches that `cuts` makes of `events`.
fn states(events: &[Event<'_>], cuts: impl Iterator<Item = usize>) -> Vec<StreamState> {
    let (mut state, mut rest) = (StreamState::default(), events);
    let mut states = Vec::new();
    for size in cuts {
        let (events, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let batch = Batch {
            source: source(false),
            events: events.to_vec(),
        };
        ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
        states.push(state.clone());
        if rest.is_empty() {
            break;
        }
    }
    states
}

fn read_back(state: &StreamState) -> StreamState {
    let json = serde_json::to_string(state).expect("a state has a JSON form");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn every_state_of_every_case_reads_back_as_it_was_written() {
    for case in tables() {
        for (shape, pieces) in shapes(&case) {
            for (index, state) in states(&events(&pieces), std::iter::repeat(20))
                .iter()
                .enumerate()
            {
                assert_eq!(read_back(state), *state, "{} ({shape}) {index}", case.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_state_reads_back_wherever_its_batch_ends(
        case in 0..super::splits::CASES.len(),
        cuts in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let log = fixture(&format!("agent/{}.log", super::splits::CASES[case]));
        for state in states(&events(&lines(&log)), cuts.iter().copied().cycle()) {
            prop_assert_eq!(read_back(&state), state);
        }
    }

    #[test]
    fn what_no_agent_wrote_reads_back(lines in prop::collection::vec(any::<String>(), 1..8)) {
        for state in states(&events(&lines), std::iter::repeat(3)) {
            prop_assert_eq!(read_back(&state), state);
        }
    }
}

#[test]
fn what_a_newer_function_adds_is_passed_over() {
    let log = fixture("agent/s5_trust.log");
    let last = states(&events(&lines(&log)), std::iter::repeat(20));
    let state = last.last().expect("a state");
    let mut json = serde_json::to_value(state).expect("a state has a JSON form");
    json["added"] = serde_json::json!({"any": 1});
    let node = &mut json["nodes"][0];
    node["added"] = serde_json::json!([1]);
    let open = node["open"].as_array_mut().expect("faults are open");
    let mut strange = open[0].clone();
    strange["causes"] = serde_json::json!(["a-cause-to-come"]);
    open[0]["signatures"][0]["id"] = "a-signature-to-come".into();
    open.insert(0, strange);
    let read: StreamState = serde_json::from_value(json).expect("it can be read");
    let again = serde_json::to_value(&read).expect("a state has a JSON form");
    let written = serde_json::to_value(state).expect("a state has a JSON form");
    let open = |json: &serde_json::Value| json["nodes"][0]["open"].as_array().map(Vec::len);
    assert_eq!(
        open(&again),
        open(&written),
        "the fault that is not known here is left out"
    );
    assert_eq!(
        again["nodes"][0]["open"][0]["signatures"][0]["id"],
        "a-signature-to-come"
    );
}
