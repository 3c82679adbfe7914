//! What hostile streams cost the function in memory, as the kernel counts it.

use std::fmt::Write;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::events::{gzip, kinesis};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, Scene};

const MIB: usize = 1024 * 1024;

/// So much above its idle size the function may take. The template asks for no
/// less beside the largest batch.
const MOST: usize = 64 * MIB;

const TEMPLATES: usize = 64;
const RECORD_BYTES: usize = 30_000;

/// The streams of one Kinesis event of the size that the template allows.
const RECORDS: usize = 200;

/// Streams of 64 records, each of a template that nothing knows.
struct Hostile<'s> {
    scene: &'s Scene,
    /// What ends a record, and the last one, compressed: a gzip file may consist
    /// of many.
    tail: Vec<u8>,
    last_tail: Vec<u8>,
}

impl<'s> Hostile<'s> {
    /// Whose records are of `bytes`, the last one of 30 KB.
    fn new(scene: &'s Scene, bytes: usize) -> Self {
        let tail = |bytes: usize| gzip("word ".repeat(bytes / 5).as_bytes());
        Self {
            scene,
            tail: tail(bytes),
            last_tail: tail(RECORD_BYTES),
        }
    }

    /// One payload with all of a stream. No two streams share a template.
    fn payload(&self, stream: usize) -> String {
        let head = json!({
            "messageType": "DATA_MESSAGE",
            "owner": self.scene.id,
            "logGroup": "/ssm/agent",
            "logStream": format!("i-{stream:017x}"),
            "subscriptionFilters": ["ssm-agent-triage"],
        });
        let head = head.to_string();
        let mut text = format!("{},\"logEvents\":[", head.trim_end_matches('}'));
        let mut file = Vec::new();
        for template in 0..TEMPLATES {
            let unknown = letters(stream * TEMPLATES + template);
            write!(
                text,
                r#"{{"id":"{template}","timestamp":1763871544185,"message":"2026-11-23 04:00:01.{template:04} ERROR [X] nobody {unknown} knows "#
            )
            .expect("a string takes all");
            file.extend(gzip(text.as_bytes()));
            file.extend(match template + 1 {
                TEMPLATES => &self.last_tail,
                _ => &self.tail,
            });
            text = r#""},"#.to_owned();
        }
        file.extend(gzip(br#""}]}"#));
        STANDARD.encode(file)
    }

    /// The Kinesis event of these streams, one record each.
    fn event(&self, streams: Range<usize>) -> Value {
        let payloads: Vec<String> = streams.map(|stream| self.payload(stream)).collect();
        kinesis(self.scene, &payloads)
    }
}

/// A word of its own for each number, without a digit: digits are no part of a
/// template.
fn letters(mut number: usize) -> String {
    let mut word = String::new();
    for _ in 0..5 {
        word.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    word
}

/// The function once all that it loads at its first batch is loaded.
async fn warm(scene: &Scene) -> Function {
    let mut function = scene.function(ADVISE).await;
    let quiet = scene.healthy("i-0123456789abcdef0");
    function.handle(&quiet).await;
    function
}

/// Sends the events and gives what the function took at most above its idle size.
async fn most_for(scene: &Scene, events: impl Iterator<Item = Value>) -> usize {
    let mut function = warm(scene).await;
    let idle = function.memory().now;
    for event in events {
        let answer = function.handle(&event).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    function.memory().peak.saturating_sub(idle)
}

#[tokio::test]
async fn an_event_of_hostile_streams_is_read_in_bounded_memory() {
    let scene = Scene::new().await;
    let event = Hostile::new(&scene, RECORD_BYTES).event(0..RECORDS);
    let most = most_for(&scene, [event].into_iter()).await;
    assert!(most < MOST, "{} MiB above idle", most / MIB);
}

#[tokio::test]
async fn an_event_of_one_hostile_stream_is_read_in_bounded_memory() {
    let scene = Scene::new().await;
    let payload = Hostile::new(&scene, RECORD_BYTES).payload(0);
    let event = kinesis(&scene, &vec![payload; RECORDS]);
    let most = most_for(&scene, [event].into_iter()).await;
    assert!(most < MOST, "{} MiB above idle", most / MIB);
}

#[tokio::test]
async fn two_thousand_hostile_streams_are_kept_in_bounded_memory() {
    const STREAMS: usize = 2_048;
    let scene = Scene::new().await;
    // Of a record that has ended at most 512 bytes are kept, of the last one all
    // of its 30 KB: longer ones would take time and no more memory.
    let streams = Hostile::new(&scene, 600);
    let events = (0..STREAMS)
        .step_by(RECORDS)
        .map(|first| streams.event(first..STREAMS.min(first + RECORDS)));
    let most = most_for(&scene, events).await;
    assert!(most < MOST, "{} MiB above idle", most / MIB);
}
