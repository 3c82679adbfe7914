//! What makes an entry unsound although each of its words is known.

use regex::Regex;

use super::entry::{Entry, Kind, Role, Signature};
use crate::record::{self, Level};

/// Shorter texts stand in too many records to lead to a signature.
const SHORTEST: usize = 3;

/// The agent's own messages are shorter, and a text takes memory by its length.
const LONGEST: usize = 1000;

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
    let pattern = match signature.pattern.map(Regex::new) {
        Some(Ok(pattern)) => Some(pattern),
        Some(Err(error)) => {
            reasons.push(format!(
                "pattern does not compile: {}",
                error.to_string().replace('\n', " ")
            ));
            return;
        }
        None => None,
    };
    if pattern.as_ref().is_some_and(|pattern| pattern.is_match("")) {
        reasons.push("pattern matches the empty text, and so every record".to_owned());
    }
    let Some((role, capture)) = signature
        .role
        .and_then(|role| Some((role, needed_capture(role)?)))
    else {
        return;
    };
    let captures = pattern
        .iter()
        .flat_map(Regex::capture_names)
        .flatten()
        .any(|name| name == capture);
    if !captures {
        reasons.push(format!("role {role} needs a pattern with (?P<{capture}>…)"));
    }
}

/// The capture without which a role says nothing.
fn needed_capture(role: Role) -> Option<&'static str> {
    match role {
        Role::Waiting => Some("wait"),
        Role::Version => Some("version"),
        Role::ProxySet => Some("variable"),
        Role::IdentityTried => Some("identity"),
        Role::IdentityAttempt
        | Role::IdentityGivenUp
        | Role::IdentityTaken
        | Role::RegistrationLost
        | Role::ProfileRefused
        | Role::Connected
        | Role::ChannelOpened
        | Role::ChannelLost
        | Role::ChannelStatus
        | Role::SessionStarted
        | Role::WorkerGone
        | Role::Stopping
        | Role::Starting
        | Role::ProxyListing
        | Role::Client
        | Role::Person
        | Role::OnAzure => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::parse;

    fn entry(lines: &str) -> String {
        format!(
            "[[signature]]\nid = \"own\"\ntitle = \"Own\"\nkind = \"fault\"\npart = \"host\"\nmatches = [\"x\"]\n{lines}\n"
        )
    }

    fn reasons(text: &str) -> Vec<String> {
        match parse("own.toml", text) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.into_iter().map(|fault| fault.reason).collect(),
        }
    }

    #[test]
    fn every_unsound_entry_is_reported_with_its_reason() {
        for (lines, reason) in [
            ("starts = [\"It failed\"]", ""),
            ("", "nothing would lead to it"),
            ("pattern = \"a\"", "pattern without starts or contains"),
            ("starts = [\"ab\"]", "shorter than 3 characters"),
            (
                "starts = [\"[HealthCheck] error\"]",
                "begins after its tags",
            ),
            ("starts = [\" error\"]", "begins after its tags"),
            ("starts = [\"It  failed\"]", "white space is folded"),
            ("contains = [\"It\\tfailed\"]", "white space is folded"),
            (
                "starts = [\"It failed\"]\nexcludes = [\"\u{201c}no\u{201d}\"]",
                "typographic quotes",
            ),
            (
                "starts = [\"It failed\"]\npattern = \"(\"",
                "pattern does not compile",
            ),
            (
                "starts = [\"It failed\"]\npattern = \"a*\"",
                "matches the empty text",
            ),
            (
                "starts = [\"It failed\"]\noverrides_error = true",
                "names no cause",
            ),
            (
                "starts = [\"It failed\"]\nrole = \"waiting\"",
                "(?P<wait>…)",
            ),
            (
                "starts = [\"It failed\"]\nrole = \"version\"\npattern = \"v(?P<wait>.)\"",
                "(?P<version>…)",
            ),
            (
                "contains = [\"It failed\"]\nlevels = [\"INFO\"]",
                "known by their starts alone",
            ),
        ] {
            let found = reasons(&entry(lines));
            if reason.is_empty() {
                assert!(found.is_empty(), "{lines}: {found:?}");
            } else {
                assert_eq!(found.len(), 1, "{lines}: {found:?}");
                assert!(found[0].contains(reason), "{lines}: {found:?}");
            }
        }
    }

    #[test]
    fn what_is_too_large_to_be_searched_for_is_a_fault_of_its_entry() {
        let long = "é".repeat(LONGEST + 1);
        for (lines, says) in [
            (
                format!("contains = [\"{long}\"]"),
                "is longer than 1000 characters",
            ),
            (
                format!("starts = [\"{long}\"]"),
                "is longer than 1000 characters",
            ),
            (
                "starts = [\"It failed\"]\npattern = \"(a{1000}){1000}\"".to_owned(),
                "pattern does not compile: Compiled regex exceeds size limit",
            ),
            (
                format!(
                    "starts = [\"It failed\"]\npattern = \"{}\"",
                    "(".repeat(5000)
                ),
                "pattern does not compile",
            ),
        ] {
            let fault = parse("own.toml", &entry(&lines))
                .expect_err("too large")
                .to_string();
            assert!(fault.contains("own.toml: own: "), "{fault}");
            assert!(fault.contains(says), "{fault}");
        }
    }

    #[test]
    fn all_faults_of_all_entries_are_reported_at_once() {
        let text = "[[signature]]\nid = \"A b\"\nkind = \"fault\"\npart = \"host\"\n\
                    [[signature]]\nid = \"c\"\ntitle = \"C\"\nkind = \"recovery\"\npart = \"host\"\nstarts = [\"It works\"]\nmatches = [\"x\"]\n\
                    [[signature]]\nid = \"c\"\ntitle = \"C\"\nkind = \"benign\"\npart = \"host\"\nstarts = [\"It works\"]\nmatches = [\"x\"]\n";
        insta::assert_snapshot!(parse("own.toml", text).expect_err("faults").to_string(), @r#"
        6 faults in the signatures:
        own.toml: A b: id "A b" is not lower-case words joined by hyphens
        own.toml: A b: has no title
        own.toml: A b: has no text under matches to prove it
        own.toml: A b: names neither starts nor contains: nothing would lead to it
        own.toml: c: is a recovery that clears no part
        own.toml: c: the id stands twice in this file
        "#);
    }

    #[test]
    fn an_unknown_kind_hides_no_other_fault() {
        let text = "[[signature]]\nid = \"X y\"\nkind = \"fualt\"\npart = \"host\"\n";
        insta::assert_snapshot!(parse("own.toml", text).expect_err("faults").to_string(), @r#"
        5 faults in the signatures:
        own.toml: X y: kind "fualt" is not one of fault, symptom, recovery, benign
        own.toml: X y: id "X y" is not lower-case words joined by hyphens
        own.toml: X y: has no title
        own.toml: X y: has no text under matches to prove it
        own.toml: X y: names neither starts nor contains: nothing would lead to it
        "#);
    }

    #[test]
    fn what_is_no_entry_is_reported_for_each_entry() {
        let text = "signatures = 1\n[[signature]]\nid = \"a\"\ntitel = \"A\"\n[[signature]]\nid = 7\nadvice = []\n";
        insta::assert_snapshot!(parse("own.toml", text).expect_err("faults").to_string(), @r#"
        8 faults in the signatures:
        own.toml: a: unknown field `titel`, expected one of `id`, `title`, `kind`, `part`, `role`, `causes`, `overrides_error`, `ambiguous`, `severity`, `levels`, `components`, `starts`, `contains`, `excludes`, `pattern`, `clears`, `machine`, `checks`, `false_positives`, `references`, `versions`, `matches`, `rejects`
        own.toml: a: kind "" is not one of fault, symptom, recovery, benign
        own.toml: a: part "" is not one of host, config, core, identity, credentials, registration, health, worker, control-channel, messages, associations, command, session, output, inventory, update
        own.toml: entry 2: `id` is of type integer, expected a string
        own.toml: entry 2: unknown field `advice`, expected one of `id`, `title`, `kind`, `part`, `role`, `causes`, `overrides_error`, `ambiguous`, `severity`, `levels`, `components`, `starts`, `contains`, `excludes`, `pattern`, `clears`, `machine`, `checks`, `false_positives`, `references`, `versions`, `matches`, `rejects`
        own.toml: entry 2: kind "" is not one of fault, symptom, recovery, benign
        own.toml: entry 2: part "" is not one of host, config, core, identity, credentials, registration, health, worker, control-channel, messages, associations, command, session, output, inventory, update
        own.toml: signatures: is not known here; an entry begins with [[signature]]
        "#);
        let words = entry(
            "starts = [\"It failed\"]\ncauses = [\"none\", \"throttled\"]\nlevels = [\"info\"]",
        );
        insta::assert_snapshot!(parse("own.toml", &words).expect_err("faults").to_string(), @r#"
        2 faults in the signatures:
        own.toml: own: causes "none" is not one of imds-disabled, imds-unreachable, no-instance-profile, stale-instance-profile, role-not-assumable, permission-missing, endpoint-policy-denies, dhmc-not-configured, dhmc-role-broken, endpoint-unreachable, dns-failure, proxy-failure, tls-failure, clock-skew, credentials-expired, credentials-invalid, throttled, registration-invalid, host-disk-full, host-read-only, host-inotify-exhausted, host-permission, host-memory, host-noexec, agent-crash, agent-worker, agent-duplicate, agent-config-invalid, agent-outdated, agent-update-failed, channel-failure, session-failure, command-failure, output-failure, service-error, unrecognised
        own.toml: own: levels "info" is not one of TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL
        "#);
        insta::assert_snapshot!(parse("own.toml", "[[signature]]\nid = \"a\nb\"").expect_err("faults").to_string(), @r#"
        1 fault in the signatures:
        own.toml: line 3: key with no value, expected `=`
        "#);
    }
}
