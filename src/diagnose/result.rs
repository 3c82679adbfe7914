//! What a check answers: its status with a sentence, what that establishes,
//! and the resource at fault.

use std::fmt;

use serde::Serialize;

/// The checks, in the order in which a reader meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckName {
    InstanceState,
    Registration,
    Imds,
    InstanceProfile,
    TrustPolicy,
    Permissions,
    Dhmc,
    EndpointPolicy,
    VpcEndpoint,
    Egress,
    Route,
    NetworkAcl,
    VpcDns,
}

impl CheckName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceState => "instance-state",
            Self::Registration => "ssm-registration",
            Self::Imds => "imds",
            Self::InstanceProfile => "instance-profile",
            Self::TrustPolicy => "trust-policy",
            Self::Permissions => "permissions",
            Self::Dhmc => "dhmc",
            Self::EndpointPolicy => "vpc-endpoint-policy",
            Self::VpcEndpoint => "vpc-endpoint",
            Self::Egress => "egress",
            Self::Route => "route",
            Self::NetworkAcl => "network-acl",
            Self::VpcDns => "vpc-dns",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Ok,
    Failed,
    /// Could not look: denied, throttled, timed out, or cannot be judged.
    Unknown,
    Skipped,
}

/// The result of one check on one node.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    pub check: CheckName,
    pub status: CheckStatus,
    /// One sentence that names the resource.
    pub note: String,
    /// What was established, for the table of verdicts; `None` when the check
    /// could not look or could not judge.
    pub observation: Option<Observation>,
    /// What is to be changed, where that is one resource.
    pub fault: Option<Fault>,
}

/// What a check can establish about live state. Of several faults the one that
/// stands first here explains those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Observation {
    /// EC2 does not know the instance in this account and Region.
    InstanceUnknown,
    /// Terminated or about to be.
    InstanceGone,
    /// Stopped or stopping.
    InstanceStopped,
    InstanceUp,
    ImdsDisabled,
    ImdsEnabled,
    /// No instance profile is attached.
    NoProfile,
    /// A profile is attached; it could not be read further.
    ProfileAttached,
    /// The attached instance profile is deleted.
    ProfileDeleted,
    /// A profile of this name exists, but not the one that is attached.
    ProfileRecreated,
    /// The attached instance profile holds no role, or one that is deleted.
    ProfileWithoutRole,
    /// Profile and role exist; whether the association is fresh EC2 does not tell.
    ProfileSound,
    TrustAllows,
    /// EC2 is let in by the statement that an earlier repair of ours added.
    TrustAllowsByRepair,
    TrustRefuses,
    /// The VPC answers for no name.
    DnsOff,
    /// Something in AWS stands between the instance and the service.
    WayBlocked,
    /// The role may not do what the log says is denied.
    PermissionLacking,
    /// The role may do it.
    PermissionGranted,
    /// The endpoint's policy does not let the role do it.
    EndpointPolicyRefuses,
    /// It does, or no endpoint of the VPC is in the way.
    EndpointPolicyAllows,
    /// The role of Default Host Management is missing or not Systems Manager's.
    DhmcRoleUnusable,
    DhmcOff,
    /// Default Host Management is on, whatever its role is worth.
    DhmcOn,
    /// It is on, and its role trusts Systems Manager.
    DhmcSound,
    /// The agent has reported since the newest evidence.
    PingedSince,
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
        }
    }
}

impl CheckResult {
    pub fn new(
        check: CheckName,
        status: CheckStatus,
        note: impl Into<String>,
        observation: Option<Observation>,
    ) -> Self {
        Self {
            check,
            status,
            note: note.into(),
            observation,
            fault: None,
        }
    }

    pub fn ok(check: CheckName, note: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Ok, note, None)
    }

    /// What could not be looked at or judged, and what to look at instead.
    pub fn unknown(check: CheckName, note: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Unknown, note, None)
    }

    pub fn skipped(check: CheckName, note: impl Into<String>) -> Self {
        Self::new(check, CheckStatus::Skipped, note, None)
    }

    /// A proven fault of one resource.
    pub fn failed(
        check: CheckName,
        note: impl Into<String>,
        observation: Observation,
        fault: Fault,
    ) -> Self {
        Self {
            fault: Some(fault),
            ..Self::new(check, CheckStatus::Failed, note, Some(observation))
        }
    }
}
