//! Batches as they really arrive: some lost, doubled, late or out of order, and
//! dealt to several execution environments. That may cost a verdict; it never
//! makes a false one.

use std::fmt::Write;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::engine::{Reading, StreamStates};
use ssm_agent_triage::incident::cause::Confidence;

use super::cases::{Case, cases};
use super::shapes::{events, lines, records, source, syslog, with_errors};
use super::verdict::{ENGINE, Loud, fixture, loud, optional_fixture};

/// Which batch goes to which execution environment, in the order of arrival.
type Deliveries = Vec<(usize, usize)>;

const ENVIRONMENTS: usize = 5;

/// A fixed sequence of numbers from `seed` (xorshift), the same on every machine.
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    })
}

fn permuted(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for (index, number) in (1..count).rev().zip(numbers(seed)) {
        order.swap(index, number % (index + 1));
    }
    order
}

/// Everything that may befall `count` batches on their way.
fn fates(count: usize) -> Vec<(String, Deliveries)> {
    let to_one = |order: Vec<usize>| order.into_iter().map(|batch| (batch, 0)).collect();
    let mut fates: Vec<(String, Deliveries)> = vec![
        (
            "first of two lost".into(),
            to_one((1..count).step_by(2).collect()),
        ),
        (
            "second of two lost".into(),
            to_one((0..count).step_by(2).collect()),
        ),
        (
            "doubled".into(),
            to_one((0..count).flat_map(|batch| [batch, batch]).collect()),
        ),
        (
            "delivered twice".into(),
            to_one((0..count).chain(0..count).collect()),
        ),
        ("reversed".into(), to_one((0..count).rev().collect())),
        (
            "each pair swapped".into(),
            to_one(
                (0..count)
                    .map(|batch| batch ^ 1)
                    .filter(|batch| *batch < count)
                    .collect(),
            ),
        ),
    ];
    for lost in 0..count.min(12) {
        let order = (0..count).filter(|batch| *batch != lost).collect();
        fates.push((format!("batch {} lost", lost + 1), to_one(order)));
        let late = (0..count)
            .filter(|batch| *batch != lost)
            .chain([lost])
            .collect();
        fates.push((format!("batch {} late", lost + 1), to_one(late)));
    }
    for seed in 1..=6 {
        fates.push((format!("permuted by {seed}"), to_one(permuted(count, seed))));
        let kept: Vec<usize> = (0..count)
            .zip(numbers(seed))
            .filter(|(_, number)| number % 3 != 0)
            .map(|(batch, _)| batch)
            .collect();
        fates.push((format!("a third lost by {seed}"), to_one(kept)));
        let scattered = (0..count)
            .zip(numbers(seed))
            .map(|(batch, number)| (batch, number % ENVIRONMENTS))
            .collect();
        fates.push((format!("scattered by {seed}"), scattered));
    }
    for environments in [2, ENVIRONMENTS] {
        let dealt = (0..count).map(|batch| (batch, batch % environments));
        fates.push((
            format!("dealt to {environments} environments"),
            dealt.collect(),
        ));
    }
    fates
}

fn tables() -> impl Iterator<Item = Case> {
    [("cases.tsv", "agent"), ("v2/cases.tsv", "v2")]
        .into_iter()
        .flat_map(|(table, folder)| cases(table, folder))
}

/// The reading of each delivery.
fn read(batches: &[Vec<Event<'_>>], deliveries: &[(usize, usize)]) -> Vec<Reading> {
    let mut environments = vec![StreamStates::default(); ENVIRONMENTS];
    deliveries
        .iter()
        .map(|(batch, environment)| {
            let batch = Batch {
                source: source(false),
                events: batches[*batch].clone(),
            };
            ENGINE.read(
                &mut environments[*environment],
                &batch,
                Timestamp::UNIX_EPOCH,
            )
        })
        .collect()
}

fn shapes(case: &Case) -> Vec<(&'static str, Vec<String>)> {
    let log = fixture(&format!("{}/{}.log", case.folder, case.name));
    let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
    vec![
        ("records", records(&log)),
        ("lines", lines(&log)),
        ("records with errors.log", with_errors(&log, &errors)),
        ("syslog lines", syslog(&log)),
    ]
}

/// What is loud and counts: `all` of it, or what is more than undetermined.
fn counted(reading: &Reading, all: bool) -> Vec<Loud> {
    let mut reading = reading.clone();
    reading
        .findings
        .retain(|finding| all || finding.confidence != Confidence::Undetermined);
    loud(&reading)
}

fn false_alarms(sizes: &[usize], all: bool) -> String {
    let mut wrong = String::new();
    for case in tables() {
        for (shape, pieces) in shapes(&case) {
            let events = events(&pieces);
            for size in sizes {
                let batches: Vec<Vec<Event<'_>>> =
                    events.chunks(*size).map(<[Event<'_>]>::to_vec).collect();
                let in_order: Vec<_> = (0..batches.len()).map(|batch| (batch, 0)).collect();
                // Beside errors.log stands what other processes of the agent met
                // before: what is alarmed in order is no matter of the way.
                let in_order: Vec<Loud> = read(&batches, &in_order).iter().flat_map(loud).collect();
                for (fate, deliveries) in fates(batches.len()) {
                    let readings = read(&batches, &deliveries);
                    let fault = readings.iter().enumerate().find_map(|(index, reading)| {
                        let mut loud = counted(reading, all);
                        loud.retain(|loud| !in_order.contains(loud));
                        Some((index, case.false_alarm(&loud)?))
                    });
                    if let Some((index, fault)) = fault {
                        writeln!(
                            wrong,
                            "{} ({shape} by {size}, {fate}, delivery {}): {fault}",
                            case.name,
                            index + 1
                        )
                        .expect("writing to a string");
                    }
                }
            }
        }
    }
    wrong
}

#[test]
fn batches_of_20_lost_doubled_late_or_dealt_raise_no_false_alarm() {
    let wrong = false_alarms(&[20], true);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}

#[test]
fn batches_of_other_sizes_lost_doubled_late_or_dealt_raise_no_false_alarm() {
    let wrong = false_alarms(&[50, 200], true);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}

/// Where an error and the warning with its cause come apart, what is left of them
/// is undetermined, and never more.
#[test]
fn batches_of_10_lost_doubled_late_or_dealt_convict_nothing_falsely() {
    let wrong = false_alarms(&[10], false);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}
