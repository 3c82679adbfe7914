//! The repairs: one file each, and one line in [`REPAIRS`].

mod enable_imds_endpoint;
mod trust_ec2;

use std::time::Duration;

use super::change::{Change, Judged, Seen};
use crate::cause::Cause;
use crate::incident::group::Incident;
use crate::node::Region;
#[cfg(feature = "aws")]
use {
    super::clients::Clients, super::plan::permit::Permit, crate::diagnose::call_error::CallError,
};

/// Every repair; at most one for a cause.
pub(crate) static REPAIRS: &[Repair] = &[enable_imds_endpoint::REPAIR, trust_ec2::REPAIR];

/// The tag with which its owner opts a resource in. The key is fixed, because
/// an IAM condition key cannot be a parameter.
pub(crate) const REPAIR_TAG_KEY: &str = "ssm-agent-triage:repair";

/// A repair: all that is known of it stands in its own file.
pub(crate) struct Repair {
    /// As `TRIAGE_REPAIR_ACTIONS`, reports and audit lines name it.
    pub name: &'static str,
    /// What it puts right. The resource that it changes is the cause's scope.
    pub cause: Cause,
    /// What of the resource it changes: "The `subject` `right`." says that
    /// there is nothing to repair.
    pub subject: &'static str,
    pub right: &'static str,
    /// The IAM actions of the read and of the write.
    pub reads: &'static str,
    pub writes: &'static str,
    /// What may deny the write besides the function's own role.
    pub denied_by: &'static str,
    /// What it means that the resource is not found.
    pub gone: &'static str,
    /// What to do about other refusals of AWS, by error code.
    pub refusals: &'static [(&'static str, &'static str)],
    /// How long an accepted change may stay unseen before it counts as not seen.
    pub patience: Duration,
    /// What the live state in the incident says, and the least change. Pure.
    pub judge: fn(&Incident, &Region) -> Judged,
    /// Whether a change may still be sent, given the one that a second read
    /// leads to. A write that replaces what others write, too, must say no.
    pub still_holds: fn(&Change, &Change) -> bool,
    /// What the live state in the incident shows after the write. Pure.
    pub seen: fn(&Incident, &Change) -> Seen,
    /// Reads the resource into the incident: right before the write, and after it.
    #[cfg(feature = "aws")]
    pub read: for<'a> fn(&'a mut Incident, &'a Clients) -> Call<'a>,
    /// The one write, or its dry run.
    #[cfg(feature = "aws")]
    pub write: for<'a> fn(&'a Permit, &'a Clients) -> Call<'a>,
}

/// One call under way.
#[cfg(feature = "aws")]
pub(crate) type Call<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'a>>;

impl Repair {
    /// The repair that there is for `cause`.
    pub(crate) fn of(cause: Cause) -> Option<&'static Self> {
        REPAIRS.iter().find(|repair| repair.cause == cause)
    }

    /// The repair of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        REPAIRS.iter().find(|repair| repair.name == name)
    }

    /// The names of all, in words.
    pub(crate) fn names() -> String {
        let names: Vec<&str> = REPAIRS.iter().map(|repair| repair.name).collect();
        names.join(" and ")
    }

    /// `instance` or `role`, what is changed.
    pub(crate) fn kind(&self) -> &'static str {
        self.cause.scope_kind().as_str()
    }
}

/// The API's name in an IAM action: `GetRole` in `iam:GetRole`.
pub(crate) fn call(action: &'static str) -> &'static str {
    action.split_once(':').map_or(action, |(_, call)| call)
}

/// The commands that take a repair back: the tag goes first.
fn undo(action: &str, untag: impl std::fmt::Display, command: impl std::fmt::Display) -> String {
    format!("{untag} # or take {action} out of TRIAGE_REPAIR_ACTIONS\n{command}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::repair::plan::tests::open_change;

    const TEMPLATE: &str = include_str!("../../../template.yaml");

    pub(super) fn shown(change: &Change) -> String {
        let Change {
            target,
            what,
            note,
            before,
            request,
            command,
            undo,
            ..
        } = change;
        format!(
            "target: {target}\nwhat: {what}\nnote: {note}\nbefore: {before}\nrequest: {request}\ncommand: {command}\nundo:\n{undo}"
        )
    }

    #[test]
    fn each_repair_has_a_name_and_a_cause_of_its_own() {
        let names: BTreeSet<&str> = REPAIRS.iter().map(|repair| repair.name).collect();
        let causes: BTreeSet<Cause> = REPAIRS.iter().map(|repair| repair.cause).collect();
        assert_eq!((names.len(), causes.len()), (REPAIRS.len(), REPAIRS.len()));
        assert!(Repair::of(Cause::Throttled).is_none());
    }

    /// The statements of the role's policy, each with the lines up to the next.
    fn statements() -> impl Iterator<Item = &'static str> {
        TEMPLATE.split("- Sid: ").skip(1)
    }

    #[test]
    fn the_template_offers_each_repair_and_lets_it_write_only_what_is_tagged() {
        for Repair {
            name,
            reads,
            writes,
            ..
        } in REPAIRS
        {
            assert!(TEMPLATE.contains(&format!("!Equals [!Ref RepairActions, {name}]")));
            let of = |action: &str| {
                let action = action.to_owned();
                statements().find(move |statement| {
                    let allow = statement.contains("Effect: Allow");
                    let words = statement.split(|c: char| !c.is_alphanumeric() && c != ':');
                    allow && words.into_iter().any(|word| word == action)
                })
            };
            assert!(of(reads).is_some(), "{name} may not make {reads}");
            let write = of(writes).unwrap_or_else(|| panic!("{name} may not make {writes}"));
            let gate = format!("aws:ResourceTag/{REPAIR_TAG_KEY}: !Ref RepairTagValue");
            assert!(write.contains(&gate), "{name} writes what is not tagged");
        }
    }

    #[test]
    fn what_takes_a_repair_back_takes_the_tag_away_first() {
        for Repair { name, .. } in REPAIRS {
            let undo = open_change(name).undo;
            let (untag, command) = undo.split_once('\n').expect("two commands");
            assert!(
                untag.contains(REPAIR_TAG_KEY) && untag.contains(name),
                "{untag}"
            );
            assert!(!command.contains(REPAIR_TAG_KEY), "{command}");
        }
    }
}
