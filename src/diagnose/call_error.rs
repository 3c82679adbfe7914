//! Why a call to AWS gave no answer, without the SDK's types: checks and
//! repairs decide by it, and tests make it by hand.

use thiserror::Error;

/// Why a call to AWS gave no plain answer. `call` is the API's name,
/// `message` what the service wrote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The function's own role, an SCP or a policy of the resource forbids it.
    #[error("{call} was denied ({code}): {message}")]
    Denied {
        call: &'static str,
        code: String,
        message: String,
    },
    /// The service asked for fewer calls, also after the retries of a read.
    #[error("{call} was throttled ({code})")]
    Throttled { call: &'static str, code: String },
    /// The thing asked for does not exist.
    #[error("{call} found nothing ({code}): {message}")]
    NotFound {
        call: &'static str,
        code: String,
        message: String,
    },
    /// A dry run would have been allowed: EC2's `DryRunOperation`.
    #[error("{call} would have succeeded; it was a dry run")]
    DryRunOk { call: &'static str },
    /// The service refused with a code of its own.
    #[error("{call} failed ({code}): {message}")]
    Service {
        call: &'static str,
        code: String,
        message: String,
    },
    /// An error that is not the service's own refusal: a server error, or an
    /// answer without an error code, as a page of something in between is. A
    /// write may or may not have happened.
    #[error("{call} failed ({code}): {message}")]
    Inconclusive {
        call: &'static str,
        code: String,
        message: String,
    },
    /// No answer was read: time-out, broken connection, an answer that is no
    /// answer. A write may or may not have happened.
    #[error("{call} gave no answer: {message}")]
    NoAnswer { call: &'static str, message: String },
    /// Nothing was sent: the request could not be built, or no credentials
    /// were available.
    #[error("{call} was not sent: {message}")]
    NotSent { call: &'static str, message: String },
}

impl CallError {
    /// The service's error code, such as `MalformedPolicyDocument`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Denied { code, .. }
            | Self::Throttled { code, .. }
            | Self::NotFound { code, .. }
            | Self::Service { code, .. }
            | Self::Inconclusive { code, .. } => Some(code),
            Self::DryRunOk { .. } | Self::NoAnswer { .. } | Self::NotSent { .. } => None,
        }
    }

    /// Whether a write that ended so may have happened all the same.
    pub fn outcome_is_open(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Inconclusive { .. } => true,
            Self::Denied { .. }
            | Self::Throttled { .. }
            | Self::NotFound { .. }
            | Self::DryRunOk { .. }
            | Self::Service { .. }
            | Self::NotSent { .. } => false,
        }
    }
}
