//! The shape of a check: what it is for, what it reads, how it evaluates that.

pub use super::query::Query;
pub use super::result::{CheckResult, CheckStatus, Fault, Observation};
pub use super::subject::{Hybrid, Subject};
use crate::cause::{Cause, closed_names};

closed_names! {
    /// What a check is about, in the order in which an agent depends on it.
    pub Question {
        /// Does the node run?
        Running = "running",
        /// Where do its credentials come from, and do they?
        Credentials = "credentials",
        /// May they call Systems Manager?
        Allowed = "allowed",
        /// Can it reach Systems Manager?
        Reachable = "reachable",
        /// Has it reported to Systems Manager?
        Reported = "reported",
    }
}

/// What a check sees of a hybrid node: as `evaluate` does of an instance.
#[derive(Debug)]
pub enum OfHybrid {
    /// Nothing: EC2 alone knows it.
    Nothing,
    Also(fn(&Hybrid<'_>) -> Result<CheckResult, CheckResult>),
    /// And of an instance nothing.
    Only(fn(&Hybrid<'_>) -> Result<CheckResult, CheckResult>),
}

/// A look at live state. Each stands in a file of its own under `checks/`.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub question: Question,
    /// The causes for which it is run, when a finding has one as a candidate.
    pub causes: &'static [Cause],
    /// Without one of these the result is `unknown`.
    pub needs: &'static [Query],
    /// Read along with it where possible: it establishes more with them.
    pub uses: &'static [Query],
    /// All that it can establish.
    pub observes: &'static [Observation],
    pub of_hybrid: OfHybrid,
    /// Pure: facts in, result out. `Err` is a result too, of a check that ended
    /// early.
    pub evaluate: fn(&Subject<'_>) -> Result<CheckResult, CheckResult>,
}

impl Check {
    /// The queries that it reads with, needed or not.
    pub fn queries(&self) -> impl Iterator<Item = Query> {
        self.needs.iter().chain(self.uses).copied()
    }

    /// The IAM actions that it reads with.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        self.queries()
            .flat_map(|query| query.actions().iter().copied())
    }

    pub fn is_for(&self, candidates: &[Cause]) -> bool {
        candidates.iter().any(|cause| self.causes.contains(cause))
    }

    pub fn run(&self, subject: &Subject<'_>) -> CheckResult {
        self.ran((self.evaluate)(subject))
    }

    /// The result of a hybrid node; `None` where EC2 alone would know it.
    pub fn run_of_hybrid(&self, hybrid: &Hybrid<'_>) -> Option<CheckResult> {
        match self.of_hybrid {
            OfHybrid::Nothing => None,
            OfHybrid::Also(evaluate) | OfHybrid::Only(evaluate) => Some(self.ran(evaluate(hybrid))),
        }
    }

    fn ran(&self, result: Result<CheckResult, CheckResult>) -> CheckResult {
        let result = result.unwrap_or_else(|result| result);
        debug_assert!(
            result
                .observation
                .is_none_or(|one| self.observes.contains(&one))
        );
        result.of(self.name)
    }

    /// The result of a check that is not run, with the reason as a sentence.
    pub fn skipped(&self, reason: &str) -> CheckResult {
        CheckResult::skipped(reason).of(self.name)
    }
}
