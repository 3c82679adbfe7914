//! From records to incidents: causes, correlation per node, and what stands open.

pub mod candidates;
pub mod cause;
pub mod correlate;
pub mod finding;
pub mod gather;
pub mod shared;
pub mod store;
pub mod title;
pub mod unknown;
