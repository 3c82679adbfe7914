//! Input that is no input: each kind its own error, returned so that the retry
//! and the failure destination get it; and what is turned away quietly.

use serde_json::json;

use crate::support::account::Account;
use crate::support::answer::incidents;
use crate::support::events::{Delivery, payload, subscription};
use crate::support::logs;
use crate::support::runtime::Function;

fn logged(account: &Account, text: &str) -> Delivery {
    Delivery::new(account, "i-0123456789abcdef0", text)
}

#[tokio::test]
async fn each_kind_of_broken_payload_has_an_error_of_its_own() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[("TRIAGE_MAX_DECODED_BYTES", "64KiB")]).await;
    let whole = logged(&account, logs::IMDS_OFF).payload();
    let truncated = payload_cut_in_half(&whole);
    let bomb = payload(&vec![b' '; 64 * 1024 * 1000]);
    let events = [
        ("not base64", subscription("%%% not base64 %%%")),
        ("not gzip", subscription("bm90IGd6aXA=")),
        ("truncated", subscription(&truncated)),
        ("bomb", subscription(&bomb)),
        ("not JSON", subscription(&payload(b"not JSON"))),
        (
            "wrong shape",
            subscription(&payload(b"{\"messageType\":\"DATA_MESSAGE\"}")),
        ),
    ];
    let mut seen = Vec::new();
    for (kind, event) in &events {
        let failure = function.failure(event).await;
        assert!(!failure.error_type.contains("::"), "{kind}: {failure:?}");
        assert!(
            !failure.message.to_lowercase().contains("panic"),
            "{kind}: {failure:?}"
        );
        assert!(
            !seen.contains(&failure.message),
            "{kind}: {failure:?} is no error of its own"
        );
        seen.push(failure.message);
    }
    // The environment is sound after all of it.
    let event = logged(&account, logs::HEALTHY);
    let report = function.handle(&event).await;
    assert!(incidents(&report).is_empty());
    assert_eq!(account.proxy.calls(), []);
}

#[tokio::test]
async fn an_unknown_event_gets_an_error_that_names_what_is_expected() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[]).await;
    let strangers = [
        json!({}),
        json!([]),
        json!(null),
        json!("text"),
        json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]}),
        json!({"awslogs": "not an object"}),
        json!({"log": 7}),
    ];
    for event in &strangers {
        let failure = function.failure(event).await;
        assert!(
            !failure.message.is_empty() && !failure.error_type.contains("::"),
            "{event}: {failure:?}"
        );
    }
    let failure = function.failure(&json!({"hello": "world"})).await;
    for name in ["awslogs", "Kinesis", "log"] {
        assert!(
            failure.message.contains(name),
            "{failure:?} does not name {name}"
        );
    }
}

#[tokio::test]
async fn a_control_message_succeeds_quietly() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[]).await;
    let control = json!({
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{
            "id": "",
            "timestamp": 1_700_000_000_000_i64,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda function."
        }]
    });
    let report = function
        .handle(&subscription(&payload(control.to_string().as_bytes())))
        .await;
    assert!(incidents(&report).is_empty());
    assert_eq!(account.proxy.calls(), []);
}

#[tokio::test]
async fn the_functions_own_log_group_is_turned_away() {
    let account = Account::fresh().await;
    let settings = [("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ssm-agent-triage")];
    let mut function = Function::start(&account, &settings).await;
    let mut own = logged(&account, logs::IMDS_OFF);
    own.group = "/aws/lambda/ssm-agent-triage".to_owned();
    let report = function.handle(&own).await;
    assert!(incidents(&report).is_empty(), "{report:#}");
    assert_eq!(account.proxy.calls(), []);
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_read_all_the_same() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[]).await;
    let delivery = logged(&account, logs::IMDS_OFF);
    let mut bytes = delivery.message().to_string().into_bytes();
    let place = bytes
        .windows(9)
        .position(|window| window == b"Forbidden")
        .expect("the log says so");
    bytes[place + 8] = 0xff;
    let report = function.handle(&subscription(&payload(&bytes))).await;
    assert_eq!(incidents(&report).len(), 1);
}

#[tokio::test]
async fn a_malformed_event_costs_no_other_and_is_counted() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[]).await;
    let mut message = logged(&account, logs::IMDS_OFF).message();
    let events = message["logEvents"].as_array_mut().expect("a list");
    for event in events.iter_mut() {
        event["timestamp"] = json!(event["timestamp"].to_string());
    }
    events.insert(0, json!({"id": "a", "timestamp": 1.5, "message": null}));
    events.push(json!({"message": 7}));
    let event = subscription(&payload(message.to_string().as_bytes()));
    let report = function.handle(&event).await;
    assert_eq!(incidents(&report).len(), 1, "{report:#}");
    assert_eq!(report["source"]["unreadable"], 2, "{report:#}");
    let line = function.line_with("without a readable message");
    assert!(line.contains('2'), "{line}");
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_clear_line() {
    let account = Account::fresh().await;
    let settings = [("TRIAGE_REPAIR", "everything")];
    let mut function = Function::start(&account, &settings).await;
    function.failure(&logged(&account, logs::HEALTHY)).await;
    let line = function.line_with("TRIAGE_REPAIR");
    assert!(
        line.contains("everything") && line.contains("dry-run"),
        "{line}"
    );
    let log = function.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// A full disk takes nothing that is written to it.
#[test]
fn a_line_that_cannot_be_written_makes_nothing_panic() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("AWS_REGION", "us-east-1")
        .env("TRIAGE_REPAIR", "everything")
        .stderr(full.expect("Linux has it"))
        .status()
        .expect("the function starts");
    assert_eq!(status.code(), Some(1), "101 would be a panic");
}

fn payload_cut_in_half(whole: &str) -> String {
    let half = whole.len() / 2;
    whole[..half - half % 4].to_owned()
}
