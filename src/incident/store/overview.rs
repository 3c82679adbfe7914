//! What is remembered of all incidents, for one message about them.

use jiff::Timestamp;

use super::Incidents;
use crate::cause::{Cause, Severity};
use crate::incident::nodes::NodeList;
use crate::sort;
use crate::state::{Kind, StateError, Store};

/// One incident of the last days.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentOverview {
    pub key: String,
    pub cause: Cause,
    pub severity: Severity,
    pub title: String,
    /// A check has proved it.
    pub confirmed: bool,
    /// It is open on these nodes; where it is over, it had hit them.
    pub nodes: NodeList,
    /// Its oldest evidence since it opened.
    pub since: Timestamp,
    /// When it ended, where it has.
    pub resolved_at: Option<Timestamp>,
    /// When it came back after its end, within a day of the last time.
    pub returned: Vec<Timestamp>,
    /// The latest write of this function to the thing at fault.
    pub written_at: Option<Timestamp>,
}

impl Incidents {
    /// All incidents that somebody was notified of, and what nothing recognises, until
    /// they are forgotten: in the order of their keys.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn overview<S: Store>(
        &mut self,
        state: &S,
        now: Timestamp,
    ) -> Result<Vec<IncidentOverview>, StateError> {
        let keys = state.open(Kind::Incident).await?;
        let names = keys.iter().filter_map(|key| key.name_of(Kind::Incident));
        let names = sort::set(names.map(str::to_owned));
        self.load_keys(state, names, now).await?;
        let known = self.entries().filter(|(_, entry)| {
            entry.is_notified() || entry.cause == Cause::Unrecognised && entry.stands()
        });
        Ok(known.map(|(key, entry)| entry.overview(key)).collect())
    }
}
