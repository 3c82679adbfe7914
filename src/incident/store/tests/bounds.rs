//! What is forgotten first, and what is counted over all of an incident's life.

use super::*;

/// One try of an event with the incidents 0 to `all`, of which no more than
/// `room` messages get out: what was sent, in the order of the incidents.
fn try_event(store: &mut Store, all: u32, room: usize, now: Timestamp) -> Vec<u32> {
    let named = |number: &u32| {
        incident(
            &format!("role{number}"),
            &[*number],
            at(0),
            Confidence::Likely,
        )
    };
    let due: Vec<u32> = (0..all)
        .filter(|number| store.decide(&named(number), State::Open, now).notify == OPEN)
        .collect();
    let sent: Vec<u32> = due.into_iter().take(room).collect();
    for number in &sent {
        store.mark_notified(&named(number).key, NotifyReason::Opened, now);
    }
    store.trim();
    sent
}

#[test]
fn more_incidents_than_are_remembered_are_all_sent_once_over_several_tries() {
    for (remembered, all, room) in [(10, 35, 4), (10, 10, 3), (3, 40, 40), (1, 5, 1)] {
        let mut store = bounded(remembered, 1_000);
        let mut sent = Vec::new();
        for number in 0.. {
            let now_sent = try_event(&mut store, all, room, at(60 * number));
            if now_sent.is_empty() {
                break;
            }
            assert!(store.incidents.len() <= remembered);
            sent.extend(now_sent);
        }
        let expected: Vec<u32> = (0..all).collect();
        sent.sort_unstable();
        assert_eq!(
            sent, expected,
            "{remembered} remembered of {all}, {room} a try"
        );
    }
}

#[test]
fn a_forgotten_incident_opens_anew_by_newer_evidence() {
    let mut store = bounded(1, 100);
    let named = |name: &str, last| incident(name, &[1], at(last), Confidence::Likely);
    notify(&mut store, &named("a", 0), State::Open, at(1));
    notify(&mut store, &named("b", 0), State::Open, at(2));
    store.trim();
    assert_eq!(
        notify(&mut store, &named("a", 0), State::Open, at(3)),
        SILENT
    );
    store.trim();
    assert_eq!(notify(&mut store, &named("b", 1), State::Open, at(4)), OPEN);
}

#[test]
fn what_was_sent_is_kept_before_what_was_not() {
    let mut store = bounded(2, 100);
    let named = |name: &str| incident(name, &[1], at(0), Confidence::Likely);
    store.decide(&named("repaired"), State::Repaired, at(1));
    notify(&mut store, &named("sent"), State::Open, at(2));
    for (now, name) in [(3, "c"), (4, "d")] {
        store.decide(&named(name), State::Open, at(now));
    }
    store.trim();
    let left: Vec<&str> = (store.incidents.values())
        .map(|entry| entry.scope.id.as_str())
        .collect();
    assert_eq!(left, ["repaired", "sent"]);
}

#[test]
fn the_store_is_bounded_in_bytes() {
    let mut store = Store::with_limits(
        DAY,
        Limits {
            incidents: 1_000,
            nodes: 1_000,
            bytes: 64 * 1024,
        },
    );
    for number in 0..100 {
        let mut long = incident(
            &format!("role{number}"),
            &[number],
            at(0),
            Confidence::Likely,
        );
        long.title = "x".repeat(4_000);
        notify(&mut store, &long, State::Open, at(i64::from(number)));
        store.trim();
        let bytes: usize = store.incidents.values().map(Entry::bytes).sum();
        assert!(bytes <= 64 * 1024, "{bytes}");
    }
    assert!((5..20).contains(&store.incidents.len()));
}

#[test]
fn many_nodes_make_it_critical_over_its_life() {
    let mut store = Store::new(DAY);
    for number in 1..=12 {
        let now = i64::from(number);
        let decision = store.decide(&guessed(&[number], at(now)), State::Open, at(now));
        let expected = match number {
            ..10 => Severity::High,
            10.. => Severity::Critical,
        };
        assert_eq!(decision.severity, expected, "{number} nodes");
        if let NotifyDecision::Send(why) = decision.notify {
            store.mark_notified(&guessed(&[number], at(now)).key, why, at(now));
        }
    }
    // What was over before says nothing about what comes back.
    let all: Vec<Recovered> = (1..=12).map(|n| recovered(n, at(20))).collect();
    let over = store.recover(&all);
    store.mark_notified(&over[0].key, NotifyReason::Resolved, at(21));
    let again = store.decide(&guessed(&[1], at(30)), State::Open, at(30));
    assert_eq!((again.notify, again.severity), (OPEN, Severity::High));
}

#[test]
fn becoming_critical_notifies() {
    let nodes = |count| (1..=count).collect::<Vec<u32>>();
    let mut store = store_notified(&confirmed(&nodes(7), at(0)), State::Open, at(0));
    for (count, expected) in [
        (9, SILENT),
        (10, NotifyDecision::Send(NotifyReason::Grew)),
        (11, SILENT),
    ] {
        let decided = notify(
            &mut store,
            &confirmed(&nodes(count), at(1)),
            State::Open,
            at(1),
        );
        assert_eq!(decided, expected, "{count} nodes");
    }
}

#[test]
fn a_hundred_nodes_are_listed_and_all_are_counted() {
    let nodes: Vec<u32> = (1..=250).collect();
    let mut store = Store::new(DAY);
    let decision = store.decide(&confirmed(&nodes, at(0)), State::Open, at(0));
    assert_eq!(decision.nodes.listed.len(), 100);
    assert_eq!(decision.nodes.count, 250);
}
