//! The examples inside an entry, held against the catalogue that it stands in.

use super::{Entry, Matcher, Signature};
use crate::record::{NormalizedRecord, records};

/// Longer examples are cut in a reason.
const SHOWN: usize = 120;

/// Every example of `entry` that does not hold: a text that it must
/// recognise and does not, or the other way round.
pub fn failing_examples(matcher: &Matcher, entry: &Entry) -> Vec<String> {
    let id = entry.signature.id;
    let mut reasons = Vec::new();
    for text in entry.documentation.matches {
        let found = recognised(matcher, text);
        if found.iter().flatten().any(|one| one.id == id) {
            continue;
        }
        let others: Vec<&str> = found.iter().flatten().map(|other| other.id).collect();
        let instead = match (found.is_empty(), others.is_empty()) {
            (true, _) => "no record of the agent is in it".to_owned(),
            (false, true) => "no signature recognises it".to_owned(),
            (false, false) => format!("{} recognises it", others.join(" and ")),
        };
        reasons.push(format!("matches {:?}: {instead}", shown(text)));
    }
    for text in entry.documentation.rejects {
        let found = recognised(matcher, text);
        if found.iter().flatten().any(|one| one.id == id) {
            reasons.push(format!(
                "rejects {:?}: this signature recognises it",
                shown(text)
            ));
        }
    }
    reasons
}

/// The signature of each record in a log text.
///
/// ```
/// use ssm_agent_triage::signature::{Matcher, builtin, recognised};
///
/// let matcher = Matcher::new(builtin());
/// let found = recognised(&matcher, "2026-11-23 04:19:04 ERROR Agent failed to assume any identity");
/// assert_eq!(found[0].expect("a signature").id, "identity-not-assumed");
/// ```
pub fn recognised<'m>(matcher: &'m Matcher, text: &str) -> Vec<Option<&'m Signature>> {
    let signature = |record: &_| {
        let found = matcher.recognise(&NormalizedRecord::new(record));
        found.map(|found| found.signature)
    };
    records(text).iter().map(signature).collect()
}

fn shown(text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(SHOWN)];
    if kept.len() < text.len() {
        format!("{kept}…")
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{builtin, builtin_entries, merge, parse};

    #[test]
    fn every_signature_recognises_its_own_examples() {
        let matcher = Matcher::new(builtin());
        for entry in builtin_entries() {
            assert_eq!(
                failing_examples(&matcher, &entry),
                [""; 0],
                "{}",
                entry.signature.id
            );
        }
    }

    #[test]
    fn an_example_that_does_not_hold_says_what_happens_instead() {
        let own = r#"
[[signature]]
id = "own"
title = "Own"
kind = "fault"
part = "host"
starts = ["own check failed"]
matches = [
  "2024-11-04 10:00:07.0137 INFO own check failed",
  "own check failed",
  "2024-11-04 10:00:07.0137 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: x",
]
rejects = ["2024-11-04 10:00:07.0137 ERROR own check failed"]
"#;
        let own = parse("own.toml", own).unwrap_or_else(|faults| panic!("{faults}"));
        let mut all = builtin().to_vec();
        merge(&mut all, &own);
        insta::assert_snapshot!(failing_examples(&Matcher::new(all), &own[0]).join("\n"), @r#"
        matches "2024-11-04 10:00:07.0137 INFO own check failed": no signature recognises it
        matches "own check failed": no record of the agent is in it
        matches "2024-11-04 10:00:07.0137 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credential…": profile-credentials-refused recognises it
        rejects "2024-11-04 10:00:07.0137 ERROR own check failed": this signature recognises it
        "#);
    }
}
