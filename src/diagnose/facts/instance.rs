//! An instance as EC2 describes it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::identity::ProfileRef;
use crate::node::InstanceId;

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceFacts {
    pub id: InstanceId,
    /// `running`, `stopped`, `terminated` …
    pub state: String,
    pub imds: Option<ImdsFacts>,
    pub profile: Option<ProfileRef>,
    /// Tags `ssm-agent-triage:*` only.
    pub tags: BTreeMap<String, String>,
    /// The service that manages the instance, where EC2 names one.
    pub managed_by: Option<String>,
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    pub network: NetworkPlace,
}

impl InstanceFacts {
    /// Terminated, or on the way there: nothing brings it back.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "terminated" | "shutting-down")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ImdsFacts {
    pub endpoint_enabled: bool,
    pub tokens_required: bool,
    pub hop_limit: Option<i32>,
    /// A change is still `pending`.
    pub pending: bool,
}

/// How an instance is attached to its subnet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkPlace {
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
