//! What hostile streams may cost: states are bounded in bytes.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::correlate::states::StreamStates;

use super::shapes::source;
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

#[test]
fn a_stream_of_unknown_records_leaves_nearly_nothing() {
    let text = unknown(30_000);
    let mut states = StreamStates::default();
    for stream in 0..8 {
        let reading = ENGINE.analyze(&mut states, &batch(stream, &text), Timestamp::UNIX_EPOCH);
        assert_eq!(reading.unrecognised.len(), 64);
        let reported: usize = (reading.unrecognised.iter())
            .map(|unknown| unknown.example.len() + unknown.template.len())
            .sum();
        assert!(reported < 64 * 1024, "{reported} bytes are reported");
    }
    let each = states.bytes() / 8;
    // The record that the batch left open is the largest of it. With 2,048 such
    // streams the budget over all decides.
    assert!(each < 48 * 1024, "{each} bytes a stream");
}

#[test]
fn what_stands_open_on_a_stream_is_bounded_in_bytes() {
    for bytes in [10, 500, 5_000] {
        let text = denied(bytes);
        let mut states = StreamStates::default();
        let reading = ENGINE.analyze(&mut states, &batch(0, &text), Timestamp::UNIX_EPOCH);
        assert!(!reading.findings.is_empty());
        assert!(
            states.bytes() < 128 * 1024,
            "{} bytes with records of {bytes}",
            states.bytes()
        );
    }
}

#[test]
fn all_streams_together_stay_in_their_budget_and_the_newest_are_kept() {
    let text = denied(500);
    let mut states = StreamStates::default();
    let mut most = 0;
    for stream in 0..400 {
        ENGINE.analyze(&mut states, &batch(stream, &text), Timestamp::UNIX_EPOCH);
        most = most.max(states.bytes());
    }
    assert!(most <= 16 * 1024 * 1024, "{most} bytes");
    assert!(most > 8 * 1024 * 1024, "the budget is used: {most} bytes");
    let quiet = "2026-11-23 04:10:01.0000 INFO [ssm-agent-worker] nothing to see\u{0}";
    let newest = ENGINE.analyze(&mut states, &batch(399, quiet), Timestamp::UNIX_EPOCH);
    assert!(!newest.findings.is_empty(), "the stream still knows");
    let oldest = ENGINE.analyze(&mut states, &batch(0, quiet), Timestamp::UNIX_EPOCH);
    assert!(oldest.findings.is_empty(), "it went first");
}

#[test]
fn a_stream_that_says_nothing_is_not_kept() {
    let mut states = StreamStates::default();
    let quiet = "2026-11-23 04:10:01.0000 INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.\u{0}";
    ENGINE.analyze(&mut states, &batch(0, quiet), Timestamp::UNIX_EPOCH);
    assert_eq!(states.bytes(), 0);
}
