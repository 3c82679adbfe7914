//! Correlation per node: records in, what stands open out.
//!
//! [`NodeState`] is a fold over the records of one node. It is small, bounded
//! and a value: what a batch leaves open is carried to the next in it, and the
//! verdict over it is the same however the log was cut into events and batches.

mod attempts;
mod bounds;
mod channel;
mod clock;
mod explain;
mod findings;
mod machine;
mod messages;
mod moved;
mod names;
mod open;
mod over;
mod pings;
mod proxy;
mod recent;
pub mod states;
pub mod stream;
pub mod streams;
pub mod unknown;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::attempts::Attempts;
use self::bounds::MAX_OPEN;
use self::channel::Channel;
use self::names::{go_seconds, named_in_tags};
use self::open::ActiveFault;
use self::over::{barred_ssm, denies_another_call, outlived};
use self::proxy::Proxy;
use self::recent::{Known, Recent};
use self::unknown::Unknown;
use crate::cause::Cause;
use crate::failure::Kind as FailureKind;
use crate::finding::Recovered;
use crate::machine::{Environment, Machine};
use crate::node::{AccountId, NodeId, Region};
use crate::record::{NormalizedRecord, Origin, Record, cut};
use crate::signature::{Kind, Match, Part, Role};
use crate::state::pairs::{is_default, known};

/// Boot races heal within a second, fallbacks within a few. What is seen again
/// after longer has not healed; that nothing more was seen says nothing, as the
/// batch that shows the healing may be lost, late, or read elsewhere.
const HEALING: SignedDuration = SignedDuration::from_secs(10);

/// What is seen again after this time has not healed, whatever lines of it are missing.
const LASTING: SignedDuration = SignedDuration::from_mins(5);

/// A worker that goes within this time of a stop signal was stopped.
const STOPPING: SignedDuration = SignedDuration::from_mins(2);

/// The metadata service answered this recently: it is not what fails now. The
/// agent asks it at start and every half hour.
const IDENTITY_HOLDS: SignedDuration = SignedDuration::from_mins(20);

/// Two lines of one try of the agent stand together.
const JUST_LOGGED: SignedDuration = SignedDuration::from_secs(10);

/// A log that is silent for this long is of a machine that did not run: the agent
/// logs its health ping every five minutes.
const SILENCE: SignedDuration = SignedDuration::from_mins(15);

/// From the first record after a silence the agent is up within this time.
const BOOT: SignedDuration = SignedDuration::from_mins(10);

/// Why an agent may have no credentials, where nothing says which of them it is.
const NO_CREDENTIALS: [Cause; 15] = [
    Cause::RoleNotAssumable,
    Cause::NoInstanceProfile,
    Cause::ImdsDisabled,
    Cause::ImdsUnreachable,
    Cause::StaleInstanceProfile,
    Cause::PermissionMissing,
    Cause::EndpointUnreachable,
    Cause::DnsFailure,
    Cause::ProxyFailure,
    Cause::TlsFailure,
    Cause::ClockSkew,
    Cause::CredentialsExpired,
    Cause::CredentialsInvalid,
    Cause::Throttled,
    Cause::ServiceError,
];

/// Names and versions are no longer.
const MAX_NAME: usize = 128;

/// What is known of one node's agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeState {
    #[serde(skip_serializing_if = "is_default", deserialize_with = "known")]
    open: Vec<ActiveFault>,
    #[serde(skip)]
    unknown: Vec<Unknown>,
    #[serde(skip_serializing_if = "is_default")]
    channel: Channel,
    #[serde(skip_serializing_if = "is_default")]
    attempts: Attempts,
    #[serde(skip_serializing_if = "is_default")]
    identity: Option<Identity>,
    /// When it last wrote what needs an identity, after an attempt to find one had failed.
    #[serde(skip_serializing_if = "is_default")]
    identified: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    stopping: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    wait: Option<(Timestamp, u64)>,
    #[serde(skip_serializing_if = "is_default")]
    version: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    proxy: Proxy,
    #[serde(skip_serializing_if = "is_default")]
    machine: Machine,
    /// The agent asked whether it has the identity of EC2, and that of a hybrid node.
    #[serde(skip_serializing_if = "is_default")]
    tried: (bool, bool),
    #[serde(skip_serializing_if = "is_default")]
    on_azure: bool,
    /// A record of it had lost its head in a paste.
    #[serde(skip_serializing_if = "is_default")]
    headless: bool,
    /// When the agent last logged a fault on its way to credentials whose cause is
    /// not known here.
    #[serde(skip_serializing_if = "is_default")]
    unexplained: Option<Timestamp>,
    /// When it last logged an error of which a screen's edge left only the beginning: a
    /// paste, which is one batch.
    #[serde(skip)]
    cut_off: Option<Timestamp>,
    /// The first of the health pings without an error between them, and how many they
    /// are, while something is active that they would end.
    #[serde(skip_serializing_if = "is_default")]
    pings: Option<(Timestamp, u64)>,
    /// When the agent last logged a health ping. After a batch it is known only beside `pings`.
    #[serde(skip_serializing_if = "is_default")]
    pinged: Option<Timestamp>,
    /// When each part was last proven to work.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "known")]
    proven: Vec<(Part, Timestamp)>,
    /// When what each cause had done was last over. An invocation that read so may have
    /// been cut off before it closed an incident; later ones do.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "known")]
    over: Vec<(Cause, Timestamp)>,
    #[serde(skip_serializing_if = "is_default")]
    recent: Recent,
    /// The node's id as the text names it; never the authority for a write.
    #[serde(skip_serializing_if = "is_default")]
    named: Option<NodeId>,
    /// The first record after the last silence since the id was named, and whether the
    /// agent started then: whatever was logged from then on may be another machine's.
    #[serde(skip_serializing_if = "is_default")]
    resumed: Option<(Timestamp, bool)>,
    #[serde(skip_serializing_if = "is_default")]
    account: Option<AccountId>,
    /// The Region that the text names, for commands to be read by a person.
    #[serde(skip_serializing_if = "is_default")]
    region: Option<Region>,
    #[serde(skip_serializing_if = "is_default")]
    latest: Option<Timestamp>,
    /// The first record of the batch that is being read, and of the one before.
    #[serde(skip_serializing_if = "is_default")]
    delivered_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    delivered_before: Option<Timestamp>,
    /// When a session last started.
    #[serde(skip_serializing_if = "is_default")]
    session: Option<Timestamp>,
    /// The newest proof that the agent talks to Systems Manager.
    #[serde(skip_serializing_if = "is_default")]
    live: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    batch: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    kind: IdentityKind,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum IdentityKind {
    Ec2,
    OnPrem,
    Other,
}

/// What one record did.
#[derive(Debug, Clone, PartialEq)]
pub enum Ingested {
    /// Harmless, or proof of health.
    NoChange,
    /// A fault or symptom was taken in.
    Opened,
    /// A copy of a record that was taken in before.
    Duplicate,
    /// What works again.
    Recovered(Vec<Recovered>),
}

impl NodeState {
    /// Begins a batch: findings with evidence from it are fresh.
    pub fn begin_batch(&mut self) {
        self.batch += 1;
        self.unknown.clear();
    }

    /// Ends a batch: what nothing recognised was reported with it, and stands
    /// for no state that could end.
    pub fn end_batch(&mut self) {
        self.unknown = Vec::new();
        self.recent.end_batch(self.batch);
        self.shrink();
        self.pinged = self.pinged.filter(|_| self.pings.is_some());
    }

    /// Nothing stands open, or was lost.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.channel.is_quiet()
    }

    /// What is over by all that was read, and when that was proven.
    pub fn over(&self) -> impl Iterator<Item = (Cause, Timestamp)> {
        let is_open = |cause: Cause, at: Timestamp| {
            let mut open = self.open.iter();
            open.any(|open| open.causes.lead() == cause && open.last <= at)
        };
        let over = self.over.iter().copied();
        over.filter(move |(cause, at)| !is_open(*cause, *at))
    }

    /// The node id that the text of the log names.
    pub fn named(&self) -> Option<&NodeId> {
        self.named.as_ref()
    }

    /// Takes note of a record, recognised or not: its time, and the node in its tags.
    pub fn observe(&mut self, record: &Record<'_>) {
        let at = record.at;
        self.headless |= record.origin == Origin::Paste;
        if self.named.is_none() {
            self.named = named_in_tags(record);
        } else if self.resumed.is_some() {
            self.note_own_id(record);
        }
        self.note_identity(record);
        self.machine = self.machine.and(record.machine);
        self.note_silence(at);
        self.latest = self.latest.max(Some(at));
        self.delivered_from.get_or_insert(at);
    }

    /// Begins a further batch. What stood before its first record is known only
    /// where the log is `complete`.
    pub fn begin_delivery(&mut self, complete: bool) {
        self.delivered_before = self.delivered_from;
        self.delivered_from = complete.then_some(Timestamp::MIN);
    }

    /// Whether the log of the last second before `at` was delivered together
    /// with what was written then.
    fn saw_before(&self, at: Timestamp) -> bool {
        self.delivered_from
            .is_some_and(|from| at.duration_since(from) >= SignedDuration::from_secs(1))
    }

    /// Takes in a record that a signature recognised.
    pub fn ingest(
        &mut self,
        record: &NormalizedRecord<'_, '_>,
        found: Match<'_>,
        place: Option<&str>,
    ) -> Ingested {
        let signature = found.signature;
        (signature.machine.iter()).for_each(|shown| self.machine.add(*shown));
        let plain = signature.kind == Kind::Benign && signature.role.is_none();
        if plain {
            return Ingested::NoChange;
        }
        // A copy of these says nothing new, and they are not worth a place among what is
        // known of copies.
        match signature.role {
            Some(Role::HealthPing) => return self.ping(record, signature.id),
            Some(Role::Answered) => {
                let is_over = |open: &ActiveFault| open.last <= record.at && barred_ssm(open);
                return self.close(record.at, signature.id, &is_over);
            }
            _ => {}
        }
        match self.recent.take(record, self.batch) {
            Known::No => {}
            // Agents before 3.3.808 write whole seconds: the same words may stand
            // behind a fault of that second, and a proof logged twice proves no less.
            Known::FromThisBatch if signature.kind == Kind::Recovery => {}
            Known::FromThisBatch => return Ingested::Duplicate,
            Known::FromEarlier => {
                self.freshen(record, found);
                return Ingested::Duplicate;
            }
        }
        self.note_names(record, &found);
        match signature.role {
            Some(Role::Waiting) => {
                let wait = go_seconds(found.word(record.flat()));
                self.wait = self.wait.max(wait.map(|wait| (record.at, wait)));
            }
            Some(Role::Version) => {
                let version = found.word(record.flat());
                self.version = Some(cut(version, MAX_NAME).to_owned())
                    .filter(|version| version.starts_with(|first: char| first.is_ascii_digit()));
            }
            Some(Role::ProxyListing) => {
                self.proxy.listing();
                self.note_start(record.at);
            }
            Some(Role::ProxySet) => self.proxy.variable(record),
            Some(Role::OnAzure) => self.on_azure = true,
            Some(Role::Connected) if signature.machine.is_empty() => {
                self.machine.remove(Environment::Dhmc);
            }
            Some(Role::IdentityTried) => match found.word(record.flat()) {
                "EC2" => self.tried.0 = true,
                "OnPrem" => self.tried.1 = true,
                _ => {}
            },
            Some(Role::Stopping) => self.stopping = self.stopping.max(Some(record.at)),
            Some(Role::Starting) => {
                self.attempts.forget(record.at);
                self.note_start(record.at);
            }
            Some(Role::IdentityTaken) => {
                self.take_identity(record, &found);
                self.note_start(record.at);
            }
            Some(Role::IdentityGivenUp) => self.note_start(record.at),
            Some(Role::SessionStarted) => self.session = self.session.max(Some(record.at)),
            Some(Role::ChannelOpened) => self.channel.opened(record.at),
            Some(Role::ChannelLost) => {
                self.channel
                    .lost(open::evidence(record, place), signature.id, self.batch);
            }
            Some(Role::ChannelStatus) => {
                let certain = self.saw_before(record.at);
                self.channel
                    .status(open::evidence(record, place), self.batch, certain);
            }
            Some(
                Role::RegistrationLost
                | Role::IdentityAttempt
                | Role::ProfileRefused
                | Role::Connected
                | Role::Renewed
                | Role::Hibernating
                | Role::HealthPing
                | Role::Answered
                | Role::TimeRanOut
                | Role::WorkerGone
                | Role::Client
                | Role::Person,
            )
            | None => {}
        }
        match signature.kind {
            Kind::Benign => Ingested::NoChange,
            Kind::Recovery => self.recover(record, &found),
            Kind::Fault | Kind::Symptom => {
                machine::observe(&mut self.machine, record);
                self.interrupt_pings_by(signature.part, record.at);
                self.open(record, found, place)
            }
        }
    }

    /// Takes in a WARN or ERROR record that nothing recognised.
    pub fn ingest_unknown(&mut self, record: &NormalizedRecord<'_, '_>, place: Option<&str>) {
        if self.recent.take(record, self.batch) != Known::FromThisBatch {
            machine::observe(&mut self.machine, record);
            self.interrupt_pings_by_unknown(record);
            if record.edge {
                self.unexplained = Some(record.at);
                self.cut_off = Some(record.at);
            }
            unknown::add(&mut self.unknown, record, place);
        }
    }

    /// Takes in a record that the batch before left open and counted as it stood:
    /// it was delivered with that batch.
    pub fn ingest_counted(&mut self, record: &NormalizedRecord<'_, '_>, found: Option<Match<'_>>) {
        std::mem::swap(&mut self.delivered_from, &mut self.delivered_before);
        let unknown = std::mem::take(&mut self.unknown);
        self.batch = self.batch.saturating_sub(1);
        match found {
            Some(found) => {
                self.ingest(record, found, None);
            }
            None if record.level.is_trouble() => self.ingest_unknown(record, None),
            None => {}
        }
        self.batch += 1;
        self.unknown = unknown;
        self.observe(record);
        std::mem::swap(&mut self.delivered_from, &mut self.delivered_before);
    }

    fn open(
        &mut self,
        record: &NormalizedRecord<'_, '_>,
        mut found: Match<'_>,
        place: Option<&str>,
    ) -> Ingested {
        let signature = found.signature;
        // What was cut off may say why; that there are no credentials it leaves.
        let is_cut_off = record.edge
            && found.causes.is_empty()
            && signature.part == Part::Credentials
            && signature.role != Some(Role::ProfileRefused);
        if is_cut_off {
            (found.causes, found.decided) = (NO_CREDENTIALS.to_vec().into(), false);
        }
        let Some(mut new) = ActiveFault::new(record, found, place, self.batch) else {
            // A known sentence around an error that is not known; a symptom that
            // points nowhere is only context.
            if signature.kind == Kind::Fault {
                unknown::add(&mut self.unknown, record, place);
                if leads_to_credentials(signature.part) {
                    self.unexplained = Some(record.at);
                }
            }
            return Ingested::Opened;
        };
        if self.is_excused(&new) {
            return Ingested::NoChange;
        }
        new.bare = is_cut_off;
        match new.role {
            Some(Role::IdentityAttempt) => {
                self.drop_passed(record.at);
                if new.kind == Kind::Fault {
                    self.attempts.add(record.at);
                }
                // An attempt whose cause may still follow decides nothing yet.
                let unclear = new.failure == Some(FailureKind::ImdsUnclear);
                new.pending = self.attempts.count < 3 || unclear;
                new.pending |= record.cut;
                if !new.pending {
                    self.settle(Part::Identity, record.at);
                }
            }
            Some(Role::IdentityGivenUp) => self.settle(Part::Identity, record.at),
            Some(Role::ProfileRefused) => new.pending = true,
            Some(Role::Waiting) => {
                self.settle(Part::Credentials, record.at);
                if self.waits_for(&new) {
                    return Ingested::Opened;
                }
            }
            Some(_) | None => {
                if matches!(new.part, Part::Credentials) {
                    self.settle(Part::Credentials, record.at);
                }
            }
        }
        // The agent writes a cause right before what follows from it: without the
        // log before a guess, the batch that held the cause may be missing.
        let guess = new.kind == Kind::Symptom || !new.decided;
        if guess && new.failure.is_none() && just_before(self.cut_off, new.last) {
            if new.part != Part::Credentials {
                return Ingested::Opened;
            }
            new.causes.extend(NO_CREDENTIALS);
            new.bare = true;
        }
        if guess && leads_to_credentials(new.part) && !self.saw_before(record.at) {
            new.bare = new.failure.is_none();
            new.pending = true;
        }
        match self.open.iter_mut().find(|open| open.same(&new)) {
            Some(open) => {
                open.pending &= new.pending;
                open.add(new);
                // Again and again: it has not healed. What another way to
                // credentials may heal each time is settled by that way's own end.
                let lasting = open.last.duration_since(open.first);
                let again = lasting >= if open.cut { LASTING } else { HEALING };
                if again && open.role != Some(Role::ProfileRefused) {
                    open.pending = false;
                }
            }
            None => {
                if self.open.len() == MAX_OPEN {
                    self.drop_oldest();
                }
                self.open.push(new);
            }
        }
        Ingested::Opened
    }

    /// What looks like a fault and is none in this node's context.
    fn is_excused(&self, new: &ActiveFault) -> bool {
        let proven = self
            .proven
            .iter()
            .find(|(part, _)| *part == new.part)
            .map(|(_, at)| *at);
        // Logged late: the part was proven to work after this record was written.
        if proven.is_some_and(|proven| proven > new.last) && !denies_another_call(new)
            || self.live.is_some_and(|live| outlived(new, live))
        {
            return true;
        }
        if self.was_suspended(new) {
            return true;
        }
        let identity = self.identity.as_ref().map(|identity| identity.kind);
        // ECS and custom identities print the metadata error after each ping.
        if new.role == Some(Role::IdentityAttempt) && identity == Some(IdentityKind::Other) {
            return true;
        }
        new.role == Some(Role::WorkerGone)
            && self.stopping.is_some_and(|stop| {
                let since = new.last.duration_since(stop);
                since >= SignedDuration::ZERO && since <= STOPPING
            })
    }

    /// Whether `new` says that time ran out, on a machine that was suspended right before:
    /// an agent that logs its health pings was silent for longer than between two of them.
    fn was_suspended(&self, new: &ActiveFault) -> bool {
        let is_silence = |from: Timestamp, to: Timestamp| to.duration_since(from) >= SILENCE;
        new.role == Some(Role::TimeRanOut)
            && (self.latest.zip(self.pinged)).is_some_and(|(latest, pinged)| {
                is_silence(latest, new.last) && !is_silence(pinged, latest)
            })
    }

    /// Gives a wait to the fault that it follows: it is no fault of its own.
    fn waits_for(&mut self, wait: &ActiveFault) -> bool {
        let before = |at: Timestamp, within: SignedDuration| {
            at <= wait.last && wait.last.duration_since(at) <= within
        };
        // The agent writes the fault, then that it waits. From the fourth try on it
        // writes the wait alone.
        let fault = self
            .open
            .iter_mut()
            .filter(|open| {
                leads_to_credentials(open.part)
                    && (before(open.last, JUST_LOGGED)
                        || open.part == Part::Credentials && before(open.last, open::WINDOW))
            })
            .max_by_key(|open| (open.last, open.kind == Kind::Fault, open.decided));
        match fault {
            Some(fault) => {
                fault.wait(wait);
                true
            }
            // Where a screen's edge cut off why, the wait alone shows that there are none.
            None => {
                just_before(self.unexplained, wait.last) && !just_before(self.cut_off, wait.last)
            }
        }
    }

    fn take_identity(&mut self, record: &NormalizedRecord<'_, '_>, found: &Match<'_>) {
        let kind = match found.word(record.flat()) {
            "EC2" => IdentityKind::Ec2,
            "OnPrem" => IdentityKind::OnPrem,
            "ECS" => {
                self.machine.add(Environment::Ecs);
                IdentityKind::Other
            }
            _ => IdentityKind::Other,
        };
        self.attempts.forget(record.at);
        if self
            .identity
            .as_ref()
            .is_none_or(|known| known.at <= record.at)
        {
            self.identity = Some(Identity {
                kind,
                at: record.at,
            });
        }
    }

    fn note_names(&mut self, record: &NormalizedRecord<'_, '_>, found: &Match<'_>) {
        self.note_silence(record.at);
        if self.named.is_none() || self.resumed.is_some() {
            self.note_id(record, found);
        }
        if self.region.is_none() {
            self.region = (found.failure.as_ref()).and_then(|failure| failure.region.clone());
        }
        if self.account.is_none() {
            self.account = found
                .failure
                .as_ref()
                .and_then(|failure| failure.account.clone());
        }
    }

    /// A batch that is delivered again brings what it brought: nothing is opened
    /// or counted over its life anew, but what still stands open is fresh, as the
    /// first delivery may have ended before anybody was notified.
    fn freshen(&mut self, record: &NormalizedRecord<'_, '_>, found: Match<'_>) {
        if let Some(Role::ChannelLost | Role::ChannelStatus) = found.signature.role {
            self.channel.freshen(record.at, self.batch);
        }
        let Some(copy) = ActiveFault::new(record, found, None, self.batch) else {
            return;
        };
        let known = self.open.iter_mut().find(|open| open.same(&copy));
        if let Some(open) = known.filter(|open| open.first <= copy.first) {
            open.count_in(self.batch);
            for count in copy.signatures {
                open::add_count(&mut open.signatures, count);
            }
        }
    }
}

/// Whether `at` is a moment before `last`, as of two lines of one try.
fn just_before(at: Option<Timestamp>, last: Timestamp) -> bool {
    at.is_some_and(|at| at <= last && last.duration_since(at) <= JUST_LOGGED)
}

/// The parts that the agent needs for its credentials.
fn leads_to_credentials(part: Part) -> bool {
    matches!(
        part,
        Part::Identity | Part::Credentials | Part::Registration | Part::Health
    )
}

#[cfg(test)]
mod tests;
