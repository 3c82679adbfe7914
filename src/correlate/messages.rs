//! The sessions and commands that the agent runs: each shows that it has received a message.
//! Beside them errors.log has no line that says that the agent works.

use jiff::SignedDuration;

use super::open::ActiveFault;
use super::over::is_of_host;
use super::pings::may_go_on_unlogged;
use super::{Ingested, NodeState};
use crate::cause::Cause;
use crate::record::Record;
use crate::signature::Part;

/// A fault that is older than this lies before the message. The agent waits for a command for
/// 48 hours at the most (`defaultOrphanProcessTimeout` in its `outofproc/master.go`), and may
/// have received it with credentials that were six hours old.
const RUNS_ON: SignedDuration = SignedDuration::from_hours(48 + 6);

/// What came in a message.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Session,
    Command,
}

impl NodeState {
    /// Ends what a `record` of work in hand, which `signature` recognised, shows to be over.
    pub(super) fn note_message(&mut self, record: &Record<'_>, signature: &str) -> Ingested {
        if self.open.is_empty() {
            return Ingested::NoChange;
        }
        let Some(work) = work(record) else {
            return Ingested::NoChange;
        };
        let is_before = |open: &ActiveFault| record.at.duration_since(open.last) >= RUNS_ON;
        let is_over = |open: &ActiveFault| is_before(open) && kept_away(open, work);
        self.close(record.at, signature, &is_over)
    }
}

/// The work that `record` is of. A schedule's document, which runs without a message, has the
/// time of its run behind its id: `b3e80509-….2020-08-16T19-43-15.034Z`.
fn work(record: &Record<'_>) -> Option<Work> {
    // As most records are.
    if record.tags.begin_with("[ssm-agent-worker]") || record.tags.begin_with("[amazon-ssm-agent]")
    {
        return None;
    }
    let mut tags = record.tags.iter();
    let work = match tags.next()? {
        "ssm-session-worker" => Work::Session,
        "ssm-document-worker" => Work::Command,
        _ => return None,
    };
    let id = tags.next()?;
    let last = id.rsplit('-').next()?;
    let is_id = match work {
        // `alice-0a1b2c3d4e5f67890`
        Work::Session => last.len() >= 17,
        Work::Command => id.len() == 36 && last.len() == 12,
    };
    let is_word = last.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_id && is_word).then_some(work)
}

/// Whether `open` would have kept the message of `work` from the agent. A failed health ping is
/// none, but its agent, which is alive, would have logged it again.
fn kept_away(open: &ActiveFault, work: Work) -> bool {
    let is_on_the_way = match open.part {
        Part::Identity | Part::Credentials | Part::Registration => true,
        Part::Health => !may_go_on_unlogged(open),
        // Commands may come from ec2messages.
        Part::ControlChannel => work == Work::Session,
        Part::Host
        | Part::Config
        | Part::Core
        | Part::Worker
        | Part::Messages
        | Part::Associations
        | Part::Command
        | Part::Session
        | Part::Output
        | Part::Inventory
        | Part::Update => false,
    };
    let denied = matches!(
        open.causes.lead(),
        Cause::PermissionMissing | Cause::EndpointPolicyDenies
    );
    is_on_the_way && !denied && !is_of_host(open)
}
