//! SNS: one message published.

use std::collections::BTreeMap;

use aws_config::Region;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::types::MessageAttributeValue;
use tokio::sync::OnceCell;

use super::error;
use super::session::{Retry, Session};
use crate::diagnose::call_error::CallError;

/// What is published. Limits of SNS are the writer's business.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publication<'a> {
    pub subject: &'a str,
    pub body: &'a str,
    /// The body is an object with a body for each protocol.
    pub per_protocol: bool,
    /// Sent as String attributes; empty values, which SNS refuses, are left out.
    pub attributes: &'a BTreeMap<String, String>,
    /// Used only for a FIFO topic.
    pub group: &'a str,
    /// Used only for a FIFO topic.
    pub deduplication: &'a str,
}

/// One topic, its client built at the first message.
#[derive(Debug)]
pub(crate) struct Topic {
    arn: String,
    client: OnceCell<Client>,
}

impl Topic {
    pub(crate) fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            client: OnceCell::new(),
        }
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    async fn client(&self, session: &Session) -> &Client {
        let build = || async {
            let mut config = Retry::Standard.apply(session.config().await);
            // SNS takes a message only in the topic's own Region.
            if let Some(region) = self.arn.split(':').nth(3).filter(|r| !r.is_empty()) {
                let region = Region::new(region.to_owned());
                config = config.into_builder().region(region).build();
            }
            let config = Builder::from(&config).interceptor(session.calls());
            Client::from_conf(config.build())
        };
        self.client.get_or_init(build).await
    }

    pub(crate) async fn publish(
        &self,
        session: &Session,
        publication: Publication<'_>,
    ) -> Result<(), CallError> {
        let mut request = (self.client(session).await.publish())
            .topic_arn(&self.arn)
            .subject(publication.subject)
            .message(publication.body)
            .set_message_structure((publication.per_protocol).then(|| "json".to_owned()));
        for (name, value) in publication.attributes {
            let attribute = MessageAttributeValue::builder().data_type("String");
            if let (false, Ok(value)) = (value.is_empty(), attribute.string_value(value).build()) {
                request = request.message_attributes(name, value);
            }
        }
        // On a standard topic a group id would be accepted and mean fair
        // queues, a deduplication id would be refused.
        if self.arn.ends_with(".fifo") {
            request = request
                .message_group_id(publication.group)
                .message_deduplication_id(publication.deduplication);
        }
        let answer = request.send().await;
        answer.map(|_| ()).map_err(|e| error::read("Publish", e))
    }
}
