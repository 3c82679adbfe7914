//! What was read a short while ago, so that a flood of batches about one broken
//! thing does not ask the same of AWS each time.
//!
//! Only the checks read through this. What a repair rests on is read anew right
//! before the write, and what would show a fault to be gone is read anew in the
//! very invocation that says so: see [`Recent::new`].

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::calls::{Call, List, Listed, Reads};
use crate::diagnose::call_error::CallError;

/// For so long an answer may stand for another look …
pub(crate) const KEPT: Duration = Duration::from_secs(60);

/// … once the same was asked so often within that time: what comes up now and
/// then is looked at each time, so that a change is seen at once.
pub(crate) const ASKED_BEFORE: usize = 4;

/// Answers kept of each kind of read, the oldest going first.
const MOST: usize = 256;

/// The answers of earlier reads: a [`Shelf`] for each kind, under its type.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    shelves: Mutex<HashMap<TypeId, Shelf>>,
}

/// The answers to one kind of read, by what was asked about, as it is debugged: of
/// one type for all kinds, so that it is compiled once.
type Shelf = BTreeMap<String, Answered>;

type AnyAnswer = Result<Arc<dyn Any + Send + Sync>, CallError>;

#[derive(Debug)]
struct Answered {
    answer: AnyAnswer,
    /// When it was asked for, the latest last; at most [`ASKED_BEFORE`].
    asked: VecDeque<Instant>,
}

impl Kept {
    /// To be called after a write: what was read before it says nothing now.
    pub(crate) fn forget(&self) {
        self.shelves().clear();
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<TypeId, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was answered at `at`.
    fn put(&self, kind: TypeId, key: String, at: Instant, answer: AnyAnswer) {
        let mut shelves = self.shelves();
        let shelf = shelves.entry(kind).or_default();
        let mut asked = shelf.remove(&key).map(|old| old.asked).unwrap_or_default();
        if asked.len() == ASKED_BEFORE {
            asked.pop_front();
        }
        asked.push_back(at);
        shelf.insert(key, Answered { answer, asked });
        if shelf.len() > MOST {
            let latest = |answered: &Answered| answered.asked.back().copied();
            let mut times: Vec<_> = shelf.values().map(latest).collect();
            times.sort_unstable();
            let median = times[times.len() / 2];
            shelf.retain(|_, answered| latest(answered) > median);
        }
    }
}

/// Reads of one invocation that are answered from what is kept, where that is
/// young enough.
#[derive(Debug)]
pub(crate) struct Recent<R> {
    reads: Arc<R>,
    kept: Arc<Kept>,
    /// What was read since then is as good as new.
    began: Instant,
    /// What is older than this by then is not.
    most: Duration,
}

impl<R> Recent<R> {
    /// For an invocation that began at `began`: in it each thing is read at most
    /// once. An answer from before may be older by `most`; with zero there is
    /// none.
    pub(crate) fn new(reads: Arc<R>, kept: Arc<Kept>, began: Instant, most: Duration) -> Self {
        Self {
            reads,
            kept,
            began,
            most,
        }
    }

    /// What makes the calls.
    pub(super) fn reads(&self) -> &R {
        &self.reads
    }

    pub(super) async fn one<C: Call + Debug>(&self, call: C) -> Result<C::Answer, CallError>
    where
        R: Reads<C>,
    {
        if let Some(answer) = self.get(&call) {
            return answer;
        }
        let at = Instant::now();
        let answer = self.reads.read(&call).boxed().await;
        self.put(&call, at, answer.clone());
        answer
    }

    /// The facts of each of `keys`; only what is not kept is asked about.
    pub(super) async fn list<T: Listed>(
        &self,
        keys: Vec<T::Key>,
    ) -> Result<BTreeMap<T::Key, Vec<T>>, CallError>
    where
        R: Reads<List<T>>,
    {
        let mut of_key = BTreeMap::new();
        let mut unknown = Vec::new();
        for key in keys {
            match self.get(&key) {
                Some(kept) => {
                    of_key.insert(key, kept?);
                }
                None => unknown.push(key),
            }
        }
        if unknown.is_empty() {
            return Ok(of_key);
        }
        let at = Instant::now();
        let list = List(unknown);
        let answer = self.reads.read(&list).boxed().await;
        for key in list.0 {
            let facts = answer.as_ref().map_err(CallError::clone).map(|found| {
                let facts: Vec<T> = found
                    .iter()
                    .filter(|one| one.key() == &key)
                    .cloned()
                    .collect();
                of_key.insert(key.clone(), facts.clone());
                facts
            });
            self.put(&key, at, facts);
        }
        answer.map(|_| of_key)
    }

    fn get<K: Debug + 'static, V: Clone + 'static>(&self, key: &K) -> Option<Result<V, CallError>> {
        let answer = self.kept(TypeId::of::<(K, V)>(), &format!("{key:?}"))?;
        let own = |answer: Arc<dyn Any + Send + Sync>| {
            let answer = answer.downcast_ref::<V>();
            answer.expect("a shelf is under its own type").clone()
        };
        Some(answer.map(own))
    }

    fn kept(&self, kind: TypeId, key: &str) -> Option<AnyAnswer> {
        let shelves = self.kept.shelves();
        let answered = shelves.get(&kind)?.get(key)?;
        self.may_stand(&answered.asked)
            .then(|| answered.answer.clone())
    }

    /// Whether an answer that was asked for then is good for this invocation.
    fn may_stand(&self, asked: &VecDeque<Instant>) -> bool {
        let within = |at: &Instant, long| self.began.saturating_duration_since(*at) <= long;
        asked.back().is_some_and(|latest| {
            let often = asked.len() >= ASKED_BEFORE && asked.iter().all(|at| within(at, KEPT));
            *latest >= self.began || often && !self.most.is_zero() && within(latest, self.most)
        })
    }

    /// Keeps an answer that was asked for at `at`. A call that got none, or was
    /// throttled, says nothing of the next one.
    fn put<K: Debug + 'static, V: Send + Sync + 'static>(
        &self,
        key: &K,
        at: Instant,
        answer: Result<V, CallError>,
    ) {
        let answer: AnyAnswer = match answer {
            Ok(answer) => Ok(Arc::new(answer)),
            Err(error @ (CallError::Denied { .. } | CallError::NotFound { .. })) => Err(error),
            Err(_) => return,
        };
        let kind = TypeId::of::<(K, V)>();
        self.kept.put(kind, format!("{key:?}"), at, answer);
    }
}
