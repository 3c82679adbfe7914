//! What is said of an incident, where, and when: the message, the printed
//! message, the function's own log.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::answer::outcome;
use crate::support::instances::Launch;
use crate::support::logs;
use crate::support::proxy::sns_denied;
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene};

#[tokio::test]
async fn the_functions_own_log_holds_no_agent_line() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.imds_off(&dark)).await;
    let log = function.log();
    assert!(!log.contains("[EC2Identity]"), "{log}");
    assert!(
        log.contains("enable-imds-endpoint"),
        "the repair leaves an audit line: {log}"
    );
}

#[tokio::test]
async fn without_a_topic_the_message_is_printed() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = Function::start(&scene, ADVISE).await;
    let incident = function.incident(&scene.imds_off(&dark)).await;
    assert_eq!(incident["notified"], "printed");
    let log = function.log();
    let printed = log.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["type"] == "message").then_some(message)
    });
    let printed = printed.unwrap_or_else(|| panic!("no message on one line: {log}"));
    let subject = printed["subject"].as_str().unwrap_or_default();
    assert!(
        subject.contains(&dark) && subject.contains("IMDS"),
        "{printed}"
    );
    assert_eq!(scene.proxy.calls_of("Publish"), []);
}

#[tokio::test]
async fn raw_text_with_a_node_by_hand_is_diagnosed_and_repaired() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = json!({"log": recent(logs::IMDS_OFF), "node": dark});
    let incident = &function.incident(&event).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");
    assert!(scene.imds_is_on(&dark).await);
}

#[tokio::test]
async fn what_works_again_is_notified_once_as_resolved() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    let mut function = scene.function(ADVISE).await;
    let before = SignedDuration::from_mins(10);
    let fault = scene.role_refused(&refused).aged(before);
    function.handle(&fault).await;
    assert_eq!(scene.mailbox.take().await.len(), 1);

    let works = scene.healthy(&refused);
    let report = function.handle(&works).await;
    assert_eq!(
        report["recovered"][0]["node"],
        refused.as_str(),
        "{report:#}"
    );
    assert_eq!(scene.mailbox.take_only().await.state(), "resolved");

    for batch in [&works, &fault, &works] {
        function.handle(batch).await;
    }
    assert_eq!(scene.mailbox.take().await, []);
}

#[tokio::test]
async fn what_somebody_else_put_right_is_notified_as_resolved_never_as_repaired() {
    let scene = Scene::new().await;
    for settings in [ADVISE, REPAIR] {
        let instance = scene.untagged_dark_instance().await;
        let mut function = scene.function(settings).await;
        let fault = scene.imds_off(&instance);
        function.handle(&fault).await;
        assert_eq!(scene.mailbox.take().await.len(), 1);

        scene.set_imds(&instance, true).await;
        function.handle(&fault).await;
        let mail = scene.mailbox.take_only().await;
        assert_eq!(mail.state(), "resolved");
        assert!(mail.subject.starts_with("[SSM resolved] "), "{mail:#?}");
    }
}

#[tokio::test]
async fn secrets_in_the_log_leave_by_no_way() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    let secrets = ["hunter2", "AKIAIOSFODNN7EXAMPLE"];
    let tail =
        "for ec2 identity: proxy http://bob:hunter2@10.0.0.1:3128 refuses AKIAIOSFODNN7EXAMPLE";
    let text = format!(
        "{}\n2023-01-25 09:57:00 ERROR [Unheard] of http://bob:hunter2@10.0.0.1:3128 AKIAIOSFODNN7EXAMPLE\n",
        logs::ROLE_REFUSED.replace("for ec2 identity", tail)
    );
    let event = scene.log(&refused, &text);

    let mut sending = scene.function(ADVISE).await;
    let report = sending.handle(&event).await;
    let mut printing = Function::start(&scene, ADVISE).await;
    printing.handle(&event).await;
    scene.proxy.on("Publish", sns_denied());
    let mut failing = scene.function(ADVISE).await;
    let failure = failing.failure(&event).await;

    let mails = scene.mailbox.take().await;
    assert!(
        mails[0].text.contains("[redacted]"),
        "the line is quoted: {mails:#?}"
    );
    let ways = [
        report.to_string(),
        format!("{mails:?}"),
        sending.log(),
        printing.log(),
        failing.log(),
        failure.message,
    ];
    for way in &ways {
        for secret in secrets {
            assert!(!way.contains(secret), "{secret} in {way}");
        }
    }
    assert!(
        !failing.log().contains("[CredentialRefresher]"),
        "{}",
        failing.log()
    );
}

/// The log as if it had been written today.
fn recent(log: &str) -> String {
    let today = jiff::Timestamp::now().to_string();
    log.replace("2026-11-23", &today[..10])
}

#[tokio::test]
async fn in_the_format_chat_the_topic_gets_a_custom_notification() {
    let scene = Scene::new().await;
    let named = Launch {
        name: Some("web-03"),
        ..Launch::DARK
    };
    let dark = scene.launch(named).await;
    let settings = [("TRIAGE_MESSAGE_FORMAT", "chat")];
    scene.handle(&settings, &scene.imds_off(&dark)).await;
    let mail = scene.mailbox.take_only().await;
    let chat: Value = serde_json::from_str(&mail.text).expect("JSON");
    assert_eq!(chat["source"], "custom");
    assert_eq!(chat["metadata"]["eventType"], "ssm-agent-opened");
    assert_eq!(chat["content"]["title"], mail.subject);
    let description = chat["content"]["description"].as_str().unwrap_or_default();
    let whom = format!("{dark} (web-03)");
    assert!(description.contains(&whom), "{description}");
    assert_eq!(mail.attribute("cause"), "imds-disabled");
}
