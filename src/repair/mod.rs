//! From a proved cause to the least change that puts it right.
//!
//! [`plan`] judges live state, looks at every lock and answers what is to be
//! done; it is pure, and only it makes the permit that a write needs.
//! [`action`] holds what each repair sends and how it is undone, [`reason`] why
//! one is kept back, [`memory`] what was done before, [`outcome`] what the
//! reader is told. To add a repair, name it in `config::RepairAction`, and
//! follow the compiler through [`action`] and [`plan`].

pub mod action;
pub mod memory;
pub mod outcome;
pub mod plan;
pub mod reason;
