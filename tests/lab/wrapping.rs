//! A log in what any shipper puts around its lines gives the verdict of the log.

use std::borrow::Cow;
use std::env;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::node::IdSource;

use super::cases::cases;
use super::shapes::{lines, records, source, times};
use super::verdict::{ENGINE, assert_none, candidates, fixture, summary};
use super::wrappers::{Piece, WRAPPERS, Wrapper};

pub(crate) const STREAM: &str = "i-0123456789abcdef0";
pub(crate) const OTHER: &str = "i-0fedcba9876543210";
pub(crate) const HYBRID: &str = "mi-0123456789abcdef0";
pub(crate) const OTHER_HYBRID: &str = "mi-0fedcba9876543210";

/// Lines with the times at which a shipper took them up.
pub(crate) type Log = Vec<(String, Timestamp)>;

pub(crate) fn log(text: &str) -> Log {
    let lines = lines(text);
    let times = times(&lines);
    lines.into_iter().zip(times).collect()
}

/// The log on its way from the host `name` with `id`.
pub(crate) fn wrapped(log: &Log, wrapper: &Wrapper, (host, id): (&str, &str), seed: usize) -> Log {
    let lines = log.iter().enumerate();
    lines
        .flat_map(|(index, (text, at))| {
            let piece = Piece {
                text,
                at: *at,
                host,
                id,
                seed: seed + index,
                form: seed,
            };
            let pieces = (wrapper.wrap)(piece);
            pieces
                .into_iter()
                .map(|piece| (piece, *at))
                .collect::<Log>()
        })
        .collect()
}

fn read(log: &Log, source: Source, timed: bool) -> BatchAnalysis {
    let events = log.iter().map(|(text, at)| Event {
        id: Cow::Borrowed(""),
        at: timed.then_some(*at),
        message: Cow::Borrowed(text),
    });
    let batch = Batch {
        source,
        events: events.collect(),
    };
    ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH)
}

/// What is wrong with the log of each case in some wrappers.
fn faults(table: &str, folder: &'static str, of: impl Fn(usize) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases(table, folder) {
        let log = log(&fixture(&format!("{folder}/{}.log", case.name)));
        let plain = summary(&read(&log, source(true), true));
        for (index, wrapper) in WRAPPERS.iter().enumerate().filter(|(index, _)| of(*index)) {
            let seed = case.name.len() + index;
            let log = wrapped(&log, wrapper, ("ip-10-0-1-20", STREAM), seed);
            let reading = read(&log, source(true), true);
            if summary(&reading) != plain {
                wrong.push(format!(
                    "{} in {}: {:?} in place of {plain:?}",
                    case.name,
                    wrapper.name,
                    summary(&reading)
                ));
            }
            if let Some(finding) = reading
                .findings
                .iter()
                .find(|it| it.node.id.as_str() != STREAM)
            {
                wrong.push(format!(
                    "{} in {}: blames {}",
                    case.name, wrapper.name, finding.node.id
                ));
            }
        }
    }
    wrong
}

#[test]
fn a_log_of_the_lab_gives_its_verdict_in_every_wrapper() {
    assert_none(&faults("cases.tsv", "agent", |_| true));
}

#[test]
fn a_log_of_the_second_sdk_gives_its_verdict_in_every_wrapper() {
    assert_none(&faults("v2/cases.tsv", "v2", |_| true));
}

#[test]
fn a_log_without_event_times_gives_its_verdict_in_every_wrapper() {
    let mut wrong = Vec::new();
    for case in super::splits::CASES {
        let log = log(&fixture(&format!("agent/{case}.log")));
        let plain = summary(&read(&log, source(true), false));
        for (seed, wrapper) in WRAPPERS.iter().enumerate() {
            let log = wrapped(&log, wrapper, ("ip-10-0-1-20", STREAM), seed);
            let reading = summary(&read(&log, source(true), false));
            if reading != plain {
                wrong.push(format!(
                    "{case} in {}: {reading:?} in place of {plain:?}",
                    wrapper.name
                ));
            }
        }
    }
    assert_none(&wrong);
}

/// From a record to an event.
type Form<'f> = &'f dyn Fn(&str) -> String;

/// A record by itself, its lines together, as Windows exports an event.
#[test]
fn events_of_windows_give_the_verdict_of_the_log() {
    let xml = |text: &str| {
        let text = [
            ("&", "&amp;"),
            ("<", "&lt;"),
            (">", "&gt;"),
            ("\"", "&quot;"),
        ]
        .iter()
        .fold(text.to_owned(), |text, (plain, entity)| {
            text.replace(plain, entity)
        });
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='AmazonSSMAgent'/><EventID>1</EventID><TimeCreated SystemTime='2026-11-23T04:19:04.1850000Z'/><Computer>EC2AMAZ-1</Computer></System><EventData><Data>{text}</Data></EventData></Event>"
        )
    };
    let csv = |text: &str| {
        let text = text.replace('"', "\"\"");
        format!("Error,11/23/2026 4:19:04 AM,AmazonSSMAgent,100,None,\"{text}\"")
    };
    let text = |text: &str| {
        format!(
            "Log Name:      Application\nSource:        AmazonSSMAgent\nDate:          11/23/2026 4:19:04 AM\nEvent ID:      100\nLevel:         Error\nComputer:      EC2AMAZ-1\nDescription:\n{text}\n"
        )
    };
    let forms: [(&str, Form<'_>); 3] = [("XML", &xml), ("CSV", &csv), ("text", &text)];
    let mut wrong = Vec::new();
    for case in cases("cases.tsv", "agent") {
        let records = records(&fixture(&format!("agent/{}.log", case.name)));
        let times = times(&records);
        let read = |form: Form<'_>| {
            let log: Log = records
                .iter()
                .map(|it| form(it))
                .zip(times.clone())
                .collect();
            summary(&read(&log, source(true), true))
        };
        let plain = read(&str::to_owned);
        for (name, form) in forms {
            let says = read(form);
            if says != plain {
                wrong.push(format!(
                    "{} as {name}: {says:?} in place of {plain:?}",
                    case.name
                ));
            }
        }
    }
    assert_none(&wrong);
}

/// Each line of either log in turn, so that every record is cut by one of the other.
pub(crate) fn interleaved(one: &Log, other: &Log) -> Log {
    let mut all: Vec<(usize, usize, &(String, Timestamp))> = Vec::new();
    for (which, log) in [one, other].into_iter().enumerate() {
        let places = log.iter().enumerate();
        all.extend(places.map(|(place, line)| (place * 1000 / log.len().max(1), which, line)));
    }
    all.sort_by_key(|(place, which, _)| (*place, *which));
    all.into_iter().map(|(_, _, line)| line.clone()).collect()
}

/// What a reading finds of the node that goes by one of `names`.
pub(crate) fn only(reading: &BatchAnalysis, names: &[&str]) -> BatchAnalysis {
    let mut only = reading.clone();
    (only.findings).retain(|finding| names.contains(&finding.node.id.as_str()));
    (only.recovered).retain(|over| names.contains(&over.node.as_str()));
    only
}

/// What it says of that node.
pub(crate) fn of_node(reading: &BatchAnalysis, names: &[&str]) -> Vec<String> {
    summary(&only(reading, names))
}

#[test]
fn two_hosts_in_one_stream_keep_each_its_verdict() {
    let healthy = log(&fixture("agent/s1_healthy.log").replace(STREAM, OTHER));
    let mut wrong = Vec::new();
    let all: Vec<_> = cases("cases.tsv", "agent");
    for (number, case) in all.iter().enumerate() {
        let one = log(&fixture(&format!("agent/{}.log", case.name)));
        let next = &all[(number + 1) % all.len()].name;
        let next = log(&fixture(&format!("agent/{next}.log")).replace(STREAM, OTHER));
        for (other, turn) in [(&healthy, 0), (&next, 1)] {
            let says = [&one, other].map(|log| summary(&read(log, source(true), true)));
            let told: Vec<&Wrapper> = WRAPPERS
                .iter()
                .filter(|it| it.tells.0 || it.tells.1)
                .collect();
            let wrapper = told[(2 * number + turn) % told.len()];
            let mut source = source(true);
            source.log_stream = "central".to_owned();
            let [a, b] = [
                (&one, "ip-10-0-1-20.ec2.internal", STREAM),
                (other, "ip-10-0-1-21.ec2.internal", OTHER),
            ]
            .map(|(log, host, id)| wrapped(log, wrapper, (host, id), number));
            let reading = read(&interleaved(&a, &b), source, true);
            let found = [
                of_node(&reading, &["ip-10-0-1-20.ec2.internal", STREAM, HYBRID]),
                of_node(
                    &reading,
                    &["ip-10-0-1-21.ec2.internal", OTHER, OTHER_HYBRID],
                ),
            ];
            if found != says || summary(&reading).len() != says.concat().len() {
                wrong.push(format!(
                    "{} in {} ({turn}): {:?} in place of {says:?}",
                    case.name,
                    wrapper.name,
                    summary(&reading)
                ));
            }
        }
    }
    assert_none(&wrong);
}

fn named(name: &str) -> &'static Wrapper {
    let known = WRAPPERS.iter().find(|wrapper| wrapper.name == name);
    known.unwrap_or_else(|| panic!("no wrapper {name}"))
}

/// The node of each finding, and who named it.
fn nodes(reading: &BatchAnalysis) -> Vec<(String, IdSource)> {
    let findings = reading.findings.iter();
    let mut nodes: Vec<_> = findings
        .map(|finding| (finding.node.id.to_string(), finding.node.id_source))
        .collect();
    nodes.dedup();
    nodes
}

#[test]
fn an_id_in_the_lines_names_the_node_and_is_a_hint() {
    let broken = log(&fixture("agent/s5_trust.log").replace(STREAM, "x"));
    let said = |wrapper: &str, host: (&str, &str), stream: &str| {
        let log = wrapped(&broken, named(wrapper), host, 0);
        let mut source = source(true);
        source.log_stream = stream.to_owned();
        nodes(&read(&log, source, true))
    };
    let id = |id: &str, from| vec![(id.to_owned(), from)];
    assert_eq!(
        said("Filebeat", ("h1", OTHER), "central"),
        id(OTHER, IdSource::Text)
    );
    // A stream that names one node and lines that name another.
    assert_eq!(
        said("Filebeat", ("h1", OTHER), STREAM),
        id(OTHER, IdSource::Text)
    );
    assert_eq!(
        said("Filebeat", ("h1", STREAM), STREAM),
        id(STREAM, IdSource::Stream)
    );
    // One host without an id is the stream's node.
    assert_eq!(
        said("Vector", ("h1", ""), STREAM),
        id(STREAM, IdSource::Stream)
    );
    assert_eq!(
        said("Vector", ("h1", ""), "central"),
        id("h1", IdSource::Nobody)
    );
    // One of several is not.
    let healthy = wrapped(
        &log(&fixture("agent/s1_healthy.log").replace(STREAM, "x")),
        named("Vector"),
        ("h2", ""),
        0,
    );
    let both = interleaved(&wrapped(&broken, named("Vector"), ("h1", ""), 0), &healthy);
    assert_eq!(
        nodes(&read(&both, source(true), true)),
        id("h1", IdSource::Nobody)
    );
}

#[test]
fn a_stream_of_several_hosts_stays_one_over_batches() {
    let broken = wrapped(
        &log(&fixture("agent/s5_trust.log").replace(STREAM, "x")),
        named("Vector"),
        ("h1", ""),
        0,
    );
    let healthy = wrapped(
        &log(&fixture("agent/s1_healthy.log").replace(STREAM, "x")),
        named("Vector"),
        ("h2", ""),
        0,
    );
    let mut state = StreamState::default();
    let mut last = BatchAnalysis::default();
    for log in [&healthy, &broken, &healthy] {
        let events = log.iter().map(|(text, at)| Event {
            id: Cow::Borrowed(""),
            at: Some(*at),
            message: Cow::Borrowed(text),
        });
        let batch = Batch {
            source: source(false),
            events: events.collect(),
        };
        last = ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
    }
    // The other host's health says nothing of this one.
    assert!(last.recovered.is_empty(), "{:?}", last.recovered);
    assert_eq!(nodes(&last), [("h1".to_owned(), IdSource::Nobody)]);
}

#[test]
fn a_record_without_a_time_has_its_wrappers_whatever_the_others_say() {
    let panic = [
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "goroutine 1 [running]:",
        "\t/src/agent/agent.go:201 +0x1d github.com/aws/amazon-ssm-agent/agent",
    ];
    let at: Timestamp = "2026-11-23T04:19:04Z".parse().expect("a time");
    let log: Log = panic
        .iter()
        .map(|line| ((*line).to_owned(), at + SignedDuration::from_secs(1)))
        .collect();
    for name in [
        "syslog, RFC 3164",
        "CRI",
        "journalctl -o json",
        "Docker json-file",
    ] {
        let reading = read(
            &wrapped(&log, named(name), ("h1", ""), 1),
            source(true),
            false,
        );
        let newest = reading.source.newest.map(|newest| newest.to_string());
        // Without a year the nearest to now is taken.
        let told = newest.as_deref().unwrap_or("nothing");
        assert!(told.ends_with("-11-23T04:19:05Z"), "{name}: {told}");
    }
}

/// The rounds in which each pair of wrappers is met, of `PAIRS=1..200` or so; in
/// each by another log of the lab and other seeds.
fn rounds() -> Range<usize> {
    let asked = env::var("PAIRS").unwrap_or_else(|_| "0..1".to_owned());
    let rounds = asked
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    rounds.unwrap_or_else(|| panic!("PAIRS is no range: {asked}"))
}

/// What a client prints goes through no shipper.
const CLIENTS: [&str; 9] = [
    "aws logs --output text",
    "stern",
    "grep -r",
    "grep -n of directories",
    "pdsh",
    "Ansible, a line each",
    "podman logs --names",
    "Papertrail's archive",
    "quoted columns",
];

/// What is wrong with logs in each pair of wrappers.
pub(crate) fn faults_of_pairs(rounds: Range<usize>) -> Vec<String> {
    let host = ("ip-10-0-1-20", STREAM);
    let verdict = |reading: &BatchAnalysis| -> (Vec<String>, Vec<String>) {
        (
            summary(reading),
            reading.findings.iter().map(candidates).collect(),
        )
    };
    let tables = [("cases.tsv", "agent"), ("v2/cases.tsv", "v2")];
    let cases = tables
        .into_iter()
        .flat_map(|(table, folder)| cases(table, folder));
    let logs: Vec<(String, Log)> = cases
        .map(|case| {
            let text = fixture(&format!("{}/{}.log", case.folder, case.name));
            (case.name, log(&text))
        })
        .collect();
    let plain: Vec<_> = (logs.iter())
        .flat_map(|(_, log)| [false, true].map(|timed| verdict(&read(log, source(true), timed))))
        .collect();
    let mut wrong = Vec::new();
    for round in rounds {
        for (outer, around) in WRAPPERS.iter().enumerate() {
            for (inner, within) in WRAPPERS.iter().enumerate() {
                if CLIENTS.contains(&within.name) {
                    continue;
                }
                let pair = outer * WRAPPERS.len() + inner;
                // By steps without a common measure with the number of logs.
                let place = (pair + round * 89) % logs.len();
                let (name, log) = &logs[place];
                let seed = pair * 31 + round * 1009;
                let timed = (pair + round).is_multiple_of(2);
                let nested = wrapped(&wrapped(log, within, host, seed), around, host, seed / 7);
                let reading = verdict(&read(&nested, source(true), timed));
                if reading != plain[2 * place + usize::from(timed)] {
                    wrong.push(format!(
                        "{name}, {} in {} (round {round}): {:?} in place of {:?}",
                        within.name,
                        around.name,
                        reading,
                        plain[2 * place + usize::from(timed)],
                    ));
                }
            }
        }
    }
    wrong
}

#[test]
fn logs_in_any_two_wrappers_give_their_verdict() {
    assert_none(&faults_of_pairs(rounds()));
}
