//! Reads what the checks need: each thing once, several at a time, and no
//! longer than the time allows.
//!
//! A read that is denied, fails or is late is a fact like any other: it says
//! why, and the checks that need it answer `unknown`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::call_error::CallError;
use super::facts::{Facts, InstanceFacts, ProfileFacts, Read, RoleFacts};
use super::needs::Needs;
use crate::node::InstanceId;

/// Calls in flight at a time: IAM throttles an account at some tens a second.
const IN_FLIGHT: usize = 8;

/// Instances asked about in one call, as many as one filter takes.
const INSTANCES_PER_CALL: usize = 200;

/// The reads that the checks rest on.
pub trait Reads: Send + Sync + 'static {
    /// Those of `ids` that EC2 knows, at most 200 asked for at a time.
    fn instances(
        &self,
        ids: &[InstanceId],
    ) -> impl Future<Output = Result<Vec<InstanceFacts>, CallError>> + Send;

    /// The instance profile with its role, whose tags are not read.
    fn profile(&self, name: &str) -> impl Future<Output = Result<ProfileFacts, CallError>> + Send;

    /// The role with its tags.
    fn role(&self, name: &str) -> impl Future<Output = Result<RoleFacts, CallError>> + Send;
}

/// What `needs` asks for. What is not read by `until` is given as failed.
pub async fn read<R: Reads>(needs: &Needs, reads: &Arc<R>, until: Instant) -> Facts {
    let mut facts = Facts {
        instances: read_instances(needs, reads, until).await,
        ..Facts::default()
    };
    let names = profile_names(&needs.profiles_of, &facts);
    facts.profiles = ask_all(names, until, |name: String| {
        let reads = Arc::clone(reads);
        async move { reads.profile(&name).await }
    })
    .await;
    read_roles(needs, reads, until, &mut facts).await;
    facts
}

async fn read_instances<R: Reads>(
    needs: &Needs,
    reads: &Arc<R>,
    until: Instant,
) -> BTreeMap<InstanceId, Read<InstanceFacts>> {
    let ids: Vec<InstanceId> = needs.instances.iter().cloned().collect();
    let groups = ids.chunks(INSTANCES_PER_CALL).map(<[_]>::to_vec);
    let answers = ask_all(groups.collect(), until, |group: Vec<InstanceId>| {
        let reads = Arc::clone(reads);
        async move { reads.instances(&group).await }
    })
    .await;
    let mut instances = BTreeMap::new();
    for (group, answer) in answers {
        match answer {
            Read::Found(found) => {
                instances.extend(group.into_iter().map(|id| (id, Read::Missing)));
                for instance in found {
                    // Only what was asked for: an answer decides about no other.
                    if let Some(slot) = instances.get_mut(&instance.id) {
                        *slot = Read::Found(instance);
                    }
                }
            }
            // A filter finds or does not find; it is never itself missing.
            Read::Missing => instances.extend(group.into_iter().map(|id| (id, Read::Missing))),
            Read::Failed(why) => {
                instances.extend(group.into_iter().map(|id| (id, Read::Failed(why.clone()))));
            }
        }
    }
    instances
}

/// Reads each role once and puts what was read in the place of what the
/// profile's answer said of it.
async fn read_roles<R: Reads>(needs: &Needs, reads: &Arc<R>, until: Instant, facts: &mut Facts) {
    let profiles = profile_names(&needs.roles_of, facts);
    let role_of = |name: &String| match facts.profiles.get(name) {
        Some(Read::Found(profile)) => profile.role.as_ref().map(|role| role.name.clone()),
        Some(Read::Missing | Read::Failed(_)) | None => None,
    };
    let names: BTreeSet<String> = profiles.iter().filter_map(role_of).collect();
    let roles = ask_all(names.into_iter().collect(), until, |name: String| {
        let reads = Arc::clone(reads);
        async move { reads.role(&name).await }
    })
    .await;
    for profile in facts.profiles.values_mut() {
        let Read::Found(ProfileFacts {
            role: Some(role), ..
        }) = profile
        else {
            continue;
        };
        match roles.get(&role.name) {
            Some(Read::Found(fresh)) => *role = fresh.clone(),
            Some(Read::Missing) => role.tags = Read::Missing,
            Some(Read::Failed(why)) => role.tags = Read::Failed(why.clone()),
            None => {}
        }
    }
}

fn profile_names(wanted_by: &BTreeSet<InstanceId>, facts: &Facts) -> Vec<String> {
    let name_of = |id: &InstanceId| match facts.instances.get(id) {
        Some(Read::Found(instance)) if !instance.is_gone() => instance
            .profile
            .as_ref()
            .map(|profile| profile.name.clone()),
        Some(Read::Found(_) | Read::Missing | Read::Failed(_)) | None => None,
    };
    let names: BTreeSet<String> = wanted_by.iter().filter_map(name_of).collect();
    names.into_iter().collect()
}

/// Asks about each of `keys`, [`IN_FLIGHT`] at a time, until time is up.
async fn ask_all<K, T, A>(
    keys: Vec<K>,
    until: Instant,
    ask: impl Fn(K) -> A,
) -> BTreeMap<K, Read<T>>
where
    K: Ord + Clone + Send + 'static,
    T: Send + 'static,
    A: Future<Output = Result<T, CallError>> + Send + 'static,
{
    let late = || Read::Failed("the time for checks was up".to_owned());
    let mut answers: BTreeMap<K, Read<T>> = keys.iter().map(|k| (k.clone(), late())).collect();
    let mut waiting = keys.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < IN_FLIGHT
            && let Some(key) = waiting.next()
        {
            let answer = ask(key.clone());
            running.spawn(async move { (key, answer.await) });
        }
        match timeout_at(until, running.join_next()).await {
            Ok(Some(Ok((key, answer)))) => {
                answers.insert(key, outcome(answer));
            }
            // A call that panicked keeps its place as not answered.
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => return answers,
        }
    }
}

fn outcome<T>(answer: Result<T, CallError>) -> Read<T> {
    match answer {
        Ok(found) => Read::Found(found),
        Err(CallError::NotFound { .. }) => Read::Missing,
        Err(error) => Read::Failed(error.to_string().trim_end_matches('.').to_owned()),
    }
}
