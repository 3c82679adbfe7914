//! Checks the signatures and the sheets of causes and writes them as Rust, so
//! that a program reads nothing of them when it starts. A fault stops the build.

// The modules are the library's own; not all of them is used here.
#![allow(dead_code, unused_imports)]
// What Cargo is told, it reads from the standard output.
#![allow(clippy::print_stdout)]

use std::fmt::{Debug, Display};
use std::path::Path;
use std::{env, fs, io};

use signature::entry::{Documentation, Entry, Signature};
use signature::load::{CatalogueError, Fault, parse};

use src::{cause, command, node, record, sheet, signature};

/// The parts of the library that read an operator's file read the catalogue.
mod src {
    pub mod cause;
    pub mod command;
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
            Ok(more) => {
                let known = |own: &&Entry| {
                    entries
                        .iter()
                        .any(|one| one.signature.id == own.signature.id)
                };
                faults.extend(more.iter().filter(known).map(|twin| Fault {
                    file: file.clone(),
                    entry: twin.signature.id.to_owned(),
                    reason: "the id stands in another file as well".to_owned(),
                }));
                entries.extend(more);
            }
            Err(CatalogueError(more)) => faults.extend(more),
        }
    }
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
    let role = one.role.map(|role| format!("Some(Role::{role:?})"));
    let severity = one.severity.map(|it| format!("Some(Severity::{it:?})"));
    let none = || "None".to_owned();
    format!(
        "Signature {{ id: {:?}, title: {:?}, kind: Kind::{:?}, part: Part::{:?}, role: {}, \
         causes: {}, text_decides: {}, undecided: {}, severity: {}, levels: {}, \
         components: &{:?}, starts: &{:?}, contains: &{:?}, excludes: &{:?}, \
         pattern: {:?}, clears: {} }},\n",
        one.id,
        one.title,
        one.kind,
        one.part,
        role.unwrap_or_else(none),
        variants("Cause", one.causes),
        one.text_decides,
        one.undecided,
        severity.unwrap_or_else(none),
        variants("Level", one.levels),
        one.components,
        one.starts,
        one.contains,
        one.excludes,
        one.pattern,
        variants("Part", one.clears),
    )
}

fn documentation(one: &Documentation) -> String {
    format!(
        "Documentation {{ checks: &{:?}, false_positives: {:?}, references: &{:?}, \
         versions: {:?}, matches: &{:?}, rejects: &{:?} }},\n",
        one.checks, one.false_positives, one.references, one.versions, one.matches, one.rejects,
    )
}

fn variants<T: Debug>(of: &str, variants: &[T]) -> String {
    let path = |variant| format!("{of}::{variant:?}, ");
    format!("&[{}]", variants.iter().map(path).collect::<String>())
}
