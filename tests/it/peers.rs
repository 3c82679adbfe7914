//! The test server and the proxy themselves: what the other tests rely on.

use crate::support::account::Account;
use crate::support::instances::Launch;
use crate::support::proxy::{Effect, ec2_denied};
use crate::support::roles::{trusting_another_account, trusting_ec2};
use crate::support::scene::MODIFY;

#[tokio::test]
async fn each_test_has_an_account_of_its_own() {
    let (one, other) = (Account::fresh().await, Account::fresh().await);
    one.role_with_profile("Shared", &trusting_another_account(), None)
        .await;
    other
        .role_with_profile("Shared", &trusting_ec2(), None)
        .await;
    assert_eq!(one.trust_policy("Shared").await, trusting_another_account());
    assert_eq!(other.trust_policy("Shared").await, trusting_ec2());
}

#[tokio::test]
async fn a_lost_answer_is_carried_out_and_a_broken_request_is_not() {
    let account = Account::fresh().await;
    let id = account.launch(Launch::DARK).await;
    let modify = async || {
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(aws_sdk_ec2::config::BehaviorVersion::latest())
            .region(aws_sdk_ec2::config::Region::new("us-east-1"))
            .endpoint_url(account.url())
            .credentials_provider(aws_sdk_ec2::config::Credentials::new(
                "a", "b", None, None, "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(aws_sdk_ec2::config::retry::RetryConfig::disabled())
            .build();
        aws_sdk_ec2::Client::from_conf(config)
            .modify_instance_metadata_options()
            .instance_id(&id)
            .http_endpoint(aws_sdk_ec2::types::InstanceMetadataEndpointState::Enabled)
            .send()
            .await
    };

    account.proxy.rule(MODIFY, 0, 1, Effect::Break);
    modify().await.expect_err("the request is broken off");
    assert!(!account.imds_is_on(&id).await);

    account.proxy.rule(MODIFY, 0, 1, ec2_denied());
    let refused = modify()
        .await
        .expect_err("the answer is a refusal")
        .into_service_error();
    assert_eq!(refused.meta().code(), Some("UnauthorizedOperation"));
    assert!(!account.imds_is_on(&id).await);

    account.proxy.rule(MODIFY, 0, 1, Effect::LoseAnswer);
    modify().await.expect_err("the answer is lost");
    assert!(account.imds_is_on(&id).await);

    let calls = account.writes();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].name(), "ec2:ModifyInstanceMetadataOptions");
    assert_eq!(calls[0].fields.get("InstanceId"), Some(&id));
    assert_eq!(
        calls[0].fields.get("HttpEndpoint").map(String::as_str),
        Some("enabled")
    );
}

#[tokio::test]
async fn what_is_published_arrives_in_the_mailbox() {
    let account = Account::fresh().await;
    let mailbox = account.mailbox().await;
    account
        .sns()
        .publish()
        .topic_arn(&mailbox.topic)
        .subject("a subject")
        .message("a text")
        .send()
        .await
        .expect("the topic takes a message");
    let mail = mailbox.take_only().await;
    assert_eq!(
        (mail.subject.as_str(), mail.text.as_str()),
        ("a subject", "a text")
    );
    assert_eq!(mailbox.take().await, []);
}
