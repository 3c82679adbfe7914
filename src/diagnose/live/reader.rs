//! Asks about many things, several at a time, until time is up.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::AwsReader;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::Fetched;

/// Calls in flight at a time: IAM throttles an account at some tens a second.
const IN_FLIGHT: usize = 8;

const LATE: &str = "the time for checks was up";

pub(super) struct Reader<R> {
    reads: Arc<R>,
    until: Instant,
    permits: Arc<Semaphore>,
}

impl<R: AwsReader> Reader<R> {
    pub(super) fn new(reads: Arc<R>, until: Instant) -> Self {
        Self {
            reads,
            until,
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }

    /// Asks about each of `keys` by itself.
    pub(super) async fn each<K, T, A>(
        &self,
        keys: impl IntoIterator<Item = K>,
        ask: impl Fn(Arc<R>, K) -> A,
    ) -> BTreeMap<K, Fetched<T>>
    where
        K: Ord + Clone + Send + 'static,
        T: Send + 'static,
        A: Future<Output = Result<T, CallError>> + Send + 'static,
    {
        let keys: BTreeSet<K> = keys.into_iter().collect();
        let late = || Fetched::Failed(LATE.to_owned());
        let mut answers: BTreeMap<K, Fetched<T>> =
            keys.iter().map(|key| (key.clone(), late())).collect();
        let mut running = JoinSet::new();
        for key in keys {
            let answer = ask(Arc::clone(&self.reads), key.clone());
            let permits = Arc::clone(&self.permits);
            running.spawn(async move {
                // A semaphore that is never closed always gives its permit.
                let _permit = permits.acquire_owned().await;
                (key, answer.await)
            });
        }
        loop {
            match timeout_at(self.until, running.join_next()).await {
                Ok(Some(Ok((key, answer)))) => {
                    answers.insert(key, outcome(answer));
                }
                // A call that panicked keeps its place as not answered.
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => return answers,
            }
        }
    }

    /// Asks about `keys` in lists of at most `size`. `keys_of` names the keys
    /// that a thing in the answer stands for; a key for which nothing is
    /// answered is missing.
    pub(super) async fn in_lists<K, T, A>(
        &self,
        keys: impl IntoIterator<Item = K>,
        size: usize,
        ask: impl Fn(Arc<R>, Vec<K>) -> A,
        keys_of: impl Fn(&T) -> Vec<K>,
    ) -> BTreeMap<K, Fetched<T>>
    where
        K: Ord + Clone + Send + 'static,
        T: Clone + Send + 'static,
        A: Future<Output = Result<Vec<T>, CallError>> + Send + 'static,
    {
        let keys: BTreeSet<K> = keys.into_iter().collect();
        let keys: Vec<K> = keys.into_iter().collect();
        let lists: Vec<Vec<K>> = keys.chunks(size).map(<[K]>::to_vec).collect();
        let mut things = BTreeMap::new();
        for (list, answer) in self.each(lists, ask).await {
            match answer {
                Fetched::Found(found) => {
                    things.extend(list.into_iter().map(|key| (key, Fetched::Missing)));
                    for thing in found {
                        for key in keys_of(&thing) {
                            // Only what was asked for: an answer decides about no other.
                            if let Some(slot) = things.get_mut(&key) {
                                *slot = Fetched::Found(thing.clone());
                            }
                        }
                    }
                }
                // A filter finds or does not find; it is never itself missing.
                Fetched::Missing => {
                    things.extend(list.into_iter().map(|key| (key, Fetched::Missing)))
                }
                Fetched::Failed(why) => {
                    let failed = |key| (key, Fetched::Failed(why.clone()));
                    things.extend(list.into_iter().map(failed));
                }
            }
        }
        things
    }

    /// Like [`Reader::in_lists`], for things of which one key has any number.
    pub(super) async fn gathered<T, A>(
        &self,
        keys: impl IntoIterator<Item = String>,
        size: usize,
        ask: impl Fn(Arc<R>, Vec<String>) -> A,
        key_of: impl Fn(&T) -> &str,
    ) -> BTreeMap<String, Fetched<Vec<T>>>
    where
        T: Send + 'static,
        A: Future<Output = Result<Vec<T>, CallError>> + Send + 'static,
    {
        let keys: BTreeSet<String> = keys.into_iter().collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let lists: Vec<Vec<String>> = keys.chunks(size).map(<[String]>::to_vec).collect();
        let mut all = BTreeMap::new();
        for (list, answer) in self.each(lists, ask).await {
            let found = match answer {
                Fetched::Found(found) => found,
                Fetched::Missing => Vec::new(),
                Fetched::Failed(why) => {
                    let failed = |key| (key, Fetched::Failed(why.clone()));
                    all.extend(list.into_iter().map(failed));
                    continue;
                }
            };
            let mut of_key: BTreeMap<String, Vec<T>> =
                list.into_iter().map(|key| (key, Vec::new())).collect();
            for thing in found {
                if let Some(things) = of_key.get_mut(key_of(&thing)) {
                    things.push(thing);
                }
            }
            all.extend(
                of_key
                    .into_iter()
                    .map(|(key, things)| (key, Fetched::Found(things))),
            );
        }
        all
    }
}

fn outcome<T>(answer: Result<T, CallError>) -> Fetched<T> {
    match answer {
        Ok(found) => Fetched::Found(found),
        Err(CallError::NotFound { .. }) => Fetched::Missing,
        Err(error) => Fetched::Failed(error.to_string().trim_end_matches('.').to_owned()),
    }
}
