//! Whole logs of other programs, questions and pages about the agent's errors:
//! as a file, by hand, and from a subscription they raise nothing actionable, nor
//! does any copy of them.

use std::fs;

use super::copied::{EXPORTS, FORMS, WAYS};
use super::pastes::pasted;
use super::shapes::{at_once, in_batches, lines};
use super::verdict::{actionable, assert_none, summary};

/// Copies that say that the agent wrote the text.
const OF_THE_AGENT: [&str; 11] = [
    "systemctl status",
    "journalctl -o export",
    "grep of a file",
    "grep -n of files",
    "Select-String",
    "serial console",
    "console with host",
    "aws logs tail",
    "docker compose",
    "Get-WinEvent | fl",
    "journalctl -o verbose",
];

/// What people ask and write about the agent names its errors.
const PROSE: [&str; 4] = ["documentation", "planning", "question", "release-notes"];

fn texts() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/foreign");
    let mut all: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder of other programs' logs")
        .map(|entry| {
            let path = entry.expect("an entry of it").path();
            let name = path.file_stem().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read_to_string(&path).expect("text"))
        })
        .collect();
    all.sort();
    assert!(all.len() >= 28);
    all
}

#[test]
fn a_log_of_another_program_raises_nothing_actionable() {
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        let pieces = lines(&text);
        let mut readings = vec![
            ("by hand", pasted(&text)),
            ("one batch", at_once(&pieces)),
            ("one event", at_once(std::slice::from_ref(&text))),
        ];
        for size in 1..=8 {
            let batches = in_batches(&pieces, size).into_iter();
            readings.extend(batches.map(|one| ("batches", one)));
        }
        for (shape, reading) in readings {
            if !actionable(&reading).is_empty() {
                wrong.push(format!("{name} ({shape}): {:?}", summary(&reading)));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn no_copy_of_another_programs_log_raises_anything_actionable() {
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        for way in WAYS
            .iter()
            .chain(FORMS)
            .chain(EXPORTS)
            .filter(|way| !OF_THE_AGENT.contains(&way.name))
        {
            let reading = pasted(&(way.copy)(&text));
            if !actionable(&reading).is_empty() {
                wrong.push(format!("{name} ({}): {:?}", way.name, summary(&reading)));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn prose_about_the_agent_is_no_record_of_it() {
    for (name, text) in texts() {
        if PROSE.contains(&name.as_str()) {
            assert_eq!(pasted(&text).source.records, 0, "{name}");
        }
    }
}
