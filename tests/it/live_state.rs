//! What the test server does not know of EC2, by the request that is sent and
//! by answers played back; and answers that break off.

use serde_json::Value;

use crate::support::account::Account;
use crate::support::answer::{check, incident_of, only_incident, outcome};
use crate::support::proxy::{Effect, ec2_error, metadata_defaults as defaults};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene, together};
use crate::support::suspects::Fleet;

const DEFAULTS: &str = "GetInstanceMetadataDefaults";

fn note<'a>(incident: &'a Value, name: &str) -> &'a str {
    let checks = incident["checks"].as_array().into_iter().flatten();
    let mut of_name = checks.filter(|check| check["check"] == name);
    of_name
        .next()
        .and_then(|check| check["note"].as_str())
        .unwrap_or_default()
}

#[tokio::test]
async fn managed_instances_and_their_interfaces_are_asked_for_too() {
    let account = Account::fresh().await;
    let fleet = Fleet::build(&account, 1).await;
    let mut function = Function::start(&account, &[]).await;
    let event = together(&fleet.deliveries(&account));
    function.invoke(&event).await.expect("the batch is handled");
    for action in ["DescribeInstances", "DescribeNetworkInterfaces"] {
        let calls = account.proxy.calls_of(action);
        assert!(!calls.is_empty(), "{action}");
        for call in calls {
            let asked = call
                .fields
                .get("IncludeManagedResources")
                .map(String::as_str);
            assert_eq!(asked, Some("true"), "{action}");
        }
    }
}

#[tokio::test]
async fn a_managed_instance_is_named_with_its_manager_and_left_alone() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let managed = |body: String| {
        let operator = "<operator><managed>true</managed>\
                        <principal>eks.amazonaws.com</principal></operator><instanceState>";
        body.replace("<instanceState>", operator)
    };
    let account = &scene.account;
    account.proxy.on("DescribeInstances", Effect::Edit(managed));
    account
        .proxy
        .on(DEFAULTS, defaults("<managedBy>account</managedBy>"));
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    let state = note(incident, "instance-state");
    assert!(state.contains("managed by eks.amazonaws.com"), "{state}");
    let reason = incident["plan"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("eks.amazonaws.com"), "{incident:#}");
    assert_eq!(account.writes(), []);
}

#[tokio::test]
async fn what_a_declarative_policy_switches_off_is_not_switched_on() {
    let scene = Scene::new().await;
    let dark = [scene.dark_instance().await, scene.dark_instance().await];
    scene.account.proxy.on(
        DEFAULTS,
        defaults(
            "<httpEndpoint>disabled</httpEndpoint><managedBy>declarative-policy</managedBy>\
             <managedExceptionMessage>Ask the platform team</managedExceptionMessage>",
        ),
    );
    let mut function = scene.function(REPAIR).await;
    let event = together(&[scene.imds_off(&dark[0]), scene.imds_off(&dark[1])]);
    let report = function.invoke(&event).await.expect("the batch is handled");
    for id in &dark {
        let incident = incident_of(&report, id);
        assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
        assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
        for text in [
            note(incident, "imds"),
            incident["plan"]["reason"].as_str().unwrap_or_default(),
        ] {
            assert!(text.contains("declarative policy"), "{text}");
            assert!(text.contains("Ask the platform team"), "{text}");
        }
    }
    assert_eq!(scene.account.writes(), []);
    assert_eq!(
        scene.account.proxy.calls_of(DEFAULTS).len(),
        1,
        "one for both"
    );
}

#[tokio::test]
async fn an_account_default_does_not_stop_a_repair_and_is_named() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.account.proxy.on(
        DEFAULTS,
        defaults("<httpEndpoint>disabled</httpEndpoint><managedBy>account</managedBy>"),
    );
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    assert_eq!(outcome(incident), "repaired", "{incident:#}");
    let imds = note(incident, "imds");
    assert!(imds.contains("launched later have it off again"), "{imds}");
}

#[tokio::test]
async fn an_enforced_imdsv2_stops_a_repair_that_would_bring_imdsv1_back() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let optional = |body: String| {
        body.replace(
            "<httpTokens>required</httpTokens>",
            "<httpTokens>optional</httpTokens>",
        )
    };
    let account = &scene.account;
    account
        .proxy
        .on("DescribeInstances", Effect::Edit(optional));
    account.proxy.on(
        DEFAULTS,
        defaults("<httpTokensEnforced>enabled</httpTokensEnforced><managedBy>account</managedBy>"),
    );
    let mut function = scene.function(REPAIR).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    let reason = incident["plan"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("enforces IMDSv2"), "{incident:#}");
    assert_eq!(account.writes(), []);
}

#[tokio::test]
async fn metadata_defaults_that_cannot_be_read_change_no_verdict() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let denied = ec2_error(403, "UnauthorizedOperation", "You are not authorized");
    scene.account.proxy.on(DEFAULTS, denied);
    let mut function = scene.function(ADVISE).await;
    let event = scene.imds_off(&dark).subscription();
    let report = function.invoke(&event).await.expect("the batch is handled");
    let incident = only_incident(&report);
    assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
    assert_eq!(check(incident, "imds"), Some("failed"));
    let imds = note(incident, "imds");
    assert!(imds.contains("Could not determine"), "{imds}");
    assert!(imds.contains("UnauthorizedOperation"), "{imds}");
}

fn cut_before(body: &str, mark: &str) -> String {
    body.split(mark).next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_answer_that_breaks_off_convicts_nothing() {
    type Cut = (&'static str, fn(String) -> String, &'static str);
    let cuts: [Cut; 6] = [
        (
            "GetInstanceProfile",
            |body| cut_before(&body, "<Roles>"),
            "instance-profile",
        ),
        (
            "GetInstanceProfile",
            |body| cut_before(&body, "<AssumeRolePolicyDocument>"),
            "instance-profile",
        ),
        (
            "GetInstanceProfile",
            |body| cut_before(&body, "</GetInstanceProfileResponse>"),
            "instance-profile",
        ),
        (
            "DescribeInstances",
            |body| cut_before(&body, "<iamInstanceProfile>"),
            "instance-profile",
        ),
        (
            "DescribeInstances",
            |body| cut_before(&body, "<item>"),
            "instance-state",
        ),
        (
            "DescribeInstances",
            |body| body[..body.len() / 2].to_owned(),
            "instance-state",
        ),
    ];
    for (action, cut, unknown) in cuts {
        let scene = Scene::new().await;
        let on_role = scene.broken_role("MySSMRole", 1).await;
        scene.account.proxy.on(action, Effect::Edit(cut));
        let mut function = scene.function(REPAIR).await;
        let event = scene.role_refused(&on_role[0]).subscription();
        let report = function.invoke(&event).await.expect("the batch is handled");
        let incident = only_incident(&report);
        assert_ne!(incident["confidence"], "confirmed", "{action} {incident:#}");
        assert_eq!(
            check(incident, unknown),
            Some("unknown"),
            "{action} {incident:#}"
        );
        assert_eq!(scene.account.writes(), [], "{action}");
    }
}
