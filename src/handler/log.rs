//! The function's own log: what an operator should know of beside the answer.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes one line to standard error. Unlike `eprintln!` this does not panic
/// when nobody reads: an answer is worth more than the line beside it.
pub fn log(line: impl Display) {
    // In one call: half a line would stand among others'.
    let line = format!("{line}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
