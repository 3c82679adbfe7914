//! Profiles, roles and what they may do, as IAM holds them.

use std::collections::BTreeMap;

use super::Read;
use crate::node::InstanceId;

/// The instance profile that an instance names.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRef {
    pub name: String,
    pub arn: String,
    pub id: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ProfileFacts {
    pub name: String,
    pub id: String,
    pub role: Option<RoleFacts>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RoleFacts {
    pub name: String,
    pub arn: String,
    pub path: String,
    /// The trust policy, URL-decoded, as IAM holds it.
    pub trust_policy: String,
    /// From GetRole alone: `Missing` says that the role does not exist.
    pub tags: Read<BTreeMap<String, String>>,
    /// The ARN of its permissions boundary. From GetRole alone, like the tags.
    pub boundary: Option<String>,
}

impl RoleFacts {
    /// The account that the role is in.
    pub fn account(&self) -> Option<&str> {
        self.arn.split(':').nth(4).filter(|id| !id.is_empty())
    }
}

/// The names of a role's policies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyNames {
    /// ARNs of the managed policies that are attached.
    pub attached: Vec<String>,
    pub inline: Vec<String>,
}

/// What IAM's simulator answered for one role.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// The instance whose ARN stood for the resource.
    pub instance: InstanceId,
    pub actions: Vec<SimulatedAction>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedAction {
    pub action: String,
    pub decision: Decision,
    /// The policies whose statements decided.
    pub policies: Vec<String>,
    /// A condition asks for values that the simulation was not given.
    pub lacks_context: bool,
    /// `Some(false)`: the permissions boundary stops it.
    pub boundary_allows: Option<bool>,
    /// `Some(false)`: a policy of the organisation stops it.
    pub organization_allows: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
}
