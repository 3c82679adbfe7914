use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decode::tests::gzip;
use crate::node::{AccountId, Home, NodeId, Region};

fn around() -> DecodeContext {
    DecodeContext {
        max_decoded_bytes: 1 << 20,
        own_account: AccountId::parse("111122223333"),
        own_region: Region::parse("eu-central-1"),
        own_log_group: None,
    }
}

fn data_message(stream: &str) -> String {
    json!({"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g",
        "logStream": stream, "logEvents": [{"id": "1", "timestamp": 5, "message": "m"}]})
    .to_string()
}

fn packed(json: &str) -> String {
    STANDARD.encode(gzip(json.as_bytes()))
}

/// Stream and `complete` of a batch, or the error's text.
type Seen = Result<(String, bool), String>;

fn streams(event: &str) -> (Kind, Vec<Seen>) {
    let deliveries = receive(event).expect("an input");
    let streams = deliveries
        .items
        .into_iter()
        .map(|delivery| {
            let decoded = delivery
                .payload
                .decode(&around())
                .map_err(|error| error.to_string())?;
            match decoded.message(&around()).map_err(|e| e.to_string())? {
                Message::Data { batches, .. } => {
                    let source = &batches[0].source;
                    Ok((source.log_stream.clone(), source.complete))
                }
                Message::Control | Message::OwnLog => Err("turned away".to_owned()),
            }
        })
        .collect();
    (deliveries.kind, streams)
}

#[test]
fn a_subscription_event_holds_one_payload() {
    let event = json!({"awslogs": {"data": packed(&data_message("a"))}}).to_string();
    assert_eq!(
        streams(&event),
        (Kind::Subscription, vec![Ok(("a".into(), false))])
    );
}

fn kinesis_record(sequence: &str, data: &str) -> serde_json::Value {
    json!({"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p",
            "sequenceNumber": sequence, "data": data,
            "approximateArrivalTimestamp": 1763871544.185},
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": "shardId-000000000000:1",
        "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::123456789012:role/r",
        "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/s"})
}

#[test]
fn on_kinesis_only_the_bad_record_fails() {
    let event = json!({"Records": [
        kinesis_record("1", &packed(&data_message("a"))),
        kinesis_record("2", "not base64"),
        kinesis_record("3", &STANDARD.encode("not gzip")),
        kinesis_record("4", &packed("not json")),
        {"kinesis": {"sequenceNumber": "5"}},
        kinesis_record("6", &packed(&data_message("b")))]})
    .to_string();
    let numbers: Vec<Option<String>> = receive(&event)
        .expect("a Kinesis event")
        .items
        .into_iter()
        .map(|delivery| delivery.sequence_number)
        .collect();
    let expected: Vec<_> = (1..=6).map(|n| Some(n.to_string())).collect();
    assert_eq!(numbers, expected);

    let (kind, streams) = streams(&event);
    assert_eq!(kind, Kind::Kinesis);
    for (at, says) in [
        (1, "expected base64"),
        (2, "expected a gzip file"),
        (3, "expected the JSON of a subscription"),
        (4, "a Kinesis record without `data`"),
    ] {
        let error = streams[at].as_ref().expect_err("a bad record");
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(streams[0], Ok(("a".into(), false)));
    assert_eq!(streams[5], Ok(("b".into(), false)));
    assert_eq!(receive(r#"{"Records":[]}"#).map(|it| it.items), Ok(vec![]));
}

fn numbers_and_faults(records: &serde_json::Value) -> Vec<(String, Option<String>)> {
    let event = json!({"Records": records}).to_string();
    receive(&event)
        .unwrap_or_else(|error| panic!("{records}: {error}"))
        .items
        .into_iter()
        .map(|item| {
            let number = item.sequence_number.expect("Kinesis");
            (
                number,
                item.payload.decode(&around()).err().map(|e| e.to_string()),
            )
        })
        .collect()
}

#[test]
fn the_form_that_the_error_recommends_is_read() {
    let data = packed(&data_message("a"));
    let form = FORMS
        .split("; ")
        .find_map(|form| form.strip_prefix("a Kinesis event "))
        .expect("it is recommended")
        .replace("H4sI…", &data);
    assert_eq!(
        streams(&form),
        (Kind::Kinesis, vec![Ok(("a".into(), false))])
    );
}

#[test]
fn a_malformed_record_fails_alone_by_its_number() {
    let good = kinesis_record("1", &packed(&data_message("a")));
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut record = kinesis_record("2", &packed(&data_message("b")));
        record["eventID"] = json!("shardId-000000000000:22");
        change(&mut record);
        record
    };
    for (record, number, says) in [
        (
            with(&|it| it["kinesis"]["data"] = json!(null)),
            "2",
            "whose `data` is null",
        ),
        (
            with(&|it| it["kinesis"]["data"] = json!([1])),
            "2",
            "whose `data` is an array",
        ),
        (
            with(&|it| it["kinesis"] = json!(null)),
            "22",
            "whose `kinesis` is null",
        ),
        (
            with(&|it| it["kinesis"] = json!("x")),
            "22",
            "whose `kinesis` is a string",
        ),
        (
            with(&|it| it["kinesis"] = json!({})),
            "22",
            "without `data`",
        ),
        (
            json!({"eventID": "shardId-000000000000:22"}),
            "22",
            "without `kinesis`",
        ),
        // Without any number, from the record before on.
        (json!({"kinesis": null}), "1", "whose `kinesis` is null"),
        (
            json!({"kinesis": null, "eventID": "22"}),
            "1",
            "whose `kinesis` is null",
        ),
        (
            json!({"kinesis": null, "eventID": "shard:x"}),
            "1",
            "whose `kinesis` is null",
        ),
        (json!(null), "1", "that is null"),
        (json!(7), "1", "that is a number"),
        (json!({}), "1", "without `kinesis`"),
    ] {
        let seen = numbers_and_faults(&json!([good, record, kinesis_record("3", "%")]));
        assert_eq!(seen[0], ("1".to_owned(), None), "{record}");
        assert_eq!(seen[1].0, number, "{record}");
        assert!(
            seen[1].1.as_ref().is_some_and(|it| it.contains(says)),
            "{seen:?}"
        );
        assert_eq!(seen[2].0, "3", "{record}");
    }
}

#[test]
fn a_record_is_read_whatever_its_other_fields_hold() {
    let data = packed(&data_message("a"));
    let number = "49590338271490256608559692538361571095921575989136588898";
    for (record, expected) in [
        (
            format!(r#"{{"kinesis":{{"sequenceNumber":{number},"data":"{data}"}}}}"#),
            number,
        ),
        (
            format!(r#"{{"kinesis":{{"sequenceNumber":null,"data":"{data}"}},"eventID":"s:9"}}"#),
            "9",
        ),
        (
            format!(
                r#"{{"kinesis":{{"sequenceNumber":"8","data":"{data}","partitionKey":7,
                    "approximateArrivalTimestamp":"soon","encryptionType":{{}}}},"awsRegion":null}}"#
            ),
            "8",
        ),
        (format!(r#"{{"kinesis":{{"data":"{data}"}}}}"#), ""),
    ] {
        let event = format!(r#"{{"Records":[{record}]}}"#);
        assert_eq!(streams(&event).1, [Ok(("a".into(), false))], "{record}");
        let items = receive(&event).expect("Kinesis").items;
        assert_eq!(items[0].sequence_number.as_deref(), Some(expected));
    }
}

#[cfg(feature = "aws")]
#[test]
fn the_failed_records_are_named_in_lambdas_own_terms() {
    let answer = |numbers: &[&str]| {
        serde_json::to_value(failures(numbers.iter().map(|n| (*n).to_owned()))).ok()
    };
    assert_eq!(answer(&[]), Some(json!({"batchItemFailures": []})));
    assert_eq!(
        answer(&["2", "5"]),
        Some(json!({"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "5"}]}))
    );
}

#[test]
fn by_hand_a_message_or_several_come_complete() {
    assert_eq!(
        streams(&data_message("a")),
        (Kind::Direct, vec![Ok(("a".into(), true))])
    );
    let several = format!(
        r#" [{}, {{"log":"x"}}, {}, {{"logEvents":[]}}]"#,
        data_message("a"),
        data_message("b")
    );
    let (kind, streams) = streams(&several);
    assert_eq!(kind, Kind::Direct);
    assert_eq!(streams[0], Ok(("a".into(), true)));
    assert_eq!(streams[1], Ok((String::new(), true)));
    assert_eq!(streams[2], Ok(("b".into(), true)));
    assert!(
        streams[3]
            .as_ref()
            .is_err_and(|e| e.contains("messageType"))
    );
}

#[test]
fn raw_text_by_hand_is_one_event_of_the_named_node() {
    let event = r#"{"log":"line 1\nline 2","node":"i-0123456789abcdef0"}"#;
    let mut items = receive(event).expect("raw text").items;
    let decoded = items
        .remove(0)
        .payload
        .decode(&around())
        .expect("nothing to unpack");
    let Ok(Message::Data { batches, .. }) = decoded.message(&around()) else {
        panic!("no data");
    };
    let [batch] = &batches[..] else {
        panic!("{batches:?}")
    };
    assert_eq!(
        batch.source.caller_node,
        NodeId::parse("i-0123456789abcdef0")
    );
    assert_eq!(batch.source.account, AccountId::parse("111122223333"));
    assert_eq!(batch.source.region, Region::parse("eu-central-1"));
    assert!(batch.source.complete);
    assert_eq!(batch.events.len(), 1);
    assert_eq!(batch.events[0].at, None);
    assert_eq!(batch.events[0].message, "line 1\nline 2");

    let named = r#"{"log":"","node":"mi-0123456789abcdef0","account":"123456789012","region":"cn-north-1"}"#;
    assert_eq!(
        receive(named).map(|it| it.items[0].payload.clone()),
        Ok(Payload::RawLog(RawLog {
            log: "".into(),
            node: NodeId::parse("mi-0123456789abcdef0"),
            account: AccountId::parse("123456789012"),
            region: Region::parse("cn-north-1"),
        }))
    );
}

#[test]
fn anything_else_is_refused_with_the_forms_that_would_do() {
    let three = ["\"awslogs\"", "\"Records\"", "\"log\"", "DATA_MESSAGE"];
    for (event, says) in [
        ("", "expected JSON, found EOF"),
        ("{", "expected JSON, found EOF"),
        ("nonsense", "expected JSON"),
        ("null", "found null in place of"),
        ("7", "found integer in place of"),
        (r#""text""#, "found string in place of"),
        ("{}", "an object without `awslogs`"),
        (r#"{"detail-type":"x"}"#, "an object without `awslogs`"),
        (r#"{"Records":7}"#, "integer in place of a sequence"),
        (
            r#"{"Records":[{"eventSource":"aws:sqs","body":"x"}]}"#,
            "`Records` of which none has `kinesis`",
        ),
        (r#"{"awslogs":7}"#, "integer in place of"),
        (r#"{"awslogs":{}}"#, "missing field `data`"),
        (r#"{"awslogs":{"data":null}}"#, "null in place of"),
        ("[]", "found an empty array"),
        ("[7]", "integer in place of an object"),
        (r#"[[{"data":""}]]"#, "an array within an array"),
        (r#"[{"awslogs":{"data":""}}]"#, "an array of whole events"),
    ] {
        let text = receive(event).expect_err(event).to_string();
        assert!(text.contains(says), "{event}: {text}");
        for form in three {
            assert!(text.contains(form), "{event}: {text}");
        }
    }
}

#[test]
fn what_is_asked_for_by_hand_may_be_of_another_account_or_region() {
    let (account, region) = (AccountId::parse("210987654321"), Region::parse("eu-west-1"));
    let home = Home { account, region };
    let id = NodeId::parse("i-0123456789abcdef0").expect("an id");
    let there = r#""account":"210987654321","region":"eu-west-1""#;
    let asked = |fields: String| input(Box::leak(fields.into_boxed_str()));
    let nodes = asked(format!(r#"{{"node":"{id}",{there}}}"#));
    assert_eq!(nodes, Ok(Input::Nodes(vec![id.clone()], home.clone())));
    let sweep = asked(format!(r#"{{"sweep":{{{there}}}}}"#));
    assert_eq!(sweep, Ok(Input::Sweep(None, home.clone())));
    let repair = asked(format!(
        r#"{{"repair":{{"action":"trust-ec2","node":"{id}",{there}}}}}"#
    ));
    let request = RepairRequest {
        action: "trust-ec2".to_owned(),
        node: id,
        home,
    };
    assert_eq!(repair, Ok(Input::Repair(request)));
    for (event, says) in [
        (
            r#"{"node":"i-0123456789abcdef0","account":"21"}"#,
            "account \"21\", which is not 12 digits",
        ),
        (
            r#"{"sweep":{"region":"europe"}}"#,
            "region \"europe\", which is no Region",
        ),
        (
            r#"{"repair":{"action":"trust-ec2","node":"i-0123456789abcdef0","account":7}}"#,
            "integer",
        ),
    ] {
        let refused = input(event).expect_err("it is none").to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn a_sweep_names_whom_it_looks_at_or_leaves_it_to_the_setting() {
    for (event, expected) in [
        (r#"{"sweep":{}}"#, None),
        (include_str!("../../events/sweep.json"), None),
        (r#"{"sweep":{"nodes":"all"}}"#, Some(Selection::All)),
    ] {
        assert_eq!(input(event), Ok(Input::Sweep(expected, Home::default())));
    }
    for (event, says) in [
        (r#"{"sweep":7}"#, "integer in place of an object"),
        (r#"{"sweep":{"node":"all"}}"#, "unknown field `node`"),
        (r#"{"sweep":{"nodes":"some"}}"#, "found nodes \"some\""),
    ] {
        let error = input(event).expect_err(event);
        assert_eq!(error.name(), "InputSweep");
        let text = error.to_string();
        assert!(text.contains(says), "{event}: {text}");
        assert!(text.contains("with lost, all or tag:KEY=VALUE"), "{text}");
    }
}

#[test]
fn a_wrong_key_or_id_of_raw_text_is_named() {
    for (event, says) in [
        (r#"{"log":7}"#, "integer in place of a string"),
        (r#"{"log":"","nod":"i-12345678"}"#, "unknown field `nod`"),
        (
            r#"{"log":"","node":"i-1"}"#,
            "node \"i-1\", which is not i- with 8 or 17",
        ),
        (
            r#"{"log":"","node":"web-1; rm -rf /"}"#,
            "which is not i- with 8 or 17",
        ),
        (
            r#"{"log":"","account":"12"}"#,
            "account \"12\", which is not 12 digits",
        ),
        (
            r#"{"log":"","region":"moon"}"#,
            "region \"moon\", which is not a Region",
        ),
    ] {
        let text = receive(event).expect_err(event).to_string();
        assert!(text.contains(says), "{event}: {text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".*", key in "awslogs|Records|log|messageType|logEvents") {
        let _ = receive(&text);
        let object = json!({key: text}).to_string();
        if let Ok(deliveries) = receive(&object) {
            for delivery in deliveries.items {
                if let Ok(decoded) = delivery.payload.decode(&around()) {
                    let _ = decoded.message(&around());
                }
            }
        }
    }
}

#[test]
fn a_digest_takes_nothing() {
    for event in [r#"{"digest":{}}"#, include_str!("../../events/digest.json")] {
        assert_eq!(input(event), Ok(Input::Digest));
    }
    for event in [r#"{"digest":1}"#, r#"{"digest":{"since":"today"}}"#] {
        let error = input(event).expect_err(event);
        assert_eq!(error.name(), "InputDigest");
        assert!(error.to_string().contains("expected {\"digest\":{}}"));
    }
}
