//! The checks and the verdicts over tables of live state.

mod by_id;
mod checks;
mod console;
mod endpoint_policies;
mod endpoints;
mod live;
mod needs;
mod network;
mod paths;
mod permissions;
mod session_preferences;
mod ssm;
mod sweep;
mod verdicts;
pub(crate) mod world;
