//! What is wrong, in few words.

use super::Situation;
use super::expand::View;
use crate::cause::Confidence;
use crate::diagnose::diagnosis::FaultState;
use crate::sheet::{self, Sheet, Step};

/// The title of an incident: its subject line. It names only what is known, and ends in its doubt.
pub(crate) fn title(situation: &Situation<'_>) -> String {
    of(sheet::of(situation.cause), situation)
}

pub(super) fn of(sheet: &Sheet, situation: &Situation<'_>) -> String {
    let fault = first(situation, sheet.titles);
    match Doubt::of(situation) {
        Some(doubt) => format!("{fault}{}", doubt.words()),
        None => fault,
    }
}

/// What is wrong and what it stops, in a sentence or two.
pub(super) fn summary(sheet: &Sheet, situation: &Situation<'_>) -> String {
    first(situation, sheet.summaries)
}

/// The first that holds and of which everything is known.
fn first(situation: &Situation<'_>, choices: &[Step]) -> String {
    let view = View::of(situation);
    let stands = |choice: &&Step| view.holds(choice.when) && view.knows_all(choice.text);
    let chosen = choices.iter().find(stands).or(choices.last());
    chosen.map_or_else(String::new, |choice| view.text(choice.text))
}

/// Why a title's fault may not be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Further causes are possible.
    Undetermined,
    /// Live state shows nothing wrong.
    NotSeenLive,
}

impl Doubt {
    const ALL: [Self; 2] = [Self::Undetermined, Self::NotSeenLive];

    fn of(situation: &Situation<'_>) -> Option<Self> {
        match (situation.fault_state, situation.confidence) {
            (FaultState::NotObserved, _) => Some(Self::NotSeenLive),
            (FaultState::Active, Confidence::Undetermined) => Some(Self::Undetermined),
            (FaultState::Active, Confidence::Likely | Confidence::Confirmed) => None,
        }
    }

    /// The end of a title in doubt.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Undetermined => ", cause undetermined",
            Self::NotSeenLive => ", live checks find nothing wrong now",
        }
    }

    /// A title without its doubt, and the doubt.
    pub(crate) fn split(title: &str) -> (&str, Option<Self>) {
        (Self::ALL.into_iter())
            .find_map(|doubt| Some((title.strip_suffix(doubt.words())?, Some(doubt))))
            .unwrap_or((title, None))
    }
}
