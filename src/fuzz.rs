//! What coverage-guided fuzzing tries, and the tests repeat on what it found: each
//! function takes any bytes and panics when what it promises does not hold.
//!
//! `make fuzz` runs them at length where a nightly toolchain is installed; the targets
//! are in `fuzz/`, and `fuzz/corpus` holds what they begin with and what once failed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::batch::{Batch, Event, Source};
use crate::cause::Confidence;
use crate::correlate::states::StreamState;
use crate::decode::{DecodeContext, DecodeError, Message};
use crate::diagnose::diagnose_by_log;
use crate::engine::Engine;
use crate::failure;
use crate::finding::Finding;
use crate::incident::group::group_into_incidents;
use crate::incident::nodes::NodeList;
use crate::node::Partition;
use crate::notify::content::Content;
use crate::notify::format::Format;
use crate::notify::kind::NotificationKind;
use crate::notify::message;
use crate::policy::{
    PolicyDecision, RoleRef, Service, has_ours, may_assume, plan_edit, remove_ours, same_policy,
};
use crate::receive::{self, Input, Payload};
use crate::report::build;
use crate::signature;

/// What is tried, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of it.
pub const TARGETS: &[Target] = &[
    ("envelope", envelope),
    ("decode", decode),
    ("lines", lines),
    ("denial", denial),
    ("policy", policy),
    ("message", messages),
    ("signatures", signatures),
];

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

/// What a payload may unpack to here.
const CAP: u64 = 64 << 10;

fn around() -> DecodeContext {
    DecodeContext {
        max_decoded_bytes: CAP,
        own_account: None,
        own_region: None,
        own_log_group: Some("/aws/lambda/own".to_owned()),
    }
}

/// An event is one of the inputs, or an error that says what is expected.
pub fn envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match receive::input(text) {
        Ok(Input::Logs(payloads)) => {
            for delivery in &payloads.items {
                read(&delivery.payload);
            }
        }
        Ok(Input::Nodes(nodes, _)) => assert!(!nodes.is_empty()),
        Ok(Input::Sweep(..) | Input::Repair(_) | Input::Digest) => {}
        Err(error) => {
            let says = error.to_string();
            let helps = ["expected", "send one of"].map(|words| says.contains(words));
            assert!(helps.contains(&true), "{says}");
        }
    }
}

fn read(payload: &Payload<'_>) {
    let decoded = payload.decode(&around());
    let message = decoded.as_ref().map_err(DecodeError::clone);
    let message = message.and_then(|decoded| decoded.message(&around()));
    match message {
        Ok(Message::Data { batches, .. }) => {
            for batch in &batches {
                let analysis =
                    ENGINE.analyze(&mut StreamState::default(), batch, Timestamp::UNIX_EPOCH);
                analysis.findings.iter().for_each(is_sound);
            }
        }
        Ok(Message::Control | Message::OwnLog) => {}
        Err(error) => assert!(error.to_string().starts_with("expected"), "{error}"),
    }
}

/// Any bytes where a gzip file is expected: bounded, and an error of its own.
pub fn decode(data: &[u8]) {
    read(&Payload::Base64(STANDARD.encode(data).into()));
}

fn is_sound(finding: &Finding) {
    assert!(!finding.candidates.is_empty());
    assert!(finding.first <= finding.last, "{finding:?}");
}

fn findings(data: &[u8], pasted: bool) -> Vec<Finding> {
    findings_by(&ENGINE, data, pasted)
}

fn findings_by(engine: &Engine, data: &[u8], pasted: bool) -> Vec<Finding> {
    let text = String::from_utf8_lossy(data);
    let event = |line| Event {
        id: "".into(),
        at: Some(Timestamp::UNIX_EPOCH),
        message: line,
    };
    let source = Source {
        log_stream: "i-0123456789abcdef0".to_owned(),
        complete: true,
        pasted,
        ..Source::default()
    };
    let events = match pasted {
        true => vec![event(text.as_ref().into())],
        false => text.lines().map(|line| event(line.into())).collect(),
    };
    let batch = Batch { source, events };
    let mut state = StreamState::default();
    let analysis = engine.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
    analysis.findings
}

/// Lines of a log, and the same as a paste: what is found has causes, and of a paste
/// nothing is confirmed.
pub fn lines(data: &[u8]) {
    findings(data, false).iter().for_each(is_sound);
    for finding in findings(data, true) {
        is_sound(&finding);
        assert_ne!(finding.confidence, Confidence::Confirmed);
    }
}

/// An error's text: whatever is taken out of it stands in it.
pub fn denial(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(failure) = failure::read(&text) else {
        return;
    };
    let of_denied = failure
        .denied
        .iter()
        .flat_map(|one| [&one.action, &one.resource]);
    let named = of_denied
        .chain([&failure.role, &failure.resource])
        .flatten();
    for name in named {
        assert!(text.contains(name.as_str()), "{name:?} is not in the text");
    }
}

/// A trust policy: what is appended lets EC2 assume the role, is recognised and leaves
/// nothing when it is taken away.
pub fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for partition in Partition::ALL {
        may_assume(Service::Ec2, &text, *partition);
    }
    let role = RoleRef {
        name: "web",
        path: "/",
        arn: "arn:aws:iam::123456789012:role/web",
        partition: Partition::Aws,
    };
    let Ok(edit) = plan_edit(&text, &role) else {
        return;
    };
    let after = may_assume(Service::Ec2, &edit.new_document, Partition::Aws);
    assert!(matches!(after, PolicyDecision::Allowed(_)), "{after:?}");
    let sid = has_ours(&edit.new_document).expect("it is in it");
    // A policy has at least one statement.
    if let Some(without) = remove_ours(&edit.new_document, &sid) {
        assert!(same_policy(&without, &text), "{without}");
    }
}

/// What a log brings about is notified within the limits of each channel.
pub fn messages(data: &[u8]) {
    let now = Timestamp::UNIX_EPOCH;
    for incident in group_into_incidents(diagnose_by_log(findings(data, true))) {
        let list = NodeList::of(incident.nodes());
        let (plan, outcome) = build::untouched("Nothing was looked at.");
        let kind = NotificationKind::Opened;
        let content = Content::of(&incident, &list, &plan, &outcome, kind, now, Some(now));
        for format in [
            Format::Mail,
            Format::Chat,
            Format::Json,
            Format::PerProtocol,
        ] {
            let message = message::Message::new(&content, format);
            assert!(message.body.len() <= 256 << 10);
            assert!((1..=100).contains(&message.subject.len()));
            assert!(message.subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
            if format != Format::Mail {
                let json: Result<serde_json::Value, _> = serde_json::from_str(&message.body);
                assert!(json.is_ok(), "{}", message.body);
            }
        }
    }
}

/// Signatures of an operator's own: what is taken can be built, and read with.
pub fn signatures(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(own) = signature::parse("own.toml", &text) else {
        return;
    };
    let mut all = signature::builtin().to_vec();
    signature::merge(&mut all, &own);
    let engine = Engine::with(all);
    // What they are to match is what they may spoil.
    findings_by(&engine, data, false).iter().for_each(is_sound);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// What fuzzing of `target` begins with, and what it found.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let files = fs::read_dir(folder).expect("each target has a corpus");
        let paths = files.map(|file| file.expect("it can be listed").path());
        let mut paths: Vec<_> = paths.collect();
        paths.sort();
        let texts = paths
            .iter()
            .map(|path| fs::read(path).expect("it can be read"));
        texts.collect()
    }

    #[test]
    fn what_fuzzing_begins_with_and_found_holds() {
        for (name, target) in TARGETS {
            let corpus = corpus(name);
            assert!(!corpus.is_empty(), "{name}");
            corpus.iter().for_each(|data| target(data));
        }
    }

    /// A part of it is put in the place of another, or bytes are.
    fn altered() -> impl Strategy<Value = (usize, Vec<u8>)> {
        let bytes = prop::collection::vec(any::<u8>(), 0..12);
        let edits = prop::collection::vec(
            (any::<[prop::sample::Index; 4]>(), bytes, any::<bool>()),
            0..4,
        );
        let which = (0..TARGETS.len(), any::<prop::sample::Index>());
        (which, edits).prop_map(|((target, seed), edits)| {
            let corpus = corpus(TARGETS[target].0);
            let mut data = seed.get(&corpus).clone();
            for (places, bytes, copies) in edits {
                let place = |index: &prop::sample::Index| index.index(data.len() + 1);
                let [mut from, mut to, mut start, mut end] = places.each_ref().map(place);
                if from > to {
                    (from, to) = (to, from);
                }
                if start > end {
                    (start, end) = (end, start);
                }
                let new = if copies {
                    data[start..end].to_vec()
                } else {
                    bytes
                };
                data.splice(from..to.min(from + 64), new);
            }
            (target, data)
        })
    }

    proptest! {
        #[test]
        fn what_is_altered_holds_as_well((target, data) in altered()) {
            TARGETS[target].1(&data);
        }
    }
}
