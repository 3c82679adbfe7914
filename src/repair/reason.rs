//! Why nothing is repaired: one sentence for each lock and each refusal, which
//! says what holds and how it is opened.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::config::{REPAIR_TAG_KEY, RepairAction};
use crate::diagnose::facts::ImdsBar;
use crate::node::{AccountId, Region};
use crate::policy::Refusal;
use crate::repair::outcome::Outcome;

/// A lock that is closed, or something about the resource that forbids the
/// repair whatever the locks say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// There is no repair for this cause.
    NoRepair(Cause),
    /// Repairs are off.
    Advise,
    ActionNotListed(RepairAction),
    /// No check of this invocation, on a node that qualifies otherwise, has
    /// confirmed the cause.
    NotConfirmed,
    NotNamedByLog(Cause),
    /// A hybrid node, or one whose id is unknown.
    NotAnInstance,
    /// Only log text gives the node's id.
    NamedByText,
    Account {
        seen: Option<AccountId>,
        own: Option<AccountId>,
    },
    Region {
        seen: Option<Region>,
        own: Region,
    },
    EvidenceTooOld {
        age: Duration,
        allowed: Duration,
    },
    /// The tag on the resource is absent or has another value.
    Tag {
        resource: Resource,
        wanted: String,
        found: Option<String>,
    },
    TagUnread {
        resource: Resource,
        why: String,
    },
    /// Repaired within the hour and broken again.
    RepairedAgain {
        at: Timestamp,
    },
    /// Tried within the hour, without success.
    TriedRecently {
        at: Timestamp,
        outcome: Box<Outcome>,
    },
    Capped {
        max: u32,
        until: Timestamp,
    },
    /// The batch says nothing new about it, so that no check was made.
    NothingNew,
    /// Live state of the resource could not be read.
    Unread(Resource),
    /// Anything but `running`.
    InstanceState(String),
    /// Another service manages the instance.
    ManagedBy(String),
    /// The account or its organization forbids the metadata endpoint.
    ImdsBarred(ImdsBar),
    /// A change of the metadata options is under way.
    ChangePending,
    Trust(Refusal),
}

/// What a repair changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Instance(String),
    Role(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => write!(f, "instance {id}"),
            Self::Role(name) => write!(f, "role {name}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRepair(cause) => write!(
                f,
                "This function has no repair for {cause}; the steps are for a person."
            ),
            Self::Advise => f.write_str(
                "Repairs are off: TRIAGE_REPAIR is advise. Set it to repair, or to dry-run to see what would be done.",
            ),
            Self::ActionNotListed(action) => write!(
                f,
                "The repair {action} is not allowed here. Add it to TRIAGE_REPAIR_ACTIONS."
            ),
            Self::NotConfirmed => f.write_str(
                "No check of this invocation confirms the cause, and log text alone never leads to a change. The checks say what could not be seen.",
            ),
            Self::NotNamedByLog(cause) => write!(
                f,
                "Live state shows {cause}, but the log does not name it as a possible cause, so it is left to a person."
            ),
            Self::NotAnInstance => f.write_str(
                "The log does not come from an EC2 instance that is known by its id. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.",
            ),
            Self::NamedByText => f.write_str(
                "Only the text of the log names the instance, and whoever can write to the log can write that. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.",
            ),
            Self::Account { seen, own } => write!(
                f,
                "The log comes from {}, and repairs are made only in the function's own account, {}. Run the function in that account, or make the change there by hand.",
                known(seen.as_ref(), "account", "an account that is not known"),
                own.as_ref().map_or("which is not known", AccountId::as_str),
            ),
            Self::Region { seen, own } => write!(
                f,
                "The log comes from {}, and repairs are made only in the function's own Region, {own}. Run the function in that Region, or make the change there by hand.",
                known(seen.as_ref(), "Region", "a Region that is not known"),
            ),
            Self::EvidenceTooOld { age, allowed } => write!(
                f,
                "The newest line of the log is {} old, and TRIAGE_MAX_EVIDENCE_AGE allows {}. A newer line of the same fault leads to the repair.",
                span(*age),
                span(*allowed),
            ),
            Self::Tag {
                resource,
                wanted,
                found: None,
            } => write!(
                f,
                "The {resource} does not carry the tag {REPAIR_TAG_KEY} = {wanted}, with which its owner allows repairs. Add the tag to allow them."
            ),
            Self::Tag {
                resource,
                wanted,
                found: Some(found),
            } => write!(
                f,
                "The {resource} carries the tag {REPAIR_TAG_KEY} with the value {:?}, which does not allow repairs; {wanted} would.",
                cut(found),
            ),
            Self::TagUnread { resource, why } => write!(
                f,
                "Whether the {resource} carries the tag {REPAIR_TAG_KEY} could not be read: {}.",
                why.trim_end_matches('.'),
            ),
            Self::RepairedAgain { at } => write!(
                f,
                "This function repaired it at {} and it was found broken again since. It is not repaired twice within an hour: find out what undoes the repair.",
                moment(*at),
            ),
            Self::TriedRecently { at, .. } => write!(
                f,
                "This function tried the repair at {} without success, and tries again no sooner than an hour after that.",
                moment(*at),
            ),
            Self::Capped { max: 0, .. } => {
                f.write_str("TRIAGE_MAX_REPAIRS is 0, so nothing is repaired. Raise it.")
            }
            Self::Capped { max, until } => write!(
                f,
                "TRIAGE_MAX_REPAIRS allows {max} repairs an hour and they are used up, so nothing is repaired before {}. Many repairs at once point to one cause behind them all: look for it, then raise the number if need be.",
                moment(*until),
            ),
            Self::NothingNew => f.write_str(
                "This batch says nothing new about it, so no check was made and nothing is changed.",
            ),
            Self::Unread(resource) => write!(
                f,
                "The present state of the {resource} could not be read, so no check confirms the cause and nothing is changed. The checks say why."
            ),
            Self::InstanceState(state) => write!(
                f,
                "The instance is {}; only a running instance is changed.",
                cut(state),
            ),
            Self::ManagedBy(service) => write!(
                f,
                "The instance is managed by {}, and EC2 lets nobody else change it. Make the change there.",
                cut(service),
            ),
            Self::ImdsBarred(ImdsBar::Declared { message }) => {
                f.write_str(
                    "A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies.",
                )?;
                match message {
                    Some(message) => write!(f, " The policy says: {}", cut(message)),
                    None => Ok(()),
                }
            }
            Self::ImdsBarred(ImdsBar::TokensEnforced) => f.write_str(
                "The account enforces IMDSv2 (HttpTokensEnforced), and HttpTokens of the instance is optional: with the endpoint alone switched on it would answer IMDSv1 as well. Switch the endpoint on and set HttpTokens to required in one change, by hand.",
            ),
            Self::ChangePending => f.write_str(
                "A change of the instance's metadata options is under way. Look again once it is applied.",
            ),
            Self::Trust(refusal) => write!(f, "{refusal}"),
        }
    }
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

fn known<T: fmt::Display>(value: Option<&T>, kind: &str, unknown: &str) -> String {
    match value {
        Some(value) => format!("{kind} {value}"),
        None => unknown.to_owned(),
    }
}

/// Text of others, at a length for a sentence.
fn cut(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::outcome::OutcomeStatus;

    #[test]
    fn every_reason_says_what_holds_and_what_opens_it() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let instance = || Resource::Instance("i-0123456789abcdef0".to_owned());
        let role = || Resource::Role("web".to_owned());
        let reasons = [
            Reason::NoRepair(Cause::Throttled),
            Reason::Advise,
            Reason::ActionNotListed(RepairAction::TrustEc2),
            Reason::NotConfirmed,
            Reason::NotNamedByLog(Cause::ImdsDisabled),
            Reason::NotAnInstance,
            Reason::NamedByText,
            Reason::Account {
                seen: AccountId::parse("210987654321"),
                own: AccountId::parse("123456789012"),
            },
            Reason::Account {
                seen: None,
                own: None,
            },
            Reason::Region {
                seen: Region::parse("us-east-1"),
                own: Region::parse("eu-central-1").unwrap(),
            },
            Reason::EvidenceTooOld {
                age: Duration::from_secs(26 * 3600 + 5),
                allowed: Duration::from_secs(24 * 3600),
            },
            Reason::Tag {
                resource: instance(),
                wanted: "allow".to_owned(),
                found: None,
            },
            Reason::Tag {
                resource: role(),
                wanted: "allow".to_owned(),
                found: Some(format!("no\n{}", "é".repeat(80))),
            },
            Reason::TagUnread {
                resource: role(),
                why: "GetRole was denied (AccessDenied): no.".to_owned(),
            },
            Reason::RepairedAgain { at },
            Reason::TriedRecently {
                at,
                outcome: Box::new(Outcome {
                    status: OutcomeStatus::Failed,
                    detail: None,
                    command: None,
                    undo: None,
                }),
            },
            Reason::Capped { max: 5, until: at },
            Reason::Capped { max: 0, until: at },
            Reason::NothingNew,
            Reason::Unread(instance()),
            Reason::InstanceState("stopped".to_owned()),
            Reason::ManagedBy("eks.amazonaws.com".to_owned()),
            Reason::ImdsBarred(ImdsBar::Declared {
                message: Some("Ask the platform team.".to_owned()),
            }),
            Reason::ImdsBarred(ImdsBar::Declared { message: None }),
            Reason::ImdsBarred(ImdsBar::TokensEnforced),
            Reason::ChangePending,
            Reason::Trust(Refusal::HostManagementRole),
        ];
        let text: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        This function has no repair for throttled; the steps are for a person.
        Repairs are off: TRIAGE_REPAIR is advise. Set it to repair, or to dry-run to see what would be done.
        The repair trust-ec2 is not allowed here. Add it to TRIAGE_REPAIR_ACTIONS.
        No check of this invocation confirms the cause, and log text alone never leads to a change. The checks say what could not be seen.
        Live state shows imds-disabled, but the log does not name it as a possible cause, so it is left to a person.
        The log does not come from an EC2 instance that is known by its id. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.
        Only the text of the log names the instance, and whoever can write to the log can write that. Ship the agent's log to a stream named by the instance id, or name the instance when invoking by hand.
        The log comes from account 210987654321, and repairs are made only in the function's own account, 123456789012. Run the function in that account, or make the change there by hand.
        The log comes from an account that is not known, and repairs are made only in the function's own account, which is not known. Run the function in that account, or make the change there by hand.
        The log comes from Region us-east-1, and repairs are made only in the function's own Region, eu-central-1. Run the function in that Region, or make the change there by hand.
        The newest line of the log is 26h old, and TRIAGE_MAX_EVIDENCE_AGE allows 24h. A newer line of the same fault leads to the repair.
        The instance i-0123456789abcdef0 does not carry the tag ssm-agent-triage:repair = allow, with which its owner allows repairs. Add the tag to allow them.
        The role web carries the tag ssm-agent-triage:repair with the value "no\nééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…", which does not allow repairs; allow would.
        Whether the role web carries the tag ssm-agent-triage:repair could not be read: GetRole was denied (AccessDenied): no.
        This function repaired it at 2023-11-14 22:13:20 UTC and it was found broken again since. It is not repaired twice within an hour: find out what undoes the repair.
        This function tried the repair at 2023-11-14 22:13:20 UTC without success, and tries again no sooner than an hour after that.
        TRIAGE_MAX_REPAIRS allows 5 repairs an hour and they are used up, so nothing is repaired before 2023-11-14 22:13:20 UTC. Many repairs at once point to one cause behind them all: look for it, then raise the number if need be.
        TRIAGE_MAX_REPAIRS is 0, so nothing is repaired. Raise it.
        This batch says nothing new about it, so no check was made and nothing is changed.
        The present state of the instance i-0123456789abcdef0 could not be read, so no check confirms the cause and nothing is changed. The checks say why.
        The instance is stopped; only a running instance is changed.
        The instance is managed by eks.amazonaws.com, and EC2 lets nobody else change it. Make the change there.
        A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies. The policy says: Ask the platform team.
        A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies.
        The account enforces IMDSv2 (HttpTokensEnforced), and HttpTokens of the instance is optional: with the endpoint alone switched on it would answer IMDSv1 as well. Switch the endpoint on and set HttpTokens to required in one change, by hand.
        A change of the instance's metadata options is under way. Look again once it is applied.
        This is the role of Default Host Management, which only Systems Manager should assume. Attach an instance profile with a role of its own.
        "#);
    }

    #[test]
    fn spans_read_like_settings() {
        for (seconds, expected) in [
            (0, "0s"),
            (90, "90s"),
            (3_600, "60m"),
            (5_400, "90m"),
            (86_400, "24h"),
            (100_000, "27h"),
            (7 * 86_400, "7d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }
}
