//! The health pings, of which the agent logs that it sends one, and an error where it
//! fails: several in succession without an error have arrived.

use jiff::{SignedDuration, Timestamp};

use super::open::{ActiveFault, WINDOW};
use super::over::{denies_another_call, is_of_host};
use super::{Ingested, NodeState, leads_to_credentials};
use crate::failure::Kind as FailureKind;
use crate::record::Record;
use crate::signature::{Part, Role};

/// So many pings in succession show that those before the last arrived.
const SERIES: u64 = 3;

/// The agent sends one every five minutes, or less often; pings of several machines in
/// one log are closer.
const SPAN: SignedDuration = SignedDuration::from_mins(9);

/// Errors of a time that ran out, which the agent logs of some pings only.
const OF_TIME: [&str; 3] = ["timeout", "Timeout", "deadline exceeded"];

/// The parts of the agent that take part in a ping.
const TAKE_PART: [&str; 4] = [
    "HealthCheck",
    "EC2Identity",
    "EC2RoleProvider",
    "CredentialRefresher",
];

impl NodeState {
    /// Takes in that a ping is sent, as `signature` says, and ends what the series of
    /// them shows to be over.
    pub(super) fn ping(&mut self, record: &Record<'_>, signature: &str) -> Ingested {
        let (at, last) = (record.at, self.pinged);
        self.pinged = last.max(Some(at));
        if !self.open.iter().any(ends_by_pings) {
            self.pings = None;
            return Ingested::NoChange;
        }
        let since = last.map(|last| at.duration_since(last));
        let (first, count) = match (self.pings, since) {
            (Some(pings), Some(since)) if since <= SignedDuration::ZERO => pings,
            (Some((first, count)), Some(since)) if since <= WINDOW => (first, count + 1),
            _ => (at, 1),
        };
        self.pings = Some((first, count));
        if count < SERIES || at.duration_since(first) < SPAN {
            return Ingested::NoChange;
        }
        self.pings = None;
        let is_over = |open: &ActiveFault| ends_by_pings(open) && open.last <= first;
        self.close(at, signature, &is_over)
    }

    /// A record of trouble at `at` that a failed ping may have caused ends the series.
    pub(super) fn interrupt_pings(&mut self, at: Timestamp) {
        self.pings = self.pings.filter(|(first, _)| at < *first);
    }

    /// The same for one that nothing recognised.
    pub(super) fn interrupt_pings_by_unknown(&mut self, record: &Record<'_>) {
        let takes_part = || (record.tags.iter()).any(|tag| TAKE_PART.contains(&tag));
        if self.pings.is_some() && (record.edge || takes_part()) {
            self.interrupt_pings(record.at);
        }
    }

    /// The same for one of `part`.
    pub(super) fn interrupt_pings_by(&mut self, part: Part, at: Timestamp) {
        if self.pings.is_some() && leads_to_credentials(part) {
            self.interrupt_pings(at);
        }
    }
}

/// Whether `open` would be logged again with each ping that it stops.
fn ends_by_pings(open: &ActiveFault) -> bool {
    matches!(open.part, Part::Health | Part::Identity)
        && !is_of_host(open)
        && !denies_another_call(open)
        && !may_go_on_unlogged(open)
}

/// A call that runs out of time is logged at DEBUG alone. A hibernating agent logs no
/// such ping as this.
pub(super) fn may_go_on_unlogged(open: &ActiveFault) -> bool {
    let is_cut = matches!(
        open.failure,
        Some(FailureKind::Unsent | FailureKind::RetriesExhausted)
    );
    let of_time = |text: &str| OF_TIME.iter().any(|words| text.contains(words));
    open.part == Part::Health
        && open.role != Some(Role::Hibernating)
        && (is_cut || open.evidence.iter().any(|one| of_time(&one.text)))
}
