//! What a record's text names: the node, and how long the agent waits.

use crate::node::NodeId;
use crate::record::{Level, NormalizedRecord, Record};

/// The node id in `[instanceID=…]`.
pub(super) fn named_in_tags(record: &Record<'_>) -> Option<NodeId> {
    record
        .tags
        .iter()
        .find_map(|tag| tag.strip_prefix("instanceID=").and_then(NodeId::parse))
}

/// The node id in a tag or in the text of a trouble record.
pub(super) fn named_in(record: &NormalizedRecord<'_, '_>) -> Option<NodeId> {
    if let Some(id) = named_in_tags(record) {
        return Some(id);
    }
    if record.level < Level::Info {
        return None;
    }
    let flat = record.flat();
    [
        "instance/",
        "assumed-role/",
        "control-channel/",
        "for instance: ",
        "InstanceId ",
    ]
    .iter()
    .find_map(|before| {
        flat.match_indices(before).find_map(|(at, _)| {
            let rest = &flat[at + before.len()..];
            let rest = if *before == "assumed-role/" {
                rest.split_once('/')?.1
            } else {
                rest
            };
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                .unwrap_or(rest.len());
            NodeId::parse(&rest[..end])
        })
    })
}

/// Whole seconds of Go's duration text: `27m51s`, `1h2m3.5s`, `500ms`.
pub(super) fn go_seconds(text: &str) -> Option<u64> {
    let mut seconds = 0.0_f64;
    let mut number = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '0'..='9' | '.' => number.push(character),
            'h' | 'm' | 's' => {
                let value: f64 = number.parse().ok()?;
                number.clear();
                seconds += match character {
                    'h' => value * 3600.0,
                    'm' if rest.peek() == Some(&'s') => {
                        rest.next();
                        value / 1000.0
                    }
                    'm' => value * 60.0,
                    _ => value,
                };
            }
            _ => return None,
        }
    }
    (number.is_empty() && seconds <= 1e9).then_some(seconds.round() as u64)
}
