//! When the agent tries again by itself, and what a restart is good for.

use jiff::{SignedDuration, Timestamp};

use super::expand::View;
use super::{Situation, is_undecided};
use crate::sheet::{Next, Restart, Sheet};

/// How a node of an incident comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// When the agent tries again: as its log says, else by its known schedule.
    pub retries: String,
    pub(crate) restart: Restart,
}

impl Restart {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::NotNeeded => "No restart is needed.",
            Self::Shortens => "A restart after the fix shortens the wait.",
            Self::AfterRefresh => {
                "Once EC2 has applied the change (within 1 h), a restart shortens the wait."
            }
            Self::Needed => "Restart the agent after the fix.",
            Self::Useless => "A restart does not help.",
            Self::Unknown => "Could not determine whether a restart helps.",
        }
    }
}

/// How the nodes of `situation` come back.
pub(super) fn recovery(
    sheet: &Sheet,
    situation: &Situation<'_>,
    now: Option<Timestamp>,
) -> Recovery {
    let view = View::of(situation);
    let next = sheet.next.iter().find(|next| view.holds(next.when));
    let next = next.expect("the last of a sheet's next has no condition");
    let said = (situation.retry_in_seconds)
        .and_then(|seconds| after(situation, seconds, next, now))
        .or_else(|| announced(situation, next));
    Recovery {
        retries: said.unwrap_or_else(|| next.retries.to_owned()),
        restart: if is_undecided(situation) {
            Restart::Shortens
        } else {
            next.restart
        },
    }
}

/// What the quoted records themselves say of a next try: "will retry later", "We will retry
/// automatically after 15 minutes". A schedule of ours must not contradict them.
fn announced(situation: &Situation<'_>, next: &Next) -> Option<String> {
    const AUTOMATICALLY: &str = "retry automatically after ";
    let texts = situation.evidence.iter().map(|evidence| &evidence.text);
    let texts: Vec<String> = texts.map(|text| text.to_ascii_lowercase()).collect();
    for text in &texts {
        let Some(at) = text.find(AUTOMATICALLY) else {
            continue;
        };
        let mut words = text[at + AUTOMATICALLY.len()..].split_whitespace();
        let count: Option<u32> = words.next().and_then(|word| word.parse().ok());
        let unit = (words.next().unwrap_or_default()).trim_end_matches(['.', ',', ';']);
        if let Some(count) = count
            && ["second", "seconds", "minute", "minutes", "hour", "hours"].contains(&unit)
        {
            return Some(format!(
                "The agent says that it retries after {count} {unit}."
            ));
        }
    }
    let says = ["will retry", "retry later", "retry automatically"];
    let said = !next.certain
        && texts
            .iter()
            .any(|text| says.iter().any(|words| text.contains(words)));
    said.then(|| "The agent says that it retries, and not when.".to_owned())
}

/// The next try as the agent gave it in seconds.
fn after(
    situation: &Situation<'_>,
    seconds: u64,
    next: &Next,
    now: Option<Timestamp>,
) -> Option<String> {
    let wait = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    let due = situation.last.checked_add(wait).ok()?;
    Some(match now {
        // A log in hand has the time of its host, without a zone.
        None => format!(
            "The agent retries {} after its last record, at {} by the log's clock.",
            in_words(wait),
            due.strftime("%Y-%m-%d %H:%M:%S")
        ),
        Some(now) if due > now => format!(
            "The agent retries at {}, in {}.",
            clock(due),
            in_words(due.duration_since(now))
        ),
        Some(_) => format!("The retry was due at {}. {}", clock(due), next.retries),
    })
}

/// `2026-11-23 04:19:04 UTC`.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The two largest units: `27 min 34 s`, `3 h 5 min`, `2 days`.
pub(super) fn in_words(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let (days, hours, minutes, rest) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let day_word = if days == 1 { "day" } else { "days" };
    match (days, hours, minutes, rest) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, 0) => format!("{m} min"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, 0, _) => format!("{h} h"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, 0, _, _) => format!("{d} {day_word}"),
        (d, h, _, _) => format!("{d} {day_word} {h} h"),
    }
}
