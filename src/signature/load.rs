//! Reads catalogue files, and reports every fault of a file at once.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Kind, Part, Role, Signature};
use crate::incident::cause::{Cause, Severity};
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

/// The signatures that come with the product, in the order of the catalogue's files.
pub fn builtin() -> Result<Vec<Signature>, CatalogueError> {
    let mut signatures = Vec::new();
    let mut faults = Vec::new();
    for (file, text) in FILES {
        match parse(file, text) {
            Ok(found) => signatures.extend(found),
            Err(CatalogueError(found)) => faults.extend(found),
        }
    }
    let mut ids = BTreeSet::new();
    for signature in &signatures {
        if !ids.insert(&signature.id) {
            faults.push(Fault {
                file: "catalogue".to_owned(),
                entry: signature.id.clone(),
                reason: "the id stands twice; every id must be unique".to_owned(),
            });
        }
    }
    if faults.is_empty() {
        Ok(signatures)
    } else {
        Err(CatalogueError(faults))
    }
}

/// The signatures of one file.
pub fn parse(file: &str, text: &str) -> Result<Vec<Signature>, CatalogueError> {
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        CatalogueError(vec![Fault {
            file: file.to_owned(),
            entry: "the file".to_owned(),
            reason: error.to_string().trim().replace('\n', " "),
        }])
    })?;
    let mut signatures = Vec::with_capacity(raw.signature.len());
    let mut faults = Vec::new();
    for (index, entry) in raw.signature.into_iter().enumerate() {
        let name = if entry.id.is_empty() {
            format!("entry {}", index + 1)
        } else {
            entry.id.clone()
        };
        let mut reasons = Vec::new();
        let signature = entry.read(&mut reasons);
        faults.extend(reasons.into_iter().map(|reason| Fault {
            file: file.to_owned(),
            entry: name.clone(),
            reason,
        }));
        signatures.extend(signature);
    }
    if faults.is_empty() {
        Ok(signatures)
    } else {
        Err(CatalogueError(faults))
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
    fn read(self, reasons: &mut Vec<String>) -> Option<Signature> {
        if self.id.is_empty()
            || !self
                .id
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            reasons.push(format!(
                "id {:?} is not lower-case words joined by hyphens",
                self.id
            ));
        }
        if self.title.is_empty() {
            reasons.push("has no title".to_owned());
        }
        if self.starts.is_empty() && self.contains.is_empty() {
            reasons.push("names neither starts nor contains: nothing would lead to it".to_owned());
        }
        if self
            .starts
            .iter()
            .chain(&self.contains)
            .chain(&self.excludes)
            .any(|text| text.trim().len() < 3)
        {
            reasons.push(
                "a text of starts, contains or excludes is shorter than three characters"
                    .to_owned(),
            );
        }
        if self.matches.is_empty() {
            reasons.push("has no text under matches to prove it".to_owned());
        }
        if let Some(pattern) = &self.pattern
            && let Err(error) = regex::Regex::new(pattern)
        {
            reasons.push(format!(
                "pattern does not compile: {}",
                error.to_string().replace('\n', " ")
            ));
        }
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
        if kind == Some(Kind::Recovery) && clears.is_empty() {
            reasons.push("is a recovery that clears no part".to_owned());
        }
        Some(Signature {
            id: self.id,
            title: self.title,
            kind: kind?,
            part: part?,
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
        })
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
