//! Instances, roles and a mailbox in the account of a test, made and looked at
//! through the real SDKs.

use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceMetadataEndpointState,
    InstanceMetadataOptionsResponse, InstanceType, ResourceType, Tag, TagSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::account::Account;
use super::proxy::decoded;

pub const TAG: &str = "ssm-agent-triage:repair";

/// A trust policy that EC2 may use.
pub fn trusting_ec2() -> Value {
    trusting(json!({"Service": "ec2.amazonaws.com"}))
}

/// A trust policy that lets in only a colleague's account, not EC2.
pub fn trusting_another_account() -> Value {
    trusting(json!({"AWS": "arn:aws:iam::210987654321:root"}))
}

pub fn trusting(principal: Value) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
    })
}

/// An instance to be made: running, its metadata service on, no profile, no tag.
#[derive(Default, Clone, Copy)]
pub struct Launch<'a> {
    pub profile: Option<&'a str>,
    pub imds_off: bool,
    pub tag: Option<&'a str>,
}

impl Account {
    /// Launches an instance and returns its id.
    pub async fn launch(&self, launch: Launch<'_>) -> String {
        let mut request = self
            .ec2()
            .run_instances()
            .image_id("ami-12c6146b")
            .instance_type(InstanceType::T3Micro)
            .min_count(1)
            .max_count(1);
        if let Some(profile) = launch.profile {
            request = request.iam_instance_profile(
                IamInstanceProfileSpecification::builder()
                    .name(profile)
                    .build(),
            );
        }
        if let Some(value) = launch.tag {
            request = request.tag_specifications(
                TagSpecification::builder()
                    .resource_type(ResourceType::Instance)
                    .tags(Tag::builder().key(TAG).value(value).build())
                    .build(),
            );
        }
        let launched = request.send().await.expect("the instance starts");
        let id = launched.instances()[0]
            .instance_id()
            .expect("an instance has an id")
            .to_owned();
        self.set_imds(&id, !launch.imds_off).await;
        id
    }

    /// Sets the metadata options; the rest of the block stands as hardened
    /// instances have it.
    pub async fn set_imds(&self, instance: &str, on: bool) {
        let endpoint = match on {
            true => InstanceMetadataEndpointState::Enabled,
            false => InstanceMetadataEndpointState::Disabled,
        };
        self.ec2()
            .modify_instance_metadata_options()
            .instance_id(instance)
            .http_endpoint(endpoint)
            .http_tokens(HttpTokensState::Required)
            .http_put_response_hop_limit(2)
            .send()
            .await
            .expect("the metadata options are set");
    }

    /// The metadata options as the server holds them.
    pub async fn imds(&self, instance: &str) -> InstanceMetadataOptionsResponse {
        let described = self
            .ec2()
            .describe_instances()
            .instance_ids(instance)
            .send()
            .await
            .expect("the instance is described");
        described.reservations()[0].instances()[0]
            .metadata_options()
            .expect("an instance has metadata options")
            .clone()
    }

    pub async fn imds_is_on(&self, instance: &str) -> bool {
        self.imds(instance).await.http_endpoint() == Some(&InstanceMetadataEndpointState::Enabled)
    }

    /// Makes a role and an instance profile of the same name that holds it.
    pub async fn role_with_profile(&self, name: &str, trust: &Value, tag: Option<&str>) {
        let iam = self.iam();
        let mut request = iam
            .create_role()
            .role_name(name)
            .assume_role_policy_document(trust.to_string());
        if let Some(value) = tag {
            let tag = aws_sdk_iam::types::Tag::builder().key(TAG).value(value);
            request = request.tags(tag.build().expect("a tag has key and value"));
        }
        request.send().await.expect("the role is made");
        iam.create_instance_profile()
            .instance_profile_name(name)
            .send()
            .await
            .expect("the instance profile is made");
        iam.add_role_to_instance_profile()
            .instance_profile_name(name)
            .role_name(name)
            .send()
            .await
            .expect("the role goes into the profile");
    }

    /// The role's trust policy as the server holds it.
    pub async fn trust_policy(&self, role: &str) -> Value {
        let got = self
            .iam()
            .get_role()
            .role_name(role)
            .send()
            .await
            .expect("the role exists");
        let document = got
            .role()
            .and_then(|role| role.assume_role_policy_document())
            .expect("a role has a trust policy");
        serde_json::from_str(&decoded(document)).expect("a trust policy is JSON")
    }

    /// Makes a topic with a queue that receives what is published.
    pub async fn mailbox(&self) -> Mailbox {
        let (sns, sqs) = (self.sns(), self.sqs());
        let topic = sns
            .create_topic()
            .name("ssm-agent-triage")
            .send()
            .await
            .expect("the topic is made");
        let topic = topic.topic_arn().expect("a topic has an ARN").to_owned();
        let queue = sqs
            .create_queue()
            .queue_name("inbox")
            .send()
            .await
            .expect("the queue is made");
        let queue = queue.queue_url().expect("a queue has a URL").to_owned();
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&queue)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .expect("the queue is described");
        let queue_arn = attributes
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::QueueArn))
            .expect("a queue has an ARN");
        sns.subscribe()
            .topic_arn(&topic)
            .protocol("sqs")
            .endpoint(queue_arn)
            .send()
            .await
            .expect("the queue is subscribed");
        Mailbox { topic, queue, sqs }
    }
}

/// A queue that is subscribed to the topic.
pub struct Mailbox {
    pub topic: String,
    queue: String,
    sqs: aws_sdk_sqs::Client,
}

/// One message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub subject: String,
    pub text: String,
    /// Name and value of each message attribute, sorted.
    pub attributes: Vec<(String, String)>,
}

impl Mailbox {
    /// Takes out what has been delivered, in order of publication.
    pub async fn take(&self) -> Vec<Mail> {
        let mut mails = Vec::new();
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.queue)
                .max_number_of_messages(10)
                .wait_time_seconds(0)
                .send()
                .await
                .expect("the queue answers");
            if received.messages().is_empty() {
                break;
            }
            for message in received.messages() {
                mails.push(mail(message.body().unwrap_or_default()));
                self.sqs
                    .delete_message()
                    .queue_url(&self.queue)
                    .receipt_handle(message.receipt_handle().unwrap_or_default())
                    .send()
                    .await
                    .expect("a received message can be deleted");
            }
        }
        mails
    }
}

fn mail(body: &str) -> Mail {
    let envelope: Value = serde_json::from_str(body).expect("SNS wraps a message in JSON");
    let text = |name: &str| envelope[name].as_str().unwrap_or_default().to_owned();
    let mut attributes: Vec<(String, String)> = envelope["MessageAttributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            (
                name.clone(),
                value["Value"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    attributes.sort();
    Mail {
        subject: text("Subject"),
        text: text("Message"),
        attributes,
    }
}
