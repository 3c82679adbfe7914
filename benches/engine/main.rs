//! How fast a batch is read, as ratios within one run: against decoding alone,
//! against one expression per signature in turn, over the number of signatures
//! and over the size of the input. Nothing is asserted; `make bench` prints.

#![allow(clippy::print_stdout)]

mod fleet;
mod logs;
mod naive;
mod plot;
mod race;

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Source};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::decode::{self, DecodeContext, Message};
use ssm_agent_triage::engine::Engine;
use ssm_agent_triage::signature::{self, Matcher, Signature};

use crate::fleet::{Fleet, peak_megabytes};
use crate::naive::OneByOne;
use crate::plot::Series;
use crate::race::{Subject, median, race};

const MB: usize = 1_000_000;
const ROUNDS: usize = 15;

fn main() {
    // Cargo passes options of the usual harness; `--list` must not run anything.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let builtin = signature::builtin();
    let parts: [(&str, &dyn Fn()); 7] = [
        // First, while the peak of memory is still its own.
        ("nodes", &|| over_nodes(builtin)),
        ("lost", &over_lost_nodes),
        ("decoding", &|| against_decoding(builtin)),
        ("signatures", &|| over_signatures(builtin)),
        ("size", &|| over_size(builtin)),
        ("wrappers", &|| over_wrappers(builtin)),
        ("loading", &|| loading(builtin)),
    ];
    let named: Vec<String> = std::env::args().skip(1).collect();
    let all = !parts
        .iter()
        .any(|(name, _)| named.iter().any(|it| it == name));
    for (name, part) in parts {
        if all || named.iter().any(|it| it == name) {
            part();
        }
    }
}

/// Broken fleets of 1, 100 and 1,000 nodes in one invocation, from log text to
/// incidents; the answers of AWS are at hand.
fn over_nodes(builtin: &'static [Signature]) {
    let engine = Engine::with(builtin);
    println!("Reading, diagnosing and gathering a fleet whose nodes share a role and a subnet\n");
    println!(
        "  {:<8} {:>10} {:>12} {:>12} {:>14}",
        "nodes", "ms", "µs a node", "incidents", "peak memory MB"
    );
    let mut points = Vec::new();
    for nodes in [1, 100, 250, 500, 1000] {
        let fleet = Fleet::new(nodes);
        let incidents = fleet.judge(&engine).len();
        let results = race(
            7,
            vec![Subject::new(|| drop(black_box(fleet.judge(&engine))))],
        );
        let seconds = results[0].median.as_secs_f64();
        points.push((nodes as f64, seconds * 1e3));
        let peak = peak_megabytes().map_or("-".to_owned(), |peak| format!("{peak:.1}"));
        println!(
            "  {nodes:<8} {:>10.2} {:>12.1} {incidents:>12} {peak:>14}",
            seconds * 1e3,
            seconds * 1e6 / nodes as f64
        );
    }
    println!();
    let title = "A broken fleet: read, diagnosed, gathered";
    plot(
        "nodes",
        title,
        ["nodes", "ms"],
        &[("share a role and a subnet", points)],
    );
}

/// A sweep that finds so many nodes lost, from the list to incidents; the answers of AWS
/// are at hand.
fn over_lost_nodes() {
    println!("Judging the lost nodes of a sweep\n");
    println!(
        "  {:<8} {:>10} {:>12} {:>12}",
        "nodes", "ms", "µs a node", "incidents"
    );
    for nodes in [100, 1000] {
        let fleet = Fleet::lost(nodes);
        let incidents = fleet.sweep().len();
        let results = race(7, vec![Subject::new(|| drop(black_box(fleet.sweep())))]);
        let seconds = results[0].median.as_secs_f64();
        println!(
            "  {nodes:<8} {:>10.2} {:>12.1} {incidents:>12}",
            seconds * 1e3,
            seconds * 1e6 / nodes as f64
        );
    }
    println!();
}

/// A whole delivery of 1 MB: base64, gunzip and JSON, then what follows them.
fn against_decoding(builtin: &'static [Signature]) {
    let engine = Engine::with(builtin);
    let naive = OneByOne::new(builtin);
    println!(
        "One delivery of 1 MB, base64 to verdict, with {} signatures",
        builtin.len()
    );
    println!("(times of decoding alone; the budget for a healthy log is 1.5)\n");
    println!(
        "  {:<22} {:>12} {:>12} {:>8} {:>20} {:>8}",
        "log", "decode MB/s", "all MB/s", "times", "regex in turn MB/s", "times"
    );
    for (name, text) in [
        ("healthy", logs::healthy(MB)),
        ("mixed", logs::mixed(MB)),
        ("very long lines", logs::long_lines(MB)),
        ("100,000 continuations", logs::continuations(MB)),
        ("nested caused by", logs::nested(MB)),
        ("literals everywhere", logs::literals(MB, builtin)),
    ] {
        let payload = logs::payload(&text);
        let results = race(
            ROUNDS,
            vec![
                Subject::new(|| {
                    black_box(events(&decoded(&payload)));
                }),
                Subject::new(|| {
                    let json = decoded(&payload);
                    black_box(verdict(&engine, &events(&json)));
                }),
                Subject::once(|| {
                    let json = decoded(&payload);
                    black_box(naive.count(&events(&json)));
                }),
            ],
        );
        let rate = |index: usize| text.len() as f64 / results[index].median.as_secs_f64() / 1e6;
        println!(
            "  {name:<22} {:>12.0} {:>12.0} {:>8.2} {:>20.1} {:>8.1}",
            rate(0),
            rate(1),
            results[1].ratio,
            rate(2),
            results[2].ratio
        );
    }
}

/// The same batch with few signatures, the catalogue's, and many.
fn over_signatures(builtin: &'static [Signature]) {
    let counts = [60, builtin.len(), 600];
    let mut series: Vec<Series<'_>> = Vec::new();
    println!("\nJoin, classify and correlate alone, over the number of signatures\n");
    println!(
        "  {:<22} {:>12} {:>14} {:>12} {:>14}",
        "log",
        "60 MB/s",
        format!("{} MB/s", counts[1]),
        "600 MB/s",
        "600 against 60"
    );
    let engines: Vec<Engine> = counts
        .iter()
        .map(|count| Engine::with(logs::signatures(builtin, *count)))
        .collect();
    for (name, text) in [("healthy", logs::healthy(MB)), ("mixed", logs::mixed(MB))] {
        let payload = logs::payload(&text);
        let json = decoded(&payload);
        let batches = events(&json);
        let subjects = engines
            .iter()
            .map(|engine| {
                let batches = &batches;
                Subject::new(move || {
                    black_box(verdict(engine, batches));
                })
            })
            .collect();
        let results = race(ROUNDS, subjects);
        let rate = |index: usize| text.len() as f64 / results[index].median.as_secs_f64() / 1e6;
        println!(
            "  {name:<22} {:>12.0} {:>14.0} {:>12.0} {:>14.2}",
            rate(0),
            rate(1),
            rate(2),
            results[2].ratio
        );
        let points = counts.iter().zip(&results);
        let points = points.map(|(count, it)| (*count as f64, it.median.as_secs_f64() * 1e3));
        series.push((name, points.collect()));
    }
    plot(
        "signatures",
        "1 MB of log over the catalogue",
        ["signatures", "ms"],
        &series,
    );
}

/// What one byte costs in inputs of 1, 2, 4 and 8 MB, against the smallest.
fn over_size(builtin: &'static [Signature]) {
    println!("\nTime per byte of join, classify and correlate over the size (1.0 is linear)\n");
    println!(
        "  {:<22} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "log", "1 MB, ms", "1 MB", "2 MB", "4 MB", "8 MB"
    );
    let engine = Engine::with(builtin);
    let mut series: Vec<Series<'_>> = Vec::new();
    let kinds: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("healthy", &logs::healthy),
        ("mixed", &logs::mixed),
        ("very long lines", &logs::long_lines),
        ("100,000 continuations", &logs::continuations),
        ("nested caused by", &logs::nested),
        ("literals everywhere", &|bytes| {
            logs::literals(bytes, builtin)
        }),
    ];
    for (name, make) in kinds {
        let sizes = [1, 2, 4, 8];
        let texts: Vec<String> = sizes.iter().map(|size| make(size * MB)).collect();
        let batches: Vec<Vec<Batch<'_>>> = texts.iter().map(|text| logs::batches(text)).collect();
        let subjects = batches
            .iter()
            .map(|batches| {
                let engine = &engine;
                Subject::new(move || {
                    black_box(verdict(engine, batches));
                })
            })
            .collect();
        let results = race(7, subjects);
        print!(
            "  {name:<22} {:>10.2}",
            results[0].median.as_secs_f64() * 1e3
        );
        for (index, size) in sizes.iter().enumerate() {
            print!(" {:>8.2}", results[index].ratio / *size as f64);
        }
        println!();
        let points = sizes.iter().zip(&results);
        let points = points.map(|(size, it)| (*size as f64, it.median.as_secs_f64() * 1e3));
        series.push((name, points.collect()));
    }
    // The others lie between, or are rare.
    let series = [series[0].clone(), series[1].clone(), series[5].clone()];
    plot("size", "A log over its size", ["MB of log", "ms"], &series);
}

/// What a byte costs in each wrapper, against the healthy log line by line.
fn over_wrappers(builtin: &'static [Signature]) {
    println!(
        "\nTime per byte that comes, in a wrapper, against the healthy log (the budget is 2)\n"
    );
    println!(
        "  {:<22} {:>12} {:>16} {:>14}",
        "wrapper", "MB/s", "against none", "bytes, times"
    );
    let engine = Engine::with(builtin);
    let text = logs::healthy(MB);
    let mut names = vec!["none"];
    let mut all = vec![logs::wrapped(&text, str::to_owned)];
    for (name, wrap) in logs::WRAPPERS {
        names.push(name);
        all.push(logs::wrapped(&text, wrap));
    }
    let subjects = all.iter().map(|batches| {
        let engine = &engine;
        Subject::new(move || {
            black_box(verdict(engine, batches));
        })
    });
    let results = race(ROUNDS, subjects.collect());
    let bytes = |batches: &[Batch<'_>]| -> f64 {
        let events = batches.iter().flat_map(|batch| &batch.events);
        events.map(|event| event.message.len() + 1).sum::<usize>() as f64
    };
    let plain = bytes(&all[0]);
    for ((name, batches), result) in names.iter().zip(&all).zip(&results) {
        let (bytes, seconds) = (bytes(batches), result.median.as_secs_f64());
        println!(
            "  {name:<22} {:>12.0} {:>16.2} {:>14.2}",
            bytes / seconds / 1e6,
            result.ratio * plain / bytes,
            bytes / plain,
        );
    }
}

/// What the first event of an execution environment pays once.
fn loading(builtin: &'static [Signature]) {
    let timed = |mut work: Box<dyn FnMut()>| {
        let times = (0..ROUNDS)
            .map(|_| {
                let begin = Instant::now();
                work();
                begin.elapsed()
            })
            .collect();
        median(times).as_secs_f64() * 1e3
    };
    println!("\nOnce per execution environment, at its first event\n");
    println!(
        "  building the matcher  {:>8.3} ms",
        timed(Box::new(move || {
            let _ = black_box(Matcher::new(builtin));
        }))
    );
}

/// Writes a chart to the folder that `PLOTS` names, if it names one.
fn plot(name: &str, title: &str, axes: [&str; 2], series: &[Series<'_>]) {
    if let Some(folder) = std::env::var_os("PLOTS") {
        let file = Path::new(&folder).join(format!("{name}.svg"));
        plot::draw(&file, title, axes, series).expect("the folder of PLOTS can be written to");
    }
}

fn decoded(payload: &str) -> String {
    decode::unpack_base64(payload, 1 << 30).expect("a payload made here")
}

fn events(json: &str) -> Vec<Batch<'_>> {
    let around = DecodeContext {
        max_decoded_bytes: 1 << 30,
        own_account: None,
        own_region: None,
        own_log_group: None,
    };
    match decode::read(json, false, &around) {
        Ok(Message::Data { batches, .. }) => batches,
        other => panic!("a payload made here is not data: {other:?}"),
    }
}

fn verdict(engine: &Engine, batches: &[Batch<'_>]) -> usize {
    let mut states: HashMap<&Source, StreamState> = HashMap::new();
    batches
        .iter()
        .map(|batch| {
            let state = states.entry(&batch.source).or_default();
            engine
                .analyze(state, batch, Timestamp::UNIX_EPOCH)
                .findings
                .len()
        })
        .sum()
}
