//! Every write is notified exactly as what it was: whatever came back for it,
//! whichever execution environment meets the retry, and never more than was
//! read.

use hyper::StatusCode;
use serde_json::Value;

use crate::support::answer::{incident_of, outcome, undo_of};
use crate::support::instances::Launch;
use crate::support::proxy::{Effect, sns_denied};
use crate::support::scene::{ADVISE, MODIFY, REPAIR, Scene, UPDATE};

fn claims_that_nothing_changed(text: &str) -> bool {
    text.contains("\nChanged: nothing.") || text.contains("Nothing was changed")
}

#[tokio::test]
async fn a_repair_whose_message_failed_is_notified_with_its_undo_by_a_fresh_environment() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on("Publish", sns_denied());
    let event = scene.imds_off(&dark);
    let mut first = scene.function(REPAIR).await;
    let failure = first.failure(&event).await;
    assert!(failure.message.contains(&undo_of(&dark)), "{failure:?}");
    assert_eq!(scene.writes().len(), 1);
    drop(first);

    scene.proxy.clear_rules();
    let mut second = scene.function(REPAIR).await;
    let incident = &second.incident(&event).await;
    assert_eq!(incident["cause"], "imds-disabled", "{incident:#}");
    assert_eq!(incident["notified"], "sent");
    let mail = scene.mailbox.take_only().await;
    assert!(mail.text.contains(&undo_of(&dark)), "{}", mail.text);
    assert!(!claims_that_nothing_changed(&mail.text), "{}", mail.text);
    assert!(mail.text.contains("earlier attempt"), "{}", mail.text);
    assert_eq!(mail.state(), "resolved");

    // Further deliveries say no more, and nothing is written again.
    second.handle(&event).await;
    assert_eq!(scene.mailbox.take().await, []);
    assert_eq!(scene.writes().len(), 1);
}

#[tokio::test]
async fn what_only_others_can_have_changed_is_nobodys_repair() {
    let scene = Scene::new().await;
    for (settings, tag) in [(ADVISE, Some("allow")), (REPAIR, None)] {
        let lit = scene.launch(Launch { tag, ..Launch::LIT }).await;
        let incident = &scene.incident(settings, &scene.imds_off(&lit)).await;
        assert_eq!(outcome(incident), "already-right", "{incident:#}");
        assert_eq!(incident["outcome"]["undo"], Value::Null);
        assert_eq!(scene.mailbox.take().await, [], "it is right, and stays so");
    }
}

/// The write is made, and what comes back says nothing of it.
#[tokio::test]
async fn a_write_whose_answer_cannot_be_read_is_settled_by_reading() {
    let unreadable: [fn() -> Effect; 5] = [
        || Effect::Edit(|_| "<html>busy</html>".to_owned()),
        || Effect::Edit(|body| body[..body.len() / 2].to_owned()),
        || Effect::AnswerAfter(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        || Effect::AnswerAfter(StatusCode::BAD_GATEWAY, "<html>proxy</html>".to_owned()),
        || Effect::AnswerAfter(StatusCode::FORBIDDEN, "<html>proxy</html>".to_owned()),
    ];
    for (number, effect) in unreadable.into_iter().enumerate() {
        let scene = Scene::new().await;
        let (nodes, event) = scene.both_faults().await;
        scene.proxy.on(MODIFY, effect());
        scene.proxy.on(UPDATE, effect());
        let report = scene.handle(REPAIR, &event).await;
        for node in &nodes {
            let incident = incident_of(&report, node);
            assert_eq!(outcome(incident), "repaired", "{number}: {incident:#}");
        }
        let mails = scene.mailbox.take().await;
        assert_eq!(mails.len(), 2, "{number}: {mails:#?}");
        for mail in &mails {
            assert_eq!(mail.state(), "repaired", "{number}");
            assert!(!claims_that_nothing_changed(&mail.text), "{}", mail.text);
        }
        assert_eq!(scene.writes().len(), 2, "{number}: one attempt each");
    }
}

#[tokio::test]
async fn a_write_of_an_environment_that_had_only_found_it_right_is_notified() {
    let scene = Scene::new().await;
    let instance = scene.launch(Launch::LIT).await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.imds_off(&instance)).await;
    let before = scene.mailbox.take_only().await;
    assert_eq!(before.state(), "resolved");

    scene.set_imds(&instance, false).await;
    let incident = &function.incident(&scene.imds_off(&instance)).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");
    let mail = scene.mailbox.take_only().await;
    assert_eq!(mail.state(), "repaired");
    assert!(mail.text.contains(&undo_of(&instance)), "{}", mail.text);
}

#[tokio::test]
async fn an_old_answer_soon_after_the_repair_is_no_new_fault() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark);
    function.handle(&event).await;
    assert_eq!(scene.mailbox.take_only().await.state(), "repaired");

    let old = |body: String| {
        body.replace(
            "<httpEndpoint>enabled</httpEndpoint>",
            "<httpEndpoint>disabled</httpEndpoint>",
        )
    };
    scene.proxy.on("DescribeInstances", Effect::Edit(old));
    let incident = &function.incident(&event).await;
    assert_eq!(incident["notified"], "suppressed", "{incident:#}");
    assert_eq!(scene.writes().len(), 1);
    assert_eq!(scene.mailbox.take().await, []);
}

#[tokio::test]
async fn a_write_leaves_an_audit_line_with_its_outcome() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.imds_off(&dark)).await;
    let log = function.log();
    let audits: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["audit"] == "ssm-agent-triage/audit/1")
        .collect();
    assert_eq!(audits.len(), 2, "{log}");
    assert_eq!(audits[0]["send"]["InstanceId"], dark.as_str());
    assert_eq!(audits[1]["outcome"], "repaired");
    assert_eq!(audits[1]["resource"], dark.as_str());
}

#[tokio::test]
async fn a_role_swapped_for_another_that_is_denied_too_is_notified() {
    let scene = Scene::new().await;
    let instance = scene.healthy_instance().await;
    let mut function = scene.function(ADVISE).await;
    for role in ["First", "Second"] {
        let text = format!(
            "2026-11-23 04:19:04.8188 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::{account}:assumed-role/{role}/{instance} is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:{account}:instance/{instance} because no identity-based policy allows the ssm:UpdateInstanceInformation action",
            account = scene.id,
        );
        function.handle(&scene.log(&instance, &text)).await;
        let mail = scene.mailbox.take_only().await;
        assert!(mail.subject.contains(role), "{}", mail.subject);
    }
}
