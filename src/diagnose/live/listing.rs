//! Whom a sweep may suspect: the nodes that Systems Manager has lost, and the running
//! instances that it has never seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::calls::{AwsReader, Call, Reads};
use super::reader::{LATE, Reader};
use super::recent::Recent;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Fetched, RegistrationFacts, RunningInstance};
use crate::diagnose::sweep::Listed;
use crate::node::NodeId;
use crate::selection::Selection;
use crate::sort;

/// The nodes that Systems Manager knows, by a filter, all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListNodes {
    All,
    /// Those whose ping is lost.
    Lost,
    /// Those with the tag of this key and value.
    Tagged(String, String),
}

impl Call for ListNodes {
    const NAME: &'static str = "DescribeInstanceInformation";
    type Answer = Vec<RegistrationFacts>;
}

/// The instances that run, of those with this tag where one is given, all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListRunning(pub(crate) Option<(String, String)>);

impl Call for ListRunning {
    const NAME: &'static str = "DescribeInstances";
    type Answer = Vec<RunningInstance>;
}

/// What makes the calls of a sweep.
pub(crate) trait SweepReader: AwsReader + Reads<ListNodes> + Reads<ListRunning> {}
impl<R: AwsReader + Reads<ListNodes> + Reads<ListRunning>> SweepReader for R {}

/// Whom `selection` names.
///
/// # Errors
/// Why a list could not be read to its end, as a clause.
pub(crate) async fn list<R: SweepReader>(
    selection: &Selection,
    recent: &Arc<Recent<R>>,
    until: Instant,
) -> Result<Listed, String> {
    let reads = recent.reads();
    let (nodes, tag) = match selection {
        Selection::Lost => (ListNodes::Lost, None),
        Selection::All => (ListNodes::Lost, Some(None)),
        Selection::Tag { key, value } => {
            let (key, value) = (key.clone(), value.clone());
            let nodes = ListNodes::Tagged(key.clone(), value.clone());
            (nodes, Some(Some((key, value))))
        }
    };
    let running = async {
        match tag {
            Some(tag) => reads.read(&ListRunning(tag)).await,
            None => Ok(Vec::new()),
        }
    };
    let both = async { tokio::try_join!(reads.read(&nodes), running) };
    let (mut registered, running) = in_time(both, until).await?;
    let known = sort::set(registered.iter().map(|node| &node.id));
    let others = running.iter().map(|one| NodeId::Instance(one.id.clone()));
    let others: Vec<NodeId> = others.filter(|id| !known.contains(id)).collect();
    let mut read = registrations(others, recent, until).await;
    // What could not be read is suspected of nothing.
    let is_missing = |one: &RunningInstance| {
        let read = read.get(&NodeId::Instance(one.id.clone()));
        read == Some(&Fetched::Missing)
    };
    let never_seen = running.into_iter().filter(is_missing).collect();
    let unread = (read.values())
        .filter(|read| matches!(read, Fetched::Failed(_)))
        .count();
    read.retain(|_, read| read.found().is_some());
    registered.extend(read.into_values().filter_map(|read| read.found().cloned()));
    Ok(Listed {
        registered,
        never_seen,
        unread,
    })
}

/// How many nodes Systems Manager knows, and of how many of them the ping is lost.
///
/// # Errors
/// Why they could not be listed to the end, as a clause.
pub(crate) async fn count_nodes<R: SweepReader>(
    recent: &Arc<Recent<R>>,
    until: Instant,
) -> Result<(usize, usize), String> {
    let all = in_time(recent.reads().read(&ListNodes::All), until).await?;
    let lost = all.iter().filter(|node| node.is_lost()).count();
    Ok((all.len(), lost))
}

async fn in_time<T>(
    reading: impl Future<Output = Result<T, CallError>>,
    until: Instant,
) -> Result<T, String> {
    match timeout_at(until, reading).await {
        Ok(read) => read.map_err(|error| error.to_string().trim_end_matches('.').to_owned()),
        Err(_) => Err(LATE.to_owned()),
    }
}

/// What Systems Manager knows of each of `ids`.
pub(crate) async fn registrations<R: AwsReader>(
    ids: Vec<NodeId>,
    reads: &Arc<Recent<R>>,
    until: Instant,
) -> BTreeMap<NodeId, Fetched<RegistrationFacts>> {
    Reader::new(Arc::clone(reads), until).list(ids).await
}
