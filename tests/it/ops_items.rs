//! The OpsItem of an incident. The test server has no OpsCenter: its answers are played
//! as the API reference words them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hyper::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::proxy::{Call, Effect, Proxy};
use crate::support::scene::{ADVISE, ROLE, Scene};

pub(crate) const ON: (&str, &str) = ("TRIAGE_OPSITEMS", "on");
const BEFORE: SignedDuration = SignedDuration::from_mins(10);

fn sent(call: &Call) -> Value {
    serde_json::from_str(&call.fields[""]).expect("a request of Systems Manager is JSON")
}

fn sent_all(proxy: &Proxy, action: &str) -> Vec<Value> {
    proxy.calls_of(action).iter().map(sent).collect()
}

/// OpsCenter, as far as it is called here: the OpsItems by their ids.
pub(crate) fn ops_center(proxy: &Proxy) -> Arc<Mutex<BTreeMap<String, Value>>> {
    let items = Arc::new(Mutex::new(BTreeMap::<String, Value>::new()));
    let created = Arc::clone(&items);
    proxy.on(
        "CreateOpsItem",
        Effect::Reply(Box::new(move |call| {
            let mut items = created.lock().expect("no holder panics");
            let id = format!("oi-{:012x}", items.len() + 1);
            let mut item = sent(call);
            item["Status"] = json!("Open");
            items.insert(id.clone(), item);
            json!({"OpsItemId": id}).to_string()
        })),
    );
    let updated = Arc::clone(&items);
    proxy.on(
        "UpdateOpsItem",
        Effect::Reply(Box::new(move |call| {
            let change = sent(call);
            let id = change["OpsItemId"].as_str().unwrap_or_default();
            let mut items = updated.lock().expect("no holder panics");
            let item = items.get_mut(id).expect("it was created");
            for (name, value) in change.as_object().into_iter().flatten() {
                match (name.as_str(), value.as_object()) {
                    // What is not named stays.
                    ("OperationalData", Some(data)) => {
                        for (key, value) in data {
                            item[name][key] = value.clone();
                        }
                    }
                    _ => item[name] = value.clone(),
                }
            }
            json!({}).to_string()
        })),
    );
    items
}

pub(crate) fn refusal(code: &str, more: Value) -> Effect {
    let mut body = json!({"__type": code, "message": "It is refused."});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Effect::Answer(StatusCode::BAD_REQUEST, body.to_string())
}

#[tokio::test]
async fn an_incident_has_one_ops_item_that_is_opened_resolved_and_opened_again() {
    let scene = Scene::new().await;
    let items = ops_center(&scene.proxy);
    let refused = scene.refused_instance().await;
    let mut function = scene.function(&[ADVISE, &[ON]].concat()).await;
    let fault = scene.role_refused(&refused).aged(BEFORE);
    let status = || {
        let items = items.lock().expect("no holder panics");
        let all: Vec<Value> = items.values().map(|item| item["Status"].clone()).collect();
        all
    };
    for _ in 0..2 {
        function.handle(&fault).await;
        assert_eq!(status(), ["Open"]);
    }
    let item = &sent_all(&scene.proxy, "CreateOpsItem")[0];
    assert_eq!(item["Title"], "EC2 cannot assume role MySSMRole");
    assert_eq!(item["Severity"], "2");
    assert_eq!(item["Category"], "Availability");
    assert_eq!(item["Source"], "ssm-agent-triage");
    let description = item["Description"].as_str().unwrap_or_default();
    assert!(description.contains("\nFIX\n") && description.chars().count() <= 2_048);
    let data = |name: &str| item["OperationalData"][name]["Value"].clone();
    let key = format!("{}/us-east-1/role-not-assumable/role:MySSMRole", scene.id);
    assert_eq!(data("incident"), key);
    let arn = format!("arn:aws:iam::{}:role/MySSMRole", scene.id);
    assert_eq!(data("/aws/resources"), json!([{"arn": arn}]).to_string());
    let deduplication = data("/aws/dedup");
    let deduplication: Value =
        serde_json::from_str(deduplication.as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(
        deduplication["dedupString"].as_str().map(str::len),
        Some(32)
    );

    function
        .handle(&scene.healthy(&refused).aged(BEFORE / 2))
        .await;
    assert_eq!(status(), ["Resolved"]);
    function.handle(&scene.role_refused(&refused)).await;
    assert_eq!(status(), ["Open"], "the same one");
}

#[tokio::test]
async fn an_ops_item_that_is_there_already_is_brought_up_to_date_and_one_that_is_gone_opened_anew()
{
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    let mut function = scene.function(&[ADVISE, &[ON]].concat()).await;
    let known = json!({"OpsItemId": "oi-0123456789ab"});
    scene.proxy.on(
        "CreateOpsItem",
        refusal("OpsItemAlreadyExistsException", known),
    );
    scene.proxy.on(
        "UpdateOpsItem",
        Effect::Answer(StatusCode::OK, "{}".to_owned()),
    );
    function
        .handle(&scene.role_refused(&refused).aged(BEFORE))
        .await;
    let updates = sent_all(&scene.proxy, "UpdateOpsItem");
    assert_eq!(updates[0]["OpsItemId"], "oi-0123456789ab");
    assert_eq!(updates[0]["Status"], "Open");
    let resources = updates[0]["OperationalData"]["/aws/resources"]["Value"].to_string();
    assert!(resources.contains(ROLE), "{resources}");

    scene.proxy.clear_rules();
    scene.proxy.on(
        "UpdateOpsItem",
        refusal("OpsItemNotFoundException", json!({})),
    );
    function
        .handle(&scene.healthy(&refused).aged(BEFORE / 2))
        .await;
    assert_eq!(
        sent_all(&scene.proxy, "UpdateOpsItem")[1]["Status"],
        "Resolved"
    );
    assert_eq!(
        sent_all(&scene.proxy, "CreateOpsItem").len(),
        1,
        "what is over is not opened"
    );
    let answer = json!({"OpsItemId": "oi-ba9876543210"}).to_string();
    scene
        .proxy
        .on("CreateOpsItem", Effect::Answer(StatusCode::OK, answer));
    function.handle(&scene.role_refused(&refused)).await;
    assert_eq!(sent_all(&scene.proxy, "CreateOpsItem").len(), 2);
}

#[tokio::test]
async fn a_refused_ops_item_is_tried_again_alone_and_keeps_no_other_channel_back() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    let fault = scene.role_refused(&refused);
    scene
        .proxy
        .on("CreateOpsItem", refusal("AccessDeniedException", json!({})));
    let mut function = scene.function(&[ADVISE, &[ON]].concat()).await;
    let failure = function.failure(&fault).await;
    let why = "OpsCenter did not take it: CreateOpsItem was denied (AccessDeniedException)";
    assert!(failure.message.contains(why), "{}", failure.message);
    assert_eq!(scene.mailbox.take().await.len(), 1);
    scene.proxy.clear_rules();
    let items = ops_center(&scene.proxy);
    function.handle(&fault).await;
    assert_eq!(items.lock().expect("no holder panics").len(), 1);
    assert_eq!(scene.mailbox.take().await, []);
}
