//! Systems Manager: what it knows of nodes, and its settings.

pub(crate) mod ops_items;

use aws_sdk_ssm::types::{
    Activation, DescribeActivationsFilter, DescribeActivationsFilterKeys, InstanceInformation,
    InstanceInformationStringFilter, PingStatus,
};

use super::error;
use super::live::LiveState;
use super::timestamp;
use super::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{ActivationFacts, RegistrationFacts};
use crate::diagnose::live::{
    CalendarState, Call, GetCalendarState, GetDocument, GetServiceSetting, List, ListNodes, Reads,
};
use crate::node::NodeId;

impl Reads<List<RegistrationFacts>> for LiveState {
    async fn read(
        &self,
        List(ids): &List<RegistrationFacts>,
    ) -> Result<Vec<RegistrationFacts>, CallError> {
        let ids = ids.iter().map(ToString::to_string).collect();
        self.registered(Some(("InstanceIds", ids))).await
    }
}

impl Reads<ListNodes> for LiveState {
    async fn read(&self, nodes: &ListNodes) -> Result<Vec<RegistrationFacts>, CallError> {
        match nodes {
            ListNodes::All => self.registered(None).await,
            ListNodes::Lost => {
                let lost = [PingStatus::ConnectionLost, PingStatus::Inactive];
                let lost = lost.map(|status| status.as_str().to_owned()).to_vec();
                self.registered(Some(("PingStatus", lost))).await
            }
            ListNodes::Tagged(key, value) => {
                let key = format!("tag:{key}");
                self.registered(Some((&key, vec![value.clone()]))).await
            }
        }
    }
}

impl LiveState {
    /// All pages of the nodes that this filter finds, its key and values.
    async fn registered(
        &self,
        filter: Option<(&str, Vec<String>)>,
    ) -> Result<Vec<RegistrationFacts>, CallError> {
        const CALL: &str = List::<RegistrationFacts>::NAME;
        let mut request = self.ssm().await.describe_instance_information();
        if let Some((key, values)) = filter {
            let filter = InstanceInformationStringFilter::builder().key(key);
            let filter = filter.set_values(Some(values)).build();
            request = request.filters(filter.map_err(|error| CallError::NotSent {
                call: CALL,
                message: error.to_string(),
            })?);
        }
        let request = request.max_results(PAGE);
        all_pages!(CALL, request, |page| {
            let nodes = held(CALL, page.instance_information_list)?;
            nodes.into_iter().filter_map(|node| registration(&node))
        })
    }
}

/// The most of a page.
const PAGE: i32 = 50;

impl Reads<GetServiceSetting> for LiveState {
    async fn read(&self, GetServiceSetting(id): &GetServiceSetting) -> Result<String, CallError> {
        const CALL: &str = GetServiceSetting::NAME;
        let request = self.ssm().await.get_service_setting().setting_id(id);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        let setting = answer
            .service_setting
            .and_then(|setting| setting.setting_value);
        held(CALL, setting)
    }
}

impl Reads<GetCalendarState> for LiveState {
    async fn read(
        &self,
        GetCalendarState(names): &GetCalendarState,
    ) -> Result<CalendarState, CallError> {
        const CALL: &str = GetCalendarState::NAME;
        let request = self.ssm().await.get_calendar_state();
        let request = request.set_calendar_names(Some(names.clone()));
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        Ok(CalendarState {
            is_open: held(CALL, answer.state)? == aws_sdk_ssm::types::CalendarState::Open,
            until: answer.next_transition_time,
        })
    }
}

impl Reads<List<ActivationFacts>> for LiveState {
    async fn read(
        &self,
        List(ids): &List<ActivationFacts>,
    ) -> Result<Vec<ActivationFacts>, CallError> {
        const CALL: &str = List::<ActivationFacts>::NAME;
        let filter = DescribeActivationsFilter::builder()
            .filter_key(DescribeActivationsFilterKeys::ActivationIds)
            .set_filter_values(Some(ids.clone()));
        let request = self.ssm().await.describe_activations();
        let request = request.filters(filter.build());
        all_pages!(CALL, request, |page| each_held(
            CALL,
            page.activation_list,
            activation
        )?)
    }
}

impl Reads<GetDocument> for LiveState {
    async fn read(&self, GetDocument(name): &GetDocument) -> Result<String, CallError> {
        const CALL: &str = GetDocument::NAME;
        let request = self.ssm().await.get_document().name(name);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        held(CALL, answer.content)
    }
}

fn activation(one: &Activation) -> Option<ActivationFacts> {
    Some(ActivationFacts {
        id: one.activation_id()?.to_owned(),
        expired: one.expired(),
        expires: one.expiration_date().and_then(timestamp),
        limit: one.registration_limit().unwrap_or(1),
        used: one.registrations_count().unwrap_or(0),
    })
}

/// `None` for what is no node id.
fn registration(node: &InstanceInformation) -> Option<RegistrationFacts> {
    Some(RegistrationFacts {
        id: NodeId::parse(node.instance_id()?)?,
        ping_status: node
            .ping_status()
            .map_or("unknown", |status| status.as_str())
            .to_owned(),
        last_ping: node.last_ping_date_time().and_then(timestamp),
        agent_version: node.agent_version().map(str::to_owned),
        name: node.name().or(node.computer_name()).map(str::to_owned),
        source_type: node.source_type().map(|kind| kind.as_str().to_owned()),
        activation: node.activation_id().map(str::to_owned),
    })
}
