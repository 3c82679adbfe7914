//! From diagnosed findings to incidents: one cause at one scope, and which of them are open.

pub mod group;
pub mod nodes;
pub mod shared;
pub mod store;
pub mod title;
