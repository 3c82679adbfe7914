//! What makes an entry unsound although each of its words is known.

use regex::Regex;

use super::entry::{Entry, Kind, Role, Signature};
use crate::record::{self, Level};

/// Shorter texts stand in too many records to lead to a signature.
const SHORTEST: usize = 3;

/// The agent's own messages are shorter, and a text takes memory by its length.
const LONGEST: usize = 1000;

/// Roles of which a record says more right after its start.
const READ_AFTER_START: [Role; 4] = [
    Role::IdentityTaken,
    Role::IdentityTried,
    Role::Version,
    Role::Waiting,
];

/// Every reason for which an entry would do no good, or harm.
pub(super) fn lint(entry: &Entry) -> Vec<String> {
    let mut reasons = Vec::new();
    about_words(entry, &mut reasons);
    about_texts(&entry.signature, &mut reasons);
    about_pattern(&entry.signature, &mut reasons);
    reasons
}

fn about_words(entry: &Entry, reasons: &mut Vec<String>) {
    let signature = &entry.signature;
    let id = signature.id;
    let hyphenated = !id.is_empty()
        && id.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
    if !hyphenated {
        reasons.push(format!(
            "id {id:?} is not lower-case words joined by hyphens"
        ));
    }
    if signature.title.is_empty() {
        reasons.push("has no title".to_owned());
    }
    if signature.kind == Kind::Recovery && signature.clears.is_empty() {
        reasons.push("is a recovery that clears no part".to_owned());
    }
    let decides = signature.kind == Kind::Fault && signature.overrides_error;
    if decides && signature.causes.is_empty() {
        reasons.push("is a fault whose text decides, but names no cause".to_owned());
    }
    if entry.documentation.matches.is_empty() {
        reasons.push("has no text under matches to prove it".to_owned());
    }
}

fn about_texts(signature: &Signature, reasons: &mut Vec<String>) {
    if signature.starts.is_empty() && signature.contains.is_empty() {
        reasons.push(if signature.pattern.is_some() {
            "has a pattern without starts or contains, which are searched for first".to_owned()
        } else {
            "names neither starts nor contains: nothing would lead to it".to_owned()
        });
    }
    if let Some(role) = signature.role
        && READ_AFTER_START.contains(&role)
        && signature.starts.is_empty()
    {
        reasons.push(format!(
            "role {role} needs starts: what it reads follows one"
        ));
    }
    let routine = |level: &Level| !level.is_trouble();
    if signature.starts.is_empty()
        && !signature.levels.is_empty()
        && signature.levels.iter().all(routine)
    {
        reasons.push(
            "reads only INFO or below, where messages are known by their starts alone".to_owned(),
        );
    }
    for (key, texts) in [
        ("starts", signature.starts),
        ("contains", signature.contains),
        ("excludes", signature.excludes),
    ] {
        for text in texts {
            if text.trim().len() < SHORTEST {
                reasons.push(format!(
                    "{key} {text:?} is shorter than {SHORTEST} characters"
                ));
            }
            if text.chars().count() > LONGEST {
                let begin: String = text.chars().take(40).collect();
                reasons.push(format!(
                    "{key} {begin:?}… is longer than {LONGEST} characters"
                ));
            } else if record::fold(text) != **text {
                reasons.push(format!(
                    "{key} {text:?} never matches: white space is folded to one blank, and typographic quotes are made plain"
                ));
            }
        }
    }
    for text in signature.starts {
        if text.starts_with(' ') || record::begins_with_tag(text) {
            reasons.push(format!(
                "starts {text:?} never matches: a message begins after its tags, which belong under components"
            ));
        }
    }
}

fn about_pattern(signature: &Signature, reasons: &mut Vec<String>) {
    match signature.pattern.map(Regex::new) {
        Some(Ok(pattern)) if pattern.is_match("") => {
            reasons.push("pattern matches the empty text, and so every record".to_owned());
        }
        Some(Err(error)) => reasons.push(format!(
            "pattern does not compile: {}",
            error.to_string().replace('\n', " ")
        )),
        Some(Ok(_)) | None => {}
    }
}
