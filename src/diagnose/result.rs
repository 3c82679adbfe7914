//! What a check answers: its status with a sentence, what that establishes,
//! and the resource at fault.

use serde::{Serialize, Serializer};

use super::preferences;
use crate::cause::Cause;

/// What calls for a reader first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Failed,
    /// Could not look: denied, throttled, timed out, or cannot be evaluated.
    Unknown,
    Ok,
    Skipped,
}

/// The result of one check on one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// The name of the check.
    pub check: &'static str,
    pub status: CheckStatus,
    /// The service to which it looked for a path, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'static str>,
    /// One sentence that names the resource.
    pub note: String,
    /// What was established; `None` when the check could not look or could not
    /// decide.
    #[serde(skip)]
    pub observation: Option<Observation>,
    /// What is to be changed, where that is one resource: by its id or name.
    #[serde(rename = "resource", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub fault: Option<Fault>,
}

/// What a check established, and what that implies for the candidates of a
/// finding. The ones that a check can make stand at the top of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Observation {
    pub name: &'static str,
    pub confirms: Option<Cause>,
    pub refutes: &'static [Cause],
}

impl Observation {
    /// One that proves `cause`, and that the log did not come from `refutes`.
    pub const fn confirms(name: &'static str, cause: Cause, refutes: &'static [Cause]) -> Self {
        Self {
            name,
            confirms: Some(cause),
            refutes,
        }
    }

    /// One that excludes causes, or none.
    pub const fn refutes(name: &'static str, refutes: &'static [Cause]) -> Self {
        Self {
            name,
            confirms: None,
            refutes,
        }
    }
}

/// The resource at fault, for the commands that show and change it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The role lacks these actions; nothing denies them.
    MissingActions {
        role: String,
        actions: Vec<String>,
    },
    /// A policy denies, or a boundary stops, the action.
    PolicyDenies {
        role: String,
        action: String,
        policy: String,
    },
    EndpointPolicy {
        endpoint: String,
    },
    /// Not `available`.
    EndpointState {
        endpoint: String,
    },
    /// The endpoint exists, but the service's name does not lead to it.
    PrivateDnsDisabled {
        endpoint: String,
    },
    /// The endpoint answers for the service's name, and the node did not take it.
    EndpointBypassed {
        endpoint: String,
    },
    /// The endpoint's security groups do not let the instance in.
    EndpointSgBlocksInstance {
        endpoint: String,
        groups: Vec<String>,
    },
    /// The instance's security groups do not let it out.
    Egress {
        groups: Vec<String>,
    },
    Acl {
        acl: String,
        subnet: String,
    },
    /// No route, or one that leads nowhere.
    Route {
        table: String,
        subnet: String,
    },
    /// The way out is an internet gateway, which needs a public address.
    NoPublicAddress {
        table: String,
    },
    DnsSupport {
        vpc: String,
    },
    DhmcRole {
        role: String,
    },
    /// The preferences of Session Manager ask for what is not there.
    SessionPreferences,
}

impl Fault {
    /// The id or name of the resource to change.
    pub fn resource(&self) -> &str {
        match self {
            Self::MissingActions { role, .. } | Self::DhmcRole { role } => role,
            Self::PolicyDenies { policy, .. } => policy,
            Self::EndpointPolicy { endpoint }
            | Self::EndpointState { endpoint }
            | Self::PrivateDnsDisabled { endpoint }
            | Self::EndpointBypassed { endpoint }
            | Self::EndpointSgBlocksInstance { endpoint, .. } => endpoint,
            Self::Egress { groups } => groups.first().map_or("", String::as_str),
            Self::Acl { acl, .. } => acl,
            Self::Route { table, .. } | Self::NoPublicAddress { table } => table,
            Self::DnsSupport { vpc } => vpc,
            Self::SessionPreferences => preferences::DOCUMENT,
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.resource())
    }
}

impl CheckResult {
    /// A result without an observation. The check that is run adds its name.
    pub fn new(status: CheckStatus, note: impl Into<String>) -> Self {
        Self {
            check: "",
            status,
            service: None,
            note: note.into(),
            observation: None,
            fault: None,
        }
    }

    pub fn ok(note: impl Into<String>) -> Self {
        Self::new(CheckStatus::Ok, note)
    }

    pub fn failed(note: impl Into<String>) -> Self {
        Self::new(CheckStatus::Failed, note)
    }

    /// What could not be determined, and what to look at instead.
    pub fn unknown(note: impl Into<String>) -> Self {
        Self::new(CheckStatus::Unknown, note)
    }

    /// What could not be determined, and why: two clauses.
    pub(crate) fn undetermined(what: &str, why: &str) -> Self {
        Self::unknown(format!("Could not determine {what}: {why}."))
    }

    pub fn skipped(note: impl Into<String>) -> Self {
        Self::new(CheckStatus::Skipped, note)
    }

    pub fn observed(self, observation: Observation) -> Self {
        Self {
            observation: Some(observation),
            ..self
        }
    }

    pub fn at(self, fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..self
        }
    }

    /// Of the check of this name.
    pub fn of(self, check: &'static str) -> Self {
        Self { check, ..self }
    }

    /// Whether it proves `cause`.
    pub fn confirms(&self, cause: Cause) -> bool {
        self.observation
            .is_some_and(|observation| observation.confirms == Some(cause))
    }
}

/// A clause as a sentence begins.
pub(super) fn capital(clause: &str) -> String {
    let mut chars = clause.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
