//! The sheets: what is said of one cause. One TOML file each under `causes/`, with the steps that
//! several share in `shared.toml`.
//!
//! `build.rs` reads and checks them, and makes them the constants of this module: nothing of them
//! is parsed at run time. `runbook` fills them in for an incident.

#[cfg(test)]
pub(crate) mod read;
#[cfg(test)]
mod tests;
mod types;
mod words;

pub(crate) use types::{Next, Piece, Sheet, Step, Template, Test, When};
pub(crate) use words::{Condition, FaultKind, Flag, Form, Placeholder, Restart};

use crate::cause::{Cause, ScopeKind, Severity};
use crate::machine::Environment;
use Condition::{Is, Known, On, OnlySignature, Scope, Service, Signature};
use Piece::{Text, Value};

include!(concat!(env!("OUT_DIR"), "/sheets.rs"));

/// The sheet of `cause`.
pub(crate) fn of(cause: Cause) -> &'static Sheet {
    let own = SHEETS.iter().find(|sheet| sheet.cause == cause);
    own.expect("the build fails where a cause has no sheet")
}

impl Cause {
    /// The severity the cause has by itself. `permission-missing` and
    /// `endpoint-unreachable` depend on what they stop; their findings say so.
    pub fn severity(self) -> Severity {
        of(self).severity
    }

    /// The kind of scope once diagnosis knows everything. Until a role, subnet
    /// or VPC is known the node stands in for it.
    pub fn scope_kind(self) -> ScopeKind {
        of(self).scope
    }
}
