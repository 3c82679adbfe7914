//! What the log of one node says: candidates in order, with the evidence.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cause::{Cause, Confidence, Severity};
use crate::failure::{Denied, DenyReason, Principal};
use crate::machine::Machine;
use crate::node::{AccountId, Node, Region};
use crate::record::Level;
use crate::state::pairs::is_default;

/// One thing that is wrong on one node, as far as its log shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where it is wrong.
    pub node: Node,
    /// Likeliest first, never empty.
    pub candidates: Vec<Cause>,
    /// [`Confidence::Likely`] or [`Confidence::Undetermined`]: a log alone confirms nothing.
    pub confidence: Confidence,
    /// What the log says about how much it matters; diagnosis may change it.
    pub severity: Severity,
    /// What the error text names.
    pub error_details: ErrorDetails,
    /// The proving records, at most three, the clearest first.
    pub evidence: Vec<Evidence>,
    /// Signatures seen, in order of first sight.
    pub signatures: Vec<SignatureCount>,
    /// When the oldest of its evidence was logged.
    pub first: Timestamp,
    /// When the newest of its evidence was logged.
    pub last: Timestamp,
    /// When the agent said that it will try again, counted from `last`.
    pub retry_in_seconds: Option<u64>,
    /// Whether this batch brought new evidence; an open finding without it is
    /// reported from memory and not diagnosed again.
    pub fresh: bool,
}

/// One record quoted as proof, its text as logged (redacted when it leaves).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence {
    /// When it was logged.
    #[serde(rename = "time")]
    pub at: Timestamp,
    /// The logger's.
    pub level: Level,
    /// Its tag, such as `EC2Identity`; may be empty.
    pub component: String,
    /// Without time, level and tags.
    pub text: String,
    /// `file:line` in `scan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// How often a signature recognised a record of a finding, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SignatureCount {
    /// The signature's.
    pub id: Cow<'static, str>,
    /// Records.
    pub count: u64,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}

/// What the error text names. Log text is a hint, never an authority: nothing
/// here selects the target of a write.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetails {
    /// The service's endpoint prefix: `ssm`, `ssmmessages`, `ec2messages`, `s3`, `kms`, `logs` …
    #[serde(skip_serializing_if = "is_default")]
    pub service: Option<String>,
    /// The host name that was called.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Option<String>,
    /// The Region that the call went to, or that its resource is in.
    #[serde(skip_serializing_if = "is_default")]
    pub region: Option<Region>,
    /// The caller's account.
    #[serde(skip_serializing_if = "is_default")]
    pub account: Option<AccountId>,
    /// The address that was dialled; a private one means an interface endpoint.
    #[serde(skip_serializing_if = "is_default")]
    pub remote_ip: Option<IpAddr>,
    /// `ssm:UpdateInstanceInformation`; for throttling the API that was throttled.
    #[serde(skip_serializing_if = "is_default")]
    pub action: Option<String>,
    /// Role name, from `assumed-role/NAME/…` or "cannot assume the role NAME".
    #[serde(skip_serializing_if = "is_default")]
    pub role: Option<String>,
    /// Who was denied. Where it is no role, `role` is not known.
    #[serde(skip_serializing_if = "is_default")]
    pub principal: Option<Principal>,
    /// The resource of the first denial, and its kind of policy.
    #[serde(skip_serializing_if = "is_default")]
    pub resource: Option<String>,
    /// The kind of policy that the first denial blames.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: Option<DenyReason>,
    /// Every denied call, each once, in order of first sight; at most
    /// [`MAX_DENIED`].
    #[serde(skip_serializing_if = "is_default")]
    pub denied: Vec<Denied>,
    /// The error code: `AccessDeniedException`, `ThrottlingException` …
    #[serde(skip_serializing_if = "is_default")]
    pub code: Option<String>,
    /// Version that the agent logged at its start.
    #[serde(skip_serializing_if = "is_default")]
    pub agent_version: Option<String>,
    /// For `unrecognised`: the masked template.
    #[serde(skip_serializing_if = "is_default")]
    pub template: Option<String>,
    /// A proxy is in use, as the agent printed at its start.
    #[serde(skip_serializing_if = "is_default")]
    pub proxied: bool,
    /// Sessions work by the same log while this is active.
    #[serde(skip_serializing_if = "is_default")]
    pub online: bool,
    /// What the log shows of the machine.
    #[serde(skip_serializing_if = "is_default")]
    pub machine: Machine,
    /// The text names the node, and only before a silence and a start of the agent: an image may
    /// have taken the log along.
    #[serde(skip_serializing_if = "is_default")]
    pub id_in_doubt: bool,
    /// A client of Session Manager wrote it, on another machine than the node.
    #[serde(skip_serializing_if = "is_default")]
    pub client: bool,
    /// It was read in a paste in which records have lost their heads: no log names it.
    #[serde(skip_serializing_if = "is_default")]
    pub headless: bool,
}

/// Denied calls kept of one finding or incident.
pub const MAX_DENIED: usize = 16;

impl Evidence {
    /// The place of what Systems Manager says of a node, in place of its log.
    pub const SYSTEMS_MANAGER: &str = "Systems Manager";

    /// Whether it is a record of a log.
    pub fn is_logged(&self) -> bool {
        self.place.as_deref() != Some(Self::SYSTEMS_MANAGER)
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        let place = self.place.as_ref().map_or(0, String::capacity);
        size_of::<Self>() + self.component.capacity() + self.text.capacity() + place
    }
}

/// No name in a log is longer: ARNs have at most so many characters.
const MAX_NAMED_BYTES: usize = 2 * 1024;

impl ErrorDetails {
    /// Forgets what is too long to be a name: whoever writes a log decides how
    /// long its words are.
    pub fn bound(&mut self) {
        let too_long = |text: &Option<String>| {
            text.as_ref()
                .is_some_and(|text| text.len() > MAX_NAMED_BYTES)
        };
        for text in [
            &mut self.host,
            &mut self.action,
            &mut self.role,
            &mut self.resource,
            &mut self.code,
        ] {
            text.take_if(|text| text.len() > MAX_NAMED_BYTES);
        }
        let named =
            |one: &mut Principal| one.name().is_some_and(|name| name.len() > MAX_NAMED_BYTES);
        self.principal.take_if(named);
        self.denied.retain(|one| {
            !(too_long(&one.action) || too_long(&one.resource) || too_long(&one.policy))
        });
        self.denied.truncate(MAX_DENIED);
        self.denied.shrink_to_fit();
    }

    /// What it holds on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        let named = [
            &self.service,
            &self.host,
            &self.action,
            &self.role,
            &self.resource,
            &self.code,
        ];
        let heap = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let named: usize = named.into_iter().map(heap).sum();
        let principal = self.principal.as_ref().and_then(Principal::name);
        let principal = principal.map_or(0, String::capacity);
        let denied: usize = (self.denied.iter())
            .map(|one| {
                size_of::<Denied>() + heap(&one.action) + heap(&one.resource) + heap(&one.policy)
            })
            .sum();
        named + principal + denied
    }

    /// Takes in further denied calls.
    pub fn add_denied(&mut self, denied: impl IntoIterator<Item = Denied>) {
        for one in denied {
            if self.denied.len() < MAX_DENIED && !self.denied.contains(&one) {
                self.denied.push(one);
            }
        }
    }

    /// The actions that were denied, each once; the one of [`ErrorDetails::action`] first.
    pub fn denied_actions(&self) -> Vec<&str> {
        let all = self.denied.iter().filter_map(|one| one.action.as_deref());
        let mut actions: Vec<&str> = Vec::new();
        for action in self.action.as_deref().into_iter().chain(all) {
            if !actions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(action))
            {
                actions.push(action);
            }
        }
        actions
    }

    /// The calls that were denied: each an action and, where the denial names
    /// it, the resource.
    pub fn denied_calls(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let first = self.action.as_deref().map(|action| {
            let all = self.denied.iter();
            let known = all.filter(|one| one.action.as_deref() == Some(action));
            (known.count() == 0).then_some((action, self.resource.as_deref()))
        });
        let all = self.denied.iter();
        let all = all.filter_map(|one| Some((one.action.as_deref()?, one.resource.as_deref())));
        first.flatten().into_iter().chain(all)
    }

    /// The first policy that AWS names by its ARN as the one that denies, and its kind.
    pub fn denying_policy(&self) -> Option<(DenyReason, &str)> {
        (self.denied.iter()).find_map(|one| Some((one.reason?, one.policy.as_deref()?)))
    }
}

/// A node that works again, by the cause that was open and the signature that proves it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recovered {
    /// Its id.
    pub node: String,
    /// What is over.
    pub cause: Cause,
    /// The id of the signature, or the check, that proves it.
    pub signature: String,
    /// When the oldest of its evidence was logged; `None` where that is no longer known.
    #[serde(skip)]
    pub since: Option<Timestamp>,
    /// When it was proved, by the log's clock.
    pub at: Timestamp,
}

/// WARN and ERROR records that no signature knows, by their masked template.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unrecognised {
    /// The text with its numbers, ids and names masked.
    pub template: String,
    /// Records.
    pub count: u64,
    /// One of the records.
    pub example: String,
}

/// What was read: the `source` of the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceSummary {
    /// The account of the log group.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// The log group's name.
    pub log_group: Option<String>,
    /// The log stream's name, or the file's.
    pub log_stream: Option<String>,
    /// Log events with a readable message.
    pub events: u64,
    /// Log events without a readable message, which are not among `events`.
    pub unreadable: u64,
    /// Records of the agent in them.
    pub records: u64,
    /// When the first record was logged.
    pub oldest: Option<Timestamp>,
    /// When the last record was logged.
    pub newest: Option<Timestamp>,
}
