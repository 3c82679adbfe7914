//! Many nodes that each show the same.

use super::*;
use crate::incident::shared::{HANDFUL, WITHIN};

/// The incident of one node whose proxy fails.
fn behind_proxy(number: u32, proxy: u8, last: i64) -> Incident {
    let id = node(number).id.as_str().to_owned();
    let mut one = incident("", &[number], at(last), Confidence::Likely);
    one.cause = Cause::ProxyFailure;
    one.scope = Scope {
        kind: ScopeKind::Node,
        id: id.clone(),
    };
    one.key = format!("123456789012/eu-central-1/proxy-failure/node:{id}");
    one.clues.dialled = Some(std::net::IpAddr::from([10, 0, 0, proxy]));
    one
}

/// What the handler makes of a batch with these incidents of one node each: one
/// for all of a group. The real one is gathered from the diagnosed findings.
fn batch(store: &mut Store, singles: &[Incident], now: Timestamp) -> Vec<(Incident, Decision)> {
    let mut incidents: Vec<Option<Incident>> = singles.iter().cloned().map(Some).collect();
    let of: Vec<&Incident> = singles.iter().collect();
    for (scope, places) in store.shared(&of, now) {
        let mut one = singles[places[0]].clone();
        one.key = format!("123456789012/eu-central-1/proxy-failure/nodes:{}", scope.id);
        one.scope = scope;
        one.hits = places
            .iter()
            .flat_map(|place| singles[*place].hits.clone())
            .collect();
        for place in &places {
            incidents[*place] = None;
        }
        incidents[places[0]] = Some(one);
    }
    let incidents: Vec<Incident> = incidents.into_iter().flatten().collect();
    let decided = incidents.into_iter().map(|incident| {
        let decision = store.decide(&incident, State::Open, now);
        if let Telling::Speak(why) = decision.telling {
            store.mark_told(&incident.key, why, now);
        }
        (incident, decision)
    });
    decided.collect()
}

fn handful() -> u32 {
    u32::try_from(HANDFUL).expect("small")
}

#[test]
fn more_than_a_handful_of_nodes_in_one_batch_are_one_incident() {
    for (nodes, incidents) in [(handful(), HANDFUL), (handful() + 1, 1), (40, 1)] {
        let mut store = Store::new(DAY);
        let singles: Vec<Incident> = (1..=nodes).map(|n| behind_proxy(n, 1, 0)).collect();
        let decided = batch(&mut store, &singles, at(1));
        assert_eq!(decided.len(), incidents, "{nodes} nodes");
        let named: usize = decided
            .iter()
            .map(|(_, decision)| decision.nodes.count)
            .sum();
        assert_eq!(named, nodes as usize);
        assert!(decided.iter().all(|(_, decision)| decision.telling == OPEN));
    }
}

#[test]
fn nodes_that_come_one_by_one_grow_one_list() {
    let mut store = Store::new(DAY);
    let mut spoken = Vec::new();
    for number in 1..=40 {
        let now = at(10 * i64::from(number));
        for (incident, decision) in batch(&mut store, &[behind_proxy(number, 1, 0)], now) {
            if let Telling::Speak(why) = decision.telling {
                spoken.push((incident.scope.kind, why, decision.nodes.count));
            }
        }
    }
    use ScopeKind::{Node, Nodes};
    let expected = [
        (Node, Why::Opened, 1),
        (Node, Why::Opened, 1),
        (Node, Why::Opened, 1),
        (Node, Why::Opened, 1),
        (Node, Why::Opened, 1),
        (Nodes, Why::Opened, 6),
        // Critical from here on.
        (Nodes, Why::Grew, 10),
        (Nodes, Why::Grew, 20),
        (Nodes, Why::Grew, 40),
    ];
    assert_eq!(spoken, expected);
}

#[test]
fn what_differs_or_comes_far_apart_is_notified_by_itself() {
    let mut store = Store::new(DAY);
    let proxies: Vec<Incident> = (1..=20).map(|n| behind_proxy(n, n as u8, 0)).collect();
    assert_eq!(batch(&mut store, &proxies, at(1)).len(), 20);

    let mut store = Store::new(DAY);
    let apart = i64::try_from(WITHIN.as_secs()).expect("small") / 4;
    for number in 1..=20 {
        let now = at(apart * i64::from(number));
        let decided = batch(&mut store, &[behind_proxy(number, 1, 0)], now);
        assert_eq!(decided[0].0.scope.kind, ScopeKind::Node, "node {number}");
    }
    // Nor do those make one which have been open for long and show it again.
    let again: Vec<Incident> = (1..=14).map(|n| behind_proxy(n, 1, 0)).collect();
    let decided = batch(&mut store, &again, at(apart * 21));
    assert!(
        decided
            .iter()
            .all(|(_, decision)| decision.telling == SILENT)
    );
}

#[test]
fn a_node_stays_in_the_list_and_later_ones_start_anew() {
    let mut store = Store::new(DAY);
    let all: Vec<Incident> = (1..=8).map(|n| behind_proxy(n, 1, 0)).collect();
    let key = batch(&mut store, &all, at(1))[0].0.key.clone();
    let much_later = 3_600;
    let again = batch(
        &mut store,
        &[behind_proxy(3, 1, much_later)],
        at(much_later),
    );
    assert_eq!((&again[0].0.key, again[0].1.telling), (&key, SILENT));
    let new = batch(
        &mut store,
        &[behind_proxy(9, 1, much_later)],
        at(much_later),
    );
    assert_eq!(
        (new[0].0.scope.kind, new[0].1.telling),
        (ScopeKind::Node, OPEN)
    );
}

#[test]
fn nodes_recover_one_by_one_and_the_list_is_over_with_the_last() {
    let mut store = Store::new(DAY);
    for number in 1..=8 {
        batch(
            &mut store,
            &[behind_proxy(number, 1, 0)],
            at(i64::from(number)),
        );
    }
    let healed = |number: u32| Recovered {
        cause: Cause::ProxyFailure,
        ..recovered(number, at(20))
    };
    let mut over = Vec::new();
    for number in 1..=8 {
        for ended in store.recover(&[healed(number)]) {
            store.mark_told(&ended.key, Why::Over, at(21));
            over.push((number, ended.scope.kind, ended.nodes.count));
        }
    }
    // Whoever was told of one node hears of its end, too.
    let mut expected: Vec<(u32, ScopeKind, usize)> =
        (1..=5).map(|number| (number, ScopeKind::Node, 1)).collect();
    expected.push((8, ScopeKind::Nodes, 8));
    assert_eq!(over, expected);
}

#[test]
fn a_list_whose_message_failed_is_due_again() {
    let singles: Vec<Incident> = (1..=8).map(|n| behind_proxy(n, 1, 0)).collect();
    let of: Vec<&Incident> = singles.iter().collect();
    let mut store = Store::new(DAY);
    let first = store.shared(&of, at(1));
    for single in &singles {
        store.decide(single, State::Open, at(1));
    }
    assert_eq!(store.shared(&of, at(60)), first);
    store.trim();
    assert_eq!(batch(&mut store, &singles, at(61))[0].1.telling, OPEN);
}
