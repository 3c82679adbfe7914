//! The same text gives the same final verdict however it is cut into events and batches.

use std::borrow::Cow;

use jiff::Timestamp;
use proptest::prelude::*;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;

use super::shapes::{events, is_head, source};
use super::verdict::{ENGINE, fixture, summary};

pub(crate) const CASES: [&str; 12] = [
    "s1_healthy",
    "s2_imds_down",
    "s3_imds_disabled",
    "s5_trust",
    "s7a_nx",
    "s9_throttle",
    "m2_mgs_denied",
    "m6_ws_bye",
    "b2b_mgs_reconnect_refused",
    "e1_dhmc",
    "w1_worker_kill",
    "o4_dereg",
];

/// `lines` as events, a new one after each line whose bit is set in `cuts`; with
/// `heads` also before each line that begins a record.
fn pieces(lines: &[&str], cuts: &[bool], heads: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut fresh = true;
    for (index, line) in lines.iter().enumerate() {
        match pieces.last_mut() {
            Some(piece) if !(fresh || heads && is_head(line)) => {
                piece.push('\n');
                piece.push_str(line);
            }
            _ => pieces.push((*line).to_owned()),
        }
        fresh = cuts[index % cuts.len()];
    }
    pieces
}

/// Reads `events`, a new batch after each event whose turn comes in `batches`.
fn read(events: Vec<Event<'_>>, batches: &[bool]) -> BatchAnalysis {
    let mut cuts = vec![Vec::new()];
    for (index, event) in events.into_iter().enumerate() {
        if let Some(batch) = cuts.last_mut() {
            batch.push(event);
        }
        if batches[index % batches.len()] {
            cuts.push(Vec::new());
        }
    }
    let mut state = StreamState::default();
    let last = cuts.len() - 1;
    let mut reading = BatchAnalysis::default();
    for (index, events) in cuts.into_iter().enumerate() {
        let mut source = source(false);
        source.complete = index == last;
        reading = ENGINE.analyze(&mut state, &Batch { source, events }, Timestamp::UNIX_EPOCH);
    }
    reading
}

/// Events whose records have their own times.
fn untimed(pieces: &[String]) -> Vec<Event<'_>> {
    let event = |piece| Event {
        id: Cow::Borrowed(""),
        at: None,
        message: Cow::Borrowed(piece),
    };
    pieces.iter().map(String::as_str).map(event).collect()
}

/// What stands open at the end. What recovered on the way, and what was not
/// recognised, is reported with the batch that brought it.
fn fault_state(reading: &BatchAnalysis) -> Vec<String> {
    summary(reading)
        .into_iter()
        .filter(|line| !line.starts_with("recovered") && !line.ends_with(" unrecognised"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_into_other_events_never_changes_the_verdict(
        case in 0..CASES.len(),
        cuts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let log = fixture(&format!("agent/{}.log", CASES[case]));
        let lines: Vec<&str> = log.lines().collect();
        let whole = read(untimed(&pieces(&lines, &[false], false)), &[false]);
        let cut = read(untimed(&pieces(&lines, &cuts, false)), &[false]);
        prop_assert_eq!(fault_state(&cut), fault_state(&whole));
    }

    #[test]
    fn cutting_into_other_batches_never_changes_the_verdict(
        case in 0..CASES.len(),
        cuts in prop::collection::vec(any::<bool>(), 1..40),
        batches in prop::collection::vec(prop::bool::weighted(0.2), 1..40),
    ) {
        let log = fixture(&format!("agent/{}.log", CASES[case]));
        let lines: Vec<&str> = log.lines().collect();
        let whole = read(events(&pieces(&lines, &[false], true)), &[false]);
        let cut = read(events(&pieces(&lines, &cuts, true)), &batches);
        prop_assert_eq!(fault_state(&cut), fault_state(&whole));
    }

    #[test]
    fn no_text_makes_the_engine_panic(text in "(\\PC|\n|\t|caused by: |2024-11-04 10:00:07 ERROR |\\[HealthCheck\\] |RequestError: |\"https://){0,60}") {
        let lines: Vec<&str> = text.lines().collect();
        read(events(&pieces(&lines, &[true, false], false)), &[false, true]);
        read(untimed(&pieces(&lines, &[true, false], false)), &[false, true]);
    }
}
