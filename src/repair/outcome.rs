//! What came of a plan that led to no write, and what the reader is to be told
//! about any of them.

use super::plan::{Advice, Locks, NotNeeded, Plan};
use super::reason::{Reason, moment};
use super::{action, memory::Attempt};
use crate::config::RepairMode;
use crate::incident::store::State;
use crate::report::{OutcomeReport, OutcomeStatus};
use crate::trust_policy::remove_ours;

/// The outcome of a plan that is no repair. A [`Plan::Repair`] that is not
/// carried out, as in a tool without AWS, has the outcome `none`.
pub fn without_write(plan: &Plan, locks: &Locks) -> OutcomeReport {
    match plan {
        Plan::NotNeeded(why) => not_needed(why),
        Plan::Advise(advice) => advised(advice, locks),
        Plan::Repair(permit) => OutcomeReport {
            status: OutcomeStatus::None,
            detail: None,
            command: Some(permit.action().command(&locks.region)),
            undo: None,
        },
    }
}

/// The state of an incident after planning and repairing.
pub fn state(plan: &Plan, outcome: &OutcomeReport) -> State {
    let broken_again = match plan {
        Plan::Advise(advice) => {
            (advice.reasons.iter()).any(|reason| matches!(reason, Reason::RepairedAgain { .. }))
        }
        Plan::NotNeeded(_) | Plan::Repair(_) => false,
    };
    match outcome.status {
        OutcomeStatus::Repaired => State::Repaired,
        OutcomeStatus::AlreadyRight => State::Resolved,
        OutcomeStatus::Failed | OutcomeStatus::Unverified => State::RepairFailed,
        OutcomeStatus::None
        | OutcomeStatus::DryRun
        | OutcomeStatus::Refused
        | OutcomeStatus::Capped => {
            if broken_again {
                State::BrokenAgain
            } else {
                State::Open
            }
        }
    }
}

fn not_needed(why: &NotNeeded) -> OutcomeReport {
    match why {
        NotNeeded::AlreadyRight(_) => OutcomeReport {
            status: OutcomeStatus::AlreadyRight,
            detail: Some(why.to_string()),
            command: None,
            undo: None,
        },
        NotNeeded::DoneBefore(attempt) => told_again(attempt),
        NotNeeded::OurStatement {
            role,
            sid,
            document,
        } => OutcomeReport {
            status: OutcomeStatus::Repaired,
            detail: Some(format!(
                "Already done in an earlier attempt: the statement {sid} in the trust policy of the role {role} is this function's own."
            )),
            command: None,
            undo: remove_ours(document, sid).map(|without| action::undo_trust(role, sid, &without)),
        },
    }
}

fn told_again(attempt: &Attempt) -> OutcomeReport {
    let mut detail = format!(
        "Already done in an earlier attempt at {}",
        moment(attempt.at)
    );
    if attempt.outcome.status == OutcomeStatus::Repaired {
        detail.push('.');
        if let Some(told) = &attempt.outcome.detail {
            detail.push(' ');
            detail.push_str(told);
        }
    } else {
        detail.push_str(", and now seen in effect.");
    }
    OutcomeReport {
        status: OutcomeStatus::Repaired,
        detail: Some(detail),
        ..attempt.outcome.clone()
    }
}

fn advised(advice: &Advice, locks: &Locks) -> OutcomeReport {
    for reason in &advice.reasons {
        if let Reason::TriedRecently { at, outcome } = reason {
            let detail = outcome
                .detail
                .as_deref()
                .unwrap_or("The outcome is not known.");
            return OutcomeReport {
                detail: Some(format!("Tried at {}. {detail}", moment(*at))),
                ..(**outcome).clone()
            };
        }
    }
    let all = |wanted: fn(&Reason) -> bool| advice.reasons.iter().all(wanted);
    let status = if locks.mode == RepairMode::Advise
        || all(|reason| matches!(reason, Reason::NoRepair(_)))
    {
        OutcomeStatus::None
    } else if all(|reason| matches!(reason, Reason::Capped { .. })) {
        OutcomeStatus::Capped
    } else {
        OutcomeStatus::Refused
    };
    OutcomeReport {
        status,
        detail: None,
        command: (advice.would_do.as_ref()).map(|action| action.command(&locks.region)),
        undo: None,
    }
}
