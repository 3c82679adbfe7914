//! `schema/` is what the types say, and every event and report in it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::*;
use crate::notify::digest::{self, Digest};
use crate::notify::event::{self, Event};
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
