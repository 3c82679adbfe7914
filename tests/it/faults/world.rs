//! One world: what is drawn for it, how Lambda runs it, and what must be so at its end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::figures::Figures;
use super::fleet::{self, Node, Thing};
use super::seen::{Message, Seen};
use crate::support::account::Account;
use crate::support::answer::{incidents, nodes, outcome};
use crate::support::events::{Delivery, Event, records};
use crate::support::faults::Faults;
use crate::support::lambda::{Ended, Environment};
use crate::support::mailbox::Mailbox;
use crate::support::moto;
use crate::support::proxy::ec2_error;
use crate::support::registered::Registered;
use crate::support::scene::{ALL_ACTIONS, MODIFY};
use crate::support::state_table::{Server, StateTable};

/// Events of one world.
const EVENTS: usize = 30;

/// Whoever delivers an event, and how often if it fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// CloudWatch Logs, asynchronously: Lambda tries twice more.
    Subscription,
    /// A stream, as often as the template says.
    Kinesis,
    /// A person, who sees the error.
    ByHand,
    /// A person who asks for a repair.
    Request,
    /// The schedule that looks for lost nodes, asynchronously.
    Sweep,
}

impl Source {
    fn tries(self) -> usize {
        match self {
            Self::Subscription | Self::Sweep => 3,
            Self::Kinesis => 11,
            Self::ByHand | Self::Request => 1,
        }
    }
}

/// An event on its way.
struct Job {
    number: usize,
    source: Source,
    nodes: Vec<Node>,
    tries: usize,
    /// Lambda does not try again before.
    not_before: Instant,
}

impl Job {
    /// Whether it brings what its nodes have logged.
    fn has_log(&self) -> bool {
        !matches!(self.source, Source::Sweep | Source::Request)
    }
}

/// What is drawn for a world.
#[derive(Debug)]
struct Drawn {
    mode: &'static str,
    percent: u64,
    most_repairs: usize,
    environments: usize,
    table: Option<Server>,
}

pub(super) struct World {
    number: u64,
    drawn: Drawn,
    account: Account,
    mailbox: Mailbox,
    fleet: Vec<Node>,
    /// On the way to the test server, and to the table.
    ways: [Option<Faults>; 2],
    table: Option<StateTable>,
    rng: Mutex<Rng>,
    jobs: Mutex<Jobs>,
    seen: Mutex<Seen>,
    /// What somebody has broken again after its repair.
    broken_again: Mutex<BTreeSet<Thing>>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    under_way: usize,
    /// For each node the place of the record at which the last answered invocation with a
    /// log of it began.
    answered: BTreeMap<String, usize>,
    /// The nodes whose log was delivered.
    logged: BTreeSet<String>,
    /// Those of events that were given up: in the failure queue, or in the caller's error.
    given_up: BTreeSet<String>,
}

impl World {
    /// Draws and builds the world of this number.
    pub(super) async fn build(host: &Account, seed: u64, number: u64) -> Self {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
        let mut rng = Rng::with_seed(seed);
        let mut pick = |choices: &[usize]| choices[rng.usize(..choices.len())];
        let table = [
            None,
            Some(Server::Moto),
            Some(Server::Dynalite),
            Some(Server::Dynalite),
        ];
        let table = table[pick(&[0, 1, 2, 3])];
        let drawn = Drawn {
            mode: ["repair", "repair", "repair", "repair", "dry-run", "advise"]
                [pick(&[0, 1, 2, 3, 4, 5])],
            percent: pick(&[0, 4, 8, 8, 15, 25]) as u64,
            most_repairs: pick(&[1, 20, 20]),
            environments: table.map_or(1, |_| pick(&[1, 2, 3])),
            table,
        };
        let account = host.elsewhere(&moto::fresh_account(), "us-east-1").await;
        let mailbox = account.mailbox().await;
        let fleet = fleet::build(&account).await;
        let minutes = |node: &Node| if node.cause.is_some() { 30 } else { 1 };
        let pinged = fleet.iter().map(|node| (node.id.clone(), minutes(node)));
        Registered::of(&account).all(pinged);
        if drawn.mode == "dry-run" {
            // The test server makes the change all the same.
            let (code, why) = ("DryRunOperation", "Request would have succeeded");
            account.proxy.on(MODIFY, ec2_error(412, code, why));
        }
        let table = match drawn.table {
            Some(server) => Some(StateTable::on(server).await),
            None => None,
        };
        let to_table = match &table {
            Some(table) => Some(Faults::before(table.proxy.address(), seed, drawn.percent).await),
            None => None,
        };
        let to_server = Faults::before(account.proxy.address(), seed, drawn.percent).await;
        Self {
            number,
            ways: [Some(to_server), to_table],
            drawn,
            mailbox,
            fleet,
            table,
            rng: Mutex::new(rng),
            jobs: Mutex::default(),
            seen: Mutex::default(),
            broken_again: Mutex::default(),
            account,
        }
    }

    pub(super) async fn run(self, figures: &Arc<Figures>) {
        let jobs: VecDeque<Job> = (0..EVENTS).map(|number| self.draw_job(number)).collect();
        self.jobs.lock().expect("no holder panics").waiting = jobs;
        let world = Arc::new(self);
        let environments = (0..world.drawn.environments).map(|_| {
            let (world, figures) = (Arc::clone(&world), Arc::clone(figures));
            tokio::spawn(async move { world.work(&figures).await })
        });
        for environment in environments.collect::<Vec<_>>() {
            environment.await.expect("no environment's task panics");
        }
        world.check(figures).await;
    }

    fn draw<T>(&self, by: impl FnOnce(&mut Rng) -> T) -> T {
        by(&mut self.rng.lock().expect("no holder panics"))
    }

    fn draw_job(&self, number: usize) -> Job {
        self.draw(|rng| {
            let source = match rng.u8(..20) {
                0..9 => Source::Subscription,
                9..14 => Source::Kinesis,
                14..17 => Source::ByHand,
                17..19 => Source::Sweep,
                _ => Source::Request,
            };
            let mut nodes = self.fleet.clone();
            rng.shuffle(&mut nodes);
            match source {
                Source::Subscription => nodes.truncate(1),
                Source::Kinesis | Source::ByHand => nodes.truncate(rng.usize(1..=5)),
                Source::Request => {
                    nodes.retain(|node| node.thing.is_some());
                    nodes.truncate(1);
                }
                Source::Sweep => nodes.retain(|node| node.cause.is_some()),
            }
            Job {
                number,
                source,
                nodes,
                tries: 0,
                not_before: Instant::now(),
            }
        })
    }

    /// The time of an invocation, and after how much of it a SIGTERM comes. Without faults
    /// there is time for everything.
    fn draw_time(&self) -> (Duration, Option<Duration>) {
        self.draw(|rng| {
            let milliseconds = match rng.u8(..10) {
                _ if self.drawn.percent == 0 => 30_000,
                0 => rng.u64(300..800),
                1..3 => rng.u64(800..2_000),
                3..6 => rng.u64(2_000..5_000),
                _ => rng.u64(8_000..15_000),
            };
            let term = (self.drawn.percent > 0 && rng.u8(..25) == 0)
                .then(|| Duration::from_millis(rng.u64(..milliseconds.min(3_000))));
            (Duration::from_millis(milliseconds), term)
        })
    }

    async fn environment(&self) -> Environment {
        let arn = format!(
            "arn:aws:lambda:us-east-1:{}:function:ssm-agent-triage",
            self.account.id
        );
        let [to_server, to_table] = &self.ways;
        let url = |way: &Option<Faults>| way.as_ref().map(Faults::url).unwrap_or_default();
        let mut settings = vec![
            ("AWS_ENDPOINT_URL", url(to_server)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("RUST_BACKTRACE", "0".to_owned()),
            ("TRIAGE_TOPIC_ARN", self.mailbox.topic.clone()),
            ("TRIAGE_MESSAGE_FORMAT", "json".to_owned()),
            ("TRIAGE_REPAIR", self.drawn.mode.to_owned()),
            ("TRIAGE_MAX_REPAIRS", self.drawn.most_repairs.to_string()),
            (ALL_ACTIONS.0, ALL_ACTIONS.1.to_owned()),
        ];
        if let Some(table) = &self.table {
            settings.push(("AWS_ENDPOINT_URL_DYNAMODB", url(to_table)));
            settings.push(("TRIAGE_STATE_TABLE", table.name.clone()));
        }
        Environment::start(&arn, &settings).await
    }

    /// One execution environment after another, as long as there is something to do.
    async fn work(&self, figures: &Figures) {
        let mut environment = self.environment().await;
        while let Some(job) = self.next_job().await {
            let Some(job) = job else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let (time, term) = self.draw_time();
            let (place, began) = (self.look().place, Instant::now());
            let ended = environment.invoke(&self.event(&job), time, term).await;
            figures.invoked(time, &ended);
            if let Some(peak) = environment.peak_memory() {
                figures.memory(peak);
            }
            let is_gone = matches!(ended, Ended::Killed | Ended::Exited);
            if matches!(ended, Ended::Exited) && !environment.was_terminated() {
                let printed = environment.printed();
                self.violated(figures, format!("the process ended by itself: {printed}"));
            }
            self.settle(job, ended, (place, began + time), figures);
            self.break_again(figures).await;
            let is_ending = environment.is_ending()
                || self.drawn.percent > 0 && self.draw(|rng| rng.u8(..100)) == 0;
            if is_ending && !is_gone && !environment.terminate().await {
                self.violated(figures, "an idle environment ignores SIGTERM".to_owned());
            }
            if is_ending {
                figures.count("SIGTERM");
            }
            if is_gone || is_ending {
                self.check_log(&environment, figures);
                environment = self.environment().await;
            }
        }
        self.check_log(&environment, figures);
    }

    /// Somebody breaks again what was repaired. Where the state is shared, it stays so for
    /// the hour.
    async fn break_again(&self, figures: &Figures) {
        let thing = {
            let seen = self.look();
            let mut broken = self.broken_again.lock().expect("no holder panics");
            let mut written = seen.writes.iter().map(|(_, thing)| thing);
            let thing = written.find(|thing| self.table.is_some() && !broken.contains(*thing));
            let thing = thing.filter(|_| self.draw(|rng| rng.u8(..8)) == 0).cloned();
            broken.extend(thing.clone());
            thing
        };
        if let Some(thing) = thing {
            figures.count("broken again after the repair");
            fleet::break_thing(&self.account, &thing).await;
        }
    }

    /// The next event; `Some(None)` while others may still come.
    async fn next_job(&self) -> Option<Option<Job>> {
        let mut jobs = self.jobs.lock().expect("no holder panics");
        let ready = (jobs.waiting.iter()).position(|job| job.not_before <= Instant::now());
        match ready {
            Some(place) => {
                jobs.under_way += 1;
                Some(jobs.waiting.remove(place))
            }
            None => (!jobs.waiting.is_empty() || jobs.under_way > 0).then_some(None),
        }
    }

    fn event(&self, job: &Job) -> Value {
        let nodes = job.nodes.iter();
        let deliveries: Vec<Delivery> = nodes.map(|node| node.delivery(&self.account)).collect();
        match job.source {
            Source::Subscription => deliveries[0].event(),
            Source::Kinesis => records(&self.account, &deliveries),
            Source::ByHand => deliveries.event(),
            Source::Sweep => json!({"sweep": {}}),
            Source::Request => {
                let thing = job.nodes[0].thing.as_ref();
                let action = match thing.is_some_and(|(action, _)| *action == MODIFY) {
                    true => "enable-imds-endpoint",
                    false => "trust-ec2",
                };
                json!({"repair": {"action": action, "node": job.nodes[0].id}})
            }
        }
    }

    /// What comes of an invocation, and of its event.
    /// It began when the record was at `place`.
    fn settle(
        &self,
        mut job: Job,
        ended: Ended,
        (place, deadline): (usize, Instant),
        figures: &Figures,
    ) {
        let is_gone = matches!(ended, Ended::Exited);
        let is_answered = match ended {
            Ended::Answer(answer) => {
                let seen = self.look();
                self.check_answer(&job, &answer, &seen, figures)
            }
            _ => false,
        };
        let mut jobs = self.jobs.lock().expect("no holder panics");
        jobs.under_way -= 1;
        job.tries += 1;
        if job.has_log() {
            (jobs.logged).extend(job.nodes.iter().map(|node| node.id.clone()));
        }
        if is_answered {
            figures.count("events answered");
            for node in job.nodes.iter().filter(|_| job.has_log()) {
                let last = jobs.answered.entry(node.id.clone()).or_default();
                *last = place.max(*last);
            }
        } else if job.tries < job.source.tries() {
            // A minute later, when whatever was under way has ended.
            if is_gone && job.source != Source::Kinesis {
                job.not_before = deadline;
            }
            jobs.waiting.push_back(job);
        } else {
            figures.count(match job.source {
                Source::ByHand | Source::Request => "events whose caller got the error",
                Source::Sweep => "sweeps given up",
                _ => "events in the failure queue",
            });
            jobs.given_up
                .extend(job.nodes.into_iter().map(|node| node.id));
        }
    }

    fn look(&self) -> std::sync::MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().expect("no holder panics");
        seen.look(&self.account.proxy);
        seen
    }

    /// Whether the answer says that all is done; then it is.
    fn check_answer(&self, job: &Job, answer: &Value, seen: &Seen, figures: &Figures) -> bool {
        if job.source == Source::Kinesis {
            if *answer != json!({"batchItemFailures": []}) {
                return false;
            }
        } else {
            for incident in incidents(answer) {
                if outcome(incident) != "repaired" {
                    continue;
                }
                for node in self
                    .fleet
                    .iter()
                    .filter(|node| nodes(incident).contains(&node.id.as_str()))
                {
                    let is_written = |thing: &Thing| seen.is_written(thing, seen.place);
                    if !node.thing.as_ref().is_some_and(is_written) {
                        self.violated(figures, format!("answered as repaired: {}", node.id));
                    }
                }
            }
        }
        // A sweep may find nothing out in time.
        let broken = |node: &&Node| job.has_log() && node.cause.is_some();
        for node in job.nodes.iter().filter(broken) {
            if !seen.messages.iter().any(|message| message.is_of(node)) {
                self.violated(
                    figures,
                    format!(
                        "event {} is answered, and of {} nobody was notified: {answer:#}",
                        job.number,
                        describe(node)
                    ),
                );
            }
        }
        true
    }

    fn check_log(&self, environment: &Environment, figures: &Figures) {
        let printed = environment.printed();
        if printed.contains("panicked") {
            self.violated(figures, printed);
        }
    }

    /// What must be so once all events are handled or given up.
    async fn check(&self, figures: &Figures) {
        let mails = self.mailbox.take().await;
        let seen = std::mem::take(&mut *self.look());
        let jobs = std::mem::take(&mut *self.jobs.lock().expect("no holder panics"));
        let violated = |what: String| self.violated(figures, what);

        if mails.len() != seen.messages.len() {
            violated(format!(
                "{} messages taken, {} delivered",
                seen.messages.len(),
                mails.len()
            ));
        }
        for node in self.fleet.iter().filter(|node| node.cause.is_some()) {
            let is_given_up = jobs.given_up.contains(&node.id);
            let is_notified = seen.messages.iter().any(|message| message.is_of(node));
            if jobs.logged.contains(&node.id) && !is_notified && !is_given_up {
                violated(format!("{} is lost", describe(node)));
            }
            figures.add("faulty nodes notified of", usize::from(is_notified));
            let only_given_up = usize::from(is_given_up && !is_notified);
            figures.add(
                "faulty nodes only in the failure queue or the error",
                only_given_up,
            );
        }
        for node in self.fleet.iter().filter(|node| node.cause.is_none()) {
            if seen.messages.iter().any(|message| message.names(node)) {
                violated(format!("{} is healthy, and blamed", node.id));
            }
        }
        self.check_writes(&seen, &jobs, figures);
        self.check_messages(&seen, figures).await;
        for way in self.ways.iter().flatten() {
            figures.happened(way.happened());
        }
        figures.add("messages", seen.messages.len());
        figures.add("writes", seen.writes.len());
    }

    fn check_writes(&self, seen: &Seen, jobs: &Jobs, figures: &Figures) {
        let violated = |what: String| self.violated(figures, what);
        let allowed = |thing: &Thing| {
            self.drawn.mode == "repair"
                && self
                    .fleet
                    .iter()
                    .any(|node| node.thing.as_ref() == Some(thing))
        };
        let mut times: BTreeMap<&Thing, usize> = BTreeMap::new();
        for (_, thing) in &seen.writes {
            *times.entry(thing).or_default() += 1;
        }
        for (thing, times) in &times {
            if *times > 1 {
                violated(format!("{thing:?} is written {times} times"));
            }
            if !allowed(thing) {
                violated(format!("{thing:?} is written, which nobody allowed"));
            }
        }
        if self.table.is_some() && seen.writes.len() > self.drawn.most_repairs {
            violated(format!("{} writes in an hour", seen.writes.len()));
        }
        let broken_again = self.broken_again.lock().expect("no holder panics").clone();
        // No write stays unsaid once a log of its node was delivered after it and answered.
        for (place, thing) in &seen.writes {
            let is_of = |node: &&Node| node.thing.as_ref() == Some(thing);
            let nodes: Vec<&Node> = self.fleet.iter().filter(is_of).collect();
            let is_answered = (nodes.iter())
                .filter_map(|node| jobs.answered.get(&node.id))
                .any(|began| began > place);
            let is_of = |message: &&Message| {
                message.place > *place && nodes.iter().any(|node| message.names(node))
            };
            let said: Vec<&Message> = seen.messages.iter().filter(is_of).collect();
            if is_answered && said.is_empty() {
                violated(format!("the write of {thing:?} is not notified of"));
            }
            // Of what somebody took back there is nothing to undo; without a table the next
            // environment does not know what the one before it wrote.
            let may_lack_undo = self.table.is_none() || broken_again.contains(thing);
            if is_answered && !may_lack_undo && !said.iter().any(|message| message.has_undo) {
                violated(format!(
                    "the write of {thing:?} is notified of without an undo: {said:?}"
                ));
            }
        }
    }

    async fn check_messages(&self, seen: &Seen, figures: &Figures) {
        let violated = |what: String| self.violated(figures, what);
        let broken_again = self.broken_again.lock().expect("no holder panics").clone();
        let mut times: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for message in &seen.messages {
            figures.count(&format!("messages: {}", message.state));
            *times.entry((&message.key, &message.state)).or_default() += 1;
            for node in self.fleet.iter().filter(|node| message.says_right(node)) {
                let is_right = match &node.thing {
                    Some(thing) => {
                        let is_broken_again = broken_again.contains(thing);
                        seen.is_written(thing, message.place)
                            && (is_broken_again || fleet::is_right(&self.account, thing).await)
                    }
                    None => false,
                };
                if !is_right {
                    violated(format!(
                        "{} is not right, and {message:?} says so",
                        describe(node)
                    ));
                }
            }
        }
        let repeated: usize = times.values().map(|times| times - 1).sum();
        figures.add("messages sent again", repeated);
        figures.add(
            "incidents",
            times
                .keys()
                .map(|(key, _)| key)
                .collect::<BTreeSet<_>>()
                .len(),
        );
        if self.drawn.percent == 0 && repeated > 0 {
            violated(format!(
                "without a fault {repeated} messages came again: {times:#?}"
            ));
        }
    }

    fn violated(&self, figures: &Figures, what: String) {
        figures.violated(format!("world {}, {:?}: {what}", self.number, self.drawn));
    }
}

fn describe(node: &Node) -> String {
    format!("{} ({})", node.id, node.cause.unwrap_or("healthy"))
}
