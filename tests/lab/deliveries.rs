//! Batches as they really arrive: some lost, doubled, late or out of order, and
//! dealt to several execution environments. That may cost a verdict; it never
//! makes a false one.

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;

use super::cases::{Case, cases};
use super::shapes::{events, lines, records, source, syslog, with_errors};
use super::verdict::{ENGINE, actionable, assert_none, fixture, optional_fixture};

/// Which batch goes to which execution environment, in the order of arrival.
type Payloads = Vec<(usize, usize)>;

const ENVIRONMENTS: usize = 5;

/// What stood on a node before it was mended: its errors.log holds the failed start
/// of a registration whose agent log was taken after the next one.
const MENDED: (&str, &str, [&str; 2]) = (
    "o1_ok",
    "records with errors.log",
    ["registration-invalid", "imds-unreachable"],
);

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

/// What may befall `count` batches on their way, one of each kind.
fn each_kind(count: usize) -> Vec<(String, Payloads)> {
    let to_one = |order: Vec<usize>| order.into_iter().map(|batch| (batch, 0)).collect();
    let mut fates: Vec<(String, Payloads)> = vec![
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
    fates.push(("permuted by 1".into(), to_one(permuted(count, 1))));
    fates.push(("scattered by 3".into(), scattered(count, 3)));
    for environments in [2, ENVIRONMENTS] {
        let dealt = (0..count).map(|batch| (batch, batch % environments));
        fates.push((
            format!("dealt to {environments} environments"),
            dealt.collect(),
        ));
    }
    fates
}

fn scattered(count: usize, seed: u64) -> Payloads {
    (0..count)
        .zip(numbers(seed))
        .map(|(batch, number)| (batch, number % ENVIRONMENTS))
        .collect()
}

/// The same, with any one batch lost or late, and by more seeds.
fn many(count: usize) -> Vec<(String, Payloads)> {
    let to_one = |order: Vec<usize>| order.into_iter().map(|batch| (batch, 0)).collect();
    let mut fates = each_kind(count);
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
        fates.push((format!("scattered by {seed}"), scattered(count, seed)));
    }
    fates
}

pub(crate) fn tables() -> impl Iterator<Item = Case> {
    let tables = [("cases.tsv", "agent"), ("v2/cases.tsv", "v2")];
    tables
        .into_iter()
        .flat_map(|(table, folder)| cases(table, folder))
        .chain(super::people::read_cases())
}

/// The reading of each delivery.
fn read(batches: &[Vec<Event<'_>>], deliveries: &[(usize, usize)]) -> Vec<BatchAnalysis> {
    let mut environments = std::iter::repeat_with(StreamState::default)
        .take(ENVIRONMENTS)
        .collect::<Vec<_>>();
    deliveries
        .iter()
        .map(|(batch, environment)| {
            let batch = Batch {
                source: source(false),
                events: batches[*batch].clone(),
            };
            let stored = &mut environments[*environment];
            let mut state = stored.clone();
            let reading = ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
            if state.is_worth_a_write(stored) {
                *stored = state;
            }
            reading
        })
        .collect()
}

pub(crate) fn shapes(case: &Case) -> Vec<(&'static str, Vec<String>)> {
    let log = fixture(&format!("{}/{}.log", case.folder, case.name));
    let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
    vec![
        ("records", records(&log)),
        ("lines", lines(&log)),
        ("records with errors.log", with_errors(&log, &errors)),
        ("syslog lines", syslog(&log)),
    ]
}

fn false_alarms(sizes: &[usize], fates: fn(usize) -> Vec<(String, Payloads)>) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in tables() {
        for (shape, pieces) in shapes(&case) {
            let before: &[&str] = if (case.name.as_str(), shape) == (MENDED.0, MENDED.1) {
                &MENDED.2
            } else {
                &[]
            };
            let events = events(&pieces);
            for size in sizes {
                let batches: Vec<Vec<Event<'_>>> =
                    events.chunks(*size).map(<[Event<'_>]>::to_vec).collect();
                for (fate, deliveries) in fates(batches.len()) {
                    let readings = read(&batches, &deliveries);
                    let fault = readings.iter().enumerate().find_map(|(index, reading)| {
                        let mut actionable = actionable(reading);
                        actionable.retain(|actionable| {
                            !actionable.0.iter().any(|cause| before.contains(cause))
                        });
                        Some((index, case.false_alarm(&actionable)?))
                    });
                    if let Some((index, fault)) = fault {
                        wrong.push(format!(
                            "{} ({shape} by {size}, {fate}, delivery {}): {fault}",
                            case.name,
                            index + 1
                        ));
                    }
                }
            }
        }
    }
    wrong
}

#[test]
fn batches_of_20_lost_doubled_late_or_dealt_raise_no_false_alarm() {
    assert_none(&false_alarms(&[20], many));
}

#[test]
fn batches_of_other_sizes_lost_doubled_late_or_dealt_raise_no_false_alarm() {
    assert_none(&false_alarms(&[50, 200], many));
}

/// Here an error and the warning with its cause come apart.
#[test]
fn small_batches_lost_doubled_late_or_dealt_raise_no_false_alarm() {
    assert_none(&false_alarms(&[13, 10, 7, 5, 4], each_kind));
}

/// The first that a new environment sees of a node that is denied its credentials.
#[test]
fn a_series_of_bare_errors_is_actionable_in_its_first_batch() {
    let line = |time: &str| match time.split_once(" wait ") {
        Some((time, wait)) => format!(
            "2023-01-25 {time} INFO [CredentialRefresher] Sleeping for {wait} before retrying \
             retrieve credentials"
        ),
        None => format!(
            "2023-01-25 {time} ERROR [CredentialRefresher] Retrieve credentials produced error: \
             no valid credentials could be retrieved for ec2 identity"
        ),
    };
    let loud_after = |batches: &[&[&str]]| {
        let pieces: Vec<String> = batches.concat().into_iter().map(line).collect();
        let events = events(&pieces);
        let mut state = StreamState::default();
        let mut rest = events.as_slice();
        let actionable = batches.iter().map(|batch| {
            let (events, later) = rest.split_at(batch.len());
            rest = later;
            let batch = Batch {
                source: source(false),
                events: events.to_vec(),
            };
            let reading = ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
            actionable(&reading).len()
        });
        actionable.collect::<Vec<usize>>()
    };
    assert_eq!(loud_after(&[&["09:56:19", "09:56:21", "09:56:25"]]), [1]);
    assert_eq!(
        loud_after(&[&["09:56:19"], &["10:26:19"], &["10:56:19"]]),
        [0, 1, 1]
    );
    // The wait belongs to the same try, whose first line may have named the cause.
    let one_try = ["09:56:19", "09:56:19 wait 1s"];
    let next_try = ["09:56:20", "09:56:20 wait 2s"];
    assert_eq!(loud_after(&[&one_try, &next_try]), [0, 0]);
    assert_eq!(loud_after(&[&[one_try, next_try].concat()]), [1]);
}
