//! The list of checks, and what a check answers.

use std::fmt;

use super::facts::{Facts, InstanceFacts, Read};
use super::{imds, instance_profile, instance_state, trust_policy};
use crate::incident::cause::Cause;
use crate::node::{InstanceId, Partition};
use crate::report::{CheckReport, CheckStatus};

/// A look at live state. A new check is one file with its judgement and one
/// line in [`CHECKS`].
#[derive(Debug)]
pub struct Check {
    pub name: CheckName,
    /// The causes for which it is run, when a finding has one as a candidate.
    pub causes: &'static [Cause],
    /// Without one of these the result is `unknown`.
    pub needs: &'static [Ask],
    /// Read along with it: a plan wants to know, the judgement does without.
    pub uses: &'static [Ask],
    /// Pure: facts in, result out.
    pub judge: fn(&Subject<'_>) -> CheckResult,
}

/// Every check, in the order in which results are shown.
pub const CHECKS: &[Check] = &[
    Check {
        name: CheckName::InstanceState,
        // For the last four it tells which role, subnet and VPC a node has,
        // so that one fault of many nodes is one incident.
        causes: &[
            Cause::ImdsDisabled,
            Cause::ImdsUnreachable,
            Cause::NoInstanceProfile,
            Cause::StaleInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::PermissionMissing,
            Cause::EndpointPolicyDenies,
            Cause::EndpointUnreachable,
            Cause::DnsFailure,
        ],
        needs: &[Ask::Instance],
        uses: &[],
        judge: instance_state::judge,
    },
    Check {
        name: CheckName::Imds,
        causes: &[Cause::ImdsDisabled, Cause::ImdsUnreachable],
        needs: &[Ask::Instance],
        uses: &[],
        judge: imds::judge,
    },
    Check {
        name: CheckName::InstanceProfile,
        causes: &[
            Cause::NoInstanceProfile,
            Cause::StaleInstanceProfile,
            Cause::RoleNotAssumable,
            Cause::PermissionMissing,
        ],
        needs: &[Ask::Instance, Ask::Profile],
        uses: &[],
        judge: instance_profile::judge,
    },
    Check {
        name: CheckName::TrustPolicy,
        causes: &[Cause::StaleInstanceProfile, Cause::RoleNotAssumable],
        needs: &[Ask::Instance, Ask::Profile],
        uses: &[Ask::Role],
        judge: trust_policy::judge,
    },
];

/// The read calls, each made once per thing asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ask {
    Instance,
    /// The instance profile of the instance.
    Profile,
    /// The role of the instance profile.
    Role,
}

impl Ask {
    /// The IAM action that the function's own role must have.
    pub fn action(self) -> &'static str {
        match self {
            Self::Instance => "ec2:DescribeInstances",
            Self::Profile => "iam:GetInstanceProfile",
            Self::Role => "iam:GetRole",
        }
    }
}

impl Check {
    /// The IAM actions that it reads with.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        self.needs.iter().chain(self.uses).map(|ask| ask.action())
    }

    pub fn is_for(&self, candidates: &[Cause]) -> bool {
        candidates.iter().any(|cause| self.causes.contains(cause))
    }

    /// The result of a check that is not run, with the reason as a sentence.
    pub fn skipped(&self, reason: &str) -> CheckResult {
        CheckResult::new(self.name, CheckStatus::Skipped, reason, None)
    }
}

/// One node as a check sees it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub instance: &'a InstanceId,
    pub partition: Partition,
    pub facts: &'a Facts,
}

impl<'a> Subject<'a> {
    /// The instance as it is, or the result of a check that cannot look at
    /// one that is gone, unknown or could not be read.
    pub fn standing_instance(&self, check: CheckName) -> Result<&'a InstanceFacts, CheckResult> {
        let id = self.instance;
        let (status, note) = match self.facts.instances.get(id) {
            Some(Read::Found(instance)) if instance.is_gone() => {
                (CheckStatus::Skipped, format!("{id} is {}.", instance.state))
            }
            Some(Read::Found(instance)) => return Ok(instance),
            Some(Read::Missing) => (
                CheckStatus::Skipped,
                format!("EC2 does not know {id} in this account and Region."),
            ),
            Some(Read::Failed(why)) => (
                CheckStatus::Unknown,
                format!("Could not look at {id}: {why}."),
            ),
            None => (CheckStatus::Unknown, format!("{id} was not asked about.")),
        };
        Err(CheckResult::new(check, status, note, None))
    }
}

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
}

impl CheckResult {
    pub fn new(
        check: CheckName,
        status: CheckStatus,
        note: impl Into<String>,
        sign: Option<Sign>,
    ) -> Self {
        Self {
            check,
            status,
            note: note.into(),
            sign,
        }
    }

    pub fn report(&self) -> CheckReport {
        CheckReport {
            check: self.check.as_str().to_owned(),
            status: self.status,
            note: self.note.clone(),
        }
    }
}
