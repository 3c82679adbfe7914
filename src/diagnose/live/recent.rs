//! What was read a short while ago, so that a flood of batches about one broken
//! thing does not ask the same of AWS each time.
//!
//! Only the checks read through this. What a repair rests on is read anew right
//! before the write, and what would show a fault to be gone is read anew in the
//! very invocation that says so: see [`Recent::new`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{Reads, VpcAttribute};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    AclFacts, DhcpFacts, EndpointFacts, GroupFacts, InstanceFacts, InterfaceFacts, ProfileFacts,
    RegistrationFacts, RoleFacts, RouteTableFacts, SimulatedAction, VpcFacts,
};
use crate::node::InstanceId;

/// For so long an answer may stand for another look.
pub const KEPT: Duration = Duration::from_secs(60);

/// Answers kept of each kind of read, the oldest going first.
const MOST: usize = 256;

/// The answers of earlier reads.
#[derive(Debug, Default)]
pub struct Kept {
    instances: Shelf<InstanceId, Vec<InstanceFacts>>,
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
    vpcs: Shelf<String, Vec<VpcFacts>>,
    vpc_attributes: Shelf<(String, VpcAttribute), bool>,
    dhcp_options: Shelf<String, Vec<DhcpFacts>>,
    registrations: Shelf<InstanceId, Vec<RegistrationFacts>>,
    service_settings: Shelf<String, String>,
}

/// Reads that are answered from what is kept, where that is young enough.
#[derive(Debug)]
pub struct Recent<R> {
    reads: Arc<R>,
    kept: Arc<Kept>,
    oldest: Instant,
}

impl<R> Recent<R> {
    /// An answer from before `oldest` is read anew. With the beginning of an
    /// invocation, each thing is read at most once in it and none is older.
    pub fn new(reads: Arc<R>, kept: Arc<Kept>, oldest: Instant) -> Self {
        Self {
            reads,
            kept,
            oldest,
        }
    }
}

/// The answers to one kind of read, by what was asked about.
#[derive(Debug)]
struct Shelf<K, V> {
    answers: Mutex<BTreeMap<K, (Instant, Result<V, CallError>)>>,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> Shelf<K, V> {
    fn answers(&self) -> std::sync::MutexGuard<'_, BTreeMap<K, (Instant, Result<V, CallError>)>> {
        self.answers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn get(&self, key: &K, oldest: Instant) -> Option<Result<V, CallError>> {
        let answers = self.answers();
        let (_, answer) = answers.get(key).filter(|(at, _)| *at >= oldest)?;
        Some(answer.clone())
    }

    /// Keeps an answer that was given at `at`. A call that got none, or was
    /// told to come later, says nothing of the next one.
    fn put(&self, key: K, at: Instant, answer: Result<V, CallError>) {
        if let Err(error) = &answer
            && !matches!(error, CallError::Denied { .. } | CallError::NotFound { .. })
        {
            return;
        }
        let mut answers = self.answers();
        answers.insert(key, (at, answer));
        if answers.len() > MOST {
            let mut times: Vec<Instant> = answers.values().map(|(at, _)| *at).collect();
            times.sort_unstable();
            let median = times[times.len() / 2];
            answers.retain(|_, (at, _)| *at > median);
        }
    }

    async fn one(
        &self,
        key: K,
        oldest: Instant,
        ask: impl Future<Output = Result<V, CallError>>,
    ) -> Result<V, CallError> {
        if let Some(answer) = self.get(&key, oldest) {
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
        oldest: Instant,
        key_of: impl Fn(&T) -> K,
        ask: impl FnOnce(Vec<K>) -> F,
    ) -> Result<Vec<T>, CallError> {
        let mut things = Vec::new();
        let mut missing = Vec::new();
        for key in keys {
            match self.get(key, oldest) {
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
            vpcs,
            vpc_attributes,
            dhcp_options,
            registrations,
            service_settings,
        } = self;
        instances.clear();
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
        vpcs.clear();
        vpc_attributes.clear();
        dhcp_options.clear();
        registrations.clear();
        service_settings.clear();
    }
}

impl<R: Reads> Reads for Recent<R> {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceFacts>, CallError> {
        let ask = async |ids: Vec<InstanceId>| self.reads.instances(&ids).await;
        let shelf = &self.kept.instances;
        shelf.list(ids, self.oldest, |i| i.id.clone(), ask).await
    }

    async fn profile(&self, name: &str) -> Result<ProfileFacts, CallError> {
        let ask = self.reads.profile(name);
        (self.kept.profiles.one(name.to_owned(), self.oldest, ask)).await
    }

    async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        let ask = self.reads.role(name);
        (self.kept.roles.one(name.to_owned(), self.oldest, ask)).await
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
        self.kept.simulations.one(key, self.oldest, ask).await
    }

    async fn attached_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        let ask = self.reads.attached_policies(role);
        (self
            .kept
            .attached_policies
            .one(role.to_owned(), self.oldest, ask))
        .await
    }

    async fn inline_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        let ask = self.reads.inline_policies(role);
        (self
            .kept
            .inline_policies
            .one(role.to_owned(), self.oldest, ask))
        .await
    }

    async fn inline_policy(&self, role: &str, name: &str) -> Result<String, CallError> {
        let ask = self.reads.inline_policy(role, name);
        let key = (role.to_owned(), name.to_owned());
        self.kept.inline_policy.one(key, self.oldest, ask).await
    }

    async fn managed_policy(&self, arn: &str) -> Result<String, CallError> {
        let ask = self.reads.managed_policy(arn);
        (self
            .kept
            .managed_policy
            .one(arn.to_owned(), self.oldest, ask))
        .await
    }

    async fn groups(&self, ids: &[String]) -> Result<Vec<GroupFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.groups(&ids).await;
        let shelf = &self.kept.groups;
        shelf.list(ids, self.oldest, |g| g.id.clone(), ask).await
    }

    async fn acls(&self, vpcs: &[String]) -> Result<Vec<AclFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.acls(&vpcs).await;
        let shelf = &self.kept.acls;
        shelf.list(vpcs, self.oldest, |a| a.vpc.clone(), ask).await
    }

    async fn route_tables(&self, vpcs: &[String]) -> Result<Vec<RouteTableFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.route_tables(&vpcs).await;
        let shelf = &self.kept.route_tables;
        shelf.list(vpcs, self.oldest, |t| t.vpc.clone(), ask).await
    }

    async fn endpoints(&self, vpcs: &[String]) -> Result<Vec<EndpointFacts>, CallError> {
        let ask = async |vpcs: Vec<String>| self.reads.endpoints(&vpcs).await;
        let shelf = &self.kept.endpoints;
        shelf.list(vpcs, self.oldest, |e| e.vpc.clone(), ask).await
    }

    async fn interfaces(&self, ids: &[String]) -> Result<Vec<InterfaceFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.interfaces(&ids).await;
        let shelf = &self.kept.interfaces;
        shelf.list(ids, self.oldest, |i| i.id.clone(), ask).await
    }

    async fn vpcs(&self, ids: &[String]) -> Result<Vec<VpcFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.vpcs(&ids).await;
        let shelf = &self.kept.vpcs;
        shelf.list(ids, self.oldest, |v| v.id.clone(), ask).await
    }

    async fn vpc_attribute(&self, vpc: &str, attribute: VpcAttribute) -> Result<bool, CallError> {
        let ask = self.reads.vpc_attribute(vpc, attribute);
        let key = (vpc.to_owned(), attribute);
        self.kept.vpc_attributes.one(key, self.oldest, ask).await
    }

    async fn dhcp_options(&self, ids: &[String]) -> Result<Vec<DhcpFacts>, CallError> {
        let ask = async |ids: Vec<String>| self.reads.dhcp_options(&ids).await;
        let shelf = &self.kept.dhcp_options;
        shelf.list(ids, self.oldest, |d| d.id.clone(), ask).await
    }

    async fn registrations(&self, ids: &[InstanceId]) -> Result<Vec<RegistrationFacts>, CallError> {
        let ask = async |ids: Vec<InstanceId>| self.reads.registrations(&ids).await;
        let shelf = &self.kept.registrations;
        shelf.list(ids, self.oldest, |r| r.id.clone(), ask).await
    }

    async fn service_setting(&self, id: &str) -> Result<String, CallError> {
        let ask = self.reads.service_setting(id);
        (self
            .kept
            .service_settings
            .one(id.to_owned(), self.oldest, ask))
        .await
    }
}
