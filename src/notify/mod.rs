//! What is told, to whom it may be told, and in which words.
//!
//! [`text`] writes the message, [`message`] keeps it within what SNS allows,
//! [`json`] writes the report. Log text goes out only through [`quote`] and
//! [`redact`].

pub mod layout;
pub mod message;
pub mod text;
