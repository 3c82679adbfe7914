//! IAM policies: the trust policy of a role, its own policies and permissions
//! boundary, the policies of VPC endpoints.
//!
//! Text comes in, values go out: no clock, no network, no AWS types. A policy
//! is read once ([`Document::parse`]) and asked by [`evaluate()`], whose answer
//! is a decision or the reason why there is none: what AWS does not document,
//! or what depends on a condition, makes a statement unclear, and what is
//! unclear is never a verdict and never leads to a write.
//!
//! - [`may_assume`] asks a role's trust policy on behalf of a service.
//! - [`plan_edit`] appends one statement of ours to it, or refuses with the
//!   reason and with what a person can do instead. [`remove_ours`] takes that
//!   statement out again, [`has_ours`] recognises it on a retry, and
//!   [`same_policy`] says whether a policy changed between two reads.

mod condition;
mod document;
mod edit;
mod evaluate;
mod pattern;
mod service;
mod trust;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod table_tests;

pub(crate) use document::Document;
pub(crate) use edit::{Edit, Refusal, RoleRef, has_ours, plan_edit, remove_ours, same_policy};
pub(crate) use evaluate::{Caller, PolicyDecision, Request, evaluate};
pub(crate) use service::{CORE_ACTIONS, Service};
pub(crate) use trust::{may_assume, whom_it_allows};
