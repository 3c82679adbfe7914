//! The first half of the way: everything one invocation delivers, read.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::error::HandlerError;
use super::log;
use crate::batch::{Batch, Source};
use crate::cause::Cause;
use crate::correlate::states::StreamStates;
use crate::correlate::stream::StreamAnalyzer;
use crate::decode::{DecodeContext, DecodeError, Message};
use crate::engine::Engine;
use crate::finding::Finding;
use crate::finding::{Recovered, SourceSummary, Unrecognised};
use crate::node::{IdSource, Node, NodeId};
use crate::receive::{Kind, Payload, Payloads};

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
    pub benign: BTreeMap<String, u64>,
    pub unrecognised: Vec<Unrecognised>,
    pub source: SourceSummary,
    /// The nodes of the streams of which something was known.
    pub nodes: Vec<Node>,
    /// Sequence numbers of the Kinesis records that could not be read.
    pub failed: Vec<String>,
}

/// Decodes and reads `deliveries` one after another, each after the state that
/// its stream was left in.
///
/// What is read is read for good, whatever becomes of its messages: a batch that
/// is delivered again brings copies of records that the state knows. They make
/// their findings fresh again, so that what was not notified is diagnosed and
/// notified then, and the state never goes back behind what later batches said.
///
/// Fails with the first payload that cannot be read, except on Kinesis, where
/// only the record fails.
pub(super) fn read(
    engine: &Engine,
    streams: &mut StreamStates,
    deliveries: Payloads<'_>,
    around: &DecodeContext,
    now: Timestamp,
) -> Result<IngestedBatches, HandlerError> {
    let mut readers = Readers::default();
    let mut failed = Vec::new();
    let mut refused = None;
    let mut unreadable = 0;
    for delivery in deliveries.items {
        let read = read_payload(delivery.payload, around, |batch| {
            readers
                .of(engine, streams, &batch.source)
                .analyze(batch, now);
        });
        match (read, deliveries.kind) {
            (Ok(left_out), _) => unreadable += left_out,
            (Err(error), Kind::Kinesis) => {
                log(format_args!(
                    "a record of Kinesis is left out: {}: {error}",
                    error.name()
                ));
                failed.extend(delivery.sequence_number);
                failed.dedup();
            }
            (Err(error), Kind::Subscription | Kind::Direct) => {
                refused = Some(error);
                break;
            }
        }
    }
    let mut intake = readers.finish(streams);
    if let Some(error) = refused {
        return Err(error.into());
    }
    if unreadable > 0 {
        log(format_args!(
            "{unreadable} log events without a readable message are left out"
        ));
    }
    intake.source.unreadable = unreadable;
    intake.failed = failed;
    Ok(intake)
}

/// How many log events of the payload could not be read.
fn read_payload(
    payload: Payload<'_>,
    around: &DecodeContext,
    mut each: impl FnMut(&Batch<'_>),
) -> Result<u64, DecodeError> {
    match payload.decode(around)?.message(around)? {
        Message::Data {
            batches,
            unreadable,
            ..
        } => {
            batches.iter().for_each(&mut each);
            Ok(unreadable as u64)
        }
        // A probe, or this function's own log: nothing to do.
        Message::Control | Message::OwnLog => Ok(0),
    }
}

/// The streams of an invocation, in the order of first sight.
#[derive(Debug, Default)]
struct Readers<'e> {
    readers: Vec<(Source, StreamAnalyzer<'e>)>,
    places: HashMap<Source, usize>,
}

impl<'e> Readers<'e> {
    /// The reader of this stream. What is delivered by hand neither continues a
    /// stream nor disturbs it.
    fn of(
        &mut self,
        engine: &'e Engine,
        streams: &mut StreamStates,
        source: &Source,
    ) -> &mut StreamAnalyzer<'e> {
        let known = self.places.get(source).copied();
        let place = known.unwrap_or(self.readers.len());
        if known.is_none() {
            let reader = if source.complete {
                engine.stream(&mut StreamStates::default(), source)
            } else {
                self.places.insert(source.clone(), place);
                engine.stream(streams, source)
            };
            self.readers.push((source.clone(), reader));
        }
        &mut self.readers[place].1
    }

    /// What all of them say together; the states go back to `streams`.
    fn finish(self, streams: &mut StreamStates) -> IngestedBatches {
        let mut intake = IngestedBatches::default();
        let mut unrecognised = 0;
        for (index, (source, reader)) in self.readers.into_iter().enumerate() {
            let (reading, state) = reader.finish();
            streams.save(&source, state);
            let mut findings = reading.findings;
            findings.retain(|finding| {
                let known = finding.candidates != [Cause::Unrecognised];
                unrecognised += usize::from(!known);
                known || unrecognised <= MAX_TEMPLATES
            });
            intake
                .nodes
                .extend(reading.recovered.iter().map(|recovered| {
                    Node {
                        id: NodeId::parse(&recovered.node)
                            .unwrap_or_else(|| NodeId::Unknown(recovered.node.as_str().into())),
                        id_source: IdSource::Nobody,
                        account: source.account.clone(),
                        region: source.region.clone(),
                    }
                }));
            intake.findings.extend(findings);
            intake.recovered.extend(reading.recovered);
            add_counts(&mut intake.benign, reading.benign);
            add_templates(&mut intake.unrecognised, reading.unrecognised);
            intake.source = match index {
                0 => reading.source,
                _ => both(intake.source, reading.source),
            };
        }
        intake
    }
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
    use std::io::Write;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;
    use crate::receive::Delivery;

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

    fn read_all(
        kind: Kind,
        items: Vec<Delivery<'static>>,
    ) -> Result<IngestedBatches, HandlerError> {
        let engine = Engine::default();
        let deliveries = Payloads { kind, items };
        read(
            &engine,
            &mut StreamStates::default(),
            deliveries,
            &around(),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn two_records_of_one_stream_are_one_reading() {
        let items = vec![
            record("1", STREAM, 100, &[FAULT, WAIT]),
            record(
                "2",
                STREAM,
                160,
                &["2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see"],
            ),
        ];
        let intake = read_all(Kind::Kinesis, items).expect("all is well");
        assert_eq!(intake.findings.len(), 1, "{:#?}", intake.findings);
        assert!(intake.findings[0].fresh, "this invocation brought it");
        assert_eq!(intake.source.events, 3);
        assert_eq!(intake.source.log_stream.as_deref(), Some(STREAM));
        assert_eq!(intake.source.oldest, Timestamp::from_second(100).ok());
        assert_eq!(intake.source.newest, Timestamp::from_second(160).ok());
    }

    #[test]
    fn several_streams_name_only_what_they_share() {
        let other = "i-0fedcba9876543210";
        let items = vec![
            record("1", STREAM, 100, &[FAULT, WAIT]),
            record("2", other, 90, &[FAULT, WAIT]),
        ];
        let intake = read_all(Kind::Kinesis, items).expect("all is well");
        let nodes: Vec<&str> = intake.findings.iter().map(|f| f.node.id.as_str()).collect();
        assert_eq!(nodes, [STREAM, other]);
        assert_eq!(intake.source.account.as_deref(), Some("123456789012"));
        assert_eq!(intake.source.log_stream, None);
        assert_eq!(intake.source.oldest, Timestamp::from_second(90).ok());
    }

    #[test]
    fn what_cannot_be_read_fails_alone_on_kinesis_and_everything_elsewhere() {
        let items = || {
            vec![
                delivery("1", b"no JSON"),
                record("2", STREAM, 100, &[FAULT, WAIT]),
                delivery("3", b"{}"),
            ]
        };
        let intake = read_all(Kind::Kinesis, items()).expect("only records fail");
        assert_eq!(intake.failed, ["1", "3"]);
        assert_eq!(intake.findings.len(), 1);
        let error = read_all(Kind::Direct, items()).expect_err("the first one fails it all");
        assert_eq!(error.name(), "PayloadNotJson");
    }

    #[test]
    fn what_is_delivered_by_hand_leaves_its_stream_as_it_was() {
        let engine = Engine::default();
        let mut streams = StreamStates::default();
        let mut read_one = |kind, delivery: Delivery<'_>| {
            let items = vec![delivery];
            let deliveries = Payloads { kind, items };
            let now = Timestamp::UNIX_EPOCH;
            read(&engine, &mut streams, deliveries, &around(), now)
                .expect("the payload can be read")
        };
        let quiet = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        read_one(Kind::Kinesis, record("1", STREAM, 100, &[FAULT, WAIT]));
        let json = message(STREAM, 130, &[quiet]).to_string();
        let by_hand = Delivery {
            sequence_number: None,
            payload: Payload::Json(&json),
        };
        assert_eq!(read_one(Kind::Direct, by_hand).findings, []);
        let later = read_one(Kind::Kinesis, record("2", STREAM, 160, &[quiet]));
        assert_eq!(later.findings.len(), 1, "the stream still knows");
    }

    /// Reads Kinesis records of [`STREAM`], one an invocation, in one environment.
    fn reader_of_one_stream() -> impl FnMut(&str, i64, &[&str]) -> IngestedBatches {
        let engine = Engine::default();
        let mut streams = StreamStates::default();
        move |number, second, lines| {
            let deliveries = Payloads {
                kind: Kind::Kinesis,
                items: vec![record(number, STREAM, second, lines)],
            };
            let now = Timestamp::UNIX_EPOCH;
            read(&engine, &mut streams, deliveries, &around(), now)
                .expect("the payload can be read")
        }
    }

    #[test]
    fn what_is_delivered_again_is_fresh_and_counted_once() {
        let mut read_one = reader_of_one_stream();
        let first = read_one("1", 100, &[FAULT, WAIT]);
        assert!(first.findings[0].fresh);
        let quiet = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        read_one("2", 160, &[quiet]);
        assert!(!read_one("3", 220, &[quiet]).findings[0].fresh);
        let again = read_one("1", 100, &[FAULT, WAIT]);
        assert!(again.findings[0].fresh, "it may not have been notified");
        assert_eq!(again.findings[0].signatures, first.findings[0].signatures);
    }

    #[test]
    fn a_fault_that_ends_a_batch_is_fresh_in_that_batch_alone() {
        let mut read_one = reader_of_one_stream();
        let quiet = "2023-01-25 09:56:17 INFO [ssm-agent-worker] nothing to see";
        let ended = read_one("1", 100, &[quiet, FAULT]);
        assert!(ended.findings[0].fresh);
        let healthy = "2023-01-25 09:57:19 INFO [ssm-agent-worker] nothing to see";
        let next = read_one("2", 160, &[healthy]);
        assert_eq!(next.findings.len(), 1, "it is active");
        assert!(!next.findings[0].fresh);
    }

    #[test]
    fn a_batch_delivered_again_after_the_recovery_reopens_nothing() {
        let mut read_one = reader_of_one_stream();
        let connected = "2023-01-25 10:26:19 INFO EC2RoleProvider Successfully connected with instance profile role credentials";
        let quiet = "2023-01-25 10:26:20 INFO [ssm-agent-worker] nothing to see";
        assert_eq!(read_one("1", 100, &[FAULT, WAIT]).findings.len(), 1);
        let over = read_one("2", 1900, &[connected, quiet]);
        assert_eq!(over.findings, []);
        assert_eq!(over.recovered.len(), 1);
        let again = read_one("1", 100, &[FAULT, WAIT]);
        assert_eq!((again.findings, again.recovered), (vec![], vec![]));
    }

    #[test]
    fn a_probe_says_nothing() {
        let probe =
            json!({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logEvents": []});
        let items = vec![delivery("1", probe.to_string().as_bytes())];
        assert_eq!(
            read_all(Kind::Subscription, items),
            Ok(IngestedBatches::default())
        );
    }
}
