//! From a proved cause to the least change that puts it right.
//!
//! [`repairs`] holds what each repair judges, sends and looks for, and how it
//! is undone: one file each. [`plan`] asks it, looks at all [`locks`] and
//! answers what is to be done; it is pure, and only it makes the permit that a
//! write needs. [`memory`] holds what was done before, [`verify`] what AWS's
//! answer means, [`outcome`] what came of it. `execute` puts them in order, the
//! same for every repair.

mod audit;
pub(crate) mod change;
#[cfg(feature = "aws")]
pub(crate) mod clients;
#[cfg(feature = "aws")]
pub(crate) mod execute;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod repairs;
pub(crate) mod verify;

#[cfg(test)]
mod story_tests;
