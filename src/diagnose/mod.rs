//! Proof against live AWS state, read-only.
//!
//! A log yields candidates; what AWS says at this moment decides between them.
//! [`facts`] holds what was read as plain values, each check judges them, and
//! [`verdict`] turns the results into a cause.

pub mod call_error;
pub mod check;
pub mod facts;
pub mod verdict;
