//! One node as a check sees it.

use jiff::Timestamp;

use super::facts::{Facts, Fetched, InstanceFacts, RoleFacts};
use super::result::{CheckName, CheckResult};
use crate::diagnose::check::CheckStatus;
use crate::finding::ErrorDetails;
use crate::node::{InstanceId, Partition, Region};

/// A node with what its log names and what was read of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub instance: &'a InstanceId,
    pub partition: Partition,
    pub region: Option<&'a Region>,
    /// What the error text names: a hint at where to look, never a proof.
    pub error_details: &'a ErrorDetails,
    /// The newest evidence.
    pub last: Timestamp,
    pub facts: &'a Facts,
}

impl<'a> Subject<'a> {
    /// The instance as it is, or the result of a check that cannot look at
    /// one that is gone, unknown or could not be read.
    pub fn existing_instance(&self, check: CheckName) -> Result<&'a InstanceFacts, CheckResult> {
        let id = self.instance;
        let (status, note) = match self.facts.instances.get(id) {
            Some(Fetched::Found(instance)) if instance.is_gone() => {
                (CheckStatus::Skipped, format!("{id} is {}.", instance.state))
            }
            Some(Fetched::Found(instance)) => return Ok(instance),
            Some(Fetched::Missing) => (
                CheckStatus::Skipped,
                format!("EC2 does not know {id} in this account and Region."),
            ),
            Some(Fetched::Failed(why)) => (
                CheckStatus::Unknown,
                format!("Could not look at {id}: {why}."),
            ),
            None => (CheckStatus::Unknown, format!("{id} was not asked about.")),
        };
        Err(CheckResult::new(check, status, note, None))
    }

    /// The instance while it runs: one that is stopped has given its public
    /// address back, so that its network cannot be judged.
    pub fn running_instance(&self, check: CheckName) -> Result<&'a InstanceFacts, CheckResult> {
        let instance = self.existing_instance(check)?;
        match instance.state.as_str() {
            "running" => Ok(instance),
            state => {
                let note = format!("{} is {state}: its network is not judged.", instance.id);
                Err(CheckResult::skipped(check, note))
            }
        }
    }

    /// The role of the instance's own profile, or the result of a check that
    /// has none to judge.
    pub fn own_role(
        &self,
        check: CheckName,
        instance: &InstanceFacts,
    ) -> Result<&'a RoleFacts, CheckResult> {
        let id = &instance.id;
        let Some(role) = self.facts.role_of(instance) else {
            let unread = instance.profile.as_ref().is_some_and(|profile| {
                !matches!(
                    self.facts.profiles.get(&profile.name),
                    Some(Fetched::Found(_) | Fetched::Missing)
                )
            });
            return Err(if unread {
                CheckResult::unknown(check, format!("The role of {id} could not be found out."))
            } else {
                CheckResult::skipped(check, format!("{id} has no role to judge."))
            });
        };
        if role.tags == Fetched::Missing {
            let note = format!("The role {} does not exist.", role.name);
            return Err(CheckResult::skipped(check, note));
        }
        Ok(role)
    }
}
