//! The rules of docs/integrations.md, tried on real events.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::mailbox::Queue;
use crate::support::scene::{REPAIR, Scene};

const PAGE: &str = include_str!("../../docs/integrations.md");
const BUS: &str = "fleet";

/// Pattern and targets of each rule of the page, by its name.
fn rules() -> BTreeMap<&'static str, (Value, Value)> {
    let mut rules = BTreeMap::new();
    for section in PAGE.split("<!-- rule: ").skip(1) {
        let (name, rest) = section.split_once(" -->").expect("the mark ends");
        let mut blocks = rest.split("```json\n").skip(1);
        let mut block = || {
            let text = blocks.next().expect("a rule has two blocks");
            let (json, _) = text.split_once("\n```").expect("a block ends");
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{name}: {error}: {json}"))
        };
        rules.insert(name, (block(), block()));
    }
    rules
}

/// What a target gets of an event: each placeholder of the template stands for a whole
/// value ("Amazon EventBridge input transformation"; the test server's is another one).
fn transformed(target: &Value, event: &Value) -> Value {
    let Some(transformer) = target.get("InputTransformer") else {
        return event.clone();
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut input = text(&transformer["InputTemplate"]);
    for (name, path) in transformer["InputPathsMap"].as_object().expect("an object") {
        let path = text(path).replace(['$'], "").replace('.', "/");
        let value = event
            .pointer(&path)
            .unwrap_or_else(|| panic!("no {path} in {event:#}"));
        let mark = format!("<{name}>");
        assert!(input.contains(&mark), "{name} is not used");
        input = input.replace(&mark, &value.to_string());
    }
    serde_json::from_str(&input).unwrap_or_else(|error| panic!("{error}: {input}"))
}

/// What each rule's target gets of an incident that opens and ends, and of one that is
/// repaired.
async fn delivered() -> BTreeMap<&'static str, Vec<Value>> {
    let scene = Scene::new().await;
    let other = Account::fresh().await;
    let central = other.event_bus("central").await;
    let mut queues: BTreeMap<&str, Queue> = BTreeMap::new();
    for (name, (pattern, _)) in rules() {
        let (arn, queue) = match name {
            "second-account" => {
                let arn = format!("arn:aws:events:us-east-1:{}:event-bus/central", other.id);
                (arn, None)
            }
            _ => {
                let queue = scene.queue(name).await;
                (queue.arn.clone(), Some(queue))
            }
        };
        scene.put_rule(BUS, name, &pattern.to_string(), &arn).await;
        queues.extend(queue.map(|queue| (name, queue)));
    }
    let (dark, refused) = (
        scene.dark_instance().await,
        scene.untagged_refused_instance().await,
    );
    let mut function = scene
        .function(&[REPAIR, &[("TRIAGE_EVENT_BUS", BUS)]].concat())
        .await;
    let before = SignedDuration::from_mins(10);
    function.handle(&scene.imds_off(&dark).aged(before)).await;
    function
        .handle(&scene.role_refused(&refused).aged(before))
        .await;
    function.handle(&scene.healthy(&refused)).await;
    let mut delivered = BTreeMap::from([("second-account", central.take_json().await)]);
    for (name, queue) in queues {
        let target = &rules()[name].1[0];
        let events = queue.take_json().await;
        let events = events.iter().map(|event| transformed(target, event));
        delivered.insert(name, events.collect());
    }
    delivered
}

#[tokio::test]
async fn every_rule_of_the_page_gives_its_target_what_it_takes() {
    let delivered = delivered().await;
    let of = |name: &str| &delivered[name];
    let states = |name: &str| -> Vec<&str> {
        let states = of(name)
            .iter()
            .map(|event| event["detail"]["state"].as_str());
        states.map(Option::unwrap_or_default).collect()
    };
    assert_eq!(states("second-account"), ["repaired", "opened", "resolved"]);
    let source = |event: &Value| event["source"] == "ssm-agent-triage";
    assert!(of("second-account").iter().all(source));
    assert_eq!(states("step-functions"), ["opened"]);

    let opened = &of("step-functions")[0]["detail"];
    let triggers = of("pagerduty-trigger");
    assert_eq!(triggers.len(), 1, "{triggers:#?}");
    assert_eq!(
        triggers[0],
        json!({
            "event_action": "trigger",
            "dedup_key": opened["key"],
            "payload": {
                "summary": opened["title"],
                "source": opened["scope"]["id"],
                "severity": "critical",
                "timestamp": opened["opened_at"],
                "component": "role-not-assumable",
                "custom_details": {"advice": opened["advice"]},
            },
        })
    );
    let end = json!({"event_action": "resolve", "dedup_key": opened["key"]});
    assert_eq!(*of("pagerduty-resolve"), [end]);
    let told: Vec<&Value> = of("slack")
        .iter()
        .map(|one| &one["blocks"][1]["elements"][0]["text"])
        .collect();
    assert_eq!(told, ["repaired", "opened", "resolved"]);
    assert_eq!(of("slack")[1]["blocks"][0]["text"]["text"], opened["title"]);
}
