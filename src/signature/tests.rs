//! The catalogue under test: its own examples, and the lab's messages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Kind, Match, Matcher, Signature, builtin};
use crate::cause::Cause;
use crate::record::{NormalizedRecord, Record, records};

fn catalogue() -> Matcher {
    Matcher::new(builtin())
}

/// Of two signatures with the same start the earlier one in the catalogue is
/// asked first: unless it asks for more than the start, the later is never reached.
#[test]
fn no_signature_is_hidden_by_an_equal_start() {
    let signatures = builtin();
    let mut hidden = Vec::new();
    for (index, earlier) in signatures.iter().enumerate() {
        for later in &signatures[index + 1..] {
            let shared = earlier
                .starts
                .iter()
                .find(|text| later.starts.contains(text));
            if let Some(start) = shared
                && !asks_for_more(earlier, later)
            {
                hidden.push(format!("{} hides {} at {start:?}", earlier.id, later.id));
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}

fn asks_for_more(earlier: &Signature, later: &Signature) -> bool {
    let levels = [
        crate::record::Level::Trace,
        crate::record::Level::Debug,
        crate::record::Level::Info,
        crate::record::Level::Warn,
        crate::record::Level::Error,
        crate::record::Level::Critical,
    ];
    !earlier.contains.is_empty()
        || !earlier.excludes.is_empty()
        || !earlier.components.is_empty()
        || earlier.pattern.is_some()
        || levels
            .iter()
            .any(|level| later.reads(*level) && !earlier.reads(*level))
}

/// One line of `lines.jsonl`: a message of the agent in one of its formats.
#[derive(serde::Deserialize)]
struct LabLine {
    id: String,
    line: String,
    class: String,
}

/// What `classes.tsv` says of a class of messages.
struct Class {
    verdict: String,
    causes: Vec<Cause>,
    /// Whether the error inside the text decides for any cause.
    by_the_error: bool,
}

fn lab_lines() -> Vec<LabLine> {
    include_str!("../../tests/fixtures/lab/lines.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn lab_classes() -> BTreeMap<String, Class> {
    include_str!("../../tests/fixtures/lab/classes.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default().to_owned();
            let (name, verdict, causes) = (column(), column(), column());
            let by_the_error = causes.contains("by the error");
            let causes = causes
                .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
                .filter_map(Cause::parse)
                .collect();
            let class = Class {
                verdict,
                causes,
                by_the_error,
            };
            (name, class)
        })
        .collect()
}

#[test]
fn every_message_of_the_lab_is_read_as_its_class() {
    let matcher = catalogue();
    let classes = lab_classes();
    let mut asked = 0;
    let mut wrong = String::new();
    for line in lab_lines() {
        // Sequences are read by the correlation, not record by record.
        if line.id.ends_with("/seq") {
            continue;
        }
        asked += 1;
        let class = &classes[&line.class];
        let records = records(&line.line);
        if let Err(reason) = agrees(&matcher, class, &records) {
            let _ = writeln!(
                wrong,
                "{:24} {:28} {reason}\n    {:.200}",
                line.id,
                line.class,
                line.line.escape_debug().to_string()
            );
        }
    }
    assert!(asked > 1600, "only {asked} lines of the lab were asked");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Whether what is recognised says the same as the class.
fn agrees(matcher: &Matcher, class: &Class, records: &[Record<'_>]) -> Result<(), String> {
    let found: Vec<(&Record<'_>, Option<Match<'_>>)> = records
        .iter()
        .map(|record| (record, matcher.recognise(&NormalizedRecord::new(record))))
        .collect();
    let unread = found
        .iter()
        .find(|(record, found)| found.is_none() && record.level.is_trouble());
    if let (Some((record, _)), true) = (unread, class.verdict != "continuation") {
        return Err(format!("nothing recognises: {:.80}", record.message));
    }
    let said = || {
        found
            .iter()
            .filter_map(|(_, found)| found.as_ref())
            .map(|found| {
                format!(
                    "{} ({}) {:?}",
                    found.signature.id, found.signature.kind, found.causes
                )
            })
            .collect::<Vec<_>>()
            .join("; ")
    };
    let matches = || found.iter().filter_map(|(_, found)| found.as_ref());
    let names_cause = |found: &Match<'_>| {
        let named = |cause: &Cause| class.by_the_error || class.causes.contains(cause);
        found.causes.iter().any(named)
    };
    let holds = match class.verdict.as_str() {
        "fault" => matches().any(|found| {
            matches!(found.signature.kind, Kind::Fault | Kind::Symptom) && names_cause(found)
        }),
        "symptom" => matches().all(|found| match found.signature.kind {
            Kind::Fault => names_cause(found),
            Kind::Symptom | Kind::Recovery | Kind::Benign => true,
        }),
        "benign" | "healthy" => {
            matches().all(|found| matches!(found.signature.kind, Kind::Benign | Kind::Recovery))
        }
        "continuation" => found.iter().all(|(_, found)| found.is_none()),
        other => return Err(format!("the class has the verdict {other:?}")),
    };
    holds.then_some(()).ok_or_else(said)
}

#[test]
fn a_message_is_recognised_where_it_was_broken_within_its_start() {
    let matcher = catalogue();
    let text = "2026-11-25 18:31:07.8529 INFO EC2RoleProvider Successfully connected with\nSystems Manager role credentials";
    let found: Vec<_> = records(text)
        .iter()
        .map(|record| {
            matcher
                .recognise(&NormalizedRecord::new(record))
                .map(|found| found.signature.kind)
        })
        .collect();
    assert_eq!(found, [Some(Kind::Recovery)]);
}
