//! Data flows one way: no room imports a room above it, and no files import
//! each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. A room imports its own floor's neighbours
/// never, and rooms of the floors below it only.
const FLOORS: &[&[&str]] = &[
    &["cause", "node", "selection", "sort", "text"],
    &["batch", "command", "machine", "policy", "state"],
    &["decode", "failure", "record", "sheet"],
    &["finding", "paste", "receive"],
    &["signature"],
    &["correlate"],
    &["diagnose", "engine"],
    &["runbook"],
    &["incident"],
    &["aws"],
    &["repair"],
    &["report"],
    &["notify"],
    &["config"],
    &["cli", "handler"],
    &["fuzz"],
];

#[test]
fn no_room_imports_a_room_above_it() {
    let floor_of = |room: &str| FLOORS.iter().position(|floor| floor.contains(&room));
    let mut wrong = Vec::new();
    for (file, imports) in imports() {
        let Some(from) = room_of(&file) else { continue };
        let Some(height) = floor_of(&from) else {
            wrong.push(format!("src/{from} stands on no floor: give it one"));
            continue;
        };
        for import in &imports {
            let Some(to) = room_of(import) else { continue };
            if to != from && floor_of(&to).is_none_or(|other| other >= height) {
                wrong.push(format!("{file} imports {to}, which is not below it"));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports();
    let reachable = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<&String> = imports[start].iter().collect();
        while let Some(file) = ahead.pop() {
            if seen.insert(file.clone()) {
                ahead.extend(imports.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let circular: Vec<&String> = imports
        .keys()
        .filter(|file| reachable(file).contains(*file))
        .collect();
    assert!(circular.is_empty(), "in a circle: {circular:#?}");
}

/// Each module of the library with those that it imports, `a::b` for
/// `src/a/b.rs`. What a parent declares, re-exports or defines for its children
/// is the room's own face and no circle: an import of a parent module counts
/// for the parent of that parent's children only.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut files,
    );
    let modules: BTreeMap<String, PathBuf> = files
        .into_iter()
        .filter_map(|path| Some((module_of(&path)?, path)))
        .collect();
    modules
        .iter()
        .map(|(module, path)| {
            let source = fs::read_to_string(path).expect("a source file is UTF-8");
            let found = paths_in(production(&source), module)
                .into_iter()
                .filter_map(|path| longest_known(&path, &modules))
                .filter(|other| !is_within(module, other) && !is_within(other, module))
                .collect();
            (module.clone(), found)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder of the sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `None` for binaries, the library's root and tests.
fn module_of(path: &Path) -> Option<String> {
    let path = path
        .strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        .ok()?;
    let path = path.with_extension("");
    let mut parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let is_test = |part: &&str| *part == "tests" || part.ends_with("_tests") || *part == "sample";
    if parts[0] == "bin" || parts[0] == "lib" || parts.iter().any(is_test) {
        return None;
    }
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    Some(parts.join("::"))
}

fn room_of(module: &str) -> Option<String> {
    module.split("::").next().map(str::to_owned)
}

/// What stands before the tests at the end of a file.
fn production(source: &str) -> &str {
    let end = source
        .find("#[cfg(test)]\nmod tests {")
        .unwrap_or(source.len());
    &source[..end]
}

/// The module paths that code names, each from the root of the crate.
fn paths_in(source: &str, module: &str) -> Vec<String> {
    let own: Vec<&str> = module.split("::").collect();
    let mut found = Vec::new();
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line.trim(), " "])
        .collect();
    for (start, is_relative) in [("crate::", false), ("super::", true)] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut rest = &code[at + start.len()..];
            let mut base: Vec<&str> = match is_relative {
                true => own[..own.len() - 1].to_vec(),
                false => Vec::new(),
            };
            while let Some(deeper) = rest.strip_prefix("super::") {
                base.pop();
                rest = deeper;
            }
            let path: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                .collect();
            for name in group(&rest[path.len()..]) {
                let parts = base.iter().copied();
                let parts = parts.chain([path.trim_end_matches("::"), name.as_str()]);
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
                found.push(parts.join("::"));
            }
        }
    }
    found
}

/// The names of `{a, b::C}` behind a path; one empty name where there is no group.
fn group(rest: &str) -> Vec<String> {
    let Some(inner) = rest.strip_prefix('{') else {
        return vec![String::new()];
    };
    let inner = inner.split('}').next().unwrap_or_default();
    let names = inner.split(',').map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The module that `path` names or lies in.
fn longest_known(path: &str, modules: &BTreeMap<String, PathBuf>) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains_key(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// Whether `inner` is `outer` or one of its children.
fn is_within(inner: &str, outer: &str) -> bool {
    inner == outer
        || inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with("::"))
}
