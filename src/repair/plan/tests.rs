use std::collections::BTreeMap;

use super::*;
use crate::cause::{Cause, Scope, ScopeKind, Severity};
use crate::config::REPAIR_TAG_KEY;
use crate::diagnose::facts::{Fetched, ImdsFacts};
use crate::finding::ErrorDetails;
use crate::node::{Node, NodeId};
use crate::repair::outcome::Outcome;

const OWN: &str = "123456789012";
pub(in crate::repair) const INSTANCE: &str = "i-0123456789abcdef0";
pub(in crate::repair) const NOBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

pub(in crate::repair) fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub(in crate::repair) fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 - seconds).unwrap()
}

pub(in crate::repair) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

pub(in crate::repair) fn open_guardrails() -> Guardrails {
    Guardrails {
        mode: RepairMode::Repair,
        actions: RepairAction::ALL.iter().copied().collect(),
        tag_value: "allow".to_owned(),
        max_repairs: 5,
        max_evidence_age: Duration::from_secs(3_600),
        account: AccountId::parse(OWN),
        region: region(),
    }
}

fn good_hit(cause: Cause) -> AffectedNode {
    AffectedNode {
        node: Node {
            id: NodeId::parse(INSTANCE).unwrap(),
            id_source: IdSource::Stream,
            account: AccountId::parse(OWN),
            region: Some(region()),
        },
        last: ago(60),
        confirmed: true,
        log_candidates: vec![Cause::NoInstanceProfile, cause],
    }
}

fn tags(value: Option<&str>) -> BTreeMap<String, String> {
    let tag = |value: &str| (REPAIR_TAG_KEY.to_owned(), value.to_owned());
    value.map(tag).into_iter().collect()
}

fn instance(tag: Option<&str>) -> InstanceFacts {
    InstanceFacts {
        imds_defaults: None,
        id: InstanceId::parse(INSTANCE).unwrap(),
        state: "running".to_owned(),
        imds: Some(ImdsFacts {
            endpoint_enabled: false,
            tokens_required: true,
            hop_limit: Some(1),
            pending: false,
        }),
        profile: None,
        tags: tags(tag),
        managed_by: None,
        vpc: None,
        subnet: None,
        network: Default::default(),
    }
}

fn role(document: &str, tag: Option<&str>) -> RoleFacts {
    RoleFacts {
        name: "web".to_owned(),
        arn: "arn:aws:iam::123456789012:role/web".to_owned(),
        path: "/".to_owned(),
        trust_policy: document.to_owned(),
        tags: Fetched::Found(tags(tag)),
        boundary: None,
    }
}

fn incident(action: RepairAction, affected: Vec<AffectedNode>) -> Incident {
    let (cause, kind, id) = match action {
        RepairAction::EnableImdsEndpoint => (Cause::ImdsDisabled, ScopeKind::Instance, INSTANCE),
        RepairAction::TrustEc2 => (Cause::RoleNotAssumable, ScopeKind::Role, "web"),
    };
    Incident {
        key: format!("{OWN}/eu-central-1/{cause}/{kind}:{id}"),
        cause,
        candidates: vec![cause],
        scope: Scope {
            kind,
            id: id.to_owned(),
        },
        severity: Severity::High,
        confidence: Confidence::Confirmed,
        fault_state: FaultState::Active,
        title: "wrong".to_owned(),
        detail: None,
        affected,
        signatures: vec![],
        evidence: vec![],
        error_details: ErrorDetails::default(),
        checks: vec![],
        first: ago(90),
        last: ago(60),
        retry_in_seconds: None,
        fresh: true,
        instances: vec![instance(Some("allow"))],
        role: Some(role(NOBODY, Some("allow"))),
    }
}

pub(in crate::repair) fn open_incident(action: RepairAction) -> Incident {
    incident(
        action,
        vec![good_hit(super::super::action::cause_of(action))],
    )
}

pub(in crate::repair) fn attempt(
    action: RepairAction,
    status: OutcomeStatus,
    at: Timestamp,
) -> Attempt {
    Attempt {
        action,
        target: match action {
            RepairAction::EnableImdsEndpoint => INSTANCE.to_owned(),
            RepairAction::TrustEc2 => "web".to_owned(),
        },
        at,
        outcome: Outcome {
            status,
            detail: Some("It was so.".to_owned()),
            command: None,
            undo: Some("undo it".to_owned()),
        },
        undone: false,
    }
}

pub(in crate::repair) fn remembering(attempts: impl IntoIterator<Item = Attempt>) -> RepairMemory {
    let mut memory = RepairMemory::default();
    for attempt in attempts {
        memory.record(attempt);
    }
    memory
}

pub(in crate::repair) fn planned(
    incident: &Incident,
    guardrails: &Guardrails,
    memory: &RepairMemory,
) -> Plan {
    plan(
        incident,
        CurrentState::of(incident),
        guardrails,
        memory,
        now(),
    )
}

pub(in crate::repair) fn planned_open(incident: &Incident) -> Plan {
    planned(incident, &open_guardrails(), &RepairMemory::default())
}

/// One lock with its positions, the open one first.
struct Lock {
    positions: &'static [Position],
}

#[derive(Clone, Copy)]
struct Position {
    /// The reason that a closed lock gives; `None` for an open one.
    closed: Option<&'static str>,
    set: fn(&mut Case),
}

struct Case {
    incident: Incident,
    guardrails: Guardrails,
    attempts: Vec<Attempt>,
}

impl Case {
    fn hit(&mut self) -> &mut AffectedNode {
        &mut self.incident.affected[0]
    }

    fn tag(&mut self, value: Option<&str>) {
        self.incident.instances[0].tags = tags(value);
        self.incident.role.as_mut().unwrap().tags = Fetched::Found(tags(value));
    }

    fn action(&self) -> RepairAction {
        action_for(self.incident.cause).unwrap()
    }
}

const fn open(set: fn(&mut Case)) -> Position {
    Position { closed: None, set }
}

const fn shut(reason: &'static str, set: fn(&mut Case)) -> Position {
    Position {
        closed: Some(reason),
        set,
    }
}

/// In the order in which the reasons are given.
const LOCKS: &[Lock] = &[
    Lock {
        positions: &[
            open(|_| {}),
            open(|case| case.guardrails.mode = RepairMode::DryRun),
            shut("Advise", |case| case.guardrails.mode = RepairMode::Advise),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("ActionNotListed", |case| {
                let action = case.action();
                case.guardrails.actions.remove(&action);
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("NotConfirmed", |case| case.hit().confirmed = false),
            shut("NotConfirmed", |case| {
                case.incident.confidence = Confidence::Likely
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("NotNamedByLog", |case| {
                case.hit().log_candidates = vec![Cause::NoInstanceProfile]
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            open(|case| case.hit().node.id_source = IdSource::Caller),
            shut("NamedByText", |case| {
                case.hit().node.id_source = IdSource::Text
            }),
            shut("NotAnInstance", |case| {
                case.hit().node.id_source = IdSource::Nobody
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("Account", |case| {
                case.hit().node.account = AccountId::parse("210987654321")
            }),
            shut("Account", |case| {
                case.hit().node.account = None;
                case.guardrails.account = None;
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("Region", |case| {
                case.hit().node.region = Region::parse("us-east-1")
            }),
            shut("Region", |case| case.hit().node.region = None),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            open(|case| case.hit().last = ago(-60)),
            open(|case| case.hit().last = ago(3_599)),
            shut("EvidenceTooOld", |case| case.hit().last = ago(3_600)),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("Tag", |case| case.tag(None)),
            shut("Tag", |case| case.tag(Some("Allow"))),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            open(|case| {
                let action = case.action();
                let old = attempt(action, OutcomeStatus::Repaired, ago(3_600));
                case.attempts.push(old);
            }),
            shut("RepairedAgain", |case| {
                let action = case.action();
                let recent = attempt(action, OutcomeStatus::Repaired, ago(3_599));
                case.attempts.push(recent);
            }),
            shut("TriedRecently", |case| {
                let action = case.action();
                let recent = attempt(action, OutcomeStatus::Failed, ago(10));
                case.attempts.push(recent);
            }),
        ],
    },
    Lock {
        positions: &[
            open(|_| {}),
            shut("Capped", |case| {
                case.guardrails.max_repairs = 1;
                let action = case.action();
                let mut other = attempt(action, OutcomeStatus::Repaired, ago(5));
                other.target = "another".to_owned();
                case.attempts.push(other);
            }),
        ],
    },
];

fn name(reason: &Reason) -> String {
    let debug = format!("{reason:?}");
    let end = debug.find(|c: char| !c.is_alphanumeric());
    debug[..end.unwrap_or(debug.len())].to_owned()
}

/// Plans with the locks in the given positions, one for each lock, checks that
/// the answer names exactly those that are closed, and tells whether a write or
/// a rehearsal was permitted.
fn check(action: RepairAction, positions: &[Position]) -> Option<RepairMode> {
    let mut case = Case {
        incident: open_incident(action),
        guardrails: open_guardrails(),
        attempts: vec![],
    };
    for position in positions {
        (position.set)(&mut case);
    }
    let closed: Vec<&str> = (positions.iter())
        .filter_map(|position| position.closed)
        .collect();
    let memory = remembering(case.attempts);
    match planned(&case.incident, &case.guardrails, &memory) {
        Plan::Repair(permit) => {
            assert!(closed.is_empty(), "{action} went through {closed:?}");
            assert_eq!(permit.action().kind(), action);
            assert_eq!(
                permit.is_dry_run(),
                case.guardrails.mode == RepairMode::DryRun
            );
            Some(case.guardrails.mode)
        }
        Plan::Advise(advice) => {
            let names: Vec<String> = advice.reasons.iter().map(name).collect();
            assert_eq!(names, closed, "{action}");
            assert!(advice.would_do.is_some());
            None
        }
        Plan::NotNeeded(why) => panic!("{action}: {why:?} with {closed:?}"),
    }
}

/// Every combination of every lock being open or closed.
#[test]
fn only_when_every_lock_is_open_is_anything_repaired() {
    let ends: Vec<[Position; 2]> = (LOCKS.iter())
        .map(|lock| {
            let shut = lock
                .positions
                .iter()
                .find(|position| position.closed.is_some());
            [lock.positions[0], *shut.unwrap()]
        })
        .collect();
    for action in RepairAction::ALL {
        let permitted: Vec<usize> = (0..1_usize << LOCKS.len())
            .filter(|number| {
                let positions: Vec<Position> = (ends.iter().enumerate())
                    .map(|(lock, ends)| ends[number >> lock & 1])
                    .collect();
                check(*action, &positions) == Some(RepairMode::Repair)
            })
            .collect();
        assert_eq!(permitted, [0], "{action}");
    }
}

/// Every position of every two locks, the others being open.
#[test]
fn every_position_of_a_lock_holds_or_gives_way() {
    let all_open: Vec<Position> = LOCKS.iter().map(|lock| lock.positions[0]).collect();
    for action in RepairAction::ALL {
        for (one, first) in LOCKS.iter().enumerate() {
            for (two, second) in LOCKS.iter().enumerate().skip(one + 1) {
                for a in first.positions {
                    for b in second.positions {
                        let mut positions = all_open.clone();
                        positions[one] = *a;
                        positions[two] = *b;
                        let permitted = check(*action, &positions).is_some();
                        let open = a.closed.is_none() && b.closed.is_none();
                        assert_eq!(permitted, open);
                    }
                }
            }
        }
    }
}

#[test]
fn a_tag_that_cannot_be_read_closes_the_lock() {
    let mut incident = open_incident(RepairAction::TrustEc2);
    for unread in [
        Fetched::Missing,
        Fetched::Failed("GetRole was denied".to_owned()),
    ] {
        incident.role.as_mut().unwrap().tags = unread;
        match planned_open(&incident) {
            Plan::Advise(advice) => {
                assert_eq!(
                    advice.reasons.iter().map(name).collect::<Vec<_>>(),
                    ["TagUnread"]
                )
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_node_that_opens_all_its_locks_is_enough_for_a_role() {
    let closed: [fn(&mut AffectedNode); 4] = [
        |hit| hit.confirmed = false,
        |hit| hit.last = ago(1_000_000),
        |hit| hit.node.id_source = IdSource::Text,
        |hit| hit.node.id = NodeId::parse("mi-0123456789abcdef0").unwrap(),
    ];
    let mut affected: Vec<AffectedNode> = (closed.iter())
        .map(|close| {
            let mut hit = good_hit(Cause::RoleNotAssumable);
            close(&mut hit);
            hit
        })
        .collect();
    // No one of them is enough, nor are all of them together.
    let held = planned_open(&incident(RepairAction::TrustEc2, affected.clone()));
    assert!(matches!(&held, Plan::Advise(advice) if advice.reasons == [Reason::NotConfirmed]));
    affected.push(good_hit(Cause::RoleNotAssumable));
    let free = planned_open(&incident(RepairAction::TrustEc2, affected));
    assert!(matches!(free, Plan::Repair(_)), "{free:?}");
}

#[test]
fn the_metadata_endpoint_is_opened_only_for_the_instances_own_log() {
    let mut other = good_hit(Cause::ImdsDisabled);
    other.node.id = NodeId::parse("i-00000000000000001").unwrap();
    let mut hybrid = good_hit(Cause::ImdsDisabled);
    hybrid.node.id = NodeId::parse("mi-0123456789abcdef0").unwrap();
    for affected in [vec![], vec![other], vec![hybrid]] {
        let held = planned_open(&incident(RepairAction::EnableImdsEndpoint, affected));
        assert!(matches!(&held, Plan::Advise(advice) if advice.reasons == [Reason::NotAnInstance]));
    }
}
