//! What to say of an incident and what to do about it: the sheet of its cause, filled in with what
//! is known.
//!
//! Facts in the sheets are those of the AWS documentation ("Troubleshooting SSM Agent",
//! "Configure SSM Agent to use a proxy", "Improve the security of EC2 instances by using VPC
//! endpoints for Systems Manager", "Troubleshoot IAM roles for EC2") and of the agent's source.

mod expand;
mod next;
mod situation;
#[cfg(test)]
mod tests;
mod title;
mod value;

pub(crate) use next::Recovery;
#[cfg(test)]
use next::in_words;
pub(crate) use situation::Situation;
pub(crate) use title::{Doubt, title};

use jiff::Timestamp;

use crate::cause::Confidence;
use crate::diagnose::check::Fault;
use crate::diagnose::diagnosis::FaultState;
use crate::sheet::{self, FaultKind, Sheet};
use crate::sort;

use expand::View;

/// What is said of one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runbook {
    /// What is wrong, in a few words.
    pub title: String,
    /// What is wrong, in a sentence or two.
    pub summary: String,
    /// What to do, in the order in which to try it.
    pub steps: Vec<Step>,
    /// Where the steps decide between causes: the fix of each.
    pub by_cause: Vec<Step>,
    /// How to see that the nodes are back.
    pub verify: Vec<Step>,
    /// What happens next.
    pub next: Recovery,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// One or two sentences.
    pub text: String,
    /// Ready to run, with the real ids where they pass their grammar.
    pub command: Option<String>,
}

impl Step {
    /// The step as one string: the command on a line of its own.
    pub fn line(&self) -> String {
        match &self.command {
            None => self.text.clone(),
            Some(command) => format!("{}\n{command}", self.text),
        }
    }
}

/// Fills in the sheet of `situation`. Where the log leaves several causes possible, the steps are
/// what decides between them. `now` is left out where no clock counts (a log in hand).
pub(crate) fn expand(situation: &Situation<'_>, now: Option<Timestamp>) -> Runbook {
    fill_in(sheet::of(situation.cause), situation, now)
}

fn fill_in(sheet: &'static Sheet, situation: &Situation<'_>, now: Option<Timestamp>) -> Runbook {
    let view = View::of(situation);
    let mut by_cause = Vec::new();
    let undecided = is_undecided(situation);
    let mut steps = if situation.repaired {
        view.steps(sheet.repaired)
    } else if situation.fault_state == FaultState::NotObserved {
        view.steps(sheet::NOT_OBSERVED)
    } else if undecided {
        by_cause = fixes(situation);
        let checks = situation.checks_again.map(|command| Step {
            text: "Let live checks decide (read-only):".to_owned(),
            command: Some(command.to_owned()),
        });
        (checks.into_iter())
            .chain(deciding(&view, situation))
            .collect()
    } else {
        let at_fault = at_fault(sheet, situation);
        if at_fault.is_empty() {
            view.steps(sheet.steps)
        } else {
            at_fault
        }
    };
    // What live state has shown it has shown of the machine with that id.
    if !situation.repaired && situation.confidence != Confidence::Confirmed {
        steps.splice(0..0, view.steps(sheet::FIRST));
    }
    Runbook {
        title: title::of(sheet, situation),
        summary: title::summary(sheet, situation),
        steps,
        by_cause,
        verify: view.steps(sheet.verify),
        next: next::recovery(sheet, situation, now),
    }
}

/// Several causes are possible.
fn is_undecided(situation: &Situation<'_>) -> bool {
    situation.confidence == Confidence::Undetermined && situation.candidates.len() > 1
}

/// What decides between the candidates.
fn deciding(view: &View<'_>, situation: &Situation<'_>) -> Vec<Step> {
    let mut groups: Vec<_> = (situation.candidates.iter())
        .flat_map(|cause| sheet::of(*cause).decide)
        .collect();
    sort::by_key(&mut groups, |(place, _)| *place);
    let steps = view.steps(groups.iter().flat_map(|(_, steps)| *steps));
    if steps.is_empty() {
        return view.steps(sheet::DECIDE_OTHERWISE);
    }
    steps
}

/// The fix of each candidate, in a line.
fn fixes(situation: &Situation<'_>) -> Vec<Step> {
    let fix = |cause: &_| Step {
        text: format!("{cause}: {}.", sheet::of(*cause).fix),
        command: None,
    };
    situation.candidates.iter().map(fix).collect()
}

/// The steps for the faults by which checks proved the cause, each fault once.
fn at_fault(sheet: &Sheet, situation: &Situation<'_>) -> Vec<Step> {
    if situation.confidence != Confidence::Confirmed {
        return Vec::new();
    }
    let mut steps: Vec<Step> = Vec::new();
    for check in situation.checks {
        let proves = check.confirms(situation.cause);
        let Some(fault) = check.fault.as_ref().filter(|_| proves) else {
            continue;
        };
        let of_kind = |(kind, _): &&(FaultKind, _)| Some(*kind) == kind_of(fault);
        let own = sheet.faults.iter().find(of_kind);
        if let Some((_, own)) = own {
            let view = View::of(situation).with_fault(fault);
            steps.extend(view.steps(*own));
        }
    }
    expand::each_once(steps)
}

/// The name of a fault's kind in the sheets. A resource that only leaves a doubt, or of which the
/// check says everything, has none.
fn kind_of(fault: &Fault) -> Option<FaultKind> {
    Some(match fault {
        Fault::MissingActions { .. } => FaultKind::MissingActions,
        Fault::PolicyDenies { .. } => FaultKind::PolicyDenies,
        Fault::EndpointPolicy { .. } => FaultKind::EndpointPolicy,
        Fault::EndpointState { .. } => FaultKind::EndpointState,
        Fault::PrivateDnsDisabled { .. } => FaultKind::PrivateDnsDisabled,
        Fault::EndpointBypassed { .. } | Fault::SessionPreferences => return None,
        Fault::EndpointSgBlocksInstance { .. } => FaultKind::EndpointSgBlocksInstance,
        Fault::Egress { .. } => FaultKind::Egress,
        Fault::Acl { .. } => FaultKind::NetworkAcl,
        Fault::Route { .. } => FaultKind::Route,
        Fault::NoPublicAddress { .. } => FaultKind::NoPublicAddress,
        Fault::DnsSupport { .. } => FaultKind::DnsSupport,
        Fault::DhmcRole { .. } => FaultKind::DhmcRole,
    })
}
