//! Writes sheets as Rust, for `build.rs`.

use std::path::Path;

use super::read;
use super::{Condition, Piece, Sheet, Step, Template, When};
use crate::cause::Cause;

/// The sheets as constants, from the texts of `shared.toml` and of one file each.
pub fn to_rust(shared: &str, files: &[(String, String)]) -> Result<String, String> {
    let shared = read::shared(shared).map_err(|fault| format!("src/sheet/shared.toml: {fault}"))?;
    let mut sheets = Vec::new();
    for (file, text) in files {
        let name = Path::new(file).file_stem().and_then(|name| name.to_str());
        let sheet = read::sheet(name.unwrap_or_default(), text, &shared);
        sheets.push(sheet.map_err(|fault| format!("{file}: {fault}"))?);
    }
    sheets.sort_by_key(|sheet| sheet.cause);
    let has_none = |cause: &&Cause| !sheets.iter().any(|sheet| sheet.cause == **cause);
    if let Some(cause) = Cause::ALL.iter().find(has_none) {
        return Err(format!(
            "src/sheet/causes/{cause}.toml is missing: each cause has a sheet"
        ));
    }
    let steps = |group| Ok::<_, String>(list(shared.group(group)?.1, of_step));
    Ok(format!(
        "/// One for each cause, in the order of [`Cause::ALL`].\n\
         pub(crate) static SHEETS: &[Sheet] = {};\n\
         /// The groups of `shared.toml` that stand in no sheet.\n\
         pub(crate) static DECIDE_OTHERWISE: &[Step] = {};\n\
         /// Where live checks find nothing wrong.\n\
         pub(crate) static NOT_OBSERVED: &[Step] = {};\n",
        list(&sheets, of_sheet),
        steps("decide-otherwise")?,
        steps("not-observed")?,
    ))
}

fn of_sheet(sheet: &Sheet) -> String {
    format!(
        "Sheet {{ cause: Cause::{:?}, severity: Severity::{:?}, scope: ScopeKind::{:?}, \
         titles: {}, summaries: {}, steps: {}, faults: {}, repaired: {}, fix: {:?}, decide: {}, \
         verify: {}, next: {} }}",
        sheet.cause,
        sheet.severity,
        sheet.scope,
        list(sheet.titles, of_step),
        list(sheet.summaries, of_step),
        list(sheet.steps, of_step),
        list(sheet.faults, |(kind, steps)| format!(
            "(FaultKind::{kind:?}, {})",
            list(steps, of_step)
        )),
        list(sheet.repaired, of_step),
        sheet.fix,
        list(sheet.decide, |(place, steps)| format!(
            "({place}, {})",
            list(steps, of_step)
        )),
        list(sheet.verify, of_step),
        list(sheet.next, |next| format!(
            "Next {{ when: {}, retries: {:?}, certain: {}, restart: Restart::{:?} }}",
            of_when(next.when),
            next.retries,
            next.certain,
            next.restart
        )),
    )
}

fn of_step(step: &Step) -> String {
    let option = |template: Option<Template>| match template {
        Some(template) => format!("Some({})", of_template(template)),
        None => "None".to_owned(),
    };
    format!(
        "Step {{ when: {}, text: {}, run: {}, windows: {} }}",
        of_when(step.when),
        of_template(step.text),
        option(step.run),
        option(step.windows)
    )
}

fn of_template(template: Template) -> String {
    list(template, |piece| match piece {
        Piece::Text(text) => format!("Piece::Text({text:?})"),
        Piece::Value(value) => format!("Piece::Value(Placeholder::{value:?})"),
    })
}

fn of_when(when: When) -> String {
    list(when, |any| {
        list(any, |test| {
            let condition = match test.condition {
                Condition::Flag(flag) => format!("Flag(Flag::{flag:?})"),
                Condition::On(one) => format!("On(Environment::{one:?})"),
                Condition::Known(value) => format!("Known(Placeholder::{value:?})"),
                Condition::Scope(kind) => format!("Scope(ScopeKind::{kind:?})"),
                Condition::Service(_) | Condition::Signature(_) | Condition::OnlySignature(_) => {
                    format!("{:?}", test.condition)
                }
            };
            format!(
                "Test {{ condition: Condition::{condition}, holds: {} }}",
                test.holds
            )
        })
    })
}

fn list<T>(items: &[T], code: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(code).collect();
    format!("&[{}]", items.join(", "))
}
