//! Live state as the checks read it: plain values, no SDK types.

use std::collections::BTreeMap;

use crate::node::InstanceId;

/// Tags under this prefix are ours; no other tag is kept.
pub const OPT_IN_TAG_PREFIX: &str = "ssm-agent-triage:";

/// What was read for one invocation. A value that is missing was not asked
/// for; a value that could not be read says why.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub instances: BTreeMap<InstanceId, Read<InstanceFacts>>,
    /// By instance profile name.
    pub profiles: BTreeMap<String, Read<ProfileFacts>>,
}

/// The outcome of one look at live state.
#[derive(Debug, Clone, PartialEq)]
pub enum Read<T> {
    Found(T),
    /// AWS answered that it does not exist.
    Missing,
    /// Denied, throttled, timed out …: one sentence that says so.
    Failed(String),
}

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
}

impl InstanceFacts {
    /// Terminated, or on the way there: nothing brings it back.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "terminated" | "shutting-down")
    }
}

impl Facts {
    /// The role that the instance's own profile holds.
    pub fn role_of(&self, instance: &InstanceFacts) -> Option<&RoleFacts> {
        match self.profiles.get(&instance.profile.as_ref()?.name)? {
            Read::Found(profile) => profile.role.as_ref(),
            Read::Missing | Read::Failed(_) => None,
        }
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
}
