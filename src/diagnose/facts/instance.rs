//! An instance as EC2 describes it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use super::Fetched;
use super::identity::ProfileRef;
use crate::node::InstanceId;

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceFacts {
    pub id: InstanceId,
    /// When it was started last, where EC2 says so.
    pub launched_at: Option<Timestamp>,
    /// Its `Name` tag.
    pub name: Option<String>,
    /// `running`, `stopped`, `terminated` …
    pub state: String,
    pub launch: LaunchFacts,
    pub imds: Option<ImdsFacts>,
    /// The account's defaults for its Region; `None` where they were not asked
    /// about.
    pub imds_defaults: Option<Fetched<ImdsDefaults>>,
    pub profile: Option<ProfileRef>,
    /// Tags `ssm-agent-triage:*` only.
    pub tags: BTreeMap<String, String>,
    /// The service that manages the instance, where EC2 names one.
    pub managed_by: Option<String>,
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    pub network: NetworkPlace,
}

/// A running instance, of a list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningInstance {
    pub id: InstanceId,
    /// When it was started last, where EC2 says so.
    pub launched_at: Option<Timestamp>,
}

impl InstanceFacts {
    /// Terminated, or on the way there: nothing brings it back.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "terminated" | "shutting-down")
    }

    /// What forbids to switch the metadata endpoint on. Defaults that could not
    /// be read forbid nothing.
    pub fn imds_bar(&self) -> Option<ImdsBar> {
        let defaults = self.imds_defaults.as_ref()?.found()?;
        if defaults.declared && defaults.endpoint_enabled == Some(false) {
            let message = defaults.exception_message.clone();
            return Some(ImdsBar::Declared { message });
        }
        let optional = self.imds.as_ref().is_some_and(|imds| !imds.tokens_required);
        (defaults.tokens_enforced && optional).then_some(ImdsBar::TokensEnforced)
    }
}

/// As what an instance was started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaunchFacts {
    /// The id of the image.
    pub image: Option<String>,
    /// The launch template with its version, by the tags that EC2 sets.
    pub template: Option<(String, String)>,
    /// On the Nitro hypervisor, which gives the console output as it is now.
    pub nitro: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ImdsFacts {
    pub endpoint_enabled: bool,
    pub tokens_required: bool,
    pub hop_limit: Option<i32>,
    /// A change is still `pending`.
    pub pending: bool,
}

/// The metadata defaults of the account in a Region, which an instance takes
/// over at its launch where neither the launch nor the image says otherwise
/// ("Order of precedence for instance metadata options").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImdsDefaults {
    /// `HttpEndpoint`; `None` is no preference.
    pub endpoint_enabled: Option<bool>,
    /// `HttpTokensEnforced`: no instance may have IMDSv1.
    pub tokens_enforced: bool,
    /// `ManagedBy` is `declarative-policy`: set by the organization, and not to
    /// be changed within the account.
    pub declared: bool,
    /// What the declarative policy has to say to whoever tries.
    pub exception_message: Option<String>,
}

/// Why an instance's metadata endpoint must stay off although a call could ask
/// for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImdsBar {
    /// A declarative policy of the organization sets `HttpEndpoint` to disabled.
    Declared { message: Option<String> },
    /// The account enforces IMDSv2, and the instance would answer IMDSv1.
    TokensEnforced,
}

/// How an instance is attached to its subnet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkPlace {
    /// The account that the instance belongs to, where EC2 names it.
    pub owner: Option<String>,
    /// The addresses of the primary interface inside the VPC, IPv6 ones too.
    pub addresses: Vec<IpAddr>,
    /// It has a public IPv4 address or an Elastic IP.
    pub public: bool,
    /// The security groups of the primary interface.
    pub groups: Vec<String>,
    /// It has further interfaces: which one a packet leaves by is the host's
    /// matter.
    pub more_interfaces: bool,
}
