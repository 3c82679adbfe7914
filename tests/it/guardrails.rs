//! Every guardrail of a repair, one at a time: nothing is changed, and the
//! incident is notified all the same.

use jiff::SignedDuration;

use crate::support::answer::{incident_of, incidents, nodes, outcome, reason};
use crate::support::events::Event;
use crate::support::instances::Launch;
use crate::support::logs;
use crate::support::proxy::ec2_denied;
use crate::support::roles::trusting_another_account;
use crate::support::scene::{ADVISE, ALL_ACTIONS, REPAIR, Scene};

/// Delivers `event` to the function with these settings: the only incident is
/// notified and leads to no write, its plan giving a reason that contains `why`.
async fn notified_not_repaired(
    scene: &Scene,
    settings: &[(&str, &str)],
    event: &impl Event,
    why: &str,
) {
    let incident = &scene.incident(settings, event).await;
    assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
    let reason = reason(incident);
    assert!(reason.contains(why), "{reason:?} does not say {why:?}");
    assert_eq!(incident["notified"], "sent");
    assert_eq!(scene.writes(), []);
    assert_eq!(scene.mailbox.take().await.len(), 1);
}

#[tokio::test]
async fn mode_advise_changes_nothing() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    notified_not_repaired(&scene, ADVISE, &scene.imds_off(&dark), "advise").await;
    assert!(!scene.imds_is_on(&dark).await);
}

#[tokio::test]
async fn an_action_that_is_not_listed_is_not_taken() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let settings = [
        ("TRIAGE_REPAIR", "repair"),
        ("TRIAGE_REPAIR_ACTIONS", "trust-ec2"),
    ];
    notified_not_repaired(
        &scene,
        &settings,
        &scene.imds_off(&dark),
        "enable-imds-endpoint",
    )
    .await;
}

#[tokio::test]
async fn an_untagged_instance_is_not_touched() {
    let scene = Scene::new().await;
    let untagged = scene.untagged_dark_instance().await;
    notified_not_repaired(
        &scene,
        REPAIR,
        &scene.imds_off(&untagged),
        "ssm-agent-triage:repair",
    )
    .await;
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
    notified_not_repaired(&scene, &settings, &scene.imds_off(&tagged), "by-night").await;
}

#[tokio::test]
async fn the_tag_of_the_instance_does_not_open_its_role() {
    let scene = Scene::new().await;
    let trust = trusting_another_account();
    scene.role_with_profile("Untagged", &trust, None).await;
    let launch = Launch {
        profile: Some("Untagged"),
        ..Launch::LIT
    };
    let instance = scene.launch(launch).await;
    notified_not_repaired(
        &scene,
        REPAIR,
        &scene.role_refused(&instance),
        "ssm-agent-triage:repair",
    )
    .await;
    assert_eq!(scene.trust_policy("Untagged").await, trust);
}

#[tokio::test]
async fn an_id_that_only_the_text_names_is_not_touched() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let text = format!(
        "2026-11-23 04:19:00.0000 INFO [instanceID={dark}] [HealthCheck] HealthCheck reporting agent health.\n{}",
        logs::IMDS_OFF
    );
    notified_not_repaired(&scene, REPAIR, &scene.log("ip-10-0-0-7", &text), "").await;
    assert!(!scene.imds_is_on(&dark).await);
}

#[tokio::test]
async fn a_hybrid_node_is_never_looked_up_in_ec2() {
    let scene = Scene::new().await;
    let mut function = scene.function(REPAIR).await;
    let report = function
        .handle(&scene.imds_off("mi-0123456789abcdef0"))
        .await;
    assert_eq!(incidents(&report).len(), 1);
    let mut calls = scene.proxy.calls();
    calls.retain(|call| call.service != "sns");
    assert_eq!(calls, []);
}

#[tokio::test]
async fn in_china_a_trust_policy_is_advised_on() {
    let scene = Scene::in_region("cn-north-1").await;
    let refused = scene.refused_instance().await;
    notified_not_repaired(
        &scene,
        REPAIR,
        &scene.role_refused(&refused),
        "ec2.amazonaws.com.cn",
    )
    .await;
}

#[tokio::test]
async fn evidence_that_is_too_old_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let old = scene.imds_off(&dark).aged(SignedDuration::from_hours(25));
    notified_not_repaired(&scene, REPAIR, &old, "24h").await;
}

#[tokio::test]
async fn another_accounts_batch_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let foreign = scene.imds_off(&dark).owned_by("222222222222");
    notified_not_repaired(&scene, REPAIR, &foreign, "account").await;
}

#[tokio::test]
async fn another_regions_batch_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut message = scene.imds_off(&dark).message();
    for event in message["logEvents"].as_array_mut().into_iter().flatten() {
        event["extractedFields"] = serde_json::json!({
            "@aws.account": scene.id,
            "@aws.region": "eu-west-1",
        });
    }
    notified_not_repaired(&scene, REPAIR, &message, "Region").await;
}

#[tokio::test]
async fn a_cause_that_live_state_refutes_leads_to_no_write() {
    let scene = Scene::new().await;
    let lit = scene.launch(Launch::LIT).await;
    let incident = &scene.incident(REPAIR, &scene.imds_off(&lit)).await;
    assert_ne!(incident["confidence"], "confirmed", "{incident:#}");
    assert_eq!(scene.writes(), []);
}

#[tokio::test]
async fn a_cause_that_no_check_could_look_at_leads_to_no_write() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on("DescribeInstances", ec2_denied());
    notified_not_repaired(&scene, REPAIR, &scene.imds_off(&dark), "could not be read").await;
}

#[tokio::test]
async fn above_the_cap_nothing_is_repaired_and_the_message_says_so() {
    let scene = Scene::new().await;
    let dark = scene.dark_instances::<2>().await;
    let settings = [REPAIR[0], ALL_ACTIONS, ("TRIAGE_MAX_REPAIRS", "1")];
    let report = scene.handle(&settings, &scene.all_imds_off(&dark)).await;
    let mut outcomes = dark.each_ref().map(|id| outcome(incident_of(&report, id)));
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["capped", "repaired"]);
    assert_eq!(scene.writes().len(), 1);
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
    let (_, event) = scene.both_faults().await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&event).await;
    assert_eq!(scene.writes().len(), 2);
    assert_eq!(scene.mailbox.take().await.len(), 2);

    for _ in 0..2 {
        let report = function.handle(&event).await;
        assert_eq!(scene.writes().len(), 2, "{report:#}");
        assert_eq!(scene.mailbox.take().await, [], "{report:#}");
    }
}

#[tokio::test]
async fn an_unknown_id_harms_no_other_node() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let unknown = "i-0000000000000dead";
    let mut function = scene.function(REPAIR).await;
    let report = function
        .handle(&[scene.imds_off(unknown), scene.imds_off(&dark)])
        .await;
    assert_eq!(outcome(incident_of(&report, &dark)), "repaired");
    assert_eq!(incident_of(&report, unknown)["plan"]["kind"], "advise");
    let writes = scene.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].fields.get("InstanceId"), Some(&dark));
    let looks = scene.proxy.calls_of("DescribeInstances");
    assert_eq!(looks.len(), 3, "for both nodes, before the write, after it");
}

/// A line as Filebeat ships it from a host with this id.
fn shipped(host: &str, id: &str, line: &str) -> String {
    serde_json::json!({
        "@timestamp": "2026-11-23T04:19:04Z",
        "message": line,
        "host": {"name": host},
        "cloud": {"instance": {"id": id}},
    })
    .to_string()
}

#[tokio::test]
async fn lines_of_two_hosts_blame_each_its_own_and_open_no_way_to_a_change() {
    let scene = Scene::new().await;
    let [dark, named] = scene.dark_instances().await;
    let healthy = logs::HEALTHY
        .lines()
        .map(|line| shipped("web-2", &named, line));
    let mut lines: Vec<String> = logs::IMDS_OFF
        .lines()
        .map(|line| shipped("web-1", &dark, line))
        .collect();
    for (place, line) in healthy.enumerate() {
        lines.insert((2 * place + 1).min(lines.len()), line);
    }
    // The stream names the host that is well by its log; its metadata service is off, too.
    let event = scene.log(&named, &lines.join("\n"));
    let incident = scene.incident(REPAIR, &event).await;
    assert_eq!(nodes(&incident), [&*dark]);
    assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
    let reason = reason(&incident);
    assert!(
        reason.contains("Only the text of the log names"),
        "{reason}"
    );
    assert_eq!(scene.writes(), []);
    for instance in [&dark, &named] {
        assert!(!scene.imds_is_on(instance).await);
    }
}

#[tokio::test]
async fn a_host_that_is_known_by_name_alone_is_not_the_streams_node_among_others() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let of = |host: &str, text: &str| -> Vec<String> {
        let prefix = format!("Nov 23 04:19:04 {host} amazon-ssm-agent[7]: ");
        text.lines().map(|line| format!("{prefix}{line}")).collect()
    };
    let mut lines = of("web-2", logs::HEALTHY);
    lines.extend(of(
        "web-1",
        &logs::IMDS_OFF.replace("i-0123456789abcdef0", "x"),
    ));
    let event = scene.log(&dark, &lines.join("\n"));
    let incident = scene.incident(REPAIR, &event).await;
    assert_eq!(nodes(&incident), ["web-1"]);
    assert_eq!(scene.writes(), []);
    assert!(!scene.imds_is_on(&dark).await);
}
