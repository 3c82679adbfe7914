//! What was read a short while ago, so that a flood of batches about one broken
//! thing does not ask the same of AWS each time.
//!
//! Only the checks read through this. What a repair rests on is read anew right
//! before the write, and what would show a fault to be gone is read anew in the
//! very invocation that says so: see [`Recent::new`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{AwsReader, VpcAttribute};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    AclFacts, DhcpFacts, EndpointFacts, GroupFacts, ImdsDefaults, InstanceFacts, InterfaceFacts,
    ProfileFacts, RegistrationFacts, RoleFacts, RouteTableFacts, SimulatedAction, SubnetFacts,
    VpcFacts,
};
use crate::node::InstanceId;

/// For so long an answer may stand for another look …
pub const KEPT: Duration = Duration::from_secs(60);

/// … once the same was asked so often within that time: what comes up now and
/// then is looked at each time, so that a change is seen at once.
pub const ASKED_BEFORE: usize = 4;

/// Answers kept of each kind of read, the oldest going first.
const MOST: usize = 256;

/// The answers of earlier reads.
#[derive(Debug, Default)]
pub struct Kept {
    instances: Shelf<InstanceId, Vec<InstanceFacts>>,
    imds_defaults: Shelf<(), ImdsDefaults>,
    profiles: Shelf<String, ProfileFacts>,
    roles: Shelf<String, RoleFacts>,
    simulations: Shelf<(String, Vec<String>, String), Vec<SimulatedAction>>,
    attached_policies: Shelf<String, Vec<String>>,
    inline_policies: Shelf<String, Vec<String>>,
    inline_policy: Shelf<(String, String), String>,
    managed_policy: Shelf<String, String>,
    groups: Shelf<String, Vec<GroupFacts>>,
    acls: Shelf<String, Vec<AclFacts>>,
    route_tables: Shelf<String, Vec<RouteTableFacts>>,
    endpoints: Shelf<String, Vec<EndpointFacts>>,
    interfaces: Shelf<String, Vec<InterfaceFacts>>,
    subnets: Shelf<String, Vec<SubnetFacts>>,
    vpcs: Shelf<String, Vec<VpcFacts>>,
    vpc_attributes: Shelf<(String, VpcAttribute), bool>,
    dhcp_options: Shelf<String, Vec<DhcpFacts>>,
    registrations: Shelf<InstanceId, Vec<RegistrationFacts>>,
    service_settings: Shelf<String, String>,
}

/// Reads of one invocation that are answered from what is kept, where that is
/// young enough.
#[derive(Debug)]
pub struct Recent<R> {
    reads: Arc<R>,
    kept: Arc<Kept>,
    age: Age,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy)]
struct Age {
    /// What was read since then is as good as new.
    began: Instant,
    /// What is older than this by then is not.
    most: Duration,
}

impl<R> Recent<R> {
    /// For an invocation that began at `began`: in it each thing is read at most
    /// once. An answer from before may be older by `most`; with zero there is
    /// none.
    pub fn new(reads: Arc<R>, kept: Arc<Kept>, began: Instant, most: Duration) -> Self {
        let age = Age { began, most };
        Self { reads, kept, age }
    }
}

/// The answers to one kind of read, by what was asked about.
#[derive(Debug)]
struct Shelf<K, V> {
    answers: Mutex<BTreeMap<K, Answered<V>>>,
}

#[derive(Debug)]
struct Answered<V> {
    answer: Result<V, CallError>,
    /// When it was asked for, the latest last; at most [`ASKED_BEFORE`].
    asked: VecDeque<Instant>,
}

impl<V> Answered<V> {
    fn is_good_for(&self, age: Age) -> bool {
        let since = |at: &Instant, long: Duration| age.began.saturating_duration_since(*at) <= long;
        self.asked.back().is_some_and(|latest| {
            let often =
                self.asked.len() >= ASKED_BEFORE && self.asked.iter().all(|at| since(at, KEPT));
            *latest >= age.began || often && !age.most.is_zero() && since(latest, age.most)
        })
    }
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> Shelf<K, V> {
    fn answers(&self) -> MutexGuard<'_, BTreeMap<K, Answered<V>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &K, age: Age) -> Option<Result<V, CallError>> {
        let answers = self.answers();
        let answered = answers.get(key).filter(|known| known.is_good_for(age))?;
        Some(answered.answer.clone())
    }

    /// Keeps an answer that was asked for at `at`. A call that got none, or was
    /// told to come later, says nothing of the next one.
    fn put(&self, key: K, at: Instant, answer: Result<V, CallError>) {
        if let Err(error) = &answer
            && !matches!(error, CallError::Denied { .. } | CallError::NotFound { .. })
        {
            return;
        }
        let mut answers = self.answers();
        let mut asked = answers
            .remove(&key)
            .map_or_else(VecDeque::new, |old| old.asked);
        if asked.len() == ASKED_BEFORE {
            asked.pop_front();
        }
        asked.push_back(at);
        answers.insert(key, Answered { answer, asked });
        if answers.len() > MOST {
            let latest = |answered: &Answered<V>| answered.asked.back().copied();
            let mut times: Vec<_> = answers.values().map(latest).collect();
            times.sort_unstable();
            let median = times[times.len() / 2];
            answers.retain(|_, answered| latest(answered) > median);
        }
    }

    async fn one(
        &self,
        key: K,
        age: Age,
        ask: impl Future<Output = Result<V, CallError>>,
    ) -> Result<V, CallError> {
        if let Some(answer) = self.get(&key, age) {
            return answer;
        }
        let at = Instant::now();
        let answer = ask.await;
        self.put(key, at, answer.clone());
        answer
    }

    fn clear(&self) {
        self.answers().clear();
    }
}

impl<K: Ord + Clone, T: Clone> Shelf<K, Vec<T>> {
    /// The things that `keys` stand for; only what is not kept is asked about.
    async fn list<F: Future<Output = Result<Vec<T>, CallError>>>(
        &self,
        keys: &[K],
        age: Age,
        key_of: impl Fn(&T) -> K,
        ask: impl FnOnce(Vec<K>) -> F,
    ) -> Result<Vec<T>, CallError> {
        let mut things = Vec::new();
        let mut missing = Vec::new();
        for key in keys {
            match self.get(key, age) {
                Some(kept) => things.extend(kept?),
                None => missing.push(key.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(things);
        }
        let at = Instant::now();
        let answer = ask(missing.clone()).await;
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                for key in missing {
                    self.put(key, at, Err(error.clone()));
                }
                return Err(error);
            }
        };
        let mut of_key: BTreeMap<K, Vec<T>> =
            missing.into_iter().map(|key| (key, Vec::new())).collect();
        for thing in &found {
            if let Some(things) = of_key.get_mut(&key_of(thing)) {
                things.push(thing.clone());
            }
        }
        for (key, things) in of_key {
            self.put(key, at, Ok(things));
        }
        things.extend(found);
        Ok(things)
    }
}

impl Kept {
    /// To be called after a write: what was read before it says nothing now.
    pub fn forget(&self) {
        let Self {
            instances,
            imds_defaults,
            profiles,
            roles,
            simulations,
            attached_policies,
            inline_policies,
            inline_policy,
            managed_policy,
            groups,
            acls,
            route_tables,
            endpoints,
            interfaces,
            subnets,
            vpcs,
            vpc_attributes,
            dhcp_options,
            registrations,
            service_settings,
        } = self;
        instances.clear();
        imds_defaults.clear();
        profiles.clear();
        roles.clear();
        simulations.clear();
        attached_policies.clear();
        inline_policies.clear();
        inline_policy.clear();
        managed_policy.clear();
        groups.clear();
        acls.clear();
        route_tables.clear();
        endpoints.clear();
        interfaces.clear();
        subnets.clear();
        vpcs.clear();
        vpc_attributes.clear();
        dhcp_options.clear();
        registrations.clear();
        service_settings.clear();
    }
}

impl<R: AwsReader> AwsReader for Recent<R> {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceFacts>, CallError> {
        let ask = async |ids: Vec<InstanceId>| self.reads.instances(&ids).await;
        let shelf = &self.kept.instances;
        shelf.list(ids, self.age, |i| i.id.clone(), ask).await
    }

    async fn imds_defaults(&self) -> Result<ImdsDefaults, CallError> {
        let ask = self.reads.imds_defaults();
        self.kept.imds_defaults.one((), self.age, ask).await
    }

    async fn profile(&self, name: &str) -> Result<ProfileFacts, CallError> {
        let ask = self.reads.profile(name);
        (self.kept.profiles.one(name.to_owned(), self.age, ask)).await
    }

    async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        let ask = self.reads.role(name);
        (self.kept.roles.one(name.to_owned(), self.age, ask)).await
    }

    async fn simulation(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        let ask = self.reads.simulation(role_arn, actions, resource);
        let actions = actions.iter().map(|&action| action.to_owned()).collect();
        let key = (role_arn.to_owned(), actions, resource.to_owned());
        self.kept.simulations.one(key, self.age, ask).await
    }

    async fn attached_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        let ask = self.reads.attached_policies(role);
        (self
            .kept
            .attached_policies
            .one(role.to_owned(), self.age, ask))
        .await
    }

    async fn inline_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        let ask = self.reads.inline_policies(role);
        (self
            .kept
            .inline_policies
            .one(role.to_owned(), self.age, ask))
        .await
    }

    async fn inline_policy(&self, role: &str, name: &str) -> Result<String, CallError> {
        let ask = self.reads.inline_policy(role, name);
        let key = (role.to_owned(), name.to_owned());
        self.kept.inline_policy.one(key, self.age, ask).await
    }

    async fn managed_policy(&self, arn: &str) -> Result<String, CallError> {
        let ask = self.reads.managed_policy(arn);
        (self.kept.managed_policy.one(arn.to_owned(), self.age, ask)).await
    }

    async fn groups(&self, ids: &[String]) -> Result<Vec<GroupFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.groups(&ids).await;
        let shelf = &self.kept.groups;
        shelf.list(ids, self.age, |g| g.id.clone(), ask).await
    }

    async fn acls(&self, vpcs: &[String]) -> Result<Vec<AclFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.acls(&vpcs).await;
        let shelf = &self.kept.acls;
        shelf.list(vpcs, self.age, |a| a.vpc.clone(), ask).await
    }

    async fn route_tables(&self, vpcs: &[String]) -> Result<Vec<RouteTableFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.route_tables(&vpcs).await;
        let shelf = &self.kept.route_tables;
        shelf.list(vpcs, self.age, |t| t.vpc.clone(), ask).await
    }

    async fn endpoints(&self, vpcs: &[String]) -> Result<Vec<EndpointFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.endpoints(&vpcs).await;
        let shelf = &self.kept.endpoints;
        shelf.list(vpcs, self.age, |e| e.vpc.clone(), ask).await
    }

    async fn interfaces(&self, ids: &[String]) -> Result<Vec<InterfaceFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.interfaces(&ids).await;
        let shelf = &self.kept.interfaces;
        shelf.list(ids, self.age, |i| i.id.clone(), ask).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<SubnetFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.subnets(&ids).await;
        let shelf = &self.kept.subnets;
        shelf.list(ids, self.age, |s| s.id.clone(), ask).await
    }

    async fn vpcs(&self, ids: &[String]) -> Result<Vec<VpcFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.vpcs(&ids).await;
        let shelf = &self.kept.vpcs;
        shelf.list(ids, self.age, |v| v.id.clone(), ask).await
    }

    async fn vpc_attribute(&self, vpc: &str, attribute: VpcAttribute) -> Result<bool, CallError> {
        let ask = self.reads.vpc_attribute(vpc, attribute);
        let key = (vpc.to_owned(), attribute);
        self.kept.vpc_attributes.one(key, self.age, ask).await
    }

    async fn dhcp_options(&self, ids: &[String]) -> Result<Vec<DhcpFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.dhcp_options(&ids).await;
        let shelf = &self.kept.dhcp_options;
        shelf.list(ids, self.age, |d| d.id.clone(), ask).await
    }

    async fn registrations(&self, ids: &[InstanceId]) -> Result<Vec<RegistrationFacts>, CallError> {
        let ask = async |ids: Vec<InstanceId>| self.reads.registrations(&ids).await;
        let shelf = &self.kept.registrations;
        shelf.list(ids, self.age, |r| r.id.clone(), ask).await
    }

    async fn service_setting(&self, id: &str) -> Result<String, CallError> {
        let ask = self.reads.service_setting(id);
        (self.kept.service_settings.one(id.to_owned(), self.age, ask)).await
    }
}
