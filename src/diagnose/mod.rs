//! Proof against live AWS state, read-only.

pub mod facts;
