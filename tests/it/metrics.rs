//! The numbers of each invocation, and the function's own log as Lambda is set to have it.

use serde_json::{Value, json};

use crate::support::proxy::sns_denied;
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene};

const AS_JSON: (&str, &str) = ("AWS_LAMBDA_LOG_FORMAT", "JSON");

/// Each line that is an object of JSON.
fn objects(function: &mut Function) -> Vec<Value> {
    let log = function.log();
    let lines = log.lines();
    let objects = lines.filter_map(|line| serde_json::from_str(line).ok());
    objects.filter(Value::is_object).collect()
}

fn metrics(function: &mut Function) -> Vec<Value> {
    let mut objects = objects(function);
    objects.retain(|object| object["_aws"].is_object());
    objects
}

#[tokio::test]
async fn each_batch_is_one_line_of_metrics_without_a_node() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(&[REPAIR, &[AS_JSON]].concat()).await;
    function.handle(&scene.imds_off(&dark)).await;
    function.handle(&scene.healthy(&dark)).await;
    let lines = metrics(&mut function);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let (first, second) = (&lines[0], &lines[1]);
    for name in ["Batches", "AffectedNodes", "Changed.imds-disabled"] {
        assert_eq!(first[name], 1, "{name}: {first:#}");
    }
    assert_eq!(
        first["Repair.enable-imds-endpoint.repaired"], 1,
        "{first:#}"
    );
    assert_eq!(first["Undelivered"], 0);
    let calls = scene.proxy.calls().len() as u64;
    let counted = |line: &Value| line["Calls"].as_u64().unwrap_or_default();
    assert_eq!(counted(first) + counted(second), calls);
    assert!(
        first["Lateness"].is_u64() && first["Records"].as_u64() > Some(0),
        "{first:#}"
    );
    assert!(lines.iter().all(|line| !line.to_string().contains(&dark)));
}

#[tokio::test]
async fn what_is_not_delivered_is_counted_and_logged_as_lambda_is_set() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on("Publish", sns_denied());
    let mut function = scene.function(&[ADVISE, &[AS_JSON]].concat()).await;
    function.failure(&scene.imds_off(&dark)).await;
    let lines = metrics(&mut function);
    assert_eq!(lines[0]["Undelivered"], 1, "{lines:#?}");
    assert_eq!(lines[0].get("Opened.imds-disabled"), None);
    let objects = objects(&mut function);
    let failure = objects.iter().find(|line| line["level"] == "ERROR");
    let failure = failure.and_then(|line| line["message"].as_str());
    let fails = "the invocation fails: MessageNotSent";
    assert!(
        failure.is_some_and(|text| text.starts_with(fails)),
        "{objects:#?}"
    );

    let level = ("AWS_LAMBDA_LOG_LEVEL", "FATAL");
    let mut silent = scene.function(&[ADVISE, &[AS_JSON, level]].concat()).await;
    silent.failure(&scene.imds_off(&dark)).await;
    assert!(!silent.log().contains("the invocation fails"));
    assert_eq!(metrics(&mut silent).len(), 1);
}

#[tokio::test]
async fn a_sweep_that_comes_to_its_end_is_counted() {
    let scene = Scene::new().await;
    let mut function = scene.function(ADVISE).await;
    let listed = json!({"InstanceInformationList": []});
    scene.proxy.on(
        "DescribeInstanceInformation",
        crate::support::proxy::json_answer(listed),
    );
    function.handle(&json!({"sweep": {}})).await;
    scene.proxy.clear_rules();
    function.failure(&json!({"sweep": {}})).await;
    let sweeps: Vec<Value> = (metrics(&mut function).iter())
        .map(|line| line["Sweeps"].clone())
        .collect();
    assert_eq!(sweeps, [1, 0]);
}
