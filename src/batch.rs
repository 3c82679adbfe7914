//! What a delivery holds once it is decoded: the log events of one stream.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::node::{AccountId, NodeId, Region};

/// The log events of one log stream, in the order of delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<'a> {
    pub source: Source,
    pub events: Vec<Event<'a>>,
}

/// Where a batch comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Source {
    /// From `extractedFields` when the events carry it, else the owner.
    pub account: Option<AccountId>,
    /// From `extractedFields` when the events carry it, else the function's own.
    pub region: Option<Region>,
    pub log_group: String,
    pub log_stream: String,
    /// The node that a by-hand caller or `--node` named.
    pub caller_node: Option<NodeId>,
    /// No further batch will continue this one (by hand, `scan`): what is held
    /// back for a continuation is settled at its end.
    pub complete: bool,
    /// A person sent the text by hand: it may be copied from anywhere.
    pub pasted: bool,
}

/// One CloudWatch Logs log event, as delivered; or one chunk of a log file.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    pub id: Cow<'a, str>,
    /// `None` when the sender gave none (raw text by hand, a file): the
    /// record's own time text is then read as UTC.
    pub at: Option<Timestamp>,
    pub message: Cow<'a, str>,
}
