//! A topic and a queue that receives what it sends.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::account::Account;

impl Account {
    /// Makes a topic with a queue that receives what is published.
    pub(crate) async fn mailbox(&self) -> Mailbox {
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
pub(crate) struct Mailbox {
    pub topic: String,
    queue: String,
    sqs: aws_sdk_sqs::Client,
}

/// One message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    pub subject: String,
    pub text: String,
    /// Name and value of each message attribute, sorted.
    pub attributes: Vec<(String, String)>,
}

impl Mail {
    /// The value of a message attribute; empty where it has none of this name.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let attribute = self.attributes.iter().find(|(own, _)| own == name);
        attribute.map_or("", |(_, value)| value)
    }

    /// The attribute `state`: `opened`, `repaired`, `resolved` …
    pub(crate) fn state(&self) -> &str {
        self.attribute("state")
    }
}

impl Mailbox {
    /// Takes out what has been delivered, in order of publication.
    pub(crate) async fn take(&self) -> Vec<Mail> {
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

    /// The only message that has been delivered since the last look.
    pub(crate) async fn take_only(&self) -> Mail {
        let mut mails = self.take().await;
        assert_eq!(mails.len(), 1, "{mails:#?}");
        mails.remove(0)
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
