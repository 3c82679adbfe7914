//! Nodes of which no log is at hand: by the function, and by the tool with the
//! credentials of whoever runs it.

use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::account::Account;
use crate::support::answer::{incident_of, incidents, note};
use crate::support::instances::Launch;
use crate::support::logs;
use crate::support::planted::{MEMBERS, PlantedFleet};
use crate::support::proxy::{Effect, ec2_denied, iam_denied, json_answer};
use crate::support::runtime::Function;
use crate::support::scene::Scene;

const UNKNOWN: &str = "i-0fedcba9876543210";
pub(crate) const HYBRID: &str = "mi-0123456789abcdef0";

/// Runs the tool in `account` with nothing of this process's environment.
pub(crate) async fn diagnose(account: &Account, arguments: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"));
    tool.env_clear()
        .env("AWS_ENDPOINT_URL", account.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(["diagnose", "--region", &account.region])
        .args(arguments);
    tool.output().await.expect("the tool runs")
}

/// The report of the tool, and its exit status.
async fn report(account: &Account, ids: &[&str]) -> (Value, Option<i32>) {
    let output = diagnose(account, &[ids, &["--format", "json"]].concat()).await;
    let report = serde_json::from_slice(&output.stdout).expect("JSON");
    (report, output.status.code())
}

/// The status of `node` in a report.
fn status<'a>(report: &'a Value, node: &str) -> &'a str {
    let mut nodes = report["nodes"].as_array().into_iter().flatten();
    let node = nodes.find(|one| one["id"] == node);
    node.and_then(|one| one["status"].as_str()).unwrap_or("")
}

/// What the test server does not know: these nodes report, and Default Host
/// Management is off.
pub(crate) fn reporting(account: &Account, ids: &[&str]) {
    let now = jiff::Timestamp::now().as_second();
    let node = |id: &&str| {
        json!({"InstanceId": id, "PingStatus": "Online", "LastPingDateTime": now - 60,
            "AgentVersion": "3.3.987.0", "PlatformType": "Linux"})
    };
    let nodes: Vec<Value> = ids.iter().map(node).collect();
    let proxy = &account.proxy;
    let online = json_answer(json!({"InstanceInformationList": nodes}));
    proxy.on("DescribeInstanceInformation", online);
    let off = json!({"ServiceSetting": {"SettingValue": "$None"}});
    proxy.on("GetServiceSetting", json_answer(off));
    proxy.on("SimulatePrincipalPolicy", iam_denied());
}

/// A century earlier.
pub(crate) fn aged(instances: String) -> String {
    instances.replace("<launchTime>20", "<launchTime>19")
}

async fn sound_instance(scene: &Scene) -> String {
    let id = scene.healthy_instance().await;
    let all = json!([{"Effect": "Allow", "Action": ["ssm:*", "ssmmessages:*"], "Resource": "*"}]);
    scene.put_role_policy("Sound", all).await;
    id
}

#[tokio::test]
async fn the_function_and_the_tool_say_the_same_of_each_node() {
    let scene = Scene::new().await;
    let well = sound_instance(&scene).await;
    let dark = scene.launch(Launch::with_profile("Sound")).await;
    scene.set_imds(&dark, false).await;
    let refused = scene.refused_instance().await;
    let bare = scene.launch(Launch::default()).await;
    let (stopped, gone) = (
        scene.launch(Launch::DARK).await,
        scene.launch(Launch::DARK).await,
    );
    let ec2 = scene.ec2();
    let stop = ec2.stop_instances().instance_ids(&stopped).send().await;
    stop.expect("the instance stops");
    let end = ec2.terminate_instances().instance_ids(&gone).send().await;
    end.expect("the instance is terminated");
    reporting(&scene, &[&well, HYBRID]);

    let ids = [&well, &dark, &refused, &bare, &stopped, &gone].map(String::as_str);
    let ids = [&ids[..], &[UNKNOWN, HYBRID]].concat();
    let mut function = scene.function(&[]).await;
    let answered = function.handle(&json!({"nodes": ids})).await;
    let (printed, code) = report(&scene, &ids).await;
    assert_eq!(code, Some(2), "one of them is not known");
    for report in [&answered, &printed] {
        for (node, expected) in [
            (well.as_str(), "healthy"),
            (&dark, "faulty"),
            (&refused, "faulty"),
            (&bare, "faulty"),
            (&stopped, "stopped"),
            (&gone, "terminated"),
            (UNKNOWN, "not-found"),
            (HYBRID, "healthy"),
        ] {
            assert_eq!(status(report, node), expected, "{node}: {report:#}");
        }
        for (node, cause) in [
            (&dark, "imds-disabled"),
            (&refused, "role-not-assumable"),
            (&bare, "no-instance-profile"),
        ] {
            let incident = incident_of(report, node);
            assert_eq!(incident["cause"], cause, "{incident:#}");
            assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
            assert_ne!(incident["advice"], json!([]));
        }
        assert_eq!(incidents(report).len(), 3, "{report:#}");
    }
    assert_eq!(scene.writes(), []);
    assert!(scene.mailbox.take().await.is_empty(), "nobody is notified");

    assert_eq!(report(&scene, &[&well]).await.1, Some(0));
    assert_eq!(report(&scene, &[&stopped]).await.1, Some(0));
    assert_eq!(report(&scene, &[&dark]).await.1, Some(1));
}

#[tokio::test]
async fn a_card_shows_every_check_and_what_to_do() {
    let scene = Scene::new().await;
    let well = sound_instance(&scene).await;
    reporting(&scene, &[&well]);
    scene.proxy.forget();
    let output = diagnose(&scene, &[&well]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    assert!(
        scene.proxy.calls().len() <= 25,
        "{:#?}",
        scene.proxy.calls()
    );
    let card = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "HEALTHY. ",
        "\nRunning?     ok   ",
        "\nCredentials? ok   ",
        "\nAllowed?     ok   ",
        "\nReachable?   ",
        "\nReported?    ok   ",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert!(!card.contains('\u{1b}'), "no colour but on a terminal");

    scene.set_imds(&well, false).await;
    scene.proxy.forget();
    let output = diagnose(&scene, &[&well]).await;
    assert!(scene.proxy.calls().len() <= 25);
    assert_eq!(output.status.code(), Some(1));
    let card = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "FAULTY. ",
        "\nCredentials? FAIL The metadata service",
        "1 thing to fix.",
        "aws ec2 modify-instance-metadata-options",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
}

#[tokio::test]
async fn what_is_denied_is_unknown_and_says_so() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let proxy = &scene.proxy;
    proxy.on("DescribeInstances", ec2_denied());
    proxy.on("DescribeInstanceInformation", iam_denied());
    let (report, code) = report(&scene, &[&dark]).await;
    assert_eq!(code, Some(2));
    assert_eq!(status(&report, &dark), "undetermined");
    assert_eq!(incidents(&report).len(), 0);
    let results = report["nodes"][0]["checks"][0]["results"].clone();
    let state = note(&json!({"checks": results}), "instance-state").to_owned();
    assert!(state.contains("DescribeInstances"), "{state}");
}

#[tokio::test]
async fn a_planted_fault_is_proved_without_the_log_that_tells_of_it() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    reporting(&account, &[]);
    // Started long ago: what is young is not accused of its silence.
    account.proxy.on("DescribeInstances", Effect::Edit(aged));
    let ids: Vec<&str> = fleet.instances.iter().map(|(id, _)| id.as_str()).collect();
    let mut function = Function::start(&account, &[]).await;
    let report = function.handle(&json!({"nodes": ids})).await;
    let mut wrong = Vec::new();
    for (id, index) in &fleet.instances {
        let member = &MEMBERS[*index];
        let incident = incident_of(&report, id);
        let found = (incident["cause"].as_str(), incident["confidence"].as_str());
        let cause = member.proved_by_id().unwrap_or("node-silent");
        let expected = (Some(cause), Some(member.confidence_by_id()));
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}", member.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_is_no_node_id_is_refused_by_name() {
    let account = Account::fresh().await;
    let mut function = Function::start(&account, &[]).await;
    for event in [
        json!({"nodes": []}),
        json!({"node": "web-1"}),
        json!({"nodes": [UNKNOWN], "regions": ["us-east-1"]}),
    ] {
        assert_eq!(function.failure(&event).await.error_type, "InputNodes");
    }
    assert_eq!(account.proxy.calls().len(), 0);
}

#[tokio::test]
async fn a_log_in_hand_is_proved_by_live_state() {
    let scene = Scene::new().await;
    let (dark, well) = (scene.dark_instance().await, sound_instance(&scene).await);
    reporting(&scene, &[]);
    let files = tempfile::tempdir().expect("a directory");
    let log = files.path().join("amazon-ssm-agent.log");
    std::fs::write(&log, logs::IMDS_OFF).expect("it is written");
    for (node, expected) in [(&dark, "confirmed"), (&well, "undetermined")] {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"));
        tool.env_clear()
            .env("AWS_ENDPOINT_URL", scene.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", &scene.region)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .args(["scan", "--live", "--format", "json"])
            .args(["--node", node])
            .arg(&log);
        let output = tool.output().await.expect("the tool runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let incident = incident_of(&report, node);
        // The log says neither.
        let place = ["account", "region"].map(|name| incident["nodes"][0][name].clone());
        assert_eq!(place, [json!(scene.id), json!(scene.region)]);
        assert_eq!(incident["confidence"], expected, "{incident:#}");
        let imds = note(incident, "imds");
        assert!(imds.contains(node.as_str()), "{imds}");
        assert_eq!(output.status.code(), Some(1));
    }
    assert_eq!(scene.writes(), []);
}
