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

use cause::Cause;
use sheet::read;
use signature::entry::Entry;
use signature::load::{CatalogueError, Fault, parse};

use src::{cause, command, machine, node, record, sheet, signature};

/// The parts of the library that read an operator's file read the catalogue.
mod src {
    pub mod cause;
    pub mod command;
    pub mod machine;
    pub mod node;

    pub mod sheet {
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
    link_function()?;
    compile("src/signature/catalogue", "signatures.rs", signatures)?;
    println!("cargo::rerun-if-changed=src/sheet/shared.toml");
    let shared = fs::read_to_string("src/sheet/shared.toml")?;
    compile("src/sheet/causes", "sheets.rs", |files| {
        sheets(&shared, files)
    })
}

/// Links the function at a fixed address. Else the loader writes each of its 29,000
/// pointers anew at every start, which takes a third of the time to the first poll.
/// docs/threat-model.md says what is lost.
///
/// A release has no tables of unwinding, a tenth of the binary: where a panic ends the process
/// nothing reads them.
fn link_function() -> io::Result<()> {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bin=bootstrap=-no-pie");
        if is("PROFILE", "release") {
            let script = Path::new(&env::var("OUT_DIR").expect("Cargo sets it")).join("discard.ld");
            fs::write(&script, DISCARD)?;
            println!(
                "cargo::rustc-link-arg-bin=bootstrap=-Wl,-T,{}",
                script.display()
            );
        }
    }
    Ok(())
}

/// For GNU ld and for lld, beside the linker's own script.
const DISCARD: &str = "\
SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) } }
INSERT AFTER .text;
";

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
    let (signatures, documentation): (Vec<_>, Vec<_>) = entries
        .iter()
        .map(|entry| (entry.signature, entry.documentation))
        .unzip();
    Ok(format!(
        "static SIGNATURES: &[Signature] = {};\nstatic DOCUMENTATION: &[Documentation] = {};\n",
        literal(&signatures),
        literal(&documentation)
    ))
}

/// The sheets as constants, from the texts of `shared.toml` and of one file each.
fn sheets(shared: &str, files: &[(String, String)]) -> Result<String, String> {
    let shared = read::shared(shared).map_err(|fault| format!("src/sheet/shared.toml: {fault}"))?;
    let mut sheets = Vec::new();
    for (file, text) in files {
        let name = Path::new(file).file_stem().and_then(|name| name.to_str());
        let sheet = read::sheet(name.unwrap_or_default(), text, &shared);
        sheets.push(sheet.map_err(|fault| format!("{file}: {fault}"))?);
    }
    sheets.sort_by_key(|sheet| sheet.cause);
    let has_none = |cause: &&Cause| !sheets.iter().any(|sheet| sheet.cause == **cause);
    if let Some(cause) = Cause::ALL.iter().find(has_none) {
        return Err(format!(
            "src/sheet/causes/{cause}.toml is missing: each cause has a sheet"
        ));
    }
    Ok(format!(
        "/// One for each cause, in the order of [`Cause::ALL`].\n\
         pub(crate) static SHEETS: &[Sheet] = {};\n\
         /// The groups of `shared.toml` that stand in no sheet.\n\
         pub(crate) static DECIDE_OTHERWISE: &[Step] = {};\n\
         /// Before all other steps.\n\
         pub(crate) static FIRST: &[Step] = {};\n\
         /// Where live checks find nothing wrong.\n\
         pub(crate) static NOT_OBSERVED: &[Step] = {};\n",
        literal(&sheets),
        literal(&shared.group("decide-otherwise")?.1),
        literal(&shared.group("first")?.1),
        literal(&shared.group("not-observed")?.1),
    ))
}

/// A value as code that makes it: as it is debugged, each list borrowed.
fn literal(value: &impl Debug) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let mut code = String::new();
    for c in format!("{value:?}").chars() {
        if c == '[' && !in_text {
            code.push('&');
        }
        in_text ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        code.push(c);
    }
    code
}
