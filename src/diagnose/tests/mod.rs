//! The checks and the verdicts over tables of live state.

mod checks;
mod live;
mod needs;
mod verdicts;
pub(crate) mod world;
