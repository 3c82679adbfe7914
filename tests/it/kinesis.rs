//! Kinesis records: many streams in one invocation, and only what failed is
//! delivered again.

use serde_json::json;

use crate::support::events::{kinesis, payload};
use crate::support::proxy::query_error;
use crate::support::scene::{REPAIR, Scene};

#[tokio::test]
async fn one_broken_record_fails_alone() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let event = kinesis(
        &scene.account,
        &[
            "%%% not base64 %%%".to_owned(),
            scene.imds_off(&dark).payload(),
            payload(b"not JSON"),
        ],
    );
    let mut function = scene.function(REPAIR).await;
    let answer = function
        .invoke(&event)
        .await
        .expect("the records are handled");
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "seq-0"},
        {"itemIdentifier": "seq-2"},
    ]});
    assert_eq!(answer, failed);
    assert!(scene.account.imds_is_on(&dark).await);
    assert_eq!(scene.mailbox.take().await.len(), 1);
}

#[tokio::test]
async fn a_record_with_fields_of_the_wrong_type_fails_alone() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut event = kinesis(
        &scene.account,
        &[
            payload(b"unread"),
            payload(b"unread"),
            scene.imds_off(&dark).payload(),
        ],
    );
    let records = &mut event["Records"];
    records[0]["kinesis"]["data"] = json!(null);
    records[0]["kinesis"]["sequenceNumber"] = json!(4_959_033_827_149_025_660_u64);
    records[1]["kinesis"] = json!(null);
    records[1]["eventID"] = json!("shardId-000000000006:4959");
    let kept = ["sequenceNumber", "data"];
    if let Some(fields) = records[2]["kinesis"].as_object_mut() {
        fields.retain(|key, _| kept.contains(&key.as_str()));
    }
    let mut function = scene.function(REPAIR).await;
    let answer = function.invoke(&event).await.expect("handled");
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "4959033827149025660"},
        {"itemIdentifier": "4959"},
    ]});
    assert_eq!(answer, failed);
    assert!(scene.account.imds_is_on(&dark).await);
}

#[tokio::test]
async fn records_of_many_streams_make_one_incident() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 3).await;
    let payloads: Vec<String> = on_role
        .iter()
        .map(|id| scene.role_refused(id).payload())
        .collect();
    let mut function = scene.function(REPAIR).await;
    let answer = function
        .invoke(&kinesis(&scene.account, &payloads))
        .await
        .expect("handled");
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(scene.account.writes().len(), 1);
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1);
    for id in &on_role {
        assert!(mails[0].text.contains(id.as_str()));
    }
}

#[tokio::test]
async fn records_whose_incident_could_not_be_told_come_again() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let event = kinesis(&scene.account, &[scene.imds_off(&dark).payload()]);
    let refused = query_error(500, "InternalError", "try again");
    scene.account.proxy.on("Publish", refused);
    let mut function = scene.function(REPAIR).await;
    match function.invoke(&event).await {
        Ok(answer) => assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "seq-0"),
        Err(failure) => assert!(failure.message.contains(&dark), "{failure:?}"),
    }
    scene.account.proxy.clear_rules();
    let answer = function.invoke(&event).await.expect("the retry is handled");
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.contains(&dark));
    assert_eq!(scene.account.writes().len(), 1);
}
