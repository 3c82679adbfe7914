//! One node as a check sees it.

use jiff::Timestamp;

use super::facts::{Facts, Fetched, InstanceFacts, RoleFacts};
use super::result::CheckResult;
use crate::finding::ErrorDetails;
use crate::node::{InstanceId, NodeId, Partition, Region};

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

/// A hybrid node, of which Systems Manager alone can be asked.
#[derive(Debug, Clone, Copy)]
pub struct Hybrid<'a> {
    pub id: &'a NodeId,
    pub region: Option<&'a Region>,
    /// The newest evidence.
    pub last: Timestamp,
    pub facts: &'a Facts,
}

impl<'a> Subject<'a> {
    /// The instance as it is, or the result of a check that cannot look at
    /// one that is gone, unknown or could not be read.
    pub fn existing_instance(&self) -> Result<&'a InstanceFacts, CheckResult> {
        let id = self.instance;
        Err(match self.facts.instances.get(id) {
            Some(Fetched::Found(instance)) if instance.is_gone() => {
                CheckResult::skipped(format!("{id} is {}.", instance.state))
            }
            Some(Fetched::Found(instance)) => return Ok(instance),
            Some(Fetched::Missing) => CheckResult::skipped(format!(
                "EC2 returned no instance {id} in this account and Region."
            )),
            Some(Fetched::Failed(why)) => {
                CheckResult::unknown(format!("Could not read {id}: {why}."))
            }
            None => CheckResult::unknown(format!("{id} was not read.")),
        })
    }

    /// The instance while it runs: one that is stopped has given its public
    /// address back, so that its network cannot be evaluated.
    pub fn running_instance(&self) -> Result<&'a InstanceFacts, CheckResult> {
        let instance = self.existing_instance()?;
        match instance.state.as_str() {
            "running" => Ok(instance),
            state => Err(CheckResult::skipped(format!(
                "{} is {state}: its network is not evaluated.",
                instance.id
            ))),
        }
    }

    /// The role of the instance's own profile, or the result of a check that
    /// has none to evaluate.
    pub fn own_role(&self, instance: &InstanceFacts) -> Result<&'a RoleFacts, CheckResult> {
        let id = &instance.id;
        let Some(role) = self.facts.role_of(instance) else {
            let unread = instance.profile.as_ref().is_some_and(|profile| {
                !matches!(
                    self.facts.profiles.get(&profile.name),
                    Some(Fetched::Found(_) | Fetched::Missing)
                )
            });
            return Err(if unread {
                CheckResult::unknown(format!("Could not determine the role of {id}."))
            } else {
                CheckResult::skipped(format!("{id} has no role."))
            });
        };
        if role.tags == Fetched::Missing {
            let note = format!("The role {} does not exist.", role.name);
            return Err(CheckResult::skipped(note));
        }
        Ok(role)
    }
}
