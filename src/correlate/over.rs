//! What ends a fault, with a line that says so or without, and what does not end it.

use jiff::{SignedDuration, Timestamp};

use super::open::ActiveFault;
use super::{Ingested, NodeState, explain};
use crate::cause::Cause;
use crate::failure::Service;
use crate::finding::Recovered;
use crate::record::Record;
use crate::signature::{Kind, Match, Part, Role};
use crate::sort;

/// A crash loop of the worker has a period of one minute, a failed start of two.
const OUTLIVED: SignedDuration = SignedDuration::from_hours(1);

/// What lies outside the agent comes back with the next attempt, at most a day later.
const OUTLIVED_OUTSIDE: SignedDuration = SignedDuration::from_hours(24);

/// What somebody has to put right outlasts a crash. Without a success of the same call
/// only this long a silence shows that it is over.
const OUTLIVED_REPAIR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Three attempts to find an identity stand half a second apart; the end of each
/// is written within milliseconds.
const BETWEEN_TRIES: SignedDuration = SignedDuration::from_secs(1);

/// Every way to credentials is tried within this time of one refresh; the next
/// refresh comes minutes later.
const BETWEEN_REFRESHES: SignedDuration = SignedDuration::from_mins(1);

/// What the worker, which opens the channel, writes first in its tags.
const WORKER: &str = "ssm-agent-worker";

/// The parts of the agent that work with EC2's identity.
const NEED_IDENTITY: [&str; 2] = ["Registrar", "EC2RoleProvider"];

impl NodeState {
    /// Ends what a record of a success shows to be over.
    pub(super) fn recover(&mut self, record: &Record<'_>, found: &Match<'_>) -> Ingested {
        let clears = found.signature.clears;
        let live = matches!(
            found.signature.role,
            Some(Role::Connected | Role::ChannelOpened)
        );
        if live {
            self.live = self.live.max(Some(record.at));
        }
        let opened = found.signature.role == Some(Role::ChannelOpened);
        let mut over = self.over.iter();
        let was_gone = over.find(|(cause, _)| *cause == Cause::AgentWorker);
        let was_gone = was_gone.map(|(_, at)| *at);
        let is_over = |open: &ActiveFault| {
            clears.contains(&open.part)
                && open.last <= record.at
                && !survives(open, found)
                && !is_beside(open, found)
                || live && outlived(open, record.at)
                || open.last <= record.at && proves(found, open)
                || opened && worker_is_back(record, open, was_gone)
        };
        let ended = self.close(record.at, found.signature.id, &is_over);
        for part in clears {
            match self.proven.iter_mut().find(|(known, _)| known == part) {
                Some((_, at)) => *at = (*at).max(record.at),
                None => self.proven.push((*part, record.at)),
            }
        }
        ended
    }

    /// Ends what `is_over` at `at`, as a record of `signature` shows.
    pub(super) fn close(
        &mut self,
        at: Timestamp,
        signature: &str,
        is_over: &dyn Fn(&ActiveFault) -> bool,
    ) -> Ingested {
        let over: Vec<ActiveFault> = self.open.extract_if(.., |open| is_over(open)).collect();
        // What another fault explained has no incident that could be over.
        let explained = |open| over.iter().any(|other| explain::explains(other, open));
        let mut recovered = Vec::new();
        for open in over.iter().filter(|open| !explained(open)) {
            let cause = open.causes.lead();
            match self.over.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, known)) => *known = (*known).max(at),
                None => self.over.push((cause, at)),
            }
            // What healed by itself is no news, but may have been proved, and so notified.
            if !open.pending || open.bare {
                recovered.push(Recovered {
                    node: String::new(),
                    cause,
                    signature: signature.to_owned(),
                    since: Some(open.first),
                    at,
                });
            }
        }
        sort::by_key(&mut recovered, |over| (over.cause, over.since));
        recovered.dedup_by_key(|over| over.cause);
        if recovered.is_empty() {
            Ingested::NoChange
        } else {
            Ingested::Recovered(recovered)
        }
    }

    /// Takes note of what only an agent that has found EC2's identity writes, after an attempt
    /// that failed. Beside it errors.log, which holds no INFO, does not show that the attempt
    /// was not the last.
    pub(super) fn note_identity(&mut self, record: &Record<'_>) {
        let mut attempts = self.open.iter();
        if record.tags.end_with_any(&NEED_IDENTITY)
            && attempts.any(|open| open.role == Some(Role::IdentityAttempt) && open.pending)
        {
            self.identified = self.identified.max(Some(record.at));
        }
    }

    /// Whether `open` is an attempt to find an identity that was not the last: a further one
    /// that failed, and the end of them, would stand between it and what only an agent with
    /// an identity writes.
    pub(super) fn was_passed(&self, open: &ActiveFault) -> bool {
        let given_up = |other: &ActiveFault| {
            other.role == Some(Role::IdentityGivenUp) && other.last >= open.last
        };
        open.role == Some(Role::IdentityAttempt)
            && open.pending
            && (self.identified).is_some_and(|at| at.duration_since(open.last) >= BETWEEN_TRIES)
            && !self.open.iter().any(given_up)
    }

    /// Forgets the attempts that were passed before another one, at `at`, failed.
    pub(super) fn drop_passed(&mut self, at: Timestamp) {
        if self.identified.is_none_or(|identified| identified > at) {
            return;
        }
        let passed: Vec<bool> = (self.open.iter())
            .map(|open| self.was_passed(open))
            .collect();
        let mut passed = passed.into_iter();
        self.open.retain(|_| passed.next() != Some(true));
    }

    /// What was tried right before `at` has not healed: a later try would be
    /// written between the two. Of the attempts to find an identity that is the
    /// last alone, where no batch between may be missing. What is bare waits for a
    /// later try: that another line of its own follows excludes no cause.
    pub(super) fn settle(&mut self, part: Part, at: Timestamp) {
        let before_next = match part {
            Part::Identity => BETWEEN_TRIES,
            _ => BETWEEN_REFRESHES,
        };
        let attempt = |open: &ActiveFault| {
            open.kind == Kind::Fault && open.role == Some(Role::IdentityAttempt) && open.last <= at
        };
        let attempts = self.open.iter().filter(|open| attempt(open));
        let last_attempt = attempts.map(|open| open.last).max();
        let batch = self.batch;
        for open in &mut self.open {
            let since = at.duration_since(open.last);
            let not_the_last = attempt(open)
                && (open.batch < batch || last_attempt.is_some_and(|last| open.last < last));
            if open.part == part
                && !(open.cut || open.bare || not_the_last)
                && SignedDuration::ZERO <= since
                && since <= before_next
            {
                open.pending = false;
            }
        }
    }
}

/// What happens to an agent once and leaves no line when it is over: a worker that
/// was killed, a failed start, a failed command. A live connection well after it
/// shows that the agent works on.
pub(super) fn outlived(open: &ActiveFault, live: Timestamp) -> bool {
    let quiet_for = match open.part {
        _ if needs_repair(open) => OUTLIVED_REPAIR,
        Part::Worker | Part::Core | Part::Command | Part::Session | Part::Inventory => OUTLIVED,
        Part::Output | Part::Update | Part::Host | Part::Config => OUTLIVED_OUTSIDE,
        Part::Identity
        | Part::Credentials
        | Part::Registration
        | Part::Health
        | Part::ControlChannel
        | Part::Messages
        | Part::Associations => return false,
    };
    live.duration_since(open.last) >= quiet_for
}

/// Whether `open` lies in what the agent stands on, and so ends by no time without it
/// that is shorter than a repair.
fn needs_repair(open: &ActiveFault) -> bool {
    is_of_host(open)
        || is_of_path(open.causes.lead())
        || matches!(
            open.causes.lead(),
            Cause::PermissionMissing | Cause::EndpointPolicyDenies
        )
}

/// Whether the host itself is at fault.
pub(super) fn is_of_host(open: &ActiveFault) -> bool {
    matches!(
        open.causes.lead(),
        Cause::HostDiskFull
            | Cause::HostReadOnly
            | Cause::HostInotifyExhausted
            | Cause::HostPermission
            | Cause::HostMemory
            | Cause::HostNoexec
    )
}

/// Whether `found` proves no more of the part of `open` than `open` leaves whole: the
/// host may be at fault while calls succeed, and a part may be denied one call of several.
fn is_beside(open: &ActiveFault, found: &Match<'_>) -> bool {
    let by_call = !matches!(found.signature.role, Some(Role::ChannelOpened))
        && matches!(open.part, Part::Credentials | Part::Health);
    by_call && is_of_host(open) || denies_another_call(open)
}

/// Whether `open` is the denial of a call whose success a recovery of its part does not show.
pub(super) fn denies_another_call(open: &ActiveFault) -> bool {
    let shown: &[&str] = match open.part {
        Part::Health => &["ssm:UpdateInstanceInformation"],
        Part::Messages => &[
            "ec2messages:GetMessages",
            "ec2messages:AcknowledgeMessage",
            "ec2messages:SendReply",
        ],
        Part::Associations => &["ssm:ListInstanceAssociations", "ssm:ListAssociations"],
        _ => return false,
    };
    let denied = matches!(
        open.causes.lead(),
        Cause::PermissionMissing | Cause::EndpointPolicyDenies
    );
    let is_shown = |action: &str| shown.iter().any(|one| one.eq_ignore_ascii_case(action));
    denied && (open.error_details.denied_actions().iter()).any(|action| !is_shown(action))
}

/// Credentials that are merely held prove no call: they may come from the cache.
fn survives(open: &ActiveFault, found: &Match<'_>) -> bool {
    let weak = found.signature.role.is_none() && found.signature.part == Part::Credentials;
    weak && open.kind == Kind::Fault && open.decided && open.role != Some(Role::ProfileRefused)
}

/// Whether a call that succeeded shows that `open` is over, though it was another call that failed.
fn proves(found: &Match<'_>, open: &ActiveFault) -> bool {
    let lead = open.causes.lead();
    // Every call is signed with the same credentials and the same clock.
    let of_signing = matches!(
        lead,
        Cause::ClockSkew | Cause::CredentialsExpired | Cause::CredentialsInvalid
    );
    let names_none = open.error_details.service.is_none();
    match found.signature.role {
        // A hibernating agent opens no channel.
        Some(Role::ChannelOpened) if open.role == Some(Role::Hibernating) => true,
        _ if !is_certain(open) => false,
        Some(Role::ChannelOpened) => of_signing,
        // The agent's own setting of proxy and certificates is that of every call.
        Some(Role::Connected) => {
            let is_set = open.part == Part::Config && names_none;
            of_signing || barred_ssm(open) || is_set && is_of_path(lead)
        }
        // They come from the service that the health ping calls, over the same path.
        Some(Role::Renewed) => {
            let of_ssm = names_none || is_of_ssm(open);
            open.part == Part::Health && of_ssm && (of_signing || is_of_path(lead))
        }
        _ => false,
    }
}

/// Whether `open` kept calls from Systems Manager, so that any answer of it ends it.
pub(super) fn barred_ssm(open: &ActiveFault) -> bool {
    is_certain(open) && is_of_ssm(open) && is_of_path(open.causes.lead())
}

/// Whether the node's own log says for certain what is wrong with it.
fn is_certain(open: &ActiveFault) -> bool {
    open.kind == Kind::Fault
        && open.decided
        && !matches!(open.role, Some(Role::Client | Role::Person))
}

fn is_of_ssm(open: &ActiveFault) -> bool {
    open.error_details.service.as_deref() == Some(Service::Ssm.as_str())
}

fn is_of_path(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::DnsFailure | Cause::EndpointUnreachable | Cause::ProxyFailure | Cause::TlsFailure
    )
}

/// Whether `record`, which shows the channel open, shows that the worker runs again. One
/// that `was_gone` within the hour before may be gone a third time.
fn worker_is_back(record: &Record<'_>, open: &ActiveFault, was_gone: Option<Timestamp>) -> bool {
    let again = || {
        open.first < open.last
            || was_gone.is_some_and(|at| open.first.duration_since(at) < OUTLIVED)
    };
    open.part == Part::Worker
        && open.last <= record.at
        && record.tags.iter().any(|tag| tag == WORKER)
        && !(open.role == Some(Role::WorkerGone) && again())
}
