//! AWS answering otherwise than hoped, replayed: the function neither panics
//! nor writes twice, and every incident is notified or is in the returned error.

use serde_json::json;

use crate::support::answer::{check, incidents, outcome};
use crate::support::proxy::{Effect, ec2_denied, ec2_error, iam_denied, query_error, sns_denied};
use crate::support::roles::{trusting, trusting_another_account};
use crate::support::scene::{DRY_RUN, MODIFY, REPAIR, ROLE, Scene, UPDATE};

/// The only message says `text`.
async fn notified(scene: &Scene, text: &str) {
    let mail = scene.mailbox.take_only().await;
    assert!(mail.text.contains(text), "{text:?} is not in {}", mail.text);
}

#[tokio::test]
async fn dry_run_asks_ec2_once_and_writes_nothing() {
    let scene = Scene::new().await;
    let ([dark, _], event) = scene.both_faults().await;
    let allowed = ec2_error(
        412,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    );
    scene.proxy.on(MODIFY, allowed);
    let report = scene.handle(DRY_RUN, &event).await;
    for incident in incidents(&report) {
        assert_eq!(outcome(incident), "dry-run", "{incident:#}");
    }
    assert_eq!(incidents(&report).len(), 2);
    let writes = scene.writes();
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
    scene.proxy.on(MODIFY, ec2_denied());
    let incident = &scene.incident(DRY_RUN, &scene.imds_off(&dark)).await;
    assert!(
        matches!(outcome(incident), "refused" | "failed"),
        "{incident:#}"
    );
    notified(&scene, "UnauthorizedOperation").await;
}

#[tokio::test]
async fn reads_that_are_denied_leave_the_checks_unknown() {
    for (action, denied, check_name) in [
        ("DescribeInstances", ec2_denied(), "imds"),
        ("GetInstanceProfile", iam_denied(), "instance-profile"),
    ] {
        let scene = Scene::new().await;
        let refused = scene.refused_instance().await;
        scene.proxy.on(action, denied);
        let incident = &scene.incident(REPAIR, &scene.role_refused(&refused)).await;
        assert_eq!(
            check(incident, check_name),
            Some("unknown"),
            "{action}: {incident:#}"
        );
        assert_ne!(incident["confidence"], "confirmed", "{action}");
        assert_eq!(scene.writes(), [], "{action}");
        notified(&scene, &refused).await;
    }
}

#[tokio::test]
async fn a_role_whose_tags_cannot_be_read_is_not_written() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    scene.proxy.on("GetRole", iam_denied());
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.role_refused(&refused)).await;
    assert_eq!(scene.writes(), []);
    notified(&scene, ROLE).await;
}

#[tokio::test]
async fn reads_that_are_throttled_are_repeated_and_then_unknown() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let throttled = || ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.");
    scene.proxy.rule("DescribeInstances", 0, 1, throttled());
    let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");

    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on("DescribeInstances", throttled());
    let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
    assert_eq!(check(incident, "imds"), Some("unknown"));
    assert_eq!(scene.writes(), []);
    notified(&scene, &dark).await;
}

/// Each refusal of a write: one attempt, nothing changed, the code in the message.
#[tokio::test]
async fn a_refused_write_to_ec2_is_tried_once_and_notified() {
    for (status, code) in [
        (403, "UnauthorizedOperation"),
        (503, "RequestLimitExceeded"),
        (400, "IncorrectInstanceState"),
        (400, "InvalidInstanceID.NotFound"),
        (400, "UnsupportedOperation"),
    ] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        scene.proxy.on(MODIFY, ec2_error(status, code, "No."));
        let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
        assert!(
            matches!(outcome(incident), "failed" | "refused"),
            "{code}: {incident:#}"
        );
        assert_eq!(scene.writes().len(), 1, "{code}");
        notified(&scene, code).await;
    }
}

#[tokio::test]
async fn a_refused_write_to_iam_is_tried_once_and_notified() {
    for (status, code) in [
        (403, "AccessDenied"),
        (400, "Throttling"),
        (400, "MalformedPolicyDocument"),
        (404, "NoSuchEntity"),
        (400, "UnmodifiableEntity"),
        (409, "LimitExceeded"),
    ] {
        let scene = Scene::new().await;
        let refused = scene.refused_instance().await;
        scene.proxy.on(UPDATE, query_error(status, code, "No."));
        let incident = &scene.incident(REPAIR, &scene.role_refused(&refused)).await;
        assert!(
            matches!(outcome(incident), "failed" | "refused"),
            "{code}: {incident:#}"
        );
        assert_eq!(scene.writes().len(), 1, "{code}");
        assert_eq!(scene.trust_policy(ROLE).await, trusting_another_account());
        notified(&scene, code).await;
    }
}

#[tokio::test]
async fn a_change_that_stays_pending_is_reported_as_unverified() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    // After the two looks before the write EC2 goes on saying that the change is on its way.
    let pending = |body: String| body.replace("<state>applied</state>", "<state>pending</state>");
    scene
        .proxy
        .rule("DescribeInstances", 2, usize::MAX, Effect::Edit(pending));
    // The emulator's time limit leaves little to wait in.
    let settings = [REPAIR[0], REPAIR[1], ("AWS_LAMBDA_FUNCTION_TIMEOUT", "15")];
    let incident = &scene.incident(&settings, &scene.imds_off(&dark)).await;
    assert_eq!(outcome(incident), "unverified", "{incident:#}");
    assert_eq!(scene.writes().len(), 1);
    notified(&scene, &dark).await;
}

#[tokio::test]
async fn a_policy_that_changes_between_look_and_write_is_left_alone() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    let changed = trusting(json!({"AWS": "arn:aws:iam::345678901234:root"}));
    // Somebody else is at it just after the checks have looked.
    let (iam, document) = (scene.iam(), changed.to_string());
    let change = Effect::Then(Box::new(move || {
        let update = iam
            .update_assume_role_policy()
            .role_name(ROLE)
            .policy_document(document.clone());
        Box::pin(async move {
            update.send().await.expect("the trust policy is set");
        })
    }));
    scene.proxy.rule("GetRole", 0, 1, change);
    let report = scene.handle(REPAIR, &scene.role_refused(&refused)).await;
    assert_eq!(scene.writes(), [], "{report:#}");
    assert_eq!(scene.trust_policy(ROLE).await, changed);
    notified(&scene, "changed").await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_settled_by_reading() {
    let scene = Scene::new().await;
    let (_, event) = scene.both_faults().await;
    scene.proxy.on(MODIFY, Effect::LoseAnswer);
    scene.proxy.on(UPDATE, Effect::LoseAnswer);
    let report = scene.handle(REPAIR, &event).await;
    for incident in incidents(&report) {
        assert_eq!(outcome(incident), "repaired", "{incident:#}");
    }
    assert_eq!(incidents(&report).len(), 2);
    assert_eq!(scene.writes().len(), 2, "one attempt each");
}

#[tokio::test]
async fn a_write_that_never_arrived_is_not_reported_as_done() {
    let scene = Scene::new().await;
    let (_, event) = scene.both_faults().await;
    scene.proxy.on(MODIFY, Effect::Break);
    scene.proxy.on(UPDATE, Effect::Break);
    let settings = [REPAIR[0], REPAIR[1], ("AWS_LAMBDA_FUNCTION_TIMEOUT", "20")];
    let report = scene.handle(&settings, &event).await;
    for incident in incidents(&report) {
        assert!(
            matches!(outcome(incident), "failed" | "unverified"),
            "{incident:#}"
        );
    }
    assert_eq!(incidents(&report).len(), 2);
    assert_eq!(scene.writes().len(), 2, "one attempt each");
    assert_eq!(scene.mailbox.take().await.len(), 2);
}

#[tokio::test]
async fn a_repair_whose_message_sns_refused_is_in_the_error_and_notified_on_retry() {
    for (status, code) in [
        (403, "AuthorizationError"),
        (400, "KMSAccessDenied"),
        (404, "NotFound"),
        (500, "InternalError"),
    ] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        scene.proxy.on("Publish", query_error(status, code, "No."));
        let mut function = scene.function(REPAIR).await;
        let event = scene.imds_off(&dark);
        let failure = function.failure(&event).await;
        assert!(failure.message.contains(&dark), "{code}: {failure:?}");
        assert!(failure.message.contains(code), "{code}: {failure:?}");
        assert!(!failure.error_type.contains("::"), "{failure:?}");
        assert!(scene.imds_is_on(&dark).await);
        assert_eq!(scene.mailbox.take().await, []);

        scene.proxy.clear_rules();
        let incident = &function.incident(&event).await;
        assert_eq!(outcome(incident), "repaired", "{code}: {incident:#}");
        assert_eq!(scene.writes().len(), 1, "{code}: written once");
        notified(&scene, "Already done in an earlier attempt").await;
        function.handle(&event).await;
        assert_eq!(scene.mailbox.take().await, [], "{code}: notified once");
    }
}

#[tokio::test]
async fn a_repair_whose_message_failed_is_notified_by_a_new_environment_too() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    scene.proxy.on("Publish", sns_denied());
    let event = scene.role_refused(&refused);
    let mut first = scene.function(REPAIR).await;
    first.failure(&event).await;
    drop(first);

    scene.proxy.clear_rules();
    let mut second = scene.function(REPAIR).await;
    let incident = &second.incident(&event).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");
    assert_eq!(scene.writes().len(), 1);
    notified(&scene, "SsmAgentTriageTrustEc2").await;
}

#[tokio::test]
async fn what_was_sent_before_the_failure_is_not_sent_again() {
    let scene = Scene::new().await;
    let dark = scene.dark_instances::<2>().await;
    let event = scene.all_imds_off(&dark);
    scene.proxy.rule("Publish", 1, usize::MAX, sns_denied());
    let mut function = scene.function(REPAIR).await;
    function.failure(&event).await;
    assert_eq!(scene.mailbox.take().await.len(), 1);

    scene.proxy.clear_rules();
    function.handle(&event).await;
    assert_eq!(scene.mailbox.take().await.len(), 1);
    assert_eq!(scene.writes().len(), 2);
}
