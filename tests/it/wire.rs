//! What goes over the wire: the least that does the work.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::answer::outcome;
use crate::support::instances::Launch;
use crate::support::runtime::Function;
use crate::support::scene::{REPAIR, Scene};

#[tokio::test]
async fn only_the_id_and_the_endpoint_are_sent_to_ec2() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.imds_off(&dark)).await;
    let writes = scene.writes();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    assert_eq!(writes[0].name(), "ec2:ModifyInstanceMetadataOptions");
    let expected = [("HttpEndpoint", "enabled"), ("InstanceId", &dark)];
    let expected: BTreeMap<String, String> = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(writes[0].fields, expected);
}

#[tokio::test]
async fn the_other_statements_of_the_trust_policy_survive_as_they_were() {
    let scene = Scene::new().await;
    let trust = json!({
        "Version": "2012-10-17",
        "Id": "kept",
        "Statement": [
            {
                "Sid": "Colleagues",
                "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::210987654321:root", "345678901234"]},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {"StringEquals": {"sts:ExternalId": "a \"quoted\" id, 100 % + 1"}}
            },
            {
                "Effect": "Allow",
                "Principal": {"Federated": "arn:aws:iam::210987654321:oidc-provider/token.example.com"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringLike": {"token.example.com:sub": "repo:a/*"}}
            },
            {
                "Effect": "Deny",
                "Principal": {"AWS": "arn:aws:iam::210987654321:user/gone"},
                "Action": "sts:AssumeRole"
            }
        ]
    });
    scene.role_with_profile("Busy", &trust, Some("allow")).await;
    let instance = scene.launch(Launch::with_profile("Busy")).await;

    let incident = &scene.incident(REPAIR, &scene.role_refused(&instance)).await;
    assert_eq!(outcome(incident), "repaired", "{incident:#}");

    let writes = scene.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].name(), "iam:UpdateAssumeRolePolicy");
    let fields: Vec<&str> = writes[0].fields.keys().map(String::as_str).collect();
    assert_eq!(fields, ["PolicyDocument", "RoleName"]);
    let sent: Value = serde_json::from_str(&writes[0].fields["PolicyDocument"]).expect("JSON");
    assert_eq!(sent["Version"], trust["Version"]);
    assert_eq!(sent["Id"], trust["Id"]);
    let statements = sent["Statement"].as_array().expect("statements");
    let (added, kept) = statements.split_last().expect("at least ours");
    assert_eq!(kept, trust["Statement"].as_array().expect("statements"));
    assert_eq!(added["Principal"], json!({"Service": "ec2.amazonaws.com"}));
    assert_eq!(added["Action"], "sts:AssumeRole");
    assert!(added["Sid"].is_string());
    assert_eq!(scene.trust_policy("Busy").await, sent);
}

#[tokio::test]
async fn one_role_is_written_once_however_many_instances_are_on_it() {
    let scene = Scene::new().await;
    let on_role = scene.refused_instances::<5>().await;
    let deliveries: Vec<_> = on_role.iter().map(|id| scene.role_refused(id)).collect();
    let mut function = scene.function(REPAIR).await;
    function.handle(&deliveries).await;
    assert_eq!(scene.writes().len(), 1);
    let proxy = &scene.proxy;
    assert_eq!(proxy.calls_of("Publish").len(), 1);
    let looked = proxy.calls_of("DescribeInstances");
    assert_eq!(looked.len(), 1, "one look for all instances");
    assert_eq!(
        looked[0].fields.get("Filter.1.Name").map(String::as_str),
        Some("instance-id")
    );
    for id in &on_role {
        assert!(looked[0].fields.values().any(|value| value == id));
    }
}

#[tokio::test]
async fn a_healthy_batch_asks_aws_nothing() {
    let scene = Scene::new().await;
    let healthy = scene.healthy_instance().await;
    let mut function = scene.function(REPAIR).await;
    function.handle(&scene.healthy(&healthy)).await;
    assert_eq!(scene.proxy.calls(), []);
}

#[tokio::test]
async fn only_a_fifo_topic_is_given_a_group_and_a_deduplication_id() {
    let scene = Scene::new().await;
    let fifo = scene
        .sns()
        .create_topic()
        .name("ssm-agent-triage.fifo")
        .attributes("FifoTopic", "true")
        .send()
        .await
        .expect("the topic is made");
    let fifo = fifo.topic_arn().expect("a topic has an ARN");
    let dark = scene.dark_instance().await;
    let event = scene.imds_off(&dark);
    for (topic, expected) in [(scene.mailbox.topic.as_str(), false), (fifo, true)] {
        scene.proxy.forget();
        let settings = [("TRIAGE_TOPIC_ARN", topic)];
        let mut function = Function::start(&scene, &settings).await;
        function.handle(&event).await;
        let published = scene.proxy.calls_of("Publish");
        assert_eq!(published.len(), 1);
        for name in ["MessageGroupId", "MessageDeduplicationId"] {
            assert_eq!(
                published[0].fields.contains_key(name),
                expected,
                "{topic}: {name}"
            );
        }
    }
}
