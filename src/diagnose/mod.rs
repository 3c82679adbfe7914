//! Proof against live AWS state, read-only.
//!
//! A log yields candidates; what AWS says at this moment decides between them.
//! [`facts`] holds what was read as plain values, each check evaluates them, and
//! [`verdict`] turns the results into a cause.

pub mod by_id;
pub mod call_error;
pub mod called_on;
pub mod check;
mod checks;
mod console;
mod detail;
pub mod diagnosis;
pub mod facts;
#[cfg(feature = "aws")]
pub(crate) mod live;
mod needs;
mod network;
mod preferences;
mod query;
mod result;
mod scope;
mod subject;
pub mod sweep;
pub mod verdict;

pub use crate::node::Home;
pub use checks::{CHECKS, position, question};
pub use needs::{Needs, diagnose, diagnose_by_log};
pub use scope::account_region;

#[cfg(test)]
pub(crate) mod tests;
