//! What to ask next of profiles, their roles, and what those may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Instances;
use super::calls::{
    AwsReader, ListAttachedRolePolicies, ListRolePolicies, SimulatePrincipalPolicy,
};
use super::recent::Recent;
use crate::diagnose::call_error::CallError;
use crate::diagnose::called_on::Place;
use crate::diagnose::check::Query;
use crate::diagnose::checks::permissions::to_simulate;
use crate::diagnose::checks::session_preferences;
use crate::diagnose::facts::{
    Fetched, PolicyNames, ProfileFacts, RoleFacts, SessionFacts, Simulated,
};
use crate::diagnose::needs::Needs;
use crate::node::InstanceId;

pub(super) type Profiles = BTreeMap<String, Fetched<ProfileFacts>>;

pub(super) fn profiles(needs: &Needs, ask: Query, instances: &Instances) -> BTreeSet<String> {
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

/// The roles that these profiles hold.
pub(super) fn roles(names: &BTreeSet<String>, profiles: &Profiles) -> BTreeSet<String> {
    let held = names.iter().filter_map(|name| role_of(name, profiles));
    held.map(|role| role.name.clone()).collect()
}

fn role_of<'a>(profile: &String, profiles: &'a Profiles) -> Option<&'a RoleFacts> {
    profiles.get(profile)?.found()?.role.as_ref()
}

/// Puts what GetRole says in the place of what the profile said of a role.
pub(super) fn take_roles(profiles: &mut Profiles, roles: &BTreeMap<String, Fetched<RoleFacts>>) {
    for profile in profiles.values_mut() {
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

/// The questions to the simulator by role. Each role once: where several
/// instances have it, one question stands for all of them.
pub(super) fn simulations(
    needs: &Needs,
    instances: &Instances,
    profiles: &Profiles,
    session: &SessionFacts,
) -> BTreeMap<String, Vec<SimulatePrincipalPolicy>> {
    let Some((region, partition)) = needs
        .region()
        .and_then(|region| Some((region, region.partition().arn()?)))
    else {
        return BTreeMap::new();
    };
    let mut of_role: BTreeMap<&str, (&RoleFacts, Vec<&InstanceId>)> = BTreeMap::new();
    for id in needs.wanted(Query::Permissions) {
        let profile = profile_of(id, instances);
        if let Some(role) = profile.and_then(|profile| role_of(profile, profiles)) {
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
        let of_resource = to_simulate(&place, denied)
            .into_iter()
            .map(|(resource, actions)| {
                let on = |action| (action, resource.clone());
                actions.into_iter().map(on).collect()
            });
        // One call for all of them: what it leaves open is read in the role's policies, and none
        // of them is denied for want of a statement alone.
        let named = session_preferences::to_simulate(session, &place);
        let calls = of_resource.chain([named]).filter(|asked| !asked.is_empty());
        let calls = calls.map(|asked| SimulatePrincipalPolicy(role.arn.clone(), asked));
        (name.to_owned(), calls.collect())
    });
    asked.collect()
}

pub(super) async fn simulate<R: AwsReader>(
    reads: Arc<Recent<R>>,
    calls: Vec<SimulatePrincipalPolicy>,
) -> Result<Simulated, CallError> {
    let mut simulated = Simulated::default();
    for call in calls {
        simulated.actions.extend(reads.one(call).await?);
    }
    Ok(simulated)
}

/// The roles of which the simulator did not answer or leaves a doubt. Of `calls` those that name
/// several resources may have an answer for some of them.
pub(super) fn undecided(
    simulations: &BTreeMap<String, Fetched<Simulated>>,
    calls: &BTreeMap<String, Vec<SimulatePrincipalPolicy>>,
) -> Vec<String> {
    let undecided = simulations
        .iter()
        .filter(|(role, read)| match read.found() {
            Some(simulated) => {
                let mut of_several = calls[*role].iter().filter(|call| call.names_several());
                let unanswered =
                    |(action, arn): &(&str, String)| simulated.answer(action, arn).is_none();
                simulated.actions.iter().any(|one| one.doubt().is_some())
                    || of_several.any(|call| call.1.iter().any(unanswered))
            }
            None => true,
        });
    undecided.map(|(role, _)| role.clone()).collect()
}

/// The names of a role's policies, by two lists.
pub(super) async fn policy_names<R: AwsReader>(
    reads: Arc<Recent<R>>,
    role: String,
) -> Result<PolicyNames, CallError> {
    let attached = reads.one(ListAttachedRolePolicies(role.clone())).await?;
    let inline = reads.one(ListRolePolicies(role)).await?;
    Ok(PolicyNames { attached, inline })
}

/// The inline policies by role and name, and the ARNs of the managed policies,
/// boundaries among them.
pub(super) fn policies(
    names: &BTreeMap<String, Fetched<PolicyNames>>,
    profiles: &Profiles,
) -> (BTreeSet<(String, String)>, BTreeSet<String>) {
    let mut inline = BTreeSet::new();
    let mut managed = BTreeSet::new();
    for (role, read) in names {
        let Some(found) = read.found() else { continue };
        inline.extend(found.inline.iter().map(|name| (role.clone(), name.clone())));
        managed.extend(found.attached.iter().cloned());
    }
    let roles = profiles.keys().filter_map(|name| role_of(name, profiles));
    let asked = roles.filter(|role| names.contains_key(&role.name));
    managed.extend(asked.filter_map(|role| role.boundary.clone()));
    (inline, managed)
}
