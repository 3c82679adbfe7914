//! What does the console of an instance that does not report show?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, OfHybrid, Query, Question, Subject};
use crate::diagnose::console;
use crate::diagnose::facts::{ConsoleFacts, Fetched, known};
use crate::node::{IdSource, Node, NodeId};
use crate::text::redact::redact_line;
use crate::text::sanitize::cut;

pub(crate) const CHECK: Check = Check {
    name: "console-output",
    question: Question::Running,
    causes: &[Cause::NodeSilent],
    needs: &[Query::Instance, Query::Registration, Query::Console],
    uses: &[],
    // What a host writes proves nothing.
    observes: &[],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// Characters of a line that are quoted.
const QUOTED: usize = 160;

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let (id, facts) = (&instance.id, subject.facts);
    let skipped = |why: &str| CheckResult::skipped(format!("{id} {why}: its console is not read."));
    if instance.state != "running" {
        return Err(skipped(&format!("is {}", instance.state)));
    }
    let registration = facts.registrations.get(&NodeId::Instance(id.clone()));
    if registration
        .and_then(Fetched::found)
        .is_some_and(|one| one.is_online())
    {
        return Err(skipped("reports"));
    }
    let read = known(facts.consoles.get(id), &format!("the console of {id}"));
    let console = read.map_err(|why| CheckResult::undetermined("what the console shows", &why))?;
    if console.text.trim().is_empty() {
        return Err(CheckResult::unknown(format!(
            "EC2 has no console output of {id}."
        )));
    }
    let node = Node {
        id: NodeId::Instance(id.clone()),
        id_source: IdSource::Caller,
        account: None,
        region: subject.region.cloned(),
    };
    let at = at(console);
    let shown = console::read(&node, console, subject.last);
    Ok(match shown.first() {
        Some(first) => {
            let line = redact_line(&first.line);
            let note = format!(
                "The console of {id}{at} shows that {}: {}",
                first.says,
                cut(&line, QUOTED)
            );
            match first.finding {
                Some(_) => CheckResult::failed(note),
                None => CheckResult::unknown(note),
            }
        }
        None => CheckResult::ok(format!(
            "The console of {id}{at} shows no trouble since its last start."
        )),
    })
}

fn at(console: &ConsoleFacts) -> String {
    let at = console
        .at
        .map(|at| at.strftime(", as of %Y-%m-%d %H:%M:%S UTC,").to_string());
    at.unwrap_or_default()
}
