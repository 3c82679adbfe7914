//! The first half of the way: everything one invocation delivers, read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::HandlerError;
use super::{LogLevel, log};
use crate::batch::Source;
use crate::cause::Cause;
use crate::correlate::streams::Streams;
use crate::decode::{DecodeContext, Message};
use crate::engine::Engine;
use crate::finding::Finding;
use crate::finding::{Recovered, SourceSummary, Unrecognised};
use crate::node::Node;
use crate::receive::{Kind, Payload, Payloads};
use crate::state::Store;

/// So many templates that nothing recognises are reported of one invocation;
/// whoever writes its logs decides how many there are.
const MAX_TEMPLATES: usize = 256;

/// Stands for all further templates.
const OTHERS: &str = "\u{2026}";

/// What all deliveries of one invocation say together.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct IngestedBatches {
    pub findings: Vec<Finding>,
    pub recovered: Vec<Recovered>,
    /// What is over, by these batches and those before: whoever read it first may have
    /// been cut off.
    pub over: Vec<Recovered>,
    /// The streams with evidence of a fault, which may be over in another environment.
    pub fresh: Vec<Source>,
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
    pub source: SourceSummary,
    /// The nodes of the streams of which something was known.
    pub nodes: Vec<Node>,
    /// Sequence numbers of the Kinesis records that could not be read.
    pub failed: Vec<String>,
}

/// Decodes and reads `deliveries` one after another, each after the state that
/// its stream was left in, by this execution environment or another one.
///
/// What is read is read for good, whatever becomes of its messages: a batch that
/// is delivered again brings copies of records that the state knows. They make
/// their findings fresh again, so that what was not notified is diagnosed and
/// notified then, and the state never goes back behind what later batches said.
///
/// # Errors
/// With the first payload that cannot be read, except on Kinesis, where only the
/// record fails; when the state cannot be read or written.
pub(super) async fn read<S: Store>(
    engine: &Engine,
    store: &S,
    deliveries: &Payloads<'_>,
    around: &DecodeContext,
    now: Timestamp,
) -> Result<IngestedBatches, HandlerError> {
    let mut streams = engine.streams(now);
    let mut failed = Vec::new();
    let mut unreadable = 0;
    // Of each delivery, the places of the streams that it holds batches of.
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(deliveries.items.len());
    for delivery in &deliveries.items {
        let read = read_payload(&delivery.payload, around, store, &mut streams).await;
        places.push(match (read, deliveries.kind) {
            (Ok((left_out, places)), _) => {
                unreadable += left_out;
                places
            }
            (Err(HandlerError::Decode(error)), Kind::Kinesis) => {
                log(
                    LogLevel::Warn,
                    format_args!("a record of Kinesis is left out: {}: {error}", error.name()),
                );
                failed.extend(delivery.sequence_number.clone());
                failed.dedup();
                Vec::new()
            }
            (Err(error), _) => return Err(error),
        });
    }
    loop {
        let again = streams.save(store).await?;
        if again.is_empty() {
            break;
        }
        for (delivery, places) in deliveries.items.iter().zip(&places) {
            if places.iter().any(|place| again.contains(place)) {
                read_payload(&delivery.payload, around, store, &mut streams).await?;
            }
        }
    }
    let mut intake = together(streams);
    if unreadable > 0 {
        log(
            LogLevel::Warn,
            format_args!("{unreadable} log events without a readable message are left out"),
        );
    }
    intake.source.unreadable = unreadable;
    intake.failed = failed;
    Ok(intake)
}

/// How many log events of the payload could not be read, and the places of its
/// streams.
async fn read_payload<S: Store>(
    payload: &Payload<'_>,
    around: &DecodeContext,
    store: &S,
    streams: &mut Streams<'_>,
) -> Result<(u64, Vec<usize>), HandlerError> {
    let decoded = payload.decode(around)?;
    match decoded.message(around)? {
        Message::Data {
            batches,
            unreadable,
            ..
        } => {
            streams.load(store, &batches).await?;
            let places = batches.iter().map(|batch| streams.analyze(batch));
            Ok((unreadable as u64, places.collect()))
        }
        // A probe, or this function's own log: nothing to do.
        Message::Control | Message::OwnLog => Ok((0, Vec::new())),
    }
}

/// What all streams say together.
fn together(streams: Streams<'_>) -> IngestedBatches {
    let mut intake = IngestedBatches::default();
    let mut unrecognised = 0;
    for (index, read) in streams.into_analyses().enumerate() {
        let analysis = read.analysis;
        intake.over.extend(read.over);
        intake.over.extend(analysis.recovered.iter().cloned());
        intake.fresh.extend(read.fresh);
        let mut findings = analysis.findings;
        findings.retain(|finding| {
            let known = finding.candidates != [Cause::Unrecognised];
            unrecognised += usize::from(!known);
            known || unrecognised <= MAX_TEMPLATES
        });
        intake.findings.extend(findings);
        intake.recovered.extend(analysis.recovered);
        if read.had_state {
            intake.nodes.extend(analysis.nodes);
        }
        add_counts(&mut intake.benign, analysis.benign);
        add_templates(&mut intake.unrecognised, analysis.unrecognised);
        intake.source = match index {
            0 => analysis.source,
            _ => both(intake.source, analysis.source),
        };
    }
    intake
}

fn add_counts(sum: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (id, count) in more {
        *sum.entry(id).or_default() += count;
    }
}

fn add_templates(sum: &mut Vec<Unrecognised>, more: Vec<Unrecognised>) {
    for unknown in more {
        let known = sum
            .iter()
            .position(|known| known.template == unknown.template);
        // The last entry counts what found no place of its own.
        let full = sum.len() >= MAX_TEMPLATES;
        let place = known.or(sum
            .len()
            .checked_sub(1)
            .filter(|_| sum.len() > MAX_TEMPLATES));
        match place {
            Some(place) => sum[place].count += unknown.count,
            None if full => sum.push(Unrecognised {
                template: OTHERS.to_owned(),
                ..unknown
            }),
            None => sum.push(unknown),
        }
    }
}

/// What two sources have in common, and their counts added.
fn both(one: SourceSummary, other: SourceSummary) -> SourceSummary {
    let same = |a: Option<String>, b: Option<String>| a.filter(|a| Some(a) == b.as_ref());
    SourceSummary {
        account: same(one.account, other.account),
        region: same(one.region, other.region),
        log_group: same(one.log_group, other.log_group),
        log_stream: same(one.log_stream, other.log_stream),
        events: one.events + other.events,
        unreadable: one.unreadable + other.unreadable,
        records: one.records + other.records,
        oldest: [one.oldest, other.oldest].into_iter().flatten().min(),
        newest: [one.newest, other.newest].into_iter().flatten().max(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;
    use crate::cause::Confidence;
    use crate::correlate::streams;
    use crate::receive::Delivery;
    use crate::state::{self, Consistency, Item, Key, Memory, SaveError, StateError, Write};

    const STREAM: &str = "i-0123456789abcdef0";
    const FAULT: &str = "2023-01-25 09:56:19 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity";
    const WAIT: &str = "2023-01-25 09:56:19 INFO [CredentialRefresher] Sleeping for 1s before retrying retrieve credentials";

    fn record(
        sequence_number: &str,
        stream: &str,
        second: i64,
        lines: &[&str],
    ) -> Delivery<'static> {
        let message = message(stream, second, lines);
        delivery(sequence_number, message.to_string().as_bytes())
    }

    fn message(stream: &str, second: i64, lines: &[&str]) -> serde_json::Value {
        let events: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                json!({"id": format!("{second}-{index}"), "timestamp": 1000 * second, "message": line})
            })
            .collect();
        json!({
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "/ssm/agent",
            "logStream": stream,
            "subscriptionFilters": [],
            "logEvents": events,
        })
    }

    fn around() -> DecodeContext {
        DecodeContext {
            max_decoded_bytes: 1 << 20,
            own_account: None,
            own_region: None,
            own_log_group: None,
        }
    }

    fn delivery(sequence_number: &str, decoded: &[u8]) -> Delivery<'static> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(decoded).expect("a Vec takes every byte");
        let gzip = gzip.finish().expect("a Vec takes every byte");
        Delivery {
            sequence_number: Some(sequence_number.to_owned()),
            payload: Payload::Base64(STANDARD.encode(gzip).into()),
        }
    }

    /// Reads what one invocation delivers over `store`.
    async fn read_over(
        store: &impl Store,
        kind: Kind,
        items: Vec<Delivery<'_>>,
    ) -> Result<IngestedBatches, HandlerError> {
        let deliveries = Payloads { kind, items };
        let now = Timestamp::UNIX_EPOCH;
        read(&Engine::default(), store, &deliveries, &around(), now).await
    }

    async fn read_all(
        kind: Kind,
        items: Vec<Delivery<'static>>,
    ) -> Result<IngestedBatches, HandlerError> {
        read_over(&Memory::default(), kind, items).await
    }

    /// Reads a Kinesis record of [`STREAM`] in one invocation.
    async fn read_one(
        store: &Memory,
        number: &str,
        second: i64,
        lines: &[&str],
    ) -> IngestedBatches {
        let items = vec![record(number, STREAM, second, lines)];
        let read = read_over(store, Kind::Kinesis, items).await;
        read.expect("the payload can be read")
    }

    #[tokio::test]
    async fn two_records_of_one_stream_are_one_reading() {
        let items = vec![
            record("1", STREAM, 100, &[FAULT, WAIT]),
            record(
                "2",
                STREAM,
                160,
                &["2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see"],
            ),
        ];
        let intake = read_all(Kind::Kinesis, items).await.expect("all is well");
        assert_eq!(intake.findings.len(), 1, "{:#?}", intake.findings);
        assert!(intake.findings[0].fresh, "this invocation brought it");
        assert_eq!(intake.source.events, 3);
        assert_eq!(intake.source.log_stream.as_deref(), Some(STREAM));
        assert_eq!(intake.source.oldest, Timestamp::from_second(100).ok());
        assert_eq!(intake.source.newest, Timestamp::from_second(160).ok());
    }

    #[tokio::test]
    async fn several_streams_name_only_what_they_share() {
        let other = "i-0fedcba9876543210";
        let items = vec![
            record("1", STREAM, 100, &[FAULT, WAIT]),
            record("2", other, 90, &[FAULT, WAIT]),
        ];
        let intake = read_all(Kind::Kinesis, items).await.expect("all is well");
        let nodes: Vec<&str> = intake.findings.iter().map(|f| f.node.id.as_str()).collect();
        assert_eq!(nodes, [STREAM, other]);
        assert_eq!(intake.source.account.as_deref(), Some("123456789012"));
        assert_eq!(intake.source.log_stream, None);
        assert_eq!(intake.source.oldest, Timestamp::from_second(90).ok());
    }

    #[tokio::test]
    async fn what_cannot_be_read_fails_alone_on_kinesis_and_everything_elsewhere() {
        let items = || {
            vec![
                delivery("1", b"no JSON"),
                record("2", STREAM, 100, &[FAULT, WAIT]),
                delivery("3", b"{}"),
            ]
        };
        let intake = read_all(Kind::Kinesis, items())
            .await
            .expect("only records fail");
        assert_eq!(intake.failed, ["1", "3"]);
        assert_eq!(intake.findings.len(), 1);
        let error = read_all(Kind::Direct, items())
            .await
            .expect_err("the first one fails it all");
        assert_eq!(error.name(), "PayloadNotJson");
    }

    #[tokio::test]
    async fn what_is_delivered_by_hand_leaves_its_stream_as_it_was() {
        let store = Memory::default();
        let quiet = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        read_one(&store, "1", 100, &[FAULT, WAIT]).await;
        let json = message(STREAM, 130, &[quiet]).to_string();
        let by_hand = Delivery {
            sequence_number: None,
            payload: Payload::Json(&json),
        };
        let by_hand = read_over(&store, Kind::Direct, vec![by_hand]).await;
        let by_hand = by_hand.expect("the payload can be read");
        assert_eq!((by_hand.findings, by_hand.nodes), (vec![], vec![]));
        let later = read_one(&store, "2", 160, &[quiet]).await;
        assert_eq!(later.findings.len(), 1, "the stream still knows");
    }

    #[tokio::test]
    async fn what_is_delivered_again_is_fresh_and_counted_once() {
        let store = Memory::default();
        let first = read_one(&store, "1", 100, &[FAULT, WAIT]).await;
        assert!(first.findings[0].fresh);
        let quiet = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        read_one(&store, "2", 160, &[quiet]).await;
        assert!(!read_one(&store, "3", 220, &[quiet]).await.findings[0].fresh);
        let again = read_one(&store, "1", 100, &[FAULT, WAIT]).await;
        assert!(again.findings[0].fresh, "it may not have been notified");
        assert_eq!(again.findings[0].signatures, first.findings[0].signatures);
    }

    #[tokio::test]
    async fn a_fault_that_ends_a_batch_is_fresh_in_that_batch_alone() {
        let store = Memory::default();
        let quiet = "2023-01-25 09:56:17 INFO [ssm-agent-worker] nothing to see";
        let ended = read_one(&store, "1", 100, &[quiet, FAULT]).await;
        assert!(ended.findings[0].fresh);
        let healthy = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        let next = read_one(&store, "2", 160, &[healthy]).await;
        assert_eq!(next.findings.len(), 1, "it is active");
        assert!(!next.findings[0].fresh);
    }

    #[tokio::test]
    async fn a_batch_delivered_again_after_the_recovery_reopens_nothing() {
        let store = Memory::default();
        let connected = "2023-01-25 10:26:19 INFO EC2RoleProvider Successfully connected with instance profile role credentials";
        let quiet = "2023-01-25 10:26:20 INFO [ssm-agent-worker] nothing to see";
        assert_eq!(
            read_one(&store, "1", 100, &[FAULT, WAIT])
                .await
                .findings
                .len(),
            1
        );
        let over = read_one(&store, "2", 1900, &[connected, quiet]).await;
        assert_eq!(over.findings, []);
        assert_eq!(over.recovered.len(), 1);
        let again = read_one(&store, "1", 100, &[FAULT, WAIT]).await;
        assert_eq!((again.findings, again.recovered), (vec![], vec![]));
    }

    /// A store in which another environment reads a batch of [`STREAM`] right before the
    /// first write.
    struct Raced(Memory, AtomicBool);

    impl Store for Raced {
        async fn load(
            &self,
            keys: &[Key],
            consistency: Consistency,
        ) -> Result<Vec<Option<Item>>, StateError> {
            self.0.load(keys, consistency).await
        }

        async fn open(&self, kind: state::Kind) -> Result<Vec<Key>, StateError> {
            self.0.open(kind).await
        }

        async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
            if !self.1.swap(true, Ordering::Relaxed) {
                read_one(&self.0, "0", 100, &[FAULT, WAIT]).await;
            }
            self.0.save(writes).await
        }

        async fn back_off(&self, _: u32) {}
    }

    #[tokio::test]
    async fn what_another_environment_wrote_is_taken_in_for_its_stream_alone() {
        let connected = "2023-01-25 10:26:19 INFO EC2RoleProvider Successfully connected with instance profile role credentials";
        let store = Raced(Memory::default(), AtomicBool::new(false));
        let items = vec![
            delivery("1", b"no JSON"),
            record("2", STREAM, 1900, &[connected]),
            record("3", "i-0fedcba9876543210", 90, &[FAULT, WAIT]),
        ];
        let intake = read_over(&store, Kind::Kinesis, items).await;
        let intake = intake.expect("only a record fails");
        assert_eq!(intake.failed, ["1"]);
        let over: Vec<&str> = intake
            .recovered
            .iter()
            .map(|one| one.node.as_str())
            .collect();
        assert_eq!(over, [STREAM], "the other environment's fault is over");
        assert_eq!(intake.findings.len(), 1, "{:#?}", intake.findings);
        assert_eq!(intake.source.events, 3, "each is counted once");
        let nodes: Vec<&str> = intake.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(nodes, [STREAM], "of the other stream nothing was known");
    }

    #[tokio::test]
    async fn what_is_over_is_known_to_whoever_comes_later() {
        let store = Memory::default();
        let connected = "2023-01-25 10:26:19 INFO EC2RoleProvider Successfully connected with instance profile role credentials";
        let quiet = "2023-01-25 10:26:20 INFO [ssm-agent-worker] nothing to see";
        let fault = read_one(&store, "1", 100, &[FAULT, WAIT]).await;
        assert_eq!((fault.over.len(), fault.fresh.len()), (0, 1));
        let now = Timestamp::UNIX_EPOCH;
        let still = streams::over(&store, &fault.fresh, now).await;
        assert_eq!(still, Ok(vec![]));
        let ended = read_one(&store, "2", 1900, &[connected, quiet]).await;
        let of = |over: &[Recovered]| -> Vec<(String, Cause, Timestamp)> {
            over.iter()
                .map(|one| (one.node.clone(), one.cause, one.at))
                .collect()
        };
        let expected = of(&ended.recovered);
        assert_eq!(expected.len(), 1);
        // The batch again, one after it, and the environment that read the fault.
        let again = read_one(&store, "2", 1900, &[connected, quiet]).await;
        assert_eq!(
            (again.recovered.len(), of(&again.over)),
            (0, expected.clone())
        );
        let later = read_one(
            &store,
            "3",
            1960,
            &["2023-01-25 10:27:20 INFO [ssm-agent-worker] nothing to see"],
        )
        .await;
        assert_eq!(of(&later.over), expected);
        let by_now = streams::over(&store, &fault.fresh, now).await;
        assert_eq!(by_now.map(|over| of(&over)), Ok(expected));
        // Not any more when the fault is back.
        let back = FAULT.replace("09:56", "10:56");
        let wait = WAIT.replace("09:56", "10:56");
        let back = read_one(&store, "4", 3700, &[&back, &wait]).await;
        assert_eq!(back.findings.len(), 1);
        assert!(back.over.iter().all(|over| over.at < back.findings[0].last));
    }

    #[tokio::test]
    async fn what_healed_by_itself_is_over_too() {
        const ATTEMPT: &str = "2023-01-25 09:56:19 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: 403 Forbidden: Forbidden\n\tstatus code: 403, request id:";
        let store = Memory::default();
        let fault = read_one(&store, "1", 100, &[ATTEMPT, WAIT]).await;
        assert_eq!(fault.findings[0].confidence, Confidence::Undetermined);
        let connected = "2023-01-25 10:26:19 INFO EC2RoleProvider Successfully connected with instance profile role credentials";
        let over = read_one(&store, "2", 1900, &[connected]).await;
        // A check may have proved it, and its incident be open.
        let causes: Vec<Cause> = over.over.iter().map(|over| over.cause).collect();
        assert_eq!(
            (over.recovered, causes),
            (vec![], vec![Cause::ImdsDisabled])
        );
    }

    #[tokio::test]
    async fn a_probe_says_nothing() {
        let probe =
            json!({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logEvents": []});
        let items = vec![delivery("1", probe.to_string().as_bytes())];
        assert_eq!(
            read_all(Kind::Subscription, items).await,
            Ok(IngestedBatches::default())
        );
    }
}
