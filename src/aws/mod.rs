//! The calls to AWS: narrow functions over the SDK's clients that take and
//! return the plain values of the earlier stages.
//!
//! Nothing is built before the first call. A client that is never used reads
//! no certificate, so that a healthy batch costs no start of TLS.

pub mod dynamodb;
mod ec2;
pub(crate) mod error;
pub(crate) mod events;
mod iam;
mod kms;
mod live;
mod logs;
mod member;
mod s3;
mod session;
pub(crate) mod sns;
pub(crate) mod ssm;
mod whole;

use aws_sdk_ssm::primitives::DateTime;
use jiff::Timestamp;

pub(crate) use live::LiveState;
pub(crate) use member::MemberSessions;
pub use session::Session;
pub(crate) use session::{Retry, Sdk};

/// `None` out of the range of years that we read.
fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
}
