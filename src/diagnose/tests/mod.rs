//! The checks and the verdicts over tables of live state.

mod checks;
mod endpoint_policies;
mod endpoints;
mod live;
mod manager;
mod model;
mod needs;
mod network;
mod permissions;
mod policy;
mod verdicts;
mod ways;
pub(crate) mod world;
