//! A node as Systems Manager knows it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Fetched;
use crate::node::{InstanceId, NodeId};

#[derive(Debug, Clone, PartialEq)]
pub struct RegistrationFacts {
    /// Of an EC2 instance or a hybrid node.
    pub id: NodeId,
    /// `Online`, `ConnectionLost` or `Inactive`.
    pub ping_status: String,
    /// When the agent last called UpdateInstanceInformation.
    pub last_ping: Option<Timestamp>,
    pub agent_version: Option<String>,
    /// What the node is called: by its registration, else its host name.
    pub name: Option<String>,
    /// `AWS::SSM::ManagedInstance`, `AWS::EC2::Instance`,
    /// `Microsoft.Compute/virtualMachines` …
    pub source_type: Option<String>,
    /// The activation by which a hybrid node was registered.
    pub activation: Option<String>,
}

/// A hybrid activation: what registers further nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivationFacts {
    pub id: String,
    pub expired: bool,
    pub expires: Option<Timestamp>,
    /// Nodes that it may register, and has registered.
    pub limit: i32,
    pub used: i32,
}

/// What Systems Manager knows of each node that it was asked about.
pub type Registrations = BTreeMap<NodeId, Fetched<RegistrationFacts>>;

/// Whether Systems Manager says that this instance does not report, or never did.
pub fn is_silent(id: &InstanceId, registrations: &Registrations) -> bool {
    match registrations.get(&NodeId::Instance(id.clone())) {
        Some(Fetched::Found(found)) => !found.is_online(),
        Some(Fetched::Missing) => true,
        Some(Fetched::Failed(_)) | None => false,
    }
}

impl RegistrationFacts {
    pub fn is_online(&self) -> bool {
        self.ping_status.eq_ignore_ascii_case("Online")
    }

    /// Systems Manager has not heard of it for more than five minutes.
    pub fn is_lost(&self) -> bool {
        let is = |status: &str| self.ping_status.eq_ignore_ascii_case(status);
        is("ConnectionLost") || is("Inactive")
    }
}
