//! The catalogue as `build.rs` compiles it in. Only what is named of it comes
//! into a program: no example comes into the function.

use super::entry::{Documentation, Entry, Kind, Part, Role, Signature};
use crate::cause::{Cause, Severity};
use crate::machine::Environment;
use crate::record::Level;

include!(concat!(env!("OUT_DIR"), "/signatures.rs"));

/// The signatures that come with the product, in the order of the catalogue's
/// files.
pub fn builtin() -> &'static [Signature] {
    SIGNATURES
}

/// As [`builtin`], each with what it says to people.
pub fn builtin_entries() -> Vec<Entry> {
    let entry = |(&signature, &documentation)| Entry {
        signature,
        documentation,
    };
    SIGNATURES.iter().zip(DOCUMENTATION).map(entry).collect()
}
