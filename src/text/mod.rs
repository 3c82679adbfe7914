//! Log text and names that others chose, made fit for a reader: cut, neutralised, redacted, quoted.

pub mod quote;
pub mod redact;
pub mod sanitize;
