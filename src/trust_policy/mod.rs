//! May EC2 assume a role, and which one statement would let it?
//!
//! A role's trust policy comes in as text and answers go out as values: no
//! clock, no network, no AWS types.
//!
//! - [`judge`] answers *allowed*, *not allowed* or *cannot judge, because …*;
//!   [`judge_for`] answers the same of Systems Manager.
//! - [`plan_edit`] appends one statement of ours, or refuses with the reason
//!   and with what a person can do instead.
//! - [`remove_ours`] takes that statement out again, [`has_ours`] recognises it
//!   on a retry, and [`same_policy`] tells whether a policy changed between
//!   two reads.
//!
//! The edit works on the text, not on a parsed and printed tree, so that every
//! statement of others stays byte for byte as it was, whitespace aside. Where
//! AWS does not document how a policy is read, the answer is a doubt, and a
//! doubt never leads to a write.

mod document;
mod edit;
mod json;
mod judge;

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod table_tests;

pub use document::{DocumentError, Place};
pub use edit::{
    Edit, OUR_SID, Refusal, RoleRef, Undo, has_ours, plan_edit, remove_ours, same_policy,
};
pub(crate) use json::Json;
pub(crate) use judge::matches_pattern;
pub use judge::{Judgement, Service, judge, judge_for};
