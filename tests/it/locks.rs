//! Every lock of a repair, closed one at a time: nothing is changed, and the
//! incident is told all the same.

use jiff::SignedDuration;
use serde_json::Value;

use crate::support::answer::{incident_of, incidents, only_incident, outcome};
use crate::support::events::Delivery;
use crate::support::fleet::{Launch, trusting_another_account};
use crate::support::logs;
use crate::support::proxy::ec2_error;
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, ALL_ACTIONS, REPAIR, Scene, dark, together};

/// Delivers `event` and asserts that the only incident is told and leads to no
/// write, its plan giving a reason that contains `reason`.
async fn told_not_touched(scene: &Scene, function: &mut Function, event: &Value, reason: &str) {
    let report = function.invoke(event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
    let said = incident["plan"]["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    assert_eq!(incident["notified"], "sent");
    assert_eq!(scene.account.writes(), []);
    assert_eq!(scene.mailbox.take().await.len(), 1);
}

#[tokio::test]
async fn mode_advise_changes_nothing() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(ADVISE).await;
    let event = scene.imds_off(&dark).subscription();
    told_not_touched(&scene, &mut function, &event, "advise").await;
    assert!(!scene.account.imds_is_on(&dark).await);
}

#[tokio::test]
async fn an_action_that_is_not_listed_is_not_taken() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let settings = [
        ("TRIAGE_REPAIR", "repair"),
        ("TRIAGE_REPAIR_ACTIONS", "trust-ec2"),
    ];
    let mut function = scene.function(&settings).await;
    let event = scene.imds_off(&dark).subscription();
    told_not_touched(&scene, &mut function, &event, "enable-imds-endpoint").await;
}

#[tokio::test]
async fn an_untagged_instance_is_not_touched() {
    let scene = Scene::new().await;
    let untagged = scene
        .account
        .launch(Launch {
            tag: None,
            ..dark()
        })
        .await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&untagged).subscription();
    told_not_touched(&scene, &mut function, &event, "ssm-agent-triage:repair").await;
}

#[tokio::test]
async fn the_tag_must_have_the_value_of_the_setting() {
    let scene = Scene::new().await;
    let tagged = scene.dark_instance().await;
    let settings = [
        REPAIR[0],
        ALL_ACTIONS,
        ("TRIAGE_REPAIR_TAG_VALUE", "by-night"),
    ];
    let mut function = scene.function(&settings).await;
    let event = scene.imds_off(&tagged).subscription();
    told_not_touched(&scene, &mut function, &event, "by-night").await;
}

#[tokio::test]
async fn the_tag_of_the_instance_does_not_open_its_role() {
    let scene = Scene::new().await;
    let trust = trusting_another_account();
    scene
        .account
        .role_with_profile("Untagged", &trust, None)
        .await;
    let launch = Launch {
        profile: Some("Untagged"),
        tag: Some("allow"),
        ..Launch::default()
    };
    let instance = scene.account.launch(launch).await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.role_refused(&instance).subscription();
    told_not_touched(&scene, &mut function, &event, "ssm-agent-triage:repair").await;
    assert_eq!(scene.account.trust_policy("Untagged").await, trust);
}

#[tokio::test]
async fn an_id_that_only_the_text_names_is_not_touched() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let text = format!(
        "2026-11-23 04:19:00.0000 INFO [instanceID={dark}] [HealthCheck] HealthCheck reporting agent health.\n{}",
        logs::IMDS_OFF
    );
    let mut function = scene.function(REPAIR).await;
    let event = Delivery::new(&scene.account, "ip-10-0-0-7", &text).subscription();
    told_not_touched(&scene, &mut function, &event, "").await;
    assert!(!scene.account.imds_is_on(&dark).await);
}

#[tokio::test]
async fn a_hybrid_node_is_never_looked_up_in_ec2() {
    let scene = Scene::new().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off("mi-0123456789abcdef0").subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(incidents(&report).len(), 1);
    let mut calls = scene.account.proxy.calls();
    calls.retain(|call| call.service != "sns");
    assert_eq!(calls, []);
}

#[tokio::test]
async fn in_china_a_trust_policy_is_advised_on() {
    let scene = Scene::in_region("cn-north-1").await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let mut function = scene.function(REPAIR).await;
    let event = scene.role_refused(&on_role[0]).subscription();
    told_not_touched(&scene, &mut function, &event, "ec2.amazonaws.com.cn").await;
}

#[tokio::test]
async fn evidence_that_is_too_old_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene
        .imds_off(&dark)
        .aged(SignedDuration::from_hours(25))
        .subscription();
    told_not_touched(&scene, &mut function, &event, "24h").await;
}

#[tokio::test]
async fn another_accounts_batch_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let event = scene
        .imds_off(&dark)
        .owned_by("222222222222")
        .subscription();
    told_not_touched(&scene, &mut function, &event, "account").await;
}

#[tokio::test]
async fn another_regions_batch_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    let mut message = scene.imds_off(&dark).message();
    for event in message["logEvents"].as_array_mut().into_iter().flatten() {
        event["extractedFields"] = serde_json::json!({
            "@aws.account": scene.account.id,
            "@aws.region": "eu-west-1",
        });
    }
    told_not_touched(&scene, &mut function, &message, "Region").await;
}

#[tokio::test]
async fn a_cause_that_live_state_refutes_leads_to_no_write() {
    let scene = Scene::new().await;
    let lit = scene
        .account
        .launch(Launch {
            imds_off: false,
            ..dark()
        })
        .await;
    let mut function = scene.function(REPAIR).await;
    let report = function
        .invoke(&scene.imds_off(&lit).subscription())
        .await
        .expect("the batch is handled");
    let incident = only_incident(&report);
    assert_ne!(incident["confidence"], "confirmed", "{incident:#}");
    assert_eq!(scene.account.writes(), []);
}

#[tokio::test]
async fn a_cause_that_no_check_could_look_at_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized");
    scene.account.proxy.on("DescribeInstances", denied);
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    told_not_touched(&scene, &mut function, &event, "confirm").await;
}

#[tokio::test]
async fn above_the_cap_nothing_is_repaired_and_the_message_says_so() {
    let scene = Scene::new().await;
    let dark = [scene.dark_instance().await, scene.dark_instance().await];
    let settings = [REPAIR[0], ALL_ACTIONS, ("TRIAGE_MAX_REPAIRS", "1")];
    let mut function = scene.function(&settings).await;
    let event = together(&[scene.imds_off(&dark[0]), scene.imds_off(&dark[1])]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    let mut outcomes = dark.each_ref().map(|id| outcome(incident_of(&report, id)));
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["capped", "repaired"]);
    assert_eq!(scene.account.writes().len(), 1);
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 2);
    assert!(
        mails
            .iter()
            .any(|mail| mail.text.contains("TRIAGE_MAX_REPAIRS")),
        "{mails:#?}"
    );
}

#[tokio::test]
async fn a_repeated_delivery_changes_and_sends_nothing() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let on_role = scene.broken_role("MySSMRole", 1).await;
    let mut function = scene.function(REPAIR).await;
    let event = together(&[scene.imds_off(&dark), scene.role_refused(&on_role[0])]);
    function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(scene.account.writes().len(), 2);
    assert_eq!(scene.mailbox.take().await.len(), 2);

    for _ in 0..2 {
        let report = function
            .invoke(&event)
            .await
            .expect("the batch is handled again");
        assert_eq!(scene.account.writes().len(), 2, "{report:#}");
        assert_eq!(scene.mailbox.take().await, [], "{report:#}");
    }
}

#[tokio::test]
async fn an_unknown_id_harms_no_other_node() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let unknown = "i-0000000000000dead";
    let mut function = scene.function(REPAIR).await;
    let event = together(&[scene.imds_off(unknown), scene.imds_off(&dark)]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    assert_eq!(outcome(incident_of(&report, &dark)), "repaired");
    assert_eq!(incident_of(&report, unknown)["plan"]["kind"], "advise");
    let writes = scene.account.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].fields.get("InstanceId"), Some(&dark));
    let looks = scene.account.proxy.calls_of("DescribeInstances");
    assert_eq!(looks.len(), 3, "for both nodes, before the write, after it");
}
