//! Nodes of other accounts and Regions, through the member role.

use serde_json::{Value, json};

use crate::on_request::request_in;
use crate::support::account::Account;
use crate::support::answer::{check, incident_of, note, outcome, reason};
use crate::support::events::Delivery;
use crate::support::instances::Launch;
use crate::support::logs;
use crate::support::moto;
use crate::support::proxy::query_error;
use crate::support::registered::{Registered, started_long_ago};
use crate::support::roles::trusting_another_account;
use crate::support::scene::{ALL_ACTIONS, REPAIR, ROLE, Scene};

const MEMBER: [(&str, &str); 2] = [
    (
        "TRIAGE_MEMBER_ROLE",
        "arn:aws:iam::{account}:role/SsmAgentTriageMember",
    ),
    ("TRIAGE_MEMBER_EXTERNAL_ID", "o-0123456789"),
];

fn with_member_role<'s>(settings: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
    settings.iter().copied().chain(MEMBER).collect()
}

/// The own account in another Region, and another account in both.
async fn elsewhere(scene: &Scene) -> [Account; 3] {
    let other = moto::fresh_account();
    [
        scene.elsewhere(&scene.id, "eu-west-1").await,
        scene.elsewhere(&other, "us-east-1").await,
        scene.elsewhere(&other, "eu-west-1").await,
    ]
}

/// What `instance` of `account` has logged, as it comes from a centralised log group.
fn centralised(account: &Account, instance: &str, text: &str) -> Value {
    let mut message = Delivery::new(account, instance, text).message();
    for event in message["logEvents"].as_array_mut().expect("events") {
        event["extractedFields"] =
            json!({"@aws.account": account.id, "@aws.region": account.region});
    }
    message
}

#[tokio::test]
async fn each_fault_is_named_with_its_account_and_region_and_repaired_where_that_is_allowed() {
    let scene = Scene::new().await;
    let others = elsewhere(&scene).await;
    let [region, account, both] = &others;
    let places: [(&Account, Launch<'_>, &str); 4] = [
        (&scene, Launch::DARK, "repaired"),
        (region, Launch::DARK, "repaired"),
        (account, Launch::DARK, "repaired"),
        (both, Launch::DARK_UNTAGGED, "refused"),
    ];
    let mut dark = Vec::new();
    let mut logged = Vec::new();
    for (place, launch, _) in &places {
        let instance = place.launch(*launch).await;
        logged.push(centralised(place, &instance, logs::IMDS_OFF));
        dark.push(instance);
    }
    // One role in each account, of the same name.
    for place in [&*scene, account] {
        let trust = trusting_another_account();
        place.role_with_profile(ROLE, &trust, Some("allow")).await;
        let refused = place.launch(Launch::with_profile(ROLE)).await;
        logged.push(centralised(place, &refused, logs::ROLE_REFUSED));
        dark.push(refused);
    }
    let report = scene
        .handle(&with_member_role(REPAIR), &Value::from(logged))
        .await;
    for (instance, (place, _, expected)) in dark.iter().zip(&places) {
        let incident = incident_of(&report, instance);
        assert_eq!(outcome(incident), *expected, "{incident:#}");
        assert_eq!(check(incident, "imds"), Some("failed"), "{incident:#}");
        let key = incident["key"].as_str().expect("a key");
        let of_place = format!("{}/{}/imds-disabled/", place.id, place.region);
        assert!(key.starts_with(&of_place), "{key}");
        assert_eq!(place.imds_is_on(instance).await, *expected == "repaired");
    }
    let mails = scene.mailbox.take().await;
    for (instance, (place, ..)) in dark.iter().zip(&places) {
        let mail = mails.iter().find(|mail| mail.text.contains(instance));
        let text = &mail.expect("one of each").text;
        assert!(
            text.contains(&place.id) && text.contains(&place.region),
            "{text}"
        );
    }
    for (refused, place) in dark[4..].iter().zip([&*scene, account]) {
        let incident = incident_of(&report, refused);
        assert_eq!(outcome(incident), "repaired", "{incident:#}");
        let trust = place.trust_policy(ROLE).await.to_string();
        assert!(trust.contains("ec2.amazonaws.com"), "{trust}");
    }
    // Once an account, for all its Regions and clients.
    let assumed = scene.proxy.calls_of("AssumeRole");
    let mut roles: Vec<&str> = assumed
        .iter()
        .map(|call| &*call.fields["RoleArn"])
        .collect();
    roles.sort_unstable();
    let mut expected =
        [&scene.id, &account.id].map(|id| format!("arn:aws:iam::{id}:role/SsmAgentTriageMember"));
    expected.sort_unstable();
    assert_eq!(roles, expected);
    assert!(
        assumed
            .iter()
            .all(|call| call.fields["ExternalId"] == "o-0123456789")
    );
}

#[tokio::test]
async fn without_a_member_role_another_account_is_named_and_left_alone() {
    let scene = Scene::new().await;
    let [.., both] = &elsewhere(&scene).await;
    let dark = both.launch(Launch::DARK).await;
    let mut function = scene.function(REPAIR).await;
    let report = function
        .handle(&centralised(both, &dark, logs::IMDS_OFF))
        .await;
    let incident = incident_of(&report, &dark);
    let why = reason(incident);
    assert!(
        why.contains(&both.id) && why.contains("TRIAGE_MEMBER_ROLE"),
        "{incident:#}"
    );
    assert_eq!(check(incident, "imds"), Some("skipped"), "{incident:#}");
    assert!(!both.imds_is_on(&dark).await);
    assert_eq!(scene.proxy.calls_of("AssumeRole").len(), 0);
    assert!(scene.mailbox.take_only().await.text.contains(&both.id));

    let asked = json!({"node": dark, "account": both.id, "region": both.region});
    let refused = function.failure(&asked).await;
    let why = &refused.message;
    assert_eq!(refused.error_type, "InputAccount", "{why}");
    assert!(
        why.contains(&both.id) && why.contains("TRIAGE_MEMBER_ROLE"),
        "{why}"
    );
}

#[tokio::test]
async fn a_member_role_that_is_refused_leaves_its_nodes_to_the_log() {
    let scene = Scene::new().await;
    let [.., both] = &elsewhere(&scene).await;
    let (own, theirs) = (scene.dark_instance().await, both.launch(Launch::DARK).await);
    let denied = query_error(
        403,
        "AccessDenied",
        "User: u is not authorized to perform: sts:AssumeRole",
    );
    scene.proxy.on("AssumeRole", denied);
    let logged = json!([
        scene.imds_off(&own).message(),
        centralised(both, &theirs, logs::IMDS_OFF),
    ]);
    let report = scene.handle(&with_member_role(REPAIR), &logged).await;
    assert_eq!(outcome(incident_of(&report, &own)), "repaired");
    let incident = incident_of(&report, &theirs);
    assert_eq!(outcome(incident), "refused", "{incident:#}");
    let note = note(incident, "imds");
    let role = format!("arn:aws:iam::{}:role/SsmAgentTriageMember", both.id);
    assert!(
        note.contains(&role) && note.contains("AccessDenied"),
        "{note}"
    );
    assert!(!both.imds_is_on(&theirs).await);
    // What was refused is not asked again for each of the checks.
    assert_eq!(scene.proxy.calls_of("AssumeRole").len(), 1);
}

#[tokio::test]
async fn what_is_silent_elsewhere_is_swept_asked_about_and_repaired_on_request() {
    let scene = Scene::new().await;
    let [.., both] = &elsewhere(&scene).await;
    let dark = both.launch(Launch::DARK).await;
    let registered = Registered::of(&scene);
    registered.pinged(&dark, 90);
    scene.proxy.on("DescribeInstances", started_long_ago());
    let on_request = [("TRIAGE_REPAIR", "on-request"), ALL_ACTIONS];
    let mut function = scene.function(&with_member_role(&on_request)).await;

    let there = json!({"account": both.id, "region": both.region});
    let report = function.handle(&json!({"sweep": there})).await;
    let incident = incident_of(&report, &dark);
    assert_eq!(incident["cause"], "imds-disabled", "{incident:#}");
    assert_eq!(report["source"]["account"], both.id, "{report:#}");
    let mail = scene.mailbox.take_only().await;
    let asked = request_in(&mail.text);
    assert_eq!(asked["repair"]["account"], both.id, "{asked}");
    assert_eq!(asked["repair"]["region"], both.region, "{asked}");

    let report = function.handle(&asked).await;
    assert_eq!(report["repair"]["status"], "repaired", "{report:#}");
    assert!(both.imds_is_on(&dark).await);

    let mut asked = there;
    asked["node"] = json!(dark);
    let report = function.handle(&asked).await;
    assert_eq!(report["nodes"][0]["account"], both.id, "{report:#}");
    assert_eq!(report["nodes"][0]["id"], dark, "{report:#}");
}

#[tokio::test]
async fn a_digest_names_the_account_that_a_sweep_could_not_look_at_until_one_can() {
    let scene = Scene::new().await;
    let [.., both] = &elsewhere(&scene).await;
    let _registered = Registered::of(&scene);
    let denied = query_error(
        403,
        "AccessDenied",
        "User: u is not authorized to perform: sts:AssumeRole",
    );
    scene.proxy.rule("AssumeRole", 0, 1, denied);
    let table = scene.state_table().await;
    let settings = with_member_role(&[("TRIAGE_STATE_TABLE", table)]);
    let (mut one, mut other) = (
        scene.function(&settings).await,
        scene.function(&settings).await,
    );
    let sweep = json!({"sweep": {"account": both.id, "region": both.region}});
    let digest = json!({"digest": {}});
    assert_eq!(one.failure(&sweep).await.error_type, "SweepNotListed");
    let answer = other.handle(&digest).await;
    let not_checked = &answer["not_checked"];
    assert_eq!(not_checked["count"], 1, "{answer:#}");
    let place = ["account", "region", "selection"].map(|name| &not_checked["sweeps"][0][name]);
    assert_eq!(place, [&both.id, &both.region, "lost"], "{answer:#}");
    let text = scene.mailbox.take_only().await.text.replace('\n', " ");
    let line = format!(
        "NOT CHECKED: 1 account {}, {}, lost nodes, ",
        both.id, both.region
    );
    assert!(
        text.contains(&line) && text.contains("AccessDenied"),
        "{text}"
    );

    other.handle(&sweep).await;
    let answer = one.handle(&digest).await;
    assert_eq!(answer["not_checked"], json!({"count": 0, "sweeps": []}));
    assert!(!scene.mailbox.take_only().await.text.contains("NOT CHECKED"));
}
