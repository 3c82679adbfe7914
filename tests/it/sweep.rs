//! A sweep: nodes that have gone silent, of which no log comes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::answer::{checks, incident_of, incidents, nodes, only_incident, outcome};
use crate::support::instances::Launch;
use crate::support::planted::{Find, MEMBERS, PlantedFleet};
use crate::support::proxy::{ec2_denied, iam_denied};
use crate::support::registered::{Registered, started_long_ago};
use crate::support::runtime::Function;
use crate::support::scene::{MODIFY, REPAIR, Scene};
use crate::support::state_table::refusal;

const HOURS: i64 = 60;
const HYBRID: &str = "mi-0123456789abcdef0";

fn sweep() -> Value {
    json!({"sweep": {}})
}

/// How many nodes a sweep found to be `status`.
fn count(report: &Value, status: &str) -> u64 {
    report["sweep"]["statuses"][status].as_u64().unwrap_or(0)
}

/// The notes of the checks that failed.
fn failed_notes(incident: &Value) -> String {
    let failed = (checks(incident).iter()).filter(|check| check["status"] == "failed");
    let notes: Vec<&str> = failed.filter_map(|check| check["note"].as_str()).collect();
    notes.join("\n")
}

/// Instances of which nothing is wrong, which have a way out and may be repaired.
pub(crate) async fn sound<const N: usize>(scene: &Scene) -> [String; N] {
    scene.healthy_instance().await;
    let all = json!([{"Effect": "Allow", "Action": ["ssm:*", "ssmmessages:*"], "Resource": "*"}]);
    scene.put_role_policy("Sound", all).await;
    let mut vpc = scene.vpc(0).await;
    let subnet = vpc.subnet().await;
    vpc.way_out(&subnet, true).await;
    let open = vpc.group("open", &["out -1 0.0.0.0/0"]).await;
    let mut instances = [const { String::new() }; N];
    for instance in &mut instances {
        let launch = Launch {
            network: Some((&subnet, &open)),
            profile: Some("Sound"),
            ..Launch::LIT
        };
        *instance = scene.launch(launch).await;
    }
    instances
}

#[tokio::test]
async fn of_two_hundred_silent_nodes_each_culprit_is_found_and_nothing_else_convicted() {
    let scene = Scene::new().await;
    let fleet = PlantedFleet::build(&scene, 8).await;
    let (nat, open) = (&fleet.names["nat"], &fleet.names["open"]);
    let idle = Launch {
        profile: Some("Sound"),
        imds_off: true,
        network: Some((nat, open)),
        ..Launch::default()
    };
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(scene.launch(idle).await);
    }
    let [stopped, gone, late, hibernating] = others.try_into().expect("four");
    let ec2 = scene.ec2();
    let stop = ec2.stop_instances().instance_ids(&stopped).send().await;
    stop.expect("the instance stops");
    let end = ec2.terminate_instances().instance_ids(&gone).send().await;
    end.expect("the instance is terminated");
    scene.set_imds(&hibernating, true).await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    for (id, _) in &fleet.instances {
        registered.pinged(id, 3 * HOURS);
    }
    for (id, minutes) in [
        (&stopped, 5_000),
        (&gone, 90),
        (&late, 12),
        (&hibernating, 55),
    ] {
        registered.pinged(id, minutes);
    }
    scene.proxy.forget();

    let mut function = scene.function(&[]).await;
    let report = function.handle(&sweep()).await;
    let suspects = fleet.instances.len() + 3;
    assert_eq!(report["sweep"]["suspects"], suspects, "{}", report["sweep"]);
    for (status, expected) in [("stopped", 1), ("terminated", 1), ("late", 1)] {
        assert_eq!(count(&report, status), expected, "{}", report["sweep"]);
    }
    let mut alarmed = BTreeSet::new();
    for incident in incidents(&report) {
        alarmed.extend(nodes(incident));
        assert_eq!(incident["notified"], "sent", "{incident:#}");
    }
    for id in [&stopped, &gone, &late, &hibernating] {
        assert!(!alarmed.contains(id.as_str()), "{id}");
    }
    let named = MEMBERS.iter().flat_map(|member| match member.find {
        Find::Proved(_, resources) => resources,
        Find::Nothing => &[],
    });
    let named: BTreeSet<&str> = named.copied().filter(|name| *name != "itself").collect();
    for (id, index) in &fleet.instances {
        let member = &MEMBERS[*index];
        let of_node: Vec<&Value> = (incidents(&report).iter())
            .filter(|incident| nodes(incident).contains(&id.as_str()))
            .collect();
        let [incident] = of_node[..] else {
            panic!("{}: {of_node:#?}", member.name);
        };
        let Some(cause) = MEMBERS[*index].proved_by_id() else {
            assert_eq!(incident["cause"], "node-silent", "{}", member.name);
            continue;
        };
        assert_eq!(incident["cause"], cause, "{}", member.name);
        let confidence = member.confidence_by_id();
        assert_eq!(incident["confidence"], confidence, "{}", member.name);
        let notes = failed_notes(incident);
        for name in member
            .blamed_by_id()
            .iter()
            .filter(|name| named.contains(*name))
        {
            let resource = fleet.resource(id, name);
            assert!(notes.contains(resource), "{}: {notes}", member.name);
        }
    }
    // Many silent nodes of one image, which here all have, are one incident.
    let silent = incidents(&report).iter();
    let silent = silent.filter(|incident| incident["cause"] == "node-silent");
    let scopes: BTreeSet<&str> = silent
        .filter_map(|one| one["scope"]["id"].as_str())
        .collect();
    assert!(
        scopes.iter().any(|id| id.ends_with("/ami-12c6146b")),
        "{scopes:?}"
    );
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), incidents(&report).len());
    assert_eq!(scene.writes(), []);
    let pages = scene.proxy.calls_of("DescribeInstanceInformation").len();
    assert!(pages <= 10, "{pages}");

    // Nothing new: nobody is notified a second time.
    let again = function.handle(&sweep()).await;
    assert_eq!(incidents(&again).len(), incidents(&report).len());
    assert!(scene.mailbox.take().await.is_empty());
}

#[tokio::test]
async fn all_four_doors_give_the_same_verdict_on_each_planted_fault() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    let registered = Registered::of(&account);
    account.proxy.on("DescribeInstances", started_long_ago());
    for (id, _) in &fleet.instances {
        // Before any of these logs.
        registered.pinged(id, 5_000_000);
    }
    let any_severity = ("TRIAGE_MIN_SEVERITY", "info");
    let verdicts = |report: &Value, has_log: bool| -> BTreeMap<String, [String; 4]> {
        let of = |(id, index): &(String, usize)| {
            if !MEMBERS[*index].is_proved_by_each_door() {
                return None;
            }
            let expected = match has_log {
                true => "confirmed",
                false => MEMBERS[*index].confidence_by_id(),
            };
            let mut all = incidents(report).iter();
            let incident =
                all.find(|one| one["confidence"] == expected && nodes(one).contains(&id.as_str()));
            let incident = incident.cloned().unwrap_or_default();
            let mut scope = incident["scope"]["id"].to_string();
            // A log may tell of another service.
            scope = scope.replace("ssmmessages/", "ssm/");
            let cause = incident["cause"].to_string();
            let kind = incident["scope"]["kind"].to_string();
            let severity = incident["severity"].to_string();
            Some((
                MEMBERS[*index].name.to_owned(),
                [cause, severity, kind, scope],
            ))
        };
        fleet.instances.iter().filter_map(of).collect()
    };
    let mut door = Function::start(&account, &[any_severity]).await;
    let batch = verdicts(&door.handle(&fleet.deliveries(&account)).await, true);
    let mut by_hand = BTreeMap::new();
    let mut door = Function::start(&account, &[any_severity]).await;
    for (id, index) in &fleet.instances {
        let log = fleet.log(id, *index);
        let report = door.handle(&json!({"log": log, "node": id})).await;
        let name = MEMBERS[*index].name;
        by_hand.extend(verdicts(&report, true).remove_entry(name));
    }
    let ids: Vec<&str> = fleet.instances.iter().map(|(id, _)| id.as_str()).collect();
    let by_id = verdicts(&door.handle(&json!({"nodes": ids})).await, false);
    let mut door = Function::start(&account, &[any_severity]).await;
    let swept = verdicts(&door.handle(&sweep()).await, false);
    let members = MEMBERS
        .iter()
        .filter(|member| member.is_proved_by_each_door());
    assert_eq!(batch.len(), members.count());
    for (name, verdict) in &batch {
        assert_ne!(verdict[0], "null", "{name}");
        assert_eq!(by_hand.get(name), Some(verdict), "{name}, log in hand");
        assert_eq!(by_id.get(name), Some(verdict), "{name}, by id");
        assert_eq!(swept.get(name), Some(verdict), "{name}, sweep");
    }
}

#[tokio::test]
async fn what_a_log_opened_is_not_notified_again_by_a_sweep_nor_the_other_way_round() {
    let scene = Scene::new().await;
    let [first, second] = scene.refused_instances().await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    let mut function = scene.function(&[]).await;
    let logged = function.incident(&scene.role_refused(&first)).await;
    assert_eq!(scene.mailbox.take().await.len(), 1);
    for id in [&first, &second] {
        registered.pinged(id, 37);
    }
    let swept = function.incident(&sweep()).await;
    assert_eq!(swept["key"], logged["key"]);
    assert_eq!(swept["node_count"], 2);
    assert_eq!(swept["notified"], "suppressed");
    let silence = swept["evidence"][0]["text"].as_str().expect("a text");
    assert!(
        silence.starts_with("ConnectionLost: last ping 20"),
        "{silence}"
    );
    assert!(silence.ends_with(" UTC, 37 min ago"), "{silence}");
    let logged = function.incident(&scene.role_refused(&second)).await;
    assert_eq!(logged["notified"], "suppressed");
    assert!(scene.mailbox.take().await.is_empty());
}

#[tokio::test]
async fn silence_that_an_open_incident_explains_is_no_incident_of_its_own() {
    let scene = Scene::new().await;
    let [node] = sound(&scene).await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    let mut function = scene.function(&[]).await;
    let proxy = "2026-11-23 04:19:04.8131 ERROR [ssm-agent-worker] [HealthCheck] error when \
        calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \
        \"https://ssm.us-east-1.amazonaws.com/\": proxyconnect tcp: dial tcp 10.0.9.1:3128: \
        connect: connection refused\n";
    let logged = function.incident(&scene.log(&node, proxy)).await;
    assert_eq!(logged["cause"], "proxy-failure");
    scene.mailbox.take().await;
    registered.pinged(&node, 3 * HOURS);
    let swept = function.handle(&sweep()).await;
    assert_eq!(count(&swept, "silent"), 1);
    assert_eq!(incidents(&swept).len(), 0);
    // A ping shows that the proxy is reached again.
    registered.pinged(&node, 0);
    let swept = function.handle(&sweep()).await;
    assert_eq!(swept["recovered"][0]["cause"], "proxy-failure", "{swept:#}");
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].state(), "resolved");
}

#[tokio::test]
async fn what_is_right_again_on_a_node_that_reports_is_closed_and_silence_closes_nothing() {
    let scene = Scene::new().await;
    let [dark, quiet] = sound(&scene).await;
    scene.set_imds(&dark, false).await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    for id in [&dark, &quiet, &HYBRID.to_owned()] {
        registered.pinged(id, 2 * HOURS);
    }
    let mut function = scene.function(&[]).await;
    let report = function.handle(&sweep()).await;
    assert_eq!(incident_of(&report, &dark)["cause"], "imds-disabled");
    for id in [quiet.as_str(), HYBRID] {
        assert_eq!(incident_of(&report, id)["cause"], "node-silent");
    }
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 3);
    let silence = "Systems Manager, ";
    let quoted =
        |text: &str| text.contains(silence) && text.contains("\n| ConnectionLost: last ping ");
    assert!(mails.iter().all(|mail| quoted(&mail.text)), "{mails:#?}");

    // It reports on what credentials it has, and is still off.
    registered.pinged(&dark, 0);
    let report = function.handle(&sweep()).await;
    assert_eq!(report["recovered"], json!([]));
    assert!(
        scene.mailbox.take().await.is_empty(),
        "silence closes nothing"
    );

    scene.set_imds(&dark, true).await;
    registered.pinged(&quiet, 0);
    registered.pinged(HYBRID, 0);
    let report = function.handle(&sweep()).await;
    let over = report["recovered"].as_array().expect("a list");
    let over: BTreeSet<&str> = over
        .iter()
        .filter_map(|one| one["cause"].as_str())
        .collect();
    assert_eq!(
        over,
        BTreeSet::from(["imds-disabled", "node-silent"]),
        "{report:#}"
    );
    let mails = scene.mailbox.take().await;
    let states: Vec<&str> = mails.iter().map(|mail| mail.state()).collect();
    assert_eq!(states, ["resolved"; 3]);
}

#[tokio::test]
async fn what_is_open_for_long_is_notified_again_though_no_log_comes() {
    let scene = Scene::new().await;
    let node = scene.healthy_instance().await;
    let registered = Registered::of(&scene);
    registered.pinged(&node, 0);
    let mut function = scene.function(&[("TRIAGE_REMINDER", "1s")]).await;
    let full = "2024-11-04 10:39:40.6580 ERROR Error occurred when starting amazon-ssm-agent: \
        failed to write runtime config 'identity_config.json': write \
        /var/lib/amazon/ssm/runtimeconfig/identity_config.json: no space left on device\n";
    let opened = function.incident(&scene.log(&node, full)).await;
    assert_eq!(opened["cause"], "host-disk-full", "{opened:#}");
    assert_eq!(scene.mailbox.take().await.len(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let report = function.handle(&sweep()).await;
    assert_eq!(incidents(&report).len(), 0);
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].state(), "reminder");
    for words in [
        "Still open; nothing new was read about it.",
        "likely, as before",
    ] {
        assert!(mails[0].text.contains(words), "{}", mails[0].text);
    }

    // While its instance is stopped there is nothing to do about it.
    let ec2 = scene.ec2();
    let stop = ec2.stop_instances().instance_ids(&node).send().await;
    stop.expect("the instance stops");
    registered.pinged(&node, 3 * HOURS);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let report = function.handle(&sweep()).await;
    assert_eq!(count(&report, "stopped"), 1, "{report:#}");
    assert!(scene.mailbox.take().await.is_empty());
}

#[tokio::test]
async fn a_page_that_is_throttled_is_asked_for_again_and_hybrid_nodes_are_told_what_to_do() {
    let scene = Scene::new().await;
    let throttled = refusal(400, "ThrottlingException");
    scene
        .proxy
        .rule("DescribeInstanceInformation", 1, 1, throttled);
    let registered = Registered::of(&scene);
    registered.all((0..120).map(|number| (format!("mi-{number:017x}"), 3 * HOURS)));
    let mut function = scene.function(&[]).await;
    let report = function.handle(&sweep()).await;
    assert_eq!(report["sweep"]["suspects"], 120);
    let incident = only_incident(&report);
    assert_eq!(incident["cause"], "node-silent");
    assert_eq!(incident["node_count"], 120);
    assert!(
        incident["advice"][0]
            .as_str()
            .is_some_and(|step| !step.is_empty())
    );
    let pages = scene.proxy.calls_of("DescribeInstanceInformation").len();
    assert_eq!(pages, 3 + 1, "three pages, one of them twice");
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1);
}

#[tokio::test]
async fn two_sweeps_at_once_notify_once_and_any_environment_closes_what_another_opened() {
    let scene = Scene::new().await;
    let [dark] = sound(&scene).await;
    scene.set_imds(&dark, false).await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    registered.pinged(&dark, 37);
    let settings = [("TRIAGE_STATE_TABLE", scene.state_table().await)];
    let mut one = scene.function(&settings).await;
    let mut other = scene.function(&settings).await;
    let (begun, event) = (sweep(), sweep());
    let (first, second) = tokio::join!(one.handle(&begun), other.handle(&event));
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1, "{first:#}\n{second:#}");
    assert_eq!(mails[0].attribute("cause"), "imds-disabled");
    scene.set_imds(&dark, true).await;
    registered.pinged(&dark, 0);
    for environment in [&mut other, &mut one] {
        environment.handle(&sweep()).await;
    }
    let mails = scene.mailbox.take().await;
    let states: Vec<&str> = mails.iter().map(|mail| mail.state()).collect();
    assert_eq!(states, ["resolved"]);
}

#[tokio::test]
async fn a_sweep_repairs_what_systems_manager_has_lost_and_not_what_it_never_saw() {
    let scene = Scene::new().await;
    scene.healthy_instance().await;
    let dark = Launch {
        profile: Some("Sound"),
        ..Launch::DARK
    };
    let (lost, never) = (scene.launch(dark).await, scene.launch(dark).await);
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    registered.pinged(&lost, 37);
    let mut function = scene.function(REPAIR).await;
    let report = function.handle(&json!({"sweep": {"nodes": "all"}})).await;
    assert_eq!(
        outcome(incident_of(&report, &lost)),
        "repaired",
        "{report:#}"
    );
    let left = incident_of(&report, &never);
    assert_eq!(left["cause"], "imds-disabled");
    assert_eq!(outcome(left), "refused", "{left:#}");
    assert_eq!(scene.proxy.calls_of(MODIFY).len(), 1);
    let mails = scene.mailbox.take().await;
    let states: BTreeSet<&str> = mails.iter().map(|mail| mail.state()).collect();
    assert_eq!(states, BTreeSet::from(["opened", "repaired"]));
}

#[tokio::test]
async fn an_instance_that_has_just_started_is_late_and_others_are_selected_by_tag() {
    let scene = Scene::new().await;
    scene.healthy_instance().await;
    let young = scene
        .launch(Launch {
            tag: None,
            ..Launch::DARK
        })
        .await;
    let tagged = scene
        .launch(Launch {
            name: Some("web"),
            ..Launch::DARK
        })
        .await;
    let registered = Registered::of(&scene);
    registered.pinged(&young, 3 * HOURS);
    let mut function = scene.function(&[]).await;
    let report = function.handle(&sweep()).await;
    assert_eq!(count(&report, "late"), 1, "{report:#}");
    assert_eq!(incidents(&report).len(), 0);
    scene.proxy.on("DescribeInstances", started_long_ago());
    let by_tag = json!({"sweep": {"nodes": "tag:Name=web"}});
    let report = function.handle(&by_tag).await;
    let incident = only_incident(&report);
    assert_eq!(incident["cause"], "imds-disabled", "{incident:#}");
    assert_eq!(nodes(incident), [tagged.as_str()]);
}

#[tokio::test]
async fn a_sweep_that_may_not_list_fails_by_name_and_one_that_may_not_check_raises_nothing() {
    let scene = Scene::new().await;
    let node = scene.dark_instance().await;
    let registered = Registered::of(&scene);
    registered.pinged(&node, 3 * HOURS);
    let mut function = scene.function(&[]).await;
    scene.proxy.on("DescribeInstances", ec2_denied());
    let report = function.handle(&sweep()).await;
    assert_eq!(count(&report, "undetermined"), 1, "{report:#}");
    assert_eq!(incidents(&report).len(), 0);
    scene.proxy.clear_rules();
    scene.proxy.on("DescribeInstanceInformation", iam_denied());
    let failure = function.failure(&sweep()).await;
    assert_eq!(failure.error_type, "SweepNotListed");
    assert!(failure.message.contains("DescribeInstanceInformation"));
    let failure = function.failure(&json!({"sweep": {"nodes": "some"}})).await;
    assert_eq!(failure.error_type, "InputSweep");
}
