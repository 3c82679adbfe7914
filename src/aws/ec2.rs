//! EC2: instances and their network read.

mod health;
mod network;
mod running;

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_sdk_ec2::types::{
    Filter, HttpTokensEnforcedState, HttpTokensState, HypervisorType, IamInstanceProfile, Instance,
    InstanceMetadataDefaultsResponse, InstanceMetadataEndpointState,
    InstanceMetadataOptionsResponse, InstanceMetadataOptionsState,
    LaunchTemplateInstanceMetadataEndpointState as TemplateEndpoint, ManagedBy,
};

use super::error;
use super::live::LiveState;
use super::timestamp;
use super::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    ImdsDefaults, ImdsFacts, InstanceFacts, LaunchFacts, NetworkPlace, OPT_IN_TAG_PREFIX,
    ProfileRef,
};
use crate::diagnose::live::{
    Call, DescribeLaunchTemplateVersions, GetInstanceMetadataDefaults, List, Reads,
};
use crate::node::InstanceId;
use crate::sort;

/// By filter and not by ids: one unknown id would fail the whole call.
fn filter(name: &str, values: &[impl ToString]) -> Filter {
    let values = values.iter().map(ToString::to_string).collect();
    let filter = Filter::builder().name(name);
    filter.set_values(Some(values)).build()
}

impl Reads<List<InstanceFacts>> for LiveState {
    async fn read(&self, List(ids): &List<InstanceFacts>) -> Result<Vec<InstanceFacts>, CallError> {
        const CALL: &str = List::<InstanceFacts>::NAME;
        let request = (self.ec2().await.describe_instances())
            .filters(filter("instance-id", ids))
            // Instances that EKS, ECS or Lambda run are left out of lists else.
            .include_managed_resources(true);
        all_pages!(CALL, request, |page| {
            let mut found = Vec::new();
            for reservation in held(CALL, page.reservations)? {
                let owner = reservation.owner_id.as_ref();
                found.extend(each_held(CALL, reservation.instances, |instance| {
                    instance_facts(instance, owner)
                })?);
            }
            found
        })
    }
}

impl Reads<DescribeLaunchTemplateVersions> for LiveState {
    async fn read(&self, call: &DescribeLaunchTemplateVersions) -> Result<Option<bool>, CallError> {
        const CALL: &str = DescribeLaunchTemplateVersions::NAME;
        let (template, version) = &call.0;
        let request = self.ec2().await.describe_launch_template_versions();
        let request = request.launch_template_id(template).versions(version);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        let mut versions = held(CALL, answer.launch_template_versions)?.into_iter();
        let version = held(CALL, versions.next())?;
        let data = held(CALL, version.launch_template_data)?;
        let endpoint = data
            .metadata_options
            .and_then(|options| options.http_endpoint);
        Ok(endpoint.map(|endpoint| endpoint != TemplateEndpoint::Disabled))
    }
}

impl Reads<GetInstanceMetadataDefaults> for LiveState {
    async fn read(&self, _: &GetInstanceMetadataDefaults) -> Result<ImdsDefaults, CallError> {
        const CALL: &str = GetInstanceMetadataDefaults::NAME;
        let request = self.ec2().await.get_instance_metadata_defaults();
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        Ok(imds_defaults(&held(CALL, answer.account_level)?))
    }
}

/// `None` when the answer lacks what every instance has: an id that is one, and
/// a state.
fn instance_facts(instance: &Instance, owner: Option<&String>) -> Option<InstanceFacts> {
    let id = InstanceId::parse(instance.instance_id()?)?;
    let state = instance.state()?.name()?;
    let managed = instance
        .operator()
        .filter(|operator| operator.managed() == Some(true));
    Some(InstanceFacts {
        id,
        launched_at: instance.launch_time().and_then(timestamp),
        name: tag(instance, "Name"),
        state: state.as_str().to_owned(),
        launch: LaunchFacts {
            image: instance.image_id().map(str::to_owned),
            template: tag(instance, "aws:ec2launchtemplate:id")
                .zip(tag(instance, "aws:ec2launchtemplate:version")),
            nitro: instance.hypervisor() == Some(&HypervisorType::from("nitro")),
        },
        imds: instance.metadata_options().and_then(imds_facts),
        imds_defaults: None,
        profile: match instance.iam_instance_profile() {
            Some(profile) => Some(profile_ref(profile)?),
            None => None,
        },
        tags: opt_in_tags(
            instance
                .tags()
                .iter()
                .filter_map(|tag| Some((tag.key()?, tag.value()?))),
        ),
        managed_by: managed.map(|operator| operator.principal().unwrap_or("EC2").to_owned()),
        vpc: instance.vpc_id().map(str::to_owned),
        subnet: instance.subnet_id().map(str::to_owned),
        network: network_place(instance, owner),
    })
}

fn tag(instance: &Instance, key: &str) -> Option<String> {
    let mut tags = instance.tags().iter();
    let tag = tags.find(|tag| tag.key() == Some(key))?;
    let value = tag.value().filter(|value| !value.is_empty());
    value.map(str::to_owned)
}

fn profile_ref(profile: &IamInstanceProfile) -> Option<ProfileRef> {
    let arn = profile.arn()?;
    let (_, name) = arn.rsplit_once('/')?;
    Some(ProfileRef {
        name: name.to_owned(),
        arn: arn.to_owned(),
        id: profile.id().unwrap_or_default().to_owned(),
    })
}

/// By the primary interface: what the instance itself lists may be incomplete.
fn network_place(instance: &Instance, owner: Option<&String>) -> NetworkPlace {
    let interfaces = instance.network_interfaces();
    let primary = interfaces.iter().find(|interface| {
        let attachment = interface.attachment();
        attachment.and_then(|attachment| attachment.device_index()) == Some(0)
    });
    let primary = primary.or(interfaces.first());
    let mut groups: Vec<String> = match primary {
        Some(primary) => primary.groups(),
        None => instance.security_groups(),
    }
    .iter()
    .filter_map(|group| Some(group.group_id()?.to_owned()))
    .collect();
    sort::by(&mut groups, Ord::cmp);
    groups.dedup();
    let mut addresses: Vec<IpAddr> = Vec::new();
    let v6 = primary
        .map(|primary| primary.ipv6_addresses())
        .unwrap_or_default();
    let texts = instance
        .private_ip_address()
        .into_iter()
        .chain(v6.iter().filter_map(|one| one.ipv6_address()));
    addresses.extend(texts.filter_map(|text| text.parse::<IpAddr>().ok()));
    NetworkPlace {
        owner: owner.cloned(),
        addresses,
        public: instance
            .public_ip_address()
            .is_some_and(|ip| !ip.is_empty()),
        groups,
        more_interfaces: interfaces.len() > 1,
    }
}

/// `None` when EC2 does not say whether the endpoint is on.
fn imds_facts(options: &InstanceMetadataOptionsResponse) -> Option<ImdsFacts> {
    let endpoint_enabled = match options.http_endpoint()? {
        InstanceMetadataEndpointState::Enabled => true,
        InstanceMetadataEndpointState::Disabled => false,
        _ => return None,
    };
    Some(ImdsFacts {
        endpoint_enabled,
        tokens_required: options.http_tokens() == Some(&HttpTokensState::Required),
        hop_limit: options.http_put_response_hop_limit(),
        pending: options.state() == Some(&InstanceMetadataOptionsState::Pending),
    })
}

fn imds_defaults(defaults: &InstanceMetadataDefaultsResponse) -> ImdsDefaults {
    ImdsDefaults {
        endpoint_enabled: match defaults.http_endpoint() {
            Some(InstanceMetadataEndpointState::Enabled) => Some(true),
            Some(InstanceMetadataEndpointState::Disabled) => Some(false),
            Some(_) | None => None,
        },
        tokens_enforced: defaults.http_tokens_enforced() == Some(&HttpTokensEnforcedState::Enabled),
        declared: defaults.managed_by() == Some(&ManagedBy::DeclarativePolicy),
        exception_message: defaults
            .managed_exception_message()
            .map(str::trim)
            .filter(|message| !message.is_empty())
            .map(str::to_owned),
    }
}

/// Only our own tags: the others are nobody's business here.
pub(super) fn opt_in_tags<'a>(
    tags: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    tags.filter(|(key, _)| key.starts_with(OPT_IN_TAG_PREFIX))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{InstanceState, InstanceStateName, OperatorResponse, Tag};

    #[test]
    fn an_instance_is_read_as_plain_facts() {
        let instance = Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .state(
                InstanceState::builder()
                    .name(InstanceStateName::Running)
                    .build(),
            )
            .metadata_options(
                InstanceMetadataOptionsResponse::builder()
                    .http_endpoint(InstanceMetadataEndpointState::Disabled)
                    .http_tokens(HttpTokensState::Optional)
                    .http_put_response_hop_limit(2)
                    .state(InstanceMetadataOptionsState::Pending)
                    .build(),
            )
            .iam_instance_profile(
                IamInstanceProfile::builder()
                    .arn("arn:aws:iam::111122223333:instance-profile/team/Web")
                    .id("AIPAEXAMPLE")
                    .build(),
            )
            .operator(
                OperatorResponse::builder()
                    .managed(true)
                    .principal("eks.amazonaws.com")
                    .build(),
            )
            .tags(Tag::builder().key("Name").value("web-1").build())
            .tags(
                Tag::builder()
                    .key("ssm-agent-triage:repair")
                    .value("allow")
                    .build(),
            )
            .subnet_id("subnet-1")
            .build();
        let facts = instance_facts(&instance, None).expect("the id is one");
        assert_eq!(
            (facts.state.as_str(), facts.name.as_deref()),
            ("running", Some("web-1"))
        );
        assert_eq!(
            facts.imds,
            Some(ImdsFacts {
                endpoint_enabled: false,
                tokens_required: false,
                hop_limit: Some(2),
                pending: true,
            })
        );
        assert_eq!(facts.profile.map(|p| p.name).as_deref(), Some("Web"));
        assert_eq!(facts.managed_by.as_deref(), Some("eks.amazonaws.com"));
        assert_eq!(
            facts.tags.into_iter().collect::<Vec<_>>(),
            [("ssm-agent-triage:repair".to_owned(), "allow".to_owned())]
        );
        assert_eq!(
            (facts.vpc, facts.subnet.as_deref()),
            (None, Some("subnet-1"))
        );
    }

    #[test]
    fn an_endpoint_state_that_ec2_does_not_tell_is_not_guessed() {
        let silent = InstanceMetadataOptionsResponse::builder().build();
        assert_eq!(imds_facts(&silent), None);
        let new = InstanceMetadataOptionsResponse::builder()
            .http_endpoint("halfway".into())
            .build();
        assert_eq!(imds_facts(&new), None);
    }
}
