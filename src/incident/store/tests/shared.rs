//! Many nodes that each show the same.

use std::collections::BTreeSet;

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
    one.error_details.remote_ip = Some(std::net::IpAddr::from([10, 0, 0, proxy]));
    one
}

/// The same, and live state shows nothing wrong with the node.
fn right(number: u32, last: i64) -> Incident {
    Incident {
        fault_state: FaultState::NotObserved,
        ..behind_proxy(number, 1, last)
    }
}

/// What the handler makes of a batch with these incidents of one node each: one
/// for all of a group. The real one is gathered from the diagnosed findings.
fn unsent(
    store: &mut Incidents,
    singles: &[Incident],
    now: Timestamp,
) -> Vec<(Incident, Decision)> {
    let mut incidents: Vec<Option<Incident>> = singles.iter().cloned().map(Some).collect();
    let of: Vec<&Incident> = singles.iter().collect();
    store.register(&of, now);
    for (scope, places) in store.shared(&of, now) {
        let mut one = singles[places[0]].clone();
        one.key = format!("123456789012/eu-central-1/{}/nodes:{}", one.cause, scope.id);
        one.scope = scope;
        one.affected = places
            .iter()
            .flat_map(|place| singles[*place].affected.clone())
            .collect();
        for place in &places {
            incidents[*place] = None;
        }
        incidents[places[0]] = Some(one);
    }
    let incidents: Vec<Incident> = incidents.into_iter().flatten().collect();
    let decided = incidents.into_iter().map(|incident| {
        let state = match incident.fault_state {
            FaultState::Active => State::Open,
            FaultState::NotObserved => State::Resolved,
        };
        let decision = store.decide(&incident, state, now);
        (incident, decision)
    });
    decided.collect()
}

/// The same, and every message goes out.
fn batch(store: &mut Incidents, singles: &[Incident], now: Timestamp) -> Vec<(Incident, Decision)> {
    let decided = unsent(store, singles, now);
    for (incident, decision) in &decided {
        if let NotifyDecision::Send(why) = decision.notify {
            store.mark_notified(&incident.key, why, now);
        }
    }
    decided
}

/// The scopes of what due, why, and of how many nodes.
fn spoken(decided: &[(Incident, Decision)]) -> Vec<(ScopeKind, NotifyReason, usize)> {
    let due = decided
        .iter()
        .filter_map(|(incident, decision)| match decision.notify {
            NotifyDecision::Send(why) => Some((incident.scope.kind, why, decision.nodes.count)),
            NotifyDecision::Suppress | NotifyDecision::Wait => None,
        });
    due.collect()
}

fn handful() -> u32 {
    u32::try_from(HANDFUL).expect("small")
}

#[test]
fn more_than_a_handful_of_nodes_in_one_batch_are_one_incident() {
    for (nodes, incidents) in [(handful(), HANDFUL), (handful() + 1, 1), (40, 1)] {
        let mut store = Incidents::new(DAY, 1);
        let singles: Vec<Incident> = (1..=nodes).map(|n| behind_proxy(n, 1, 0)).collect();
        let decided = batch(&mut store, &singles, at(1));
        assert_eq!(decided.len(), incidents, "{nodes} nodes");
        let named: usize = decided
            .iter()
            .map(|(_, decision)| decision.nodes.count)
            .sum();
        assert_eq!(named, nodes as usize);
        assert!(decided.iter().all(|(_, decision)| decision.notify == OPEN));
    }
}

#[test]
fn nodes_that_come_one_by_one_grow_one_list() {
    let mut store = Incidents::new(DAY, 1);
    let mut spoken = Vec::new();
    for number in 1..=40 {
        let now = at(10 * i64::from(number));
        for (incident, decision) in batch(&mut store, &[behind_proxy(number, 1, 0)], now) {
            if let NotifyDecision::Send(why) = decision.notify {
                spoken.push((incident.scope.kind, why, decision.nodes.count));
            }
        }
    }
    use ScopeKind::{Node, Nodes};
    let expected = [
        (Node, NotifyReason::Opened, 1),
        (Node, NotifyReason::Opened, 1),
        (Node, NotifyReason::Opened, 1),
        (Node, NotifyReason::Opened, 1),
        (Node, NotifyReason::Opened, 1),
        (Nodes, NotifyReason::Opened, 6),
        // Critical from here on.
        (Nodes, NotifyReason::Grew, 10),
        (Nodes, NotifyReason::Grew, 20),
        (Nodes, NotifyReason::Grew, 40),
    ];
    assert_eq!(spoken, expected);
}

#[test]
fn what_differs_or_comes_far_apart_is_notified_by_itself() {
    let mut store = Incidents::new(DAY, 1);
    let proxies: Vec<Incident> = (1..=20).map(|n| behind_proxy(n, n as u8, 0)).collect();
    assert_eq!(batch(&mut store, &proxies, at(1)).len(), 20);

    let mut store = Incidents::new(DAY, 1);
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
            .all(|(_, decision)| decision.notify == SILENT)
    );
}

#[test]
fn a_node_stays_in_the_list_and_later_ones_start_anew() {
    let mut store = Incidents::new(DAY, 1);
    let all: Vec<Incident> = (1..=8).map(|n| behind_proxy(n, 1, 0)).collect();
    let key = batch(&mut store, &all, at(1))[0].0.key.clone();
    let much_later = 3_600;
    let again = batch(
        &mut store,
        &[behind_proxy(3, 1, much_later)],
        at(much_later),
    );
    assert_eq!((&again[0].0.key, again[0].1.notify), (&key, SILENT));
    let new = batch(
        &mut store,
        &[behind_proxy(9, 1, much_later)],
        at(much_later),
    );
    assert_eq!(
        (new[0].0.scope.kind, new[0].1.notify),
        (ScopeKind::Node, OPEN)
    );
}

#[test]
fn nodes_recover_one_by_one_and_the_list_is_over_with_the_last() {
    let mut store = Incidents::new(DAY, 1);
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
            store.mark_notified(&ended.key, NotifyReason::Resolved, at(21));
            over.push((number, ended.scope.kind, ended.nodes.count));
        }
    }
    // Whoever was notified of one node hears of its end, too.
    let mut expected: Vec<(u32, ScopeKind, usize)> =
        (1..=5).map(|number| (number, ScopeKind::Node, 1)).collect();
    expected.push((8, ScopeKind::Nodes, 8));
    assert_eq!(over, expected);
}

#[test]
fn a_list_whose_message_failed_is_due_again() {
    let singles: Vec<Incident> = (1..=8).map(|n| behind_proxy(n, 1, 0)).collect();
    let of: Vec<&Incident> = singles.iter().collect();
    let mut store = Incidents::new(DAY, 1);
    let first = store.shared(&of, at(1));
    for single in &singles {
        store.decide(single, State::Open, at(1));
    }
    assert_eq!(store.shared(&of, at(60)), first);
    assert_eq!(batch(&mut store, &singles, at(61))[0].1.notify, OPEN);
}

#[test]
fn many_nodes_that_are_right_are_one_message_once_their_logs_go_on() {
    let all = |last| -> Vec<Incident> { (1..=40).map(|n| right(n, last)).collect() };
    let mut store = Incidents::new(DAY, 1);
    // Late lines of what is right now wake nobody …
    assert_eq!(spoken(&batch(&mut store, &all(0), at(100))), []);
    assert_eq!(spoken(&batch(&mut store, &all(130), at(131))), []);
    // … and lines of long after the first look are one message.
    let decided = batch(&mut store, &all(200), at(201));
    let list = (ScopeKind::Nodes, NotifyReason::Opened, 40);
    assert_eq!(spoken(&decided), [list]);
    assert_eq!(decided[0].1.nodes.listed.len(), 40);
    assert_eq!(spoken(&batch(&mut store, &all(300), at(301))), []);
}

#[test]
fn what_was_seen_right_far_apart_and_shows_again_together_is_one_message() {
    let mut store = Incidents::new(DAY, 1);
    for number in 1..=40 {
        let now = 3_600 * i64::from(number);
        assert_eq!(
            spoken(&batch(&mut store, &[right(number, now)], at(now))),
            []
        );
    }
    let now = 3_600 * 50;
    let all: Vec<Incident> = (1..=40).map(|n| right(n, now)).collect();
    let list = (ScopeKind::Nodes, NotifyReason::Opened, 40);
    assert_eq!(spoken(&batch(&mut store, &all, at(now))), [list]);
}

#[test]
fn each_of_many_nodes_has_its_own_moment_at_which_it_was_seen_right() {
    // Nodes that boot one after another: each is right as it is first looked at.
    let mut store = Incidents::new(DAY, 1);
    for number in 1..=40 {
        let now = 20 * i64::from(number);
        assert_eq!(
            spoken(&batch(&mut store, &[right(number, now)], at(now))),
            []
        );
    }
    // One that goes on is notified with the list it is in.
    let decided = batch(&mut store, &[right(7, 900)], at(901));
    assert_eq!(
        spoken(&decided),
        [(ScopeKind::Nodes, NotifyReason::Opened, 40)]
    );
    // Further ones that go on make it grow; late lines of further ones do not.
    let late: Vec<Incident> = (41..=60).map(|n| right(n, 905)).collect();
    assert_eq!(spoken(&batch(&mut store, &late, at(906))), []);
    let more: Vec<Incident> = (8..=12).map(|n| right(n, 950)).collect();
    let grew = spoken(&batch(&mut store, &more, at(951)));
    assert_eq!(grew, [(ScopeKind::Nodes, NotifyReason::Grew, 60)]);
}

#[test]
fn one_node_that_is_right_says_nothing_of_the_others() {
    let mut store = Incidents::new(DAY, 1);
    let all: Vec<Incident> = (1..=40).map(|n| behind_proxy(n, 1, 0)).collect();
    let list = batch(&mut store, &all, at(1))[0].0.clone();
    for (fault_state, last) in [(FaultState::NotObserved, 20), (FaultState::Active, 20)] {
        let mut found = finding(3, at(last), list.error_details.clone());
        (found.cause, found.fault_state) = (list.cause, fault_state);
        found.candidates = vec![list.cause];
        found.scope = behind_proxy(3, 1, 0).scope;
        let own = found.scope.clone();
        store.attach_to_open(&mut found);
        let expected = match fault_state {
            FaultState::Active => &list.scope,
            FaultState::NotObserved => &own,
        };
        assert_eq!(&found.scope, expected, "{fault_state:?}");
    }
    assert_eq!(spoken(&batch(&mut store, &[right(3, 20)], at(30))), []);
    assert_eq!(spoken(&batch(&mut store, &all, at(40))), []);
}

#[test]
fn what_was_notified_by_itself_ends_by_itself() {
    let mut store = Incidents::new(DAY, 1);
    let open: Vec<Incident> = (1..=5).map(|n| behind_proxy(n, 1, 0)).collect();
    assert_eq!(spoken(&batch(&mut store, &open, at(1))).len(), 5);
    let all: Vec<Incident> = (1..=20).map(|n| right(n, 2)).collect();
    let ended = [(ScopeKind::Node, NotifyReason::StateChanged, 1); 5];
    assert_eq!(spoken(&batch(&mut store, &all, at(60))), ended);
}

#[test]
fn what_may_be_our_doing_keeps_its_own_message_until_it_is_out() {
    let perhaps_ours = Happened {
        perhaps_ours: true,
        ..State::Resolved.into()
    };
    let mut store = Incidents::new(DAY, 1);
    assert_eq!(store.decide(&right(1, 0), perhaps_ours, at(1)).notify, OPEN);
    let all: Vec<Incident> = (1..=40).map(|n| right(n, 0)).collect();
    let of: Vec<&Incident> = all.iter().collect();
    let shared = store.shared(&of, at(2));
    assert_eq!(shared[0].1, (1..40).collect::<Vec<usize>>());
}

#[test]
fn what_was_written_is_in_no_list_of_what_is_open() {
    for state in [State::Repaired, State::RepairFailed, State::Recurred] {
        let mut store = Incidents::new(DAY, 1);
        for number in 1..=3 {
            let written = Happened {
                written_at: Some(at(1)),
                ..state.into()
            };
            let one = behind_proxy(number, 1, 0);
            assert_eq!(notify(&mut store, &one, written, at(1)), OPEN);
        }
        let few: Vec<Incident> = (4..=8).map(|n| behind_proxy(n, 1, 0)).collect();
        assert_eq!(store.shared(&few.iter().collect::<Vec<_>>(), at(1)), []);
        let many: Vec<Incident> = (4..=12).map(|n| behind_proxy(n, 1, 0)).collect();
        let decided = batch(&mut store, &many, at(1));
        assert_eq!(
            spoken(&decided),
            [(ScopeKind::Nodes, NotifyReason::Opened, 9)]
        );
    }
}

#[test]
fn sixty_batches_are_a_handful_of_messages_and_the_growth() {
    for in_batch in [1, 60] {
        let mut store = Incidents::new(DAY, 1);
        let mut messages = Vec::new();
        for number in 1..=60 {
            let nodes = if in_batch == 1 {
                number..=number
            } else {
                1..=60
            };
            let now = i64::from(number) * 10;
            let all: Vec<Incident> = nodes.map(|n| behind_proxy(n, 1, now)).collect();
            messages.extend(spoken(&batch(&mut store, &all, at(now))));
        }
        // By themselves, then at 6, 10, 20 and 40 nodes; or all at once.
        let expected = if in_batch == 1 { HANDFUL + 4 } else { 1 };
        assert_eq!(messages.len(), expected, "{messages:?}");
    }
}

#[derive(Debug, Clone)]
enum Move {
    Shown {
        nodes: BTreeSet<u32>,
        right: bool,
        sent: bool,
    },
    Recovered(u32),
    Again,
}

fn moves() -> impl Strategy<Value = Vec<(Move, i64)>> {
    let nodes = prop::collection::btree_set(1..30u32, 1..12);
    let shown = (nodes, prop::bool::weighted(0.2), any::<bool>())
        .prop_map(|(nodes, right, sent)| Move::Shown { nodes, right, sent });
    let one = prop_oneof![
        4 => shown,
        2 => (1..30u32).prop_map(Move::Recovered),
        1 => Just(Move::Again),
    ];
    prop::collection::vec((one, 1..400i64), 1..40)
}

/// A run with failing messages, and which nodes messages have named so far.
struct Run {
    store: Incidents,
    named: BTreeSet<String>,
    /// Nodes that show the fault and have been in no message.
    unnamed: BTreeSet<u32>,
    /// What is delivered again, since its messages failed.
    failed: Vec<BTreeSet<u32>>,
}

impl Run {
    fn shown(&mut self, nodes: &BTreeSet<u32>, right_now: bool, sent: bool, now: i64) -> usize {
        let of = |n: &u32| match right_now {
            true => right(*n, now),
            false => behind_proxy(*n, 1, now),
        };
        let singles: Vec<Incident> = nodes.iter().map(of).collect();
        let decided = unsent(&mut self.store, &singles, at(now));
        let due = spoken(&decided).len();
        for (incident, decision) in decided {
            if let (NotifyDecision::Send(why), true) = (decision.notify, sent) {
                self.store.mark_notified(&incident.key, why, at(now));
                self.name(&decision.nodes);
            }
        }
        due
    }

    fn name(&mut self, nodes: &NodeList) {
        self.named
            .extend(nodes.listed.iter().map(|node| node.id.clone()));
        let named = &self.named;
        self.unnamed
            .retain(|n| !named.contains(node(*n).id.as_str()));
    }

    /// Whether it is in an incident that somebody was notified of.
    fn is_kept(&self, number: u32) -> bool {
        let key = entry::key(&node(number));
        let mut notified = (self.store.entries()).filter(|(_, entry)| entry.is_notified());
        notified.any(|(of, _)| self.store.member(of, &key).is_some_and(Member::is_open))
    }

    fn recover(&mut self, number: u32, now: i64) {
        // What nobody was notified of ends silently.
        if !self.is_kept(number) {
            self.unnamed.remove(&number);
        }
        for batch in &mut self.failed {
            batch.remove(&number);
        }
        let healed = Recovered {
            cause: Cause::ProxyFailure,
            ..recovered(number, at(now))
        };
        for over in self.store.recover(&[healed]) {
            self.store
                .mark_notified(&over.key, NotifyReason::Resolved, at(now));
            self.name(&over.nodes);
        }
    }
}

proptest! {
    /// In whatever order nodes show the same, recover and are seen right, and
    /// whichever messages fail: who shows it is in a message before it is over,
    /// and a batch that was notified is silent when it comes again.
    #[test]
    fn no_node_of_many_is_lost(moves in moves()) {
        let mut run = Run {
            store: Incidents::new(DAY, 1),
            named: BTreeSet::new(),
            unnamed: BTreeSet::new(),
            failed: Vec::new(),
        };
        let mut now = 0;
        for (step, later) in moves {
            now += later;
            match step {
                Move::Shown { nodes, right, sent } => {
                    for number in &nodes {
                        let named = run.named.contains(node(*number).id.as_str());
                        match right {
                            // Nothing is wrong with it any more.
                            true => { run.unnamed.remove(number); }
                            false if named => {}
                            false => { run.unnamed.insert(*number); }
                        }
                    }
                    run.shown(&nodes, right, sent, now);
                    if sent {
                        prop_assert_eq!(run.shown(&nodes, right, true, now), 0);
                    } else if !right {
                        run.failed.push(nodes);
                    }
                }
                Move::Recovered(number) => run.recover(number, now),
                Move::Again => {
                    for batch in std::mem::take(&mut run.failed) {
                        run.shown(&batch, false, true, now);
                    }
                }
            }
        }
        for batch in std::mem::take(&mut run.failed) {
            run.shown(&batch, false, true, now + 1);
        }
        for number in 1..30 {
            run.recover(number, now + 2);
        }
        prop_assert!(run.unnamed.is_empty(), "{:?}", run.unnamed);
    }
}

/// The incident of one silent instance.
fn silent(number: u32, subnet: &str, image: &str) -> Incident {
    let mut one = behind_proxy(number, 1, 0);
    one.cause = Cause::NodeSilent;
    one.key = one.key.replace("proxy-failure", "node-silent");
    let mut instance = crate::incident::sample::incident(Cause::NodeSilent)
        .instances
        .remove(0);
    instance.subnet = Some(subnet.to_owned());
    instance.launch.image = Some(image.to_owned());
    one.instances = vec![instance];
    one
}

/// The subnet or image, or the node, of what is due, and of how many nodes.
fn due(store: &mut Incidents, singles: &[Incident], now: Timestamp) -> Vec<(String, usize)> {
    let decided = batch(store, singles, now);
    let due = decided
        .iter()
        .filter(|(_, decision)| matches!(decision.notify, NotifyDecision::Send(_)));
    let of = |(incident, decision): &(Incident, Decision)| {
        let (_, subject) = incident.scope.id.rsplit_once('/').unwrap_or(("", "node"));
        (subject.to_owned(), decision.nodes.count)
    };
    due.map(of).collect()
}

#[test]
fn silent_nodes_are_one_incident_of_their_subnet_or_of_their_image() {
    let subnet = |number: u32| format!("subnet-{}", number % 4);
    let image = |number: u32| format!("ami-{}", number % 4);
    let of_image: Vec<Incident> = (1..=8).map(|n| silent(n, &subnet(n), "ami-1")).collect();
    let mut store = Incidents::new(DAY, 1);
    let one = |subject: &str, nodes| vec![(subject.to_owned(), nodes)];
    assert_eq!(due(&mut store, &of_image, at(1)), one("ami-1", 8));
    // Those stand with their image; a further node of one of the subnets is by itself.
    let further = [silent(9, "subnet-1", "ami-9")];
    assert_eq!(due(&mut store, &further, at(2)), one("node", 1));

    let of_subnet: Vec<Incident> = (1..=8).map(|n| silent(n, "subnet-1", &image(n))).collect();
    let mut store = Incidents::new(DAY, 1);
    assert_eq!(due(&mut store, &of_subnet, at(1)), one("subnet-1", 8));
    let of_both: Vec<Incident> = (1..=8).map(|n| silent(n, "subnet-1", "ami-1")).collect();
    let mut store = Incidents::new(DAY, 1);
    assert_eq!(due(&mut store, &of_both, at(1)), one("subnet-1", 8));
    let of_none: Vec<Incident> = (1..=8).map(|n| silent(n, &subnet(n), &image(n))).collect();
    let mut store = Incidents::new(DAY, 1);
    assert_eq!(due(&mut store, &of_none, at(1)).len(), 8);
}
