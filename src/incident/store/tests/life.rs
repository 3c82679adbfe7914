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

#[test]
fn a_guess_that_was_notified_ends_when_a_check_confirms_the_cause() {
    let mut incidents = Incidents::new(DAY, 1);
    let guess = incident("guess", &[1, 2], at(0), Confidence::Undetermined);
    let decision = incidents.decide(&guess, State::Open, at(0));
    assert_eq!(decision.notify, NotifyDecision::Send(NotifyReason::Opened));
    incidents.mark_notified(&guess.key, NotifyReason::Opened, at(0));
    let one = confirmed(&[1], at(60));
    incidents.decide(&one, State::Open, at(60));
    incidents.mark_notified(&one.key, NotifyReason::Opened, at(60));
    assert_eq!(incidents.recover(&[]), [], "it still has a node");
    let both = confirmed(&[1, 2], at(120));
    incidents.decide(&both, State::Open, at(120));
    let over = incidents.recover(&[]);
    let ends: Vec<(&str, Option<&str>)> = over
        .iter()
        .map(|over| (over.key.as_str(), over.explained_by.as_deref()))
        .collect();
    assert_eq!(ends, [(guess.key.as_str(), Some(both.title.as_str()))]);
    incidents.mark_notified(&guess.key, NotifyReason::Resolved, at(120));
    // The same line once more, when the check fails.
    let again = incidents.decide(&guess, State::Open, at(180));
    assert_eq!(again.notify, NotifyDecision::Suppress);
    assert_eq!(incidents.recover(&[]), []);
}
