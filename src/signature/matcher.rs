//! Finds the signature of a record: one literal search, then the few candidates.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

use super::{CatalogueError, Fault, Kind, Part, Signature};
use crate::cause::{Cause, Severity};
use crate::failure::{self, Failure};
use crate::record::{Level, NormalizedRecord};

/// A signature that recognised a record, with what the error inside says.
#[derive(Debug, Clone, PartialEq)]
pub struct Match<'s> {
    pub signature: &'s Signature,
    pub failure: Option<Failure>,
    /// Likeliest first; empty for symptoms and benign records that point nowhere.
    pub causes: Vec<Cause>,
    /// Whether the text decides for the first of `causes`.
    pub decided: bool,
    pub severity: Option<Severity>,
    /// Named captures of the signature's pattern.
    pub captures: Vec<(String, String)>,
}

impl Match<'_> {
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// All signatures, ready to be asked. The cost of asking is linear in the text
/// and flat in the number of signatures; an expression is compiled when a
/// candidate first needs it.
#[derive(Debug)]
pub struct Matcher {
    signatures: Cow<'static, [Signature]>,
    patterns: Vec<OnceLock<Option<Regex>>>,
    /// Texts that start a message, for records of WARN and above.
    trouble: Starts,
    /// The few that may start one of INFO or below: most records of a healthy
    /// log are passed over at their first letters.
    quiet: Starts,
    /// Texts anywhere, for signatures without a fixed start.
    anywhere: AhoCorasick,
    anywhere_owner: Vec<usize>,
}

impl Matcher {
    /// # Errors
    /// When the texts under `contains` are too many or too long to be searched
    /// for at once.
    pub fn new(signatures: impl Into<Cow<'static, [Signature]>>) -> Result<Self, CatalogueError> {
        let signatures = signatures.into();
        let of_levels =
            |levels: [Level; 3]| {
                Starts::new(signatures.iter().enumerate().filter(move |(_, signature)| {
                    levels.iter().any(|level| signature.reads(*level))
                }))
            };
        let trouble = of_levels([Level::Warn, Level::Error, Level::Critical]);
        let quiet = of_levels([Level::Trace, Level::Debug, Level::Info]);
        let mut anywhere_texts = Vec::new();
        let mut anywhere_owner = Vec::new();
        for (index, signature) in signatures.iter().enumerate() {
            if signature.starts.is_empty() {
                for text in signature.contains {
                    anywhere_texts.push(*text);
                    anywhere_owner.push(index);
                }
            }
        }
        let anywhere = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&anywhere_texts)
            .map_err(|error| too_much(anywhere_texts.len(), &error))?;
        let patterns = signatures.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            signatures,
            patterns,
            trouble,
            quiet,
            anywhere,
            anywhere_owner,
        })
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signature of `record`: of those with a fixed start the one with the
    /// longest, else the first in the catalogue's order.
    pub fn recognise(&self, record: &NormalizedRecord<'_, '_>) -> Option<Match<'_>> {
        let index = if record.level.is_trouble() {
            self.trouble
                .find(record.flat(), |index| self.fits(index, record))
                .or_else(|| self.by_text(record))
        } else {
            self.quiet
                .find(&record.message, |index| self.fits(index, record))
        }?;
        Some(self.read(index, record))
    }

    fn by_text(&self, record: &NormalizedRecord<'_, '_>) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut refused: Vec<usize> = Vec::new();
        for found in self.anywhere.find_overlapping_iter(record.flat()) {
            let owner = self.anywhere_owner[found.pattern().as_usize()];
            // Each is asked once, however often its texts stand in the record.
            if best.is_none_or(|index| owner < index) && !refused.contains(&owner) {
                if self.fits(owner, record) {
                    best = Some(owner);
                } else {
                    refused.push(owner);
                }
            }
        }
        best
    }

    /// Whether a signature that the literal search found holds in full.
    fn fits(&self, index: usize, record: &NormalizedRecord<'_, '_>) -> bool {
        let signature = &self.signatures[index];
        let speaks = signature.components.is_empty()
            || signature
                .components
                .iter()
                .any(|component| record.tags.iter().any(|tag| tag == *component));
        signature.reads(record.level)
            && speaks
            && (signature.contains.is_empty()
                || signature
                    .contains
                    .iter()
                    .any(|text| record.flat().contains(text)))
            && !signature
                .excludes
                .iter()
                .any(|text| record.flat().contains(text))
            && self
                .pattern(index)
                .is_none_or(|pattern| pattern.is_match(record.flat()))
    }

    fn pattern(&self, index: usize) -> Option<&Regex> {
        let text = self.signatures[index].pattern?;
        // What does not compile is no sound entry: no file with one loads, and no
        // test of the catalogue passes.
        self.patterns[index]
            .get_or_init(|| Regex::new(text).ok())
            .as_ref()
    }

    fn read(&self, index: usize, record: &NormalizedRecord<'_, '_>) -> Match<'_> {
        let signature = &self.signatures[index];
        let captures = self.captures(index, record);
        let failure = match signature.kind {
            Kind::Fault | Kind::Symptom => failure::read(record.flat()),
            Kind::Recovery | Kind::Benign => None,
        };
        let fixed = (
            signature.causes.to_vec(),
            !signature.undecided,
            signature.severity,
        );
        let (causes, decided, severity) = match &failure {
            Some(failure) if !signature.text_decides => {
                let verdict = failure::verdict(failure);
                if verdict.causes.is_empty() {
                    // What the sentence guesses at is none of it where the error is
                    // certain and not known; what it says by itself stands.
                    if verdict.decided && signature.undecided {
                        (Vec::new(), true, None)
                    } else {
                        fixed
                    }
                } else {
                    (
                        verdict.causes,
                        verdict.decided,
                        verdict.severity.into_iter().chain(signature.severity).min(),
                    )
                }
            }
            Some(_) | None => fixed,
        };
        let causes = if signature.part == Part::Session {
            refused_session(causes)
        } else {
            causes
        };
        Match {
            signature,
            failure,
            causes,
            decided,
            severity,
            captures,
        }
    }

    fn captures(&self, index: usize, record: &NormalizedRecord<'_, '_>) -> Vec<(String, String)> {
        let Some(pattern) = self.pattern(index) else {
            return Vec::new();
        };
        let Some(found) = pattern.captures(record.flat()) else {
            return Vec::new();
        };
        pattern
            .capture_names()
            .flatten()
            .filter_map(|name| {
                found
                    .name(name)
                    .map(|value| (name.to_owned(), value.as_str().to_owned()))
            })
            .collect()
    }
}

/// What a session needs before it starts, such as its key, loses more than output.
fn refused_session(causes: Vec<Cause>) -> Vec<Cause> {
    let mut refused: Vec<Cause> = Vec::new();
    for cause in causes {
        let cause = match cause {
            Cause::OutputFailure => Cause::SessionFailure,
            other => other,
        };
        if !refused.contains(&cause) {
            refused.push(cause);
        }
    }
    refused
}

fn too_much(texts: usize, error: &aho_corasick::BuildError) -> CatalogueError {
    CatalogueError(vec![Fault {
        file: "all files".to_owned(),
        entry: "contains".to_owned(),
        reason: format!("its {texts} texts cannot be searched for together: {error}; name fewer"),
    }])
}

/// Texts that start a message, with the signatures they belong to, to be found
/// by halving: building an automaton takes longer than reading a batch.
#[derive(Debug)]
struct Starts {
    /// Sorted, each once.
    texts: Vec<Start>,
    /// The first letters of each: most messages of a healthy log have those of none.
    letters: Vec<u32>,
}

/// The first three letters, which every text of the catalogue has, as a number
/// in their order: numbers are halved without a jump.
fn letters(text: &str) -> Option<u32> {
    let [a, b, c] = *text.as_bytes().first_chunk()?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

#[derive(Debug)]
struct Start {
    text: String,
    /// In the order of the catalogue.
    owners: Vec<usize>,
    /// The longest other text that this one starts with.
    shorter: Option<usize>,
}

impl Starts {
    fn new<'s>(signatures: impl Iterator<Item = (usize, &'s Signature)>) -> Self {
        let mut owners: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, signature) in signatures {
            for text in signature.starts {
                owners.entry(text).or_default().push(index);
            }
        }
        let mut texts: Vec<Start> = Vec::with_capacity(owners.len());
        for (text, owners) in owners {
            let shorter = chain(&texts, texts.len().checked_sub(1))
                .find(|index| text.starts_with(&texts[*index].text));
            texts.push(Start {
                text: text.to_owned(),
                owners,
                shorter,
            });
        }
        let letters = texts
            .iter()
            .map(|start| letters(&start.text).unwrap_or_default())
            .collect();
        Self { texts, letters }
    }

    /// The signature with the longest start of `text` that `fits`; of those of
    /// one start the first.
    fn find(&self, text: &str, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let letters = letters(text)?;
        let from = self.letters.partition_point(|those| *those < letters);
        let alike = self.letters[from..]
            .iter()
            .take_while(|those| **those == letters)
            .count();
        if alike == 0 {
            return None;
        }
        // Whatever `text` starts with is no later than `text`, and starts
        // everything between: it is in the chain of the last one before.
        let end = from
            + self.texts[from..from + alike].partition_point(|start| start.text.as_str() <= text);
        chain(&self.texts, end.checked_sub(1))
            .map(|index| &self.texts[index])
            .filter(|start| text.starts_with(&start.text))
            .flat_map(|start| &start.owners)
            .copied()
            .find(|owner| fits(*owner))
    }
}

/// A text, the longest one that it starts with, and so on.
fn chain(texts: &[Start], from: Option<usize>) -> impl Iterator<Item = usize> {
    std::iter::successors(from, |index| texts[*index].shorter)
}
