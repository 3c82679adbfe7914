//! What arrives: tells the three kinds of input apart and yields the payloads
//! in each, still packed.
//!
//! Payloads are unpacked one after another by [`Payload::decode`], so that a
//! Kinesis batch of many records never stands in memory unpacked as a whole.

mod direct;
mod kinesis;
mod subscription;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use direct::MOST_NODES;
pub(crate) use direct::{RawLog, RepairRequest};
#[cfg(feature = "aws")]
pub(crate) use kinesis::failures;

use crate::batch::{Batch, Event, Source};
use crate::decode::{self, DecodeContext, DecodeError, Message, Subscription, json_fault};
use crate::node::{Home, NodeId};
use crate::selection::Selection;

/// What an invocation is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input<'p> {
    /// Log lines.
    Logs(Payloads<'p>),
    /// Nodes of which no log is at hand, each once; never none; and where they are.
    Nodes(Vec<NodeId>, Home),
    /// Whom a sweep looks at, where `None` leaves it to the setting, and where.
    Sweep(Option<Selection>, Home),
    /// One repair that a person asks for.
    Repair(RepairRequest),
    /// One message about all that is open.
    Digest,
}

/// The kind of input, which decides what answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A CloudWatch Logs subscription: one payload; answered by the report.
    Subscription,
    /// A Kinesis event source mapping; answered by the records that failed.
    Kinesis,
    /// By hand; answered by the report.
    Direct,
}

/// The payloads of one invocation, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Payloads<'p> {
    pub kind: Kind,
    pub items: Vec<Delivery<'p>>,
}

/// One payload and, on Kinesis, the sequence number that a failure names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery<'p> {
    /// The record's own or, where it cannot be read, that of the record before
    /// it. Empty where none is known up to here: Lambda takes an empty failure
    /// for the whole batch. `None` on other kinds.
    pub sequence_number: Option<String>,
    pub payload: Payload<'p>,
}

/// One payload as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload<'p> {
    /// Base64 of a gzip file: `awslogs.data`, or a Kinesis record's `data`.
    Base64(Cow<'p, str>),
    /// The decoded JSON, by hand.
    Json(&'p str),
    /// Raw log text, by hand.
    RawLog(RawLog<'p>),
    /// A Kinesis record that holds no readable data.
    Broken(DecodeError),
}

/// A payload unpacked: owns the text from which [`Decoded::message`] borrows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoded<'p>(Content<'p>);

#[derive(Debug, Clone, PartialEq)]
enum Content<'p> {
    Json { text: Cow<'p, str>, complete: bool },
    RawLog(RawLog<'p>),
}

impl<'p> Payload<'p> {
    /// Unpacks the payload, to at most `around.max_decoded_bytes`.
    ///
    /// Fails when the base64 or the gzip file is wrong, or unpacks to more.
    pub(crate) fn decode(&self, around: &DecodeContext) -> Result<Decoded<'p>, DecodeError> {
        let cap = around.max_decoded_bytes;
        let content = match self {
            Self::Base64(data) => Content::Json {
                text: decode::unpack_base64(data, cap)?.into(),
                complete: false,
            },
            Self::Json(text) => Content::Json {
                text: (*text).into(),
                complete: true,
            },
            Self::RawLog(log) => Content::RawLog(log.clone()),
            Self::Broken(fault) => return Err(fault.clone()),
        };
        Ok(Decoded(content))
    }
}

impl Decoded<'_> {
    /// Reads what the payload says.
    ///
    /// Fails when the text is not JSON, or not the JSON of a subscription.
    pub(crate) fn message(&self, around: &DecodeContext) -> Result<Message<'_>, DecodeError> {
        match &self.0 {
            Content::Json { text, complete } => decode::read(text, *complete, around),
            Content::RawLog(log) => Ok(Message::Data {
                batches: vec![log.batch(around)],
                subscription: Subscription::default(),
                unreadable: 0,
            }),
        }
    }
}

impl RawLog<'_> {
    fn batch(&self, around: &DecodeContext) -> Batch<'_> {
        Batch {
            source: Source {
                account: self.account.clone().or_else(|| around.own_account.clone()),
                region: self.region.clone().or_else(|| around.own_region.clone()),
                log_group: String::new(),
                log_stream: String::new(),
                caller_node: self.node.clone(),
                complete: true,
                pasted: true,
            },
            events: vec![Event {
                id: Cow::Borrowed(""),
                at: None,
                message: Cow::Borrowed(&self.log),
            }],
        }
    }
}

/// Why an input is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    #[error("expected JSON, found {detail} at line {line}, column {column}; {FORMS}")]
    NotJson {
        detail: String,
        line: usize,
        column: usize,
    },
    #[error("found {found}, which is none of the inputs this function reads; {FORMS}")]
    UnknownForm { found: String },
    #[error("expected {{\"awslogs\":{{\"data\":\"<base64>\"}}}}, found {found}; {FORMS}")]
    Subscription { found: String },
    #[error(
        "expected {{\"log\":\"<text>\",\"node\":\"i-…\"}} with \"account\" and \"region\" at \
         will, found {found}"
    )]
    RawLog { found: String },
    #[error(
        "expected {{\"node\":\"i-…\"}} or {{\"nodes\":[\"i-…\",\"mi-…\"]}} with at most {MOST_NODES} \
         ids, \"account\" and \"region\" at will, found {found}"
    )]
    Nodes { found: String },
    #[error(
        "expected {{\"sweep\":{{}}}} or {{\"sweep\":{{\"nodes\":\"…\"}}}} with {}, \
         \"account\" and \"region\" at will, found {found}",
        Selection::ALLOWED
    )]
    Sweep { found: String },
    #[error(
        "expected {{\"repair\":{{\"action\":\"…\",\"node\":\"i-…\"}}}} with the name of a repair, as \
         TRIAGE_REPAIR_ACTIONS takes it, \"account\" and \"region\" at will, found {found}"
    )]
    Repair { found: String },
    #[error("expected {{\"digest\":{{}}}}, found {found}")]
    Digest { found: String },
    #[error(
        "{wanted} is looked at through a member role alone, and TRIAGE_MEMBER_ROLE is not set: set it, \
         or leave out \"account\" and \"region\" for {own}"
    )]
    NoMember { wanted: String, own: String },
}

impl ReceiveError {
    /// A stable name for alarms and the failure destination.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "InputNotJson",
            Self::UnknownForm { .. } => "InputUnknown",
            Self::Subscription { .. } => "InputSubscription",
            Self::RawLog { .. } => "InputRawLog",
            Self::Nodes { .. } => "InputNodes",
            Self::Sweep { .. } => "InputSweep",
            Self::Repair { .. } => "InputRepair",
            Self::Digest { .. } => "InputDigest",
            Self::NoMember { .. } => "InputAccount",
        }
    }
}

const FORMS: &str = "send one of: a CloudWatch Logs subscription event \
{\"awslogs\":{\"data\":\"H4sI…\"}}; a Kinesis event {\"Records\":[{\"kinesis\":{\"sequenceNumber\":\
\"4959…\",\"data\":\"H4sI…\"}}]}; or by hand {\"log\":\"<raw log text>\",\"node\":\
\"i-0123456789abcdef0\"}, {\"nodes\":[\"i-0123456789abcdef0\"]} for nodes without a log, {\"sweep\":{}} for those that have gone silent, {\"repair\":{\"action\":\"trust-ec2\",\"node\":\"i-0123456789abcdef0\"}} for one repair, {\"digest\":{}} for one message about all that is open, or a decoded {\"messageType\":\"DATA_MESSAGE\",…} or an array of them";

/// The payloads of an `event` that holds log lines.
#[cfg(test)]
pub(crate) fn receive(event: &str) -> Result<Payloads<'_>, ReceiveError> {
    match input(event)? {
        Input::Logs(payloads) => Ok(payloads),
        other => panic!("no log: {other:?}"),
    }
}

/// Tells what kind of input `event` is and yields its payloads, or its nodes.
///
/// Fails when it is none of them, or one that is not whole. What is wrong
/// inside a payload shows only when that payload is decoded.
pub(crate) fn input(event: &str) -> Result<Input<'_>, ReceiveError> {
    if event.trim_ascii_start().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(event).map_err(not_json)?;
        if items.is_empty() {
            return Err(ReceiveError::UnknownForm {
                found: "an empty array".to_owned(),
            });
        }
        return Ok(Input::Logs(Payloads {
            kind: Kind::Direct,
            items: items
                .into_iter()
                .map(|item| match keys_of(item.get())? {
                    Keys::Direct(payload) => Ok(Delivery {
                        sequence_number: None,
                        payload,
                    }),
                    Keys::Subscription(_)
                    | Keys::Kinesis(_)
                    | Keys::Nodes(..)
                    | Keys::Sweep(..)
                    | Keys::Repair(_)
                    | Keys::Digest => Err(ReceiveError::UnknownForm {
                        found: "an array of whole events".to_owned(),
                    }),
                })
                .collect::<Result<_, _>>()?,
        }));
    }
    Ok(Input::Logs(match keys_of(event)? {
        Keys::Nodes(nodes, home) => return Ok(Input::Nodes(nodes, home)),
        Keys::Sweep(selection, home) => return Ok(Input::Sweep(selection, home)),
        Keys::Repair(request) => return Ok(Input::Repair(request)),
        Keys::Digest => return Ok(Input::Digest),
        Keys::Subscription(awslogs) => Payloads {
            kind: Kind::Subscription,
            items: vec![Delivery {
                sequence_number: None,
                payload: subscription::payload(awslogs)?,
            }],
        },
        Keys::Kinesis(records) => Payloads {
            kind: Kind::Kinesis,
            items: kinesis::deliveries(&records)?,
        },
        Keys::Direct(payload) => Payloads {
            kind: Kind::Direct,
            items: vec![Delivery {
                sequence_number: None,
                payload,
            }],
        },
    }))
}

enum Keys<'p> {
    Subscription(&'p RawValue),
    Kinesis(Vec<&'p RawValue>),
    Direct(Payload<'p>),
    Nodes(Vec<NodeId>, Home),
    Sweep(Option<Selection>, Home),
    Repair(RepairRequest),
    Digest,
}

/// The keys that tell the kinds apart; their values are left unread.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Probe<'p> {
    #[serde(borrow)]
    awslogs: Option<&'p RawValue>,
    #[serde(rename = "Records")]
    records: Option<Vec<&'p RawValue>>,
    log: Option<&'p RawValue>,
    #[serde(rename = "messageType")]
    message_type: Option<&'p RawValue>,
    #[serde(rename = "logEvents")]
    log_events: Option<&'p RawValue>,
    node: Option<&'p RawValue>,
    nodes: Option<&'p RawValue>,
    sweep: Option<&'p RawValue>,
    repair: Option<&'p RawValue>,
    digest: Option<&'p RawValue>,
}

fn keys_of(event: &str) -> Result<Keys<'_>, ReceiveError> {
    if event.trim_ascii_start().starts_with('[') {
        return Err(ReceiveError::UnknownForm {
            found: "an array within an array".to_owned(),
        });
    }
    let probe: Probe<'_> = serde_json::from_str(event).map_err(|fault| {
        if fault.is_data() {
            ReceiveError::UnknownForm {
                found: json_fault(&fault).0,
            }
        } else {
            not_json(fault)
        }
    })?;
    if let Some(awslogs) = probe.awslogs {
        Ok(Keys::Subscription(awslogs))
    } else if let Some(records) = probe.records {
        Ok(Keys::Kinesis(records))
    } else if probe.message_type.is_some() || probe.log_events.is_some() {
        Ok(Keys::Direct(Payload::Json(event)))
    } else if probe.log.is_some() {
        RawLog::parse(event).map(|log| Keys::Direct(Payload::RawLog(log)))
    } else if probe.node.is_some() || probe.nodes.is_some() {
        direct::nodes(event).map(|(nodes, home)| Keys::Nodes(nodes, home))
    } else if let Some(fields) = probe.sweep {
        direct::sweep(fields.get()).map(|(selection, home)| Keys::Sweep(selection, home))
    } else if let Some(fields) = probe.repair {
        direct::repair(fields.get()).map(Keys::Repair)
    } else if let Some(fields) = probe.digest {
        direct::digest(fields.get()).map(|()| Keys::Digest)
    } else {
        Err(ReceiveError::UnknownForm {
            found:
                "an object without `awslogs`, `Records`, `messageType`, `log`, `nodes`, `sweep`, `repair` or `digest`"
                    .to_owned(),
        })
    }
}

fn not_json(fault: serde_json::Error) -> ReceiveError {
    let (detail, line, column) = json_fault(&fault);
    ReceiveError::NotJson {
        detail,
        line,
        column,
    }
}

#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod tests;
