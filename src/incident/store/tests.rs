use proptest::prelude::*;

use super::*;
use crate::cause::ScopeKind;
use crate::finding::{ErrorDetails, Finding};
use crate::incident::group::AffectedNode;
use crate::node::{AccountId, IdSource, Node, NodeId, Region};

mod environments;
mod life;
mod shared;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const ROLE_SERIES: [Cause; 3] = [
    Cause::RoleNotAssumable,
    Cause::NoInstanceProfile,
    Cause::ImdsDisabled,
];

/// Seconds after some moment.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn node(number: u32) -> Node {
    Node {
        id: NodeId::parse(&format!("i-{number:017x}")).unwrap(),
        id_source: IdSource::Stream,
        account: AccountId::parse("123456789012"),
        region: Region::parse("eu-central-1"),
    }
}

fn incident(scope: &str, nodes: &[u32], last: Timestamp, confidence: Confidence) -> Incident {
    let hit = |number: &u32| AffectedNode {
        node: node(*number),
        first: last,
        last,
        confirmed: confidence == Confidence::Confirmed,
        log_candidates: ROLE_SERIES.to_vec(),
    };
    Incident {
        key: format!("123456789012/eu-central-1/role-not-assumable/{scope}"),
        cause: Cause::RoleNotAssumable,
        candidates: ROLE_SERIES.to_vec(),
        scope: Scope {
            kind: ScopeKind::Role,
            id: scope.to_owned(),
        },
        severity: Severity::High,
        confidence,
        fault_state: FaultState::Active,
        title: "EC2 may not assume the role".to_owned(),
        detail: None,
        affected: nodes.iter().map(hit).collect(),
        signatures: vec![],
        evidence: vec![],
        error_details: ErrorDetails::default(),
        checks: vec![],
        first: last,
        last,
        retry_in_seconds: None,
        fresh: true,
        instances: vec![],
        role: None,
        role_arn: None,
    }
}

pub(super) fn confirmed(nodes: &[u32], last: Timestamp) -> Incident {
    incident("web", nodes, last, Confidence::Confirmed)
}

pub(super) fn guessed(nodes: &[u32], last: Timestamp) -> Incident {
    incident("web", nodes, last, Confidence::Undetermined)
}

pub(super) fn recovered(number: u32, when: Timestamp) -> Recovered {
    Recovered {
        node: node(number).id.as_str().to_owned(),
        cause: Cause::NoInstanceProfile,
        signature: "connected".to_owned(),
        since: None,
        at: when,
    }
}

fn finding(number: u32, last: Timestamp, error_details: ErrorDetails) -> Diagnosis {
    Diagnosis {
        finding: Finding {
            node: node(number),
            candidates: ROLE_SERIES.to_vec(),
            confidence: Confidence::Undetermined,
            severity: Severity::High,
            error_details,
            evidence: vec![],
            signatures: vec![],
            first: last,
            last,
            retry_in_seconds: None,
            fresh: true,
        },
        cause: Cause::NoInstanceProfile,
        candidates: vec![Cause::NoInstanceProfile, Cause::RoleNotAssumable],
        scope: Scope {
            kind: ScopeKind::Instance,
            id: node(number).id.as_str().to_owned(),
        },
        confidence: Confidence::Undetermined,
        severity: Severity::High,
        recovered_at: None,
        fault_state: FaultState::Active,
        detail: None,
        checks: vec![],
        live: Default::default(),
    }
}

/// Decides, and marks as notified what due.
pub(super) fn notify(
    store: &mut Incidents,
    incident: &Incident,
    happened: impl Into<Happened>,
    now: Timestamp,
) -> NotifyDecision {
    let decision = store.decide(incident, happened, now);
    if let NotifyDecision::Send(why) = decision.notify {
        store.mark_notified(&incident.key, why, now);
    }
    decision.notify
}

fn store_notified(incident: &Incident, state: State, now: Timestamp) -> Incidents {
    let mut store = Incidents::new(DAY, 1);
    if state == State::Resolved {
        // Right at first sight would be no news.
        assert_eq!(notify(&mut store, incident, State::Open, now), OPEN);
        assert_eq!(notify(&mut store, incident, state, now), CHANGED);
        return store;
    }
    assert_eq!(
        notify(&mut store, incident, state, now),
        NotifyDecision::Send(NotifyReason::Opened)
    );
    store
}

pub(super) const OPEN: NotifyDecision = NotifyDecision::Send(NotifyReason::Opened);
pub(super) const CHANGED: NotifyDecision = NotifyDecision::Send(NotifyReason::StateChanged);
pub(super) const SILENT: NotifyDecision = NotifyDecision::Suppress;

#[test]
fn a_notified_incident_is_silent_until_the_reminder() {
    let day = 24 * 60 * 60;
    let mut store = store_notified(&confirmed(&[1], at(0)), State::Open, at(10));
    for (now, expected) in [
        (20, SILENT),
        (9 + day, SILENT),
        (10 + day, NotifyDecision::Send(NotifyReason::Reminder)),
        (11 + day, SILENT),
        (10 + 2 * day, NotifyDecision::Send(NotifyReason::Reminder)),
    ] {
        let decided = notify(&mut store, &confirmed(&[1], at(now)), State::Open, at(now));
        assert_eq!(decided, expected, "after {now} s");
    }
}

#[test]
fn what_was_put_right_is_reminded_of_only_when_it_shows_again() {
    let day = 24 * 60 * 60;
    for (last, expected) in [
        (0, SILENT),
        (70, SILENT),
        (71, NotifyDecision::Send(NotifyReason::Reminder)),
    ] {
        let mut store = store_notified(&confirmed(&[1], at(0)), State::Repaired, at(10));
        let decided = notify(
            &mut store,
            &guessed(&[1], at(last)),
            State::Open,
            at(10 + day),
        );
        assert_eq!(decided, expected, "evidence from {last} s");
    }
}

#[test]
fn a_message_that_failed_is_due_again() {
    let mut store = Incidents::new(DAY, 1);
    for now in [1, 2, 3] {
        let decision = store.decide(&confirmed(&[1], at(0)), State::Open, at(now));
        assert_eq!(decision.notify, OPEN);
    }
    store.mark_notified(&confirmed(&[1], at(0)).key, NotifyReason::Opened, at(3));
    let decision = store.decide(&confirmed(&[1], at(0)), State::Open, at(4));
    assert_eq!(decision.notify, SILENT);
}

#[test]
fn changes_of_state_are_notified_once_each() {
    use State::{Open, Recurred, RepairFailed, Repaired, Resolved};
    let mut store = Incidents::new(DAY, 1);
    for (step, (state, expected)) in [
        (Repaired, OPEN),
        (Repaired, SILENT),
        // Found right later: still this function's repair.
        (Resolved, SILENT),
        (Recurred, CHANGED),
        (Recurred, SILENT),
        (Resolved, CHANGED),
        (Resolved, SILENT),
        (Repaired, CHANGED),
        (RepairFailed, CHANGED),
        (RepairFailed, SILENT),
        // Broken as before.
        (Open, SILENT),
    ]
    .into_iter()
    .enumerate()
    {
        let now = at(step as i64);
        let decided = notify(&mut store, &confirmed(&[1], now), state, now);
        assert_eq!(decided, expected, "step {step}");
    }
}

#[test]
fn looking_without_result_changes_nothing_for_the_reader() {
    for state in [
        State::Open,
        State::Repaired,
        State::Resolved,
        State::RepairFailed,
        State::Recurred,
    ] {
        let mut store = store_notified(&confirmed(&[1], at(0)), state, at(0));
        let decided = notify(&mut store, &guessed(&[1], at(1)), State::Open, at(1));
        assert_eq!(decided, SILENT, "{state:?}");
    }
    // Nor does it take a repair away that is still to be notified.
    let mut store = Incidents::new(DAY, 1);
    store.decide(&confirmed(&[1], at(0)), State::Repaired, at(0));
    assert_eq!(
        notify(&mut store, &guessed(&[1], at(0)), State::Open, at(1)),
        OPEN
    );
    assert_eq!(
        notify(&mut store, &guessed(&[1], at(0)), State::Repaired, at(2)),
        SILENT
    );
}

#[test]
fn growth_notifies_when_the_nodes_double_and_are_many() {
    for (notified, seen, expected) in [
        (1, 4, SILENT),
        (1, 5, NotifyDecision::Send(NotifyReason::Grew)),
        (5, 9, SILENT),
        (5, 10, NotifyDecision::Send(NotifyReason::Grew)),
        (100, 199, SILENT),
        (100, 200, NotifyDecision::Send(NotifyReason::Grew)),
    ] {
        let nodes: Vec<u32> = (1..=seen).collect();
        for (state, expected) in [
            (State::Open, expected),
            (State::Repaired, SILENT),
            (State::Resolved, SILENT),
        ] {
            let first = confirmed(&nodes[..notified], at(0));
            let mut store = store_notified(&first, state, at(0));
            let decided = notify(&mut store, &confirmed(&nodes, at(1)), state, at(1));
            assert_eq!(decided, expected, "{notified} → {seen} {state:?}");
        }
    }
}

#[test]
fn nodes_of_earlier_batches_are_counted_and_named() {
    let mut store = store_notified(&confirmed(&[1], at(0)), State::Open, at(0));
    for number in 2..5 {
        let decision = store.decide(&confirmed(&[number], at(1)), State::Open, at(1));
        assert_eq!(decision.notify, SILENT);
        assert_eq!(decision.nodes.count, number as usize);
    }
    let decision = store.decide(&confirmed(&[5], at(2)), State::Open, at(2));
    assert_eq!(decision.notify, NotifyDecision::Send(NotifyReason::Grew));
    let ids: Vec<&str> = decision
        .nodes
        .listed
        .iter()
        .map(|node| node.id.as_str())
        .collect();
    let expected: Vec<String> = (1..=5).map(|number| format!("i-{number:017x}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn it_is_over_when_the_last_node_has_recovered() {
    let mut store = store_notified(&confirmed(&[1, 2], at(0)), State::Open, at(5));
    assert_eq!(store.recover(&[recovered(1, at(10))]), []);
    assert_eq!(store.recover(&[recovered(3, at(10))]), []);
    let over = store.recover(&[recovered(2, at(12))]);
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].cause, Cause::RoleNotAssumable);
    assert_eq!(over[0].nodes.count, 2);
    assert_eq!((over[0].since, over[0].resolved_at), (at(0), at(12)));
    // Until it is notified it is given again, also without a recovery.
    assert_eq!(store.recover(&[]), over);
    store.mark_notified(&over[0].key, NotifyReason::Resolved, at(13));
    assert_eq!(store.recover(&[recovered(2, at(12))]), []);
}

#[test]
fn what_nobody_was_notified_of_ends_silently() {
    let mut store = Incidents::new(DAY, 1);
    store.decide(&confirmed(&[1], at(0)), State::Open, at(0));
    assert_eq!(store.recover(&[recovered(1, at(1))]), []);
    assert_eq!(store.entries().count(), 0);
    // A repair that is still to be notified is kept for the retry.
    store.decide(&confirmed(&[1], at(0)), State::Repaired, at(0));
    assert_eq!(store.recover(&[recovered(1, at(1))]), []);
    let retry = guessed(&[1], at(0));
    assert_eq!(notify(&mut store, &retry, State::Repaired, at(2)), OPEN);
    assert_eq!(store.recover(&[]).len(), 1);
}

#[test]
fn what_may_have_been_notified_ends_as_what_was() {
    let mut store = Incidents::new(DAY, 1);
    let incident = confirmed(&[1], at(0));
    store.decide(&incident, State::Open, at(1));
    store.claim(&incident.key, NotifyReason::Opened, at(60), at(1));
    // The message may be out, and nobody has said so.
    let over = store.recover(&[recovered(1, at(2))]);
    assert_eq!(over.len(), 1);
    store.mark_notified(&incident.key, NotifyReason::Opened, at(3));
    assert_eq!(store.recover(&[]).len(), 1, "it is still to be notified");
    store.mark_notified(&incident.key, NotifyReason::Resolved, at(4));
    assert_eq!(store.recover(&[recovered(1, at(2))]), []);
}

#[test]
fn an_end_is_as_severe_as_what_was_notified() {
    let mut store = store_notified(&confirmed(&[1], at(0)), State::Open, at(1));
    // A line of a further node that may mean little.
    let mut slight = guessed(&[2], at(10));
    slight.severity = Severity::Low;
    store.decide(&slight, State::Open, at(11));
    let over = store.recover(&[recovered(1, at(20)), recovered(2, at(20))]);
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].severity, Severity::High);
}

#[test]
fn a_recovery_counts_for_its_node_its_cause_and_what_came_before() {
    let other_cause = Recovered {
        cause: Cause::HostDiskFull,
        ..recovered(1, at(9))
    };
    for (recovery, ends) in [
        (recovered(1, at(9)), true),
        (recovered(1, at(5)), true),
        (recovered(1, at(4)), false),
        (recovered(2, at(9)), false),
        (other_cause, false),
    ] {
        let mut store = store_notified(&confirmed(&[1], at(5)), State::Open, at(6));
        let over = store.recover(std::slice::from_ref(&recovery));
        assert_eq!(!over.is_empty(), ends, "{recovery:?}");
    }
}

#[test]
fn what_comes_back_after_its_end_opens_anew_and_old_evidence_does_not() {
    for (incident, expected) in [
        (guessed(&[1], at(0)), SILENT),
        (guessed(&[1], at(10)), SILENT),
        (guessed(&[1], at(11)), OPEN),
        (guessed(&[2], at(0)), OPEN),
        (confirmed(&[1], at(0)), OPEN),
    ] {
        let mut store = store_notified(&confirmed(&[1], at(0)), State::Repaired, at(1));
        let over = store.recover(&[recovered(1, at(10))]);
        // A stale batch before the end is notified leaves the end due.
        let late = notify(&mut store, &guessed(&[1], at(0)), State::Open, at(12));
        assert_eq!(late, SILENT);
        assert_eq!(store.recover(&[]), over);
        store.mark_notified(&over[0].key, NotifyReason::Resolved, at(13));
        let decided = notify(&mut store, &incident, State::Open, at(20));
        assert_eq!(decided, expected, "{:?}", incident.affected);
    }
}

#[test]
fn an_undecided_finding_joins_what_it_joined_before() {
    let store = store_notified(&confirmed(&[1], at(0)), State::Open, at(0));
    let before = finding(1, at(5), ErrorDetails::default());
    let mut joined = before.clone();
    store.attach_to_open(&mut joined);
    assert_eq!(joined.cause, Cause::RoleNotAssumable);
    assert_eq!(joined.scope, confirmed(&[1], at(0)).scope);
    assert_eq!(
        joined.candidates,
        [Cause::RoleNotAssumable, Cause::NoInstanceProfile]
    );

    let mut other_candidates = before.clone();
    other_candidates.finding.candidates.push(Cause::ClockSkew);
    let mut ruled_out = before.clone();
    ruled_out.candidates = vec![Cause::NoInstanceProfile];
    let mut proved = before.clone();
    proved.confidence = Confidence::Confirmed;
    for stranger in [
        finding(2, at(5), ErrorDetails::default()),
        other_candidates,
        ruled_out.clone(),
        proved,
    ] {
        let mut after = stranger.clone();
        store.attach_to_open(&mut after);
        assert_eq!(after, stranger);
    }
    // With everything right it is that incident which is right.
    ruled_out.fault_state = FaultState::NotObserved;
    store.attach_to_open(&mut ruled_out);
    assert_eq!(ruled_out.cause, Cause::RoleNotAssumable);
}

#[test]
fn evidence_from_before_the_repair_points_to_no_further_cause() {
    let store = store_notified(&confirmed(&[1], at(0)), State::Repaired, at(10));
    let open = store_notified(&confirmed(&[1], at(0)), State::Open, at(10));
    for (store, last, cause, fault_state) in [
        (&store, 0, Cause::RoleNotAssumable, FaultState::NotObserved),
        (&store, 70, Cause::RoleNotAssumable, FaultState::NotObserved),
        (&store, 71, Cause::NoInstanceProfile, FaultState::Active),
        (&open, 0, Cause::NoInstanceProfile, FaultState::Active),
    ] {
        let mut late = finding(1, at(last), ErrorDetails::default());
        late.candidates = vec![Cause::NoInstanceProfile];
        late.confidence = Confidence::Likely;
        store.attach_to_open(&mut late);
        assert_eq!(
            (late.cause, late.fault_state),
            (cause, fault_state),
            "{last}"
        );
    }
}

#[test]
fn two_faults_with_the_same_candidates_are_kept_apart_by_their_subject() {
    let service = |name: &str| ErrorDetails {
        service: Some(name.to_owned()),
        ..ErrorDetails::default()
    };
    let mut ssm = incident("ssm", &[1], at(0), Confidence::Confirmed);
    ssm.error_details = service("ssm");
    let mut messages = incident("ssmmessages", &[1], at(0), Confidence::Confirmed);
    messages.error_details = service("ssmmessages");
    let mut store = store_notified(&ssm, State::Open, at(0));
    assert_eq!(notify(&mut store, &messages, State::Open, at(1)), OPEN);
    assert_eq!(notify(&mut store, &ssm, State::Open, at(2)), SILENT);
    for name in ["ssm", "ssmmessages"] {
        let mut joined = finding(1, at(3), service(name));
        store.attach_to_open(&mut joined);
        assert_eq!(joined.scope.id, name);
    }
}

#[test]
fn another_role_joins_nothing_that_was_opened_for_the_role_before_it() {
    let store = store_notified(&confirmed(&[1], at(0)), State::Open, at(0));
    for (role, joins) in [(None, true), (Some("web"), true), (Some("web2"), false)] {
        let error_details = ErrorDetails {
            role: role.map(str::to_owned),
            ..ErrorDetails::default()
        };
        let mut denied = finding(1, at(3), error_details);
        denied.scope.id = "its own".to_owned();
        store.attach_to_open(&mut denied);
        assert_eq!(denied.scope.id == "web", joins, "{role:?}");
    }
}

#[test]
fn proof_takes_a_node_out_of_the_guess_it_was_counted_for() {
    let guess = incident("i-1", &[1], at(0), Confidence::Undetermined);
    let mut store = store_notified(&guess, State::Open, at(0));
    let proved = confirmed(&[1], at(1));
    assert_eq!(notify(&mut store, &proved, State::Open, at(1)), OPEN);
    let over = store.recover(&[recovered(1, at(2))]);
    let ends: Vec<_> = (over.iter())
        .map(|over| (&over.key, over.explained_by.as_ref()))
        .collect();
    assert_eq!(
        ends,
        [(&guess.key, Some(&proved.title)), (&proved.key, None)]
    );
}

#[derive(Debug, Clone)]
enum Step {
    Batch {
        scope: u8,
        node: u32,
        confirmed: bool,
        state: State,
        written: bool,
        published: bool,
    },
    Recovery {
        node: u32,
        published: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let state = prop_oneof![
        Just(State::Open),
        Just(State::Repaired),
        Just(State::Resolved),
        Just(State::RepairFailed),
        Just(State::Recurred)
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let batch = (0..3u8, 0..6u32, state, flags).prop_map(
        |(scope, node, state, (confirmed, written, published))| Step::Batch {
            scope,
            node,
            confirmed,
            state,
            written,
            published,
        },
    );
    let recovery =
        (0..6u32, any::<bool>()).prop_map(|(node, published)| Step::Recovery { node, published });
    prop_oneof![3 => batch, 1 => recovery]
}

proptest! {
    /// Whatever comes: a batch delivered twice due at most once, a message
    /// that failed is due again, every write due, and only what was notified is ever
    /// over.
    #[test]
    fn notifying_is_safe_under_repetition(steps in prop::collection::vec(step(), 1..60)) {
        let mut store = Incidents::new(DAY, 1);
        let mut notified = std::collections::BTreeSet::new();
        for (now, step) in steps.into_iter().enumerate() {
            let now = at(now as i64);
            match step {
                Step::Batch { scope, node, confirmed, state, written, published } => {
                    let confidence = if confirmed { Confidence::Confirmed } else { Confidence::Likely };
                    let incident = incident(&format!("role{scope}"), &[node], now, confidence);
                    let happened = Happened {
                        written_at: written.then_some(now),
                        ..state.into()
                    };
                    let first = store.decide(&incident, happened, now).notify;
                    prop_assert!(!written || first != NotifyDecision::Suppress);
                    if let NotifyDecision::Send(why) = first {
                        prop_assert!(why != NotifyReason::Resolved);
                        if published {
                            store.mark_notified(&incident.key, why, now);
                            notified.insert(incident.key.clone());
                        }
                    }
                    let second = store.decide(&incident, happened, now).notify;
                    let expected = if published { NotifyDecision::Suppress } else { first };
                    prop_assert_eq!(second, expected);
                }
                Step::Recovery { node, published } => {
                    let over = store.recover(&[recovered(node, now)]);
                    prop_assert!(over.iter().all(|over| notified.contains(&over.key)));
                    prop_assert_eq!(&store.recover(&[recovered(node, now)]), &over);
                    if published {
                        for over in &over {
                            store.mark_notified(&over.key, NotifyReason::Resolved, now);
                        }
                        prop_assert_eq!(store.recover(&[]), vec![]);
                    }
                }
            }
        }
    }
}
