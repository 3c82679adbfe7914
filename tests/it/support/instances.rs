//! Instances in the account of a test, made and looked at through the real SDK.

use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceMetadataEndpointState,
    InstanceMetadataOptionsResponse, InstanceType, LaunchTemplateSpecification, ResourceType, Tag,
    TagSpecification,
};

use super::account::Account;

pub(crate) const TAG: &str = "ssm-agent-triage:repair";

/// An instance to be made: running, its metadata service on, without name,
/// profile and tag, in the account's default network.
#[derive(Default, Clone, Copy)]
pub(crate) struct Launch<'a> {
    pub name: Option<&'a str>,
    pub profile: Option<&'a str>,
    pub imds_off: bool,
    /// The value of the tag that allows repairs.
    pub tag: Option<&'a str>,
    /// A subnet and a security group.
    pub network: Option<(&'a str, &'a str)>,
    /// The id of a launch template.
    pub template: Option<&'a str>,
}

impl<'a> Launch<'a> {
    /// Metadata service off, tagged for repair.
    pub(crate) const DARK: Self = Self {
        imds_off: true,
        ..Self::LIT
    };
    pub(crate) const DARK_UNTAGGED: Self = Self {
        tag: None,
        ..Self::DARK
    };
    /// Metadata service on, tagged for repair.
    pub(crate) const LIT: Self = Self {
        name: None,
        profile: None,
        imds_off: false,
        tag: Some("allow"),
        network: None,
        template: None,
    };

    pub(crate) fn with_profile(profile: &'a str) -> Self {
        Self {
            profile: Some(profile),
            ..Self::default()
        }
    }
}

impl Account {
    /// Launches an instance and returns its id.
    pub(crate) async fn launch(&self, launch: Launch<'_>) -> String {
        let tags = [("Name", launch.name), (TAG, launch.tag)];
        let tags = tags.into_iter().filter_map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value?);
            Some(tag.build())
        });
        let tags: Vec<Tag> = tags.collect();
        let tags = (!tags.is_empty()).then(|| {
            let specification = TagSpecification::builder();
            let specification = specification.resource_type(ResourceType::Instance);
            vec![specification.set_tags(Some(tags)).build()]
        });
        let profile = launch.profile.map(|name| {
            let profile = IamInstanceProfileSpecification::builder();
            profile.name(name).build()
        });
        let template = launch.template.map(|id| {
            let template = LaunchTemplateSpecification::builder();
            template.launch_template_id(id).version("1").build()
        });
        let (subnet, group) = launch.network.unzip();
        let launched = self
            .ec2()
            .run_instances()
            .image_id("ami-12c6146b")
            .instance_type(InstanceType::T3Micro)
            .min_count(1)
            .max_count(1)
            .set_iam_instance_profile(profile)
            .set_tag_specifications(tags)
            .set_launch_template(template)
            .set_subnet_id(subnet.map(str::to_owned))
            .set_security_group_ids(group.map(|group| vec![group.to_owned()]))
            .send()
            .await
            .expect("the instance starts");
        let id = launched.instances()[0]
            .instance_id()
            .expect("an instance has an id")
            .to_owned();
        self.set_imds(&id, !launch.imds_off).await;
        id
    }

    /// Sets the metadata options; the rest of the block is as hardened
    /// instances have it.
    pub(crate) async fn set_imds(&self, instance: &str, on: bool) {
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
    pub(crate) async fn imds(&self, instance: &str) -> InstanceMetadataOptionsResponse {
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

    pub(crate) async fn imds_is_on(&self, instance: &str) -> bool {
        self.imds(instance).await.http_endpoint() == Some(&InstanceMetadataEndpointState::Enabled)
    }
}
