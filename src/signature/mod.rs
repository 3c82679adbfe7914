//! Signatures: what recognises a record, and what it means.
//!
//! A signature is one entry of a TOML file under `catalogue/`, which `build.rs`
//! checks and compiles in. It is anchored at the start of a record's message,
//! after the tags: the agent's own records dump its users' scripts and outputs,
//! full of error words.

mod catalogue;
mod entry;
mod lint;
mod load;
mod matcher;
mod prove;
#[cfg(test)]
mod tests;

pub use catalogue::{builtin, builtin_entries};
pub use entry::{Documentation, Entry, Kind, Part, Role, Signature};
pub use load::{CatalogueError, Fault, merge, parse};
pub use matcher::{Match, Matcher};
pub use prove::{failing_examples, recognised};
