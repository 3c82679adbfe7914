//! Every verdict over the whole lab in one file, so that a change of any of
//! them shows in review.

use std::fmt::Write;

use super::shapes::{at_once, records};
use super::verdict::{fixture, summary};

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    line: String,
}

#[derive(serde::Deserialize)]
struct Excerpt {
    id: String,
    lines: Vec<String>,
}

#[test]
fn verdicts() {
    let mut all = String::new();
    let mut record = |name: &str, pieces: &[String]| {
        let summary = summary(&at_once(pieces));
        let text = if summary.is_empty() {
            "nothing".to_owned()
        } else {
            summary.join(" + ")
        };
        writeln!(all, "{name}: {text}").expect("writing to a string");
    };
    for (table, folder) in [
        ("cases.tsv", "agent"),
        ("v2/cases.tsv", "v2"),
        ("people/cases.tsv", "people"),
    ] {
        for row in fixture(table).lines().skip(1) {
            let name = row.split('\t').next().unwrap_or_default();
            record(name, &records(&fixture(&format!("{folder}/{name}.log"))));
        }
    }
    for row in fixture("wild/wild.jsonl").lines() {
        let excerpt: Excerpt = serde_json::from_str(row).expect("a row of wild.jsonl");
        record(&excerpt.id, &excerpt.lines);
    }
    for table in ["lines.jsonl", "v2/lines.jsonl"] {
        for row in fixture(table).lines() {
            let line: Line = serde_json::from_str(row).expect("a row of lines.jsonl");
            record(&line.id, std::slice::from_ref(&line.line));
        }
    }
    insta::assert_snapshot!(all);
}
