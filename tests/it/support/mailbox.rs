//! A topic and a queue that receives what it sends.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::account::Account;

impl Account {
    /// Makes a topic with a queue that receives what is published.
    pub(crate) async fn mailbox(&self) -> Mailbox {
        let topic = self.sns().create_topic().name("ssm-agent-triage").send();
        let topic = topic.await.expect("the topic is made");
        let topic = topic.topic_arn().expect("a topic has an ARN").to_owned();
        self.subscribed(topic, "inbox").await
    }

    /// Makes a FIFO topic with such a queue.
    pub(crate) async fn fifo_mailbox(&self) -> Mailbox {
        let topic = (self.sns().create_topic().name("ssm-agent-triage.fifo"))
            .attributes("FifoTopic", "true")
            .send();
        let topic = topic.await.expect("the topic is made");
        let topic = topic.topic_arn().expect("a topic has an ARN").to_owned();
        self.subscribed(topic, "inbox.fifo").await
    }

    async fn subscribed(&self, topic: String, name: &str) -> Mailbox {
        let queue = self.queue(name).await;
        self.subscribe(&topic, "sqs", &queue.arn).await;
        Mailbox { topic, queue }
    }

    /// Subscribes to a topic.
    pub(crate) async fn subscribe(&self, topic: &str, protocol: &str, endpoint: &str) {
        let subscribed = (self.sns().subscribe())
            .topic_arn(topic)
            .protocol(protocol)
            .endpoint(endpoint)
            .send();
        subscribed.await.expect("the endpoint is subscribed");
    }

    /// Makes a queue, a FIFO one where its name says so.
    pub(crate) async fn queue(&self, name: &str) -> Queue {
        let sqs = self.sqs();
        let fifo = name
            .ends_with(".fifo")
            .then(|| [(QueueAttributeName::FifoQueue, "true".to_owned())].into());
        let made = (sqs.create_queue().queue_name(name))
            .set_attributes(fifo)
            .send();
        let made = made.await.expect("the queue is made");
        let url = made.queue_url().expect("a queue has a URL").to_owned();
        let attributes = (sqs.get_queue_attributes().queue_url(&url))
            .attribute_names(QueueAttributeName::QueueArn)
            .send();
        let attributes = attributes.await.expect("the queue is described");
        let arn = attributes.attributes();
        let arn = arn.and_then(|all| all.get(&QueueAttributeName::QueueArn));
        Queue {
            arn: arn.expect("a queue has an ARN").clone(),
            url,
            sqs,
        }
    }

    /// Makes an event bus with a queue that receives every event on it.
    pub(crate) async fn event_bus(&self, name: &str) -> Queue {
        let queue = self.queue("events").await;
        let pattern = r#"{"source": ["ssm-agent-triage"]}"#;
        self.put_rule(name, "all", pattern, &queue.arn).await;
        queue
    }

    /// A rule on the bus, which is made where it is not there.
    pub(crate) async fn put_rule(&self, bus: &str, name: &str, pattern: &str, target: &str) {
        let events = self.events();
        let _ = events.create_event_bus().name(bus).send().await;
        let rule = (events.put_rule().name(name).event_bus_name(bus))
            .event_pattern(pattern)
            .send();
        rule.await.expect("the rule is made");
        let target = aws_sdk_eventbridge::types::Target::builder()
            .id("target")
            .arn(target)
            .build();
        let target = target.expect("it has an id and an ARN");
        let targets = (events.put_targets().rule(name).event_bus_name(bus))
            .targets(target)
            .send();
        targets.await.expect("the rule has its target");
    }
}

/// A queue of a test.
pub(crate) struct Queue {
    pub arn: String,
    pub url: String,
    sqs: aws_sdk_sqs::Client,
}

impl Queue {
    /// Puts a message in.
    pub(crate) async fn put(&self, body: &str) {
        let sent = self.sqs.send_message().queue_url(&self.url);
        sent.message_body(body)
            .send()
            .await
            .expect("the queue takes it");
    }

    /// How many messages it holds, those that somebody is about to handle too.
    pub(crate) async fn count(&self) -> usize {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
        ];
        let attributes = (self.sqs.get_queue_attributes().queue_url(&self.url))
            .set_attribute_names(Some(names.into()))
            .send();
        let attributes = attributes.await.expect("the queue is described");
        let counts = attributes.attributes().into_iter().flatten();
        counts
            .map(|(_, count)| count.parse::<usize>().expect("a number"))
            .sum()
    }

    /// Takes out the bodies that have been delivered, in their order.
    pub(crate) async fn take(&self) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let received = (self.sqs.receive_message().queue_url(&self.url))
                .max_number_of_messages(10)
                .wait_time_seconds(0)
                .send();
            let received = received.await.expect("the queue answers");
            if received.messages().is_empty() {
                return bodies;
            }
            for message in received.messages() {
                bodies.push(message.body().unwrap_or_default().to_owned());
                let deleted = (self.sqs.delete_message().queue_url(&self.url))
                    .receipt_handle(message.receipt_handle().unwrap_or_default())
                    .send();
                deleted.await.expect("a received message can be deleted");
            }
        }
    }

    /// The same, each read as JSON.
    pub(crate) async fn take_json(&self) -> Vec<Value> {
        let bodies = self.take().await.into_iter();
        bodies
            .map(|body| serde_json::from_str(&body).expect("the body is JSON"))
            .collect()
    }
}

/// A queue that is subscribed to the topic.
pub(crate) struct Mailbox {
    pub topic: String,
    queue: Queue,
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
        let bodies = self.queue.take().await;
        bodies.iter().map(|body| mail(body)).collect()
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
