//! Who was denied what, and by which policy.
//!
//! AWS writes `User: ARN is not authorized to perform: ACTION on resource: ARN`, then
//! `because no KIND allows the ACTION action` or `with an explicit deny in a KIND`, the latter
//! with the policy's ARN or without ("Troubleshoot access denied error messages" in the IAM User
//! Guide). What is around it is written by anybody, so each part is read only where the one
//! before it ends: an ARN elsewhere in the text is never the policy's.

mod arn;

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde::{Deserialize, Serialize};

use super::UNSIGNED;
use super::phrase::{Phrase as M, PhraseSet};
use crate::node::{AccountId, Region};
use crate::policy::CORE_ACTIONS;
use crate::state::pairs::is_default;

/// One call that was denied, as far as the text of the denial goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Denied {
    /// `ssm:UpdateInstanceInformation`.
    #[serde(skip_serializing_if = "is_default")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub resource: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub reason: Option<DenyReason>,
    /// A statement denies it by name; otherwise nothing of that kind allows it.
    #[serde(skip_serializing_if = "is_default")]
    pub explicit: bool,
    /// The ARN of the policy that denies, one of possibly several.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: Option<String>,
}

/// The caller that a denial names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// A role, or a session of it.
    Role(String),
    /// Path and name of an IAM user: `people/alice`.
    User(String),
    Federated(String),
    /// The account itself.
    Root,
    /// `ec2.amazonaws.com`.
    Service(String),
    /// The credentials that EC2 gives each instance for Default Host Management
    /// (`assumed-role/aws:ec2-instance/…`).
    InstanceIdentity,
}

impl Principal {
    /// The name that it was given, where it has one.
    pub fn name(&self) -> Option<&String> {
        match self {
            Self::Role(name) | Self::User(name) | Self::Federated(name) | Self::Service(name) => {
                Some(name)
            }
            Self::Root | Self::InstanceIdentity => None,
        }
    }
}

/// The kind of policy that an AccessDenied message blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DenyReason {
    IdentityPolicy,
    PermissionsBoundary,
    ServiceControlPolicy,
    ResourceControlPolicy,
    SessionPolicy,
    VpcEndpointPolicy,
    ResourcePolicy,
    /// The trust policy of the role that was to be assumed.
    RoleTrustPolicy,
    /// "with an explicit deny" without saying where.
    ExplicitDeny,
}

/// The denials of one error text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Denial {
    /// Each denied call once, in the order of the text.
    pub denied: Vec<Denied>,
    /// Of the first denial.
    pub principal: Option<Principal>,
    pub role: Option<String>,
    pub account: Option<AccountId>,
    pub region: Option<Region>,
}

const MARKER: &str = "not authorized to perform: ";

static MARKERS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARKER));

/// The denials in `flat`, which holds the phrases `seen`.
pub(super) fn read(flat: &str, seen: &PhraseSet) -> Denial {
    let mut denial = Denial::default();
    let starts: Vec<usize> = if seen.has(M::Denied) {
        MARKERS.find_iter(flat.as_bytes()).collect()
    } else {
        Vec::new()
    };
    let mut done = 0;
    for (number, start) in starts.iter().enumerate() {
        let (principal, account) = caller(&flat[done..*start]);
        let end = starts.get(number + 1).copied().unwrap_or(flat.len());
        let denied = call(&flat[start + MARKER.len()..end], seen);
        done = start + MARKER.len();
        if number == 0 {
            denial.region = (denied.resource.as_deref())
                .and_then(|resource| resource.split(':').nth(3))
                .and_then(Region::parse);
            denial.account = account;
            denial.principal = principal;
        } else if principal.is_some() && principal != denial.principal {
            // Another caller's denial is another fault.
            continue;
        }
        if !denial.denied.contains(&denied) {
            denial.denied.push(denied);
        }
    }
    if starts.is_empty() {
        let tail = seen.find(M::DenialTail, || without_caller(flat));
        denial.denied.extend(tail);
        denial.role = seen.find(M::AssumedRole, || {
            let arn = after(flat, "assumed-role/")?;
            arn::iam_name(arn.split('/').next().unwrap_or_default())
        });
    }
    if let Some(Principal::Role(name)) = &denial.principal {
        denial.role = Some(name.clone());
    }
    if denial.account.is_none() {
        denial.account = seen.find(M::AccountNotConfigured, || {
            let rest = after(flat, "not configured for account: ")?;
            AccountId::parse(rest.get(..12)?)
        });
    }
    denial
}

/// The role in "EC2 cannot assume the role NAME."
pub(super) fn unassumable_role(flat: &str) -> Option<String> {
    let rest = after(flat, "cannot assume the role ")?;
    arn::iam_name(
        rest.split([' ', ',', '"'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('.'),
    )
}

/// The role in "Could not assume role ARN".
pub(super) fn service_role(flat: &str) -> Option<String> {
    let arn = after(flat, "Could not assume role ")?.split(' ').next()?;
    let (_, path) = arn.split_once(":role/")?;
    arn::iam_name(path.rsplit('/').next()?.trim_end_matches(['.', ',']))
}

/// What an error without the sentence of a denial says all the same: a tail that stands alone.
fn without_caller(flat: &str) -> Option<Denied> {
    let denied = tail_anywhere(flat);
    (denied != Denied::default()).then_some(denied)
}

fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    memmem::find(text.as_bytes(), words.as_bytes()).map(|at| &text[at + words.len()..])
}

fn action(text: &str) -> Option<String> {
    let (service, verb) = text.split_once(':')?;
    (!service.is_empty() && !verb.is_empty() && text.len() <= 128).then(|| text.to_owned())
}

/// The caller that stands right before `is not authorized to perform: `.
fn caller(before: &str) -> (Option<Principal>, Option<AccountId>) {
    let before = before.strip_suffix("is ").unwrap_or(before);
    let Some(at) = before.rfind("User: ") else {
        return (None, None);
    };
    arn::principal(before[at + "User: ".len()..].trim())
}

/// `ACTION on resource: ARN TAIL`.
fn call(text: &str, seen: &PhraseSet) -> Denied {
    let tail = |rest| {
        let anywhere = || seen.find(M::DenialTail, || Some(tail_anywhere(rest)));
        tail(rest).or_else(anywhere).unwrap_or_default()
    };
    let (rest, _) = opened(text);
    let named = |c: char| c.is_ascii_alphanumeric() || ":*-".contains(c);
    let end = rest.find(|c: char| !named(c)).unwrap_or(rest.len());
    let action = action(rest[..end].trim_end_matches([':', '-']));
    if rest[end..].trim_matches(['.', '\u{2026}', ' ']).is_empty() {
        return Denied {
            action: action.and_then(whole_action),
            ..Denied::default()
        };
    }
    let (rest, _) = opened(&rest[end..]);
    let Some(on) = rest.strip_prefix(" on resource: ") else {
        return Denied {
            action,
            ..tail(rest)
        };
    };
    let (resource, rest) = match opened(on) {
        (on, Some(mark)) => on.split_once(mark).unwrap_or((on, "")),
        (on, None) => on.split_at(on.find([' ', '<', '"']).unwrap_or(on.len())),
    };
    let known = resource.trim_end_matches(['.', ',']);
    Denied {
        action,
        resource: (!known.is_empty() && known.len() <= 1024).then(|| known.to_owned()),
        ..tail(rest)
    }
}

/// The action that the last word of a text begins, the rest of which may be cut away: a known one,
/// or the only known one that begins so. Of services whose actions are not listed it is as written.
fn whole_action(begun: String) -> Option<String> {
    let known = || CORE_ACTIONS.iter().chain(UNSIGNED);
    let (service, _) = begun.split_at(begun.find(':')? + 1);
    let is_listed = known().any(|action| action.starts_with(service));
    if !is_listed || known().any(|action| **action == begun) {
        return Some(begun);
    }
    let mut whole = known().filter(|action| action.starts_with(&begun));
    let first = whole.next()?;
    whole.next().is_none().then(|| (*first).to_owned())
}

/// `text` behind a quotation mark, as S3 and JSON write it, and that mark.
fn opened(text: &str) -> (&str, Option<&'static str>) {
    (["\\\"", "\"", "&quot;", "&#34;"].into_iter())
        .find_map(|mark| Some((text.strip_prefix(mark)?, Some(mark))))
        .unwrap_or((text, None))
}

const NO: &str = " because no ";
const DENY: &str = " with an explicit deny";

/// The kinds of policy by AWS's own words.
const KINDS: [(&str, DenyReason); 9] = [
    ("VPC endpoint policy", DenyReason::VpcEndpointPolicy),
    ("service control policy", DenyReason::ServiceControlPolicy),
    ("resource control policy", DenyReason::ResourceControlPolicy),
    ("permissions boundary", DenyReason::PermissionsBoundary),
    ("session policy", DenyReason::SessionPolicy),
    ("resource-based policy", DenyReason::ResourcePolicy),
    ("resource-based policies", DenyReason::ResourcePolicy),
    ("identity-based policy", DenyReason::IdentityPolicy),
    ("role trust policy", DenyReason::RoleTrustPolicy),
];

fn kind(text: &str) -> Option<(DenyReason, &str)> {
    (KINDS.into_iter()).find_map(|(words, kind)| Some((kind, text.strip_prefix(words)?)))
}

/// The tail at the very start of `text`: the only place where a policy's ARN is believed.
fn tail(text: &str) -> Option<Denied> {
    if let Some(rest) = text.strip_prefix(NO) {
        let (reason, _) = kind(rest)?;
        return Some(Denied {
            reason: Some(reason),
            ..Denied::default()
        });
    }
    let rest = text.strip_prefix(DENY)?;
    let named = [" in a ", " in an ", " in the "]
        .into_iter()
        .find_map(|article| kind(rest.strip_prefix(article)?));
    let Some((reason, rest)) = named else {
        return Some(Denied {
            reason: Some(DenyReason::ExplicitDeny),
            explicit: true,
            ..Denied::default()
        });
    };
    let policy = rest.strip_prefix(": ").and_then(|rest| {
        let arn = whole_word(rest)?;
        arn::is_policy(reason, arn).then(|| arn.to_owned())
    });
    Some(Denied {
        reason: Some(reason),
        explicit: true,
        policy,
        ..Denied::default()
    })
}

/// The kind of policy where the tail does not follow the resource, as behind a name with blanks
/// in it. Somebody else's words may stand there: the last tail counts, and its ARN does not.
fn tail_anywhere(text: &str) -> Denied {
    let last = [NO.trim_start(), DENY.trim_start()]
        .into_iter()
        .filter_map(|words| memmem::find_iter(text.as_bytes(), words).last())
        .max();
    let found = last.and_then(|at| tail(&format!(" {}", &text[at..])));
    let of_resource = || {
        // KMS: "on the resource associated with this ciphertext because the resource does not
        // exist in this Region, no resource-based policies allow access, or …".
        after(text, "no resource-based policies allow access").map(|_| DenyReason::ResourcePolicy)
    };
    match found {
        Some(found) => Denied {
            policy: None,
            ..found
        },
        None => Denied {
            reason: of_resource(),
            ..Denied::default()
        },
    }
}

/// What cannot stand in an ARN and ends one.
const ENDS: [char; 12] = ['<', '>', '"', '\'', '\\', '(', ')', '[', ']', '{', '}', ';'];

/// The word at the start of `text`, when it is known to be whole: nothing follows, or something
/// that cannot be the rest of a word which a hard wrap cut in two.
fn whole_word(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| c.is_whitespace() || ENDS.contains(&c))
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let bare = word.trim_end_matches(['.', ',', ':', '!', '?']);
    if bare.len() + "..".len() <= word.len() || bare.contains(['…', ',']) {
        // Cut, or joined with what follows.
        return None;
    }
    let rest = rest.trim_start();
    if rest.starts_with("[truncated") || rest.starts_with("(truncated") {
        return None;
    }
    let may_belong = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
    if !rest.starts_with(may_belong) {
        return Some(bare);
    }
    let next = rest.split(char::is_whitespace).next().unwrap_or_default();
    let sentence_ends = bare.len() < word.len();
    let known = NEXT.iter().any(|words| rest.starts_with(words))
        || sentence_ends && (next.ends_with(':') || ["Will", "will", "Retrying"].contains(&next))
        || next.ends_with("Exception:")
        || next.ends_with("Error:");
    known.then_some(bare)
}

/// What stands behind a denial in the texts of either generation of the SDK.
const NEXT: [&str; 8] = [
    "status code:",
    "request id:",
    "host id:",
    "caused by:",
    "RequestID:",
    "RequestId:",
    "HostID:",
    "User: ",
];

#[cfg(test)]
mod tests;
