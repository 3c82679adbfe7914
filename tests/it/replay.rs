//! AWS answering otherwise than hoped, replayed: the function neither panics
//! nor writes twice, and every incident is told or is in the returned error.

use serde_json::json;

use crate::support::answer::{check, incidents, only_incident, outcome};
use crate::support::fleet::{trusting, trusting_another_account};
use crate::support::proxy::{Effect, ec2_error, query_error};
use crate::support::scene::{DRY_RUN, REPAIR, Scene, together};

const MODIFY: &str = "ModifyInstanceMetadataOptions";
const UPDATE: &str = "UpdateAssumeRolePolicy";

/// Whether one of the mails says `text`.
async fn told(scene: &Scene, text: &str) {
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert!(
        mails[0].text.contains(text),
        "{text:?} is not in {}",
        mails[0].text
    );
}

#[tokio::test]
async fn dry_run_asks_ec2_once_and_writes_nothing() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let allowed = ec2_error(
        412,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    );
    scene.account.proxy.on(MODIFY, allowed);
    let mut function = scene.function(DRY_RUN).await;
    let event = together(&[scene.imds_off(&dark), scene.role_refused(&on_role[0])]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    for incident in incidents(&report) {
        assert_eq!(outcome(incident), "dry-run", "{incident:#}");
    }
    assert_eq!(incidents(&report).len(), 2);
    let writes = scene.account.writes();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    assert_eq!(writes[0].action, MODIFY);
    let fields: Vec<(&str, &str)> = writes[0]
        .fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("DryRun", "true"),
            ("HttpEndpoint", "enabled"),
            ("InstanceId", &dark)
        ]
    );
    assert_eq!(scene.mailbox.take().await.len(), 2);
}

#[tokio::test]
async fn a_dry_run_that_ec2_would_refuse_says_so() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let refused = ec2_error(
        403,
        "UnauthorizedOperation",
        "You are not authorized to perform this operation.",
    );
    scene.account.proxy.on(MODIFY, refused);
    let mut function = scene.function(DRY_RUN).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    assert!(
        matches!(outcome(incident), "refused" | "failed"),
        "{incident:#}"
    );
    told(&scene, "UnauthorizedOperation").await;
}

#[tokio::test]
async fn reads_that_are_denied_leave_the_checks_unknown() {
    for (action, check_name) in [
        ("DescribeInstances", "imds"),
        ("GetInstanceProfile", "instance-profile"),
    ] {
        let scene = Scene::new().await;
        let on_role = scene.broken_role("MySSMRole", 1).await;
        let denied = match action {
            "DescribeInstances" => {
                ec2_error(403, "UnauthorizedOperation", "You are not authorized")
            }
            _ => query_error(403, "AccessDenied", "You are not authorized"),
        };
        scene.account.proxy.on(action, denied);
        let mut function = scene.function(REPAIR).await;
        let event = scene.role_refused(&on_role[0]).subscription();
        let report = function
            .invoke(&event)
            .await
            .expect("a denied read fails no batch");
        let incident = only_incident(&report);
        assert_eq!(
            check(incident, check_name),
            Some("unknown"),
            "{action}: {incident:#}"
        );
        assert_ne!(incident["confidence"], "confirmed", "{action}");
        assert_eq!(scene.account.writes(), [], "{action}");
        told(&scene, &on_role[0]).await;
    }
}

#[tokio::test]
async fn a_role_whose_tags_cannot_be_read_is_not_written() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let denied = query_error(403, "AccessDenied", "You are not authorized");
    scene.account.proxy.on("GetRole", denied);
    let mut function = scene.function(REPAIR).await;
    let event = scene.role_refused(&on_role[0]).subscription();
    function
        .invoke(&event)
        .await
        .expect("a denied read fails no batch");
    assert_eq!(scene.account.writes(), []);
    told(&scene, "MySSMRole").await;
}

#[tokio::test]
async fn reads_that_are_throttled_are_repeated_and_then_unknown() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let throttled = || ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.");
    scene
        .account
        .proxy
        .rule("DescribeInstances", 0, 1, throttled());
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(
        outcome(only_incident(&report)),
        "repaired",
        "one refusal is overcome: {report:#}"
    );

    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.account.proxy.on("DescribeInstances", throttled());
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(check(only_incident(&report), "imds"), Some("unknown"));
    assert_eq!(scene.account.writes(), []);
    told(&scene, &dark).await;
}

/// Each refusal of a write: one attempt, nothing changed, the code told.
#[tokio::test]
async fn a_refused_write_to_ec2_is_tried_once_and_told() {
    for (status, code) in [
        (403, "UnauthorizedOperation"),
        (503, "RequestLimitExceeded"),
        (400, "IncorrectInstanceState"),
        (400, "InvalidInstanceID.NotFound"),
        (400, "UnsupportedOperation"),
    ] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        scene
            .account
            .proxy
            .on(MODIFY, ec2_error(status, code, "No."));
        let mut function = scene.function(REPAIR).await;
        let event = scene.imds_off(&dark).subscription();
        let report = function.invoke(&event).await.expect("the batch is handled");
        let incident = only_incident(&report);
        assert!(
            matches!(outcome(incident), "failed" | "refused"),
            "{code}: {incident:#}"
        );
        assert_eq!(scene.account.writes().len(), 1, "{code}");
        told(&scene, code).await;
    }
}

#[tokio::test]
async fn a_refused_write_to_iam_is_tried_once_and_told() {
    for (status, code) in [
        (403, "AccessDenied"),
        (400, "Throttling"),
        (400, "MalformedPolicyDocument"),
        (404, "NoSuchEntity"),
        (400, "UnmodifiableEntity"),
        (409, "LimitExceeded"),
    ] {
        let scene = Scene::new().await;
        let on_role = scene.broken_role("MySSMRole", 1).await;
        scene
            .account
            .proxy
            .on(UPDATE, query_error(status, code, "No."));
        let mut function = scene.function(REPAIR).await;
        let event = scene.role_refused(&on_role[0]).subscription();
        let report = function.invoke(&event).await.expect("the batch is handled");
        let incident = only_incident(&report);
        assert!(
            matches!(outcome(incident), "failed" | "refused"),
            "{code}: {incident:#}"
        );
        assert_eq!(scene.account.writes().len(), 1, "{code}");
        assert_eq!(
            scene.account.trust_policy("MySSMRole").await,
            trusting_another_account()
        );
        told(&scene, code).await;
    }
}

#[tokio::test]
async fn a_change_that_stays_pending_is_told_as_unverified() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    // After the two looks before the write EC2 goes on saying that the change is on its way.
    let pending = |body: String| body.replace("<state>applied</state>", "<state>pending</state>");
    scene
        .account
        .proxy
        .rule("DescribeInstances", 2, usize::MAX, Effect::Edit(pending));
    // The emulator's time limit leaves little to wait in.
    let settings = [REPAIR[0], REPAIR[1], ("AWS_LAMBDA_FUNCTION_TIMEOUT", "15")];
    let mut function = scene.function(&settings).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(outcome(only_incident(&report)), "unverified", "{report:#}");
    assert_eq!(scene.account.writes().len(), 1);
    told(&scene, &dark).await;
}

#[tokio::test]
async fn a_policy_that_changes_between_look_and_write_is_left_alone() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let changed = trusting(json!({"AWS": "arn:aws:iam::345678901234:root"}));
    // Somebody else is at it just after the checks have looked.
    let (iam, document) = (scene.account.iam(), changed.to_string());
    let change = Effect::Then(Box::new(move || {
        let update = iam
            .update_assume_role_policy()
            .role_name("MySSMRole")
            .policy_document(document.clone());
        Box::pin(async move {
            update.send().await.expect("the trust policy is set");
        })
    }));
    scene.account.proxy.rule("GetRole", 0, 1, change);
    let mut function = scene.function(REPAIR).await;
    let event = scene.role_refused(&on_role[0]).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(scene.account.writes(), [], "{report:#}");
    assert_eq!(scene.account.trust_policy("MySSMRole").await, changed);
    told(&scene, "changed").await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_settled_by_reading() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    scene.account.proxy.on(MODIFY, Effect::LoseAnswer);
    scene.account.proxy.on(UPDATE, Effect::LoseAnswer);
    let mut function = scene.function(REPAIR).await;
    let event = together(&[scene.imds_off(&dark), scene.role_refused(&on_role[0])]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    for incident in incidents(&report) {
        assert_eq!(outcome(incident), "repaired", "{incident:#}");
    }
    assert_eq!(incidents(&report).len(), 2);
    assert_eq!(scene.account.writes().len(), 2, "one attempt each");
}

#[tokio::test]
async fn a_write_that_never_arrived_is_not_told_as_done() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    scene.account.proxy.on(MODIFY, Effect::Break);
    scene.account.proxy.on(UPDATE, Effect::Break);
    let settings = [REPAIR[0], REPAIR[1], ("AWS_LAMBDA_FUNCTION_TIMEOUT", "20")];
    let mut function = scene.function(&settings).await;
    let event = together(&[scene.imds_off(&dark), scene.role_refused(&on_role[0])]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    for incident in incidents(&report) {
        assert!(
            matches!(outcome(incident), "failed" | "unverified"),
            "{incident:#}"
        );
    }
    assert_eq!(incidents(&report).len(), 2);
    assert_eq!(scene.account.writes().len(), 2, "one attempt each");
    assert_eq!(scene.mailbox.take().await.len(), 2);
}

#[tokio::test]
async fn a_repair_whose_message_sns_refused_is_in_the_error_and_told_on_retry() {
    for (status, code) in [
        (403, "AuthorizationError"),
        (400, "KMSAccessDenied"),
        (404, "NotFound"),
        (500, "InternalError"),
    ] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        scene
            .account
            .proxy
            .on("Publish", query_error(status, code, "No."));
        let mut function = scene.function(REPAIR).await;
        let event = scene.imds_off(&dark).subscription();
        let failure = function
            .invoke(&event)
            .await
            .expect_err("an untold incident fails the batch");
        assert!(failure.message.contains(&dark), "{code}: {failure:?}");
        assert!(failure.message.contains(code), "{code}: {failure:?}");
        assert!(!failure.error_type.contains("::"), "{failure:?}");
        assert!(scene.account.imds_is_on(&dark).await);
        assert_eq!(scene.mailbox.take().await, []);

        scene.account.proxy.clear_rules();
        let report = function.invoke(&event).await.expect("the retry is handled");
        assert_eq!(
            outcome(only_incident(&report)),
            "repaired",
            "{code}: {report:#}"
        );
        assert_eq!(scene.account.writes().len(), 1, "{code}: written once");
        told(&scene, "Already done in an earlier attempt").await;
        function
            .invoke(&event)
            .await
            .expect("a further delivery is handled");
        assert_eq!(scene.mailbox.take().await, [], "{code}: told once");
    }
}

#[tokio::test]
async fn a_repair_whose_message_failed_is_told_by_a_new_environment_too() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    scene
        .account
        .proxy
        .on("Publish", query_error(403, "AuthorizationError", "No."));
    let event = scene.role_refused(&on_role[0]).subscription();
    let mut first = scene.function(REPAIR).await;
    first
        .invoke(&event)
        .await
        .expect_err("an untold incident fails the batch");
    drop(first);

    scene.account.proxy.clear_rules();
    let mut second = scene.function(REPAIR).await;
    let report = second.invoke(&event).await.expect("the retry is handled");
    assert_eq!(
        outcome(only_incident(&report)),
        "repaired",
        "our own Sid is recognised: {report:#}"
    );
    assert_eq!(scene.account.writes().len(), 1);
    told(&scene, "SsmAgentTriageTrustEc2").await;
}

#[tokio::test]
async fn what_was_told_before_the_failure_is_not_told_again() {
    let scene = Scene::new().await;
    let dark = [scene.dark_instance().await, scene.dark_instance().await];
    let event = together(&[scene.imds_off(&dark[0]), scene.imds_off(&dark[1])]);
    let refused = query_error(403, "AuthorizationError", "No.");
    scene.account.proxy.rule("Publish", 1, usize::MAX, refused);
    let mut function = scene.function(REPAIR).await;
    function
        .invoke(&event)
        .await
        .expect_err("one of the two is untold");
    assert_eq!(scene.mailbox.take().await.len(), 1);

    scene.account.proxy.clear_rules();
    function.invoke(&event).await.expect("the retry is handled");
    assert_eq!(scene.mailbox.take().await.len(), 1);
    assert_eq!(scene.account.writes().len(), 2);
}
