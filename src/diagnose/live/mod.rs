//! Reads what the checks need: each thing once, several at a time, and no
//! longer than the time allows.
//!
//! Who a node is, where it stands in the network and what Systems Manager
//! knows of it are read side by side; within each, what an answer names is
//! read next. A read that is denied, fails or is late is a fact like any
//! other: it says why, and the checks that need it answer `unknown`.

mod identity;
mod network;
mod reader;
mod recent;
mod ssm;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use super::call_error::CallError;
use super::check::Ask;
use super::facts::{
    AclFacts, DhcpFacts, EndpointFacts, Facts, GroupFacts, ImdsDefaults, InstanceFacts,
    InterfaceFacts, PolicyNames, ProfileFacts, Read, RegistrationFacts, RoleFacts, RouteTableFacts,
    SimulatedAction, SubnetFacts, VpcFacts,
};
use super::needs::Needs;
use crate::node::InstanceId;
use reader::Reader;
pub use recent::{ASKED_BEFORE, KEPT, Kept, Recent};

/// Values that one filter of EC2 takes.
pub const EC2_FILTER: usize = 200;

/// Nodes asked about in one DescribeInstanceInformation.
pub const NODES_PER_CALL: usize = 50;

/// The setting that turns Default Host Management on.
pub const DHMC_SETTING: &str = "/ssm/managed-instance/default-ec2-instance-management-role";

/// An answer to come.
pub trait Answer<T>: Future<Output = Result<T, CallError>> + Send {}
impl<T, F: Future<Output = Result<T, CallError>> + Send> Answer<T> for F {}

/// A yes-or-no attribute of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VpcAttribute {
    DnsSupport,
    DnsHostnames,
}

/// The reads that the checks rest on. A list is given whole, all its pages;
/// what is asked for in a list and does not exist is left out of the answer.
pub trait Reads: Send + Sync + 'static {
    /// Those of at most [`EC2_FILTER`] `ids` that EC2 knows.
    fn instances(&self, ids: &[InstanceId]) -> impl Answer<Vec<InstanceFacts>>;

    /// The metadata defaults of this account and Region.
    fn imds_defaults(&self) -> impl Answer<ImdsDefaults>;

    /// The instance profile with its role, whose tags and boundary are not read.
    fn profile(&self, name: &str) -> impl Answer<ProfileFacts>;

    /// The role with its tags and boundary.
    fn role(&self, name: &str) -> impl Answer<RoleFacts>;

    /// What IAM says of each of `actions` called on `resource`.
    fn simulation(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> impl Answer<Vec<SimulatedAction>>;

    /// The managed policies attached to a role.
    fn attached_policies(&self, role: &str) -> impl Answer<Vec<String>>;

    fn inline_policies(&self, role: &str) -> impl Answer<Vec<String>>;

    /// The document of an inline policy.
    fn inline_policy(&self, role: &str, name: &str) -> impl Answer<String>;

    /// The document of a managed policy's default version.
    fn managed_policy(&self, arn: &str) -> impl Answer<String>;

    fn groups(&self, ids: &[String]) -> impl Answer<Vec<GroupFacts>>;

    fn acls(&self, vpcs: &[String]) -> impl Answer<Vec<AclFacts>>;

    fn route_tables(&self, vpcs: &[String]) -> impl Answer<Vec<RouteTableFacts>>;

    fn endpoints(&self, vpcs: &[String]) -> impl Answer<Vec<EndpointFacts>>;

    fn interfaces(&self, ids: &[String]) -> impl Answer<Vec<InterfaceFacts>>;

    fn subnets(&self, ids: &[String]) -> impl Answer<Vec<SubnetFacts>>;

    fn vpcs(&self, ids: &[String]) -> impl Answer<Vec<VpcFacts>>;

    fn vpc_attribute(&self, vpc: &str, attribute: VpcAttribute) -> impl Answer<bool>;

    fn dhcp_options(&self, ids: &[String]) -> impl Answer<Vec<DhcpFacts>>;

    /// Those of at most [`NODES_PER_CALL`] `ids` that Systems Manager knows.
    fn registrations(&self, ids: &[InstanceId]) -> impl Answer<Vec<RegistrationFacts>>;

    /// The value of a service setting of this account and Region.
    fn service_setting(&self, id: &str) -> impl Answer<String>;
}

/// What `needs` asks for. What is not read by `until` is given as failed.
pub async fn read<R: Reads>(needs: &Needs, reads: &Arc<R>, until: Instant) -> Facts {
    let reader = Reader::new(Arc::clone(reads), until);
    let of_instances = async {
        let ids = needs.wanted(Ask::Instance).cloned();
        let instances = reader
            .in_lists(
                ids,
                EC2_FILTER,
                |reads, ids: Vec<InstanceId>| async move { reads.instances(&ids).await },
                |instance: &InstanceFacts| vec![instance.id.clone()],
            )
            .await;
        let (identity, network, defaults) = tokio::join!(
            identity::read(needs, &instances, &reader),
            network::read(needs, &instances, &reader),
            imds_defaults(needs, &instances, &reader),
        );
        (with_defaults(instances, defaults), identity, network)
    };
    let ((instances, identity, network), manager) =
        tokio::join!(of_instances, ssm::read(needs, &reader));
    Facts {
        instances,
        profiles: identity.profiles,
        simulations: identity.simulations,
        policy_names: identity.policy_names,
        inline_policies: identity.inline_policies,
        managed_policies: identity.managed_policies,
        ..manager.with(network)
    }
}

type Instances = BTreeMap<InstanceId, Read<InstanceFacts>>;

/// The account's metadata defaults, where one of `instances` has its endpoint off.
async fn imds_defaults<R: Reads>(
    needs: &Needs,
    instances: &Instances,
    reader: &Reader<R>,
) -> Option<Read<ImdsDefaults>> {
    let is_off = |id: &InstanceId| {
        let imds = instances.get(id).and_then(Read::found)?.imds.as_ref()?;
        Some(!imds.endpoint_enabled)
    };
    let wanted = needs
        .wanted(Ask::ImdsDefaults)
        .any(|id| is_off(id) == Some(true));
    let answers = reader.each(wanted.then_some(()), |reads, ()| async move {
        reads.imds_defaults().await
    });
    answers.await.into_values().next()
}

fn with_defaults(mut instances: Instances, defaults: Option<Read<ImdsDefaults>>) -> Instances {
    for read in instances.values_mut() {
        if let Read::Found(instance) = read {
            instance.imds_defaults.clone_from(&defaults);
        }
    }
    instances
}

/// The names of a role's policies, by two lists.
async fn policy_names<R: Reads>(reads: &R, role: &str) -> Result<PolicyNames, CallError> {
    Ok(PolicyNames {
        attached: reads.attached_policies(role).await?,
        inline: reads.inline_policies(role).await?,
    })
}
