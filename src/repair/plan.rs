//! The gate: from an incident and the live state in it to a plan. Pure.
//!
//! A write needs a [`Permit`], and only [`plan`] makes one. It looks at every
//! lock and names all that are closed, so that a reader who opens one does not
//! meet the next one only then.

pub(crate) mod permit;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::change::{Change, Judged, Origin};
use super::locks::{
    Function, Guardrails, Lock, Reason, RepairMode, blocked_by, cap_lock, moment, state_lock,
    tag_lock,
};
use super::memory::{Attempt, RepairMemory, in_cooldown, is_settling, target_of};
use super::outcome::{Outcome, OutcomeStatus};
use super::repairs::Repair;
use crate::cause::{Confidence, ScopeKind};
use crate::command::{ArgKind, Command};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::diagnosis::FaultState;
use crate::incident::group::Incident;
use crate::incident::store::{Happened, State};
use crate::node::AccountId;
use permit::Permit;

/// What a repair of one incident would do, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub summary: PlanSummary,
    /// What keeps the repair back, in the order of the locks.
    pub closed: Vec<Lock>,
    /// Without a write until the permit is used.
    pub outcome: Outcome,
    /// Whether this invocation has seen the state that the outcome gives.
    observed: bool,
    /// An attempt that is not remembered here may have done it.
    perhaps_ours: bool,
    permit: Option<Permit>,
}

/// A plan as the report and the messages give it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanSummary {
    /// `not-needed`, `advise` or `repair`.
    pub kind: &'static str,
    pub action: Option<&'static str>,
    pub reason: String,
}

/// What this invocation reads of a change that was made before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    InEffect,
    /// The state from before the change, so soon after it that this may be an
    /// old answer ([`SETTLING`](super::memory::SETTLING)).
    Settling,
    /// Nothing was read.
    None,
}

/// What is to be done about `incident`, given the live state in it and what was
/// done before.
pub(crate) fn plan(
    incident: &Incident,
    guardrails: &Guardrails,
    memory: &RepairMemory,
    now: Timestamp,
) -> Plan {
    let mut plan = planned(incident, guardrails, memory, now);
    plan.outcome.checks_again = checks_again(incident, guardrails);
    plan
}

/// The command by which live checks decide between the causes of `incident`, where they have
/// not been run, or could not look.
fn checks_again(incident: &Incident, by: &Guardrails) -> Option<String> {
    let undecided =
        incident.confidence == Confidence::Undetermined && incident.candidates.len() > 1;
    let node = &incident.affected.first().filter(|_| undecided)?.node;
    let kind = ArgKind::NodeId;
    if !kind.accepts(node.id.as_str()) {
        return None;
    }
    let mut checks = incident.checks.iter();
    let command = match &by.function {
        Some(function) if checks.any(|check| check.status == CheckStatus::Unknown) => {
            let mut asked = json!({"nodes": [node.id.as_str()]});
            add_home(&mut asked, function, by);
            invoke(function, asked).text("report.json && jq -r '.incidents[].title' report.json")
        }
        None if incident.checks.is_empty() => {
            let command = Command::new("ssm-agent-triage diagnose");
            let command = match &node.region {
                Some(region) => command.option("--region", ArgKind::Region, region.as_str()),
                None => command,
            };
            command.value(kind, node.id.as_str())
        }
        _ => return None,
    };
    Some(command.to_string())
}

/// Says in `asked` where the node is, where that is not where the function is.
fn add_home(asked: &mut Value, function: &Function, by: &Guardrails) {
    if function.account != by.account || function.region != by.region {
        asked["account"] = by.account.as_ref().map(AccountId::as_str).into();
        asked["region"] = by.region.as_str().into();
    }
}

/// Begins a command that invokes `function`; the name of a file for the answer is to follow.
fn invoke(function: &Function, payload: Value) -> Command {
    Command::new("aws lambda invoke")
        .option("--region", ArgKind::Region, function.region.as_str())
        .option("--function-name", ArgKind::Function, &function.name)
        .text("--cli-binary-format raw-in-base64-out")
        .json_option("--payload", &payload.to_string(), "PAYLOAD")
}

fn planned(
    incident: &Incident,
    guardrails: &Guardrails,
    memory: &RepairMemory,
    now: Timestamp,
) -> Plan {
    let Some(repair) = Repair::of(incident.cause) else {
        return match incident.fault_state {
            FaultState::NotObserved => Plan::right(
                None,
                "Everything that the checks can see is right at this moment.".to_owned(),
            ),
            FaultState::Active => {
                let text = format!("No repair exists for {}.", incident.cause);
                Plan::advise(vec![Lock::NoRepair.closed(text)], None, None, guardrails)
            }
        };
    };
    let Repair {
        name,
        subject,
        right,
        ..
    } = repair;
    let target = &incident.scope.id;
    let resource = format!("{} {target}", repair.kind());
    let remembered = target_of(incident);
    let last = memory.last(name, &remembered);
    let recent = last.filter(|attempt| in_cooldown(attempt.at, now));
    match ((repair.judge)(incident, &guardrails.region), recent) {
        (Judged::Right(origin), _) => {
            // Evidence from before the attempt tells of what it put right,
            // however late it is delivered.
            let ours = last.filter(|attempt| {
                attempt.may_have_written()
                    && !attempt.undone
                    && (recent.is_some() || incident.last <= attempt.at)
            });
            // AWS refused this function the very change.
            let refused = recent.is_some_and(|attempt| !attempt.may_have_written());
            match (ours, origin) {
                (Some(attempt), _) => Plan::done_before(attempt, Reading::InEffect),
                (None, Origin::Ours { detail, undo }) => Plan::earlier(name, detail, undo),
                (None, Origin::Unknown { undo, tag })
                    if !refused
                        && may_have_repaired(incident, repair, tag.as_deref(), guardrails, now) =>
                {
                    let reason = format!(
                        "The {subject} of the {} {right}, and an earlier attempt of this function may have done it.",
                        repair.kind()
                    );
                    let detail = format!(
                        "The {subject} of {target} {right}. Nothing prevents its repair, so most likely this function did it: in an earlier attempt whose message did not get through, or in another execution environment. Its log then holds audit lines of {name} for {target}."
                    );
                    let outcome = Outcome {
                        undo: Some(undo),
                        ..Outcome::of(OutcomeStatus::AlreadyRight, detail)
                    };
                    Plan {
                        perhaps_ours: true,
                        ..Plan::not_needed(Some(name), reason, outcome)
                    }
                }
                (None, _) => Plan::right(Some(name), format!("The {subject} {right}.")),
            }
        }
        // A state that cannot be read takes nothing away from what was done
        // about this very evidence.
        (Judged::Unread, Some(attempt)) if attempt.holds() && incident.last <= attempt.at => {
            Plan::done_before(attempt, Reading::None)
        }
        (Judged::Unread, Some(attempt))
            if !attempt.holds() && !memory.is_under_way(name, &remembered, now) =>
        {
            Plan::advise(vec![tried_recently(attempt)], None, recent, guardrails)
        }
        (Judged::Repairable { .. }, Some(attempt))
            if attempt.holds() && is_settling(attempt.at, now) =>
        {
            Plan::done_before(attempt, Reading::Settling)
        }
        (Judged::Unread, _) => {
            let mut reasons = blocked_by(incident, repair, guardrails, now);
            let elsewhere =
                (reasons.iter()).any(|reason| matches!(reason.lock, Lock::Account | Lock::Region));
            // Until the cause is known, so is not what is to be read.
            let is_known = incident.scope.kind == repair.cause.scope_kind();
            reasons.retain(|reason| reason.lock != Lock::NotConfirmed || !is_known);
            if !incident.fresh {
                reasons.push(Lock::NothingNew.closed("This batch says nothing new about it, so no check was made and nothing is changed."));
            } else if !elsewhere && (is_known || reasons.is_empty()) {
                reasons.push(Lock::Unread.closed(format!(
                    "The present state of the {resource} could not be read; the checks say why."
                )));
            }
            Plan::advise(reasons, None, None, guardrails)
        }
        (Judged::Refused { reason, would_do }, _) => Plan::advise(
            vec![Lock::Resource.closed(reason)],
            would_do,
            None,
            guardrails,
        ),
        (Judged::Repairable { change, tag }, _) => {
            let mut reasons = blocked_by(incident, repair, guardrails, now);
            reasons.extend(memory.unusable().map(state_lock));
            if memory.is_under_way(name, &remembered, now) {
                reasons.push(Lock::UnderWay.closed("Another invocation of this function is repairing it at this moment, and notifies of what comes of it."));
                return Plan::advise(reasons, Some(change), None, guardrails);
            }
            reasons.extend(tag_lock(tag, &resource, guardrails));
            reasons.extend(recent.map(tried_recently));
            let full_until = memory.full_until(guardrails.max_repairs, now);
            reasons.extend(full_until.map(|until| cap_lock(guardrails.max_repairs, until)));
            // The mode is a lock of its own; without a permit nothing could be
            // written should it ever not be.
            if !reasons.is_empty() || guardrails.is_off() {
                return Plan::advise(reasons, Some(change), recent, guardrails)
                    .or_on_request(incident, repair, guardrails);
            }
            Plan::repair(Permit::new(change, guardrails.mode == RepairMode::DryRun))
        }
    }
}

/// Whether an attempt elsewhere would have met every lock open while the fault
/// was active.
fn may_have_repaired(
    incident: &Incident,
    repair: &Repair,
    tag: Option<&str>,
    guardrails: &Guardrails,
    now: Timestamp,
) -> bool {
    let reasons = blocked_by(incident, repair, guardrails, now);
    // A check confirms only what is still wrong.
    (reasons.iter()).all(|reason| reason.lock == Lock::NotConfirmed)
        && guardrails.mode == RepairMode::Repair
        && guardrails.max_repairs > 0
        && tag == Some(guardrails.tag_value.as_str())
}

/// A resource on which a repair was tried within the hour is left alone.
fn tried_recently(attempt: &Attempt) -> Reason {
    let at = moment(attempt.at);
    if attempt.outcome.status == OutcomeStatus::Repaired {
        Lock::RepairedAgain.closed(format!("This function repaired it at {at} and it was found broken again since. It is not repaired twice within an hour: find out what undoes the repair."))
    } else {
        Lock::TriedRecently.closed(format!("This function tried the repair at {at} without success, and tries again no sooner than an hour after that."))
    }
}

impl Plan {
    fn of(
        kind: &'static str,
        action: Option<&'static str>,
        reason: String,
        outcome: Outcome,
    ) -> Self {
        Self {
            summary: PlanSummary {
                kind,
                action,
                reason,
            },
            closed: Vec::new(),
            outcome,
            observed: true,
            perhaps_ours: false,
            permit: None,
        }
    }

    fn not_needed(action: Option<&'static str>, reason: String, outcome: Outcome) -> Self {
        Self::of("not-needed", action, reason, outcome)
    }

    /// Live state is right, and this function does not know to have changed it.
    fn right(action: Option<&'static str>, reason: String) -> Self {
        let outcome = Outcome::of(OutcomeStatus::AlreadyRight, reason.clone());
        Self::not_needed(action, reason, outcome)
    }

    fn earlier(action: &'static str, detail: String, undo: Option<String>) -> Self {
        let reason = "An earlier attempt of this function has done it.".to_owned();
        let outcome = Outcome {
            undo,
            ..Outcome::of(OutcomeStatus::Repaired, detail)
        };
        Self::not_needed(Some(action), reason, outcome)
    }

    /// An attempt that is remembered has done it.
    fn done_before(attempt: &Attempt, reading: Reading) -> Self {
        let at = moment(attempt.at);
        let done = match (attempt.outcome.status, &attempt.outcome.detail) {
            (OutcomeStatus::Repaired, Some(detail)) => format!(". {detail}"),
            (OutcomeStatus::Repaired, None) => ".".to_owned(),
            _ => ", and now seen in effect.".to_owned(),
        };
        let now = match reading {
            Reading::InEffect => "",
            Reading::Settling => {
                " A read in this invocation gives the state from before the change, as reads may for a minute after one."
            }
            Reading::None => " Its present state was not read in this invocation.",
        };
        let detail = format!("Already done in an earlier attempt at {at}{done}{now}");
        let mut plan = Self::earlier(attempt.action, detail, attempt.outcome.undo.clone());
        plan.outcome.command.clone_from(&attempt.outcome.command);
        plan.observed = reading == Reading::InEffect;
        plan
    }

    /// Nothing is written for `reasons`; `would_do` is what they keep back,
    /// where it would help. What was tried within the hour is still its outcome.
    fn advise(
        reasons: Vec<Reason>,
        would_do: Option<Change>,
        recent: Option<&Attempt>,
        guardrails: &Guardrails,
    ) -> Self {
        let closed: Vec<Lock> = reasons.iter().map(|reason| reason.lock).collect();
        let texts: Vec<&str> = reasons.iter().map(|reason| &*reason.text).collect();
        let action = would_do.as_ref().map(|change| change.action);
        let all = |lock| closed.iter().all(|closed| *closed == lock);
        let outcome = match recent.filter(|_| closed.contains(&Lock::TriedRecently)) {
            Some(Attempt { at, outcome, .. }) => {
                let detail = outcome.detail.as_deref();
                let detail = detail.unwrap_or("The outcome is not known.");
                Outcome {
                    detail: Some(format!("Tried at {}. {detail}", moment(*at))),
                    ..outcome.clone()
                }
            }
            None => Outcome {
                status: match guardrails.is_off() {
                    false if all(Lock::Capped) => OutcomeStatus::Capped,
                    false if !all(Lock::NoRepair) => OutcomeStatus::Refused,
                    _ => OutcomeStatus::None,
                },
                detail: None,
                command: would_do.map(|change| change.command),
                request: None,
                checks_again: None,
                undo: None,
            },
        };
        Self {
            closed,
            ..Self::of("advise", action, texts.join(" "), outcome)
        }
    }

    /// One last lock keeps back what was permitted.
    #[cfg(feature = "aws")]
    pub(super) fn kept_back(reason: Reason, permit: &Permit, by: &Guardrails) -> Self {
        Self::advise(vec![reason], Some(permit.change().clone()), None, by)
    }

    /// How a person asks for it, where that alone is missing.
    fn or_on_request(mut self, incident: &Incident, repair: &Repair, by: &Guardrails) -> Self {
        let own = repair.cause.scope_kind() == ScopeKind::Instance;
        let mut confirmed = incident.affected.iter().filter(|hit| hit.confirmed);
        let node = confirmed.find(|hit| !own || hit.node.id.as_str() == incident.scope.id);
        let (Some(function), Some(hit), [Lock::OnRequest]) =
            (&by.function, node, self.closed.as_slice())
        else {
            return self;
        };
        let mut asked = json!({"action": repair.name, "node": hit.node.id.as_str()});
        add_home(&mut asked, function, by);
        let command = invoke(function, json!({"repair": asked})).text("repair.json");
        self.summary.reason = "TRIAGE_REPAIR is on-request; nothing else prevents it.".to_owned();
        self.outcome.request = Some(command.to_string());
        self
    }

    /// A permit that is not used, as in a tool without AWS, has the outcome `none`.
    fn repair(permit: Permit) -> Self {
        let Change {
            action, command, ..
        } = permit.change();
        let outcome = Outcome {
            status: OutcomeStatus::None,
            detail: None,
            command: Some(command.clone()),
            request: None,
            checks_again: None,
            undo: None,
        };
        let reason = "The cause is confirmed and no guardrail prevents the repair.".to_owned();
        Self {
            permit: Some(permit.clone()),
            ..Self::of("repair", Some(action), reason, outcome)
        }
    }

    /// The authorization, where every lock is open.
    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// The same, of which this came.
    pub(crate) fn with(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// Whether another invocation is repairing the resource: what there is to notify
    /// follows from what comes of that.
    pub(crate) fn is_under_way(&self) -> bool {
        self.closed.contains(&Lock::UnderWay)
    }

    /// Whether the resource was found broken after this function had repaired it.
    pub(crate) fn is_recurred(&self) -> bool {
        self.closed.contains(&Lock::RepairedAgain)
    }

    /// The state of the incident after planning and repairing.
    pub(crate) fn state(&self) -> State {
        match self.outcome.status {
            OutcomeStatus::Repaired => State::Repaired,
            OutcomeStatus::AlreadyRight => State::Resolved,
            OutcomeStatus::Failed | OutcomeStatus::Unverified => State::RepairFailed,
            OutcomeStatus::None
            | OutcomeStatus::DryRun
            | OutcomeStatus::Refused
            | OutcomeStatus::Capped => {
                if self.is_recurred() {
                    State::Recurred
                } else {
                    State::Open
                }
            }
        }
    }

    /// What planning and repairing `incident` came to.
    pub(crate) fn happened(&self, incident: &Incident, memory: &RepairMemory) -> Happened {
        Happened {
            state: self.state(),
            observed: self.observed,
            written_at: Repair::of(incident.cause)
                .and_then(|repair| memory.written_at(repair.name, &target_of(incident))),
            perhaps_ours: self.perhaps_ours,
        }
    }
}

#[cfg(test)]
mod notified_tests;
#[cfg(test)]
pub(in crate::repair) mod tests;
