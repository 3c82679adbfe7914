//! What keeps the state of a node small.

use jiff::Timestamp;

use super::NodeState;
use super::open::ActiveFault;
use super::recent::Recent;
use super::unknown::Unknown;
use crate::cause::Cause;
use crate::signature::Part;

/// So many faults may stand open on one node.
pub(super) const MAX_OPEN: usize = 48;

/// What may stand open on one node is kept in so many bytes: some thirty faults
/// with the longest records that the agent writes.
const MAX_OPEN_BYTES: usize = 64 * 1024;

impl NodeState {
    /// Forgets the quietest and oldest until what stands open fits.
    pub fn shrink(&mut self) {
        let mut bytes: usize = self.open.iter().map(ActiveFault::bytes).sum();
        while bytes > MAX_OPEN_BYTES
            && let Some(forgotten) = self.drop_oldest()
        {
            bytes -= forgotten.bytes();
        }
        if self.is_idle() {
            // What is over differs from late copies of it by its time.
            self.recent = Recent::default();
            self.pings = None;
        }
        self.open.shrink_to_fit();
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        let open: usize = self.open.iter().map(ActiveFault::bytes).sum();
        let unknown: usize = self.unknown.iter().map(Unknown::bytes).sum();
        open + unknown
            + self.channel.bytes()
            + self.recent.bytes()
            + self.proven.capacity() * size_of::<(Part, Timestamp)>()
            + self.over.capacity() * size_of::<(Cause, Timestamp)>()
            + self.version.as_ref().map_or(0, String::capacity)
            + self.named.as_ref().map_or(0, |id| id.as_str().len())
    }

    pub(super) fn drop_oldest(&mut self) -> Option<ActiveFault> {
        let oldest = self
            .open
            .iter()
            .enumerate()
            .min_by_key(|(_, open)| (open.severity, open.last))
            .map(|(i, _)| i);
        oldest.map(|index| self.open.remove(index))
    }
}
