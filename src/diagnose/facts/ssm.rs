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
