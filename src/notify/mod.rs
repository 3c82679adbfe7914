//! What is notified, and in which words.
//!
//! [`content`] builds what a message says, once, with its [`event`] for programs; each
//! [`format`](mod@format) arranges it;
//! [`message`] keeps what is published within the limits of SNS, and [`ops_item`] what
//! stands in OpsCenter.

pub(crate) mod content;
pub(crate) mod digest;
pub(crate) mod event;
pub(crate) mod format;
pub(crate) mod kind;
pub(crate) mod message;
pub(crate) mod ops_item;
pub(crate) mod page;

#[cfg(test)]
mod tests;
