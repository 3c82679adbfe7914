//! A log that one machine began and another continues, as an image takes it along.

use jiff::Timestamp;

use super::channel::Channel;
use super::names::named_in;
use super::{BOOT, NodeState, SILENCE};
use crate::node::NodeId;
use crate::record::NormalizedRecord;
use crate::signature::{Match, Role};

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
        let Some(id) = named_in(record) else {
            return;
        };
        match (&self.named, self.resumed) {
            (Some(known), Some((resumed, started))) if *known != id => {
                // A machine may have an id of EC2 and one of a hybrid node.
                let of_a_kind = matches!(
                    (known, &id),
                    (NodeId::Instance(_), NodeId::Instance(_))
                        | (NodeId::Hybrid(_), NodeId::Hybrid(_))
                );
                let is_well = self.open.iter().all(|open| open.last >= resumed);
                if of_a_kind && record.at >= resumed && (started || is_well) {
                    self.forget_before(resumed);
                    (self.named, self.resumed) = (Some(id), None);
                }
            }
            (_, None) => self.named = Some(id),
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
