//! What is counted over all of an incident's life.

use super::*;

#[test]
fn many_nodes_make_it_critical_over_its_life() {
    let mut store = Incidents::new(DAY, 1);
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
    let mut store = Incidents::new(DAY, 1);
    let decision = store.decide(&confirmed(&nodes, at(0)), State::Open, at(0));
    assert_eq!(decision.nodes.listed.len(), 100);
    assert_eq!(decision.nodes.count, 250);
}
