//! Proof against live AWS state, read-only.
//!
//! A log yields candidates; what AWS says at this moment decides between them.
//! [`facts`] holds what was read as plain values, each check judges them, and
//! [`verdict`] turns the results into a cause.

pub mod call_error;
pub mod check;
mod detail;
pub mod facts;
mod imds;
mod instance_profile;
mod instance_state;
#[cfg(feature = "aws")]
pub mod live;
mod needs;
mod scope;
mod trust_policy;
pub mod verdict;

pub use needs::{Home, Needs, diagnose, diagnose_by_log};
pub use scope::account_region;

#[cfg(test)]
pub(crate) mod tests;
