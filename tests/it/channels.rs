//! Where readers are: the bodies of each protocol, event buses, and what becomes of a
//! message that one channel takes and another does not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::ops_items;
use crate::support::answer::incidents;
use crate::support::http::{Body, Server};
use crate::support::mailbox::Mail;
use crate::support::proxy::{Effect, json_answer, sns_denied};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene};

/// So long before the node works again.
const BEFORE: SignedDuration = SignedDuration::from_mins(10);

const BUS: &str = "fleet";
const ON_BUS: (&str, &str) = ("TRIAGE_EVENT_BUS", BUS);

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [ADVISE, more].concat()
}

/// State and detail-type of each event.
fn kinds(events: &[Value]) -> Vec<(&str, &str)> {
    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }
    events
        .iter()
        .map(|event| (text(&event["detail"]["state"]), text(&event["detail-type"])))
        .collect()
}

#[tokio::test]
async fn a_bus_gets_one_event_for_each_change_beside_the_message() {
    let scene = Scene::new().await;
    let bus = scene.event_bus(BUS).await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(&[REPAIR, &[ON_BUS]].concat()).await;
    let fault = scene.imds_off(&dark).aged(BEFORE);
    function.handle(&fault).await;
    function.handle(&fault).await;
    function.handle(&scene.healthy(&dark)).await;
    let events = bus.take_json().await;
    assert_eq!(
        kinds(&events),
        [
            ("repaired", "SSM Agent Incident Changed"),
            ("resolved", "SSM Agent Incident Resolved"),
        ]
    );
    let repaired = &events[0];
    assert_eq!(repaired["source"], "ssm-agent-triage");
    let arn = format!("arn:aws:ec2:us-east-1:{}:instance/{dark}", scene.id);
    assert_eq!(repaired["resources"], json!([arn]));
    assert_eq!(repaired["detail"]["schema"], "ssm-agent-triage/incident/1");
    assert_eq!(repaired["detail"]["outcome"]["status"], "repaired");
    assert_eq!(scene.mailbox.take().await.len(), 2);
}

#[tokio::test]
async fn an_entry_that_the_bus_refuses_fails_the_invocation_and_comes_alone_with_the_retry() {
    let scene = Scene::new().await;
    let bus = scene.event_bus(BUS).await;
    let refused = scene.refused_instance().await;
    let fault = scene.role_refused(&refused);
    let mut function = scene.function(&with(&[ON_BUS])).await;
    let refusal = json!({"FailedEntryCount": 1, "Entries": [
        {"ErrorCode": "InternalFailure", "ErrorMessage": "Try again."}
    ]});
    scene.proxy.rule("PutEvents", 0, 1, json_answer(refusal));
    let failure = function.failure(&fault).await;
    assert_eq!(failure.error_type, "MessageNotSent");
    let why = "fleet did not take it: PutEvents failed (InternalFailure): Try again.";
    assert!(failure.message.contains(why), "{}", failure.message);
    assert_eq!(scene.mailbox.take().await.len(), 1, "the topic has it");
    assert_eq!(bus.take().await, Vec::<String>::new());

    let report = function.handle(&fault).await;
    assert_eq!(incidents(&report)[0]["notified"], "sent");
    assert_eq!(
        kinds(&bus.take_json().await),
        [("opened", "SSM Agent Incident Opened")]
    );
    function.handle(&fault).await;
    assert_eq!(scene.mailbox.take().await, []);
    assert_eq!(bus.take().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_topic_that_refuses_does_not_stop_the_bus_and_the_end_reaches_both() {
    let scene = Scene::new().await;
    let bus = scene.event_bus(BUS).await;
    let refused = scene.refused_instance().await;
    let fault = scene.role_refused(&refused).aged(BEFORE);
    let works = scene.healthy(&refused);
    let table = ("TRIAGE_STATE_TABLE", scene.state_table().await);
    let mut functions = Vec::new();
    for _ in 0..3 {
        functions.push(scene.function(&[ADVISE, &[ON_BUS, table]].concat()).await);
    }
    scene.proxy.on("Publish", sns_denied());
    for function in &mut functions[..2] {
        function.failure(&fault).await;
    }
    let opened = bus.take_json().await;
    assert_eq!(kinds(&opened).len(), 1, "it is notified once");
    scene.proxy.clear_rules();
    functions[2].handle(&works).await;
    let resolved = bus.take_json().await;
    let end = [("resolved", "SSM Agent Incident Resolved")];
    assert_eq!(kinds(&resolved), end);
    let role = json!([format!("arn:aws:iam::{}:role/MySSMRole", scene.id)]);
    for event in [&opened[0], &resolved[0]] {
        assert_eq!(event["resources"], role);
    }
    assert_eq!(scene.mailbox.take_only().await.state(), "resolved");
}

#[tokio::test]
async fn a_bus_that_is_denied_is_named_with_the_call() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(&with(&[ON_BUS])).await;
    let denied = json!({"__type": "AccessDeniedException", "message": "You may not."});
    let denied = Effect::Answer(StatusCode::BAD_REQUEST, denied.to_string());
    scene.proxy.on("PutEvents", denied);
    let failure = function.failure(&scene.imds_off(&dark)).await;
    let why = "fleet did not take it: PutEvents was denied (AccessDeniedException): You may not.";
    assert!(failure.message.contains(why), "{}", failure.message);
}

#[tokio::test]
async fn sixteen_at_once_open_an_incident_once_in_every_channel_though_each_refuses_once() {
    let scene = Scene::new().await;
    let bus = scene.event_bus(BUS).await;
    let instances = scene.refused_instances::<16>().await;
    let chat = ("TRIAGE_MESSAGE_FORMAT", "chat");
    let settings = with(&[ON_BUS, chat, ops_items::ON]);
    let environments = scene.environments(16, &settings).await;
    scene.proxy.rule("Publish", 0, 1, sns_denied());
    scene.proxy.rule(
        "PutEvents",
        0,
        1,
        json_answer(json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})),
    );
    let denied = ops_items::refusal("AccessDeniedException", json!({}));
    scene.proxy.rule("CreateOpsItem", 0, 1, denied);
    let items = ops_items::ops_center(&scene.proxy);
    let invoked = environments
        .into_iter()
        .zip(&instances)
        .map(|(mut environment, instance)| {
            let batch = scene.role_refused(instance);
            // Lambda waits for minutes before it tries again, so that others come to an end.
            tokio::spawn(async move {
                for _ in 0..20 {
                    if environment.invoke(&batch).await.is_ok() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                environment.handle(&batch).await;
            })
        });
    for one in invoked.collect::<Vec<_>>() {
        one.await.expect("no invocation panics");
    }
    let opened = |kinds: Vec<String>| kinds.iter().filter(|kind| *kind == "opened").count();
    let events = bus.take_json().await;
    let of_bus = kinds(&events)
        .into_iter()
        .map(|(state, _)| state.to_owned());
    assert_eq!(opened(of_bus.collect()), 1, "{events:#?}");
    let mails = scene.mailbox.take().await;
    let of_topic = mails.iter().map(|mail| mail.state().to_owned());
    assert_eq!(opened(of_topic.collect()), 1, "{mails:#?}");
    let threads = mails
        .iter()
        .map(|mail| event_in(mail)["metadata"]["threadId"].to_string());
    assert_eq!(threads.collect::<BTreeSet<_>>().len(), 1, "{mails:#?}");
    assert_eq!(items.lock().expect("no holder panics").len(), 1);
}

fn event_in(mail: &Mail) -> Value {
    serde_json::from_str(&mail.text).expect("the message is the event")
}

#[tokio::test]
async fn a_topic_of_programs_gets_the_event() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let settings = with(&[("TRIAGE_MESSAGE_FORMAT", "json")]);
    scene.handle(&settings, &scene.imds_off(&dark)).await;
    let mail = scene.mailbox.take_only().await;
    assert_eq!(event_in(&mail)["scope"]["id"], dark.as_str());
    assert_eq!(mail.state(), "opened");
}

#[tokio::test]
async fn each_protocol_gets_its_own_body_of_one_publish() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let posted = Arc::new(Mutex::new(Vec::new()));
    let hook = Server::start({
        let posted = Arc::clone(&posted);
        move |request: Request<Bytes>| {
            let body = request.into_body();
            posted.lock().expect("no holder panics").push(body);
            async { Some(Response::new(Body::default())) }
        }
    })
    .await;
    let url = format!("http://{}/", hook.address);
    scene.subscribe(&scene.mailbox.topic, "http", &url).await;
    let settings = with(&[("TRIAGE_MESSAGE_FORMAT", "per-protocol")]);
    scene.handle(&settings, &scene.imds_off(&dark)).await;
    let queued = event_in(&scene.mailbox.take_only().await);
    assert_eq!(queued["schema"], "ssm-agent-triage/incident/1");
    let posted = posted.lock().expect("no holder panics").clone();
    let message = posted
        .iter()
        .filter_map(|body| serde_json::from_slice(body).ok())
        .find(|envelope: &Value| envelope["Type"] == "Notification")
        .expect("it is posted");
    let message = message["Message"].as_str().unwrap_or_default();
    let chat: Value = serde_json::from_str(message).expect("a chat's notification");
    assert_eq!(chat["source"], "custom");
    assert_eq!(chat["metadata"]["threadId"], queued["key"]);
    let published = scene.proxy.calls_of("Publish");
    assert_eq!(published.len(), 1);
    let bodies: Value = serde_json::from_str(&published[0].fields["Message"]).expect("JSON");
    assert!(
        bodies["default"]
            .as_str()
            .unwrap_or_default()
            .contains("\nFIX\n"),
        "{bodies:#}"
    );
    let sms = bodies["sms"].as_str().unwrap_or_default();
    assert!(
        sms.starts_with("[SSM high] IMDS disabled") && sms.len() <= 140,
        "{sms}"
    );
}

#[tokio::test]
async fn a_fifo_topic_keeps_the_messages_of_an_incident_in_order() {
    let scene = Scene::new().await;
    let inbox = scene.fifo_mailbox().await;
    let refused = scene.refused_instance().await;
    let settings = with(&[("TRIAGE_MESSAGE_FORMAT", "per-protocol")]);
    let topic = inbox.topic.clone();
    let settings: Vec<(&str, &str)> = settings
        .into_iter()
        .chain([("TRIAGE_TOPIC_ARN", topic.as_str())])
        .collect();
    let mut function = Function::start(&scene, &settings).await;
    function
        .handle(&scene.role_refused(&refused).aged(BEFORE))
        .await;
    function.handle(&scene.healthy(&refused)).await;
    let states: Vec<Value> = inbox
        .take()
        .await
        .iter()
        .map(event_in)
        .map(|e| e["state"].clone())
        .collect();
    assert_eq!(states, ["opened", "resolved"]);
    let groups: Vec<String> = (scene.proxy.calls_of("Publish").iter())
        .map(|call| call.fields["MessageGroupId"].clone())
        .collect();
    assert_eq!(groups[0], groups[1]);
}
