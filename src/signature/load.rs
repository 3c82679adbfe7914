//! Reads files of signatures, and reports every fault of a file at once.

use std::collections::BTreeSet;
use std::fmt::Display;

use toml::de::{DeTable, DeValue};

use super::entry::{Documentation, Entry, Kind, Part, Role, Signature};
use super::lint::lint;
use crate::cause::{Cause, Severity};
use crate::machine::Environment;
use crate::record::Level;

/// One fault of a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {entry}: {reason}")]
pub struct Fault {
    /// As it was named.
    pub file: String,
    /// The entry's id, or its number in the file.
    pub entry: String,
    /// What is wrong: a clause.
    pub reason: String,
}

/// Every fault found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError(pub Vec<Fault>);

impl std::fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        let (count, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
        write!(
            f,
            "{count} fault{s} in the signatures:\n{}",
            lines.join("\n")
        )
    }
}

impl std::error::Error for CatalogueError {}

/// The entries of one file, every one of them sound.
///
/// # Errors
/// All faults of the file: what is no TOML, no word of the catalogue, or
/// wrong by what it asks for.
pub fn parse(file: &str, text: &str) -> Result<Vec<Entry>, CatalogueError> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    let mut fault = |entry: &str, reason: String| {
        faults.push(Fault {
            file: file.to_owned(),
            entry: entry.to_owned(),
            reason,
        });
    };
    let table = DeTable::parse(text).unwrap_or_else(|error| {
        let before = &text.as_bytes()[..error.span().map_or(0, |span| span.start)];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        fault(&format!("line {line}"), error.message().replace('\n', " "));
        toml::Spanned::new(0..0, DeTable::new())
    });
    let mut ids = BTreeSet::new();
    for (key, value) in table.into_inner() {
        let (DeValue::Array(tables), "signature") = (value.into_inner(), &**key.get_ref()) else {
            let reason = "is not known here; an entry begins with [[signature]]";
            fault(key.get_ref(), reason.to_owned());
            continue;
        };
        for (index, table) in tables.into_iter().enumerate() {
            let mut fields = Fields::new(table.into_inner());
            let entry = fields.entry();
            let id = entry.signature.id;
            let name = match id {
                "" => format!("entry {}", index + 1),
                id => id.to_owned(),
            };
            let (mut reasons, whole) = fields.reasons();
            if whole {
                reasons.extend(lint(&entry));
            }
            if !id.is_empty() && !ids.insert(id) {
                reasons.push("the id stands twice in this file".to_owned());
            }
            for reason in reasons {
                fault(&name, reason);
            }
            entries.push(entry);
        }
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(CatalogueError(faults))
    }
}

/// `known` with the signatures of a further file. One with the id of a known
/// signature takes its place, so that the order in which they are asked stays;
/// the others follow.
pub fn merge(known: &mut Vec<Signature>, own: &[Entry]) {
    for own in own.iter().map(|entry| entry.signature) {
        match known.iter_mut().find(|known| known.id == own.id) {
            Some(known) => *known = own,
            None => known.push(own),
        }
    }
}

/// The keys of one entry as they are read, and what is wrong with them.
struct Fields<'i> {
    table: DeTable<'i>,
    keys: Vec<&'static str>,
    /// Keys that are none of an entry's, and values that are not of their kind.
    misread: Vec<String>,
    /// Words that are not of their closed list.
    unknown: Vec<String>,
}

impl<'i> Fields<'i> {
    fn new(entry: DeValue<'i>) -> Self {
        let mut misread = Vec::new();
        let table = match entry {
            DeValue::Table(table) => table,
            other => {
                misread.push(format!("is {}, not a table", other.type_str()));
                DeTable::new()
            }
        };
        Self {
            table,
            keys: Vec::new(),
            misread,
            unknown: Vec::new(),
        }
    }

    fn entry(&mut self) -> Entry {
        Entry {
            signature: Signature {
                id: self.text("id").unwrap_or_default(),
                title: self.text("title").unwrap_or_default(),
                // Stand-ins where the word is unknown: the linter then finds the rest.
                kind: self.required("kind", Kind::ALL, Kind::Benign),
                part: self.required("part", Part::ALL, Part::Config),
                role: self.word("role", Role::ALL),
                causes: self.words("causes", Cause::ALL),
                overrides_error: self.flag("overrides_error"),
                ambiguous: self.flag("ambiguous"),
                severity: self.word("severity", Severity::ALL),
                levels: self.words("levels", Level::ALL),
                components: self.texts("components"),
                starts: self.texts("starts"),
                contains: self.texts("contains"),
                excludes: self.texts("excludes"),
                pattern: self.text("pattern"),
                clears: self.words("clears", Part::ALL),
                machine: self.words("machine", Environment::ALL),
            },
            documentation: Documentation {
                checks: self.texts("checks"),
                false_positives: self.text("false_positives"),
                references: self.texts("references"),
                versions: self.text("versions"),
                matches: self.texts("matches"),
                rejects: self.texts("rejects"),
            },
        }
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(DeValue<'i>) -> Option<T>,
    ) -> Option<T> {
        self.keys.push(key);
        let value = self.table.remove(key)?.into_inner();
        let found = value.type_str();
        let read = read(value);
        if read.is_none() {
            let reason = format!("`{key}` is of type {found}, expected {expected}");
            self.misread.push(reason);
        }
        read
    }

    fn flag(&mut self, key: &'static str) -> bool {
        self.read(key, "true or false", |value| value.as_bool())
            .unwrap_or_default()
    }

    fn text(&mut self, key: &'static str) -> Option<&'static str> {
        self.read(key, "a string", text)
    }

    fn texts(&mut self, key: &'static str) -> &'static [&'static str] {
        let texts = |value| match value {
            DeValue::Array(items) => items
                .into_iter()
                .map(|item| text(item.into_inner()))
                .collect(),
            _ => None,
        };
        self.read(key, "a list of strings", texts)
            .map_or(&[], |texts: Vec<_>| texts.leak())
    }

    fn word<T: Copy + Display>(&mut self, key: &'static str, all: &[T]) -> Option<T> {
        self.text(key).and_then(|word| self.known(key, word, all))
    }

    fn required<T: Copy + Display>(&mut self, key: &'static str, all: &[T], stand_in: T) -> T {
        let word = self.text(key).unwrap_or_default();
        self.known(key, word, all).unwrap_or(stand_in)
    }

    fn words<T: Copy + Display>(&mut self, key: &'static str, all: &[T]) -> &'static [T] {
        let words = self.texts(key).iter();
        let known: Vec<T> = words
            .filter_map(|word| self.known(key, word, all))
            .collect();
        known.leak()
    }

    fn known<T: Copy + Display>(&mut self, key: &str, word: &str, all: &[T]) -> Option<T> {
        let known = all.iter().find(|one| one.to_string() == word);
        if known.is_none() {
            let all: Vec<String> = all.iter().map(T::to_string).collect();
            self.unknown
                .push(format!("{key} {word:?} is not one of {}", all.join(", ")));
        }
        known.copied()
    }

    /// Every reason why what was read is no entry, and whether it can be linted.
    fn reasons(mut self) -> (Vec<String>, bool) {
        let expected = self.keys.join("`, `");
        for key in self.table.keys() {
            let key = key.get_ref();
            self.misread.push(format!(
                "unknown field `{key}`, expected one of `{expected}`"
            ));
        }
        let whole = self.misread.is_empty();
        self.misread.append(&mut self.unknown);
        (self.misread, whole)
    }
}

/// A text that is kept for as long as the program runs: it reads one file, at
/// its start.
fn text(value: DeValue<'_>) -> Option<&'static str> {
    match value {
        DeValue::String(text) => Some(String::leak(text.into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::builtin;

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
        let ids = |signatures: &[Signature]| -> Vec<&str> {
            signatures.iter().map(|one| one.id).collect()
        };
        let mut all = builtin().to_vec();
        let mut expected = ids(&all);
        expected.push("own-check-failed");
        merge(&mut all, &parse("own.toml", OWN).expect("is sound"));
        assert_eq!(ids(&all), expected);
        let replaced = all
            .iter()
            .find(|one| one.id == "profile-credentials-refused");
        assert_eq!(replaced.map(|one| one.kind), Some(Kind::Benign));
    }

    #[test]
    fn a_fault_names_its_file_and_entry() {
        let faults = parse("own.toml", "[[signature]]\nid = \"a\"").expect_err("no kind, no part");
        assert!(faults.to_string().contains("own.toml: a: "), "{faults}");
    }
}
