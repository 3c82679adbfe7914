//! What the product promises, held against what was sent and written.
//!
//! An incident is told apart by its key. How often one may open is what an observer
//! would say who reads the same deliveries one after another and knows of each node the
//! newest line alone: a late batch of a node that nobody had heard of is news even when
//! the fault is over. A message repeats only where the invocation that sent it was cut
//! off, or its word that it had could not be written.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{DAY, Tick};
use super::run::{MAX_REPAIRS, Outcome};
use super::services::Sent;
use super::world::{Kind, number};
use crate::notify::kind::NotificationKind;
use crate::repair::memory::COOLDOWN;

const HOUR: i64 = DAY / 24;

/// What was delivered of one node's log.
struct Heard<'o> {
    ticks: Vec<&'o Tick>,
    /// Every batch arrived, one after another, each after the one before was handled.
    in_order: bool,
    /// A batch was lost.
    lossy: bool,
}

pub(super) struct Verdict<'o> {
    outcome: &'o Outcome,
    heard: BTreeMap<usize, Heard<'o>>,
    complaints: Vec<String>,
}

/// What is wrong with it; nothing when all promises were kept.
pub(super) fn complaints(outcome: &Outcome) -> Vec<String> {
    let mut verdict = Verdict {
        outcome,
        heard: BTreeMap::new(),
        complaints: Vec::new(),
    };
    verdict.hear();
    verdict.repairs();
    let mut incidents: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for sent in &outcome.sent {
        incidents.entry(&sent.key).or_default().push(sent);
    }
    for (key, messages) in &incidents {
        verdict.incident(key, messages);
    }
    verdict.none_missed(&incidents);
    verdict.complaints
}

impl<'o> Verdict<'o> {
    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    fn hear(&mut self) {
        let outcome = self.outcome;
        let mut ticks: BTreeMap<usize, Vec<&Tick>> = BTreeMap::new();
        for tick in &outcome.ticks {
            ticks.entry(tick.node).or_default().push(tick);
        }
        for (node, ticks) in ticks {
            let batches = ticks.iter().flat_map(|tick| &tick.batches);
            let batches: Vec<_> = batches.map(|place| &outcome.batches[*place]).collect();
            let lossy = batches.iter().any(|batch| batch.lost);
            let in_order = !lossy
                && batches
                    .windows(2)
                    .all(|pair| pair[0].done[0] <= pair[1].begun[0]);
            self.heard.insert(
                node,
                Heard {
                    ticks,
                    in_order,
                    lossy,
                },
            );
        }
    }

    /// When all of a tick had been delivered, by when its batches were begun or done.
    fn delivered(&self, tick: &Tick, done: bool) -> Option<i64> {
        let batches = tick.batches.iter().map(|place| {
            let batch = &self.outcome.batches[*place];
            let moments = if done { &batch.done } else { &batch.begun };
            moments.first().copied()
        });
        batches.max_by_key(|at| at.unwrap_or(i64::MAX)).flatten()
    }

    /// What had arrived of the log of `node` by `until`, the last of it.
    fn log(&self, node: usize, until: i64) -> String {
        let batches = self
            .outcome
            .batches
            .iter()
            .filter(|batch| batch.node == node);
        let mut arrived: Vec<_> = batches
            .flat_map(|batch| batch.begun.iter().map(move |begun| (*begun, batch)))
            .filter(|(begun, _)| *begun <= until)
            .collect();
        arrived.sort_by_key(|(begun, _)| *begun);
        let last = arrived.len().saturating_sub(5);
        let batches = arrived[last..].iter().map(|(begun, batch)| {
            let at = super::clock::timestamp(*begun).strftime("%d %H:%M:%S");
            let lines = batch.lines.iter().map(|(_, line)| {
                let line: String = line.chars().take(100).collect();
                format!("\n    {line}")
            });
            format!("\n  {at}{}", lines.collect::<String>())
        });
        batches.collect()
    }

    /// The places of the faults that an incident may be about, and its nodes.
    fn subject(&self, sent: &Sent) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let faults = self.outcome.world.faults.iter().enumerate();
        let (_, id) = sent.key.rsplit_once(':').unwrap_or_default();
        let tail = id.rsplit('/').next().unwrap_or_default();
        let node = number(tail);
        let of_cause = faults.filter(|(place, fault)| {
            let named = match (fault.kind, node) {
                (_, Some(node)) => fault.nodes.contains(&node),
                (Kind::Role, None) => tail == format!("role-{place}"),
                (Kind::Proxy, None) => tail == format!("10.0.9.{place}"),
                (Kind::Imds | Kind::Endpoint | Kind::Throttling, None) => true,
            };
            fault.kind.cause() == sent.cause && named
        });
        let places: BTreeSet<usize> = of_cause.map(|(place, _)| place).collect();
        let nodes = match node {
            Some(node) => BTreeSet::from([node]),
            None => {
                let nodes = places.iter();
                nodes
                    .flat_map(|place| self.outcome.world.faults[*place].nodes.iter().copied())
                    .collect()
            }
        };
        (places, nodes)
    }

    fn incident(&mut self, key: &str, messages: &[&Sent]) {
        let (places, nodes) = self.subject(messages[0]);
        let faults: Vec<_> = places
            .iter()
            .map(|place| self.outcome.world.faults[*place].clone())
            .collect();
        let story = || {
            let story = messages.iter().map(|sent| {
                let at = super::clock::timestamp(sent.at).strftime("%d %H:%M:%S");
                let end = if sent.is_end { "!" } else { "" };
                let open = if sent.call.is_unsettled() { "?" } else { "" };
                format!("{at} {}{end}{open} ({})", sent.kind, sent.nodes)
            });
            story.collect::<Vec<_>>().join(", ")
        };
        // What is torn and out of order may leave only that the agent has no credentials;
        // and what arrives when the fault that it comes from is over, put right by
        // somebody else, is of a cause that live state rules out by then.
        // Where the message of a guess did not get out, or may not have, its end may be all
        // that there is of it.
        let torn = |sent: &&Sent| {
            (sent.is_guess || sent.is_end)
                && nodes.iter().all(|node| {
                    let heard = self.heard.get(node);
                    let fault = self.outcome.world.faulty.get(node);
                    let fault = fault.map(|place| &self.outcome.world.faults[*place]);
                    fault.is_some_and(|fault| {
                        heard.is_some_and(|heard| !heard.in_order)
                            || fault.kind.is_repairable() && fault.until <= sent.at
                    })
                })
        };
        if faults.is_empty() && messages.iter().any(torn) {
            return;
        }
        let before = |sent: &&&Sent| !faults.iter().any(|fault| fault.from <= sent.at);
        if messages.iter().any(|sent| before(&sent)) {
            let kinds: BTreeSet<String> = (nodes.iter())
                .filter_map(|node| self.outcome.world.faulty.get(node))
                .map(|place| format!("{:?}", self.outcome.world.faults[*place].kind))
                .collect();
            let log = (nodes.iter().take(1)).map(|node| self.log(*node, messages[0].at));
            let log: String = log.collect();
            self.complain(format!("false: {key}: {} {kinds:?}{log}", story()));
            return;
        }
        let count =
            |which: &dyn Fn(&Sent) -> bool| messages.iter().filter(|sent| which(sent)).count();
        let repeats = count(&|sent| sent.call.is_unsettled());
        let reminders = count(&|sent| sent.kind == NotificationKind::Reminder);
        let grown = count(&|sent| sent.kind == NotificationKind::Grew);
        let ends = count(&|sent| sent.is_end);
        let mut opens = 0;
        let mut is_open = false;
        for sent in messages {
            opens +=
                usize::from(!sent.is_end && (!is_open || sent.kind == NotificationKind::Opened));
            is_open = !sent.is_end;
        }
        if faults.iter().any(|fault| fault.period.is_some()) {
            // It opens and closes twice a day, and is then said to come and go.
            let lasts = faults.iter().map(|fault| fault.until - fault.from).max();
            let days = usize::try_from(lasts.unwrap_or_default() / DAY).unwrap_or(0) + 2;
            let most = 5 * days + grown + reminders + repeats;
            if messages.len() > most {
                self.complain(format!("a flood: {key}: {}", story()));
            }
            return;
        }
        let lossy = nodes
            .iter()
            .any(|node| self.heard.get(node).is_some_and(|heard| heard.lossy));
        let lives = self
            .lives(&nodes, false)
            .max(self.lives(&nodes, true))
            .max(1);
        if !lossy && opens > lives + repeats {
            self.complain(format!(
                "opened {opens} times in {lives}: {key}: {}",
                story()
            ));
        }
        if !lossy && ends > lives + repeats {
            self.complain(format!(
                "closed {ends} times in {lives}: {key}: {}",
                story()
            ));
        }
        // Each of those doubles it.
        let written = self.outcome.written.iter();
        let written = written.filter(|one| key.ends_with(&one.target)).count();
        let most = 3 * opens.max(1) + written.saturating_sub(1) + grown + reminders + repeats;
        if messages.len() > most {
            self.complain(format!("too many messages: {key}: {}", story()));
        }
        if !lossy && is_open {
            let order = nodes
                .iter()
                .all(|node| self.heard.get(node).is_none_or(|heard| heard.in_order));
            let log: String = (nodes.iter())
                .filter(|node| {
                    let heard = self.heard.get(node);
                    heard.is_some_and(|heard| heard.ticks.iter().any(|tick| tick.broken))
                })
                .take(3)
                .map(|node| format!("\n {node}:{}", self.log(*node, i64::MAX)))
                .collect();
            let stored = self.outcome.table.stored(&messages[0].key, &nodes);
            self.complain(format!(
                "never closed (in order: {order}): {key}: {}{log}\n{stored}",
                story()
            ));
        }
        for sent in messages
            .iter()
            .filter(|sent| sent.is_end && !sent.is_explained)
        {
            if let Some(node) = nodes.iter().find(|node| self.still_has_it(**node, sent)) {
                self.complain(format!("not over on {node}: {key}: {}", story()));
            }
        }
        let alone = faults.iter().all(|fault| fault.kind.is_shared());
        if let (Some(last), true) = (
            messages.last().filter(|sent| sent.is_end),
            alone && lives == 1 && opens == 1,
        ) {
            let broken = |node: &&usize| {
                self.heard
                    .get(node)
                    .is_some_and(|heard| heard.ticks.iter().any(|tick| tick.broken))
            };
            let most = nodes.iter().filter(broken).count();
            let least = nodes.iter().filter(|node| self.is_evident(**node)).count();
            if last.nodes < least || last.nodes > most {
                self.complain(format!("{least} to {most} nodes: {key}: {}", story()));
            }
        }
    }

    /// How often one of `nodes` came to have its fault while none had it, to one who
    /// reads what was delivered, by when invocations began or were done.
    fn lives(&self, nodes: &BTreeSet<usize>, done: bool) -> usize {
        let mut moments: Vec<(i64, &Tick)> = Vec::new();
        for heard in nodes.iter().filter_map(|node| self.heard.get(node)) {
            for tick in &heard.ticks {
                moments.extend(self.delivered(tick, done).map(|at| (at, *tick)));
            }
        }
        moments.sort_by_key(|(at, tick)| (*at, tick.at));
        let mut newest: BTreeMap<usize, &Tick> = BTreeMap::new();
        let mut broken = 0_usize;
        let mut lives = 0;
        for (_, tick) in moments {
            let known = newest.get(&tick.node);
            if known.is_some_and(|known| known.at > tick.at) {
                continue;
            }
            let was = known.is_some_and(|known| known.broken);
            lives += usize::from(tick.broken && broken == 0);
            broken = broken + usize::from(tick.broken) - usize::from(was);
            newest.insert(tick.node, tick);
        }
        lives
    }

    /// Whether, by all that was handled before the invocation of `sent` began, and of
    /// what came until it was sent, the node has its fault: two attempts say so.
    fn still_has_it(&self, node: usize, sent: &Sent) -> bool {
        let Some(heard) = self.heard.get(&node) else {
            return false;
        };
        let began = |tick: &Tick| {
            let batches = tick.batches.iter();
            let mut begun = batches.flat_map(|place| self.outcome.batches[*place].begun.first());
            begun.any(|begun| *begun <= sent.at)
        };
        let well = heard
            .ticks
            .iter()
            .filter(|tick| !tick.broken && began(tick));
        let well = well.map(|tick| tick.at).max().unwrap_or_default();
        // Of what was read when AWS showed already that it is over, the log proves nothing.
        let world = &self.outcome.world;
        let place = world.faulty.get(&node);
        let is_shown = place.is_some_and(|place| world.faults[*place].kind.is_repairable());
        let counts = |done: i64| !is_shown || world.is_broken(node, done);
        let broken = heard.ticks.iter().filter(|tick| {
            tick.broken
                && tick.at > well
                && self
                    .delivered(tick, true)
                    .is_some_and(|done| done < sent.call.began && counts(done))
        });
        let own_message =
            self.outcome.sent.iter().any(|other| {
                other.key != sent.key && other.key.ends_with(&super::world::name(node))
            });
        broken.count() >= 2 && !own_message
    }

    /// Whether its log says beyond doubt that it had its fault, while it had it.
    fn is_evident(&self, node: usize) -> bool {
        let Some(heard) = self.heard.get(&node).filter(|heard| heard.in_order) else {
            return false;
        };
        let place = self.outcome.world.faulty.get(&node);
        let until = place.map_or(0, |place| self.outcome.world.faults[*place].until);
        let broken = heard.ticks.iter().filter(|tick| tick.broken);
        let known = broken.filter_map(|tick| self.delivered(tick, true));
        known.filter(|done| *done < until).count() >= 2
    }

    fn none_missed(&mut self, incidents: &BTreeMap<&str, Vec<&Sent>>) {
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for messages in incidents.values() {
            told.extend(self.subject(messages[0]).1);
        }
        let faults = self.outcome.world.faults.clone();
        for (place, fault) in faults.iter().enumerate() {
            let missed = fault
                .nodes
                .iter()
                .find(|node| self.is_evident(**node) && !told.contains(node));
            if let Some(node) = missed {
                self.complain(format!("missed: {:?} {place} on {node}", fault.kind));
            }
        }
    }

    fn repairs(&mut self) {
        let hour = i64::try_from(COOLDOWN.as_millis()).unwrap_or(HOUR);
        let mut written = self.outcome.written.clone();
        written.sort_by_key(|written| written.at);
        for (place, one) in written.iter().enumerate() {
            let within: Vec<_> = written[place..]
                .iter()
                .take_while(|other| other.at - one.at < hour)
                .collect();
            let same = within
                .iter()
                .filter(|other| other.target == one.target)
                .count();
            if same > 1 {
                self.complain(format!("{same} writes to {} within an hour", one.target));
            }
            if within.len() > MAX_REPAIRS as usize {
                self.complain(format!("{} writes within an hour", within.len()));
            }
        }
        let repaired = self
            .outcome
            .written
            .iter()
            .map(|one| &one.target)
            .collect::<BTreeSet<_>>();
        for target in repaired {
            let told = self
                .outcome
                .sent
                .iter()
                .any(|sent| sent.key.ends_with(target.as_str()));
            if !told {
                self.complain(format!("a write to {target} was not notified"));
            }
        }
        for fault in self
            .outcome
            .world
            .faults
            .iter()
            .filter(|fault| !(fault.tagged && fault.kind.is_repairable()))
        {
            let names: Vec<String> = fault
                .nodes
                .iter()
                .map(|node| super::world::name(*node))
                .collect();
            if self
                .outcome
                .written
                .iter()
                .any(|one| names.contains(&one.target))
            {
                let kind = fault.kind;
                self.complain(format!("{kind:?} must not be repaired"));
            }
        }
    }
}
