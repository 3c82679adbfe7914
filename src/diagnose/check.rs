//! What a check answers.

use std::fmt;

use crate::incident::cause::Cause;
use crate::report::{CheckReport, CheckStatus};

/// The checks, in the order in which a reader meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckName {
    InstanceState,
    Imds,
    InstanceProfile,
    TrustPolicy,
}

impl CheckName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceState => "instance-state",
            Self::Imds => "imds",
            Self::InstanceProfile => "instance-profile",
            Self::TrustPolicy => "trust-policy",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
    pub sign: Option<Sign>,
}

/// What a check can establish about live state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
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
}

/// What a sign means for the candidates of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    pub confirms: Option<Cause>,
    pub refutes: &'static [Cause],
}

impl CheckResult {
    pub fn report(&self) -> CheckReport {
        CheckReport {
            check: self.check.as_str().to_owned(),
            status: self.status,
            note: self.note.clone(),
        }
    }
}
