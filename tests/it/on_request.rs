//! A repair that a person asks for, with the command that the message has.

use serde_json::{Value, json};

use crate::support::answer::{incident_of, outcome, reason};
use crate::support::instances::Launch;
use crate::support::proxy::{ec2_error, json_answer};
use crate::support::scene::{ADVISE, ALL_ACTIONS, DRY_RUN, MODIFY, REPAIR, Scene};

pub(crate) const ON_REQUEST: &[(&str, &str)] = &[("TRIAGE_REPAIR", "on-request"), ALL_ACTIONS];

/// The payload of the command in `text` that asks for a repair.
pub(crate) fn request_in(text: &str) -> Value {
    let command = text
        .lines()
        .find(|line| line.starts_with("aws lambda invoke "));
    let command = command.unwrap_or_else(|| panic!("a command in {text}"));
    let words = shlex::split(command).expect("a shell reads it");
    let at = words.iter().position(|word| word == "--payload");
    serde_json::from_str(&words[at.expect("a payload") + 1]).expect("JSON")
}

fn request(action: &str, node: &str) -> Value {
    json!({"repair": {"action": action, "node": node}})
}

#[tokio::test]
async fn what_a_message_asks_for_is_repaired_once_it_is_sent() {
    let scene = Scene::new().await;
    let mut function = scene.function(ON_REQUEST).await;
    let dark = scene.dark_instance().await;
    let incident = function.incident(&scene.imds_off(&dark)).await;
    assert_eq!(outcome(&incident), "none", "{incident:#}");
    let mail = scene.mailbox.take_only().await;
    assert_eq!(scene.writes(), []);

    let report = function.handle(&request_in(&mail.text)).await;
    assert_eq!(report["repair"]["status"], "repaired", "{report:#}");
    assert_eq!(outcome(incident_of(&report, &dark)), "repaired");
    assert!(scene.imds_is_on(&dark).await);
    let mail = scene.mailbox.take_only().await;
    assert_eq!(mail.state(), "repaired", "{}", mail.text);

    // Asked again, it says that there is nothing to do.
    let again = request("enable-imds-endpoint", &dark);
    let report = function.handle(&again).await;
    assert_eq!(report["repair"]["status"], "none", "{report:#}");
    assert_eq!(scene.mailbox.take().await, []);
    assert_eq!(scene.writes().len(), 1);
}

#[tokio::test]
async fn a_role_is_repaired_through_one_of_its_nodes() {
    let scene = Scene::new().await;
    let refused = scene.refused_instance().await;
    // Default Host Management is off: nothing else gives the node credentials.
    let off = json!({"ServiceSetting": {"SettingValue": "$None"}});
    scene.proxy.on("GetServiceSetting", json_answer(off));
    let asked = request("trust-ec2", &refused);
    let report = scene.handle(ON_REQUEST, &asked).await;
    assert_eq!(report["repair"]["status"], "repaired", "{report:#}");
    assert_eq!(scene.mailbox.take_only().await.state(), "repaired");
}

#[tokio::test]
async fn every_lock_but_the_logs_word_stands() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let untagged = scene.launch(Launch::DARK_UNTAGGED).await;
    let lit = scene.launch(Launch::LIT).await;
    // The test server would make the change.
    let allowed = ec2_error(412, "DryRunOperation", "Request would have succeeded.");
    scene.proxy.on(MODIFY, allowed);
    let unlisted: &[(&str, &str)] = &[("TRIAGE_REPAIR", "on-request")];
    for (settings, node, status, word) in [
        (ADVISE, &dark, "none", "TRIAGE_REPAIR is advise"),
        (DRY_RUN, &dark, "dry-run", "A dry run"),
        (unlisted, &dark, "refused", "TRIAGE_REPAIR_ACTIONS"),
        (ON_REQUEST, &untagged, "refused", "lacks the tag"),
        (ON_REQUEST, &lit, "none", "No check proves imds-disabled"),
    ] {
        let report = scene
            .handle(settings, &request("enable-imds-endpoint", node))
            .await;
        assert_eq!(report["repair"]["status"], status, "{report:#}");
        let detail = report["repair"]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(word), "{report:#}");
    }
    assert!(!scene.imds_is_on(&dark).await);
    scene.mailbox.take().await;
    scene.proxy.clear_rules();

    // In the mode that repairs at once a person may ask as well.
    let report = scene
        .handle(REPAIR, &request("enable-imds-endpoint", &dark))
        .await;
    assert_eq!(report["repair"]["status"], "repaired", "{report:#}");
}

#[tokio::test]
async fn nobody_is_asked_for_what_another_lock_prevents() {
    let scene = Scene::new().await;
    let untagged = scene.launch(Launch::DARK_UNTAGGED).await;
    let incident = scene.incident(ON_REQUEST, &scene.imds_off(&untagged)).await;
    assert!(reason(&incident).contains("lacks the tag"), "{incident:#}");
    let mail = scene.mailbox.take_only().await;
    assert!(!mail.text.contains("lambda invoke"), "{}", mail.text);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_says_what_is_expected() {
    let scene = Scene::new().await;
    let mut function = scene.function(ON_REQUEST).await;
    for asked in [
        request("reboot", "i-0123456789abcdef0"),
        request("trust-ec2", "web-03"),
        json!({"repair": {"action": "trust-ec2"}}),
        json!({"repair": "trust-ec2"}),
        json!({"repair": {"action": "trust-ec2", "node": "i-0123456789abcdef0", "force": true}}),
    ] {
        let failure = function.failure(&asked).await;
        assert_eq!(failure.error_type, "InputRepair", "{failure:?}");
        assert!(
            failure.message.contains("TRIAGE_REPAIR_ACTIONS"),
            "{failure:?}"
        );
    }
}
