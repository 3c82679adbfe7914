//! An event → text for a person.

use std::fmt::{self, Write};

use crate::batch::Batch;
use crate::decode::{DecodeContext, DecodeError, Message, Subscription};
use crate::node::{AccountId, NodeId, Region};
use crate::receive::{Delivery, Input, Kind, ReceiveError, input};
use crate::text::sanitize::sanitize;
use jiff::Timestamp;

use crate::cli::{Output, UNREADABLE, plural};

/// Enough for whatever may be put on a Lambda function: its memory ends at 10 GB.
const MAX_DECODED_BYTES: u64 = 1 << 30;

/// What `event` holds. A payload or an event that cannot be read is shown in its
/// place and makes the exit status 2.
pub(super) fn show(event: &str) -> Result<Output, ReceiveError> {
    let Input::Logs(deliveries) = input(event)? else {
        let event = sanitize(event.trim());
        return Ok(Output::success(format!("event without a log: {event}\n")));
    };
    let around = DecodeContext {
        max_decoded_bytes: MAX_DECODED_BYTES,
        own_account: None,
        own_region: None,
        own_log_group: None,
    };
    let mut page = Page::default();
    let count = deliveries.items.len();
    let kind = match deliveries.kind {
        Kind::Subscription => "subscription event",
        Kind::Kinesis => "Kinesis event",
        Kind::Direct => "event by hand",
    };
    page.line(format_args!("{kind}, {}", plural(count, "payload")));
    let mut status = 0;
    for (at, delivery) in (1..).zip(deliveries.items) {
        page.line(format_args!(""));
        if count > 1 {
            page.line(format_args!("payload {at} of {count}"));
        }
        let unreadable = match payload(&mut page, delivery, &around) {
            Ok(0) => continue,
            Ok(count) => format!("{} without a message", plural(count, "log event")),
            Err(fault) => fault.to_string(),
        };
        page.field("unreadable", &unreadable);
        status = UNREADABLE;
    }
    Ok(Output {
        text: page.0,
        status,
        complaint: None,
    })
}

/// How many log events of it could not be read.
fn payload(
    page: &mut Page,
    delivery: Delivery<'_>,
    around: &DecodeContext,
) -> Result<usize, DecodeError> {
    if let Some(number) = &delivery.sequence_number {
        page.field("sequence", number);
    }
    let decoded = delivery.payload.decode(around)?;
    match decoded.message(around)? {
        Message::Control => {
            page.line(format_args!(
                "CONTROL_MESSAGE: CloudWatch Logs asks whether the destination is there"
            ));
            Ok(0)
        }
        Message::OwnLog => {
            page.line(format_args!("events of the function's own log group"));
            Ok(0)
        }
        Message::Data {
            batches,
            subscription,
            unreadable,
        } => {
            for batch in &batches {
                head(page, batch, &subscription);
                page.line(format_args!(""));
                for event in &batch.events {
                    lines(page, event.at, &event.message);
                }
            }
            Ok(unreadable)
        }
    }
}

fn head(page: &mut Page, batch: &Batch<'_>, subscription: &Subscription<'_>) {
    let source = &batch.source;
    let count = batch.events.len();
    let times = || batch.events.iter().filter_map(|event| event.at);
    let events = match times().min().zip(times().max()) {
        Some((oldest, newest)) => format!("{count}, {} to {}", clock(oldest), clock(newest)),
        None => format!("{count}, without times"),
    };
    for (name, value) in [
        ("node", source.caller_node.as_ref().map(NodeId::as_str)),
        ("account", source.account.as_ref().map(AccountId::as_str)),
        ("Region", source.region.as_ref().map(Region::as_str)),
        ("log group", Some(&*source.log_group)),
        ("log stream", Some(&*source.log_stream)),
        ("filters", Some(&*subscription.filters.join(", "))),
        ("policy", subscription.policy_level.as_deref()),
        ("events", Some(&*events)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            page.field(name, value);
        }
    }
}

/// One event: its time before the first line, the others below it.
fn lines(page: &mut Page, at: Option<Timestamp>, message: &str) {
    let mut time = at.map(clock);
    for line in sanitize(message).split('\n') {
        match &mut time {
            Some(time) => {
                page.line(format_args!("{time:24} | {line}"));
                time.clear();
            }
            None => page.line(format_args!("{line}")),
        }
    }
}

fn clock(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.0.write_fmt(line);
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
    }

    fn field(&mut self, name: &str, value: &str) {
        let value = sanitize(value);
        self.line(format_args!("{name:10}  {}", value.replace('\n', " ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_with_its_source_and_lines() {
        let event = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g",
            "logStream":"i-0123456789abcdef0","subscriptionFilters":["f"],
            "policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[
            {"id":"1","timestamp":1795407544185,"message":"WARN x\r\n\tstatus \u001b[31mcode: 400",
             "extractedFields":{"@aws.account":"210987654321","@aws.region":"eu-west-1"}},
            {"id":"2","timestamp":1795407545000,"message":"INFO y",
             "extractedFields":{"@aws.account":"210987654321","@aws.region":"eu-west-1"}}]}"#;
        let output = show(event).expect("an event");
        assert_eq!(output.status, 0);
        insta::assert_snapshot!(output.text, @r"
        event by hand, 1 payload

        account     210987654321
        Region      eu-west-1
        log group   g
        log stream  i-0123456789abcdef0
        filters     f
        policy      ACCOUNT_LEVEL_POLICY
        events      2, 2026-11-23T04:19:04.185Z to 2026-11-23T04:19:05.000Z

        2026-11-23T04:19:04.185Z | WARN x
                                 |  status �[31mcode: 400
        2026-11-23T04:19:05.000Z | INFO y
        ");
    }

    #[test]
    fn an_unreadable_record_is_shown_in_its_place() {
        let event = r#"{"Records":[
            {"kinesis":{"sequenceNumber":"1","data":"bm8=","approximateArrivalTimestamp":1.0}},
            {"kinesis":{"sequenceNumber":"2","data":"H4sIAAAAAAAA","approximateArrivalTimestamp":1.0}}]}"#;
        let output = show(event).expect("an event");
        assert_eq!(output.status, UNREADABLE);
        insta::assert_snapshot!(output.text, @r"
        Kinesis event, 2 payloads

        payload 1 of 2
        sequence    1
        unreadable  expected a gzip file (first bytes 1f 8b) under the base64, found bytes that begin 6e 6f; CloudWatch Logs always compresses: compress the JSON, or send it as plain JSON by hand

        payload 2 of 2
        sequence    2
        unreadable  expected a whole gzip file, found one cut off after 9 bytes; send the payload in full
        ");
    }

    #[test]
    fn an_unreadable_event_is_counted_below_the_others() {
        let event = r#"{"messageType":"DATA_MESSAGE","logEvents":[
            {"id":"1","timestamp":"1795407544185","message":"x"},{"id":"2","message":null}]}"#;
        let output = show(event).expect("an event");
        assert_eq!(output.status, UNREADABLE);
        insta::assert_snapshot!(output.text, @r"
        event by hand, 1 payload

        events      1, 2026-11-23T04:19:04.185Z to 2026-11-23T04:19:04.185Z

        2026-11-23T04:19:04.185Z | x
        unreadable  1 log event without a message
        ");
    }

    #[test]
    fn an_event_without_a_log_is_shown_as_it_is() {
        let output = show("{\"sweep\":{}}\n").expect("an event");
        assert_eq!(output.status, 0);
        assert_eq!(output.text, "event without a log: {\"sweep\":{}}\n");
        assert!(show("{\"sweep\":{\"nodes\":\"\"}}").is_err());
    }

    #[test]
    fn raw_text_by_hand_is_shown_with_its_node() {
        let output = show(r#"{"log":"a\nb","node":"i-12345678"}"#).expect("an event");
        insta::assert_snapshot!(output.text, @r"
        event by hand, 1 payload

        node        i-12345678
        events      1, without times

        a
        b
        ");
    }
}
