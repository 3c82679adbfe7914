//! Reads what the checks need: each thing once, several at a time, and no
//! longer than the time allows.
//!
//! Instances and what Systems Manager knows of the nodes come first. Who a node is
//! and where it stands in the network are read side by side; within each, what an
//! answer names is read next. A read that is denied, fails or is late is a fact like any
//! other: it says why, and the checks that need it answer `unknown`.

mod calls;
mod identity;
mod listing;
mod reader;
mod recent;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::check::Query;
use super::facts::{
    ConsoleFacts, EndpointFacts, Facts, Fetched, InstanceFacts, Registrations, Simulated,
};
use super::needs::Needs;
use crate::node::{InstanceId, NodeId};
pub(crate) use calls::*;
pub(crate) use listing::{ListNodes, ListRunning, count_nodes, list, registrations};
use reader::Reader;
#[cfg(test)]
pub(crate) use recent::ASKED_BEFORE;
pub(crate) use recent::{KEPT, Kept, Recent};

/// The setting that turns Default Host Management on.
const DHMC_SETTING: &str = "/ssm/managed-instance/default-ec2-instance-management-role";

/// Consoles that are read at most, each by a call of its own: what many instances
/// have in common no console shows.
const CONSOLES: usize = 10;

type Instances = BTreeMap<InstanceId, Fetched<InstanceFacts>>;

/// What `needs` asks for. What is not read by `until` is given as failed.
pub(crate) async fn read<R: AwsReader>(
    needs: &Needs,
    reads: &Arc<Recent<R>>,
    until: Instant,
) -> Facts {
    read_beside(BTreeMap::new(), needs, reads, until).await
}

/// As [`read`], where what Systems Manager knows of some nodes was read already.
pub(crate) async fn read_beside<R: AwsReader>(
    known: Registrations,
    needs: &Needs,
    reads: &Arc<Recent<R>>,
    until: Instant,
) -> Facts {
    let reader = Reader::new(Arc::clone(reads), until);
    let mut facts = Facts::default();
    let of_nodes = async {
        let unknown = needs.registered().filter(|id| !known.contains_key(id));
        (facts.instances, facts.registrations) = tokio::join!(
            reader.list(needs.wanted(Query::Instance).cloned()),
            reader.list(unknown),
        );
        facts.registrations.extend(known.clone());
        let (instances, registrations) = (&facts.instances, &facts.registrations);
        let of = |query, ids: fn(&InstanceFacts) -> &[String]| ids_of(query, needs, instances, ids);
        let vpc: fn(&InstanceFacts) -> &[String] = |instance| instance.vpc.as_slice();
        let subnet: fn(&InstanceFacts) -> &[String] = |instance| instance.subnet.as_slice();
        let identity = async {
            let names = identity::profiles(needs, Query::Profile, instances);
            (facts.profiles, facts.session) = tokio::join!(
                reader.each(names, GetInstanceProfile),
                session::read(needs, registrations, &reader),
            );
            let names = identity::profiles(needs, Query::Role, instances);
            let roles = identity::roles(&names, &facts.profiles);
            let (profiles, session) = (&facts.profiles, &facts.session);
            let calls = identity::simulations(needs, instances, profiles, session);
            let simulate = |reads: Arc<Recent<R>>, role: String| {
                let call = calls[&role].clone();
                async move { reads.one(call).await.map(|actions| Simulated { actions }) }
            };
            let (roles, simulations) = tokio::join!(
                reader.each(roles, GetRole),
                reader.each_by(calls.keys().cloned(), simulate),
            );
            identity::take_roles(&mut facts.profiles, &roles);
            facts.simulations = simulations;
            let undecided = identity::undecided(&facts.simulations, &calls);
            facts.policy_names = reader.each_by(undecided, identity::policy_names).await;
            let (inline, managed) = identity::policies(&facts.policy_names, &facts.profiles);
            tokio::join!(
                async { facts.inline_policies = reader.each(inline, GetRolePolicy).await },
                async { facts.managed_policies = reader.each(managed, GetPolicyVersion).await },
            );
        };
        let endpoints = async {
            facts.endpoints = reader.lists(of(Query::Endpoints, vpc)).await;
            // Their private names alone depend on it.
            let named = |id: &String| {
                let of_vpc = facts.endpoints.get(id).and_then(Fetched::found);
                of_vpc.is_none_or(|all| all.iter().any(|endpoint| endpoint.private_dns))
            };
            let named = of(Query::Dns, vpc).into_iter().filter(named);
            let hostnames = reader.each(named, |vpc| {
                DescribeVpcAttribute(vpc, VpcAttribute::DnsHostnames)
            });
            // A policy is judged without their addresses and groups.
            let on_path = needs.is_wanted(Query::SecurityGroups);
            let all = facts.endpoints.values().filter_map(Fetched::found);
            let meant: Vec<&EndpointFacts> = (all.flatten())
                .filter(|one| on_path && one.interface && needs.concerns(&one.service))
                .collect();
            let interfaces = meant.iter().flat_map(|one| one.interfaces.iter().cloned());
            let groups = meant.iter().flat_map(|one| one.groups.iter().cloned());
            let own = of(Query::SecurityGroups, |one| &one.network.groups);
            (facts.interfaces, facts.groups, facts.dns_hostnames) = tokio::join!(
                reader.list(interfaces),
                reader.list(groups.chain(own)),
                hostnames,
            );
        };
        let dns = async {
            facts.vpcs = reader.list(of(Query::Dns, vpc)).await;
            let options = facts.vpcs.values().filter_map(Fetched::found);
            let options = options.filter_map(|vpc| vpc.dhcp_options.clone());
            facts.dhcp_options = reader.list(options).await;
        };
        let support = |vpc| DescribeVpcAttribute(vpc, VpcAttribute::DnsSupport);
        let imds_off = |query| {
            let found = needs
                .wanted(query)
                .filter_map(|id| instances.get(id)?.found());
            found.filter(|one| one.imds.as_ref().is_some_and(|imds| !imds.endpoint_enabled))
        };
        let running = |id: &&InstanceId| is_running(instances, id);
        let checked = needs.wanted(Query::InstanceStatus).filter(running);
        let checked: Vec<InstanceId> = checked.cloned().collect();
        let any_off = imds_off(Query::ImdsDefaults).next().map(|_| ());
        let templates =
            imds_off(Query::LaunchTemplate).filter_map(|one| one.launch.template.clone());
        let found = registrations.values().filter_map(Fetched::found);
        let hybrid = found.filter(|one| matches!(one.id, NodeId::Hybrid(_)));
        let activations = hybrid.filter_map(|one| one.activation.clone());
        let ((), (), (), (), (), (), (), (), (), templates, defaults) = tokio::join!(
            identity,
            async { facts.activations = reader.list(activations).await },
            async { facts.acls = reader.lists(of(Query::NetworkAcl, vpc)).await },
            async { facts.route_tables = reader.lists(of(Query::RouteTables, vpc)).await },
            endpoints,
            async { facts.subnets = reader.list(of(Query::Subnet, subnet)).await },
            dns,
            async { facts.statuses = reader.list(checked).await },
            async { facts.dns_support = reader.each(of(Query::Dns, vpc), support).await },
            reader.each(templates, DescribeLaunchTemplateVersions),
            reader.each(any_off, |()| GetInstanceMetadataDefaults()),
        );
        facts.templates = templates;
        let defaults = defaults.into_values().next();
        for read in facts.instances.values_mut() {
            if let Fetched::Found(instance) = read {
                instance.imds_defaults.clone_from(&defaults);
            }
        }
    };
    let dhmc = async {
        let setting = needs.is_wanted(Query::Dhmc).then_some(DHMC_SETTING);
        let settings = reader.each(setting, |id| GetServiceSetting(id.to_owned()));
        facts.dhmc_setting = settings.await.into_values().next();
        // The setting holds the role with its path; `$None` is off.
        let value = facts.dhmc_setting.as_ref().and_then(Fetched::found);
        let role = value.filter(|value| !value.starts_with('$'));
        let role = role.and_then(|value| value.rsplit('/').next());
        let role = role.filter(|name| !name.is_empty()).map(str::to_owned);
        facts.dhmc_role = reader.each(role, GetRole).await.into_values().next();
    };
    tokio::join!(of_nodes, dhmc);
    facts.consoles = consoles(needs, &facts, &reader).await;
    facts
}

fn is_running(instances: &Instances, id: &InstanceId) -> bool {
    let instance = instances.get(id).and_then(Fetched::found);
    instance.is_some_and(|instance| instance.state == "running")
}

/// The consoles of the instances that run and do not report.
async fn consoles<R: AwsReader>(
    needs: &Needs,
    facts: &Facts,
    reader: &Reader<R>,
) -> BTreeMap<InstanceId, Fetched<ConsoleFacts>> {
    let silent = |id: &&InstanceId| {
        let registration = facts.registrations.get(&NodeId::Instance((*id).clone()));
        let online = registration.and_then(Fetched::found);
        is_running(&facts.instances, id) && !online.is_some_and(|one| one.is_online())
    };
    let silent: Vec<&InstanceId> = needs.wanted(Query::Console).filter(silent).collect();
    let latest = |id: &InstanceId| {
        facts.instances[id]
            .found()
            .is_some_and(|one| one.launch.nitro)
    };
    if silent.len() > CONSOLES {
        let why = format!("of more than {CONSOLES} silent instances none is read");
        let unread = |id: &InstanceId| (id.clone(), Fetched::Failed(why.clone()));
        return silent.into_iter().map(unread).collect();
    }
    let call = |id: InstanceId| {
        let latest = latest(&id);
        GetConsoleOutput(id, latest)
    };
    reader.each(silent.into_iter().cloned(), call).await
}

/// What those instances name by `ids` for which `query` is wanted.
fn ids_of(
    query: Query,
    needs: &Needs,
    instances: &Instances,
    ids: fn(&InstanceFacts) -> &[String],
) -> BTreeSet<String> {
    let wanted = needs
        .wanted(query)
        .filter_map(|id| instances.get(id)?.found());
    let wanted = wanted.filter(|instance| !instance.is_gone());
    wanted.flat_map(ids).cloned().collect()
}
