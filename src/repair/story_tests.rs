//! From log text to what is notified, over several batches: engine, diagnosis,
//! store and gate as one, with live state in hand and the write played.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::change::member;
use super::locks::{Guardrails, RepairMode};
use super::memory::{Attempt, RepairMemory, target_of};
use super::plan::plan;
use super::plan::tests::{INSTANCE, NOBODY, ago, now, open_guardrails, region};
use super::repairs::{REPAIR_TAG_KEY, Repair};
use crate::batch::{Batch, Event, Source};
use crate::correlate::states::StreamState;
use crate::diagnose::facts::{
    Facts, Fetched, ImdsFacts, InstanceFacts, LaunchFacts, ProfileFacts, ProfileRef, RoleFacts,
};
use crate::diagnose::{Home, diagnose};
use crate::engine::Engine;
use crate::incident::group::group_into_incidents;
use crate::incident::store::{Incidents, NotifyDecision, NotifyReason};
use crate::node::InstanceId;
use crate::repair::outcome::OutcomeStatus;

const IMDS_OFF: &str = "\
2026-11-23 04:19:04.8188 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
\tstatus code: 403, request id: 
2026-11-23 04:19:05.3207 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
\tstatus code: 403, request id: 
2026-11-23 04:19:05.8207 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
\tstatus code: 403, request id: 
2026-11-23 04:19:05.8208 ERROR failed to get identity: failed to find agent identity
2026-11-23 04:19:05.8208 ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity
";

const ROLE_REFUSED: &str = "\
2023-01-25 09:56:19 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:19 INFO [CredentialRefresher] Sleeping for 1s before retrying retrieve credentials
2023-01-25 09:56:20 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:20 INFO [CredentialRefresher] Sleeping for 2s before retrying retrieve credentials
";

const RECOVERED: &str = "\
2026-11-23 04:30:12.5483 INFO EC2RoleProvider Successfully connected with instance profile role credentials
2026-11-23 04:30:12.5485 INFO [CredentialRefresher] Credentials ready
";

/// One execution environment, and the live state that it sees.
struct World {
    engine: Engine,
    streams: StreamState,
    store: Incidents,
    memory: RepairMemory,
    guardrails: Guardrails,
    endpoint_enabled: bool,
    trust_policy: String,
    ec2_is_readable: bool,
}

/// What one batch came to: cause, outcome and notification of each incident,
/// and what is resolved.
type Decided = Vec<(String, OutcomeStatus, NotifyDecision)>;

impl World {
    fn new() -> Self {
        let guardrails = open_guardrails();
        Self {
            engine: Engine::default(),
            streams: StreamState::default(),
            store: Incidents::new(std::time::Duration::from_secs(86_400), 1),
            memory: RepairMemory::default(),
            guardrails,
            endpoint_enabled: true,
            trust_policy: NOBODY.replace(
                r#""AWS":"arn:aws:iam::123456789012:root""#,
                r#""Service":"ec2.amazonaws.com""#,
            ),
            ec2_is_readable: true,
        }
    }

    fn facts(&self) -> Facts {
        let id = InstanceId::parse(INSTANCE).unwrap();
        let tags = BTreeMap::from([(REPAIR_TAG_KEY.to_owned(), "allow".to_owned())]);
        let instance = InstanceFacts {
            imds_defaults: None,
            name: None,
            launch: LaunchFacts::default(),
            id: id.clone(),
            state: "running".to_owned(),
            imds: Some(ImdsFacts {
                endpoint_enabled: self.endpoint_enabled,
                tokens_required: true,
                hop_limit: Some(1),
                pending: false,
            }),
            profile: Some(ProfileRef {
                name: "web".to_owned(),
                arn: "arn:aws:iam::123456789012:instance-profile/web".to_owned(),
                id: "AIPAEXAMPLE".to_owned(),
            }),
            tags: tags.clone(),
            managed_by: None,
            launched_at: None,
            vpc: None,
            subnet: None,
            network: Default::default(),
        };
        let profile = ProfileFacts {
            name: "web".to_owned(),
            id: "AIPAEXAMPLE".to_owned(),
            role: Some(RoleFacts {
                name: "web".to_owned(),
                arn: "arn:aws:iam::123456789012:role/web".to_owned(),
                path: "/".to_owned(),
                trust_policy: self.trust_policy.clone(),
                tags: Fetched::Found(tags),
                boundary: None,
            }),
        };
        let instance = if self.ec2_is_readable {
            Fetched::Found(instance)
        } else {
            Fetched::Failed("DescribeInstances was throttled (RequestLimitExceeded)".to_owned())
        };
        Facts {
            instances: BTreeMap::from([(id, instance)]),
            profiles: BTreeMap::from([("web".to_owned(), Fetched::Found(profile))]),
            ..Facts::default()
        }
    }

    /// Handles one batch whose lines were logged at `logged`; what is notified
    /// is published when `sns_works`.
    fn batch(&mut self, text: &str, logged: Timestamp, now: Timestamp, sns_works: bool) -> Decided {
        let event = |line: &str| Event {
            id: Cow::Borrowed("1"),
            at: Some(logged),
            message: Cow::Owned(line.to_owned()),
        };
        let batch = Batch {
            source: Source {
                account: self.guardrails.account.clone(),
                region: Some(region()),
                log_group: "agents".to_owned(),
                log_stream: INSTANCE.to_owned(),
                caller_node: None,
                complete: false,
                pasted: false,
            },
            events: text.lines().map(event).collect(),
        };
        let reading = self.engine.analyze(&mut self.streams, &batch, now);
        let home = Home {
            account: self.guardrails.account.clone(),
            region: Some(region()),
        };
        let mut diagnosed = diagnose(reading.findings, &self.facts(), &home);
        for one in &mut diagnosed {
            self.store.attach_to_open(one);
        }
        let mut decided = Decided::new();
        for incident in group_into_incidents(diagnosed) {
            let mut planned = plan(&incident, &self.guardrails, &self.memory, now);
            if let Some(permit) = planned.permit() {
                let change = permit.change();
                match change.action {
                    "enable-imds-endpoint" => self.endpoint_enabled = true,
                    _ => self.trust_policy = member(&change.request, "PolicyDocument").to_owned(),
                }
                let mut attempt = Attempt {
                    action: change.action,
                    target: target_of(&incident),
                    at: now,
                    outcome: planned.outcome.clone(),
                    undone: false,
                };
                attempt.outcome.status = OutcomeStatus::Repaired;
                planned.outcome.status = OutcomeStatus::Repaired;
                self.memory.record(attempt);
            }
            if planned.is_recurred() {
                let action = Repair::of(incident.cause).unwrap().name;
                self.memory.mark_undone(action, &target_of(&incident));
            }
            let happened = planned.happened(&incident, &self.memory);
            let decision = self.store.decide(&incident, happened, now);
            self.publish(&incident.key, decision.notify, now, sns_works);
            let status = planned.outcome.status;
            decided.push((incident.cause.to_string(), status, decision.notify));
        }
        for over in self.store.recover(&reading.recovered) {
            let decision = NotifyDecision::Send(NotifyReason::Resolved);
            self.publish(&over.key, decision, now, sns_works);
            decided.push((over.cause.to_string(), OutcomeStatus::None, decision));
        }
        decided
    }

    fn publish(&mut self, key: &str, decision: NotifyDecision, now: Timestamp, sns_works: bool) {
        if let (NotifyDecision::Send(why), true) = (decision, sns_works) {
            self.store.mark_notified(key, why, now);
        }
    }
}

fn sent(cause: &str, status: OutcomeStatus, reason: NotifyReason) -> Decided {
    vec![(cause.to_owned(), status, NotifyDecision::Send(reason))]
}

fn opened(cause: &str, status: OutcomeStatus) -> Decided {
    sent(cause, status, NotifyReason::Opened)
}

fn suppressed(cause: &str, status: OutcomeStatus) -> Decided {
    vec![(cause.to_owned(), status, NotifyDecision::Suppress)]
}

/// A fault with the log that it leaves.
struct Fault {
    cause: &'static str,
    log: &'static str,
    break_it: fn(&mut World),
}

const IMDS: Fault = Fault {
    cause: "imds-disabled",
    log: IMDS_OFF,
    break_it: |world| world.endpoint_enabled = false,
};

const FAULTS: [Fault; 2] = [
    IMDS,
    Fault {
        cause: "role-not-assumable",
        log: ROLE_REFUSED,
        break_it: |world| world.trust_policy = NOBODY.to_owned(),
    },
];

impl Fault {
    /// An environment that meets it.
    fn world(&self) -> World {
        let mut world = World::new();
        (self.break_it)(&mut world);
        world
    }

    /// The same log, `hours` later by its own clock.
    fn later(&self, hours: u8) -> String {
        let hour = |from: u8| format!(" {:02}:", from + hours);
        let log = self.log.replace(" 04:", &hour(4));
        log.replace(" 09:", &hour(9))
    }
}

#[test]
fn a_repaired_fault_is_notified_once() {
    for fault in FAULTS {
        let (cause, log) = (fault.cause, fault.log);
        let mut world = fault.world();
        let first = world.batch(log, ago(60), now(), true);
        assert_eq!(first, opened(cause, OutcomeStatus::Repaired));
        for later in 1..3 {
            let again = world.batch(log, ago(60), ago(-later), true);
            let expected = suppressed(cause, OutcomeStatus::Repaired);
            assert_eq!(again, expected, "delivery {later}");
        }
        // Days after, the same lines still tell of nothing new.
        let late = world.batch(log, ago(60), ago(-300_000), true);
        let silent = |(_, _, decision): &(String, OutcomeStatus, NotifyDecision)| {
            *decision == NotifyDecision::Suppress
        };
        assert!(late.iter().all(silent), "{late:?}");
    }
}

#[test]
fn it_is_resolved_when_the_agent_is_back() {
    let mut world = IMDS.world();
    world.batch(IMDS.log, ago(60), now(), true);
    let over = sent(IMDS.cause, OutcomeStatus::None, NotifyReason::Resolved);
    assert_eq!(world.batch(RECOVERED, ago(-100), ago(-110), true), over);
    assert_eq!(world.batch(RECOVERED, ago(-100), ago(-120), true), []);
}

#[test]
fn a_repair_whose_message_failed_is_notified_on_the_retry() {
    for fault in FAULTS {
        let (cause, log) = (fault.cause, fault.log);
        let mut world = fault.world();
        for later in 0..3 {
            let decided = world.batch(log, ago(60), ago(-later * 60), false);
            assert_eq!(decided, opened(cause, OutcomeStatus::Repaired));
        }
        // Also when the retry cannot look.
        world.ec2_is_readable = false;
        let decided = world.batch(log, ago(60), ago(-240), true);
        assert_eq!(decided, opened(cause, OutcomeStatus::Repaired));
        world.ec2_is_readable = true;
        let decided = world.batch(log, ago(60), ago(-300), true);
        assert_eq!(decided, suppressed(cause, OutcomeStatus::Repaired));
    }
}

#[test]
fn what_breaks_again_within_the_hour_is_notified_and_not_repaired_again() {
    for fault in FAULTS {
        let (cause, log) = (fault.cause, fault.log);
        let mut world = fault.world();
        world.batch(log, ago(60), now(), true);
        (fault.break_it)(&mut world);
        let again = world.batch(&fault.later(1), ago(-1_000), ago(-1_010), true);
        let changed = NotifyReason::StateChanged;
        assert_eq!(again, sent(cause, OutcomeStatus::Refused, changed));
        let silent = world.batch(&fault.later(2), ago(-1_100), ago(-1_110), true);
        assert_eq!(silent, suppressed(cause, OutcomeStatus::Refused));
        let later = world.batch(&fault.later(3), ago(-3_600), ago(-3_610), true);
        assert_eq!(later, sent(cause, OutcomeStatus::Repaired, changed));
    }
}

#[test]
fn an_old_answer_soon_after_a_repair_is_no_new_fault() {
    for fault in FAULTS {
        let mut world = fault.world();
        world.batch(fault.log, ago(60), now(), true);
        // EC2 and IAM give the state from before the change once more.
        (fault.break_it)(&mut world);
        let again = world.batch(&fault.later(1), ago(-1), ago(-2), true);
        assert_eq!(again, suppressed(fault.cause, OutcomeStatus::Repaired));
        // A minute later it is none.
        let again = world.batch(&fault.later(2), ago(-70), ago(-75), true);
        let changed = NotifyReason::StateChanged;
        assert_eq!(again, sent(fault.cause, OutcomeStatus::Refused, changed));
    }
}

#[test]
fn without_a_look_nothing_is_reported_as_repaired() {
    for fault in FAULTS {
        let mut world = fault.world();
        world.batch(fault.log, ago(60), now(), true);
        (fault.break_it)(&mut world);
        let again = world.batch(&fault.later(1), ago(-100), ago(-110), true);
        assert_eq!(again[0].1, OutcomeStatus::Refused);
        // A late copy of the old lines, and a batch that brings nothing new.
        world.ec2_is_readable = false;
        for (log, logged) in [(fault.log, ago(60)), ("", ago(-120))] {
            for (cause, outcome, decision) in world.batch(log, logged, ago(-130), true) {
                assert_ne!(outcome, OutcomeStatus::Repaired, "{cause}");
                assert_eq!(decision, NotifyDecision::Suppress, "{cause}");
            }
        }
    }
}

#[test]
fn another_environment_finds_a_repaired_endpoint_on_and_opens_nothing_beside_it() {
    // The endpoint is on, and this environment remembers nothing.
    let mut world = World::new();
    let decided = world.batch(IMDS.log, ago(60), now(), true);
    assert_eq!(decided, opened(IMDS.cause, OutcomeStatus::AlreadyRight));
    // The agent's next start, before the repair took effect for it.
    let decided = world.batch(&IMDS.later(1), ago(-20), ago(-25), true);
    assert_eq!(decided, suppressed(IMDS.cause, OutcomeStatus::AlreadyRight));
    // Lines of long after the endpoint was seen to be on tell of something else.
    let decided = world.batch(&IMDS.later(2), ago(-200), ago(-210), true);
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert_ne!(decided[0].0, IMDS.cause);
    assert_eq!(decided[0].2, NotifyDecision::Send(NotifyReason::Opened));
    let again = world.batch(&IMDS.later(3), ago(-300), ago(-310), true);
    assert_eq!(again[0].0, decided[0].0);
    assert_eq!(again[0].2, NotifyDecision::Suppress);
}

#[test]
fn what_is_right_at_first_sight_wakes_nobody_where_this_function_repairs_nothing() {
    let mut world = World::new();
    world.guardrails.mode = RepairMode::Advise;
    let decided = world.batch(IMDS.log, ago(60), now(), true);
    assert_eq!(decided, suppressed(IMDS.cause, OutcomeStatus::AlreadyRight));
}

#[test]
fn every_write_is_notified() {
    for fault in FAULTS {
        let mut world = World::new();
        // Right as this environment first looks …
        let first = world.batch(fault.log, ago(60), now(), true);
        assert_eq!(first.len(), 1, "{first:?}");
        // … and then broken and repaired, hour after hour.
        for hour in 1..4_u8 {
            (fault.break_it)(&mut world);
            let later = -4_000 * i64::from(hour);
            let decided = world.batch(&fault.later(hour), ago(later), ago(later - 10), true);
            let (_, outcome, decision) = &decided[0];
            assert_eq!(*outcome, OutcomeStatus::Repaired, "{decided:?}");
            assert!(matches!(decision, NotifyDecision::Send(_)), "{decided:?}");
        }
    }
}

#[test]
fn a_check_that_could_not_look_doubles_no_incident() {
    for fault in FAULTS {
        let (cause, log) = (fault.cause, fault.log);
        let mut world = fault.world();
        world.guardrails.mode = RepairMode::Advise;
        let first = world.batch(log, ago(60), now(), true);
        assert_eq!(first, opened(cause, OutcomeStatus::None));
        world.ec2_is_readable = false;
        let throttled = world.batch(&fault.later(1), ago(30), ago(-10), true);
        assert_eq!(throttled, suppressed(cause, OutcomeStatus::None));
    }
}
