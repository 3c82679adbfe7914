//! Fills templates in, and looks which steps stand.

use std::borrow::Cow;

use super::{Situation, Step};
use crate::command::{json_word, quote};
use crate::diagnose::check::Fault;
use crate::machine::Environment;
use crate::sheet::{self, Form, Piece, Placeholder, Template, When};

/// A situation as a sheet sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) of: &'a Situation<'a>,
    /// The resource at fault, whose values come before all others.
    pub(super) fault: Option<&'a Fault>,
}

impl<'a> View<'a> {
    pub(super) fn of(situation: &'a Situation<'a>) -> Self {
        Self {
            of: situation,
            fault: None,
        }
    }

    pub(super) fn with_fault(self, fault: &'a Fault) -> Self {
        Self {
            fault: Some(fault),
            ..self
        }
    }

    pub(super) fn holds(&self, when: When) -> bool {
        when.iter()
            .all(|any| (any.iter()).any(|test| self.condition(test.condition) == test.holds))
    }

    /// Those of `steps` that stand, filled in, no command twice. A step that has a command for
    /// each platform becomes two where the log does not show the platform.
    pub(super) fn steps(&self, steps: impl IntoIterator<Item = &'static sheet::Step>) -> Vec<Step> {
        let mut filled = Vec::new();
        for step in steps.into_iter().filter(|step| self.holds(step.when)) {
            let mut push = |text: Cow<'_, str>, command: Option<Template>| {
                filled.push(Step {
                    text: text.into_owned(),
                    command: command.map(|command| self.command(command)),
                });
            };
            let text = Cow::from(self.text(step.text));
            match (
                step.windows,
                self.is_on(Environment::Windows),
                // Containers run Linux, unless the log says otherwise.
                self.of.error_details.machine.has_platform() || self.is_on(Environment::Container),
            ) {
                (Some(windows), true, _) => push(text, Some(windows)),
                (Some(windows), false, false) => {
                    push(text, step.run);
                    push(
                        "On Windows (PowerShell as Administrator):".into(),
                        Some(windows),
                    );
                }
                (None, _, _) | (Some(_), false, true) => push(text, step.run),
            }
        }
        each_once(filled)
    }

    /// Whether everything that `template` names is known.
    pub(super) fn knows_all(&self, template: Template) -> bool {
        template.iter().all(|piece| match piece {
            Piece::Text(_) => true,
            Piece::Value(value) => !self.known(*value).is_empty(),
        })
    }

    /// Prose. What is not known is called by what it is.
    pub(super) fn text(&self, template: Template) -> String {
        let mut text = String::new();
        for piece in template {
            match piece {
                Piece::Text(own) => text.push_str(own),
                Piece::Value(value) => text.push_str(&self.in_words(*value)),
            }
        }
        // "the role", "this node": what stands for a value that is not known.
        let unnamed = text.starts_with("the ") || text.starts_with("this ");
        match template.first() {
            Some(Piece::Value(_)) if unnamed => format!("T{}", &text[1..]),
            Some(_) | None => text,
        }
    }

    fn in_words(&self, value: Placeholder) -> String {
        const NAMED: usize = 4;
        let mut known = self.known(value);
        let more = known.len().saturating_sub(NAMED);
        known.truncate(NAMED);
        match (known.split_last(), more) {
            (None, _) => match value {
                Placeholder::Actions | Placeholder::CoreActions => {
                    "the action that the log names".to_owned()
                }
                _ => format!("the {}", value.as_str().replace('-', " ")),
            },
            (Some((last, [])), _) => last.clone(),
            (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
            (Some(_), more) => format!("{} and {more} more", known.join(", ")),
        }
    }

    /// A line for a shell. What is not known stands there in capitals.
    pub(super) fn command(&self, template: Template) -> String {
        let mut line = String::new();
        let mut quoted = false;
        for piece in template {
            let value = match piece {
                Piece::Text(own) => {
                    quoted ^= own.matches('\'').count() % 2 == 1;
                    line.push_str(own);
                    continue;
                }
                Piece::Value(value) => *value,
            };
            let known = self.known(value);
            match value.form() {
                Form::Value(grammar) if known.is_empty() => line.push_str(grammar.as_str()),
                // No value that passes its grammar holds a quote.
                Form::Value(_) if quoted => line.push_str(&known.concat()),
                Form::Value(_) => {
                    let words: Vec<String> = known.iter().map(|word| quote(word)).collect();
                    line.push_str(&words.join(" "));
                }
                Form::Document => {
                    let word = known.first().and_then(|document| json_word(document));
                    line.push_str(&word.map_or("POLICY_DOCUMENT".to_owned(), |word| quote(&word)));
                }
                Form::Options if known.is_empty() => {
                    line.truncate(line.trim_end_matches(' ').len());
                }
                Form::Options | Form::Command | Form::Words => line.push_str(&known.concat()),
            }
        }
        line
    }

    /// The values of a placeholder that pass its grammar, mostly one.
    pub(super) fn known(&self, value: Placeholder) -> Vec<String> {
        let mut values = self.values(value);
        match value.form() {
            Form::Value(grammar) => values.retain(|value| grammar.accepts(value)),
            Form::Words | Form::Options | Form::Document | Form::Command => {
                values.retain(|value| !value.is_empty());
            }
        }
        values
    }
}

/// `steps` without those that run what an earlier one runs.
pub(super) fn each_once(steps: Vec<Step>) -> Vec<Step> {
    let mut kept: Vec<Step> = Vec::new();
    for step in steps {
        let is_new = (kept.iter()).all(|known| match &step.command {
            Some(command) => known.command.as_ref() != Some(command),
            None => known.text != step.text,
        });
        if is_new {
            kept.push(step);
        }
    }
    kept
}
