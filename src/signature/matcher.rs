//! Finds the signature of a record: one literal search, then the few candidates.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, StartKind};
use regex::Regex;

use super::{Kind, Signature};
use crate::failure::{self, Failure};
use crate::incident::cause::{Cause, Severity};
use crate::record::Record;

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
    signatures: Vec<Signature>,
    patterns: Vec<OnceLock<Option<Regex>>>,
    /// Texts that start a message.
    starts: AhoCorasick,
    start_owner: Vec<usize>,
    /// Texts anywhere, for signatures without a fixed start.
    anywhere: AhoCorasick,
    anywhere_owner: Vec<usize>,
}

impl Matcher {
    pub fn new(signatures: Vec<Signature>) -> Self {
        let mut start_texts = Vec::new();
        let mut start_owner = Vec::new();
        let mut anywhere_texts = Vec::new();
        let mut anywhere_owner = Vec::new();
        for (index, signature) in signatures.iter().enumerate() {
            for text in &signature.starts {
                start_texts.push(text.as_str());
                start_owner.push(index);
            }
            if signature.starts.is_empty() {
                for text in &signature.contains {
                    anywhere_texts.push(text.as_str());
                    anywhere_owner.push(index);
                }
            }
        }
        let starts = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Anchored)
            .build(start_texts)
            .expect("the catalogue's literals fit an automaton");
        let anywhere = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(anywhere_texts)
            .expect("the catalogue's literals fit an automaton");
        let patterns = signatures.iter().map(|_| OnceLock::new()).collect();
        Self {
            signatures,
            patterns,
            starts,
            start_owner,
            anywhere,
            anywhere_owner,
        }
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The signature of `record`: of those with a fixed start the one with the
    /// longest, else the first in the catalogue's order.
    pub fn recognise(&self, record: &Record<'_>) -> Option<Match<'_>> {
        let flat = LazyFlat::new(record);
        // Long enough for every start, short enough to search each record of a healthy log.
        let by_start = self.by_start(record, &flat);
        let index = by_start.or_else(|| {
            if record.level.is_trouble() {
                self.by_text(record, &flat)
            } else {
                None
            }
        })?;
        Some(self.read(index, flat.get()))
    }

    fn by_start(&self, record: &Record<'_>, flat: &LazyFlat<'_, '_>) -> Option<usize> {
        let text: &str = if record.level.is_trouble() {
            flat.get()
        } else {
            &record.message
        };
        let input = Input::new(text).anchored(Anchored::Yes);
        let mut best: Option<(usize, usize)> = None;
        let mut state = aho_corasick::automaton::OverlappingState::start();
        loop {
            if self
                .starts
                .try_find_overlapping(input.clone(), &mut state)
                .is_err()
            {
                break;
            }
            let Some(found) = state.get_match() else {
                break;
            };
            // An overlapping search also gives texts that end where a longer one ends.
            if found.start() != 0 {
                continue;
            }
            let owner = self.start_owner[found.pattern().as_usize()];
            let better = best.is_none_or(|(length, index)| {
                found.end() > length || (found.end() == length && owner < index)
            });
            if better && self.fits(owner, record, flat) {
                best = Some((found.end(), owner));
            }
        }
        best.map(|(_, index)| index)
    }

    fn by_text(&self, record: &Record<'_>, flat: &LazyFlat<'_, '_>) -> Option<usize> {
        let mut best: Option<usize> = None;
        for found in self.anywhere.find_overlapping_iter(flat.get()) {
            let owner = self.anywhere_owner[found.pattern().as_usize()];
            if best.is_none_or(|index| owner < index) && self.fits(owner, record, flat) {
                best = Some(owner);
            }
        }
        best
    }

    /// Whether a signature that the literal search found holds in full.
    fn fits(&self, index: usize, record: &Record<'_>, flat: &LazyFlat<'_, '_>) -> bool {
        let signature = &self.signatures[index];
        let speaks = signature.components.is_empty()
            || signature
                .components
                .iter()
                .any(|component| record.tags.iter().any(|tag| tag == component));
        signature.reads(record.level)
            && speaks
            && (signature.contains.is_empty()
                || signature
                    .contains
                    .iter()
                    .any(|text| flat.get().contains(text)))
            && !signature
                .excludes
                .iter()
                .any(|text| flat.get().contains(text))
            && self
                .pattern(index)
                .is_none_or(|pattern| pattern.is_match(flat.get()))
    }

    fn pattern(&self, index: usize) -> Option<&Regex> {
        let text = self.signatures[index].pattern.as_deref()?;
        // The loader has compiled it once already: a fault there never comes here.
        self.patterns[index]
            .get_or_init(|| Regex::new(text).ok())
            .as_ref()
    }

    fn read(&self, index: usize, flat: &str) -> Match<'_> {
        let signature = &self.signatures[index];
        let captures = self.captures(index, flat);
        let failure = match signature.kind {
            Kind::Fault | Kind::Symptom => failure::read(flat),
            Kind::Recovery | Kind::Benign => None,
        };
        let fixed = (
            signature.causes.clone(),
            !signature.undecided,
            signature.severity,
        );
        let (causes, decided, severity) = match &failure {
            Some(failure) if !signature.text_decides => {
                let verdict = failure::verdict(failure);
                if verdict.causes.is_empty() {
                    fixed
                } else {
                    (
                        verdict.causes,
                        verdict.decided,
                        verdict.severity.or(signature.severity),
                    )
                }
            }
            Some(_) | None => fixed,
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

    fn captures(&self, index: usize, flat: &str) -> Vec<(String, String)> {
        let Some(pattern) = self.pattern(index) else {
            return Vec::new();
        };
        let Some(found) = pattern.captures(flat) else {
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

/// The folded text, made only when a candidate wants it.
struct LazyFlat<'r, 'a> {
    record: &'r Record<'a>,
    flat: OnceLock<String>,
}

impl<'r, 'a> LazyFlat<'r, 'a> {
    fn new(record: &'r Record<'a>) -> Self {
        Self {
            record,
            flat: OnceLock::new(),
        }
    }

    fn get(&self) -> &str {
        self.flat.get_or_init(|| self.record.flat())
    }
}
