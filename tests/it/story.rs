//! The story of `make run`, as assertions: a small broken fleet, first under
//! `advise`, then under `repair`, then the same batches once more.

use serde_json::Value;

use crate::support::answer::{incidents, nodes, only_incident, outcome};
use crate::support::events::Delivery;
use crate::support::fleet::{Launch, trusting_another_account};
use crate::support::logs;
use crate::support::proxy::query_error;
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene, dark, together};

/// The batches of the story with the ids of the fleet.
struct Story {
    dark: String,
    untagged: String,
    on_role: Vec<String>,
    dark_batch: Value,
    untagged_batch: Value,
    role_batch: Value,
    healthy_batch: Value,
}

impl Story {
    async fn begin(scene: &Scene) -> Self {
        let dark_id = scene.dark_instance().await;
        let untagged = scene
            .account
            .launch(Launch {
                tag: None,
                ..dark()
            })
            .await;
        let on_role = scene.broken_role("MySSMRole", 3).await;
        let healthy = scene.healthy_instance().await;
        let of_role: Vec<_> = on_role.iter().map(|id| scene.role_refused(id)).collect();
        Self {
            dark_batch: scene.imds_off(&dark_id).subscription(),
            untagged_batch: scene.imds_off(&untagged).subscription(),
            role_batch: together(&of_role),
            healthy_batch: scene.healthy(&healthy).subscription(),
            dark: dark_id,
            untagged,
            on_role,
        }
    }

    /// Delivers every batch; the reports in the order dark, untagged, role, healthy.
    async fn deliver(&self, function: &mut Function) -> [Value; 4] {
        let mut reports = [const { Value::Null }; 4];
        let batches = [
            &self.dark_batch,
            &self.untagged_batch,
            &self.role_batch,
            &self.healthy_batch,
        ];
        for (report, batch) in reports.iter_mut().zip(batches) {
            *report = function.invoke(batch).await.expect("the batch is handled");
        }
        reports
    }
}

#[tokio::test]
async fn a_small_broken_fleet_is_told_then_repaired_then_left_alone() {
    let scene = Scene::new().await;
    let story = Story::begin(&scene).await;

    // Advise: the verdicts, each proven, and not one write.
    let mut advising = scene.function(ADVISE).await;
    let [dark, untagged, role, healthy] = story.deliver(&mut advising).await;
    for (report, id) in [(&dark, &story.dark), (&untagged, &story.untagged)] {
        let incident = only_incident(report);
        assert_eq!(incident["cause"], "imds-disabled");
        assert_eq!(incident["confidence"], "confirmed");
        assert_eq!(incident["scope"]["id"], id.as_str());
        assert_eq!(nodes(incident), [id.as_str()]);
        assert_eq!(incident["plan"]["kind"], "advise");
    }
    let incident = only_incident(&role);
    assert_eq!(incident["cause"], "role-not-assumable");
    assert_eq!(incident["confidence"], "confirmed");
    assert_eq!(incident["scope"]["id"], "MySSMRole");
    let mut expected: Vec<&str> = story.on_role.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(
        nodes(incident),
        expected,
        "one incident for three instances"
    );
    assert!(incidents(&healthy).is_empty(), "{healthy:#}");
    assert_eq!(scene.account.writes(), []);
    assert_eq!(scene.mailbox.take().await.len(), 3);

    // Repair: what is tagged is repaired, the rest is told.
    let mut repairing = scene.function(REPAIR).await;
    let [dark, untagged, role, healthy] = story.deliver(&mut repairing).await;
    assert_eq!(outcome(only_incident(&dark)), "repaired");
    assert_eq!(only_incident(&untagged)["plan"]["kind"], "advise");
    assert_eq!(outcome(only_incident(&role)), "repaired");
    assert!(incidents(&healthy).is_empty());
    assert!(scene.account.imds_is_on(&story.dark).await);
    assert!(!scene.account.imds_is_on(&story.untagged).await);
    let policy = scene.account.trust_policy("MySSMRole").await;
    let statements = policy["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[0], trusting_another_account()["Statement"][0]);
    assert_eq!(statements[1]["Principal"]["Service"], "ec2.amazonaws.com");
    let names: Vec<String> = scene
        .account
        .writes()
        .iter()
        .map(|call| call.name())
        .collect();
    assert_eq!(
        names,
        [
            "ec2:ModifyInstanceMetadataOptions",
            "iam:UpdateAssumeRolePolicy"
        ]
    );

    // What a subscriber reads.
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 3);
    for (mail, about) in mails
        .iter()
        .zip([&story.dark, &story.untagged, &"MySSMRole".to_owned()])
    {
        assert!(mail.text.contains(about.as_str()), "{mail:#?}");
        assert!(
            mail.subject.len() < 100 && !mail.subject.contains('\n'),
            "{mail:#?}"
        );
        let names: Vec<&str> = mail
            .attributes
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["account", "cause", "region", "severity", "state"]);
    }

    // The same batches once more: nothing changes, nothing is sent.
    scene.account.proxy.forget();
    story.deliver(&mut repairing).await;
    assert_eq!(scene.account.writes(), []);
    assert_eq!(scene.mailbox.take().await, []);
}

#[tokio::test]
async fn the_functions_own_log_holds_no_agent_line() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    function.invoke(&event).await.expect("the batch is handled");
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
    let mut function = Function::start(&scene.account, ADVISE).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(only_incident(&report)["notified"], "printed");
    let log = function.log();
    let printed = log.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message["type"] == "message").then_some(message)
    });
    let printed = printed.unwrap_or_else(|| panic!("no message on one line: {log}"));
    let subject = printed["subject"].as_str().unwrap_or_default();
    assert!(
        subject.contains(&dark) && subject.contains("metadata"),
        "{printed}"
    );
    assert_eq!(scene.account.proxy.calls_of("Publish"), []);
}

#[tokio::test]
async fn raw_text_with_a_node_by_hand_is_diagnosed_and_repaired() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = serde_json::json!({"log": recent(logs::IMDS_OFF), "node": dark});
    let report = function.invoke(&event).await.expect("the text is handled");
    assert_eq!(outcome(only_incident(&report)), "repaired", "{report:#}");
    assert!(scene.account.imds_is_on(&dark).await);
}

#[tokio::test]
async fn what_works_again_is_told_once_as_resolved() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let mut function = scene.function(ADVISE).await;
    let fault = scene.role_refused(&on_role[0]).subscription();
    function.invoke(&fault).await.expect("the batch is handled");
    assert_eq!(scene.mailbox.take().await.len(), 1);

    let works = scene.healthy(&on_role[0]).subscription();
    let report = function.invoke(&works).await.expect("the batch is handled");
    assert_eq!(
        report["recovered"][0]["node"],
        on_role[0].as_str(),
        "{report:#}"
    );
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1, "{report:#}");
    let resolved = ("state".to_owned(), "resolved".to_owned());
    assert!(mails[0].attributes.contains(&resolved), "{mails:#?}");

    for batch in [&works, &fault, &works] {
        function
            .invoke(batch)
            .await
            .expect("a late copy is handled");
    }
    assert_eq!(scene.mailbox.take().await, []);
}

#[tokio::test]
async fn what_somebody_else_put_right_is_told_as_resolved_never_as_repaired() {
    let scene = Scene::new().await;
    for settings in [ADVISE, REPAIR] {
        let launch = Launch {
            tag: None,
            ..dark()
        };
        let instance = scene.account.launch(launch).await;
        let mut function = scene.function(settings).await;
        let fault = scene.imds_off(&instance).subscription();
        function.invoke(&fault).await.expect("the batch is handled");
        assert_eq!(scene.mailbox.take().await.len(), 1);

        scene.account.set_imds(&instance, true).await;
        let report = function.invoke(&fault).await.expect("the batch is handled");
        let mails = scene.mailbox.take().await;
        assert_eq!(mails.len(), 1, "{report:#}");
        let resolved = ("state".to_owned(), "resolved".to_owned());
        assert!(mails[0].attributes.contains(&resolved), "{mails:#?}");
        assert!(
            mails[0].subject.starts_with("[SSM resolved] "),
            "{mails:#?}"
        );
    }
}

#[tokio::test]
async fn secrets_in_the_log_leave_by_no_way() {
    let scene = Scene::new().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let secrets = ["hunter2", "AKIAIOSFODNN7EXAMPLE"];
    let tail =
        "for ec2 identity: proxy http://bob:hunter2@10.0.0.1:3128 refuses AKIAIOSFODNN7EXAMPLE";
    let text = format!(
        "{}\n2023-01-25 09:57:00 ERROR [Unheard] of http://bob:hunter2@10.0.0.1:3128 AKIAIOSFODNN7EXAMPLE\n",
        logs::ROLE_REFUSED.replace("for ec2 identity", tail)
    );
    let event = Delivery::new(&scene.account, &on_role[0], &text).subscription();

    let mut sending = scene.function(ADVISE).await;
    let report = sending.invoke(&event).await.expect("the batch is handled");
    let mut printing = Function::start(&scene.account, ADVISE).await;
    printing.invoke(&event).await.expect("the batch is handled");
    let refused = query_error(403, "AuthorizationError", "No.");
    scene.account.proxy.on("Publish", refused);
    let mut failing = scene.function(ADVISE).await;
    let failure = failing
        .invoke(&event)
        .await
        .expect_err("the message is untold");

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
