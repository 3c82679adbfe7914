//! Reads catalogue files, and reports every fault of a file at once.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::lint::unsound;
use super::{Kind, Part, Role, Signature};
use crate::cause::{Cause, Severity};
use crate::record::Level;

/// The catalogue's files, by name.
const FILES: &[(&str, &str)] = &[
    ("agent.toml", include_str!("catalogue/agent.toml")),
    (
        "associations.toml",
        include_str!("catalogue/associations.toml"),
    ),
    ("channel.toml", include_str!("catalogue/channel.toml")),
    ("command.toml", include_str!("catalogue/command.toml")),
    (
        "credentials.toml",
        include_str!("catalogue/credentials.toml"),
    ),
    ("health.toml", include_str!("catalogue/health.toml")),
    ("host.toml", include_str!("catalogue/host.toml")),
    ("hybrid.toml", include_str!("catalogue/hybrid.toml")),
    ("identity.toml", include_str!("catalogue/identity.toml")),
    ("lifecycle.toml", include_str!("catalogue/lifecycle.toml")),
    ("output.toml", include_str!("catalogue/output.toml")),
    ("session.toml", include_str!("catalogue/session.toml")),
    ("update.toml", include_str!("catalogue/update.toml")),
];

/// One fault of a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {entry}: {reason}")]
pub struct Fault {
    pub file: String,
    /// The entry's id, or its number in the file.
    pub entry: String,
    pub reason: String,
}

/// Every fault found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError(pub Vec<Fault>);

impl std::fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        write!(
            f,
            "{} in the signatures:\n{}",
            plural(lines.len()),
            lines.join("\n")
        )
    }
}

impl std::error::Error for CatalogueError {}

fn plural(count: usize) -> String {
    if count == 1 {
        "1 fault".to_owned()
    } else {
        format!("{count} faults")
    }
}

/// The signatures that come with the product, in the order of the catalogue's
/// files. Only their words are read here: that they are sound besides, a test
/// holds, so that no start pays for it.
pub fn builtin() -> Result<Vec<Signature>, CatalogueError> {
    let mut signatures = Vec::new();
    let mut faults = Vec::new();
    for (file, text) in FILES {
        match entries(file, text) {
            Ok(entries) => {
                for entry in entries {
                    faults.extend(entry.faults(file));
                    signatures.push(entry.signature);
                }
            }
            Err(unread) => faults.extend(unread),
        }
    }
    if faults.is_empty() {
        Ok(signatures)
    } else {
        Err(CatalogueError(faults))
    }
}

/// The signatures of one file, every one of them sound.
///
/// # Errors
/// All faults of the file: what is no TOML, no word of the catalogue, or
/// unsound by what it asks for.
pub fn parse(file: &str, text: &str) -> Result<Vec<Signature>, CatalogueError> {
    let mut ids = BTreeSet::new();
    let mut signatures = Vec::new();
    let mut faults = Vec::new();
    for mut entry in entries(file, text).map_err(CatalogueError)? {
        entry.reasons.extend(unsound(&entry.signature));
        let id = &entry.signature.id;
        if !id.is_empty() && !ids.insert(id.clone()) {
            let twice = "the id stands twice in this file";
            entry.reasons.push(twice.to_owned());
        }
        faults.extend(entry.faults(file));
        signatures.push(entry.signature);
    }
    if faults.is_empty() {
        Ok(signatures)
    } else {
        Err(CatalogueError(faults))
    }
}

/// `known` with the signatures of a further file. One with the id of a known
/// signature takes its place, so that the order in which they are asked stays;
/// the others follow.
///
/// # Errors
/// As [`parse`].
pub fn with_file(
    known: Vec<Signature>,
    file: &str,
    text: &str,
) -> Result<Vec<Signature>, CatalogueError> {
    let mut signatures = known;
    for own in parse(file, text)? {
        match signatures.iter_mut().find(|known| known.id == own.id) {
            Some(known) => *known = own,
            None => signatures.push(own),
        }
    }
    Ok(signatures)
}

/// One entry as it was read.
struct Entry {
    name: String,
    /// As far as its words are known. With a reason beside it, it goes no
    /// further than the linter.
    signature: Signature,
    reasons: Vec<String>,
}

impl Entry {
    fn faults(&self, file: &str) -> Vec<Fault> {
        let fault = |reason: &String| Fault {
            file: file.to_owned(),
            entry: self.name.clone(),
            reason: reason.clone(),
        };
        self.reasons.iter().map(fault).collect()
    }
}

/// Reads every entry, and every word in it that has a closed list.
fn entries(file: &str, text: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    let raw: RawFile = toml::from_str(text).map_err(|error| unread(file, text, &error))?;
    let entry = |(index, raw): (usize, RawSignature)| {
        let name = name(&raw.id, index);
        let mut reasons = Vec::new();
        let signature = raw.read(&mut reasons);
        Entry {
            name,
            signature,
            reasons,
        }
    };
    Ok(raw.signature.into_iter().enumerate().map(entry).collect())
}

/// Why a file could not be read: each entry by itself where the file as such is
/// TOML, since the reader stops at the first fault.
fn unread(file: &str, text: &str, error: &toml::de::Error) -> Vec<Fault> {
    let fault = |entry: String, reason: String| Fault {
        file: file.to_owned(),
        entry,
        reason,
    };
    let line = error.span().map_or(1, |span| {
        let before = text.bytes().take(span.start);
        before.filter(|byte| *byte == b'\n').count() + 1
    });
    let whole = || {
        vec![fault(
            format!("line {line}"),
            error.message().replace('\n', " "),
        )]
    };
    let Ok(table) = text.parse::<toml::Table>() else {
        return whole();
    };
    let mut faults: Vec<Fault> = Vec::new();
    for (key, value) in table {
        let entries = match value {
            toml::Value::Array(entries) if key == "signature" => entries,
            _ => {
                let reason = "is not known here; an entry begins with [[signature]]";
                faults.push(fault(key, reason.to_owned()));
                continue;
            }
        };
        for (index, entry) in entries.into_iter().enumerate() {
            let id = entry.get("id").and_then(toml::Value::as_str);
            let name = name(id.unwrap_or_default(), index);
            if let Err(error) = RawSignature::deserialize(entry) {
                faults.push(fault(name, error.message().replace('\n', " ")));
            }
        }
    }
    if faults.is_empty() { whole() } else { faults }
}

/// What a fault calls an entry.
fn name(id: &str, index: usize) -> String {
    if id.is_empty() {
        format!("entry {}", index + 1)
    } else {
        id.to_owned()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    signature: Vec<RawSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    #[serde(default)]
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    part: String,
    role: Option<String>,
    #[serde(default)]
    causes: Vec<String>,
    #[serde(default)]
    text_decides: bool,
    #[serde(default)]
    undecided: bool,
    severity: Option<String>,
    #[serde(default)]
    levels: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    starts: Vec<String>,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    excludes: Vec<String>,
    pattern: Option<String>,
    #[serde(default)]
    clears: Vec<String>,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    advice: Vec<String>,
    verify: Option<String>,
    undo: Option<String>,
    false_positives: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    versions: Option<String>,
    retry: Option<String>,
    #[serde(default)]
    matches: Vec<String>,
    #[serde(default)]
    rejects: Vec<String>,
}

impl RawSignature {
    /// The entry with its words read; every word that is not known is a reason.
    fn read(self, reasons: &mut Vec<String>) -> Signature {
        let kind = known(
            &self.kind,
            "kind",
            Kind::parse,
            Kind::ALL.iter().map(|k| k.as_str()),
            reasons,
        );
        let part = known(
            &self.part,
            "part",
            Part::parse,
            Part::ALL.iter().map(|p| p.as_str()),
            reasons,
        );
        let role = self.role.as_deref().map(|role| {
            known(
                role,
                "role",
                Role::parse,
                Role::ALL.iter().map(|r| r.as_str()),
                reasons,
            )
        });
        let severity = self.severity.as_deref().map(|severity| {
            known(
                severity,
                "severity",
                Severity::parse,
                Severity::ALL.iter().map(|s| s.as_str()),
                reasons,
            )
        });
        let causes = self.causes.iter().filter_map(|cause| {
            known(
                cause,
                "cause",
                Cause::parse,
                Cause::ALL.iter().map(|c| c.as_str()),
                reasons,
            )
        });
        let causes: Vec<Cause> = causes.collect();
        let clears: Vec<Part> = self
            .clears
            .iter()
            .filter_map(|part| {
                known(
                    part,
                    "part under clears",
                    Part::parse,
                    Part::ALL.iter().map(|p| p.as_str()),
                    reasons,
                )
            })
            .collect();
        let levels: Vec<Level> = self
            .levels
            .iter()
            .filter_map(|level| {
                known(
                    level,
                    "level",
                    Level::parse,
                    ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"].into_iter(),
                    reasons,
                )
            })
            .collect();
        Signature {
            id: self.id,
            title: self.title,
            // Stand-ins where the word is unknown: the linter then finds the rest.
            kind: kind.unwrap_or(Kind::Benign),
            part: part.unwrap_or(Part::Config),
            role: role.flatten(),
            causes,
            text_decides: self.text_decides,
            undecided: self.undecided,
            severity: severity.flatten(),
            levels,
            components: self.components,
            starts: self.starts,
            contains: self.contains,
            excludes: self.excludes,
            pattern: self.pattern,
            clears,
            checks: self.checks,
            advice: self.advice,
            verify: self.verify,
            undo: self.undo,
            false_positives: self.false_positives,
            references: self.references,
            versions: self.versions,
            retry: self.retry,
            matches: self.matches,
            rejects: self.rejects,
        }
    }
}

fn known<T>(
    word: &str,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
    all: impl Iterator<Item = &'static str>,
    reasons: &mut Vec<String>,
) -> Option<T> {
    let value = parse(word);
    if value.is_none() {
        let all: Vec<&str> = all.collect();
        reasons.push(format!("{what} {word:?} is not one of {}", all.join(", ")));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = r#"
[[signature]]
id = "own-check-failed"
title = "Our own check failed"
kind = "fault"
part = "host"
starts = ["own check failed"]
matches = ["2024-11-04 10:00:07.0137 ERROR own check failed"]

[[signature]]
id = "profile-credentials-refused"
title = "Ours"
kind = "benign"
part = "credentials"
starts = ["Failed to connect to Systems Manager with instance profile role credentials"]
matches = ["2024-11-04 10:00:07.0137 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials"]
"#;

    #[test]
    fn a_further_file_adds_and_replaces_in_place() {
        let known = builtin().unwrap_or_else(|faults| panic!("{faults}"));
        let ids = |signatures: &[Signature]| -> Vec<String> {
            signatures.iter().map(|one| one.id.clone()).collect()
        };
        let mut expected = ids(&known);
        expected.push("own-check-failed".to_owned());
        let all = with_file(known, "own.toml", OWN).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(ids(&all), expected);
        let replaced = all
            .iter()
            .find(|one| one.id == "profile-credentials-refused");
        assert_eq!(replaced.map(|one| one.kind), Some(Kind::Benign));
    }

    #[test]
    fn a_file_with_a_fault_changes_nothing() {
        let faults = with_file(Vec::new(), "own.toml", "[[signature]]\nid = \"a\"")
            .expect_err("no kind, no part");
        assert!(faults.to_string().contains("own.toml: a: "), "{faults}");
    }
}
