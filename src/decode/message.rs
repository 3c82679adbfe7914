//! The JSON of one payload → batches that borrow from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;

use super::json::{Text, json_fault};
use super::wire::{LogEvent, Origin, Payload};
use super::{DecodeContext, DecodeError, partial};
use crate::batch::{Batch, Event, Source};
use crate::node::AccountId;

/// What one payload says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<'a> {
    /// Log events: one batch for each account and Region that they name, in the
    /// order of first sight. Only the events of a centralised log group can name
    /// several.
    Data {
        /// Its events, those of one source together.
        batches: Vec<Batch<'a>>,
        /// What its envelope says of the subscription.
        subscription: Subscription<'a>,
        /// Log events without a text, which stand in no batch.
        unreadable: usize,
    },
    /// CloudWatch Logs probes whether the destination is there: nothing to do.
    Control,
    /// Events of the function's own log group: nothing to do, and nothing to
    /// print about it.
    OwnLog,
}

/// The filter that sent the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription<'a> {
    /// The names of the subscription filters that matched.
    pub filters: Vec<Cow<'a, str>>,
    /// `ACCOUNT_LEVEL_POLICY` or `LOG_GROUP_LEVEL_POLICY`; only some senders
    /// tell.
    pub policy_level: Option<Cow<'a, str>>,
}

/// Reads the JSON of one payload. A log event with a value of the wrong type
/// costs that value, and the event only where it is the message. `complete` says that no further batch will
/// continue it (see [`Source::complete`]).
///
/// Fails with [`DecodeError::NotJson`] or [`DecodeError::WrongShape`].
pub fn read<'a>(
    json: &'a str,
    complete: bool,
    around: &DecodeContext,
) -> Result<Message<'a>, DecodeError> {
    let payload: Payload<'a> = match serde_json::from_str(json) {
        Ok(payload) => payload,
        // The exact types are read twice as fast, and hold for all but a few.
        Err(fault) => partial::payload(json).ok_or_else(|| {
            if fault.is_data() {
                wrong_shape(&fault)
            } else {
                not_json(&fault)
            }
        })?,
    };
    // A derived struct would also take an array, by position.
    if !json.trim_ascii_start().starts_with('{') {
        return Err(DecodeError::WrongShape {
            detail: "an array".to_owned(),
        });
    }
    let owner = text_or_empty(payload.owner);
    match payload.message_type.0.as_ref() {
        "CONTROL_MESSAGE" => return Ok(Message::Control),
        "DATA_MESSAGE" if owner == "CloudwatchLogs" => return Ok(Message::Control),
        "DATA_MESSAGE" => {}
        _ => {
            return Err(DecodeError::WrongShape {
                detail: "a messageType that is neither DATA_MESSAGE nor CONTROL_MESSAGE".to_owned(),
            });
        }
    }
    let Some(events) = payload.log_events else {
        return Err(DecodeError::WrongShape {
            detail: "a DATA_MESSAGE without logEvents".to_owned(),
        });
    };
    let log_group = text_or_empty(payload.log_group);
    if !log_group.is_empty() && around.own_log_group.as_deref() == Some(log_group.as_ref()) {
        return Ok(Message::OwnLog);
    }
    let source = Source {
        account: AccountId::parse(&owner),
        region: around.own_region.clone(),
        log_group: log_group.into_owned(),
        log_stream: text_or_empty(payload.log_stream).into_owned(),
        caller_node: None,
        complete,
        pasted: false,
    };
    Ok(Message::Data {
        batches: by_origin(source, events),
        subscription: Subscription {
            filters: payload
                .subscription_filters
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.0)
                .collect(),
            policy_level: payload.policy_level.map(|level| level.0),
        },
        unreadable: payload.unreadable,
    })
}

fn wrong_shape(fault: &serde_json::Error) -> DecodeError {
    let (detail, line, column) = json_fault(fault);
    DecodeError::WrongShape {
        detail: format!("{detail} at line {line}, column {column}"),
    }
}

fn not_json(fault: &serde_json::Error) -> DecodeError {
    let (detail, line, column) = json_fault(fault);
    DecodeError::NotJson {
        detail,
        line,
        column,
    }
}

/// Parts the events by the account and Region that each one carries; events
/// that carry none belong to `source` as it stands.
fn by_origin<'a>(source: Source, events: Vec<LogEvent<'a>>) -> Vec<Batch<'a>> {
    let first = events.first().and_then(|event| event.origin.as_deref());
    if events.iter().all(|event| event.origin.as_deref() == first) {
        let source = first.map_or_else(|| source.clone(), |origin| origin.applied_to(&source));
        return vec![Batch {
            source,
            events: events.into_iter().map(Event::from).collect(),
        }];
    }
    let mut places: BTreeMap<Option<Box<Origin<'a>>>, usize> = BTreeMap::new();
    let mut batches: Vec<Batch<'a>> = Vec::new();
    for mut event in events {
        let at = match places.entry(event.origin.take()) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                batches.push(Batch {
                    source: match place.key() {
                        Some(origin) => origin.applied_to(&source),
                        None => source.clone(),
                    },
                    events: Vec::new(),
                });
                *place.insert(batches.len() - 1)
            }
        };
        batches[at].events.push(event.into());
    }
    batches
}

impl<'a> From<LogEvent<'a>> for Event<'a> {
    fn from(event: LogEvent<'a>) -> Self {
        Self {
            id: event.id.0,
            at: event
                .timestamp
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            message: event.message.0,
        }
    }
}

fn text_or_empty(text: Option<Text<'_>>) -> Cow<'_, str> {
    text.map_or(Cow::Borrowed(""), |text| text.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::node::Region;

    fn around() -> DecodeContext {
        DecodeContext {
            max_decoded_bytes: 1 << 20,
            own_account: AccountId::parse("111122223333"),
            own_region: Region::parse("eu-central-1"),
            own_log_group: Some("/aws/lambda/ssm-agent-triage".into()),
        }
    }

    fn batches(json: &str) -> Vec<Batch<'_>> {
        match read(json, false, &around()) {
            Ok(Message::Data { batches, .. }) => batches,
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn a_data_message_becomes_a_batch_that_borrows() {
        let json = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012",
            "logGroup":"/ssm/agent","logStream":"i-0123456789abcdef0",
            "subscriptionFilters":["triage"],"policyLevel":"ACCOUNT_LEVEL_POLICY","new":{"key":[1]},
            "logEvents":[
              {"id":"36945291473412343410231231231231231231231231231231231231","timestamp":1763871544185,"message":"plain","ingestionTime":3},
              {"id":4,"timestamp":1763871544186,"message":"tab\t\u00e9"},
              {"id":99999999999999999999999999999999999999,"timestamp":1763871544187,"message":""}]}"#;
        let Ok(Message::Data {
            batches,
            subscription,
            unreadable: 0,
        }) = read(json, false, &around())
        else {
            panic!("no data");
        };
        assert_eq!(subscription.filters, ["triage"]);
        assert_eq!(
            subscription.policy_level.as_deref(),
            Some("ACCOUNT_LEVEL_POLICY")
        );
        let [batch] = &batches[..] else {
            panic!("{batches:?}");
        };
        assert_eq!(batch.source.account, AccountId::parse("123456789012"));
        assert_eq!(batch.source.region, Region::parse("eu-central-1"));
        assert_eq!(batch.source.log_group, "/ssm/agent");
        assert_eq!(batch.source.log_stream, "i-0123456789abcdef0");
        assert!(!batch.source.complete);
        let [plain, escaped, last] = &batch.events[..] else {
            panic!("{batch:?}");
        };
        assert!(matches!(plain.message, Cow::Borrowed("plain")));
        assert!(matches!(plain.id, Cow::Borrowed(_)));
        assert_eq!(plain.at.map(Timestamp::as_millisecond), Some(1763871544185));
        assert_eq!(escaped.message, "tab\té");
        assert_eq!(escaped.id, "4");
        assert_eq!(last.id, "99999999999999999999999999999999999999");
    }

    #[test]
    fn extracted_fields_win_over_owner_and_own_region() {
        let event = |account: &str, region: &str, message: &str| {
            json!({"id": "1", "timestamp": 1, "message": message,
                "extractedFields": {"@aws.account": account, "@aws.region": region, "@source.log": "x"}})
        };
        let json = json!({"messageType": "DATA_MESSAGE", "owner": "999999999999",
            "logGroup": "central", "logStream": "i-12345678", "logEvents": [
                event("123456789012", "us-gov-west-1", "a"),
                event("210987654321", "us-gov-west-1", "b"),
                event("123456789012", "us-gov-west-1", "c"),
                {"id": "2", "timestamp": 1, "message": "d"},
                event("an account", "a region", "e")]})
        .to_string();
        let seen: Vec<(Option<String>, Option<String>, Vec<String>)> = batches(&json)
            .into_iter()
            .map(|batch| {
                (
                    batch.source.account.map(|it| it.to_string()),
                    batch.source.region.map(|it| it.to_string()),
                    batch
                        .events
                        .iter()
                        .map(|it| it.message.to_string())
                        .collect(),
                )
            })
            .collect();
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                (
                    own("123456789012"),
                    own("us-gov-west-1"),
                    vec!["a".into(), "c".into()]
                ),
                (own("210987654321"), own("us-gov-west-1"), vec!["b".into()]),
                (own("999999999999"), own("eu-central-1"), vec!["d".into()]),
                (None, None, vec!["e".into()]),
            ]
        );
    }

    #[test]
    fn what_is_not_for_us_is_turned_away_quietly() {
        for (json, message) in [
            (
                r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#,
                Message::Control,
            ),
            (r#"{"messageType":"CONTROL_MESSAGE"}"#, Message::Control),
            (
                r#"{"messageType":"DATA_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}"#,
                Message::Control,
            ),
            (
                r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/ssm-agent-triage","logStream":"2026/11/23/[$LATEST]0","logEvents":[]}"#,
                Message::OwnLog,
            ),
        ] {
            assert_eq!(read(json, false, &around()), Ok(message), "{json}");
        }
    }

    #[test]
    fn wrong_json_and_wrong_shape_are_told_apart_and_quote_nothing() {
        for (json, not_json, says) in [
            ("", true, "EOF"),
            ("not json", true, "expected ident"),
            (r#"{"messageType":"DATA_MESSAGE""#, true, "EOF"),
            ("{}", false, "missing field `messageType`"),
            (
                r#"["DATA_MESSAGE",null,null,null,null,null,[]]"#,
                false,
                "found an array",
            ),
            ("7", false, "integer in place of an object"),
            (r#""secret""#, false, "string in place of an object"),
            (
                r#"{"messageType":"SECRET"}"#,
                false,
                "neither DATA_MESSAGE nor",
            ),
            (
                r#"{"messageType":7}"#,
                false,
                "integer in place of a string",
            ),
            (
                r#"{"messageType":"DATA_MESSAGE"}"#,
                false,
                "without logEvents",
            ),
            (
                r#"{"messageType":"DATA_MESSAGE","logEvents":"secret"}"#,
                false,
                "string in place of a sequence",
            ),
            (
                r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":"secret","message":7}]}"#,
                false,
                "string in place of i64",
            ),
            (
                r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1}]}"#,
                false,
                "missing field `message`",
            ),
            (
                r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":{},"timestamp":1}]}"#,
                false,
                "neither string nor integer",
            ),
        ] {
            let error = read(json, false, &around()).expect_err(json);
            let text = error.to_string();
            assert!(text.contains(says), "{json}: {text}");
            assert!(!text.to_lowercase().contains("secret"), "{json}: {text}");
            assert_eq!(
                matches!(error, DecodeError::NotJson { .. }),
                not_json,
                "{json}: {error:?}"
            );
            assert_eq!(
                matches!(error, DecodeError::WrongShape { .. }),
                !not_json,
                "{json}: {error:?}"
            );
        }
    }

    #[test]
    fn half_a_surrogate_pair_and_odd_times_cost_no_event() {
        let json = r#"{"messageType":"DATA_MESSAGE","logEvents":[
            {"id":"1","timestamp":9223372036854775807,"message":"a\ud83db"},
            {"timestamp":null,"message":"c"},
            {"id":"a\u0031","message":"d"}]}"#;
        let batches = batches(json);
        let events = &batches[0].events;
        assert!(events[0].message.starts_with('a') && events[0].message.ends_with('b'));
        assert!(events.iter().all(|event| event.at.is_none()));
        assert_eq!(events[1].id, "");
        assert_eq!(events[2].id, "a1");
    }

    #[test]
    fn a_malformed_event_costs_no_other() {
        let json = r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g",
            "logStream":"i-12345678","logEvents":[
            {"id":"1","timestamp":"1763871544185","message":"as text"},
            {"id":"2","timestamp":1763871544186.5,"message":"as a fraction"},
            ["3",1763871544187,"more than a struct has",null,null],
            {"id":{},"message":"no id"}]}"#;
        let Ok(Message::Data {
            batches,
            unreadable: 1,
            ..
        }) = read(json, false, &around())
        else {
            panic!("{:?}", read(json, false, &around()));
        };
        assert_eq!(batches[0].source.log_stream, "i-12345678");
        let seen: Vec<(i64, &str)> = batches[0]
            .events
            .iter()
            .map(|event| {
                let at = event.at.map_or(-1, Timestamp::as_millisecond);
                (at, event.message.as_ref())
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1763871544185, "as text"),
                (1763871544186, "as a fraction"),
                (-1, "no id"),
            ]
        );
    }

    #[test]
    fn no_events_are_still_a_batch() {
        let batches = batches(
            r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logStream":"i-12345678","logEvents":[]}"#,
        );
        assert_eq!(batches.len(), 1);
        assert!(batches[0].events.is_empty());
    }

    proptest! {
        #[test]
        fn every_event_comes_back_as_it_was_sent(
            sent in proptest::collection::vec(("[0-9]{1,56}", 0i64..4_000_000_000_000, ".*"), 0..20),
        ) {
            let json = json!({"messageType": "DATA_MESSAGE", "owner": "123456789012",
                "logGroup": "g", "logStream": "s",
                "logEvents": sent.iter().map(|(id, timestamp, message)| {
                    json!({"id": id, "timestamp": timestamp, "message": message})
                }).collect::<Vec<_>>()})
            .to_string();
            let batches = batches(&json);
            prop_assert_eq!(batches.len(), 1);
            let back: Vec<(String, i64, String)> = batches[0].events.iter().map(|event| (
                event.id.to_string(),
                event.at.map_or(-1, Timestamp::as_millisecond),
                event.message.to_string(),
            )).collect();
            prop_assert_eq!(back, sent);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", cut in 0usize..120) {
            let _ = read(&text, false, &around());
            let whole = json!({"messageType": "DATA_MESSAGE", "logEvents": [{"id": text, "message": text}]})
                .to_string();
            let mut end = cut.min(whole.len());
            while !whole.is_char_boundary(end) {
                end -= 1;
            }
            let _ = read(&whole[..end], true, &around());
        }
    }
}
