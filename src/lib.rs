//! Tells why the AWS Systems Manager Agent of a node stopped working, proves
//! it against live state, repairs what is allowed, and sends one message per
//! thing to fix.
//!
//! # The way of the data
//!
//! Stages stand here in the order in which data meets them. All that evaluates is
//! pure: the clock, the environment and AWS come in at the edge, in `bin`,
//! `handler`, `aws` and what of `diagnose` and `repair` makes calls.
//!
//! | stage | from | to |
//! |---|---|---|
//! | `receive` | an event in one of three forms | payloads, still packed |
//! | [`decode`] | a payload | [`batch`]es of log events that borrow from it |
//! | [`record`] | lines of events | statements of the agent, continuation lines joined |
//! | [`paste`] | text that a person copied | lines with what copying put around them taken off |
//! | `failure` | the error text inside a record | what failed, where, for whom, and why |
//! | [`signature`] | a record | the catalogue entry that recognises it |
//! | [`correlate`] | recognised records, the stream's state | [`finding`]s per node, with what remains open |
//! | [`diagnose`] | findings and live state | a cause, confirmed or likely or undetermined |
//! | [`incident`] | diagnosed findings | incidents: one cause at one scope, with the nodes that it affects |
//! | `repair` | an incident, live state, the guardrails | a plan; with its authorization, the least write, read back |
//! | `runbook` | a cause's sheet and what is known | the title, steps with commands that are ready to run, what happens next |
//! | `report` | the incidents of one invocation | the function's answer |
//! | `notify` | an incident, its plan and outcome | one content, a message in each format within the limits of its channel |
//!
//! `tests/structure.rs` holds the order of the imports to this one.
//!
//! [`engine`] puts the stages up to findings together, for the function and
//! for the command-line tool alike; `handler` puts all of them together for
//! one invocation. [`node`] holds what the others name nodes, accounts and
//! Regions by, [`selection`] which of them a sweep looks at, [`machine`] what a log shows of the machine, [`cause`] the
//! causes, `sheet` what is said of each, `policy` reads IAM policies, `command`
//! quotes what a person pastes into a shell, `text` redacts and neutralises,
//! [`state`] keeps what outlives an invocation,
//! and `aws` holds the narrow adapters to the SDK.
//!
//! # Settings
//!
//! Every environment variable stands in [`config::settings::SETTINGS`]. The
//! table in docs/settings.md and the parameters of template.yaml are tested against
//! it.
//!
//! # Features
//!
//! `aws`, on by default, holds everything that needs the AWS SDK or the Lambda
//! runtime. Without it the engine and the command-line tool build in seconds.

// Repairs and messages have no user without the handler.
#![cfg_attr(
    not(all(feature = "aws", feature = "cli")),
    allow(dead_code, unreachable_pub)
)]

#[cfg(feature = "aws")]
#[doc(hidden)] // Reached by tests alone.
pub mod aws;
pub mod batch;
pub mod cause;
#[cfg(feature = "cli")]
pub mod cli;
pub(crate) mod command;
#[doc(hidden)] // Reached by benchmarks and tests alone.
pub mod config;
pub mod correlate;
pub mod decode;
#[doc(hidden)] // Reached by benchmarks and tests alone.
pub mod diagnose;
pub mod engine;
pub(crate) mod failure;
pub mod finding;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "aws")]
pub mod handler;
#[doc(hidden)] // Reached by benchmarks and tests alone.
pub mod incident;
pub mod machine;
pub mod node;
pub(crate) mod notify;
pub mod paste;
pub(crate) mod policy;
pub(crate) mod receive;
#[doc(hidden)] // Reached by benchmarks and tests alone.
pub mod record;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod runbook;
#[doc(hidden)] // Reached by tests alone.
pub mod selection;
pub(crate) mod sheet;
pub mod signature;
pub(crate) mod sort;
#[doc(hidden)] // Reached by tests alone.
pub mod state;
pub(crate) mod text;
