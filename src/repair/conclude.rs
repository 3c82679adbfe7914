//! What came of a plan that led to no write, and what the reader is to be notified
//! about any of them.

use super::action::{self, action_for};
use super::memory::{Attempt, RepairMemory};
use super::outcome::{Outcome, OutcomeStatus};
use super::plan::{Advice, Guardrails, NotNeeded, Plan, Reading};
use super::reason::{Reason, moment};
use crate::config::RepairMode;
use crate::incident::group::Incident;
use crate::incident::store::{Happened, State};

use crate::policy::remove_ours;

/// The outcome of a plan that is no repair. A [`Plan::Repair`] that is not
/// carried out, as in a tool without AWS, has the outcome `none`.
pub(crate) fn without_write(plan: &Plan, guardrails: &Guardrails) -> Outcome {
    match plan {
        Plan::NotNeeded(why) => not_needed(why, guardrails),
        Plan::Advise(advice) => advised(advice, guardrails),
        Plan::Repair(permit) => Outcome {
            status: OutcomeStatus::None,
            detail: None,
            command: Some(permit.action().command(&guardrails.region)),
            undo: None,
        },
    }
}

/// The state of an incident after planning and repairing.
pub(crate) fn state(plan: &Plan, outcome: &Outcome) -> State {
    match outcome.status {
        OutcomeStatus::Repaired => State::Repaired,
        OutcomeStatus::AlreadyRight => State::Resolved,
        OutcomeStatus::Failed | OutcomeStatus::Unverified => State::RepairFailed,
        OutcomeStatus::None
        | OutcomeStatus::DryRun
        | OutcomeStatus::Refused
        | OutcomeStatus::Capped => {
            if is_recurred(plan) {
                State::Recurred
            } else {
                State::Open
            }
        }
    }
}

/// What planning and repairing `incident` came to.
pub(crate) fn happened(
    incident: &Incident,
    plan: &Plan,
    outcome: &Outcome,
    memory: &RepairMemory,
) -> Happened {
    let written_at =
        action_for(incident.cause).and_then(|action| memory.written_at(action, &incident.scope.id));
    Happened {
        state: state(plan, outcome),
        observed: is_observed(plan),
        written_at,
        perhaps_ours: matches!(plan, Plan::NotNeeded(NotNeeded::PerhapsOurs(_))),
    }
}

/// Whether this invocation has seen the state that [`state`] gives. What was
/// done before is reported without a look, too, and says nothing of now.
fn is_observed(plan: &Plan) -> bool {
    match plan {
        Plan::NotNeeded(NotNeeded::DoneBefore { reading, .. }) => *reading == Reading::InEffect,
        Plan::NotNeeded(_) | Plan::Advise(_) | Plan::Repair(_) => true,
    }
}

/// Whether the resource was found broken after this function had repaired it.
pub(super) fn is_recurred(plan: &Plan) -> bool {
    match plan {
        Plan::Advise(advice) => {
            (advice.reasons.iter()).any(|reason| matches!(reason, Reason::RepairedAgain { .. }))
        }
        Plan::NotNeeded(_) | Plan::Repair(_) => false,
    }
}

fn not_needed(why: &NotNeeded, guardrails: &Guardrails) -> Outcome {
    match why {
        NotNeeded::AlreadyRight(_) => Outcome {
            status: OutcomeStatus::AlreadyRight,
            detail: Some(why.to_string()),
            command: None,
            undo: None,
        },
        NotNeeded::DoneBefore { attempt, reading } => done_before(attempt, *reading),
        NotNeeded::PerhapsOurs(action) => Outcome {
            status: OutcomeStatus::AlreadyRight,
            detail: Some(format!(
                "The metadata endpoint of {} is enabled at this moment. Every lock for its repair is open, so most likely this function enabled it: in an earlier attempt whose message did not get through, or in another execution environment. The function's log then holds audit lines of enable-imds-endpoint for {}.",
                action.target(),
                action.target(),
            )),
            command: None,
            undo: Some(action.undo(&guardrails.region)),
        },
        NotNeeded::OurStatement {
            role,
            sid,
            document,
        } => Outcome {
            status: OutcomeStatus::Repaired,
            detail: Some(format!(
                "Already done in an earlier attempt: the statement {sid} in the trust policy of the role {role} is this function's own."
            )),
            command: None,
            undo: remove_ours(document, sid).map(|without| action::undo_trust(role, sid, &without)),
        },
    }
}

fn done_before(attempt: &Attempt, reading: Reading) -> Outcome {
    let mut detail = format!(
        "Already done in an earlier attempt at {}",
        moment(attempt.at)
    );
    if attempt.outcome.status == OutcomeStatus::Repaired {
        detail.push('.');
        if let Some(notified) = &attempt.outcome.detail {
            detail.push(' ');
            detail.push_str(notified);
        }
    } else {
        detail.push_str(", and now seen in effect.");
    }
    detail.push_str(match reading {
        Reading::InEffect => "",
        Reading::Settling => {
            " A read in this invocation gives the state from before the change, as reads may for a minute after one."
        }
        Reading::None => " Its present state was not read in this invocation.",
    });
    Outcome {
        status: OutcomeStatus::Repaired,
        detail: Some(detail),
        ..attempt.outcome.clone()
    }
}

fn advised(advice: &Advice, guardrails: &Guardrails) -> Outcome {
    for reason in &advice.reasons {
        if let Reason::TriedRecently { at, outcome } = reason {
            let detail = outcome
                .detail
                .as_deref()
                .unwrap_or("The outcome is not known.");
            return Outcome {
                detail: Some(format!("Tried at {}. {detail}", moment(*at))),
                ..(**outcome).clone()
            };
        }
    }
    let all = |wanted: fn(&Reason) -> bool| advice.reasons.iter().all(wanted);
    let status = if guardrails.mode == RepairMode::Advise
        || all(|reason| matches!(reason, Reason::NoRepair(_)))
    {
        OutcomeStatus::None
    } else if all(|reason| matches!(reason, Reason::Capped { .. })) {
        OutcomeStatus::Capped
    } else {
        OutcomeStatus::Refused
    };
    Outcome {
        status,
        detail: None,
        command: (advice.would_do.as_ref()).map(|action| action.command(&guardrails.region)),
        undo: None,
    }
}
