//! From a proved cause to the least change that puts it right.
//!
//! [`plan`] judges live state, looks at every lock and answers what is to be
//! done; it is pure, and only it makes the permit that a write needs.
//! [`action`] holds what each repair sends and how it is undone, [`reason`] why
//! one is kept back, [`memory`] what was done before, [`verify`] what AWS's
//! answer means, [`conclude`] what came of a plan, as an [`outcome`]. `execute` puts them in
//! order, with one file for each repair.
//!
//! To add a repair, name it in `config::RepairAction` and follow the compiler:
//! it leads to its [`action`], its judgement in [`plan`], and its file here.

pub(crate) mod action;
pub(crate) mod audit;
pub(crate) mod conclude;
#[cfg(feature = "aws")]
pub(crate) mod execute;
#[cfg(feature = "aws")]
mod imds;
pub(crate) mod memory;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod reason;
#[cfg(feature = "aws")]
pub(crate) mod task;
#[cfg(feature = "aws")]
mod trust_ec2;
pub(crate) mod verify;

#[cfg(test)]
mod story_tests;
