//! The files of one node → what they say, taken in by time.

use std::fs;
use std::io::BufRead;
use std::path::Path;

use crate::correlate::stream::{BatchAnalysis, LogAnalyzer};
use crate::engine::Engine;
use crate::node::{AccountId, Node, Region};
use jiff::Timestamp;

use super::inputs::NodeLogs;
use super::progress::Progress;
use super::records::Records;
use crate::cli::input::{ends_early, is_stdin, name_of, open};

/// Where the logs come from, as the command line says.
pub(super) struct Origin<'a> {
    pub account: Option<&'a AccountId>,
    pub region: Option<&'a Region>,
    /// The time for records of standard input that have none.
    pub now: Timestamp,
}

/// What the files of one node say.
pub(super) struct NodeReading {
    pub reading: BatchAnalysis,
    /// Files that were read, be it in part.
    pub files: usize,
    /// For each file that could not be read, or not to its end, why.
    pub unread: Vec<String>,
}

/// Reads the files of one node.
///
/// Rotated files, and errors.log beside the agent's log, interleave by time; of
/// two records with one time that of the file named first comes first.
pub(super) fn read(
    engine: &Engine,
    logs: &NodeLogs,
    origin: &Origin<'_>,
    progress: &mut Progress,
) -> NodeReading {
    let mut unread = Vec::new();
    let mut sources: Vec<Source> = Vec::with_capacity(logs.files.len());
    let mut stand_ins = Vec::with_capacity(logs.files.len());
    for path in &logs.files {
        match open(path) {
            Ok(lines) => {
                let stand_in = untimed(path, origin.now);
                stand_ins.push(stand_in);
                sources.push(Source {
                    path,
                    name: name_of(path),
                    records: Records::new(lines, engine.matcher(), stand_in),
                });
            }
            Err(fault) => unread.push(fault),
        }
    }
    let files = sources.len();
    let node = Node {
        id: logs.id.clone(),
        id_source: logs.id_source,
        account: origin.account.cloned(),
        region: origin.region.cloned(),
    };
    let mut reader = LogAnalyzer::new(engine.matcher(), node);
    while let Some(source) = earliest(&mut sources) {
        if let Some(record) = source.records.next() {
            reader.ingest(&record, Some(&source.name));
            progress.step();
        }
    }
    for named in sources.iter().filter_map(|source| source.records.broken()) {
        reader.doubt_hosts(named);
    }
    unread.extend(sources.into_iter().filter_map(|source| {
        let fault = source.records.into_fault()?;
        Some(ends_early(source.path, &fault))
    }));
    let mut reading = reader.analysis([], true);
    reading.source.account = origin.account.map(ToString::to_string);
    reading.source.region = origin.region.map(ToString::to_string);
    reading.source.events = reading.source.records;
    let source = &mut reading.source;
    if source.oldest == source.newest && source.oldest.is_some_and(|at| stand_ins.contains(&at)) {
        (source.oldest, source.newest) = (None, None);
    }
    NodeReading {
        reading,
        files,
        unread,
    }
}

struct Source<'a> {
    path: &'a Path,
    name: String,
    records: Records<'a, Box<dyn BufRead>>,
}

fn earliest<'s, 'a>(sources: &'s mut [Source<'a>]) -> Option<&'s mut Source<'a>> {
    let (at, _) = sources
        .iter_mut()
        .enumerate()
        .filter_map(|(at, source)| Some((at, source.records.peek()?)))
        .min_by_key(|(at, time)| (*time, *at))?;
    sources.get_mut(at)
}

/// Records of a file without times were written by the time it was last changed.
fn untimed(path: &Path, now: Timestamp) -> Timestamp {
    if is_stdin(path) {
        return now;
    }
    fs::metadata(path)
        .and_then(|about| about.modified())
        .ok()
        .and_then(|changed| Timestamp::try_from(changed).ok())
        .unwrap_or(now)
}
