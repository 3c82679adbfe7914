//! The shape of a check: what it is for, what it reads, how it evaluates that.

pub use super::query::Query;
pub use super::result::{CheckResult, CheckStatus, Fault, Observation};
pub use super::subject::Subject;
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
        let result = (self.evaluate)(subject).unwrap_or_else(|result| result);
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
