//! A batch that failed, from the failure queue to its notification, by the commands of
//! docs/troubleshooting.md.

use std::env::{join_paths, split_paths};
use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::account::Account;
use crate::support::events::Event;
use crate::support::process::tool;
use crate::support::proxy::sns_denied;
use crate::support::runtime::{Failure, Function};
use crate::support::scene::{ADVISE, Scene};

const BUS: &str = "fleet";
const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// What Lambda puts into the failure queue ("Capturing records of Lambda asynchronous
/// invocations" in the developer guide).
fn record(account: &Account, event: &Value, failure: &Failure) -> Value {
    let (region, id) = (&account.region, &account.id);
    json!({
        "version": "1.0",
        "timestamp": "2026-11-23T04:22:12.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4b2c-8880-a18cdf61200e",
            "functionArn": format!("arn:aws:lambda:{region}:{id}:function:ssm-agent-triage:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorType": failure.error_type, "errorMessage": failure.message},
    })
}

/// The commands of the paragraph about a batch that failed.
fn documented() -> String {
    let (_, rest) = PAGE.split_once("**A batch failed.**").expect("it is there");
    let (paragraphs, _) = rest.split_once("\n| `errorType`").expect("a table follows");
    let commands = paragraphs
        .lines()
        .filter_map(|line| line.strip_prefix("    "));
    commands.collect::<Vec<_>>().join("\n")
}

/// Runs `script` as a person would who has the AWS CLI and the tool.
async fn shell(script: &str, account: &Account, function: &Function) -> String {
    let lambda = function.endpoint().await;
    let folder = tempfile::tempdir().expect("a folder");
    let tools = Path::new(env!("CARGO_BIN_EXE_ssm-agent-triage")).parent();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = tools
        .into_iter()
        .map(Path::to_owned)
        .chain(split_paths(&path));
    let aws = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/aws.py");
    let python = tool("TRIAGE_TEST_PYTHON", ".tools/venv/bin/python");
    let aws = format!("aws() {{ '{}' '{aws}' \"$@\"; }}", python.display());
    let ran = Command::new("sh")
        .args(["-euc", &format!("{aws}\n{script}")])
        .current_dir(&folder)
        .env("PATH", join_paths(path).expect("no path has a colon"))
        .env("AWS_ENDPOINT_URL", account.url())
        .env(
            "AWS_ENDPOINT_URL_LAMBDA",
            format!("http://{}", lambda.address),
        )
        .env("AWS_DEFAULT_REGION", &account.region)
        .envs(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "test")))
        .output()
        .await;
    let ran = ran.expect("a shell starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let failed = text(&ran.stderr);
    assert!(
        ran.status.success() && failed.is_empty(),
        "{script}\n{failed}"
    );
    text(&ran.stdout)
}

#[tokio::test]
async fn a_failed_batch_is_handled_again_as_documented_and_notified_once() {
    let scene = Scene::new().await;
    let (bus, failed) = (scene.event_bus(BUS).await, scene.queue("failed").await);
    let refused = scene.refused_instance().await;
    let batch = scene.role_refused(&refused);
    let table = ("TRIAGE_STATE_TABLE", scene.state_table().await);
    let mut function = scene
        .function(&[ADVISE, &[("TRIAGE_EVENT_BUS", BUS), table]].concat())
        .await;
    scene.proxy.on("Publish", sns_denied());
    // As often as Lambda tries.
    for _ in 0..2 {
        function.failure(&batch).await;
    }
    let failure = function.failure(&batch).await;
    let record = record(&scene, &batch.event(), &failure);
    failed.put(&record.to_string()).await;
    scene.proxy.clear_rules();

    let script = documented().replace("URL", &failed.url);
    let printed = shell(&script, &scene, &function).await;
    assert!(
        printed.contains("\"errorType\": \"MessageNotSent\""),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("log stream  {refused}")),
        "{printed}"
    );
    assert!(printed.contains(" | 2023-01-25"), "{printed}");
    assert_eq!(failed.count().await, 0, "it is deleted");
    let mail = scene.mailbox.take_only().await;
    assert_eq!(mail.attribute("cause"), "role-not-assumable");
    assert_eq!(bus.take().await.len(), 1, "the bus had it before");

    failed.put(&record.to_string()).await;
    shell(&script, &scene, &function).await;
    assert_eq!(scene.mailbox.take().await, []);
    assert_eq!(bus.take().await, Vec::<String>::new());
}
