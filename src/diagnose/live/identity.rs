//! Profiles, their roles, and what those may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::reader::Reader;
use super::{AwsReader, policy_names};
use crate::diagnose::called_on::Place;
use crate::diagnose::check::Query;
use crate::diagnose::checks::permissions::to_simulate;
use crate::diagnose::facts::{
    Fetched, InstanceFacts, PolicyNames, ProfileFacts, RoleFacts, Simulated,
};
use crate::diagnose::needs::Needs;
use crate::node::InstanceId;

#[derive(Default)]
pub(super) struct Identity {
    pub profiles: BTreeMap<String, Fetched<ProfileFacts>>,
    pub simulations: BTreeMap<String, Fetched<Simulated>>,
    pub policy_names: BTreeMap<String, Fetched<PolicyNames>>,
    pub inline_policies: BTreeMap<(String, String), Fetched<String>>,
    pub managed_policies: BTreeMap<String, Fetched<String>>,
}

type Instances = BTreeMap<InstanceId, Fetched<InstanceFacts>>;

pub(super) async fn read<R: AwsReader>(
    needs: &Needs,
    instances: &Instances,
    reader: &Reader<R>,
) -> Identity {
    let mut identity = Identity {
        profiles: reader
            .each(
                profile_names(needs, Query::Profile, instances),
                |reads, name| async move { reads.profile(&name).await },
            )
            .await,
        ..Identity::default()
    };
    let roles = identity.roles_of(&profile_names(needs, Query::Role, instances));
    let simulated = identity.to_simulate(needs, instances);
    let roles = roles.into_values().map(|role| role.name.clone());
    let roles: Vec<String> = roles.collect();
    let (roles, simulations) = tokio::join!(
        reader.each(roles, |reads, name| async move { reads.role(&name).await }),
        simulate(simulated, reader),
    );
    identity.take_roles(&roles);
    identity.simulations = simulations;
    read_policies(&mut identity, reader).await;
    identity
}

/// Where the simulator did not answer or leaves a doubt, the policies themselves.
async fn read_policies<R: AwsReader>(identity: &mut Identity, reader: &Reader<R>) {
    let unanswered = identity.simulations.iter();
    let unanswered: Vec<String> = unanswered
        .filter(|(_, read)| match read.found() {
            Some(simulated) => simulated.actions.iter().any(|one| one.doubt().is_some()),
            None => true,
        })
        .map(|(role, _)| role.clone())
        .collect();
    let names = reader
        .each(unanswered, |reads, role: String| async move {
            policy_names(reads.as_ref(), &role).await
        })
        .await;
    let mut inline: BTreeSet<(String, String)> = BTreeSet::new();
    let mut managed: BTreeSet<String> = BTreeSet::new();
    for (role, read) in &names {
        let Some(found) = read.found() else { continue };
        inline.extend(found.inline.iter().map(|name| (role.clone(), name.clone())));
        managed.extend(found.attached.iter().cloned());
    }
    let bounded = identity.profiles.values().filter_map(|profile| {
        let role = profile.found()?.role.as_ref()?;
        names
            .contains_key(&role.name)
            .then(|| role.boundary.clone())?
    });
    managed.extend(bounded);
    let (inline, managed) = tokio::join!(
        reader.each(inline, |reads, (role, name): (String, String)| async move {
            reads.inline_policy(&role, &name).await
        }),
        reader.each(managed, |reads, arn: String| async move {
            reads.managed_policy(&arn).await
        }),
    );
    identity.policy_names = names;
    identity.inline_policies = inline;
    identity.managed_policies = managed;
}

/// The questions to the simulator about one role.
struct ToSimulate {
    arn: String,
    /// The actions to ask about by the resource they are called on.
    on: BTreeMap<String, BTreeSet<&'static str>>,
}

async fn simulate<R: AwsReader>(
    roles: BTreeMap<String, ToSimulate>,
    reader: &Reader<R>,
) -> BTreeMap<String, Fetched<Simulated>> {
    let roles = Arc::new(roles);
    let names: Vec<String> = roles.keys().cloned().collect();
    let ask = |reads: Arc<R>, name: String| {
        let roles = Arc::clone(&roles);
        async move {
            let asked = &roles[&name];
            let mut simulated = Simulated::default();
            for (resource, actions) in &asked.on {
                let actions: Vec<&str> = actions.iter().copied().collect();
                let answer = reads.simulation(&asked.arn, &actions, resource).await?;
                simulated.actions.extend(answer);
            }
            Ok(simulated)
        }
    };
    reader.each(names, ask).await
}

impl Identity {
    /// The roles that the named profiles hold, by profile name.
    fn roles_of(&self, profiles: &BTreeSet<String>) -> BTreeMap<&String, &RoleFacts> {
        let role = |name| {
            let (name, profile) = self.profiles.get_key_value(name)?;
            Some((name, profile.found()?.role.as_ref()?))
        };
        profiles.iter().filter_map(role).collect()
    }

    /// Each role once: where several instances have it, one question stands
    /// for all of them.
    fn to_simulate(&self, needs: &Needs, instances: &Instances) -> BTreeMap<String, ToSimulate> {
        let Some(region) = needs.region() else {
            return BTreeMap::new();
        };
        let Some(partition) = region.partition().arn() else {
            return BTreeMap::new();
        };
        let mut of_role: BTreeMap<&str, (&RoleFacts, Vec<&InstanceId>)> = BTreeMap::new();
        for id in needs.wanted(Query::Permissions) {
            let profile = profile_of(id, instances).and_then(|name| self.profiles.get(name));
            let profile = profile.and_then(Fetched::found);
            if let Some(role) = profile.and_then(|profile| profile.role.as_ref()) {
                let (_, ids) = of_role.entry(&role.name).or_insert((role, Vec::new()));
                ids.push(id);
            }
        }
        let asked = of_role.into_iter().map(|(name, (role, ids))| {
            let place = Place {
                partition,
                region: region.as_str(),
                account: role.account().unwrap_or_default(),
                instance: match ids[..] {
                    [only] => only.as_str(),
                    _ => "*",
                },
            };
            let denied = ids.iter().flat_map(|id| needs.denied(id));
            let asked = ToSimulate {
                arn: role.arn.clone(),
                on: to_simulate(&place, denied),
            };
            (name.to_owned(), asked)
        });
        asked.collect()
    }

    /// Puts what GetRole says in the place of what the profile said of a role.
    fn take_roles(&mut self, roles: &BTreeMap<String, Fetched<RoleFacts>>) {
        for profile in self.profiles.values_mut() {
            let Fetched::Found(ProfileFacts {
                role: Some(role), ..
            }) = profile
            else {
                continue;
            };
            match roles.get(&role.name) {
                Some(Fetched::Found(fresh)) => *role = fresh.clone(),
                Some(Fetched::Missing) => role.tags = Fetched::Missing,
                Some(Fetched::Failed(why)) => role.tags = Fetched::Failed(why.clone()),
                None => {}
            }
        }
    }
}

fn profile_names(needs: &Needs, ask: Query, instances: &Instances) -> BTreeSet<String> {
    let names = needs.wanted(ask).filter_map(|id| profile_of(id, instances));
    names.cloned().collect()
}

fn profile_of<'a>(id: &InstanceId, instances: &'a Instances) -> Option<&'a String> {
    let instance = instances.get(id)?.found()?;
    if instance.is_gone() {
        return None;
    }
    Some(&instance.profile.as_ref()?.name)
}
