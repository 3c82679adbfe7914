//! Events → the JSON that the function would be sent.
//!
//! Built from structs, so that the keys stand in the senders' own order, and
//! with nothing of the machine in it: the same log gives the same bytes.

use std::io::Write;

use crate::node::{AccountId, Partition, Region};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::json;

use super::split::Timed;

/// The log stream that the events are said to come from.
pub(super) struct Stream<'a> {
    pub account: &'a AccountId,
    pub region: Option<&'a Region>,
    pub group: &'a str,
    pub name: String,
}

/// What a subscription sends, before it is packed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataMessage {
    message_type: &'static str,
    owner: String,
    log_group: String,
    log_stream: String,
    subscription_filters: [&'static str; 1],
    log_events: Vec<LogEvent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogEvent {
    id: String,
    timestamp: i64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    extracted_fields: Option<serde_json::Value>,
}

pub(super) fn data_message(stream: &Stream<'_>, events: &[Timed<'_>]) -> DataMessage {
    DataMessage {
        message_type: "DATA_MESSAGE",
        owner: stream.account.to_string(),
        log_group: stream.group.to_owned(),
        log_stream: stream.name.clone(),
        subscription_filters: ["ssm-agent-triage"],
        log_events: (0_u64..)
            .zip(events)
            .map(|(at, event)| LogEvent {
                id: event_id(&stream.name, at, event),
                timestamp: event.at,
                message: event.message.to_owned(),
                // What a filter with `emitSystemFields` adds.
                extracted_fields: stream
                    .region
                    .map(|region| json!({"@aws.account": stream.account, "@aws.region": region})),
            })
            .collect(),
    }
}

/// 56 digits as CloudWatch Logs gives: time, a hash of stream and text, and the
/// place in the batch. The same event made twice has the same id, as a repeated
/// delivery has; another event has another.
fn event_id(stream: &str, at: u64, event: &Timed<'_>) -> String {
    let hash = fnv1a(stream.bytes().chain([0]).chain(event.message.bytes()));
    format!("{:014}{hash:020}{at:022}", event.at.unsigned_abs())
}

/// FNV-1a, 64 bits: the same on every machine and in every release.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The event of a subscription that invokes a function.
pub(super) fn subscription(message: &DataMessage) -> String {
    pretty(&json!({"awslogs": {"data": packed(message)}}))
}

/// The decoded message; an array when there are several.
pub(super) fn plain(messages: &[DataMessage]) -> String {
    match messages {
        [message] => pretty(message),
        several => pretty(several),
    }
}

/// The event of a Kinesis event source mapping, one record for each message.
pub(super) fn kinesis(
    messages: &[DataMessage],
    account: &AccountId,
    region: Option<&Region>,
) -> String {
    #[derive(Serialize)]
    struct Event {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        kinesis: Data,
        event_source: &'static str,
        event_version: &'static str,
        #[serde(rename = "eventID")]
        event_id: String,
        event_name: &'static str,
        invoke_identity_arn: String,
        aws_region: String,
        #[serde(rename = "eventSourceARN")]
        event_source_arn: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        kinesis_schema_version: &'static str,
        partition_key: String,
        sequence_number: String,
        data: String,
        approximate_arrival_timestamp: f64,
    }

    let partition = region.map_or(Partition::Aws, Region::partition);
    // A sample event: one of a partition that is not known looks like any other.
    let partition = partition.arn().unwrap_or("aws");
    let region = region.map_or("us-east-1", Region::as_str);
    let records = (0_u32..)
        .zip(messages)
        .map(|(at, message)| {
            let sequence_number = format!("49590338271490256608559692538361571095921575989{at:09}");
            let arrived = message.log_events.last().map_or(0, |event| event.timestamp);
            Record {
                kinesis: Data {
                    kinesis_schema_version: "1.0",
                    partition_key: format!("{:016x}", fnv1a(message.log_stream.bytes())),
                    data: packed(message),
                    approximate_arrival_timestamp: arrived as f64 / 1000.0,
                    sequence_number: sequence_number.clone(),
                },
                event_source: "aws:kinesis",
                event_version: "1.0",
                event_id: format!("shardId-000000000000:{sequence_number}"),
                event_name: "aws:kinesis:record",
                invoke_identity_arn: format!(
                    "arn:{partition}:iam::{account}:role/ssm-agent-triage"
                ),
                aws_region: region.to_owned(),
                event_source_arn: format!(
                    "arn:{partition}:kinesis:{region}:{account}:stream/ssm-agent-logs"
                ),
            }
        })
        .collect();
    pretty(&Event { records })
}

fn packed(message: &DataMessage) -> String {
    let json = serde_json::to_vec(message).expect("strings and integers always serialise");
    // The encoder leaves the gzip header's time and name empty.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let gzip = encoder
        .write_all(&json)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail");
    STANDARD.encode(gzip)
}

fn pretty<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text =
        serde_json::to_string_pretty(value).expect("strings and numbers always serialise");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use crate::batch::Batch;
    use crate::decode::{DecodeContext, Message};
    use crate::receive::{Kind, receive};
    use proptest::prelude::*;

    use super::super::split::{Split, split};
    use super::*;

    const LOG: &str = "2026-11-23 04:19:04.1850 WARN x\n\tstatus code: 400\n\
        2026-11-23 04:19:05 INFO y";

    fn message(log: &str, how: Split, region: Option<&Region>) -> DataMessage {
        let stream = Stream {
            account: &AccountId::parse("123456789012").unwrap(),
            region,
            group: "amazon-ssm-agent.log",
            name: "i-0123456789abcdef0".to_owned(),
        };
        data_message(&stream, &split(log, how, None))
    }

    type Seen = (String, Option<String>, Vec<(i64, String)>);

    /// What the function reads out of `event`: stream, Region, times and texts.
    fn read_back(event: &str) -> (Kind, Vec<Seen>) {
        let around = DecodeContext {
            max_decoded_bytes: 1 << 30,
            own_account: None,
            own_region: None,
            own_log_group: None,
        };
        let deliveries = receive(event).expect("an event");
        let seen = |batch: &Batch<'_>| {
            let events = batch.events.iter().map(|event| {
                let at = event.at.expect("a time").as_millisecond();
                (at, event.message.to_string())
            });
            (
                batch.source.log_stream.clone(),
                batch.source.region.as_ref().map(ToString::to_string),
                events.collect(),
            )
        };
        let batches = deliveries
            .items
            .into_iter()
            .flat_map(|delivery| {
                let decoded = delivery.payload.decode(&around).expect("a payload");
                match decoded.message(&around) {
                    Ok(Message::Data { batches, .. }) => {
                        batches.iter().map(seen).collect::<Vec<_>>()
                    }
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        (deliveries.kind, batches)
    }

    #[test]
    fn every_form_reads_back_as_the_same_events() {
        let region = Region::parse("cn-north-1");
        let expected = (
            "i-0123456789abcdef0".to_owned(),
            Some("cn-north-1".to_owned()),
            vec![
                (
                    1_795_407_544_185,
                    "2026-11-23 04:19:04.1850 WARN x\n\tstatus code: 400".to_owned(),
                ),
                (1_795_407_545_000, "2026-11-23 04:19:05 INFO y".to_owned()),
            ],
        );
        let make = || message(LOG, Split::Records, region.as_ref());
        let account = AccountId::parse("123456789012").unwrap();
        let kinesis = kinesis(&[make(), make()], &account, region.as_ref());
        assert!(kinesis.contains("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/"));
        for (event, kind, copies) in [
            (subscription(&make()), Kind::Subscription, 1),
            (kinesis, Kind::Kinesis, 2),
            (plain(&[make()]), Kind::Direct, 1),
            (plain(&[make(), make()]), Kind::Direct, 2),
        ] {
            assert_eq!(read_back(&event), (kind, vec![expected.clone(); copies]));
        }
    }

    #[test]
    fn the_decoded_message_is_what_cloudwatch_logs_writes() {
        insta::assert_snapshot!(plain(&[message(LOG, Split::Records, None)]));
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_and_no_two_events_one_id() {
        let make = || message("ERROR x\nERROR x\nINFO y", Split::Lines, None);
        assert_eq!(subscription(&make()), subscription(&make()));
        let mut ids: Vec<String> = make()
            .log_events
            .into_iter()
            .map(|event| event.id)
            .collect();
        assert!(ids.iter().all(|id| id.len() == 56), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was_cut(
            text in "(\\PC|[\n\r\t\u{1b}])*|(2026-11-23 04:19:0[0-9] (ERROR|INFO|x) .*\n?){0,6}",
            how in prop::sample::select(vec![Split::Records, Split::Lines, Split::Whole]),
        ) {
            let cut = split(&text, how, None);
            let expected: Vec<(i64, String)> = cut
                .iter()
                .map(|event| (event.at, event.message.to_owned()))
                .collect();
            let (_, batches) = read_back(&subscription(&message(&text, how, None)));
            prop_assert_eq!(&batches[0].2, &expected);

            let whole: String = text.split('\n').filter(|line| !line.is_empty()).collect();
            let kept: String = expected
                .iter()
                .flat_map(|(_, message)| message.split('\n'))
                .collect();
            prop_assert_eq!(kept, whole);
        }
    }
}
