//! Where people and programs read of one incident: a copy of each channel is kept.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{keep, shown};
use crate::support::narrate::{Style, chapter, claim, gap, item, say};
use crate::support::proxy::Call;
use crate::support::scene::{ADVISE, Scene};

const BUS: &str = "operations";

pub(super) async fn channels() {
    chapter(7, "One incident, wherever it is read");
    say(
        "With TRIAGE_MESSAGE_FORMAT=per-protocol and an event bus one incident reaches mailboxes, \
         telephones, chats, queues and rules of EventBridge, each in its own form. A digest tells \
         whoever is not on call. The tool writes a log's verdict as a page.",
    );
    let scene = Scene::new().await;
    scene.proxy.stand_in_for_ssm_and_simulator();
    let bus = scene.event_bus(BUS).await;
    let dark = scene.dark_instance().await;
    let format = ("TRIAGE_MESSAGE_FORMAT", "per-protocol");
    let settings = [ADVISE, &[format, ("TRIAGE_EVENT_BUS", BUS)]].concat();
    let mut function = scene.function(&settings).await;
    function.handle(&scene.imds_off(&dark)).await;
    let digest = function.handle(&json!({"digest": {}})).await;

    gap();
    let copy = |what: &str, name: &str, text: &str| {
        item(what, &keep(&format!("channels/{name}"), text), Style::Plain);
    };
    let published = scene.proxy.calls_of("Publish");
    let bodies = |call: &Call| -> Value {
        serde_json::from_str(&call.fields["Message"]).expect("a body for each protocol")
    };
    let (message, of_digest) = (bodies(&published[0]), bodies(&published[1]));
    for (what, protocol, name) in [
        ("mail", "default", "mail.txt"),
        ("SMS", "sms", "sms.txt"),
        ("chat", "https", "chat.json"),
        ("queue", "sqs", "event-in-a-queue.json"),
    ] {
        copy(what, name, message[protocol].as_str().expect("its body"));
    }
    let events = bus.take_json().await;
    copy("EventBridge", "event.json", &format!("{:#}", events[0]));
    let text = of_digest["default"].as_str().expect("its body");
    copy("digest", "digest.txt", text);
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"));
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/events/imds-disabled.log");
    tool.args(["scan", "--format", "html", log]);
    let page = tool.output().await.expect("the tool runs").stdout;
    copy("page", "page.html", &String::from_utf8_lossy(&page));

    claim(
        events.len() == 1 && events[0]["detail"]["state"] == "opened",
        "one event for one incident",
        &events,
    );
    claim(
        digest["open"]["count"] == 1 && text.contains(&dark),
        "the digest names what is open",
        &digest,
    );
    claim(
        page.starts_with(b"<!doctype html>"),
        "the page is one file that loads nothing",
        &shown(std::path::Path::new(log)),
    );
}
