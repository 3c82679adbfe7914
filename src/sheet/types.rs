//! The form of a sheet.

use super::words::{Condition, FaultKind, Placeholder, Restart};
use crate::cause::{Cause, ScopeKind, Severity};

/// What is said of one cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet {
    pub cause: Cause,
    /// The severity the cause has by itself; a finding may say otherwise.
    pub severity: Severity,
    /// What must be fixed, once diagnosis knows everything.
    pub scope: ScopeKind,
    /// The first that holds and of which every value is known is the title.
    pub titles: &'static [Step],
    /// The same in a sentence or two.
    pub summaries: &'static [Step],
    pub steps: &'static [Step],
    /// What takes the place of `steps` where a check proved which resource is at fault.
    pub faults: &'static [(FaultKind, &'static [Step])],
    /// What is left to do after a repair.
    pub repaired: &'static [Step],
    /// The fix in one line, beside those of other causes.
    pub fix: &'static str,
    /// What to run where the log leaves several causes, each with its place among all.
    pub decide: &'static [(usize, &'static [Step])],
    /// How to see that the nodes are back.
    pub verify: &'static [Step],
    /// The first that holds says when the agent tries again.
    pub next: &'static [Next],
}

/// One thing to do; a title or a summary where it is nothing but text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub when: When,
    /// One or two sentences.
    pub text: Template,
    /// What to run: with the AWS CLI, or on a Linux host where `windows` is given.
    pub run: Option<Template>,
    /// The same in PowerShell, on a Windows host.
    pub windows: Option<Template>,
}

/// When the agent tries again by itself, and what a restart does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub when: When,
    pub retries: &'static str,
    /// A record that says "will retry", and not when, does not contradict it.
    pub certain: bool,
    pub restart: Restart,
}

/// All of these must hold, and of each at least one.
pub(crate) type When = &'static [&'static [Test]];

/// A condition, or its contrary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Test {
    pub condition: Condition,
    pub holds: bool,
}

/// Text with places for values.
pub(crate) type Template = &'static [Piece];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(&'static str),
    Value(Placeholder),
}
