//! Two invocations over one state, each with what it has read.

use std::cell::Cell;

use super::*;
use crate::incident::store::agree::Times;
use crate::state::tests::block_on;
use crate::state::{Consistency, Item, Key, Kind, Memory, SaveError, StateError, Store, Write};

/// An invocation that has read what it needs for `incident`.
fn reads(me: u64, state: &Memory, incident: &Incident) -> Incidents {
    let mut incidents = Incidents::new(DAY, me);
    block_on(incidents.load_incidents(state, &[incident], at(0))).expect("it can be read");
    incidents
}

fn times(now: i64) -> Times<impl Fn() -> Timestamp> {
    Times {
        clock: move || at(now),
        ends_at: at(60),
        patience: at(0),
    }
}

/// Decides on `incident` as the state stands now, and claims the message.
fn decides(incidents: &mut Incidents, state: &Memory, incident: &Incident, now: i64) -> Decision {
    let all = [(incident, Happened::from(State::Open))];
    let times = times(now);
    let decided = incidents.decide_all(&all, |_, _| true, state, &times);
    block_on(decided).expect("it can be written").remove(0)
}

fn marks(incidents: &mut Incidents, state: &Memory, incident: &Incident, why: NotifyReason) {
    let sent = [Delivery {
        key: incident.key.clone(),
        why,
        reached: vec![Channel::Topic],
        is_complete: true,
        ops_item: Some("oi-1".to_owned()),
    }];
    let marked = incidents.settle_claims(&sent, state, at(2));
    block_on(marked).expect("it can be written");
}

#[test]
fn of_two_that_have_read_the_same_one_notifies_and_both_nodes_count() {
    let state = Memory::default();
    let (one, two) = (confirmed(&[1], at(0)), confirmed(&[2], at(0)));
    let (mut first, mut second) = (reads(1, &state, &one), reads(2, &state, &two));
    let decision = decides(&mut first, &state, &one, 1);
    assert_eq!((decision.notify, decision.nodes.count), (OPEN, 1));
    // It does not know whether the first one will get to say it.
    let decision = decides(&mut second, &state, &two, 1);
    assert_eq!(decision.notify, NotifyDecision::Wait);
    marks(&mut first, &state, &one, NotifyReason::Opened);
    let mut again = reads(3, &state, &two);
    let decision = decides(&mut again, &state, &two, 3);
    assert_eq!((decision.notify, decision.nodes.count), (SILENT, 2));
}

#[test]
fn the_claim_of_one_that_ended_runs_out() {
    let state = Memory::default();
    let one = confirmed(&[1], at(0));
    assert_eq!(
        decides(&mut reads(1, &state, &one), &state, &one, 1).notify,
        OPEN
    );
    let mut retry = reads(2, &state, &one);
    assert_eq!(
        decides(&mut retry, &state, &one, 59).notify,
        NotifyDecision::Wait
    );
    assert_eq!(decides(&mut retry, &state, &one, 60).notify, OPEN);
    assert_eq!(
        decides(&mut retry, &state, &one, 61).notify,
        OPEN,
        "its own claim"
    );
}

#[test]
fn a_message_that_failed_leaves_its_claim() {
    let state = Memory::default();
    let one = confirmed(&[1], at(0));
    let mut first = reads(1, &state, &one);
    decides(&mut first, &state, &one, 1);
    fails(&mut first, &state, &one, NotifyReason::Opened, &[]);
    assert_eq!(
        decides(&mut reads(2, &state, &one), &state, &one, 3).notify,
        OPEN
    );
}

/// Its message could not be sent, but to these channels.
fn fails(
    incidents: &mut Incidents,
    state: &Memory,
    one: &Incident,
    why: NotifyReason,
    reached: &[Channel],
) {
    let failed = [Delivery {
        key: one.key.clone(),
        why,
        reached: reached.to_vec(),
        is_complete: false,
        ops_item: None,
    }];
    block_on(incidents.settle_claims(&failed, state, at(2))).expect("written");
}

#[test]
fn a_channel_that_has_the_message_is_left_out_when_the_others_are_tried_again() {
    let state = Memory::default();
    let one = confirmed(&[1], at(0));
    let mut first = reads(1, &state, &one);
    assert_eq!(decides(&mut first, &state, &one, 1).notify, OPEN);
    fails(
        &mut first,
        &state,
        &one,
        NotifyReason::Opened,
        &[Channel::Topic],
    );

    let mut retry = reads(2, &state, &one);
    assert_eq!(decides(&mut retry, &state, &one, 3).notify, OPEN);
    let had = |incidents: &Incidents, why, now| incidents.earlier(&one.key, why, now).reached;
    assert_eq!(had(&retry, NotifyReason::Opened, at(3)), [Channel::Topic]);
    assert_eq!(
        had(&retry, NotifyReason::StateChanged, at(3)),
        [],
        "it is news to all"
    );
    let reminder = at(2) + DAY;
    assert_eq!(
        had(&retry, NotifyReason::Opened, reminder),
        [],
        "it was long ago"
    );
    marks(&mut retry, &state, &one, NotifyReason::Opened);

    let mut later = reads(3, &state, &one);
    assert_eq!(
        decides(&mut later, &state, &one, 4).notify,
        NotifyDecision::Suppress
    );
    assert_eq!(had(&later, NotifyReason::Opened, at(4)), []);
}

#[test]
fn growth_counts_from_what_the_first_channel_knows() {
    let state = Memory::default();
    let (few, many) = (
        confirmed(&[1], at(0)),
        confirmed(&[1, 2, 3, 4, 5, 6], at(1)),
    );
    let mut first = reads(1, &state, &few);
    decides(&mut first, &state, &few, 1);
    fails(
        &mut first,
        &state,
        &few,
        NotifyReason::Opened,
        &[Channel::Topic],
    );
    let mut retry = reads(2, &state, &many);
    assert_eq!(decides(&mut retry, &state, &many, 3).notify, OPEN);
    marks(&mut retry, &state, &many, NotifyReason::Opened);
    let mut later = reads(3, &state, &many);
    let grew = NotifyDecision::Send(NotifyReason::Grew);
    assert_eq!(decides(&mut later, &state, &many, 4).notify, grew);
}

#[test]
fn what_one_channel_alone_knows_comes_to_an_end_in_all() {
    let state = Memory::default();
    let one = confirmed(&[1], at(0));
    let mut first = reads(1, &state, &one);
    decides(&mut first, &state, &one, 1);
    fails(
        &mut first,
        &state,
        &one,
        NotifyReason::Opened,
        &[Channel::Topic],
    );
    let healed = [recovered(1, at(9))];
    let mut later = reads(2, &state, &one);
    let over = |incidents: &mut Incidents| {
        let over = block_on(incidents.recover_all(&healed, &state, &times(10)));
        over.expect("written").0.len()
    };
    assert_eq!(over(&mut later), 1);
    fails(
        &mut later,
        &state,
        &one,
        NotifyReason::Resolved,
        &[Channel::EventBus],
    );
    let mut retry = reads(3, &state, &one);
    assert_eq!(over(&mut retry), 1);
    let had = retry
        .earlier(&one.key, NotifyReason::Resolved, at(11))
        .reached;
    assert_eq!(had, [Channel::EventBus]);
    marks(&mut retry, &state, &one, NotifyReason::Resolved);
    assert_eq!(over(&mut reads(4, &state, &one)), 0);
    // In its next life nobody knows it.
    let back = confirmed(&[1], at(20));
    let mut next = reads(5, &state, &back);
    assert_eq!(decides(&mut next, &state, &back, 21).notify, OPEN);
    let earlier = next.earlier(&back.key, NotifyReason::Opened, at(21));
    assert_eq!(earlier.reached, []);
    assert_eq!(
        earlier.ops_item.as_deref(),
        Some("oi-1"),
        "it is opened again"
    );
}

#[test]
fn a_node_is_counted_once_though_it_was_not_written_with_its_incident() {
    let state = Memory::default();
    let one = confirmed(&[1], at(0));
    let mut first = reads(1, &state, &one);
    first.decide(&one, State::Open, at(1));
    // It ends between the two writes.
    let slot = &first.incidents[&one.key];
    let key = crate::state::Key::new(crate::state::Kind::Incident, &one.key);
    let write = slot.write(&key, at(1_000)).expect("it is small");
    block_on(crate::state::Store::save(
        &state,
        write.into_iter().collect(),
    ));

    let mut retry = reads(2, &state, &one);
    let decision = decides(&mut retry, &state, &one, 2);
    assert_eq!((decision.notify, decision.nodes.count), (OPEN, 1));
    marks(&mut retry, &state, &one, NotifyReason::Opened);
    let healed = [recovered(1, at(9))];
    let mut later = reads(3, &state, &one);
    let times = times(10);
    let over = block_on(later.recover_all(&healed, &state, &times));
    let (over, waiting) = over.expect("it can be written");
    assert_eq!((over.len(), waiting.len()), (1, 0));
}

/// A state behind which the invocation ends after so many writes.
struct EndsAfter<'a> {
    state: &'a Memory,
    writes: Cell<u32>,
}

impl Store for EndsAfter<'_> {
    async fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, StateError> {
        self.state.load(keys, consistency).await
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        self.state.open(kind).await
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        let mut saved = Vec::new();
        for write in writes {
            if self.writes.get() == 0 {
                let ended = StateError::Unavailable("it ended".to_owned());
                saved.push(Err(SaveError::State(ended)));
                continue;
            }
            self.writes.set(self.writes.get() - 1);
            saved.extend(self.state.save(vec![write]).await);
        }
        saved
    }

    async fn back_off(&self, conflicts: u32) {
        self.state.back_off(conflicts).await;
    }
}

#[test]
fn a_recovery_finds_the_incident_whose_opener_ended_at_any_write() {
    let both = confirmed(&[1, 2], at(0));
    let mut found = Vec::new();
    for writes in 0.. {
        let state = Memory::default();
        let ends = EndsAfter {
            state: &state,
            writes: Cell::new(writes),
        };
        let all = [(&both, Happened::from(State::Open))];
        let (mut opener, opens) = (reads(1, &state, &both), times(1));
        let is_written = block_on(opener.decide_all(&all, |_, _| true, &ends, &opens)).is_ok();

        for number in 1..=2 {
            let mut later = Incidents::new(DAY, 2);
            block_on(later.load_nodes(&state, &[node(number)], at(70))).expect("it can be read");
            let healed = [recovered(number, at(70))];
            let over = block_on(later.recover_all(&healed, &state, &times(70)));
            assert!(over.expect("it can be written").1.is_empty());
        }
        let after = reads(3, &state, &both);
        let is_open: Vec<bool> = after.entries().map(|(_, one)| one.stands()).collect();
        assert!(!is_open.contains(&true), "open after {writes} writes");
        found.push(is_open.len());
        if is_written {
            break;
        }
    }
    // Two nodes named, the incident, two nodes with their member.
    assert_eq!(found, [0, 0, 0, 1, 1, 1]);
}

#[test]
fn the_last_of_many_that_recover_at_once_says_it_is_over() {
    let state = Memory::default();
    let both = confirmed(&[1, 2], at(0));
    let mut first = reads(1, &state, &both);
    decides(&mut first, &state, &both, 1);
    marks(&mut first, &state, &both, NotifyReason::Opened);
    // Each has read that both are open.
    let mut readers = [reads(2, &state, &both), reads(3, &state, &both)];
    let mut ends = Vec::new();
    for (number, reader) in (1..).zip(&mut readers) {
        let healed = [recovered(number, at(9))];
        let times = times(10);
        let over = block_on(reader.recover_all(&healed, &state, &times));
        ends.push(over.expect("it can be written").0.len());
    }
    assert_eq!(ends, [0, 1]);
}

#[test]
fn more_nodes_than_wait_with_their_incident_are_counted_exactly() {
    let state = Memory::default();
    for number in 1..=100 {
        let one = confirmed(&[number], at(0));
        let decision = decides(&mut reads(u64::from(number), &state, &one), &state, &one, 1);
        assert_eq!(decision.nodes.count, number as usize);
        if let NotifyDecision::Send(why) = decision.notify {
            let mut sender = reads(u64::from(number), &state, &one);
            marks(&mut sender, &state, &one, why);
        }
    }
    let entry = reads(200, &state, &confirmed(&[1], at(0)));
    let entry = entry.entries().next().expect("it is there").1;
    assert!(entry.pending.len() <= 40, "{}", entry.pending.len());
}
