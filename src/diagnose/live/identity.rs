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

/// What the simulator is asked by role, in one call each: it evaluates each action on each
/// resource. Where several instances have the role, a `*` stands for their ids.
pub(super) fn simulations(
    needs: &Needs,
    instances: &Instances,
    profiles: &Profiles,
    session: &SessionFacts,
) -> BTreeMap<String, SimulatePrincipalPolicy> {
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
        let mut asked = to_simulate(&place, denied);
        asked.extend(session_preferences::to_simulate(session, &place));
        (
            name.to_owned(),
            SimulatePrincipalPolicy(role.arn.clone(), asked),
        )
    });
    asked.collect()
}

/// The roles of which the simulator did not answer for all that it was asked, or leaves a doubt.
pub(super) fn undecided(
    simulations: &BTreeMap<String, Fetched<Simulated>>,
    calls: &BTreeMap<String, SimulatePrincipalPolicy>,
) -> Vec<String> {
    let undecided = simulations
        .iter()
        .filter(|(role, read)| match read.found() {
            Some(simulated) => {
                let unanswered =
                    |(action, arn): &(&str, String)| simulated.answer(action, arn).is_none();
                simulated.actions.iter().any(|one| one.doubt().is_some())
                    || calls[*role].1.iter().any(unanswered)
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
