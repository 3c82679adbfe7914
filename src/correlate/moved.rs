//! A log that one machine began and another continues, as an image takes it along.

use jiff::Timestamp;

use super::channel::Channel;
use super::names::{named_in, named_in_tags};
use super::open::ActiveFault;
use super::{BOOT, NodeState, SILENCE};
use crate::node::NodeId;
use crate::record::{NormalizedRecord, Record};
use crate::signature::{Match, Role};

/// What the worker writes before it opens its channel.
const OPENS_CHANNEL: &str = "Setting up websocket for controlchannel for instance: ";

impl NodeState {
    /// Takes note of a record at `at` that is the first after a silence.
    pub(super) fn note_silence(&mut self, at: Timestamp) {
        let silent = (self.latest)
            .is_some_and(|latest| at.as_second() - latest.as_second() >= SILENCE.as_secs());
        let known = (self.resumed).is_some_and(|(from, started)| started || from == at);
        if silent && !known && self.named.is_some() {
            self.resumed = Some((at, false));
        }
    }

    /// The agent starts at `at`.
    pub(super) fn note_start(&mut self, at: Timestamp) {
        if let Some((resumed, started)) = &mut self.resumed {
            *started |= at.duration_since(*resumed) <= BOOT;
        }
    }

    /// Takes the id that the record names, where none is known or another machine may
    /// have gone on with the log.
    pub(super) fn note_id(&mut self, record: &NormalizedRecord<'_, '_>, found: &Match<'_>) {
        if matches!(found.signature.role, Some(Role::Client | Role::Person)) && self.named.is_some()
        {
            return;
        }
        if let Some(id) = named_in(record) {
            self.take_id(id, record.at);
        }
    }

    /// Takes the id that the agent writes of itself when it opens its channel, or in its tags.
    pub(super) fn note_own_id(&mut self, record: &Record<'_>) {
        let of_channel = || {
            let id = record
                .message
                .strip_prefix(OPENS_CHANNEL)?
                .split(',')
                .next();
            NodeId::parse(id?)
        };
        if let Some(id) = named_in_tags(record).or_else(of_channel) {
            self.take_id(id, record.at);
        }
    }

    /// Whether `open` was logged after a silence and a start of the agent, since which the log
    /// has not named the node.
    pub(super) fn may_be_anothers(&self, open: &ActiveFault) -> bool {
        (self.resumed).is_some_and(|(from, started)| started && open.last >= from)
    }

    fn take_id(&mut self, id: NodeId, at: Timestamp) {
        match (&self.named, self.resumed) {
            (Some(known), Some((resumed, started))) if *known != id => {
                // A machine may have an id of EC2 and one of a hybrid node.
                let of_a_kind = matches!(
                    (known, &id),
                    (NodeId::Instance(_), NodeId::Instance(_))
                        | (NodeId::Hybrid(_), NodeId::Hybrid(_))
                );
                let is_well = self.open.iter().all(|open| open.last >= resumed);
                if of_a_kind && at >= resumed && (started || is_well) {
                    self.forget_before(resumed);
                    (self.named, self.resumed) = (Some(id), None);
                }
            }
            (_, None) => self.named = Some(id),
            (_, Some((resumed, _))) if at < resumed => {}
            _ => self.resumed = None,
        }
    }

    /// Forgets what another machine logged, before `begin`.
    fn forget_before(&mut self, begin: Timestamp) {
        self.open.retain_mut(|open| {
            open.evidence.retain(|one| one.at >= begin);
            for count in &mut open.signatures {
                count.first = count.first.max(begin);
            }
            open.first = open.first.max(begin);
            open.since = open.since.max(begin);
            open.last >= begin
        });
        self.proven.retain(|(_, at)| *at >= begin);
        self.over.retain(|(_, at)| *at >= begin);
        for moment in [&mut self.session, &mut self.live, &mut self.identified] {
            *moment = moment.filter(|at| *at >= begin);
        }
        if !self.channel.is_of(begin) {
            self.channel = Channel::default();
        }
        (self.account, self.region) = (None, None);
    }
}
