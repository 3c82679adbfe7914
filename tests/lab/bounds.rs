//! What hostile streams may cost: states are bounded in bytes.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::state::{
    Consistency, Item, Key, Kind, MAX_ITEM_BYTES, Memory, Store, Write as Save,
};

use super::shapes::source;
use super::states::{block_on, invoke};
use super::verdict::ENGINE;

fn batch(stream: usize, text: &str) -> Batch<'_> {
    let mut source = source(false);
    source.log_stream = format!("i-{stream:017x}");
    let events = text
        .split_terminator('\u{0}')
        .map(|record| Event {
            id: Cow::Borrowed(""),
            at: Timestamp::from_second(1_700_000_000).ok(),
            message: Cow::Borrowed(record),
        })
        .collect();
    Batch { source, events }
}

/// Records of 64 templates that nothing knows, each of `bytes`.
fn unknown(bytes: usize) -> String {
    let mut text = String::new();
    for template in 0..64_u8 {
        let (a, b) = (
            char::from(b'a' + template % 26),
            char::from(b'a' + template / 26),
        );
        write!(
            text,
            "2026-11-23 04:00:01.0000 ERROR [X] nobody {a}{b} knows "
        )
        .expect("a string");
        text.extend(std::iter::repeat_n("word ", bytes / 5));
        text.push('\u{0}');
    }
    text
}

/// Denials of many actions and roles, each with an endless tail.
fn denied(bytes: usize) -> String {
    let mut text = String::new();
    for number in 0..80 {
        write!(
            text,
            "2026-11-23 04:00:01.{number:04} ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/role{number}/i-0123456789abcdef0 is not authorized to perform: ssm:Action{number} on resource: arn:aws:ec2:us-east-1:123456789012:instance/{} because no identity-based policy allows the action ",
            "i".repeat(bytes),
        )
        .expect("a string");
        text.push_str(&"word ".repeat(bytes / 5));
        text.push('\u{0}');
    }
    text
}

/// The state that a first batch of `text` leaves.
fn left_by(text: &str) -> (BatchAnalysis, StreamState) {
    let mut state = StreamState::default();
    let reading = ENGINE.analyze(&mut state, &batch(0, text), Timestamp::UNIX_EPOCH);
    (reading, state)
}

#[test]
fn a_stream_of_unknown_records_leaves_nearly_nothing() {
    let (reading, state) = left_by(&unknown(30_000));
    assert_eq!(reading.unrecognised.len(), 64);
    let reported: usize = (reading.unrecognised.iter())
        .map(|unknown| unknown.example.len() + unknown.template.len())
        .sum();
    assert!(reported < 64 * 1024, "{reported} bytes are reported");
    // The record that the batch left open is the largest of it.
    assert!(state.bytes() < 48 * 1024, "{} bytes", state.bytes());
}

#[test]
fn what_stands_open_on_a_stream_is_bounded_in_bytes() {
    for bytes in [10, 500, 5_000] {
        let (reading, state) = left_by(&denied(bytes));
        assert!(!reading.findings.is_empty());
        assert!(
            state.bytes() < 128 * 1024,
            "{} bytes with records of {bytes}",
            state.bytes()
        );
    }
}

#[test]
fn all_items_together_stay_in_their_budget_and_the_newest_are_kept() {
    let store = Memory::default();
    let key = |number: u32| Key::new(Kind::Stream, &number.to_string());
    for number in 0..1_000 {
        let item = Item {
            version: 1,
            format: 1,
            body: vec![0; MAX_ITEM_BYTES],
            expires_at: Timestamp::MAX,
            open: false,
        };
        let key = key(number);
        let saved = block_on(store.save(vec![Save { key, item }]));
        assert_eq!(saved, [Ok(())]);
    }
    assert!(store.bytes() <= 24 * 1024 * 1024, "{} bytes", store.bytes());
    assert!(store.bytes() > 20 * 1024 * 1024, "the budget is used");
    let kept = block_on(store.load(&[key(0), key(999)], Consistency::Eventual));
    let kept: Vec<bool> = (kept.expect("memory").iter())
        .map(Option::is_some)
        .collect();
    assert_eq!(
        kept,
        [false, true],
        "what was not used for longest went first"
    );
}

#[test]
fn a_stream_that_says_nothing_is_not_kept() {
    let store = Memory::default();
    let quiet = "2026-11-23 04:10:01.0000 INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\u{0}";
    invoke(&store, &[batch(0, quiet)]);
    assert_eq!(store.bytes(), 0);
}
