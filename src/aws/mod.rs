//! The calls to AWS: narrow functions over the SDK's clients that take and
//! return the plain values of the earlier stages.
//!
//! Nothing is built before the first call. A client that is never used reads
//! no certificate, so that a healthy batch costs no start of TLS.

pub mod ec2;
mod error;
pub mod iam;
mod live;
mod session;
pub mod sns;
pub mod ssm;
mod whole;

pub use live::LiveState;
pub use session::{Retry, Session};
