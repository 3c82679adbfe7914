//! Whatever becomes of one record or one log event, those beside it are read as
//! ever.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;
use crate::decode::tests::gzip;

fn around() -> DecodeContext {
    DecodeContext {
        max_decoded_bytes: 1 << 20,
        own_account: None,
        own_region: None,
        own_log_group: Some("own".to_owned()),
    }
}

fn event(id: &str) -> Value {
    json!({"id": id, "timestamp": 1_763_871_544_185_i64, "message": format!("message {id}"),
        "extractedFields": {"@aws.account": "210987654321", "@aws.region": "eu-west-1"}})
}

fn message(events: Vec<Value>) -> Value {
    json!({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g",
        "logStream": "i-0123456789abcdef0", "subscriptionFilters": ["f"],
        "policyLevel": "LOG_GROUP_LEVEL_POLICY", "logEvents": events})
}

fn record(number: &str) -> Value {
    let message = message(vec![event(number)]).to_string();
    json!({"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": number,
            "data": STANDARD.encode(gzip(message.as_bytes())),
            "approximateArrivalTimestamp": 1_763_871_544.185},
        "eventSource": "aws:kinesis", "eventVersion": "1.0",
        "eventID": format!("shardId-000000000000:{number}"), "eventName": "aws:kinesis:record",
        "awsRegion": "eu-central-1"})
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[A-Za-z0-9+/]{0,24}={0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("data|id|message|.{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[derive(Debug, Clone)]
enum Mutation {
    Put(Value),
    Remove,
    Add(String, Value),
    /// Puts a character into a string, or takes what follows it.
    Spoil(Index, Option<char>),
}

fn mutation() -> impl Strategy<Value = (Index, Mutation)> {
    let what = prop_oneof![
        any_json().prop_map(Mutation::Put),
        Just(Mutation::Remove),
        (".{0,6}", any_json()).prop_map(|(key, value)| Mutation::Add(key, value)),
        any::<(Index, Option<char>)>().prop_map(|(at, by)| Mutation::Spoil(at, by)),
    ];
    (any::<Index>(), what)
}

/// JSON pointers to all values within `value`.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, inner)| places(inner, &format!("{at}/{}", escaped(key)), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, inner)| places(inner, &format!("{at}/{index}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn mutated(mut value: Value, mutations: &[(Index, Mutation)]) -> Value {
    for (place, mutation) in mutations {
        let mut found = Vec::new();
        places(&value, "", &mut found);
        let at = place.get(&found);
        match mutation {
            Mutation::Remove => {
                if let Some((parent, key)) = at.rsplit_once('/')
                    && let Some(fields) = value.pointer_mut(parent).and_then(Value::as_object_mut)
                {
                    fields.remove(&key.replace("~1", "/").replace("~0", "~"));
                }
            }
            Mutation::Put(other) => {
                if let Some(target) = value.pointer_mut(at) {
                    target.clone_from(other);
                }
            }
            Mutation::Add(key, other) => {
                if let Some(Value::Object(fields)) = value.pointer_mut(at) {
                    fields.insert(key.clone(), other.clone());
                }
            }
            Mutation::Spoil(within, by) => {
                if let Some(Value::String(text)) = value.pointer_mut(at) {
                    let cut = text.floor_char_boundary(within.index(text.len() + 1));
                    match by {
                        Some(by) => text.insert(cut, *by),
                        None => text.truncate(cut),
                    }
                }
            }
        }
    }
    value
}

/// The messages of the payload with their ids, and how many were left out.
fn read(payload: Payload<'_>) -> Result<(Vec<(String, String)>, usize), DecodeError> {
    let decoded = payload.decode(&around())?;
    Ok(match decoded.message(&around())? {
        Message::Data {
            batches,
            unreadable,
            ..
        } => {
            let events = batches.iter().flat_map(|batch| &batch.events);
            let events = events.map(|event| (event.id.to_string(), event.message.to_string()));
            (events.collect(), unreadable)
        }
        Message::Control | Message::OwnLog => (Vec::new(), 0),
    })
}

fn good(id: &str) -> (String, String) {
    (id.to_owned(), format!("message {id}"))
}

proptest! {
    #[test]
    fn a_mutated_kinesis_record_costs_no_other(
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let bad = mutated(record("2"), &mutations);
        let event = json!({"Records": [record("1"), bad, record("3")]}).to_string();
        let mut items = receive(&event).expect("Kinesis").items;
        prop_assert_eq!(items.len(), 3);
        let last = items.remove(2);
        let between = items.remove(1);
        let first = items.remove(0);
        for (item, number) in [(first, "1"), (last, "3")] {
            prop_assert_eq!(item.sequence_number.as_deref(), Some(number));
            prop_assert_eq!(read(item.payload), Ok((vec![good(number)], 0)));
        }
        // Never the whole batch while the record before has a number.
        prop_assert!(between.sequence_number.is_some_and(|number| !number.is_empty()));
        let _ = read(between.payload);
    }

    #[test]
    fn a_mutated_log_event_costs_no_other(
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let bad = mutated(event("2"), &mutations);
        let json = message(vec![event("1"), bad, event("3")]).to_string();
        let (events, unreadable) = read(Payload::Json(&json)).expect("two good events");
        prop_assert_eq!(events.len() + unreadable, 3, "{:?}", &events);
        prop_assert!(unreadable <= 1);
        for id in ["1", "3"] {
            prop_assert!(events.contains(&good(id)), "{:?}", &events);
        }
    }

    #[test]
    fn what_stands_around_the_events_costs_none(
        key in "owner|logGroup|logStream|subscriptionFilters|policyLevel|more",
        value in any_json(),
    ) {
        prop_assume!(value != "CloudwatchLogs");
        let mut message = message(vec![event("1"), event("2")]);
        message[key] = value;
        let json = message.to_string();
        prop_assert_eq!(read(Payload::Json(&json)), Ok((vec![good("1"), good("2")], 0)));
    }
}
