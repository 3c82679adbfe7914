//! Checks the signatures and the sheets of causes and writes them as Rust, so
//! that a program reads nothing of them when it starts. A fault stops the build.

// The modules are the library's own; not all of them is used here.
#![allow(dead_code, missing_docs, unreachable_pub, unused_imports)]
// What Cargo is told, it reads from the standard output.
#![allow(clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::{env, fs, io};

use signature::entry::{Documentation, Entry, Signature};
use signature::load::{CatalogueError, Fault, parse};

use src::{cause, command, machine, node, record, sheet, signature};

/// The parts of the library that read an operator's file read the catalogue.
mod src {
    pub mod cause;
    pub mod command;
    pub mod machine;
    pub mod node;

    pub mod sheet {
        pub mod code;
        pub mod read;
        mod types;
        mod words;

        pub use types::*;
        pub use words::*;
    }

    pub mod record {
        mod level;
        mod tags;
        mod text;

        pub use level::Level;
        pub use tags::begins_with_tag;
        pub use text::fold;
    }

    pub mod signature {
        pub mod entry;
        pub mod lint;
        pub mod load;
    }
}

fn main() -> io::Result<()> {
    compile("src/signature/catalogue", "signatures.rs", signatures)?;
    println!("cargo::rerun-if-changed=src/sheet/shared.toml");
    let shared = fs::read_to_string("src/sheet/shared.toml")?;
    compile("src/sheet/causes", "sheets.rs", |files| {
        sheet::code::to_rust(&shared, files)
    })
}

/// Writes what `to_rust` makes of the TOML files of `folder`, in the order of
/// their names, to `output`; each line of an error becomes an error of the build.
fn compile<E: Display>(
    folder: &str,
    output: &str,
    to_rust: impl FnOnce(&[(String, String)]) -> Result<String, E>,
) -> io::Result<()> {
    println!("cargo::rerun-if-changed={folder}");
    let mut files = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    match to_rust(&files) {
        Ok(code) => fs::write(
            Path::new(&env::var("OUT_DIR").expect("Cargo sets it")).join(output),
            code,
        )?,
        Err(faults) => {
            for line in faults.to_string().lines() {
                println!("cargo::error={line}");
            }
        }
    }
    Ok(())
}

/// The catalogue as two lists: what the engine reads, and what people do.
fn signatures(files: &[(String, String)]) -> Result<String, CatalogueError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut faults = Vec::new();
    for (file, text) in files {
        match parse(file, text) {
            Ok(more) => entries.extend(more),
            Err(CatalogueError(more)) => faults.extend(more),
        }
    }
    let mut ids = BTreeSet::new();
    let twins = entries.iter().map(|entry| entry.signature.id);
    faults.extend(twins.filter(|id| !ids.insert(*id)).map(|id| Fault {
        file: "src/signature/catalogue".to_owned(),
        entry: id.to_owned(),
        reason: "the id stands in two files".to_owned(),
    }));
    if !faults.is_empty() {
        return Err(CatalogueError(faults));
    }
    let count = entries.len();
    let signatures: String = entries
        .iter()
        .map(|entry| signature(&entry.signature))
        .collect();
    let documentation: String = entries
        .iter()
        .map(|entry| documentation(&entry.documentation))
        .collect();
    Ok(format!(
        "static SIGNATURES: [Signature; {count}] = [\n{signatures}];\n\
         static DOCUMENTATION: [Documentation; {count}] = [\n{documentation}];\n"
    ))
}

fn signature(one: &Signature) -> String {
    let of = |list: &str, value: &dyn Debug| format!("{{ use {list}::*; {value:?} }}");
    format!(
        "Signature {{ id: {:?}, title: {:?}, kind: {}, part: {}, role: {}, causes: &{}, \
         overrides_error: {}, ambiguous: {}, severity: {}, levels: &{}, components: &{:?}, \
         starts: &{:?}, contains: &{:?}, excludes: &{:?}, pattern: {:?}, clears: &{}, \
         machine: &{} }},\n",
        one.id,
        one.title,
        of("Kind", &one.kind),
        of("Part", &one.part),
        of("Role", &one.role),
        of("Cause", &one.causes),
        one.overrides_error,
        one.ambiguous,
        of("Severity", &one.severity),
        of("Level", &one.levels),
        one.components,
        one.starts,
        one.contains,
        one.excludes,
        one.pattern,
        of("Part", &one.clears),
        of("Environment", &one.machine),
    )
}

fn documentation(one: &Documentation) -> String {
    format!(
        "Documentation {{ checks: &{:?}, false_positives: {:?}, references: &{:?}, \
         versions: {:?}, matches: &{:?}, rejects: &{:?} }},\n",
        one.checks, one.false_positives, one.references, one.versions, one.matches, one.rejects,
    )
}
