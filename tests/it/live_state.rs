//! What the test server does not know of EC2, by the request that is sent and
//! by answers played back; and answers that break off.

use crate::support::account::Account;
use crate::support::answer::{check, incident_of, note, outcome, reason};
use crate::support::instances::Launch;
use crate::support::planted::PlantedFleet;
use crate::support::proxy::{Effect, ec2_denied, metadata_defaults as defaults};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene};

const DEFAULTS: &str = "GetInstanceMetadataDefaults";

#[tokio::test]
async fn managed_instances_and_their_interfaces_are_asked_for_too() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    let mut function = Function::start(&account, &[]).await;
    function.handle(&fleet.deliveries(&account)).await;
    for action in ["DescribeInstances", "DescribeNetworkInterfaces"] {
        let calls = account.proxy.calls_of(action);
        assert!(!calls.is_empty(), "{action}");
        for call in calls {
            let asked = &call.fields["IncludeManagedResources"];
            assert_eq!(asked, "true", "{action}");
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
    let proxy = &scene.proxy;
    proxy.on("DescribeInstances", Effect::Edit(managed));
    proxy.on(DEFAULTS, defaults("<managedBy>account</managedBy>"));
    let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
    let state = note(incident, "instance-state");
    assert!(state.contains("managed by eks.amazonaws.com"), "{state}");
    assert!(
        reason(incident).contains("eks.amazonaws.com"),
        "{incident:#}"
    );
    assert_eq!(scene.writes(), []);
}

#[tokio::test]
async fn what_a_declarative_policy_switches_off_is_not_switched_on() {
    let scene = Scene::new().await;
    let dark = scene.dark_instances::<2>().await;
    scene.proxy.on(
        DEFAULTS,
        defaults(
            "<httpEndpoint>disabled</httpEndpoint><managedBy>declarative-policy</managedBy>\
             <managedExceptionMessage>Ask the platform team</managedExceptionMessage>",
        ),
    );
    let report = scene.handle(REPAIR, &scene.all_imds_off(&dark)).await;
    for id in &dark {
        let incident = incident_of(&report, id);
        assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
        assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
        for text in [note(incident, "imds"), reason(incident)] {
            assert!(text.contains("declarative policy"), "{text}");
            assert!(text.contains("Ask the platform team"), "{text}");
        }
    }
    assert_eq!(scene.writes(), []);
    assert_eq!(scene.proxy.calls_of(DEFAULTS).len(), 1, "one for both");
}

#[tokio::test]
async fn an_account_default_does_not_stop_a_repair_and_is_named() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on(
        DEFAULTS,
        defaults("<httpEndpoint>disabled</httpEndpoint><managedBy>account</managedBy>"),
    );
    let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");
    let imds = note(incident, "imds");
    assert!(imds.contains("launched later have it disabled"), "{imds}");
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
    let proxy = &scene.proxy;
    proxy.on("DescribeInstances", Effect::Edit(optional));
    proxy.on(
        DEFAULTS,
        defaults("<httpTokensEnforced>enabled</httpTokensEnforced><managedBy>account</managedBy>"),
    );
    let incident = &scene.incident(REPAIR, &scene.imds_off(&dark)).await;
    assert!(reason(incident).contains("enforces IMDSv2"), "{incident:#}");
    assert_eq!(scene.writes(), []);
}

#[tokio::test]
async fn metadata_defaults_that_cannot_be_read_change_no_verdict() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    scene.proxy.on(DEFAULTS, ec2_denied());
    let incident = &scene.incident(ADVISE, &scene.imds_off(&dark)).await;
    assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
    assert_eq!(check(incident, "imds"), Some("failed"));
    let imds = note(incident, "imds");
    assert!(imds.contains("Could not determine"), "{imds}");
    assert!(imds.contains("UnauthorizedOperation"), "{imds}");
}

#[tokio::test]
async fn what_the_launch_template_sets_is_named() {
    use aws_sdk_ec2::types::{
        LaunchTemplateInstanceMetadataEndpointState as Endpoint,
        LaunchTemplateInstanceMetadataOptionsRequest as Options, RequestLaunchTemplateData,
    };
    let scene = Scene::new().await;
    let template = async |name: &str, endpoint: Option<Endpoint>| {
        let options = endpoint.map(|endpoint| Options::builder().http_endpoint(endpoint).build());
        let data = RequestLaunchTemplateData::builder().set_metadata_options(options);
        let request = scene.ec2().create_launch_template();
        let request = request.launch_template_name(name);
        let made = request.launch_template_data(data.build()).send().await;
        let made = made.expect("the template is made").launch_template;
        made.and_then(|made| made.launch_template_id)
            .expect("it has an id")
    };
    let imds = async |template: &str| {
        let launch = Launch {
            template: Some(template),
            ..Launch::DARK
        };
        let dark = scene.launch(launch).await;
        let incident = scene.incident(ADVISE, &scene.imds_off(&dark)).await;
        assert_eq!(check(&incident, "imds"), Some("failed"), "{incident:#}");
        note(&incident, "imds").to_owned()
    };
    let off = template("off", Some(Endpoint::Disabled)).await;
    let on = template("on", Some(Endpoint::Enabled)).await;
    let silent = template("silent", None).await;
    for (id, said) in [
        (&off, "which disables it too: what is launched"),
        (&on, "which enables it: it was disabled after the launch"),
        (&silent, "which leaves it to the defaults"),
    ] {
        let note = imds(id).await;
        assert!(
            note.contains(&format!("launch template {id}, {said}")),
            "{note}"
        );
    }
    scene
        .proxy
        .on("DescribeLaunchTemplateVersions", ec2_denied());
    let note = imds(&off).await;
    assert!(note.contains("could not be read: "), "{note}");
}

fn cut_before(body: &str, mark: &str) -> String {
    body.split(mark).next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_answer_that_breaks_off_confirms_nothing() {
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
        let refused = scene.refused_instance().await;
        scene.proxy.on(action, Effect::Edit(cut));
        let incident = &scene.incident(REPAIR, &scene.role_refused(&refused)).await;
        assert_ne!(incident["confidence"], "confirmed", "{action} {incident:#}");
        assert_eq!(
            check(incident, unknown),
            Some("unknown"),
            "{action} {incident:#}"
        );
        assert_eq!(scene.writes(), [], "{action}");
    }
}
