//! Finds the signature of a record: by its start, then the few candidates in full.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::OnceLock;

use memchr::memmem::Finder;
use regex::Regex;

use super::{Kind, Part, Signature};
use crate::cause::{Cause, Severity};
use crate::failure::{self, Failure};
use crate::paste::Beginning;
use crate::record::{Level, NormalizedRecord, Origin, fold, names_agent};

/// A signature that recognised a record, with what the error inside says.
#[derive(Debug, Clone, PartialEq)]
pub struct Match<'s> {
    /// What recognised the record.
    pub signature: &'s Signature,
    /// Its place among [`Matcher::signatures`].
    pub index: usize,
    /// The error inside the record. Most records have none, and are not to carry its size.
    pub failure: Option<Box<Failure>>,
    /// Likeliest first; empty for symptoms and benign records that point nowhere.
    pub causes: Cow<'static, [Cause]>,
    /// Whether the text decides for the first of `causes`.
    pub decided: bool,
    /// Where it differs from the first cause's own.
    pub severity: Option<Severity>,
    /// The length of the start by which the record was found, in bytes; 0 without one.
    start: usize,
}

impl Match<'_> {
    /// The word right after the start in `flat`, the text of the record: letters,
    /// digits, and points within. Empty where none follows.
    pub(crate) fn word<'t>(&self, flat: &'t str) -> &'t str {
        let rest = flat.get(self.start..).unwrap_or_default().trim_start();
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
        let end = rest.find(is_end).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    }
}

/// What a signature searches for besides its start, built when it is first asked.
#[derive(Debug)]
struct Search {
    contains: Vec<Finder<'static>>,
    excludes: Vec<Finder<'static>>,
    pattern: Option<Regex>,
}

impl Search {
    fn new(signature: &Signature) -> Self {
        let finders =
            |texts: &'static [&'static str]| texts.iter().map(|text| Finder::new(*text)).collect();
        Self {
            contains: finders(signature.contains),
            excludes: finders(signature.excludes),
            // What does not compile is no sound entry: no file with one loads, and
            // the build fails of a catalogue with one.
            pattern: signature.pattern.and_then(|text| Regex::new(text).ok()),
        }
    }
}

/// All signatures, ready to be asked. The cost of asking is linear in the text
/// and flat in the number of signatures with a fixed start; what a candidate
/// searches for besides is built when it is first asked.
#[derive(Debug)]
pub struct Matcher {
    signatures: Cow<'static, [Signature]>,
    searches: Vec<OnceLock<Search>>,
    /// Texts that start a message, for records of WARN and above.
    trouble: Starts,
    /// The few that may start one of INFO or below: most records of a healthy
    /// log are passed over at their first letters.
    quiet: Starts,
    /// The few without a fixed start, which are asked in turn.
    anywhere: Vec<usize>,
}

impl Matcher {
    /// Ready to be asked for `signatures`; of two alike the first is found.
    pub fn new(signatures: impl Into<Cow<'static, [Signature]>>) -> Self {
        let signatures = signatures.into();
        let of_levels =
            |levels: [Level; 3]| {
                Starts::new(signatures.iter().enumerate().filter(move |(_, signature)| {
                    levels.iter().any(|level| signature.reads(*level))
                }))
            };
        let trouble = of_levels([Level::Warn, Level::Error, Level::Critical]);
        let quiet = of_levels([Level::Trace, Level::Debug, Level::Info]);
        let anywhere = (signatures.iter().enumerate())
            .filter(|(_, signature)| signature.starts.is_empty())
            .map(|(index, _)| index)
            .collect();
        let searches = signatures.iter().map(|_| OnceLock::new()).collect();
        Self {
            signatures,
            searches,
            trouble,
            quiet,
            anywhere,
        }
    }

    /// In the order in which they are asked.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signature of `record`: of those with a fixed start the one with the
    /// longest, else the first in the catalogue's order.
    pub fn recognise(&self, record: &NormalizedRecord<'_, '_>) -> Option<Match<'_>> {
        let (index, start) = if record.level.is_trouble() {
            self.trouble
                .find(record.flat(), |index| self.fits(index, record))
                .or_else(|| {
                    let mut anywhere = self.anywhere.iter();
                    let fits = |index: &&usize| self.fits(**index, record);
                    anywhere.find(fits).map(|index| (*index, 0))
                })
        } else {
            let broken = !record.rest.is_empty() && self.quiet.is_broken(&record.message);
            let text = if broken {
                record.flat()
            } else {
                &record.message
            };
            self.quiet.find(text, |index| self.fits(index, record))
        }?;
        let mut found = self.read(index, record, start);
        if record.edge && !self.stands_without_end(index, record) {
            (found.causes, found.failure) = (Cow::default(), None);
        }
        Some(found)
    }

    /// Whether what stood behind the end of a record cannot change what it says.
    fn stands_without_end(&self, index: usize, record: &NormalizedRecord<'_, '_>) -> bool {
        let signature = &self.signatures[index];
        let is_trouble = matches!(signature.kind, Kind::Fault | Kind::Symptom);
        let by_itself = signature.overrides_error && signature.excludes.is_empty();
        !is_trouble || by_itself && !self.trouble.is_broken(record.flat())
    }

    /// What the catalogue knows of a message that has lost its level and its tags.
    pub fn begins(&self, message: &str) -> Option<Beginning> {
        let flat = fold(message);
        let level = |index: usize| {
            let of = |level: &Level| self.signatures[index].reads(*level);
            [Level::Error, Level::Warn, Level::Info, Level::Debug]
                .into_iter()
                .find(of)
        };
        let longest = |starts: &Starts| {
            let whole = starts.find(&flat, |index| self.holds(index, &flat));
            let ((index, length), whole) = match whole {
                Some(found) => (found, true),
                None => (starts.find(&flat, |_| true)?, false),
            };
            Some(Beginning {
                level: level(index)?,
                length,
                whole,
            })
        };
        let found = [&self.trouble, &self.quiet].into_iter().filter_map(longest);
        found.max_by_key(|found| (found.whole, found.level))
    }

    /// Whether a signature that the literal search found holds in full.
    fn fits(&self, index: usize, record: &NormalizedRecord<'_, '_>) -> bool {
        let signature = &self.signatures[index];
        let is_component = signature.components.is_empty()
            || record.origin == Origin::Paste && record.tags.last().is_none()
            || (record.tags.iter()).any(|tag| signature.components.contains(&tag));
        if !(signature.reads(record.level) && is_component) {
            return false;
        }
        // Another program's, for all that is known, unless it names the agent.
        if record.origin == Origin::Unattributed
            && signature.kind != Kind::Benign
            && !names_agent(record.flat())
        {
            return false;
        }
        let points_at_cause = matches!(signature.kind, Kind::Fault | Kind::Symptom);
        self.holds(index, record.flat()) && !(points_at_cause && record.tags.are_foreign())
    }

    /// Whether a message that begins as a signature does holds all else that it
    /// asks for.
    fn holds(&self, index: usize, flat: &str) -> bool {
        let signature = &self.signatures[index];
        if signature.contains.is_empty()
            && signature.excludes.is_empty()
            && signature.pattern.is_none()
        {
            return true;
        }
        let search = self.searches[index].get_or_init(|| Search::new(signature));
        let holds = |text: &Finder<'_>| text.find(flat.as_bytes()).is_some();
        (search.contains.is_empty() || search.contains.iter().any(holds))
            && !search.excludes.iter().any(holds)
            && (search.pattern.as_ref()).is_none_or(|pattern| pattern.is_match(flat))
    }

    fn read(&self, index: usize, record: &NormalizedRecord<'_, '_>, start: usize) -> Match<'_> {
        let signature = &self.signatures[index];
        let failure = match signature.kind {
            Kind::Fault | Kind::Symptom => failure::read(record.flat()).map(Box::new),
            Kind::Recovery | Kind::Benign => None,
        };
        let fixed = (
            Cow::Borrowed(signature.causes),
            !signature.ambiguous,
            signature.severity,
        );
        let (causes, decided, severity) = match &failure {
            Some(failure) if !signature.overrides_error => {
                let verdict = failure::verdict(failure);
                if verdict.causes.is_empty() {
                    // What the sentence guesses at is none of it where the error is
                    // certain and not known; what it says by itself stands.
                    if verdict.decided && signature.ambiguous {
                        (Cow::default(), true, None)
                    } else {
                        fixed
                    }
                } else {
                    (
                        Cow::Owned(verdict.causes),
                        verdict.decided,
                        verdict.severity.into_iter().chain(signature.severity).min(),
                    )
                }
            }
            Some(_) | None => fixed,
        };
        let is_refused = signature.part == Part::Session && causes.contains(&Cause::OutputFailure);
        let causes = if is_refused {
            refused_session(&causes).into()
        } else {
            causes
        };
        Match {
            signature,
            index,
            failure,
            causes,
            decided,
            severity,
            start,
        }
    }
}

/// What a session needs before it starts, such as its key, loses more than output.
fn refused_session(causes: &[Cause]) -> Vec<Cause> {
    let mut refused: Vec<Cause> = Vec::new();
    for cause in causes {
        let cause = match cause {
            Cause::OutputFailure => Cause::SessionFailure,
            other => *other,
        };
        if !refused.contains(&cause) {
            refused.push(cause);
        }
    }
    refused
}

/// Texts that start a message, with the signatures they belong to, to be found by
/// a table of their first letters: an automaton takes longer to be built than a
/// batch to be read.
#[derive(Debug)]
struct Starts {
    /// Sorted by place in the table, then text; of equal ones the first
    /// signature's last.
    texts: Vec<Start>,
    /// The first letters of each.
    letters: Vec<u128>,
    /// Where the texts of each place begin, and those of the last one end. Most
    /// messages of a healthy log have a place without any.
    places: Vec<u32>,
}

/// A thousand places, of which the texts of INFO take a tenth.
const PLACE_BITS: u32 = 10;

/// The place of the first three letters, which every text of the catalogue has.
fn place(text: &str) -> Option<usize> {
    let [a, b, c] = *text.as_bytes().first_chunk()?;
    let letters = u32::from_be_bytes([0, a, b, c]);
    Some((letters.wrapping_mul(0x9E37_79B1) >> (u32::BITS - PLACE_BITS)) as usize)
}

/// The first letters as a number: texts are in the order of it, and most differ in it.
fn letters(text: &str) -> u128 {
    let bytes = text.as_bytes();
    let first = bytes
        .first_chunk()
        .copied()
        .unwrap_or_else(|| std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()));
    u128::from_be_bytes(first)
}

#[derive(Debug)]
struct Start {
    text: &'static str,
    owner: usize,
    /// The longest other text that this one starts with, or the same one of a
    /// later signature.
    shorter: Option<usize>,
}

impl Starts {
    fn new<'s>(signatures: impl Iterator<Item = (usize, &'s Signature)>) -> Self {
        let starts = |(owner, signature): (usize, &Signature)| {
            signature.starts.iter().map(move |text| Start {
                text,
                owner,
                shorter: None,
            })
        };
        let mut texts: Vec<Start> = signatures.flat_map(starts).collect();
        texts.sort_unstable_by_key(|start| (place(start.text), start.text, Reverse(start.owner)));
        for index in 1..texts.len() {
            let shorter = chain(&texts, Some(index - 1))
                .find(|shorter| texts[index].text.starts_with(texts[*shorter].text));
            texts[index].shorter = shorter;
        }
        let mut places = vec![0; (1 << PLACE_BITS) + 1];
        for start in &texts {
            places[place(start.text).map_or(0, |place| place + 1)] += 1;
        }
        for index in 1..places.len() {
            places[index] += places[index - 1];
        }
        let letters = texts.iter().map(|start| letters(start.text)).collect();
        Self {
            texts,
            letters,
            places,
        }
    }

    /// The signature with the longest start of `text` that `fits`, and the length
    /// of that start; of those of one start the first.
    fn find(&self, text: &str, fits: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let place = place(text)?;
        let [from, end] = [self.places[place], self.places[place + 1]].map(|at| at as usize);
        if from == end {
            return None;
        }
        let letters = letters(text);
        // Whatever `text` starts with is no later than `text`, and starts
        // everything between: it is in the chain of the last one before.
        let end = from + self.letters[from..end].partition_point(|one| *one <= letters);
        let is_before = |at: &usize| self.letters[*at] < letters || self.texts[*at].text <= text;
        let last = (from..end).rev().find(is_before);
        chain(&self.texts, last)
            .map(|index| &self.texts[index])
            .find(|start| text.starts_with(start.text) && fits(start.owner))
            .map(|start| (start.owner, start.text.len()))
    }

    /// Whether `text` ends where a start of its first letters goes on.
    fn is_broken(&self, text: &str) -> bool {
        let Some(place) = place(text) else {
            return false;
        };
        let text = text.trim_end();
        let [from, end] = [self.places[place], self.places[place + 1]].map(|at| at as usize);
        self.texts[from..end]
            .iter()
            .any(|start| start.text.len() > text.len() && start.text.starts_with(text))
    }
}

/// A text, the longest one that it starts with, and so on.
fn chain(texts: &[Start], from: Option<usize>) -> impl Iterator<Item = usize> {
    std::iter::successors(from, |index| texts[*index].shorter)
}
