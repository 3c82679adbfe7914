//! Could the activation of a hybrid node register it once more?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{Fetched, known};
use crate::diagnose::subject::Hybrid;

pub(crate) const CHECK: Check = Check {
    name: "activation",
    question: Question::Credentials,
    causes: &[Cause::NodeSilent],
    needs: &[Query::Registration, Query::Activation],
    uses: &[],
    // A node that is registered does without its activation.
    observes: &[],
    of_hybrid: OfHybrid::Only(of_hybrid),
    evaluate,
};

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    subject.existing_instance()?;
    let note = format!(
        "{} is an EC2 instance: it needs no activation.",
        subject.instance
    );
    Err(CheckResult::skipped(note))
}

fn of_hybrid(hybrid: &Hybrid<'_>) -> Result<CheckResult, CheckResult> {
    let Hybrid { id, facts, .. } = hybrid;
    let what = "which activation registered it";
    let read = facts.registrations.get(id);
    let unknown = |why: String| CheckResult::undetermined(what, &why);
    if read == Some(&Fetched::Missing) {
        let note = format!("Which activation registered {id} is not known: it is not registered.");
        return Err(CheckResult::skipped(note));
    }
    let registration = known(read, &format!("the registration of {id}")).map_err(unknown)?;
    let Some(activation) = &registration.activation else {
        return Err(unknown("Systems Manager does not name it".to_owned()));
    };
    let read = facts.activations.get(activation);
    let again = "That does not stop the node; registering it again takes a new activation";
    if read == Some(&Fetched::Missing) {
        let note = format!("The activation {activation} of {id} was deleted. {again}.");
        return Ok(CheckResult::ok(note));
    }
    let found = known(read, &format!("the activation {activation}")).map_err(unknown)?;
    let until = found
        .expires
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let until = until.unwrap_or_else(|| "a time that is not known".to_owned());
    let nodes = format!("{} of {} nodes registered", found.used, found.limit);
    Ok(CheckResult::ok(if found.expired {
        format!("The activation {activation} of {id} expired at {until} ({nodes}). {again}.")
    } else if found.used >= found.limit {
        format!("The activation {activation} of {id} is used up ({nodes}). {again}.")
    } else {
        format!("The activation {activation} of {id} is valid until {until} ({nodes}).")
    }))
}
