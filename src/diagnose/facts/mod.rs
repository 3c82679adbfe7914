//! Live state as the checks read it: plain values, no SDK types.

mod health;
mod identity;
mod instance;
mod network;
mod session;
mod ssm;

use std::collections::BTreeMap;

use crate::node::InstanceId;

pub use health::{ConsoleFacts, ScheduledEvent, StatusFacts};
pub use identity::{
    Decision, Doubt, PolicyNames, ProfileFacts, ProfileRef, RoleFacts, Simulated, SimulatedAction,
};
pub use instance::{
    ImdsBar, ImdsDefaults, ImdsFacts, InstanceFacts, LaunchFacts, NetworkPlace, RunningInstance,
};
pub use network::{
    AclEntry, AclFacts, Destination, DhcpFacts, EndpointFacts, GroupFacts, GroupRule,
    InterfaceFacts, Peer, Ports, Protocol, RouteFacts, RouteTableFacts, RouteTarget, SubnetFacts,
    VpcFacts,
};
pub use session::{KeyFacts, SessionFacts};
pub use ssm::{ActivationFacts, RegistrationFacts, Registrations, is_silent};

/// Tags under this prefix are ours; no other tag is kept.
pub const OPT_IN_TAG_PREFIX: &str = "ssm-agent-triage:";

/// What was read for one invocation. A value that is missing was not asked
/// for; a value that could not be read says why.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub instances: BTreeMap<InstanceId, Fetched<InstanceFacts>>,
    /// EC2's status checks of each instance that runs.
    pub statuses: BTreeMap<InstanceId, Fetched<StatusFacts>>,
    /// The console of instances that do not report.
    pub consoles: BTreeMap<InstanceId, Fetched<ConsoleFacts>>,
    /// Whether a launch template enables the metadata service, where it says so, by its
    /// id and version.
    pub templates: BTreeMap<(String, String), Fetched<Option<bool>>>,
    /// By instance profile name.
    pub profiles: BTreeMap<String, Fetched<ProfileFacts>>,
    /// What IAM's simulator says of each role, by role name.
    pub simulations: BTreeMap<String, Fetched<Simulated>>,
    /// The policies of each role that could not be simulated, by role name.
    pub policy_names: BTreeMap<String, Fetched<PolicyNames>>,
    /// Inline policy documents, by role name and policy name.
    pub inline_policies: BTreeMap<(String, String), Fetched<String>>,
    /// Managed policy documents, boundaries among them, by ARN.
    pub managed_policies: BTreeMap<String, Fetched<String>>,
    pub groups: BTreeMap<String, Fetched<GroupFacts>>,
    /// All network ACLs of a VPC, by VPC id.
    pub acls: BTreeMap<String, Fetched<Vec<AclFacts>>>,
    /// All route tables of a VPC, by VPC id.
    pub route_tables: BTreeMap<String, Fetched<Vec<RouteTableFacts>>>,
    /// All endpoints of a VPC, by VPC id.
    pub endpoints: BTreeMap<String, Fetched<Vec<EndpointFacts>>>,
    /// The network interfaces of endpoints, by interface id.
    pub interfaces: BTreeMap<String, Fetched<InterfaceFacts>>,
    pub subnets: BTreeMap<String, Fetched<SubnetFacts>>,
    pub vpcs: BTreeMap<String, Fetched<VpcFacts>>,
    /// `enableDnsSupport`, by VPC id.
    pub dns_support: BTreeMap<String, Fetched<bool>>,
    /// `enableDnsHostnames`, by VPC id.
    pub dns_hostnames: BTreeMap<String, Fetched<bool>>,
    /// By DHCP option set id.
    pub dhcp_options: BTreeMap<String, Fetched<DhcpFacts>>,
    /// What Systems Manager knows of each node.
    pub registrations: Registrations,
    /// By the id of the activation.
    pub activations: BTreeMap<String, Fetched<ActivationFacts>>,
    pub session: SessionFacts,
    /// The Default Host Management setting: the role it names, with its path,
    /// or `$None`.
    pub dhmc_setting: Option<Fetched<String>>,
    /// The role that the setting names.
    pub dhmc_role: Option<Fetched<RoleFacts>>,
}

/// The outcome of one look at live state.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched<T> {
    Found(T),
    /// AWS answered that it does not exist.
    Missing,
    /// Denied, throttled, timed out …: one sentence that says so.
    Failed(String),
}

impl<T> Fetched<T> {
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Missing | Self::Failed(_) => None,
        }
    }
}

/// What was read of one thing, or why nothing is known of it: a clause.
pub fn known<'a, T>(read: Option<&'a Fetched<T>>, what: &str) -> Result<&'a T, String> {
    match read {
        Some(Fetched::Found(value)) => Ok(value),
        Some(Fetched::Missing) => Err(format!("{what} was not found")),
        Some(Fetched::Failed(why)) => Err(format!("{what} could not be read: {why}")),
        None => Err(format!("{what} was not read")),
    }
}

impl Facts {
    /// The role that the instance's own profile holds.
    pub fn role_of(&self, instance: &InstanceFacts) -> Option<&RoleFacts> {
        let profile = self.profiles.get(&instance.profile.as_ref()?.name)?;
        profile.found()?.role.as_ref()
    }
}
