//! The arguments of `scan` → which files belong to which node.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::node::{IdSource, NodeId};

use crate::cli::input::{FileId, cannot_read, file_id, is_stdin, name_of, one_line, stdin_once};

/// What the arguments come to.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Inputs {
    pub nodes: Vec<NodeLogs>,
    /// For each directory that gives no node and each entry that is no file,
    /// why.
    pub unread: Vec<String>,
}

/// The logs of one node.
#[derive(Debug, PartialEq)]
pub(super) struct NodeLogs {
    pub id: NodeId,
    pub id_source: IdSource,
    pub files: Vec<PathBuf>,
}

/// All named files are one node's; each named directory is a node of its own,
/// of that name, with the files that stand directly in it. Files whose names
/// begin with the ids of different nodes are those nodes'. A file that is named
/// twice, or beside a link to it, is taken once.
///
/// Fails with a sentence that says what to do where the arguments contradict
/// each other.
pub(super) fn nodes(paths: &[PathBuf], named: Option<&NodeId>) -> Result<Inputs, String> {
    stdin_once(paths)?;
    let mut known = HashSet::new();
    let is_folder = |path: &&PathBuf| !is_stdin(path) && path.is_dir();
    let (mut folders, mut files): (Vec<_>, Vec<_>) = paths.iter().partition(is_folder);
    folders.retain(|path| is_new(&mut known, path));
    let caller = named.map(|id| (id.clone(), IdSource::Caller));
    let mut inputs = Inputs::default();
    let mut of_folders = Vec::with_capacity(folders.len());
    for folder in &folders {
        let (mut files, unread) = files_in(folder);
        inputs.unread.extend(unread);
        files.retain(|path| is_new(&mut known, path));
        if !files.is_empty() {
            let node = caller.clone().unwrap_or_else(|| node_of_folder(folder));
            of_folders.extend(by_node(files, node));
        }
    }
    files.retain(|path| is_new(&mut known, path));
    let count = folders.len() + usize::from(!files.is_empty());
    if named.is_some() && count > 1 {
        return Err(format!(
            "--node names one node, and {count} are given: every directory is a node, and all \
             files together are one; scan them one after another"
        ));
    }
    if !files.is_empty() {
        let files: Vec<PathBuf> = files.into_iter().cloned().collect();
        let node = caller.unwrap_or_else(|| node_of_files(&files));
        inputs.nodes = by_node(files, node);
    }
    inputs.nodes.extend(of_folders);
    Ok(inputs)
}

/// What cannot be told apart from others counts as new: reading it says why.
fn is_new(known: &mut HashSet<FileId>, path: &Path) -> bool {
    file_id(path).is_none_or(|id| known.insert(id))
}

/// The node that the file's name begins with.
fn named_in(file: &Path) -> Option<NodeId> {
    NodeId::from_stream_name(&file.file_name()?.to_string_lossy())
}

/// The id that every file's name begins with, if they agree.
fn node_of_files(files: &[PathBuf]) -> (NodeId, IdSource) {
    let first = files.first().and_then(|path| named_in(path));
    let agree = files.iter().all(|path| named_in(path) == first);
    match first.filter(|_| agree) {
        Some(first) => (first, IdSource::Stream),
        None => (NodeId::Unknown("this node".into()), IdSource::Nobody),
    }
}

/// The files by the nodes that their names begin with, in the order of first
/// sight, where those are several and nothing else names the node; else all of
/// them as the one node `together`. A file that names no node is then that
/// node's, too.
fn by_node(files: Vec<PathBuf>, together: (NodeId, IdSource)) -> Vec<NodeLogs> {
    let mut ids: Vec<NodeId> = Vec::new();
    for id in files.iter().filter_map(|file| named_in(file)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let several = ids.len() > 1 && together.1 == IdSource::Nobody;
    let mut nodes: Vec<NodeLogs> = Vec::new();
    for file in files {
        let (id, id_source) = (named_in(&file).filter(|_| several))
            .map_or_else(|| together.clone(), |id| (id, IdSource::Stream));
        match nodes.iter_mut().find(|node| node.id == id) {
            Some(node) => node.files.push(file),
            None => nodes.push(NodeLogs {
                id,
                id_source,
                files: vec![file],
            }),
        }
    }
    nodes
}

fn node_of_folder(folder: &Path) -> (NodeId, IdSource) {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole
        .file_name()
        .map_or_else(|| name_of(folder), |name| one_line(&name.to_string_lossy()));
    match NodeId::from_stream_name(&name) {
        Some(id) => (id, IdSource::Stream),
        None => (NodeId::Unknown(name.into()), IdSource::Nobody),
    }
}

/// The regular files in a directory, by name, and why there are none or some
/// are left out; hidden ones are left out without a word.
fn files_in(folder: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) => return (Vec::new(), vec![cannot_read(folder, &fault)]),
    };
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    let mut folders = false;
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(fault) => {
                unread.push(cannot_read(folder, &fault));
                continue;
            }
        };
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => folders = true,
            Ok(about) if about.is_file() && !hidden => files.push(path),
            Ok(_) => {}
            Err(fault) if !hidden => unread.push(cannot_read(&path, &fault)),
            Err(_) => {}
        }
    }
    if files.is_empty() && unread.is_empty() {
        let name = name_of(folder);
        let advice = if folders {
            "name the directories in it: each is taken as one node"
        } else {
            "name a directory with the agent's logs in it"
        };
        unread.push(format!("there is no file in {name}; {advice}"));
    }
    files.sort();
    unread.sort();
    (files, unread)
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
            found.map(|it| (it.nodes, it.unread)),
            Ok((
                vec![
                    NodeLogs {
                        id: NodeId::Unknown("this node".into()),
                        id_source: IdSource::Nobody,
                        files: vec!["a.log".into(), "-".into()],
                    },
                    NodeLogs {
                        id: NodeId::Unknown("web-1".into()),
                        id_source: IdSource::Nobody,
                        files: vec![
                            web.join("amazon-ssm-agent.log"),
                            web.join("amazon-ssm-agent.log.1.gz"),
                            web.join("errors.log"),
                        ],
                    },
                    NodeLogs {
                        id: node("i-0123456789abcdef0"),
                        id_source: IdSource::Stream,
                        files: vec![named.join("a.log")],
                    },
                ],
                Vec::new()
            ))
        );
        for (folder, says) in [
            (root.path().to_owned(), "each is taken as one node"),
            (web.join("audits"), "with the agent's logs in it"),
        ] {
            let found = nodes(&[folder, web.clone()], None).expect("a node beside it");
            assert_eq!(found.nodes.len(), 1);
            assert!(found.unread[0].contains(says), "{found:?}");
        }
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
                IdSource::Caller,
            ),
            (&["d/i-12345678.log"], None, "i-12345678", IdSource::Stream),
            (
                &["i-12345678.log", "i-12345678-errors.log"],
                None,
                "i-12345678",
                IdSource::Stream,
            ),
            (
                &["i-12345678.log", "errors.log"],
                None,
                "this node",
                IdSource::Nobody,
            ),
            (
                &["i-12345678.log", "i-87654321.log"],
                Some("i-12345678"),
                "i-12345678",
                IdSource::Caller,
            ),
            (&["-"], None, "this node", IdSource::Nobody),
        ] {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let named = named.map(node);
            let found = nodes(&paths, named.as_ref()).unwrap().nodes;
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].id.as_str(), found[0].id_source), (id, by));
        }
    }

    #[test]
    fn files_that_name_different_nodes_are_different_nodes() {
        let shown = |nodes: Vec<NodeLogs>| -> Vec<(String, IdSource, Vec<String>)> {
            let of = |node: NodeLogs| {
                let files = node.files.iter().map(|file| name_of(file)).collect();
                (node.id.to_string(), node.id_source, files)
            };
            nodes.into_iter().map(of).collect()
        };
        let [one, two] = ["i-12345678", "mi-0123456789abcdef0"];
        let named = ["i-12345678.log", "mi-0123456789abcdef0.log", "errors.log"];
        let more = "i-12345678-errors.log";
        let paths: Vec<PathBuf> = named.iter().chain([&more]).map(PathBuf::from).collect();
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            shown(nodes(&paths, None).unwrap().nodes),
            [
                (one.to_owned(), IdSource::Stream, files(&[named[0], more])),
                (two.to_owned(), IdSource::Stream, files(&[named[1]])),
                ("this node".to_owned(), IdSource::Nobody, files(&[named[2]])),
            ]
        );

        // In a directory likewise, unless it is itself named after a node.
        let root = tempfile::tempdir().unwrap();
        for (folder, ids) in [
            ("collected", vec![one, two]),
            ("i-87654321", vec!["i-87654321"]),
        ] {
            let folder = root.path().join(folder);
            fs::create_dir(&folder).unwrap();
            for name in &named[..2] {
                fs::write(folder.join(name), "").unwrap();
            }
            let found = shown(nodes(&[folder], None).unwrap().nodes);
            let found: Vec<&str> = found.iter().map(|(id, ..)| id.as_str()).collect();
            assert_eq!(found, ids);
        }
    }

    #[test]
    fn standard_input_is_read_once() {
        let error = nodes(&["-".into(), "-".into()], None).expect_err("read twice");
        assert!(error.contains("name `-` once"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_counts_once_by_whatever_names() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        let web = root.path().join("web-1");
        fs::create_dir(&web).unwrap();
        let log = web.join("a.log");
        fs::write(&log, "").unwrap();
        symlink("a.log", web.join("b.log")).unwrap();
        fs::hard_link(&log, web.join("c.log")).unwrap();
        let latest = root.path().join("latest");
        symlink("web-1", &latest).unwrap();
        let link = root.path().join("link.log");
        symlink(&log, &link).unwrap();

        let files = |paths: &[&PathBuf]| -> Vec<Vec<PathBuf>> {
            let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).clone()).collect();
            let found = nodes(&paths, None).unwrap();
            assert_eq!(found.unread, [""; 0]);
            found.nodes.into_iter().map(|node| node.files).collect()
        };
        assert_eq!(files(&[&web, &latest, &link]), [[log.clone()]]);
        assert_eq!(files(&[&log, &link, &log]), [[log.clone()]]);

        symlink("gone.log", web.join("dangling.log")).unwrap();
        let found = nodes(&[web], None).unwrap();
        assert_eq!(found.nodes.len(), 1);
        assert!(found.unread[0].contains("dangling.log"), "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_directorys_name_only_says_what_it_says() {
        let root = tempfile::tempdir().unwrap();
        let evil = root.path().join("web\u{1b}[31m\u{202e}\n1");
        fs::create_dir(&evil).unwrap();
        fs::write(evil.join("a.log"), "").unwrap();
        let found = nodes(&[evil], None).unwrap();
        assert_eq!(found.nodes[0].id.as_str(), "web\u{fffd}[31m 1");
    }
}
