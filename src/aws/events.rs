//! EventBridge: one event put on a bus.

use aws_config::Region;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Builder;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use tokio::sync::OnceCell;

use super::error;
use super::session::{Retry, Session};
use crate::diagnose::call_error::CallError;

const CALL: &str = "PutEvents";

/// What is put on a bus. Limits of EventBridge are the writer's business.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub source: &'a str,
    pub detail_type: &'a str,
    /// ARNs of what it is about.
    pub resources: &'a [String],
    /// One JSON object.
    pub detail: &'a str,
}

/// One event bus, its client built at the first event.
#[derive(Debug)]
pub(crate) struct EventBus {
    name: String,
    client: OnceCell<Client>,
}

impl EventBus {
    /// Of its name or ARN.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            client: OnceCell::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    async fn client(&self, session: &Session) -> &Client {
        let build = || async {
            let mut config = Retry::Standard.apply(session.config().await);
            // A bus takes an event only in its own Region.
            if let Some(region) = self.name.split(':').nth(3) {
                let region = Region::new(region.to_owned());
                config = config.into_builder().region(region).build();
            }
            let config = Builder::from(&config).interceptor(session.calls());
            Client::from_conf(config.build())
        };
        self.client.get_or_init(build).await
    }

    /// Puts one event. EventBridge answers 200 for an entry that it did not take, too:
    /// the entry has an error of its own then.
    pub(crate) async fn put(&self, session: &Session, event: Entry<'_>) -> Result<(), CallError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(event.source)
            .detail_type(event.detail_type)
            .set_resources(Some(event.resources.to_vec()))
            .detail(event.detail)
            .build();
        let answer = (self.client(session).await.put_events())
            .entries(entry)
            .send()
            .await;
        let answer = answer.map_err(|e| error::read(CALL, e))?;
        let refused = answer
            .entries()
            .iter()
            .find(|one| one.error_code().is_some());
        match refused {
            Some(one) => {
                let code = one.error_code().unwrap_or_default();
                let message = one.error_message().unwrap_or("the answer gives no reason");
                Err(error::classify(CALL, 400, Some(code), message))
            }
            None if answer.failed_entry_count() > 0 => {
                Err(error::classify(CALL, 200, None, "the entry was not taken"))
            }
            None => Ok(()),
        }
    }
}
