//! The checks and the verdicts over tables of live state.

mod checks;
mod live;
mod manager;
mod needs;
mod network;
mod permissions;
mod policy;
mod verdicts;
pub(crate) mod world;
