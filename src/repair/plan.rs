//! The gate: from an incident and live state to a plan. Pure.
//!
//! A write needs a [`Permit`], and only [`plan`] makes one. It looks at every
//! lock and names all that are closed, so that a reader who opens one does not
//! meet the next one only then.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

mod judge;

use judge::Judged;

use super::action::{Action, action_for};
use super::memory::{Attempt, RepairMemory, in_cooldown, is_settling};
use super::reason::{Reason, Resource};
use crate::cause::Confidence;
use crate::config::{Config, RepairAction, RepairMode};
use crate::diagnose::diagnosis::FaultState;
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::incident::group::{AffectedNode, Incident};
use crate::node::{AccountId, IdSource, InstanceId, Region};
use crate::policy::has_ours;
use crate::repair::outcome::OutcomeStatus;

/// What the operator allows, and where the function itself runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Guardrails {
    pub mode: RepairMode,
    pub actions: BTreeSet<RepairAction>,
    pub tag_value: String,
    pub max_repairs: u32,
    pub max_evidence_age: Duration,
    /// The function's own account; `None` closes the lock of the account.
    pub account: Option<AccountId>,
    pub region: Region,
}

/// The present state that a plan starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CurrentState<'a> {
    pub instances: &'a [InstanceFacts],
    pub role: Option<&'a RoleFacts>,
}

/// What a repair of one incident would do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    NotNeeded(NotNeeded),
    Advise(Advice),
    Repair(Permit),
}

/// A plan as the report and the messages give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanSummary {
    /// `not-needed`, `advise` or `repair`.
    pub kind: &'static str,
    pub action: Option<&'static str>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NotNeeded {
    /// Live state is right, and this function does not know to have changed it.
    AlreadyRight(Option<RepairAction>),
    /// An earlier attempt that is remembered has done it.
    DoneBefore {
        attempt: Box<Attempt>,
        reading: Reading,
    },
    /// Live state is right, and every lock is open under which this function
    /// makes it so: an attempt that this execution environment does not
    /// remember may have done it.
    PerhapsOurs(Box<Action>),
    /// The trust policy holds a statement of ours, of an attempt that this
    /// execution environment does not remember.
    OurStatement {
        role: String,
        sid: String,
        document: String,
    },
}

/// What this invocation reads of a change that was made before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reading {
    InEffect,
    /// The state from before the change, so soon after it that this may be an
    /// old answer ([`SETTLING`](super::memory::SETTLING)).
    Settling,
    /// Nothing was read.
    None,
}

/// Why nothing is written, and what would be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Advice {
    /// Never empty; in the order of the locks.
    pub reasons: Vec<Reason>,
    /// The repair that the locks keep back; `None` where it would not help or
    /// is not known.
    pub would_do: Option<Action>,
}

/// Leave for one repair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Permit {
    action: Action,
    rehearsal: bool,
}

impl Permit {
    pub(crate) fn action(&self) -> &Action {
        &self.action
    }

    /// Nothing may be written: EC2 is asked with `DryRun`, IAM is not asked.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.rehearsal
    }
}

impl Guardrails {
    /// `account` is the function's own, as its ARN tells it.
    pub(crate) fn new(config: &Config, account: Option<AccountId>) -> Self {
        Self {
            mode: config.repair,
            actions: config.repair_actions.clone(),
            tag_value: config.repair_tag_value.clone(),
            max_repairs: config.max_repairs,
            max_evidence_age: config.max_evidence_age,
            account,
            region: config.region.clone(),
        }
    }
}

impl<'a> CurrentState<'a> {
    /// What the diagnosis of `incident` has read.
    pub(crate) fn of(incident: &'a Incident) -> Self {
        Self {
            instances: &incident.instances,
            role: incident.role.as_ref(),
        }
    }
}

/// What is to be done about `incident`, given `live` state and what was done
/// before.
pub(crate) fn plan(
    incident: &Incident,
    live: CurrentState<'_>,
    guardrails: &Guardrails,
    memory: &RepairMemory,
    now: Timestamp,
) -> Plan {
    let Some(action) = action_for(incident.cause) else {
        return match incident.fault_state {
            FaultState::NotObserved => Plan::NotNeeded(NotNeeded::AlreadyRight(None)),
            FaultState::Active => advise(Reason::NoRepair(incident.cause)),
        };
    };
    let judged = match action {
        RepairAction::EnableImdsEndpoint => judge::imds(incident, live),
        RepairAction::TrustEc2 => judge::trust(incident, live, guardrails),
    };
    let last = memory.last(action, &incident.scope.id);
    let recent = last.filter(|attempt| in_cooldown(attempt.at, now));
    match (judged, recent) {
        (Judged::Right, _) => {
            // Evidence from before the attempt tells of what it put right,
            // however late it is delivered.
            let ours = last.filter(|attempt| {
                attempt.may_have_written()
                    && !attempt.undone
                    && (recent.is_some() || incident.last <= attempt.at)
            });
            match ours {
                Some(attempt) => done_before(attempt, Reading::InEffect),
                // AWS refused this function the very change.
                None if action == RepairAction::EnableImdsEndpoint
                    && recent.is_some_and(|attempt| !attempt.may_have_written()) =>
                {
                    Plan::NotNeeded(NotNeeded::AlreadyRight(Some(action)))
                }
                None => Plan::NotNeeded(right_by_itself(incident, action, live, guardrails, now)),
            }
        }
        // A state that cannot be read takes nothing away from what was done
        // about this very evidence.
        (Judged::Unread(_), Some(attempt))
            if attempt.outcome.status == OutcomeStatus::Repaired
                && !attempt.undone
                && incident.last <= attempt.at =>
        {
            done_before(attempt, Reading::None)
        }
        (Judged::Unread(_), Some(attempt))
            if attempt.undone || attempt.outcome.status != OutcomeStatus::Repaired =>
        {
            advise(tried_recently(attempt))
        }
        (Judged::Repairable { .. }, Some(attempt))
            if attempt.outcome.status == OutcomeStatus::Repaired
                && !attempt.undone
                && is_settling(attempt.at, now) =>
        {
            done_before(attempt, Reading::Settling)
        }
        (Judged::Unread(resource), _) => {
            let mut reasons = blocked_by(incident, action, guardrails, now);
            let elsewhere = (reasons.iter())
                .any(|reason| matches!(reason, Reason::Account { .. } | Reason::Region { .. }));
            reasons.retain(|reason| *reason != Reason::NotConfirmed);
            if !incident.fresh {
                reasons.push(Reason::NothingNew);
            } else if !elsewhere {
                reasons.push(Reason::Unread(resource));
            }
            Plan::Advise(Advice {
                reasons,
                would_do: None,
            })
        }
        (Judged::Refused { reason, would_do }, _) => Plan::Advise(Advice {
            reasons: vec![reason],
            would_do,
        }),
        (
            Judged::Repairable {
                action,
                tags,
                resource,
            },
            _,
        ) => {
            let mut reasons = blocked_by(incident, action.kind(), guardrails, now);
            reasons.extend(tag_lock(tags, resource, guardrails));
            reasons.extend(recent.map(tried_recently));
            let full_until = memory.full_until(guardrails.max_repairs, now);
            reasons.extend(full_until.map(|until| Reason::Capped {
                max: guardrails.max_repairs,
                until,
            }));
            if !reasons.is_empty() {
                return Plan::Advise(Advice {
                    reasons,
                    would_do: Some(action),
                });
            }
            match guardrails.mode {
                // `closed` has named the mode already; without a permit nothing
                // can be written should it ever not.
                RepairMode::Advise => advise(Reason::Advise),
                RepairMode::DryRun => Plan::Repair(Permit {
                    action,
                    rehearsal: true,
                }),
                RepairMode::Repair => Plan::Repair(Permit {
                    action,
                    rehearsal: false,
                }),
            }
        }
    }
}

fn advise(reason: Reason) -> Plan {
    Plan::Advise(Advice {
        reasons: vec![reason],
        would_do: None,
    })
}

fn done_before(attempt: &Attempt, reading: Reading) -> Plan {
    Plan::NotNeeded(NotNeeded::DoneBefore {
        attempt: Box::new(attempt.clone()),
        reading,
    })
}

/// What is right without an attempt that is remembered. A trust policy shows by
/// our statement whose doing that is; metadata options show nothing.
fn right_by_itself(
    incident: &Incident,
    action: RepairAction,
    live: CurrentState<'_>,
    guardrails: &Guardrails,
    now: Timestamp,
) -> NotNeeded {
    let found = match action {
        RepairAction::EnableImdsEndpoint => judge::switched_on(incident, live)
            .filter(|(_, tags)| may_have_repaired(incident, action, *tags, guardrails, now))
            .map(|(action, _)| NotNeeded::PerhapsOurs(Box::new(action))),
        RepairAction::TrustEc2 => live.role.and_then(|role| {
            Some(NotNeeded::OurStatement {
                role: role.name.clone(),
                sid: has_ours(&role.trust_policy)?,
                document: role.trust_policy.clone(),
            })
        }),
    };
    found.unwrap_or(NotNeeded::AlreadyRight(Some(action)))
}

/// Whether an attempt elsewhere would have met every lock open while the fault
/// was active.
fn may_have_repaired(
    incident: &Incident,
    action: RepairAction,
    tag: Option<&str>,
    guardrails: &Guardrails,
    now: Timestamp,
) -> bool {
    let mut reasons = blocked_by(incident, action, guardrails, now);
    // A check confirms only what is still wrong.
    reasons.retain(|reason| *reason != Reason::NotConfirmed);
    reasons.is_empty()
        && guardrails.mode == RepairMode::Repair
        && guardrails.max_repairs > 0
        && tag == Some(guardrails.tag_value.as_str())
}

/// The closed locks of the operator and of the evidence. One node that opens
/// all of its own is enough; when there is none, those of the node that opens
/// most are named.
fn blocked_by(
    incident: &Incident,
    action: RepairAction,
    guardrails: &Guardrails,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if guardrails.mode == RepairMode::Advise {
        reasons.push(Reason::Advise);
    }
    if !guardrails.actions.contains(&action) {
        reasons.push(Reason::ActionNotListed(action));
    }
    let best = (incident.affected.iter())
        .filter(|hit| concerns(hit, incident, action))
        .map(|hit| closed_for(hit, incident, guardrails, now))
        .min_by_key(Vec::len);
    reasons.extend(best.unwrap_or_else(|| vec![Reason::NotAnInstance]));
    reasons
}

/// Whether the node may lead to `action`: its own instance, or any node of the
/// role, which a check has then reached through that node's own profile.
fn concerns(hit: &AffectedNode, incident: &Incident, action: RepairAction) -> bool {
    match action {
        RepairAction::EnableImdsEndpoint => hit.node.id.as_str() == incident.scope.id,
        RepairAction::TrustEc2 => true,
    }
}

fn closed_for(
    hit: &AffectedNode,
    incident: &Incident,
    guardrails: &Guardrails,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !hit.confirmed || incident.confidence != Confidence::Confirmed {
        reasons.push(Reason::NotConfirmed);
    }
    if !hit.log_candidates.contains(&incident.cause) {
        reasons.push(Reason::NotNamedByLog(incident.cause));
    }
    let instance: Option<&InstanceId> = hit.node.id.instance();
    match (instance, hit.node.id_source) {
        (None, _) | (Some(_), IdSource::Nobody) => reasons.push(Reason::NotAnInstance),
        (Some(_), IdSource::Text) => reasons.push(Reason::NamedByText),
        (Some(_), IdSource::Stream | IdSource::Caller) => {}
    }
    if hit.node.account.is_none() || hit.node.account != guardrails.account {
        reasons.push(Reason::Account {
            seen: hit.node.account.clone(),
            own: guardrails.account.clone(),
        });
    }
    if hit.node.region.as_ref() != Some(&guardrails.region) {
        reasons.push(Reason::Region {
            seen: hit.node.region.clone(),
            own: guardrails.region.clone(),
        });
    }
    // Evidence from after `now` has no age; it is at least not old.
    let age = Duration::try_from(now.duration_since(hit.last)).unwrap_or_default();
    if age >= guardrails.max_evidence_age {
        reasons.push(Reason::EvidenceTooOld {
            age,
            allowed: guardrails.max_evidence_age,
        });
    }
    reasons
}

fn tag_lock(
    tags: Result<Option<&str>, &str>,
    resource: Resource,
    guardrails: &Guardrails,
) -> Option<Reason> {
    match tags {
        Ok(Some(value)) if value == guardrails.tag_value => None,
        Ok(found) => Some(Reason::Tag {
            resource,
            wanted: guardrails.tag_value.clone(),
            found: found.map(str::to_owned),
        }),
        Err(why) => Some(Reason::TagUnread {
            resource,
            why: why.to_owned(),
        }),
    }
}

/// A resource on which a repair was tried within the hour is left alone.
fn tried_recently(attempt: &Attempt) -> Reason {
    if attempt.outcome.status == OutcomeStatus::Repaired {
        Reason::RepairedAgain { at: attempt.at }
    } else {
        Reason::TriedRecently {
            at: attempt.at,
            outcome: Box::new(attempt.outcome.clone()),
        }
    }
}

impl Plan {
    pub(crate) fn summary(&self) -> PlanSummary {
        match self {
            Self::NotNeeded(why) => PlanSummary {
                kind: "not-needed",
                action: why.action().map(RepairAction::as_str),
                reason: why.to_string(),
            },
            Self::Advise(advice) => {
                let sentences: Vec<String> =
                    advice.reasons.iter().map(ToString::to_string).collect();
                PlanSummary {
                    kind: "advise",
                    action: advice
                        .would_do
                        .as_ref()
                        .map(|action| action.kind().as_str()),
                    reason: sentences.join(" "),
                }
            }
            Self::Repair(permit) => PlanSummary {
                kind: "repair",
                action: Some(permit.action.kind().as_str()),
                reason: "The cause is confirmed and every lock is open.".to_owned(),
            },
        }
    }
}

impl NotNeeded {
    fn action(&self) -> Option<RepairAction> {
        match self {
            Self::AlreadyRight(action) => *action,
            Self::DoneBefore { attempt, .. } => Some(attempt.action),
            Self::PerhapsOurs(action) => Some(action.kind()),
            Self::OurStatement { .. } => Some(RepairAction::TrustEc2),
        }
    }
}

impl std::fmt::Display for NotNeeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AlreadyRight(None) => {
                "Everything that the checks can see is right at this moment."
            }
            Self::AlreadyRight(Some(RepairAction::EnableImdsEndpoint)) => {
                "The metadata endpoint is enabled at this moment."
            }
            Self::AlreadyRight(Some(RepairAction::TrustEc2)) => {
                "The trust policy lets EC2 assume the role at this moment."
            }
            Self::DoneBefore { .. } | Self::OurStatement { .. } => {
                "An earlier attempt of this function has done it."
            }
            Self::PerhapsOurs(_) => {
                "The metadata endpoint of the instance is enabled at this moment, and an earlier attempt of this function may have done it."
            }
        })
    }
}

#[cfg(test)]
mod notified_tests;
#[cfg(test)]
pub(super) mod tests;
