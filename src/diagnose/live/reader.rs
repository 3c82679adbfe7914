//! Asks about many things, several at a time, until time is up.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::calls::{ApiFuture, Call, List, Listed, Reads};
use super::recent::Recent;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::Fetched;
use crate::sort;

/// Calls in flight at a time: IAM throttles an account at some tens a second.
const IN_FLIGHT: usize = 8;

pub(super) const LATE: &str = "the time for checks was up";

pub(super) struct Reader<R> {
    reads: Arc<Recent<R>>,
    until: Instant,
    permits: Arc<Semaphore>,
}

impl<R: Send + Sync + 'static> Reader<R> {
    pub(super) fn new(reads: Arc<Recent<R>>, until: Instant) -> Self {
        Self {
            reads,
            until,
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }

    /// Makes one call about each of `keys`.
    pub(super) async fn each<K, C>(
        &self,
        keys: impl IntoIterator<Item = K>,
        call: impl Fn(K) -> C,
    ) -> BTreeMap<K, Fetched<C::Answer>>
    where
        K: Ord + Clone + Send + 'static,
        C: Call + Debug,
        R: Reads<C>,
    {
        let ask = |reads: Arc<Recent<R>>, key| {
            let call = call(key);
            async move { reads.one(call).await }
        };
        self.each_by(keys, ask).await
    }

    /// The facts of which each of `keys` has one, or none.
    pub(super) async fn list<T: Listed>(
        &self,
        keys: impl IntoIterator<Item = T::Key>,
    ) -> BTreeMap<T::Key, Fetched<T>>
    where
        R: Reads<List<T>>,
    {
        let mut only = BTreeMap::new();
        for (key, read) in self.lists(keys).await {
            let read = match read {
                Fetched::Found(mut found) => found.pop().map_or(Fetched::Missing, Fetched::Found),
                Fetched::Missing => Fetched::Missing,
                Fetched::Failed(why) => Fetched::Failed(why),
            };
            only.insert(key, read);
        }
        only
    }

    /// The facts of which each of `keys` has any number. A filter finds or does
    /// not find; it is never itself missing.
    pub(super) async fn lists<T: Listed>(
        &self,
        keys: impl IntoIterator<Item = T::Key>,
    ) -> BTreeMap<T::Key, Fetched<Vec<T>>>
    where
        R: Reads<List<T>>,
    {
        let keys = Vec::from_iter(sort::set(keys));
        let ask = |reads: Arc<Recent<R>>, keys| async move { reads.list(keys).await };
        let answers = self.each_by(keys.chunks(T::AT_MOST).map(<[_]>::to_vec), ask);
        let mut all = BTreeMap::new();
        for (list, mut answer) in answers.await {
            all.extend(list.into_iter().map(|key| {
                let of_key = match &mut answer {
                    Fetched::Found(of_key) => {
                        Fetched::Found(of_key.remove(&key).unwrap_or_default())
                    }
                    Fetched::Missing => Fetched::Found(Vec::new()),
                    Fetched::Failed(why) => Fetched::Failed(why.clone()),
                };
                (key, of_key)
            }));
        }
        all
    }

    /// Asks about each of `keys` by itself, with as many calls as `ask` makes.
    pub(super) async fn each_by<K, T, A>(
        &self,
        keys: impl IntoIterator<Item = K>,
        ask: impl Fn(Arc<Recent<R>>, K) -> A,
    ) -> BTreeMap<K, Fetched<T>>
    where
        K: Ord + Clone + Send + 'static,
        T: Send + 'static,
        A: ApiFuture<T> + 'static,
    {
        let mut answers = BTreeMap::new();
        for key in keys {
            answers.insert(key, Fetched::Failed(LATE.to_owned()));
        }
        let keys: Vec<K> = answers.keys().cloned().collect();
        let answers = Arc::new(Mutex::new(answers));
        let ask_about = |key: K| {
            let answer = ask(Arc::clone(&self.reads), key.clone());
            let answers = Arc::clone(&answers);
            let asked = async move {
                let answer = outcome(answer.await);
                lock(&answers).insert(key, answer);
            };
            asked.boxed()
        };
        let asked = keys.into_iter().map(ask_about).collect();
        run(asked, &self.permits, self.until).await;
        std::mem::take(&mut *lock(&answers))
    }
}

/// Runs `calls` side by side until time is up; what panicked or is late has no answer.
/// Of one type for all calls, so that it is compiled once.
async fn run(calls: Vec<BoxFuture<'static, ()>>, permits: &Arc<Semaphore>, until: Instant) {
    let mut running = JoinSet::new();
    for call in calls {
        let permits = Arc::clone(permits);
        running.spawn(async move {
            // A semaphore that is never closed always gives its permit.
            let _permit = permits.acquire_owned().await;
            call.await;
        });
    }
    while let Ok(Some(_)) = timeout_at(until, running.join_next()).await {}
}

fn lock<T>(answers: &Mutex<T>) -> MutexGuard<'_, T> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn outcome<T>(answer: Result<T, CallError>) -> Fetched<T> {
    match answer {
        Ok(found) => Fetched::Found(found),
        Err(CallError::NotFound { .. }) => Fetched::Missing,
        Err(error) => Fetched::Failed(error.to_string().trim_end_matches('.').to_owned()),
    }
}
