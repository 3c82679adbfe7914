//! Signatures of an operator's own, as the loader lets them pass, over logs that
//! exclude what they name.

use std::borrow::Cow;

use jiff::Timestamp;
use proptest::prelude::*;
use ssm_agent_triage::batch::{Batch, Event};
use ssm_agent_triage::cause::Cause;
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::engine::Engine;
use ssm_agent_triage::signature::{self, Kind, Part, Role};

use super::shapes::source;

fn engine(own: &str) -> Option<Engine> {
    let mut signatures = signature::builtin().to_vec();
    signature::merge(&mut signatures, &signature::parse("own.toml", own).ok()?);
    Some(Engine::with(signatures))
}

/// Reads `log` whole, and cut after each line; every finding names a cause.
fn read(engine: &Engine, log: &[&str]) -> Vec<BatchAnalysis> {
    let event = |line| Event {
        id: Cow::Borrowed(""),
        at: None,
        message: Cow::Borrowed(line),
    };
    let mut state = StreamState::default();
    let mut batches: Vec<Batch<'_>> = log
        .iter()
        .map(|line| Batch {
            source: source(false),
            events: vec![event(*line)],
        })
        .collect();
    batches.push(Batch {
        source: source(true),
        events: log.iter().copied().map(event).collect(),
    });
    let readings: Vec<BatchAnalysis> = batches
        .iter()
        .map(|batch| engine.analyze(&mut state, batch, Timestamp::UNIX_EPOCH))
        .collect();
    for finding in readings.iter().flat_map(|reading| &reading.findings) {
        assert!(!finding.candidates.is_empty());
    }
    readings
}

const OWN: &str = "2026-11-23 04:00:01.0000 ERROR [HealthCheck] probe of our own failed";
const TAKEN: &str = "2026-11-23 04:00:00.0000 INFO Agent will take identity from EC2";

fn from_file() -> String {
    std::fs::read_to_string("tests/fixtures/signature/own-probe.toml").expect("a signature")
}

#[test]
fn a_signature_from_a_file_is_recognised_as_the_built_in_ones_are() {
    let engine = engine(&from_file()).expect("the signature is sound");
    let readings = read(&engine, &[OWN]);
    let findings: Vec<_> = readings.iter().flat_map(|one| &one.findings).collect();
    for finding in &findings {
        assert_eq!(
            finding.candidates,
            [Cause::ImdsDisabled, Cause::ImdsUnreachable]
        );
        assert!(finding.signatures.iter().any(|one| one.id == "own-probe"));
    }
    assert!(!findings.is_empty());
}

#[test]
fn a_fault_whose_every_cause_the_log_excludes_stays_undetermined() {
    let engine = engine(&from_file()).expect("the signature is sound");
    let denied = "2026-11-23 04:00:02.0000 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: not authorized to perform: ssm:UpdateInstanceInformation";
    let readings = read(&engine, &[TAKEN, OWN, denied]);
    let named = |cause| {
        let last = readings.last().expect("a reading");
        last.findings
            .iter()
            .any(|finding| finding.candidates.contains(&cause))
    };
    assert!(named(Cause::ImdsDisabled) || named(Cause::PermissionMissing));
}

fn names<T: Copy + std::fmt::Debug + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> BoxedStrategy<&'static str> {
    prop::sample::select(all).prop_map(name).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_sound_signature_makes_the_engine_panic(
        kind in names(Kind::ALL, Kind::as_str),
        part in names(Part::ALL, Part::as_str),
        role in prop::option::of(names(Role::ALL, Role::as_str)),
        causes in prop::collection::vec(names(Cause::ALL, Cause::as_str), 0..4),
        clears in prop::collection::vec(names(Part::ALL, Part::as_str), 0..3),
        ambiguous in any::<bool>(),
        overrides_error in any::<bool>(),
        order in prop::collection::vec(0usize..9, 1..9),
    ) {
        let list = |names: &[&str]| format!("[{}]", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "));
        let mut own = format!(
            "[[signature]]\nid = \"own-probe\"\ntitle = \"Our own probe failed\"\nkind = {kind:?}\npart = {part:?}\nstarts = [\"probe of our own failed\"]\nlevels = [\"ERROR\"]\nmatches = [{OWN:?}]\n"
        );
        if let Some(role) = role {
            own.push_str(&format!("role = {role:?}\n"));
        }
        if !causes.is_empty() {
            own.push_str(&format!("causes = {}\n", list(&causes)));
        }
        if !clears.is_empty() {
            own.push_str(&format!("clears = {}\n", list(&clears)));
        }
        if ambiguous {
            own.push_str("ambiguous = true\n");
        }
        if overrides_error {
            own.push_str("overrides_error = true\n");
        }
        let log = [
            TAKEN,
            OWN,
            "2026-11-23 04:00:01.5000 ERROR [HealthCheck] probe of our own failed: EC2MetadataError: failed to make EC2Metadata request",
            "2026-11-23 04:00:02.0000 INFO Agent will take identity from OnPrem",
            "2026-11-23 04:00:02.1000 ERROR Agent failed to assume any identity",
            "2026-11-23 04:00:03.0000 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: EC2RoleRequestError: no EC2 instance role found",
            "2026-11-23 04:00:04.0000 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity",
            "2026-11-23 05:30:04.0000 INFO EC2RoleProvider Successfully connected with instance profile role credentials",
            "2026-11-23 05:40:04.0000 ERROR [HealthCheck] probe of our own failed again",
        ];
        if let Some(engine) = engine(&own) {
            let chosen: Vec<&str> = order.iter().map(|index| log[*index]).collect();
            read(&engine, &chosen);
            read(&engine, &log);
        }
    }
}
