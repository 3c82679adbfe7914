//! Lints files of signatures and tries their examples.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::diagnose::CHECKS;
use crate::signature::{
    CatalogueError, Entry, Fault, Matcher, Signature, builtin, builtin_entries, failing_examples,
    merge, parse, recognised,
};

use crate::cli::input::{name_of, read_strictly, stdin_once};
use crate::cli::{Output, UNREADABLE, plural};

/// Exit status when a file has a fault.
const FAULTY: u8 = 1;

/// One file, sound by itself.
struct Own {
    file: String,
    entries: Vec<Entry>,
    /// The built-in signatures in whose place its own stand.
    replaces: Vec<&'static str>,
}

/// Checks the files, or the built-in catalogue when there are none.
pub(super) fn run(files: &[PathBuf]) -> Result<Output, String> {
    stdin_once(files)?;
    let mut check = Check {
        all: builtin().to_vec(),
        ..Check::default()
    };
    if files.is_empty() {
        check.own.push(Own {
            file: "built-in".to_owned(),
            entries: builtin_entries(),
            replaces: Vec::new(),
        });
    }
    let mut unread = Vec::new();
    for path in files {
        match read_strictly(path) {
            Ok(text) => check.add(&name_of(path), &text),
            Err(why) => unread.push(why),
        }
    }
    check.prove();
    let mut output = answer(&check);
    if !unread.is_empty() {
        output.status = UNREADABLE;
        output.complaint = Some(unread.join("\n"));
    }
    Ok(output)
}

#[derive(Default)]
struct Check {
    /// The catalogue with all files that are sound.
    all: Vec<Signature>,
    own: Vec<Own>,
    faults: Vec<Fault>,
    /// What is no fault, but worth knowing.
    notes: Vec<String>,
    summary: Vec<String>,
}

impl Check {
    fn add(&mut self, file: &str, text: &str) {
        match parse(file, text) {
            Ok(entries) => {
                merge(&mut self.all, &entries);
                let ids = entries.iter().map(|one| one.signature.id);
                let is_builtin = |id: &&str| builtin().iter().any(|one| one.id == *id);
                self.own.push(Own {
                    file: file.to_owned(),
                    replaces: ids.filter(is_builtin).collect(),
                    entries,
                });
            }
            Err(CatalogueError(faults)) => self.faults.extend(faults),
        }
    }

    fn prove(&mut self) {
        let matcher = Matcher::new(self.all.clone());
        let own = self.own.iter().flat_map(|own| &own.entries);
        let own: BTreeSet<&str> = own.map(|one| one.signature.id).collect();
        for file in &self.own {
            let faults = examples(file, &matcher);
            if faults.is_empty() {
                self.summary.push(sound(file));
            }
            self.faults.extend(faults);
        }
        for one in builtin_entries() {
            let id = one.signature.id;
            if own.contains(id) {
                continue;
            }
            for taker in takers(&matcher, &one) {
                self.notes.push(format!(
                    "{taker} also takes lines that {id} recognises without it"
                ));
            }
        }
    }
}

fn examples(own: &Own, matcher: &Matcher) -> Vec<Fault> {
    let faults = own.entries.iter().flat_map(|one| {
        let failing = failing_examples(matcher, one).into_iter();
        failing.chain(unknown_checks(one)).map(|reason| Fault {
            file: own.file.clone(),
            entry: one.signature.id.to_owned(),
            reason,
        })
    });
    faults.collect()
}

/// The checks that an entry names and nothing makes. `network` stands for those
/// of the path to a service.
fn unknown_checks(one: &Entry) -> impl Iterator<Item = String> {
    let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    let unknown = move |name: &&&str| **name != "network" && !names.contains(*name);
    (one.documentation.checks.iter())
        .filter(unknown)
        .map(|name| format!("no check is named {name:?}"))
}

/// The other signatures that take an example of `one` for themselves.
fn takers(matcher: &Matcher, one: &Entry) -> BTreeSet<&'static str> {
    (one.documentation.matches)
        .iter()
        .filter_map(|text| {
            let found = recognised(matcher, text);
            let ids: Vec<&str> = found.iter().flatten().map(|it| it.id).collect();
            (!ids.contains(&one.signature.id)).then_some(ids)
        })
        .flatten()
        .collect()
}

fn sound(own: &Own) -> String {
    let entries = own.entries.iter().map(|one| &one.documentation);
    let examples = entries.map(|one| one.matches.len() + one.rejects.len());
    let (signatures, examples) = (own.entries.len(), examples.sum());
    let [signatures, examples] =
        [(signatures, "signature"), (examples, "example")].map(|(count, noun)| plural(count, noun));
    let sound = format!("{}: sound ({signatures}, {examples})", own.file);
    match own.replaces.as_slice() {
        [] => sound,
        replaced => format!("{sound}; in place of the built-in {}", replaced.join(", ")),
    }
}

fn answer(check: &Check) -> Output {
    let mut lines: Vec<String> = check.faults.iter().map(Fault::to_string).collect();
    let status = match lines.len() {
        0 => 0,
        count => {
            lines.push(plural(count, "fault"));
            FAULTY
        }
    };
    lines.extend_from_slice(&check.summary);
    lines.extend(check.notes.iter().map(|note| format!("note: {note}")));
    Output {
        text: lines.iter().map(|line| format!("{line}\n")).collect(),
        status,
        complaint: None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::engine::Engine;

    use super::*;

    const ENTRY: &str = r#"
[[signature]]
id = "own-check-failed"
title = "Our own check failed"
kind = "fault"
part = "host"
causes = ["host-permission"]
starts = ["own check failed"]
matches = ["2024-11-04 10:00:07.0137 ERROR own check failed"]
"#;

    /// Runs the check over files of these texts, named `0.toml`, `1.toml` …
    fn checked(texts: &[&str]) -> (String, u8, Option<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let files: Vec<PathBuf> = texts
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let path = folder.path().join(format!("{number}.toml"));
                fs::write(&path, text).expect("is written");
                path
            })
            .collect();
        let output = run(&files).expect("the built-in catalogue loads");
        let place = format!("{}/", folder.path().display());
        (
            output.text.replace(&place, ""),
            output.status,
            output.complaint,
        )
    }

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let (text, status, _) = checked(&[]);
        assert_eq!(status, 0, "{text}");
        assert!(text.starts_with("built-in: sound ("), "{text}");
    }

    #[test]
    fn a_sound_file_takes_one_line() {
        let (text, status, _) = checked(&[ENTRY]);
        assert_eq!(text, "0.toml: sound (1 signature, 1 example)\n");
        assert_eq!(status, 0);
    }

    #[test]
    fn an_entry_in_place_of_a_built_in_one_and_one_that_hides_one_are_noted() {
        let replaced = ENTRY.replace("own-check-failed", "profile-credentials-refused");
        let hides = ENTRY.replace(
            "own check failed",
            "Failed to connect to Systems Manager with SSM role credentials. error calling",
        );
        insta::assert_snapshot!(checked(&[&replaced, &hides]).0, @r#"
        0.toml: sound (1 signature, 1 example); in place of the built-in profile-credentials-refused
        1.toml: sound (1 signature, 1 example)
        note: own-check-failed also takes lines that dhmc-fallback-refused recognises without it
        "#);
    }

    #[test]
    fn all_faults_of_all_files_are_reported_at_once() {
        let unsound = ENTRY.replace("[\"host-permission\"]", "[\"gremlins\"]");
        let unproven = ENTRY.replace("ERROR own check", "INFO own check");
        let (text, status, complaint) = checked(&[&unsound, "[[signature", &unproven]);
        assert_eq!((status, complaint), (1, None));
        let faults: Vec<&str> = text.lines().collect();
        assert_eq!(faults.len(), 4, "{text}");
        assert!(faults[0].starts_with("0.toml: own-check-failed: causes \"gremlins\""));
        assert!(faults[1].starts_with("1.toml: line 1: "), "{text}");
        assert!(
            faults[2].starts_with("2.toml: own-check-failed: matches "),
            "{text}"
        );
        assert_eq!(faults[3], "3 faults");
    }

    #[test]
    fn a_check_that_is_not_made_is_a_fault() {
        let named = ENTRY.replace("causes", "checks = [\"imds\", \"vpc\"]\ncauses");
        let (text, status, _) = checked(&[&named]);
        assert!(text.contains("no check is named \"vpc\""), "{text}");
        assert_eq!(status, 1);
    }

    #[test]
    fn a_file_that_the_function_could_not_read_is_not_sound() {
        let folder = tempfile::tempdir().expect("a folder");
        let wide = ENTRY.encode_utf16().flat_map(u16::to_le_bytes);
        for bytes in [
            [&b"\xff\xfe"[..], &wide.collect::<Vec<u8>>()].concat(),
            [ENTRY.as_bytes(), b"# caf\xe9\n"].concat(),
        ] {
            let path = folder.path().join("own.toml");
            fs::write(&path, bytes).expect("is written");
            let refused = Engine::load(Some(&path))
                .expect_err("is not UTF-8")
                .to_string();
            assert!(refused.contains("save it as UTF-8"), "{refused}");
            let output = run(&[path]).expect("loads");
            assert_eq!(output.status, UNREADABLE);
            let complaint = output.complaint.expect("names the file");
            assert!(complaint.contains("save it as UTF-8"), "{complaint}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported_beside_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let sound = folder.path().join("own.toml");
        fs::write(&sound, ENTRY).expect("is written");
        let output = run(&[folder.path().join("none.toml"), sound]).expect("loads");
        assert_eq!(output.status, UNREADABLE);
        assert!(output.text.contains("own.toml: sound"), "{}", output.text);
        let complaint = output.complaint.expect("names the file");
        assert!(complaint.contains("none.toml"), "{complaint}");
    }
}
