//! From diagnosed findings to incidents: one cause at one scope, and which of them are open.

pub mod group;
pub mod nodes;
#[cfg(test)]
pub(crate) mod sample;
pub mod shared;
pub mod situation;
pub mod store;
