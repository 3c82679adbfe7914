//! What is told, to whom it may be told, and in which words.

pub mod plain;
pub mod redact;
