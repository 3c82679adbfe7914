use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::facts::{
    Fetched, ImdsDefaults, ImdsFacts, InstanceFacts, LaunchFacts, RoleFacts,
};
use crate::finding::ErrorDetails;
use crate::incident::group::AffectedNode;
use crate::node::{AccountId, IdSource, InstanceId, Node, NodeId, Region};
use crate::repair::locks::Function;
use crate::repair::repairs::{REPAIR_TAG_KEY, REPAIRS};

pub(in crate::repair) const IMDS: &str = "enable-imds-endpoint";
pub(in crate::repair) const TRUST: &str = "trust-ec2";
const OWN: &str = "123456789012";
pub(in crate::repair) const INSTANCE: &str = "i-0123456789abcdef0";
pub(in crate::repair) const NOBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

pub(in crate::repair) fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub(in crate::repair) fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 - seconds).unwrap()
}

/// The target of an attempt on something else.
const ANOTHER: &str = "another";

pub(in crate::repair) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

pub(in crate::repair) fn open_guardrails() -> Guardrails {
    Guardrails {
        mode: RepairMode::Repair,
        calendars: Vec::new(),
        requested: false,
        actions: REPAIRS.iter().map(|repair| repair.name).collect(),
        tag_value: "allow".to_owned(),
        max_repairs: 5,
        max_evidence_age: Duration::from_secs(3_600),
        account: AccountId::parse(OWN),
        region: region(),
        function: Some(Function {
            name: "ssm-agent-triage".to_owned(),
            account: AccountId::parse(OWN),
            region: region(),
        }),
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
        first: ago(60),
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
        name: None,
        launch: LaunchFacts::default(),
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
        launched_at: None,
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

fn incident(action: &str, affected: Vec<AffectedNode>) -> Incident {
    let cause = Repair::named(action).unwrap().cause;
    let (kind, id) = (cause.scope_kind(), target(action));
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
        role_arn: None,
    }
}

/// The id of what a repair changes here.
pub(in crate::repair) fn target(action: &str) -> &'static str {
    match Repair::named(action).unwrap().cause.scope_kind() {
        ScopeKind::Instance => INSTANCE,
        ScopeKind::Role => "web",
        other => panic!("no {other} here"),
    }
}

pub(in crate::repair) fn open_incident(action: &str) -> Incident {
    let cause = Repair::named(action).unwrap().cause;
    incident(action, vec![good_hit(cause)])
}

/// What is to be written when every lock is open.
pub(in crate::repair) fn open_change(action: &str) -> Change {
    let plan = planned_open(&open_incident(action));
    plan.permit().expect("every lock is open").change().clone()
}

pub(in crate::repair) fn attempt(
    action: &'static str,
    status: OutcomeStatus,
    at: Timestamp,
) -> Attempt {
    Attempt {
        action,
        target: format!("{OWN}/{}", target(action)),
        at,
        outcome: Outcome {
            status,
            detail: Some("It was so.".to_owned()),
            command: None,
            request: None,
            checks_again: None,
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
    plan(incident, guardrails, memory, now())
}

pub(in crate::repair) fn planned_open(incident: &Incident) -> Plan {
    planned(incident, &open_guardrails(), &RepairMemory::default())
}

/// One lock with its positions, the open one first.
struct Gate {
    positions: &'static [Position],
}

#[derive(Clone, Copy)]
struct Position {
    /// The reason that a closed lock gives; `None` for an open one.
    closed: Option<Lock>,
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

    fn action(&self) -> &'static str {
        Repair::of(self.incident.cause).unwrap().name
    }
}

const fn open(set: fn(&mut Case)) -> Position {
    Position { closed: None, set }
}

const fn shut(lock: Lock, set: fn(&mut Case)) -> Position {
    Position {
        closed: Some(lock),
        set,
    }
}

/// In the order in which the reasons are given.
const LOCKS: &[Gate] = &[
    Gate {
        positions: &[
            open(|_| {}),
            open(|case| case.guardrails.mode = RepairMode::DryRun),
            open(|case| {
                case.guardrails.mode = RepairMode::OnRequest;
                case.guardrails.requested = true;
            }),
            shut(Lock::Advise, |case| {
                case.guardrails.mode = RepairMode::Advise
            }),
            shut(Lock::Advise, |case| {
                case.guardrails.mode = RepairMode::Advise;
                case.guardrails.requested = true;
            }),
            shut(Lock::OnRequest, |case| {
                case.guardrails.mode = RepairMode::OnRequest
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::ActionNotListed, |case| {
                let action = case.action();
                case.guardrails.actions.remove(action);
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::NotConfirmed, |case| case.hit().confirmed = false),
            shut(Lock::NotConfirmed, |case| {
                case.incident.confidence = Confidence::Likely
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::NotNamedByLog, |case| {
                case.hit().log_candidates = vec![Cause::NoInstanceProfile]
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            open(|case| case.hit().node.id_source = IdSource::Caller),
            shut(Lock::NamedByText, |case| {
                case.hit().node.id_source = IdSource::Text
            }),
            shut(Lock::NotAnInstance, |case| {
                case.hit().node.id_source = IdSource::Nobody
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::Account, |case| {
                case.hit().node.account = AccountId::parse("210987654321")
            }),
            shut(Lock::Account, |case| {
                case.hit().node.account = None;
                case.guardrails.account = None;
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::Region, |case| {
                case.hit().node.region = Region::parse("us-east-1")
            }),
            shut(Lock::Region, |case| case.hit().node.region = None),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            open(|case| case.hit().last = ago(-60)),
            open(|case| case.hit().last = ago(3_599)),
            shut(Lock::EvidenceTooOld, |case| case.hit().last = ago(3_600)),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::Tag, |case| case.tag(None)),
            shut(Lock::Tag, |case| case.tag(Some("Allow"))),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            open(|case| {
                let action = case.action();
                let old = attempt(action, OutcomeStatus::Repaired, ago(3_600));
                case.attempts.push(old);
            }),
            shut(Lock::RepairedAgain, |case| {
                let action = case.action();
                let recent = attempt(action, OutcomeStatus::Repaired, ago(3_599));
                case.attempts.push(recent);
            }),
            shut(Lock::TriedRecently, |case| {
                let action = case.action();
                let recent = attempt(action, OutcomeStatus::Failed, ago(10));
                case.attempts.push(recent);
            }),
        ],
    },
    Gate {
        positions: &[
            open(|_| {}),
            shut(Lock::Capped, |case| {
                case.guardrails.max_repairs = 1;
                let action = case.action();
                let mut other = attempt(action, OutcomeStatus::Repaired, ago(5));
                other.target = ANOTHER.to_owned();
                case.attempts.push(other);
            }),
        ],
    },
];

/// Plans with the locks in the given positions, one for each lock, checks that
/// the answer names exactly those that are closed, and tells whether a write or
/// a dry run was permitted.
fn check(action: &'static str, positions: &[Position]) -> Option<RepairMode> {
    let mut case = Case {
        incident: open_incident(action),
        guardrails: open_guardrails(),
        attempts: vec![],
    };
    for position in positions {
        (position.set)(&mut case);
    }
    let closed: Vec<Lock> = (positions.iter())
        .filter_map(|position| position.closed)
        .collect();
    for attempt in &mut case.attempts {
        if attempt.target != ANOTHER {
            attempt.target = target_of(&case.incident);
        }
    }
    let memory = remembering(case.attempts);
    let plan = planned(&case.incident, &case.guardrails, &memory);
    assert_eq!(plan.closed, closed, "{action}");
    assert_eq!(plan.summary.action, Some(action));
    assert_eq!(plan.permit().is_some(), closed.is_empty(), "{action}");
    plan.permit().map(|permit| {
        assert_eq!(permit.change().action, action);
        let mode = case.guardrails.mode;
        assert_eq!(permit.is_dry_run(), mode == RepairMode::DryRun);
        mode
    })
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
    for Repair { name: action, .. } in REPAIRS {
        let permitted: Vec<usize> = (0..1_usize << LOCKS.len())
            .filter(|number| {
                let positions: Vec<Position> = (ends.iter().enumerate())
                    .map(|(lock, ends)| ends[number >> lock & 1])
                    .collect();
                check(action, &positions) == Some(RepairMode::Repair)
            })
            .collect();
        assert_eq!(permitted, [0], "{action}");
    }
}

/// Every position of every two locks, the others being open.
#[test]
fn every_position_of_a_lock_holds_or_gives_way() {
    let all_open: Vec<Position> = LOCKS.iter().map(|lock| lock.positions[0]).collect();
    for Repair { name: action, .. } in REPAIRS {
        for (one, first) in LOCKS.iter().enumerate() {
            for (two, second) in LOCKS.iter().enumerate().skip(one + 1) {
                for a in first.positions {
                    for b in second.positions {
                        let mut positions = all_open.clone();
                        positions[one] = *a;
                        positions[two] = *b;
                        let permitted = check(action, &positions).is_some();
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
    let mut incident = open_incident(TRUST);
    for unread in [
        Fetched::Missing,
        Fetched::Failed("GetRole was denied".to_owned()),
    ] {
        incident.role.as_mut().unwrap().tags = unread;
        assert_eq!(planned_open(&incident).closed, [Lock::TagUnread]);
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
    let held = planned_open(&incident(TRUST, affected.clone()));
    assert_eq!(held.closed, [Lock::NotConfirmed]);
    affected.push(good_hit(Cause::RoleNotAssumable));
    let free = planned_open(&incident(TRUST, affected));
    assert!(free.permit().is_some(), "{free:?}");
}

#[test]
fn the_metadata_endpoint_is_opened_only_for_the_instances_own_log() {
    let mut other = good_hit(Cause::ImdsDisabled);
    other.node.id = NodeId::parse("i-00000000000000001").unwrap();
    let mut hybrid = good_hit(Cause::ImdsDisabled);
    hybrid.node.id = NodeId::parse("mi-0123456789abcdef0").unwrap();
    for affected in [vec![], vec![other], vec![hybrid]] {
        let held = planned_open(&incident(IMDS, affected));
        assert_eq!(held.closed, [Lock::NotAnInstance]);
    }
}

#[test]
fn every_lock_says_what_holds_and_what_opens_it() {
    let mut said = Vec::new();
    let mut say = |action: &'static str, change: &dyn Fn(&mut Case)| {
        let mut case = Case {
            incident: open_incident(action),
            guardrails: open_guardrails(),
            attempts: vec![],
        };
        change(&mut case);
        let memory = remembering(case.attempts);
        said.push(
            planned(&case.incident, &case.guardrails, &memory)
                .summary
                .reason,
        );
    };
    say(IMDS, &|case| case.incident.cause = Cause::Throttled);
    for position in LOCKS.iter().flat_map(|lock| lock.positions) {
        if position.closed.is_some() {
            say(IMDS, &position.set);
        }
    }
    say(TRUST, &|case| {
        let odd = format!("no\n{}", "é".repeat(80));
        case.tag(Some(&odd));
    });
    say(TRUST, &|case| {
        let why = Fetched::Failed("GetRole was denied (AccessDenied): no.".to_owned());
        case.incident.role.as_mut().unwrap().tags = why;
    });
    say(IMDS, &|case| case.guardrails.max_repairs = 0);
    say(IMDS, &|case| {
        case.incident.instances.clear();
        case.incident.fresh = false;
    });
    for (message, tokens_enforced) in [
        (Some("Ask the platform team."), false),
        (None, false),
        (None, true),
    ] {
        say(IMDS, &|case| {
            let facts = &mut case.incident.instances[0];
            facts.imds.as_mut().unwrap().tokens_required = !tokens_enforced;
            facts.imds_defaults = Some(Fetched::Found(ImdsDefaults {
                endpoint_enabled: Some(false),
                declared: !tokens_enforced,
                exception_message: message.map(str::to_owned),
                tokens_enforced,
            }));
        });
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    No repair exists for throttled.
    TRIAGE_REPAIR is advise; dry-run shows the repair, repair makes it.
    TRIAGE_REPAIR is advise; dry-run shows the repair, repair makes it.
    TRIAGE_REPAIR is on-request; nothing else prevents it.
    The repair enable-imds-endpoint is not allowed here. Add it to TRIAGE_REPAIR_ACTIONS.
    Only a cause that a check of this invocation confirms is repaired.
    Only a cause that a check of this invocation confirms is repaired.
    Live state shows imds-disabled, but the log does not name it as a possible cause, so it is left to a person.
    Only the text of the log names the instance, and whoever can write to the log can write that. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.
    The log does not come from an EC2 instance that is known by its id. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.
    The log comes from account 210987654321, and repairs are made only in the function's own account, 123456789012. Set TRIAGE_MEMBER_ROLE to a role of that account, or make the change there by hand.
    The log comes from an account that is not known, and repairs are made only in the function's own account, which is not known. Set TRIAGE_MEMBER_ROLE to a role of that account, or make the change there by hand.
    The log comes from Region us-east-1, and repairs are made only in the function's own Region, eu-central-1. Set TRIAGE_MEMBER_ROLE, which leads to other Regions too, or make the change there by hand.
    The log comes from a Region that is not known, and repairs are made only in the function's own Region, eu-central-1. Set TRIAGE_MEMBER_ROLE, which leads to other Regions too, or make the change there by hand.
    The newest line of the log is 60m old, and TRIAGE_MAX_EVIDENCE_AGE allows 60m. A newer line of the same fault leads to the repair.
    The instance i-0123456789abcdef0 lacks the tag ssm-agent-triage:repair = allow, which allows repairs.
    The instance i-0123456789abcdef0 carries the tag ssm-agent-triage:repair with the value "Allow", which does not allow repairs; allow would.
    This function repaired it at 2023-11-14 21:13:21 UTC and it was found broken again since. It is not repaired twice within an hour: find out what undoes the repair.
    This function tried the repair at 2023-11-14 22:13:10 UTC without success, and tries again no sooner than an hour after that.
    TRIAGE_MAX_REPAIRS allows 1 repairs an hour and they are used up, so nothing is repaired before 2023-11-14 23:13:15 UTC. Many repairs at once point to one cause behind them all: look for it, then raise the number if need be.
    The role web carries the tag ssm-agent-triage:repair with the value "no\nééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…", which does not allow repairs; allow would.
    Whether the role web carries the tag ssm-agent-triage:repair could not be read: GetRole was denied (AccessDenied): no.
    TRIAGE_MAX_REPAIRS is 0, so nothing is repaired. Raise it.
    This batch says nothing new about it, so no check was made and nothing is changed.
    A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies. The policy says: Ask the platform team.
    A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies.
    The account enforces IMDSv2 (HttpTokensEnforced), and HttpTokens of the instance is optional: with the endpoint alone switched on it would answer IMDSv1 as well. Switch the endpoint on and set HttpTokens to required in one change, by hand.
    "#);
}
