//! What is told, to whom it may be told, and in which words.
//!
//! [`text`] writes the message, [`json`] the report's entry;
//! log text in it is quoted log text through [`quote`], which [`redact`]s it. [`message`]
//! keeps what SNS allows.

pub mod json;
pub mod layout;
pub mod message;
pub mod plain;
pub mod quote;
pub mod redact;
pub mod text;
