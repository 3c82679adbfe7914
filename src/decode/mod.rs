//! From the payload of a subscription to [`Batch`](crate::batch::Batch): base64, gunzip bounded by a
//! cap, JSON borrowed where it can be.
//!
//! [`unpack`] yields the text; [`read`] makes batches of it that borrow their
//! messages from it. No error quotes anything of a log.

mod gzip;
mod json;
mod message;
mod partial;
mod wire;

#[cfg(test)]
pub(crate) use gzip::tests;

pub use gzip::{unpack, unpack_base64};
pub(crate) use json::{json_fault, kind, object, text, text_or_digits};
pub use message::{Message, Subscription, read};

use crate::node::{AccountId, Region};

/// What decoding must know about the function it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeContext {
    /// The cap on what one payload may unpack to, in bytes.
    pub max_decoded_bytes: u64,
    /// Stands in where a by-hand caller names no account.
    pub own_account: Option<AccountId>,
    /// Stands in where the events carry no Region: a subscription reaches a
    /// function of its own Region only.
    pub own_region: Option<Region>,
    /// The group this function itself logs to. Its events are turned away: to
    /// answer them with further log lines would never end.
    pub own_log_group: Option<String>,
}

/// Why a payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The payload is no base64.
    #[error(
        "expected base64 of a gzip file, found {found}; send `data` exactly as CloudWatch Logs \
         delivered it, unwrapped (`base64 -w0` when made by hand)"
    )]
    NotBase64 {
        /// The fault, with what stands there.
        found: String,
    },
    /// The payload is not compressed.
    #[error(
        "expected a gzip file (first bytes 1f 8b) under the base64, found {found}; CloudWatch \
         Logs always compresses: compress the JSON, or send it as plain JSON by hand"
    )]
    NotGzip {
        /// What the payload begins with.
        found: String,
    },
    /// The gzip file ends too early.
    #[error(
        "expected a whole gzip file, found one cut off after {bytes} bytes; send the payload in \
         full"
    )]
    TruncatedGzip {
        /// Bytes that there are.
        bytes: usize,
    },
    /// The gzip file is damaged.
    #[error(
        "expected a sound gzip file, found damage ({detail}) in its {bytes} bytes; send the \
         payload again from its source"
    )]
    DamagedGzip {
        /// Bytes of the file.
        bytes: usize,
        /// The decoder's word on it.
        detail: String,
    },
    /// Unpacked it is larger than may be.
    #[error(
        "expected at most {cap} bytes when unpacked, found more in {bytes} bytes of gzip; if the \
         payload is genuine, raise TRIAGE_MAX_DECODED_BYTES (and the function's memory with it)"
    )]
    TooLarge {
        /// Bytes that may be decoded.
        cap: u64,
        /// Bytes of the file.
        bytes: usize,
    },
    /// What is packed is no JSON.
    #[error(
        "expected the JSON of a subscription, found {detail} at line {line}, column {column}; \
         see what the sender put in before it compressed"
    )]
    NotJson {
        /// What the parser expected.
        detail: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The JSON is no message of a subscription.
    #[error(
        "expected {{\"messageType\":\"DATA_MESSAGE\",\"owner\":…,\"logGroup\":…,\"logStream\":…,\
         \"logEvents\":[{{\"id\":…,\"timestamp\":…,\"message\":…}}]}}, found {detail}; send what \
         a CloudWatch Logs subscription delivers"
    )]
    WrongShape {
        /// What is missing or of another type.
        detail: String,
    },
}

impl DecodeError {
    /// A stable name for alarms and the failure destination.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBase64 { .. } => "PayloadNotBase64",
            Self::NotGzip { .. } => "PayloadNotGzip",
            Self::TruncatedGzip { .. } => "PayloadTruncated",
            Self::DamagedGzip { .. } => "PayloadDamaged",
            Self::TooLarge { .. } => "PayloadTooLarge",
            Self::NotJson { .. } => "PayloadNotJson",
            Self::WrongShape { .. } => "PayloadWrongShape",
        }
    }
}
