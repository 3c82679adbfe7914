//! What is notified, and in which words.
//!
//! [`content`] builds what a message says, once; each [`format`](mod@format) arranges it;
//! [`message`] keeps what is published within the limits of SNS.

pub mod content;
pub mod format;
pub mod kind;
pub mod message;
pub mod page;

#[cfg(test)]
mod tests;
