//! Do EC2's own status checks of the instance pass?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, Observation, OfHybrid, Query, Question, Subject};
use crate::diagnose::facts::{ScheduledEvent, known};

pub(crate) const CHECK: Check = Check {
    name: "instance-status",
    question: Question::Running,
    causes: &[Cause::InstanceImpaired, Cause::NodeSilent],
    needs: &[Query::Instance, Query::InstanceStatus],
    uses: &[],
    observes: &[IMPAIRED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// EC2 does not reach the host, its operating system or its volumes.
const IMPAIRED: Observation =
    Observation::confirms("instance-impaired", Cause::InstanceImpaired, &[]);

/// What each of EC2's checks means where it fails: a clause.
const SYSTEM: &str = "the system status check fails: what runs it is at fault";
const INSTANCE: &str = "the instance status check fails: its operating system does not answer";
const VOLUMES: &str = "the check of its EBS volumes fails: they do not answer";

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let id = &instance.id;
    if instance.state != "running" {
        let note = format!("{id} is {}: EC2 checks what runs.", instance.state);
        return Err(CheckResult::skipped(note));
    }
    let what = format!("the status checks of {id}");
    let status = known(subject.facts.statuses.get(id), &what)
        .map_err(|why| CheckResult::undetermined("whether EC2 reaches the instance", &why))?;
    let events: String = status.events.iter().map(scheduled).collect();
    let checks = [
        (SYSTEM, Some(&status.system)),
        (INSTANCE, Some(&status.instance)),
        (VOLUMES, status.volumes.as_ref()),
    ];
    let checks = checks
        .into_iter()
        .filter_map(|(fails, state)| Some((fails, state?.as_str())));
    let checks: Vec<(&str, &str)> = checks
        .filter(|(_, state)| *state != "not-applicable")
        .collect();
    let failing = checks.iter().filter(|(_, state)| *state == "impaired");
    let failing: Vec<&str> = failing.map(|(fails, _)| *fails).collect();
    if !failing.is_empty() {
        let note = format!("Of {id} {}.{events}", failing.join(", and "));
        return Ok(CheckResult::failed(note).observed(IMPAIRED));
    }
    Ok(match checks.iter().find(|(_, state)| *state != "ok") {
        Some((_, state)) => CheckResult::unknown(format!(
            "EC2's status checks of {id} have no result yet ({state}).{events}"
        )),
        None => CheckResult::ok(format!(
            "EC2's status checks of {id} pass ({count} of {count}).{events}",
            count = checks.len()
        )),
    })
}

/// A sentence with a blank before it.
fn scheduled(event: &ScheduledEvent) -> String {
    let at = event
        .at
        .map(|at| at.strftime(" for %Y-%m-%d %H:%M:%S UTC").to_string());
    format!(
        " EC2 has scheduled {}{}.",
        event.code,
        at.unwrap_or_default()
    )
}
