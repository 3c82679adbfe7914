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
use super::check::Query;
use super::facts::{
    AclFacts, DhcpFacts, EndpointFacts, Facts, Fetched, GroupFacts, ImdsDefaults, InstanceFacts,
    InterfaceFacts, PolicyNames, ProfileFacts, RegistrationFacts, RoleFacts, RouteTableFacts,
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
pub trait ApiFuture<T>: Future<Output = Result<T, CallError>> + Send {}
impl<T, F: Future<Output = Result<T, CallError>> + Send> ApiFuture<T> for F {}

/// A yes-or-no attribute of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VpcAttribute {
    DnsSupport,
    DnsHostnames,
}

/// The reads that the checks rest on. A list is given whole, all its pages;
/// what is asked for in a list and does not exist is left out of the answer.
pub trait AwsReader: Send + Sync + 'static {
    /// Those of at most [`EC2_FILTER`] `ids` that EC2 knows.
    fn instances(&self, ids: &[InstanceId]) -> impl ApiFuture<Vec<InstanceFacts>>;

    /// The metadata defaults of this account and Region.
    fn imds_defaults(&self) -> impl ApiFuture<ImdsDefaults>;

    /// The instance profile with its role, whose tags and boundary are not read.
    fn profile(&self, name: &str) -> impl ApiFuture<ProfileFacts>;

    /// The role with its tags and boundary.
    fn role(&self, name: &str) -> impl ApiFuture<RoleFacts>;

    /// What IAM says of each of `actions` called on `resource`.
    fn simulation(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> impl ApiFuture<Vec<SimulatedAction>>;

    /// The managed policies attached to a role.
    fn attached_policies(&self, role: &str) -> impl ApiFuture<Vec<String>>;

    fn inline_policies(&self, role: &str) -> impl ApiFuture<Vec<String>>;

    /// The document of an inline policy.
    fn inline_policy(&self, role: &str, name: &str) -> impl ApiFuture<String>;

    /// The document of a managed policy's default version.
    fn managed_policy(&self, arn: &str) -> impl ApiFuture<String>;

    fn groups(&self, ids: &[String]) -> impl ApiFuture<Vec<GroupFacts>>;

    fn acls(&self, vpcs: &[String]) -> impl ApiFuture<Vec<AclFacts>>;

    fn route_tables(&self, vpcs: &[String]) -> impl ApiFuture<Vec<RouteTableFacts>>;

    fn endpoints(&self, vpcs: &[String]) -> impl ApiFuture<Vec<EndpointFacts>>;

    fn interfaces(&self, ids: &[String]) -> impl ApiFuture<Vec<InterfaceFacts>>;

    fn subnets(&self, ids: &[String]) -> impl ApiFuture<Vec<SubnetFacts>>;

    fn vpcs(&self, ids: &[String]) -> impl ApiFuture<Vec<VpcFacts>>;

    fn vpc_attribute(&self, vpc: &str, attribute: VpcAttribute) -> impl ApiFuture<bool>;

    fn dhcp_options(&self, ids: &[String]) -> impl ApiFuture<Vec<DhcpFacts>>;

    /// Those of at most [`NODES_PER_CALL`] `ids` that Systems Manager knows.
    fn registrations(&self, ids: &[InstanceId]) -> impl ApiFuture<Vec<RegistrationFacts>>;

    /// The value of a service setting of this account and Region.
    fn service_setting(&self, id: &str) -> impl ApiFuture<String>;
}

/// What `needs` asks for. What is not read by `until` is given as failed.
pub async fn read<R: AwsReader>(needs: &Needs, reads: &Arc<R>, until: Instant) -> Facts {
    let reader = Reader::new(Arc::clone(reads), until);
    let of_instances = async {
        let ids = needs.wanted(Query::Instance).cloned();
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

type Instances = BTreeMap<InstanceId, Fetched<InstanceFacts>>;

/// The account's metadata defaults, where one of `instances` has its endpoint off.
async fn imds_defaults<R: AwsReader>(
    needs: &Needs,
    instances: &Instances,
    reader: &Reader<R>,
) -> Option<Fetched<ImdsDefaults>> {
    let is_off = |id: &InstanceId| {
        let imds = instances.get(id).and_then(Fetched::found)?.imds.as_ref()?;
        Some(!imds.endpoint_enabled)
    };
    let wanted = needs
        .wanted(Query::ImdsDefaults)
        .any(|id| is_off(id) == Some(true));
    let answers = reader.each(wanted.then_some(()), |reads, ()| async move {
        reads.imds_defaults().await
    });
    answers.await.into_values().next()
}

fn with_defaults(mut instances: Instances, defaults: Option<Fetched<ImdsDefaults>>) -> Instances {
    for read in instances.values_mut() {
        if let Fetched::Found(instance) = read {
            instance.imds_defaults.clone_from(&defaults);
        }
    }
    instances
}

/// The names of a role's policies, by two lists.
async fn policy_names<R: AwsReader>(reads: &R, role: &str) -> Result<PolicyNames, CallError> {
    Ok(PolicyNames {
        attached: reads.attached_policies(role).await?,
        inline: reads.inline_policies(role).await?,
    })
}
