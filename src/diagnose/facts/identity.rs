//! Profiles, roles and what they may do, as IAM holds them.

use std::collections::BTreeMap;

use super::Fetched;

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
    pub tags: Fetched<BTreeMap<String, String>>,
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

/// What IAM's simulator answered for one role, the policies of the
/// organisation left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Simulated {
    pub actions: Vec<SimulatedAction>,
}

impl Simulated {
    pub fn answer(&self, action: &str, arn: &str) -> Option<&SimulatedAction> {
        let mut answers = self.actions.iter();
        answers.find(|one| one.action.eq_ignore_ascii_case(action) && one.resource == arn)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedAction {
    pub action: String,
    /// The ARN that was asked about; one with a `*` stands for all of its form.
    pub resource: String,
    pub decision: Decision,
    /// The policies whose statements decided.
    pub policies: Vec<String>,
    /// A condition asks for values that the simulation was not given.
    pub lacks_context: bool,
    /// `Some(false)`: the permissions boundary stops it.
    pub boundary_allows: Option<bool>,
    /// `Some(false)`: by the simulator a policy of the organisation stops it.
    /// On a real call its conditions may turn out otherwise.
    pub organization_allows: Option<bool>,
}

/// Why the simulator's answer does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A condition asks for values that the simulation was not given.
    Context,
    /// Nothing allows it on all resources of the form; one may be named.
    Resource,
    /// A policy of the organisation decided.
    Organization,
}

impl SimulatedAction {
    pub fn doubt(&self) -> Option<Doubt> {
        if self.organization_allows == Some(false) {
            Some(Doubt::Organization)
        } else if self.lacks_context {
            Some(Doubt::Context)
        } else {
            let open = self.decision == Decision::ImplicitDeny && self.resource.contains('*');
            open.then_some(Doubt::Resource)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
}
