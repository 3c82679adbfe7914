//! A node as Systems Manager knows it.

use jiff::Timestamp;

use crate::node::NodeId;

#[derive(Debug, Clone, PartialEq)]
pub struct RegistrationFacts {
    /// Of an EC2 instance or a hybrid node.
    pub id: NodeId,
    /// `Online`, `ConnectionLost` or `Inactive`.
    pub ping_status: String,
    /// When the agent last called UpdateInstanceInformation.
    pub last_ping: Option<Timestamp>,
    pub agent_version: Option<String>,
}
