//! `schema/` is what the types say, and every event and report in it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::*;
use crate::notify::digest::{self, Digest};
use crate::notify::event::{self, Event};
use crate::notify::ops_item;
use crate::report::{self, Report};

fn schema_of<T: JsonSchema>(name: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    schema["$id"] = json!(name);
    schema["properties"]["schema"] = json!({ "const": name });
    schema
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (file, schema) in [
        ("incident-1", schema_of::<Event>(event::SCHEMA)),
        ("report-1", schema_of::<Report>(report::SCHEMA)),
        ("digest-1", schema_of::<Digest>(digest::SCHEMA)),
    ] {
        let path = format!("{}/schema/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let wanted = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, &wanted).expect("schema/ can be written");
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            known == wanted,
            "{path} is old: run this test with INSTA_UPDATE=always"
        );
    }
}

fn event(content: &Content) -> Value {
    let text = Format::Json.render(content, Style::PLAIN);
    assert!(!text.contains('\n'), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn an_incident_is_an_event_when_it_opens_and_when_it_is_over() {
    insta::assert_json_snapshot!("event_opened", event(&imds_disabled()));
    insta::assert_json_snapshot!("event_resolved", event(&over()));
}

#[test]
fn an_event_of_a_repair_and_of_many_nodes() {
    let log = log("imds-disabled");
    let repaired = only(RepairMode::Repair, INSTANCE, &log, &imds_off(true));
    insta::assert_json_snapshot!("event_repaired", event(&repaired));
    let ids: Vec<String> = (1..=12).map(|n| format!("i-{n:017x}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let log = super::log("role-not-assumable");
    let mut function = Function::new(RepairMode::Advise);
    let contents = function.invoke(&on_all(&ids, &log), &role_broken(&ids, false));
    insta::assert_json_snapshot!("event_of_a_role", event(&only_of(contents)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_incident_is_an_event_within_its_limit(
        text in ".{0,9000}", id in ".{1,2000}", nodes in 1_usize..5_000, most in 16_384_usize..262_144,
    ) {
        let mut content = only_once().clone();
        let incident = &mut content.event.incident;
        incident.detail = Some(text.clone());
        incident.evidence = vec![evidence(&id, &text); 3];
        incident.checks = vec![incident.checks[0].clone(); 200];
        for check in &mut incident.checks {
            check.note.clone_from(&text);
        }
        let listed = incident.nodes[0].clone();
        incident.nodes = vec![crate::incident::nodes::NodeEntry { id: id.clone(), ..listed }; nodes.min(100)];
        incident.node_count = nodes;
        let text = content.event.within(most);
        prop_assert!(text.len() <= most, "{} of {most}", text.len());
        let event: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(&event["key"], &json!(content.key));
        prop_assert_eq!(&event["node_count"], &json!(nodes));
        prop_assert_eq!(&event["cause"], &json!("imds-disabled"));
    }

    #[test]
    fn any_incident_has_a_body_for_each_protocol_within_the_limit_of_sns(
        text in any::<String>(), long in ".{0,3000}", nodes in 1_usize..5_000,
    ) {
        let mut content = only_once().clone();
        content.node_count = nodes;
        content.title.clone_from(&text);
        content.summary = long.repeat(40);
        content.nodes = long.repeat(20);
        content.event.incident.title = text;
        content.event.incident.advice = vec![long.clone(); 100];
        let message = Message::new(&content, Format::PerProtocol);
        let attributes = message.attributes.iter();
        let attributes: usize = attributes.map(|(name, value)| name.len() + value.len() + 6).sum();
        prop_assert!(message.body.len() + attributes <= MESSAGE_BYTES);
        let bodies: Value = serde_json::from_str(&message.body).expect("JSON");
        let body = |name: &str| bodies[name].as_str().unwrap_or_default().to_owned();
        prop_assert!(body("sms").len() <= 140 && body("sms").is_ascii(), "{}", body("sms"));
        for name in ["http", "https", "sqs", "lambda", "firehose"] {
            let object: Value = serde_json::from_str(&body(name)).expect("JSON");
            prop_assert!(object.is_object());
        }
    }

    #[test]
    fn any_incident_is_an_ops_item_within_the_limits_of_ops_center(
        title in ".{0,2000}", long in ".{0,3000}", nodes in 1_usize..5_000,
    ) {
        let mut content = only_once().clone();
        content.node_count = nodes;
        content.title = title;
        content.detail.clone_from(&long);
        content.nodes = long;
        prop_assert!(ops_item::title(&content).chars().count() <= 1_024);
        let description = ops_item::description(&content);
        prop_assert!(description.chars().count() <= 2_048);
        prop_assert!(description.starts_with(content.summary.split(' ').next().unwrap_or_default()));
    }
}
