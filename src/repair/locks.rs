//! The locks: what the operator, the evidence and the resource must allow
//! before anything is written. A closed one says what holds and how it is opened.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use jiff::Timestamp;

use super::change::cut;
use super::repairs::{REPAIR_TAG_KEY, Repair};
use crate::cause::{Confidence, ScopeKind, closed_names};
#[cfg(feature = "aws")]
use crate::diagnose::{call_error::CallError, live::CalendarState};
use crate::incident::group::{AffectedNode, Incident};
use crate::node::{AccountId, IdSource, Region};

closed_names! {
    /// How far the function may go once a cause is confirmed.
    pub RepairMode {
        /// Gives the steps; writes nothing.
        Advise = "advise",
        /// Plans, and asks EC2 with DryRun; writes nothing.
        DryRun = "dry-run",
        /// Writes what a person asks for, when every other lock is open.
        OnRequest = "on-request",
        /// Writes, when every lock is open.
        Repair = "repair",
    }
}

/// What the operator allows, and where the function itself runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Guardrails {
    pub mode: RepairMode,
    /// Names or ARNs of the change calendars that must all be open.
    pub calendars: Vec<String>,
    /// A person asks for the repair in this very invocation.
    pub requested: bool,
    /// The names of the repairs that are allowed.
    pub actions: BTreeSet<&'static str>,
    pub tag_value: String,
    pub max_repairs: u32,
    pub max_evidence_age: Duration,
    /// The account in which repairs are made: the function's own, or a member's through
    /// its role. `None` closes the lock of the account.
    pub account: Option<AccountId>,
    pub region: Region,
    /// Whom a person asks for a repair.
    pub function: Option<Function>,
}

/// The function itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Function {
    pub name: String,
    pub account: Option<AccountId>,
    pub region: Region,
}

impl Guardrails {
    /// Whether the mode alone keeps every repair from being planned.
    pub(super) fn is_off(&self) -> bool {
        match self.mode {
            RepairMode::Advise => true,
            RepairMode::OnRequest => !self.requested,
            RepairMode::DryRun | RepairMode::Repair => false,
        }
    }
}

/// Why nothing is written, in the order in which the reasons are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// There is no repair for the cause.
    NoRepair,
    /// Repairs are off.
    Advise,
    /// A person is to ask for each.
    OnRequest,
    ActionNotListed,
    /// No check of this invocation, on a node that qualifies otherwise, has
    /// confirmed the cause.
    NotConfirmed,
    NotNamedByLog,
    /// A hybrid node, or one whose id is unknown.
    NotAnInstance,
    /// Only log text gives the node's id.
    NamedByText,
    Account,
    Region,
    EvidenceTooOld,
    /// The tag on the resource is absent or has another value.
    Tag,
    TagUnread,
    /// What was repaired before is not known: the state could not be used.
    NoState,
    /// Another invocation is at it.
    UnderWay,
    /// Repaired within the hour and broken again.
    RepairedAgain,
    /// Tried within the hour, without success.
    TriedRecently,
    Capped,
    /// A change calendar is closed, or could not be read.
    Calendar,
    /// The batch says nothing new about it, so that no check was made.
    NothingNew,
    /// Live state of the resource could not be read.
    Unread,
    /// Something about the resource itself forbids it.
    Resource,
}

/// A lock that is closed, with a sentence for the reader.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    pub lock: Lock,
    pub text: Cow<'static, str>,
}

impl Lock {
    pub(super) fn closed(self, text: impl Into<Cow<'static, str>>) -> Reason {
        let text = text.into();
        Reason { lock: self, text }
    }
}

/// The closed locks of the operator and of the evidence. One node that opens
/// all of its own is enough; when there is none, those of the node that opens
/// most are named.
pub(super) fn blocked_by(
    incident: &Incident,
    repair: &Repair,
    guardrails: &Guardrails,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if guardrails.mode == RepairMode::Advise {
        reasons.push(
            Lock::Advise
                .closed("TRIAGE_REPAIR is advise; dry-run shows the repair, repair makes it."),
        );
    }
    if guardrails.mode == RepairMode::OnRequest && !guardrails.requested {
        reasons.push(Lock::OnRequest.closed("TRIAGE_REPAIR is on-request."));
    }
    if !guardrails.actions.contains(repair.name) {
        reasons.push(Lock::ActionNotListed.closed(format!(
            "The repair {} is not allowed here. Add it to TRIAGE_REPAIR_ACTIONS.",
            repair.name
        )));
    }
    // What is wrong with an instance its own log must say; what several share,
    // any node that a check has reached it through.
    let own = repair.cause.scope_kind() == ScopeKind::Instance;
    let best = (incident.affected.iter())
        .filter(|hit| !own || hit.node.id.as_str() == incident.scope.id)
        .map(|hit| closed_for(hit, incident, guardrails, now))
        .min_by_key(Vec::len);
    reasons.extend(best.unwrap_or_else(|| vec![not_an_instance()]));
    reasons
}

fn closed_for(
    hit: &AffectedNode,
    incident: &Incident,
    guardrails: &Guardrails,
    now: Timestamp,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !hit.confirmed || incident.confidence != Confidence::Confirmed {
        reasons.push(
            Lock::NotConfirmed
                .closed("Only a cause that a check of this invocation confirms is repaired."),
        );
    }
    if !hit.log_candidates.contains(&incident.cause) {
        reasons.push(Lock::NotNamedByLog.closed(format!(
            "Live state shows {}, but the log does not name it as a possible cause, so it is left to a person.",
            incident.cause
        )));
    }
    match (hit.node.id.instance(), hit.node.id_source) {
        (None, _) | (Some(_), IdSource::Nobody) => reasons.push(not_an_instance()),
        (Some(_), IdSource::Text) => reasons.push(Lock::NamedByText.closed("Only the text of the log names the instance, and whoever can write to the log can write that. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.")),
        (Some(_), IdSource::Ec2) => reasons.push(Lock::NotNamedByLog.closed("Neither a log names it as a possible cause, nor has Systems Manager lost the node: it has never seen it. So it is left to a person.")),
        (Some(_), IdSource::Stream | IdSource::Caller | IdSource::SystemsManager) => {}
    }
    let (seen, own) = (&hit.node.account, &guardrails.account);
    if seen.is_none() || seen != own {
        reasons.push(Lock::Account.closed(format!(
            "The log comes from {}, and repairs are made only in the function's own account, {}. Set TRIAGE_MEMBER_ROLE to a role of that account, or make the change there by hand.",
            known(seen, "account", "an account that is not known"),
            own.as_ref().map_or("which is not known", AccountId::as_str),
        )));
    }
    let (seen, own) = (&hit.node.region, &guardrails.region);
    if seen.as_ref() != Some(own) {
        reasons.push(Lock::Region.closed(format!(
            "The log comes from {}, and repairs are made only in the function's own Region, {own}. Set TRIAGE_MEMBER_ROLE, which leads to other Regions too, or make the change there by hand.",
            known(seen, "Region", "a Region that is not known"),
        )));
    }
    // Evidence from after `now` has no age; it is at least not old.
    let age = Duration::try_from(now.duration_since(hit.last)).unwrap_or_default();
    if age >= guardrails.max_evidence_age {
        reasons.push(Lock::EvidenceTooOld.closed(format!(
            "The newest line of the log is {} old, and TRIAGE_MAX_EVIDENCE_AGE allows {}. A newer line of the same fault leads to the repair.",
            span(age),
            span(guardrails.max_evidence_age),
        )));
    }
    reasons
}

fn not_an_instance() -> Reason {
    Lock::NotAnInstance.closed("The log does not come from an EC2 instance that is known by its id. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.")
}

/// The lock of the owner of `resource`: its opt-in tag.
pub(super) fn tag_lock(
    tag: Result<Option<String>, String>,
    resource: &str,
    guardrails: &Guardrails,
) -> Option<Reason> {
    let wanted = &guardrails.tag_value;
    Some(match tag {
        Ok(Some(value)) if value == *wanted => return None,
        Ok(None) => Lock::Tag.closed(format!("The {resource} lacks the tag {REPAIR_TAG_KEY} = {wanted}, which allows repairs.")),
        Ok(Some(found)) => Lock::Tag.closed(format!("The {resource} carries the tag {REPAIR_TAG_KEY} with the value {:?}, which does not allow repairs; {wanted} would.", cut(&found))),
        Err(why) => Lock::TagUnread.closed(format!("Whether the {resource} carries the tag {REPAIR_TAG_KEY} could not be read: {}.", why.trim_end_matches('.'))),
    })
}

/// The lock of the state, which cannot be used.
pub(super) fn state_lock(why: &str) -> Reason {
    Lock::NoState.closed(format!("What this function repaired before is not known, so nothing is repaired: {}. Once the state table can be used again, the next batch of the same fault leads to the repair.", why.trim_end_matches('.')))
}

/// The lock of change calendars, unless all are open: what Systems Manager says of them.
#[cfg(feature = "aws")]
pub(super) fn calendar_lock(
    calendars: &[String],
    state: Result<CalendarState, CallError>,
) -> Option<Reason> {
    let names = calendars.join(", ");
    let text = match state {
        Ok(CalendarState { is_open: true, .. }) => return None,
        Ok(CalendarState { until, .. }) => {
            let until = until.map_or(String::new(), |until| format!(" until {}", cut(&until)));
            format!(
                "A change calendar is closed{until} ({names}), and TRIAGE_CHANGE_CALENDARS wants all open. The next batch of the same fault after that leads to the repair."
            )
        }
        Err(error) => format!(
            "Whether the change calendars are open ({names}) could not be read: {}.",
            error.to_string().trim_end_matches('.')
        ),
    };
    Some(Lock::Calendar.closed(text))
}

/// The cap of repairs in an hour, full until `until`.
pub(super) fn cap_lock(max: u32, until: Timestamp) -> Reason {
    Lock::Capped.closed(match max {
        0 => "TRIAGE_MAX_REPAIRS is 0, so nothing is repaired. Raise it.".to_owned(),
        max => format!("TRIAGE_MAX_REPAIRS allows {max} repairs an hour and they are used up, so nothing is repaired before {}. Many repairs at once point to one cause behind them all: look for it, then raise the number if need be.", moment(until)),
    })
}

/// `2026-11-23 06:42:07 UTC`.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span as the settings write it, rounded down, in the largest unit of which
/// it has at least two: `90s`, `15m`, `26h`, `7d`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    for (unit, name) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if seconds >= 2 * unit {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

fn known<T: Display>(value: &Option<T>, kind: &str, unknown: &str) -> String {
    match value {
        Some(value) => format!("{kind} {value}"),
        None => unknown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "aws")]
    fn only_calendars_that_are_open_leave_a_repair_free() {
        let calendars = ["freeze".to_owned(), "nights".to_owned()];
        let lock =
            |state| calendar_lock(&calendars, state).map(|closed| (closed.lock, closed.text));
        let state = |is_open| CalendarState {
            is_open,
            until: Some("2026-12-01T06:00:00Z".to_owned()),
        };
        assert_eq!(lock(Ok(state(true))), None);
        let throttled = CallError::Throttled {
            call: "GetCalendarState",
            code: "Throttling".to_owned(),
        };
        for (state, says) in [
            (
                Ok(state(false)),
                "closed until 2026-12-01T06:00:00Z (freeze, nights)",
            ),
            (
                Err(throttled),
                "(freeze, nights) could not be read: GetCalendarState was throttled",
            ),
        ] {
            let (lock, text) = lock(state).expect("it is closed");
            assert_eq!(lock, Lock::Calendar);
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn spans_are_written_as_the_settings_write_them() {
        let written = [90, 119, 120, 7_199, 7_200, 93_605, 172_800, 604_800]
            .map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(
            written,
            ["90s", "119s", "2m", "119m", "2h", "26h", "2d", "7d"]
        );
    }
}
