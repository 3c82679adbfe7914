//! Kinesis records: many streams in one invocation, and only what failed is
//! delivered again.

use serde_json::json;

use crate::support::events::{Delivery, kinesis, payload, records};
use crate::support::proxy::query_error;
use crate::support::scene::{REPAIR, Scene};

#[tokio::test]
async fn one_broken_record_fails_alone() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let event = kinesis(
        &scene,
        &[
            "%%% not base64 %%%".to_owned(),
            scene.imds_off(&dark).payload(),
            payload(b"not JSON"),
        ],
    );
    let answer = scene.handle(REPAIR, &event).await;
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "seq-0"},
        {"itemIdentifier": "seq-2"},
    ]});
    assert_eq!(answer, failed);
    assert!(scene.imds_is_on(&dark).await);
    assert_eq!(scene.mailbox.take().await.len(), 1);
}

#[tokio::test]
async fn a_record_with_fields_of_the_wrong_type_fails_alone() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut event = kinesis(
        &scene,
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
    let answer = scene.handle(REPAIR, &event).await;
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "4959033827149025660"},
        {"itemIdentifier": "4959"},
    ]});
    assert_eq!(answer, failed);
    assert!(scene.imds_is_on(&dark).await);
}

#[tokio::test]
async fn records_of_many_streams_make_one_incident() {
    let scene = Scene::new().await;
    let on_role = scene.refused_instances::<3>().await;
    let deliveries: Vec<Delivery> = on_role.iter().map(|id| scene.role_refused(id)).collect();
    let answer = scene.handle(REPAIR, &records(&scene, &deliveries)).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(scene.writes().len(), 1);
    let mail = scene.mailbox.take_only().await;
    for id in &on_role {
        assert!(mail.text.contains(id.as_str()));
    }
}

#[tokio::test]
async fn records_whose_incident_could_not_be_notified_come_again() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let event = records(&scene, &[scene.imds_off(&dark)]);
    let refused = query_error(500, "InternalError", "try again");
    scene.proxy.on("Publish", refused);
    let mut function = scene.function(REPAIR).await;
    match function.invoke(&event).await {
        Ok(answer) => assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "seq-0"),
        Err(failure) => assert!(failure.message.contains(&dark), "{failure:?}"),
    }
    scene.proxy.clear_rules();
    let answer = function.handle(&event).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert!(scene.mailbox.take_only().await.text.contains(&dark));
    assert_eq!(scene.writes().len(), 1);
}
