//! Execution environments that share the states of streams: none keeps anything of
//! its own, and whichever is free continues a stream.

use std::cell::{Cell, RefCell};

use jiff::{SignedDuration, Timestamp};
use ssm_agent_triage::batch::Batch;
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::state::{
    Consistency, Item, Key, Kind, MAX_ITEM_BYTES, Memory, SaveError, StateError, Store, Write,
};

use super::deliveries::{shapes, tables};
use super::shapes::{events, records, source};
use super::states::{block_on, invoke};
use super::verdict::{ENGINE, actionable, assert_none, fixture};

fn batches(pieces: &[String], size: usize) -> Vec<Batch<'_>> {
    events(pieces)
        .chunks(size)
        .map(|events| Batch {
            source: source(false),
            events: events.to_vec(),
        })
        .collect()
}

/// What an environment that alone reads a stream, and forgets nothing of it, makes of
/// each batch.
fn by_one(batches: &[Batch<'_>]) -> Vec<BatchAnalysis> {
    let mut state = StreamState::default();
    let read = |batch| ENGINE.analyze(&mut state, batch, Timestamp::UNIX_EPOCH);
    batches.iter().map(read).collect()
}

/// A store that counts what it is asked for, and whose reads may be old.
#[derive(Default)]
struct Table {
    now: Memory,
    /// What a read that may be old gives: what stood there before the latest save.
    before: RefCell<Option<Memory>>,
    is_late: bool,
    reads: Cell<usize>,
    strong: Cell<usize>,
    writes: Cell<usize>,
    conflicts: Cell<usize>,
}

fn add(count: &Cell<usize>, more: usize) {
    count.set(count.get() + more);
}

impl Store for Table {
    async fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, StateError> {
        let is_strong = consistency == Consistency::Strong;
        add(
            if is_strong { &self.strong } else { &self.reads },
            keys.len(),
        );
        let newest = self.now.load(keys, consistency).await;
        if is_strong || !self.is_late {
            return newest;
        }
        let before = self.before.take();
        let old = match &before {
            Some(before) => before.load(keys, consistency).await,
            None => Ok(vec![None; keys.len()]),
        };
        self.before.replace(before);
        old
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        self.now.open(kind).await
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        add(&self.writes, writes.len());
        for Write { key, .. } in &writes {
            let old = self
                .now
                .load(std::slice::from_ref(key), Consistency::Strong)
                .await;
            let before = Memory::default();
            if let Ok([Some(item)]) = old.as_deref() {
                // A memory takes versions one after another.
                for version in 1..=item.version {
                    let item = Item {
                        version,
                        ..item.clone()
                    };
                    before
                        .save(vec![Write {
                            key: key.clone(),
                            item,
                        }])
                        .await;
                }
            }
            self.before.replace(Some(before));
        }
        let saved = self.now.save(writes).await;
        let conflict = |one: &&Result<(), SaveError>| **one == Err(SaveError::Conflict);
        add(&self.conflicts, saved.iter().filter(conflict).count());
        saved
    }

    async fn back_off(&self, _: u32) {}
}

#[test]
fn batches_dealt_to_environments_say_what_one_environment_says() {
    let mut wrong = Vec::new();
    for case in tables() {
        for (shape, pieces) in shapes(&case) {
            for size in [20, 3] {
                let store = Memory::default();
                let batches = batches(&pieces, size);
                let expected = by_one(&batches);
                for (index, (batch, expected)) in batches.iter().zip(expected).enumerate() {
                    let read = invoke(&store, std::slice::from_ref(batch));
                    if read != [expected] {
                        wrong.push(format!("{} ({shape} by {size}, {index})", case.name));
                    }
                }
            }
        }
    }
    assert_none(&wrong);
}

/// Each environment reads what stood there before another one's latest write.
#[test]
fn reads_that_are_old_raise_no_false_alarm_and_lose_no_recovery() {
    let (mut wrong, mut conflicts) = (Vec::new(), 0);
    for case in tables() {
        for (shape, pieces) in shapes(&case) {
            let store = Table {
                is_late: true,
                ..Table::default()
            };
            let batches = batches(&pieces, 20);
            let expected = by_one(&batches);
            for (index, (batch, expected)) in batches.iter().zip(expected).enumerate() {
                let read = invoke(&store, std::slice::from_ref(batch)).remove(0);
                let at = format!("{} ({shape}, {index})", case.name);
                let alarm = |said: &BatchAnalysis| case.false_alarm(&actionable(said));
                if alarm(&expected).is_none()
                    && let Some(fault) = alarm(&read)
                {
                    wrong.push(format!("{at}: {fault}"));
                }
                if read.recovered != expected.recovered {
                    wrong.push(format!("{at}: {:?}", read.recovered));
                }
            }
            conflicts += store.conflicts.get();
        }
    }
    assert_none(&wrong);
    assert!(conflicts > 0, "no environment was late");
}

#[test]
fn a_record_that_a_batch_cuts_is_joined_by_another_environment() {
    let line = |text: &str| format!("2026-11-23 04:00:01.0000 {text}");
    let lines = [
        line("ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed"),
        "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 52.94.225.236:443: i/o timeout".to_owned(),
        line("INFO [ssm-agent-worker] nothing to see"),
    ];
    let batches = batches(&lines, 1);
    let store = Memory::default();
    let read = |batch| invoke(&store, std::slice::from_ref(batch)).remove(0);
    let said: Vec<BatchAnalysis> = batches.iter().map(read).collect();
    let causes = |said: &BatchAnalysis| said.findings[0].candidates.clone();
    assert!(causes(&said[0]).len() > 1, "its cause is cut off");
    for said in &said[1..] {
        let [cause] = causes(said)[..] else {
            panic!("{said:#?}");
        };
        assert_eq!(cause.as_str(), "endpoint-unreachable");
    }
}

/// A fault, its recovery, and the fault's batch once more, each read by an environment
/// that does not see what the one before wrote.
#[test]
fn a_copy_of_what_is_over_is_no_evidence_for_who_reads_late() {
    let text = |time: &str, text: &str| format!("2026-11-23 {time} {text}");
    let no_credentials = "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity";
    let lines = [
        text("04:00:01.0000", no_credentials),
        text("04:10:01.0000", no_credentials),
        text(
            "04:20:01.0000",
            "INFO EC2RoleProvider Successfully connected with instance profile role credentials",
        ),
    ];
    let broken = batches(&lines[..2], 2);
    let healed = batches(&lines[2..], 1);
    let store = Table {
        is_late: true,
        ..Table::default()
    };
    assert_eq!(invoke(&store, &broken)[0].findings.len(), 1);
    assert_eq!(invoke(&store, &healed)[0].recovered.len(), 1);
    let again = invoke(&store, &broken).remove(0);
    assert_eq!((again.findings, again.recovered), (vec![], vec![]));
}

/// Hours of a healthy agent, each of its lines a batch.
#[test]
fn a_healthy_batch_costs_one_read_and_a_write_only_for_what_it_proves() {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a time");
    let pinged = "[ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.";
    let proofs = [
        (
            30,
            3,
            "EC2RoleProvider Successfully connected with instance profile role credentials",
        ),
        (
            60,
            7,
            "[ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 52.94.225.236:443",
        ),
    ];
    let (mut lines, mut proven) = (Vec::new(), 0);
    for minute in 0..24 * 60 {
        let at = start + SignedDuration::from_mins(minute);
        let mut log = |text: &str| lines.push(format!("{} INFO {text}", at.strftime("%F %T.0000")));
        if minute % 5 == 0 {
            log(pinged);
        }
        for (every, when, text) in proofs {
            if minute % every == when {
                log(text);
                proven += 1;
            }
        }
    }
    let store = Table::default();
    let all = batches(&lines, 1);
    for (index, batch) in all.iter().enumerate() {
        invoke(&store, std::slice::from_ref(batch));
        if index == 0 {
            assert_eq!(
                store.writes.get(),
                0,
                "nothing is known of a node that pings"
            );
        }
    }
    assert_eq!(store.reads.get(), all.len());
    assert_eq!((store.strong.get(), store.conflicts.get()), (0, 0));
    assert_eq!(store.writes.get(), proven, "of {} batches", all.len());
}

/// A store that never takes a write, or is never there.
struct Broken(Result<(), StateError>, Cell<u32>);

impl Store for Broken {
    async fn load(&self, keys: &[Key], _: Consistency) -> Result<Vec<Option<Item>>, StateError> {
        self.0.clone().map(|()| vec![None; keys.len()])
    }

    async fn open(&self, _: Kind) -> Result<Vec<Key>, StateError> {
        self.0.clone().map(|()| Vec::new())
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        writes.iter().map(|_| Err(SaveError::Conflict)).collect()
    }

    async fn back_off(&self, conflicts: u32) {
        self.1.set(conflicts);
    }
}

#[test]
fn a_store_that_fails_fails_the_invocation_and_is_not_asked_without_end() {
    let log = fixture("agent/s5_trust.log");
    let pieces = records(&log);
    let batches = batches(&pieces, 200);
    let try_on = |store: &Broken| {
        block_on(async {
            let mut streams = ENGINE.streams(Timestamp::UNIX_EPOCH);
            streams.load(store, &batches).await?;
            loop {
                for batch in &batches {
                    streams.analyze(batch);
                }
                if streams.save(store).await?.is_empty() {
                    return Ok(());
                }
            }
        })
    };
    let taken = Broken(Ok(()), Cell::default());
    let error = try_on(&taken).expect_err("others write again and again");
    assert!(matches!(error, StateError::Unavailable(_)), "{error}");
    assert_eq!(taken.1.get(), 4, "five attempts");
    let throttled = StateError::Unavailable("throttled".to_owned());
    let gone = Broken(Err(throttled.clone()), Cell::default());
    assert_eq!(try_on(&gone), Err(throttled));
}

/// Hosts without number in one stream, each with faults; lines in endless parts; and
/// text that is long when it is written as JSON.
#[test]
fn the_state_of_a_hostile_stream_is_cut_and_never_refused() {
    let fault = |host: usize, role: &str| {
        format!(
            "Nov 23 04:00:01 h{host} amazon-ssm-agent[1]: 2026-11-23 04:{:02}:01.0000 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/{role}/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: * because no identity-based policy allows it {host:x}{role}",
            host % 60,
        )
    };
    let hosts: Vec<String> = (0..4096)
        .flat_map(|host| (0..4).map(move |role| fault(host, &format!("r{host}-{role}"))))
        .collect();
    let parts: Vec<String> = (0..300)
        .map(|n: u64| {
            let noise = (0..60).map(|at| (n * 61 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let noise: String = noise.map(|word| format!("{word:x}")).collect();
            format!("2026-11-23T04:00:01.000000000Z stdout P {noise}")
        })
        .collect();
    let control: Vec<String> = (0..90)
        .map(|n| {
            let noise: String = (0..1500_u32)
                .filter_map(|at| char::from_u32((at * 31 + n * 7) % 0xd7ff))
                .collect();
            format!("2026-11-23 04:00:01.{n:04} ERROR [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/r{n}/i-0123456789abcdef0 is not authorized to perform: ssm:A{n} {noise}")
        })
        .collect();
    for (pieces, has_fault, least) in [(hosts, true, 8), (parts, false, 0), (control, true, 8)] {
        let mut state = StreamState::default();
        let batch = batches(&pieces, pieces.len()).remove(0);
        ENGINE.analyze(&mut state, &batch, Timestamp::UNIX_EPOCH);
        let key = StreamState::key(&batch.source);
        let write = state.clone().write(&key, 0, Timestamp::UNIX_EPOCH);
        let item = write.expect("it is cut").item;
        let bytes = item.body.len();
        assert!(bytes <= MAX_ITEM_BYTES, "{bytes} bytes");
        assert!(bytes >= least * 1024, "only {bytes} bytes are kept");
        let read = StreamState::read(&key, Some(&item), Timestamp::UNIX_EPOCH);
        let mut read = read
            .expect("it can be read")
            .value
            .expect("it has not expired");
        // It is sound: a stream goes on with it.
        let next = ENGINE.analyze(&mut read, &batch, Timestamp::UNIX_EPOCH);
        assert_eq!(!next.findings.is_empty(), has_fault);
    }
}
