//! What a delivery holds once it is decoded: the log events of one stream.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::node::{AccountId, NodeId, Region};

/// The log events of one log stream, in the order of delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<'a> {
    /// Where its events come from.
    pub source: Source,
    /// In the order of the stream.
    pub events: Vec<Event<'a>>,
}

/// Where a batch comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Source {
    /// From `extractedFields` when the events carry it, else the owner.
    pub account: Option<AccountId>,
    /// From `extractedFields` when the events carry it, else the function's own.
    pub region: Option<Region>,
    /// The log group's name; empty where it is not known.
    pub log_group: String,
    /// The log stream's name, or the file's.
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
    /// As CloudWatch Logs gives it, the same in a repeated delivery.
    pub id: Cow<'a, str>,
    /// `None` when the sender gave none (raw text by hand, a file): the
    /// record's own time text is then read as UTC.
    pub at: Option<Timestamp>,
    /// One line of the log, or several.
    pub message: Cow<'a, str>,
}
