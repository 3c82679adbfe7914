//! One log in the shapes in which it may arrive.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::node::{AccountId, Region};

use super::verdict::ENGINE;

const START: &str = "2026-11-23T04:00:00Z";

pub(crate) fn source(complete: bool) -> Source {
    Source {
        account: AccountId::parse("123456789012"),
        region: Region::parse("us-east-1"),
        log_group: "/ssm/agent".to_owned(),
        log_stream: "i-0123456789abcdef0".to_owned(),
        caller_node: None,
        complete,
        pasted: false,
    }
}

/// Whether a line starts with a timestamp of the agent.
pub(crate) fn is_head(line: &str) -> bool {
    line.len() > 20
        && line.as_bytes()[4] == b'-'
        && line.as_bytes()[13] == b':'
        && line.starts_with('2')
}

/// The time a line tells, or the one before.
pub(crate) fn times(pieces: &[String]) -> Vec<Timestamp> {
    let mut at: Timestamp = START.parse().expect("a time");
    pieces
        .iter()
        .map(|piece| {
            if is_head(piece) {
                let stamp = piece
                    .get(..24)
                    .filter(|s| s.as_bytes()[19] == b'.')
                    .or_else(|| piece.get(..19));
                at = stamp
                    .map(|stamp| format!("{}Z", stamp.trim().replacen(' ', "T", 1)))
                    .and_then(|stamp| stamp.parse().ok())
                    .unwrap_or(at);
            } else {
                at += SignedDuration::from_micros(1);
            }
            at
        })
        .collect()
}

pub(crate) fn records(text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for line in text.lines() {
        match records.last_mut() {
            Some(last) if !is_head(line) => {
                last.push('\n');
                last.push_str(line);
            }
            _ => records.push(line.to_owned()),
        }
    }
    records
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The agent log and errors.log in one stream, in the order of their times.
pub(crate) fn with_errors(log: &str, errors: &str) -> Vec<String> {
    let mut all: Vec<String> = records(log).into_iter().chain(records(errors)).collect();
    all.sort_by(|a, b| a.get(..24).cmp(&b.get(..24)));
    all
}

/// As journald and rsyslog carry it: a prefix on every line, tabs as `#011`.
pub(crate) fn syslog(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            format!(
                "Nov 23 04:19:04 ip-10-0-1-20 amazon-ssm-agent[2373]: {}",
                line.replace('\t', "#011")
            )
        })
        .collect()
}

pub(crate) fn events(pieces: &[String]) -> Vec<Event<'_>> {
    pieces
        .iter()
        .zip(times(pieces))
        .enumerate()
        .map(|(index, (message, at))| Event {
            id: Cow::Owned(format!("{index:056}")),
            at: Some(at),
            message: Cow::Borrowed(message),
        })
        .collect()
}

/// All pieces in one batch.
pub(crate) fn at_once(pieces: &[String]) -> BatchAnalysis {
    let batch = Batch {
        source: source(true),
        events: events(pieces),
    };
    ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH)
}

/// Batches of `size` events one after another; the reading after each.
pub(crate) fn in_batches(pieces: &[String], size: usize) -> Vec<BatchAnalysis> {
    let mut state = StreamState::default();
    events(pieces)
        .chunks(size)
        .map(|events| {
            let batch = Batch {
                source: source(false),
                events: events.to_vec(),
            };
            ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH)
        })
        .collect()
}
