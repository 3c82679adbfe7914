//! The arguments of `scan` → which files belong to which node.

use std::fs;
use std::path::{Path, PathBuf};

use ssm_agent_triage::node::{NamedBy, NodeId};

use crate::input::{cannot_read, is_stdin, name_of};

/// The logs of one node.
#[derive(Debug, PartialEq)]
pub struct NodeLogs {
    pub id: NodeId,
    pub named_by: NamedBy,
    pub files: Vec<PathBuf>,
}

/// All named files are one node's; each named directory is a node of its own,
/// of that name, with the files that stand directly in it.
///
/// Fails with a sentence that says what to do.
pub fn nodes(paths: &[PathBuf], named: Option<&NodeId>) -> Result<Vec<NodeLogs>, String> {
    let (folders, files): (Vec<&PathBuf>, Vec<&PathBuf>) = paths
        .iter()
        .partition(|path| !is_stdin(path) && path.is_dir());
    let count = folders.len() + usize::from(!files.is_empty());
    if named.is_some() && count > 1 {
        return Err(format!(
            "--node names one node, and {count} are given: every directory is a node, and all \
             files together are one; scan them one after another"
        ));
    }
    let mut nodes = Vec::with_capacity(count);
    if !files.is_empty() {
        let (id, named_by) = named.map_or_else(|| node_of_files(&files), caller);
        nodes.push(NodeLogs {
            id,
            named_by,
            files: files.into_iter().cloned().collect(),
        });
    }
    for folder in folders {
        let (id, named_by) = named.map_or_else(|| node_of_folder(folder), caller);
        nodes.push(NodeLogs {
            id,
            named_by,
            files: files_in(folder)?,
        });
    }
    Ok(nodes)
}

fn caller(id: &NodeId) -> (NodeId, NamedBy) {
    (id.clone(), NamedBy::Caller)
}

/// The id that every file's name begins with, if they agree.
fn node_of_files(files: &[&PathBuf]) -> (NodeId, NamedBy) {
    let id = |path: &PathBuf| NodeId::from_stream_name(&path.file_name()?.to_string_lossy());
    let first = files.first().and_then(|path| id(path));
    match first {
        Some(first) if files.iter().all(|path| id(path).as_ref() == Some(&first)) => {
            (first, NamedBy::Stream)
        }
        Some(_) | None => (NodeId::Unknown("this node".into()), NamedBy::Nobody),
    }
}

fn node_of_folder(folder: &Path) -> (NodeId, NamedBy) {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole
        .file_name()
        .map_or_else(|| name_of(folder).into(), |name| name.to_string_lossy());
    match NodeId::from_stream_name(&name) {
        Some(id) => (id, NamedBy::Stream),
        None => (NodeId::Unknown(name.into()), NamedBy::Nobody),
    }
}

/// The regular files in a directory, by name; hidden ones are left out.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut folders = false;
    for entry in fs::read_dir(folder).map_err(|fault| cannot_read(folder, &fault))? {
        let path = entry.map_err(|fault| cannot_read(folder, &fault))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            folders = true;
        } else if path.is_file() && !hidden {
            files.push(path);
        }
    }
    if files.is_empty() {
        let name = name_of(folder);
        let advice = if folders {
            "name the directories in it: each is taken as one node"
        } else {
            "name a directory with the agent's logs in it"
        };
        return Err(format!("there is no file in {name}; {advice}"));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> NodeId {
        NodeId::parse(text).unwrap()
    }

    #[test]
    fn files_are_one_node_and_each_directory_is_another() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let web = folder("web-1");
        let named = folder("i-0123456789abcdef0");
        folder("web-1/audits");
        for file in [
            "errors.log",
            "amazon-ssm-agent.log.1.gz",
            "amazon-ssm-agent.log",
            ".x",
        ] {
            fs::write(web.join(file), "").unwrap();
        }
        fs::write(named.join("a.log"), "").unwrap();

        let found = nodes(
            &["a.log".into(), web.clone(), "-".into(), named.clone()],
            None,
        );
        assert_eq!(
            found,
            Ok(vec![
                NodeLogs {
                    id: NodeId::Unknown("this node".into()),
                    named_by: NamedBy::Nobody,
                    files: vec!["a.log".into(), "-".into()],
                },
                NodeLogs {
                    id: NodeId::Unknown("web-1".into()),
                    named_by: NamedBy::Nobody,
                    files: vec![
                        web.join("amazon-ssm-agent.log"),
                        web.join("amazon-ssm-agent.log.1.gz"),
                        web.join("errors.log"),
                    ],
                },
                NodeLogs {
                    id: node("i-0123456789abcdef0"),
                    named_by: NamedBy::Stream,
                    files: vec![named.join("a.log")],
                },
            ])
        );
        let error = nodes(&[root.path().to_owned()], None).expect_err("no file");
        assert!(error.contains("each is taken as one node"), "{error}");
        let error = nodes(&[web.join("audits")], None).expect_err("no file");
        assert!(error.contains("with the agent's logs in it"), "{error}");
        let error = nodes(&[web, named], Some(&node("i-12345678"))).expect_err("two nodes");
        assert!(error.contains("2 are given"), "{error}");
    }

    #[test]
    fn a_node_is_named_by_the_caller_else_by_files_that_agree() {
        for (paths, named, id, by) in [
            (
                &["x.log"][..],
                Some("i-12345678"),
                "i-12345678",
                NamedBy::Caller,
            ),
            (&["d/i-12345678.log"], None, "i-12345678", NamedBy::Stream),
            (
                &["i-12345678.log", "i-12345678-errors.log"],
                None,
                "i-12345678",
                NamedBy::Stream,
            ),
            (
                &["i-12345678.log", "i-87654321.log"],
                None,
                "this node",
                NamedBy::Nobody,
            ),
            (&["-"], None, "this node", NamedBy::Nobody),
        ] {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let named = named.map(node);
            let found = nodes(&paths, named.as_ref()).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].id.as_str(), found[0].named_by), (id, by));
        }
    }
}
