//! The causes that come into question for one fault.

use serde::{Deserialize, Serialize};

use super::Cause;

/// Causes, likeliest first: never none, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Cause>", try_from = "Vec<Cause>")]
pub struct Candidates {
    lead: Cause,
    others: Vec<Cause>,
}

impl Candidates {
    /// `lead`, then `others` in their order.
    pub fn new(lead: Cause, others: impl IntoIterator<Item = Cause>) -> Self {
        let mut candidates = Self {
            lead,
            others: Vec::new(),
        };
        candidates.extend(others);
        candidates
    }

    /// `None` where nothing comes into question.
    pub fn of(causes: &[Cause]) -> Option<Self> {
        let (lead, others) = causes.split_first()?;
        Some(Self::new(*lead, others.iter().copied()))
    }

    /// The likeliest.
    pub fn lead(&self) -> Cause {
        self.lead
    }

    /// Likeliest first.
    pub fn iter(&self) -> impl Iterator<Item = Cause> {
        std::iter::once(self.lead).chain(self.others.iter().copied())
    }

    /// Whether `cause` is possible.
    pub fn contains(&self, cause: Cause) -> bool {
        self.iter().any(|known| known == cause)
    }

    /// Adds what is not among them yet, as the less likely.
    pub fn extend(&mut self, causes: impl IntoIterator<Item = Cause>) {
        for cause in causes {
            if !self.contains(cause) {
                self.others.push(cause);
            }
        }
    }

    /// Takes away what is not `possible`. Where that is all of them, nothing is
    /// taken away: what excludes every explanation explains nothing.
    pub fn keep(&mut self, possible: impl Fn(Cause) -> bool) {
        let kept: Vec<Cause> = self.iter().filter(|cause| possible(*cause)).collect();
        if let Some(kept) = Self::of(&kept) {
            *self = kept;
        }
    }

    /// Puts `cause` first where it is among them.
    pub fn prefer(&mut self, cause: Cause) {
        if self.contains(cause) {
            *self = Self::new(cause, self.to_vec());
        }
    }

    /// Likeliest first.
    pub fn to_vec(&self) -> Vec<Cause> {
        self.iter().collect()
    }
}

impl From<Candidates> for Vec<Cause> {
    fn from(candidates: Candidates) -> Self {
        candidates.to_vec()
    }
}

impl TryFrom<Vec<Cause>> for Candidates {
    type Error = &'static str;

    fn try_from(causes: Vec<Cause>) -> Result<Self, Self::Error> {
        Self::of(&causes).ok_or("there is always a candidate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_one() {
        assert_eq!(Candidates::of(&[]), None);
        let mut both = Candidates::new(
            Cause::ImdsDisabled,
            [Cause::ImdsUnreachable, Cause::ImdsDisabled],
        );
        assert_eq!(both.to_vec(), [Cause::ImdsDisabled, Cause::ImdsUnreachable]);
        both.keep(|_| false);
        assert_eq!(both.to_vec(), [Cause::ImdsDisabled, Cause::ImdsUnreachable]);
        both.prefer(Cause::Throttled);
        both.prefer(Cause::ImdsUnreachable);
        assert_eq!(both.to_vec(), [Cause::ImdsUnreachable, Cause::ImdsDisabled]);
        both.keep(|cause| cause == Cause::ImdsUnreachable);
        assert_eq!(both.lead(), Cause::ImdsUnreachable);
    }
}
