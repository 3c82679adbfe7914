//! Systems Manager: what it knows of nodes, and its settings.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{InstanceInformation, InstanceInformationStringFilter};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::error;
use super::session::{Retry, Session};
use super::whole::{Whole, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::RegistrationFacts;
use crate::node::InstanceId;

/// A client that is built at its first call.
#[derive(Debug)]
pub(crate) struct Ssm {
    effort: Retry,
    client: OnceCell<Client>,
}

impl Ssm {
    pub(crate) fn new(effort: Retry) -> Self {
        Self {
            effort,
            client: OnceCell::new(),
        }
    }

    async fn client(&self, session: &Session) -> &Client {
        self.client
            .get_or_init(|| async {
                let config = aws_sdk_ssm::config::Builder::from(session.config().await)
                    .retry_config(self.effort.retries())
                    .timeout_config(self.effort.timeouts())
                    .interceptor(Whole)
                    .build();
                Client::from_conf(config)
            })
            .await
    }

    /// Those of `ids` that Systems Manager knows in this account and Region.
    pub(crate) async fn registrations(
        &self,
        session: &Session,
        ids: &[InstanceId],
    ) -> Result<Vec<RegistrationFacts>, CallError> {
        const CALL: &str = "DescribeInstanceInformation";
        let filter = InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .set_values(Some(ids.iter().map(ToString::to_string).collect()))
            .build()
            .map_err(|error| CallError::NotSent {
                call: CALL,
                message: error.to_string(),
            })?;
        let mut pages = self
            .client(session)
            .await
            .describe_instance_information()
            .filters(filter)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::read(CALL, e))?;
            let nodes = held(CALL, page.instance_information_list)?;
            found.extend(nodes.iter().filter_map(registration));
        }
        Ok(found)
    }

    /// The value of a service setting of this account and Region.
    pub(crate) async fn service_setting(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<String, CallError> {
        const CALL: &str = "GetServiceSetting";
        let answer = self
            .client(session)
            .await
            .get_service_setting()
            .setting_id(id)
            .send()
            .await
            .map_err(|e| error::read(CALL, e))?;
        let value = answer
            .service_setting()
            .and_then(|setting| setting.setting_value());
        held(CALL, value.map(str::to_owned))
    }
}

/// `None` for a hybrid node.
fn registration(node: &InstanceInformation) -> Option<RegistrationFacts> {
    let last_ping = node.last_ping_date_time().and_then(|at| {
        let millisecond = at.to_millis().ok()?;
        Timestamp::from_millisecond(millisecond).ok()
    });
    Some(RegistrationFacts {
        id: InstanceId::parse(node.instance_id()?)?,
        ping_status: node
            .ping_status()
            .map_or("unknown", |status| status.as_str())
            .to_owned(),
        last_ping,
        agent_version: node.agent_version().map(str::to_owned),
    })
}
