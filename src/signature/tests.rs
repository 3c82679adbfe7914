//! The catalogue under test: its own examples, and the lab's messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Kind, Match, Matcher, Signature, builtin};
use crate::incident::cause::Cause;
use crate::record::{Joiner, Record};

fn catalogue() -> Matcher {
    Matcher::new(builtin().unwrap_or_else(|faults| panic!("{faults}")))
}

/// The records of a log text, as the joiner gives them.
fn records(text: &str) -> Vec<Record<'_>> {
    let mut joiner = Joiner::default();
    let mut records: Vec<_> = text
        .split('\n')
        .filter_map(|line| joiner.line(line, None, Timestamp::UNIX_EPOCH))
        .collect();
    records.extend(joiner.close());
    records
}

#[test]
fn every_signature_recognises_its_own_examples() {
    let matcher = catalogue();
    let mut wrong = String::new();
    for signature in matcher.signatures() {
        for text in &signature.matches {
            let found = recognised_as(&matcher, text);
            if !found.contains(signature.id.as_str()) {
                let _ = writeln!(wrong, "{}: {text}\n  recognised as {found:?}", signature.id);
            }
        }
        for text in &signature.rejects {
            if recognised_as(&matcher, text).contains(signature.id.as_str()) {
                let _ = writeln!(wrong, "{}: must not recognise {text}", signature.id);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn recognised_as<'m>(matcher: &'m Matcher, text: &str) -> BTreeSet<&'m str> {
    records(text)
        .iter()
        .filter_map(|record| matcher.recognise(record))
        .map(|found| found.signature.id.as_str())
        .collect()
}

/// Of two signatures with the same start the earlier one in the catalogue is
/// asked first: unless it asks for more than the start, the later is never reached.
#[test]
fn no_signature_is_hidden_by_an_equal_start() {
    let signatures = builtin().unwrap_or_else(|faults| panic!("{faults}"));
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
            let causes = causes
                .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
                .filter_map(Cause::parse)
                .collect();
            (name, Class { verdict, causes })
        })
        .collect()
}

/// The groups of the lab's messages that the catalogue answers for.
const GROUPS: &[&str] = &[
    "ASC-01", "CORE-01", "CORE-02", "CWL-01", "DISK-01", "DOC-01", "FMT-01", "FMT-04", "FMT-05",
    "FMT-06", "FMT-07", "FMT-08", "FMT-09", "FMT-10", "FMT-11", "FMT-12", "HYB-01", "HYB-02",
    "HYB-03", "ID-03", "INST-01", "INV-01", "IPC-01", "IPC-02", "LOG-01", "MSG-01", "PLG-01",
    "S3-01", "SER-01", "SES-01", "SES-02", "SES-03", "SES-04", "SES-05", "SETUP-01", "STATE-01",
    "UPD-01", "VAULT-01", "WIN-01", "WRK-01",
];

#[test]
fn every_message_of_the_lab_is_read_as_its_class() {
    let matcher = catalogue();
    let classes = lab_classes();
    let mut asked = 0;
    let mut wrong = String::new();
    for line in lab_lines() {
        let group = line.id.split('.').next().unwrap_or_default();
        let group = group.split('/').next().unwrap_or_default();
        if !GROUPS.contains(&group) {
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
    assert!(asked > 800, "only {asked} lines of the lab were asked");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Whether what is recognised says the same as the class.
fn agrees(matcher: &Matcher, class: &Class, records: &[Record<'_>]) -> Result<(), String> {
    let found: Vec<(&Record<'_>, Option<Match<'_>>)> = records
        .iter()
        .map(|record| (record, matcher.recognise(record)))
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
    let holds = match class.verdict.as_str() {
        "fault" => matches().any(|found| {
            matches!(found.signature.kind, Kind::Fault | Kind::Symptom)
                && found
                    .causes
                    .iter()
                    .any(|cause| class.causes.contains(cause))
        }),
        "symptom" => matches().all(|found| match found.signature.kind {
            Kind::Fault => found
                .causes
                .iter()
                .any(|cause| class.causes.contains(cause)),
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
