//! Every write is notified exactly as what it was: whatever came back for it,
//! whichever execution environment meets the retry, and never more than was
//! read.

use hyper::StatusCode;
use serde_json::Value;

use crate::support::answer::{incident_of, only_incident, outcome};
use crate::support::events::Delivery;
use crate::support::fleet::{Launch, Mail};
use crate::support::proxy::{Effect, query_error};
use crate::support::scene::{ADVISE, REPAIR, Scene, dark, together};

const MODIFY: &str = "ModifyInstanceMetadataOptions";
const UPDATE: &str = "UpdateAssumeRolePolicy";

fn state(mail: &Mail) -> &str {
    let state = mail.attributes.iter().find(|(name, _)| name == "state");
    state.map_or("", |(_, value)| value)
}

/// The only mail since the last look.
async fn only_mail(scene: &Scene) -> Mail {
    let mut mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    mails.remove(0)
}

fn undo_of(instance: &str) -> String {
    format!(
        "aws ec2 modify-instance-metadata-options --instance-id {instance} --http-endpoint disabled"
    )
}

fn claims_that_nothing_changed(text: &str) -> bool {
    text.to_lowercase().contains("nothing was changed")
}

#[tokio::test]
async fn a_repair_whose_message_failed_is_notified_with_its_undo_by_a_fresh_environment() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let refused = query_error(403, "AuthorizationError", "No.");
    scene.account.proxy.on("Publish", refused);
    let event = scene.imds_off(&dark).subscription();
    let mut first = scene.function(REPAIR).await;
    let failure = first.invoke(&event).await.expect_err("no message went out");
    assert!(failure.message.contains(&undo_of(&dark)), "{failure:?}");
    assert_eq!(scene.account.writes().len(), 1);
    drop(first);

    scene.account.proxy.clear_rules();
    let mut second = scene.function(REPAIR).await;
    let report = second.invoke(&event).await.expect("the retry is handled");
    let incident = only_incident(&report);
    assert_eq!(incident["cause"], "imds-disabled", "{incident:#}");
    assert_eq!(incident["notified"], "sent");
    let mail = only_mail(&scene).await;
    assert!(mail.text.contains(&undo_of(&dark)), "{}", mail.text);
    assert!(!claims_that_nothing_changed(&mail.text), "{}", mail.text);
    assert!(mail.text.contains("earlier attempt"), "{}", mail.text);
    assert_eq!(state(&mail), "resolved");

    // Further deliveries say no more, and nothing is written again.
    second.invoke(&event).await.expect("a copy is handled");
    assert_eq!(scene.mailbox.take().await, []);
    assert_eq!(scene.account.writes().len(), 1);
}

#[tokio::test]
async fn what_only_others_can_have_changed_is_nobodys_repair() {
    let scene = Scene::new().await;
    for (settings, tag) in [(ADVISE, Some("allow")), (REPAIR, None)] {
        let lit = scene
            .account
            .launch(Launch {
                imds_off: false,
                tag,
                ..dark()
            })
            .await;
        let mut function = scene.function(settings).await;
        let event = scene.imds_off(&lit).subscription();
        let report = function.invoke(&event).await.expect("the batch is handled");
        let incident = only_incident(&report);
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
        let dark = scene.dark_instance().await;
        let on_role = scene.broken_role("MySSMRole", 1).await;
        scene.account.proxy.on(MODIFY, effect());
        scene.account.proxy.on(UPDATE, effect());
        let mut function = scene.function(REPAIR).await;
        let event = together(&[scene.imds_off(&dark), scene.role_refused(&on_role[0])]);
        let report = function.invoke(&event).await.expect("the batch is handled");
        for node in [&dark, &on_role[0]] {
            let incident = incident_of(&report, node);
            assert_eq!(outcome(incident), "repaired", "{number}: {incident:#}");
        }
        let mails = scene.mailbox.take().await;
        assert_eq!(mails.len(), 2, "{number}: {mails:#?}");
        for mail in &mails {
            assert_eq!(state(mail), "repaired", "{number}");
            assert!(!claims_that_nothing_changed(&mail.text), "{}", mail.text);
        }
        assert_eq!(
            scene.account.writes().len(),
            2,
            "{number}: one attempt each"
        );
    }
}

#[tokio::test]
async fn a_write_of_an_environment_that_had_only_found_it_right_is_notified() {
    let scene = Scene::new().await;
    let instance = scene
        .account
        .launch(Launch {
            imds_off: false,
            ..dark()
        })
        .await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&instance).subscription();
    function.invoke(&event).await.expect("the batch is handled");
    let before = only_mail(&scene).await;
    assert_eq!(state(&before), "resolved");

    scene.account.set_imds(&instance, false).await;
    let event = scene.imds_off(&instance).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(outcome(only_incident(&report)), "repaired", "{report:#}");
    let mail = only_mail(&scene).await;
    assert_eq!(state(&mail), "repaired");
    assert!(mail.text.contains(&undo_of(&instance)), "{}", mail.text);
}

#[tokio::test]
async fn an_old_answer_soon_after_the_repair_is_no_new_fault() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(state(&only_mail(&scene).await), "repaired");

    let old = |body: String| {
        body.replace(
            "<httpEndpoint>enabled</httpEndpoint>",
            "<httpEndpoint>disabled</httpEndpoint>",
        )
    };
    scene
        .account
        .proxy
        .on("DescribeInstances", Effect::Edit(old));
    let report = function.invoke(&event).await.expect("a copy is handled");
    let incident = only_incident(&report);
    assert_eq!(incident["notified"], "suppressed", "{incident:#}");
    assert_eq!(scene.account.writes().len(), 1);
    assert_eq!(scene.mailbox.take().await, []);
}

#[tokio::test]
async fn a_write_leaves_an_audit_line_with_its_outcome() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    function.invoke(&event).await.expect("the batch is handled");
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
            account = scene.account.id,
        );
        let event = Delivery::new(&scene.account, &instance, &text).subscription();
        function.invoke(&event).await.expect("the batch is handled");
        let mail = only_mail(&scene).await;
        assert!(mail.subject.contains(role), "{}", mail.subject);
    }
}
