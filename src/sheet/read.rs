//! Reads a sheet from its TOML, and refuses what is wrong in it. For `build.rs` and for tests: a
//! text that is read stays in memory for good.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::words::{Condition, FaultKind, Flag, Form, Placeholder, Restart};
use super::{Next, Piece, Sheet, Step, Template, Test, When};
use crate::cause::{Cause, ScopeKind, Severity};
use crate::machine::Environment;

/// What several sheets use by name.
#[derive(Debug)]
pub(crate) struct Shared {
    /// In the order in which they stand.
    groups: Vec<(String, &'static [Step])>,
    schedules: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShared {
    group: toml::Table,
    schedule: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSheet {
    severity: String,
    scope: String,
    fix: String,
    #[serde(default)]
    decide: Vec<String>,
    next: Vec<RawNext>,
    title: Vec<RawStep>,
    summary: Vec<RawStep>,
    step: Vec<RawStep>,
    #[serde(default)]
    fault: BTreeMap<String, Vec<RawStep>>,
    #[serde(default)]
    repaired: Vec<RawStep>,
    verify: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    #[serde(default)]
    when: Vec<Clause>,
    text: Option<String>,
    run: Option<String>,
    windows: Option<String>,
    r#use: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNext {
    #[serde(default)]
    when: Vec<Clause>,
    schedule: Option<String>,
    retries: Option<String>,
    #[serde(default = "yes")]
    certain: bool,
    restart: String,
}

fn yes() -> bool {
    true
}

/// One condition, or several of which one must hold.
#[derive(Deserialize)]
#[serde(untagged)]
enum Clause {
    One(String),
    Any(Vec<String>),
}

/// Reads `shared.toml`. Groups may use those that stand in the file, in any order.
pub(crate) fn shared(text: &str) -> Result<Shared, String> {
    let raw: RawShared = toml::from_str(text).map_err(|fault| fault.to_string())?;
    let mut left = Vec::new();
    // A table of the parser is sorted; the order of the file is that of the first mention.
    let mut names: Vec<&String> = raw.group.keys().collect();
    names.sort_by_key(|name| text.find(&format!("[[group.{name}]]")));
    for name in names {
        let steps: Vec<RawStep> = (raw.group[name].clone().try_into())
            .map_err(|fault| format!("group {name}: {fault}"))?;
        left.push((name.clone(), steps));
    }
    let order: Vec<String> = left.iter().map(|(name, _)| name.clone()).collect();
    let mut done = Shared {
        groups: Vec::new(),
        schedules: raw.schedule,
    };
    while !left.is_empty() {
        let before = left.len();
        let mut later = Vec::new();
        for (name, raw) in left {
            let ready = (raw.iter().filter_map(|step| step.r#use.as_ref()))
                .all(|used| done.group(used).is_ok());
            if ready {
                let steps =
                    steps(&raw, &done, false).map_err(|fault| format!("group {name}: {fault}"))?;
                done.groups.push((name, steps));
            } else {
                later.push((name, raw));
            }
        }
        if later.len() == before {
            let names: Vec<&str> = later.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!(
                "these groups use one that does not exist, or one another: {}",
                names.join(", ")
            ));
        }
        left = later;
    }
    done.groups
        .sort_by_key(|(name, _)| order.iter().position(|known| known == name));
    Ok(done)
}

impl Shared {
    /// The steps of a group, and its place in the file.
    pub(crate) fn group(&self, name: &str) -> Result<(usize, &'static [Step]), String> {
        let found = self.groups.iter().position(|(known, _)| known == name);
        let place = called("group", name, found)?;
        Ok((place, self.groups[place].1))
    }
}

/// Reads the sheet of the cause `name`.
pub(crate) fn sheet(name: &str, text: &str, shared: &Shared) -> Result<Sheet, String> {
    let cause = Cause::parse(name).ok_or("no cause has the name of this file")?;
    let raw: RawSheet = toml::from_str(text).map_err(|fault| fault.to_string())?;
    let faults = all(&raw.fault, |(kind, raw)| {
        let kind = called("fault", kind, FaultKind::parse(kind))?;
        Ok((kind, steps(raw, shared, false)?))
    });
    let sheet = Sheet {
        cause,
        severity: called("severity", &raw.severity, Severity::parse(&raw.severity))?,
        scope: called("kind of scope", &raw.scope, ScopeKind::parse(&raw.scope))?,
        titles: texts(&raw.title, shared)?,
        summaries: texts(&raw.summary, shared)?,
        steps: steps(&raw.step, shared, false)?,
        faults: faults?,
        repaired: steps(&raw.repaired, shared, false)?,
        fix: sentence(&raw.fix)?,
        decide: all(&raw.decide, |group| shared.group(group))?,
        verify: steps(&raw.verify, shared, false)?,
        next: all(&raw.next, |one| next(one, shared))?,
    };
    if sheet.steps.is_empty() || sheet.verify.is_empty() {
        return Err("a sheet has steps, and a way to verify".to_owned());
    }
    if sheet.next.last().is_none_or(|next| !next.when.is_empty()) {
        return Err("the last of next must stand without a condition".to_owned());
    }
    Ok(sheet)
}

/// Titles or summaries: steps that are nothing but text, the last of which always stands.
fn texts(raw: &[RawStep], shared: &Shared) -> Result<&'static [Step], String> {
    let is_text = |one: &RawStep| one.run.is_none() && one.windows.is_none() && one.r#use.is_none();
    if !raw.iter().all(is_text) || raw.last().is_none_or(|one| !one.when.is_empty()) {
        return Err(
            "titles and summaries are nothing but text, and the last has no condition".to_owned(),
        );
    }
    steps(raw, shared, true)
}

fn steps(raw: &[RawStep], shared: &Shared, is_title: bool) -> Result<&'static [Step], String> {
    let mut steps = Vec::new();
    for one in raw {
        let own = when(&one.when)?;
        match (&one.r#use, &one.text) {
            (Some(group), None) if one.run.is_none() && one.windows.is_none() => {
                for step in shared.group(group)?.1 {
                    let when: Vec<_> = own.iter().chain(step.when).copied().collect();
                    steps.push(Step {
                        when: when.leak(),
                        ..*step
                    });
                }
            }
            (None, Some(text)) => steps.push(Step {
                when: own,
                text: prose(text, is_title)?,
                run: one.run.as_deref().map(command).transpose()?,
                windows: one.windows.as_deref().map(command).transpose()?,
            }),
            (Some(group), _) => {
                return Err(format!(
                    "a step that uses {group} has nothing else but when"
                ));
            }
            (None, None) => return Err("a step without text".to_owned()),
        }
    }
    if (steps.iter()).any(|step| step.windows.is_some() && step.run.is_none()) {
        return Err("windows stands beside run, or in a step of its own as run".to_owned());
    }
    Ok(steps.leak())
}

fn next(raw: &RawNext, shared: &Shared) -> Result<Next, String> {
    let retries = match (&raw.schedule, &raw.retries) {
        (Some(name), None) => called("schedule", name, shared.schedules.get(name))?,
        (None, Some(retries)) => retries,
        (Some(_), Some(_)) | (None, None) => {
            return Err("next has either a schedule or retries".to_owned());
        }
    };
    Ok(Next {
        when: when(&raw.when)?,
        retries: sentence(retries)?,
        certain: raw.certain,
        restart: Restart::parse(&raw.restart)
            .ok_or_else(|| format!("restart cannot be {:?}", raw.restart))?,
    })
}

/// What `read` makes of each, for good.
fn all<T, U>(
    raw: impl IntoIterator<Item = T>,
    read: impl FnMut(T) -> Result<U, String>,
) -> Result<&'static [U], String> {
    let read: Result<Vec<U>, String> = raw.into_iter().map(read).collect();
    read.map(|read| &*read.leak())
}

fn called<T>(what: &str, name: &str, found: Option<T>) -> Result<T, String> {
    found.ok_or_else(|| format!("no {what} is called {name:?}"))
}

fn when(raw: &[Clause]) -> Result<When, String> {
    all(raw, |clause| match clause {
        Clause::One(one) => all([one], |one| test(one)),
        Clause::Any(any) => all(any, |one| test(one)),
    })
}

fn test(text: &str) -> Result<Test, String> {
    let (holds, name) = match text.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, text),
    };
    let condition = match name.split_once(':') {
        None => (Environment::parse(name).map(Condition::On))
            .or_else(|| Flag::parse(name).map(Condition::Is)),
        Some(("known", of)) => Placeholder::parse(of).map(Condition::Known),
        Some(("scope", kind)) => ScopeKind::parse(kind).map(Condition::Scope),
        Some(("service", prefix)) => Some(Condition::Service(keep(prefix))),
        Some(("signature", id)) => Some(Condition::Signature(keep(id))),
        Some(("only-signature", id)) => Some(Condition::OnlySignature(keep(id))),
        Some(_) => None,
    };
    let condition = called("condition", name, condition)?;
    Ok(Test { condition, holds })
}

/// Prose: one line, with values and words.
fn prose(text: &str, is_title: bool) -> Result<Template, String> {
    let pieces = pieces(sentence(text)?)?;
    for piece in pieces {
        if let Piece::Value(value) = piece {
            match value.form() {
                Form::Value(_) => {}
                Form::Words if is_title || *value != Placeholder::At => {}
                Form::Words | Form::Options | Form::Document | Form::Command => {
                    return Err(format!("{{{value}}} cannot stand in {text:?}"));
                }
            }
        }
    }
    Ok(pieces)
}

/// A command: one line, with values outside double quotes; within "$(…)" quoting begins anew.
fn command(text: &str) -> Result<Template, String> {
    let pieces = pieces(sentence(text)?)?;
    let (mut single, mut double, mut nested) = (false, false, false);
    for (at, piece) in pieces.iter().enumerate() {
        let value = match piece {
            Piece::Text(text) => {
                for (place, c) in text.char_indices() {
                    match c {
                        '\'' if !double => single = !single,
                        '"' if !single => {
                            double = !double;
                            nested = double && text[place..].starts_with("\"$(");
                        }
                        _ => {}
                    }
                }
                continue;
            }
            Piece::Value(value) => *value,
        };
        let is_end = |piece: Option<&Piece>, ends: fn(&str) -> bool| match piece {
            None => true,
            Some(Piece::Text(text)) => ends(text),
            Some(Piece::Value(_)) => false,
        };
        let before = at.checked_sub(1).map(|before| &pieces[before]);
        let whole_word = is_end(before, |text| text.ends_with(' '))
            && is_end(pieces.get(at + 1), |text| text.starts_with([' ', ')']));
        let bare = !single && (!double || nested);
        // A list of several values makes several words.
        let is_list = matches!(value, Placeholder::Actions | Placeholder::Groups);
        let fits = match value.form() {
            Form::Value(_) => (bare && (whole_word || !is_list)) || (single && !is_list),
            Form::Document | Form::Options => whole_word && bare,
            Form::Command => pieces.len() == 1,
            Form::Words => false,
        };
        if !fits {
            return Err(format!("{{{value}}} cannot stand there in {text:?}"));
        }
    }
    if single || double {
        return Err(format!("a quote is left open in {text:?}"));
    }
    Ok(pieces)
}

fn pieces(text: &'static str) -> Result<Template, String> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        at = open + 1;
        let Some(close) = text[at..].find('}').map(|close| at + close) else {
            break;
        };
        let name = &text[at..close];
        let is_name = !name.is_empty()
            && (name.bytes()).all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        // curl's own: %{http_code}.
        if !is_name || text[..open].ends_with('%') {
            continue;
        }
        let value = Placeholder::parse(name)
            .ok_or_else(|| format!("no placeholder is called {name:?}, in {text:?}"))?;
        if from < open {
            pieces.push(Piece::Text(&text[from..open]));
        }
        pieces.push(Piece::Value(value));
        at = close + 1;
        from = at;
    }
    if from < text.len() {
        pieces.push(Piece::Text(&text[from..]));
    }
    Ok(pieces.leak())
}

/// One line with something in it.
fn sentence(text: &str) -> Result<&'static str, String> {
    if text.trim().is_empty() || text.trim() != text || text.contains('\n') || text.contains("  ") {
        return Err(format!(
            "text is one line, not empty, without spaces around it or two in a row: {text:?}"
        ));
    }
    Ok(keep(text))
}

fn keep(text: &str) -> &'static str {
    text.to_owned().leak()
}
