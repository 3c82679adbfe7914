//! What this function did itself is notified, each time and once.

use super::tests::{CHANGED, DAY, OPEN, SILENT, at, confirmed, guessed, notify, recovered};
use super::*;

fn written(state: State, at: Timestamp) -> Happened {
    Happened {
        written_at: Some(at),
        ..state.into()
    }
}

#[test]
fn every_write_is_notified_once_whatever_the_state_was_before() {
    for before in [
        None,
        Some(State::Open),
        Some(State::Resolved),
        Some(State::Repaired),
        Some(State::RepairFailed),
        Some(State::Recurred),
    ] {
        let mut store = Incidents::new(DAY, 1);
        if let Some(before) = before {
            notify(&mut store, &confirmed(&[1], at(0)), before, at(0));
        }
        for (now, state) in [
            (100, State::Repaired),
            (4_000, State::Repaired),
            (8_000, State::RepairFailed),
            (12_000, State::RepairFailed),
        ] {
            let incident = confirmed(&[1], at(now));
            let happened = written(state, at(now));
            let failed = store.decide(&incident, happened, at(now)).notify;
            assert!(
                matches!(failed, NotifyDecision::Send(_)),
                "{before:?} {now}"
            );
            let first = notify(&mut store, &incident, happened, at(now + 1));
            assert_eq!(first, failed, "a message that failed is due again");
            let again = notify(&mut store, &incident, happened, at(now + 2));
            assert_eq!(again, SILENT, "{before:?} {now}");
        }
    }
}

#[test]
fn a_write_whose_message_failed_outlives_recovery_and_end() {
    let mut store = Incidents::new(DAY, 1);
    assert_eq!(
        notify(&mut store, &confirmed(&[1], at(0)), State::Open, at(0)),
        OPEN
    );
    let happened = written(State::Repaired, at(5));
    store.decide(&confirmed(&[1], at(4)), happened, at(5));
    for over in store.recover(&[recovered(1, at(10))]) {
        store.mark_notified(&over.key, NotifyReason::Resolved, at(11));
    }
    let retry = notify(&mut store, &guessed(&[1], at(4)), happened, at(12));
    assert_eq!(retry, CHANGED);
    assert_eq!(
        notify(&mut store, &guessed(&[1], at(4)), happened, at(13)),
        SILENT
    );
}

#[test]
fn what_was_not_looked_at_changes_nothing() {
    let unseen = Happened {
        observed: false,
        ..written(State::Repaired, at(0))
    };
    for state in [State::Repaired, State::Recurred, State::RepairFailed] {
        let mut store = Incidents::new(DAY, 1);
        let happened = written(state, at(0));
        notify(&mut store, &confirmed(&[1], at(0)), happened, at(0));
        let unseen = notify(&mut store, &guessed(&[1], at(0)), unseen, at(1));
        assert_eq!(unseen, SILENT, "{state:?}");
        let still = notify(&mut store, &confirmed(&[1], at(2)), happened, at(2));
        assert_eq!(still, SILENT, "{state:?}");
    }
}

#[test]
fn an_old_answer_after_the_end_opens_nothing_anew() {
    let mut store = Incidents::new(DAY, 1);
    let happened = written(State::Repaired, at(0));
    notify(&mut store, &confirmed(&[1], at(0)), happened, at(0));
    for over in store.recover(&[recovered(1, at(10))]) {
        store.mark_notified(&over.key, NotifyReason::Resolved, at(11));
    }
    let old_answer = Happened {
        observed: false,
        ..happened
    };
    let decided = notify(&mut store, &confirmed(&[1], at(9)), old_answer, at(12));
    assert_eq!(decided, SILENT);
}

#[test]
fn what_is_right_at_first_sight_is_notified_only_if_it_goes_on_or_may_be_our_doing() {
    let mut store = Incidents::new(DAY, 1);
    let right = |last| guessed(&[1], at(last));
    for now in [10, 20, 60] {
        let decided = notify(&mut store, &right(now), State::Resolved, at(now + 1));
        assert_eq!(decided, SILENT, "{now}");
    }
    // Live state was right long before this line was logged.
    assert_eq!(
        notify(&mut store, &right(90), State::Resolved, at(91)),
        OPEN
    );

    let mut store = Incidents::new(DAY, 1);
    let perhaps_ours = Happened {
        perhaps_ours: true,
        ..State::Resolved.into()
    };
    assert_eq!(notify(&mut store, &right(10), perhaps_ours, at(11)), OPEN);
    assert_eq!(notify(&mut store, &right(10), perhaps_ours, at(12)), SILENT);
}
