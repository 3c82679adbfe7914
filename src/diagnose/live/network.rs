//! Security groups, network ACLs, routes, endpoints and names, each read once
//! for all instances that share it.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use super::{AwsReader, EC2_FILTER, VpcAttribute};
use crate::diagnose::check::Query;
use crate::diagnose::facts::{
    AclFacts, DhcpFacts, EndpointFacts, Fetched, GroupFacts, InstanceFacts, InterfaceFacts,
    RouteTableFacts, SubnetFacts, VpcFacts,
};
use crate::diagnose::needs::Needs;
use crate::node::InstanceId;

#[derive(Default)]
pub(super) struct Network {
    pub groups: BTreeMap<String, Fetched<GroupFacts>>,
    pub acls: BTreeMap<String, Fetched<Vec<AclFacts>>>,
    pub route_tables: BTreeMap<String, Fetched<Vec<RouteTableFacts>>>,
    pub endpoints: BTreeMap<String, Fetched<Vec<EndpointFacts>>>,
    pub interfaces: BTreeMap<String, Fetched<InterfaceFacts>>,
    pub subnets: BTreeMap<String, Fetched<SubnetFacts>>,
    pub dns: Dns,
}

#[derive(Default)]
pub(super) struct Dns {
    pub vpcs: BTreeMap<String, Fetched<VpcFacts>>,
    pub support: BTreeMap<String, Fetched<bool>>,
    pub hostnames: BTreeMap<String, Fetched<bool>>,
    pub dhcp_options: BTreeMap<String, Fetched<DhcpFacts>>,
}

type Instances = BTreeMap<InstanceId, Fetched<InstanceFacts>>;

pub(super) async fn read<R: AwsReader>(
    needs: &Needs,
    instances: &Instances,
    reader: &Reader<R>,
) -> Network {
    let of = |ask: Query, id_of: fn(&InstanceFacts) -> Vec<String>| -> BTreeSet<String> {
        let fault_state = needs
            .wanted(ask)
            .filter_map(|id| instances.get(id)?.found())
            .filter(|instance| !instance.is_gone());
        fault_state.flat_map(id_of).collect()
    };
    let vpc_of = |instance: &InstanceFacts| instance.vpc.iter().cloned().collect();
    let (groups, acls, route_tables, (endpoints, interfaces, of_endpoints), subnets, dns) = tokio::join!(
        read_groups(
            of(Query::SecurityGroups, |instance| instance
                .network
                .groups
                .clone()),
            reader,
        ),
        reader.gathered(
            of(Query::NetworkAcl, vpc_of),
            EC2_FILTER,
            |reads, vpcs: Vec<String>| async move { reads.acls(&vpcs).await },
            |acl: &AclFacts| acl.vpc.as_str(),
        ),
        reader.gathered(
            of(Query::RouteTables, vpc_of),
            EC2_FILTER,
            |reads, vpcs: Vec<String>| async move { reads.route_tables(&vpcs).await },
            |table: &RouteTableFacts| table.vpc.as_str(),
        ),
        read_endpoints(needs, of(Query::Endpoints, vpc_of), reader),
        reader.in_lists(
            of(Query::Subnet, |instance| instance
                .subnet
                .iter()
                .cloned()
                .collect()),
            EC2_FILTER,
            |reads, ids: Vec<String>| async move { reads.subnets(&ids).await },
            |subnet: &SubnetFacts| vec![subnet.id.clone()],
        ),
        read_dns(of(Query::Dns, vpc_of), reader),
    );
    let mut network = Network {
        groups,
        acls,
        route_tables,
        endpoints,
        interfaces,
        subnets,
        dns,
    };
    // A group of both is read twice at most: the second list hangs on an
    // answer, the first need not wait for it.
    for (id, read) in of_endpoints {
        network.groups.entry(id).or_insert(read);
    }
    network
}

async fn read_groups<R: AwsReader>(
    ids: BTreeSet<String>,
    reader: &Reader<R>,
) -> BTreeMap<String, Fetched<GroupFacts>> {
    reader
        .in_lists(
            ids,
            EC2_FILTER,
            |reads, ids: Vec<String>| async move { reads.groups(&ids).await },
            |group: &GroupFacts| vec![group.id.clone()],
        )
        .await
}

type Endpoints = (
    BTreeMap<String, Fetched<Vec<EndpointFacts>>>,
    BTreeMap<String, Fetched<InterfaceFacts>>,
    BTreeMap<String, Fetched<GroupFacts>>,
);

/// The endpoints, with the interfaces and groups of those that matter here.
async fn read_endpoints<R: AwsReader>(
    needs: &Needs,
    vpcs: BTreeSet<String>,
    reader: &Reader<R>,
) -> Endpoints {
    let endpoints = reader
        .gathered(
            vpcs,
            EC2_FILTER,
            |reads, vpcs: Vec<String>| async move { reads.endpoints(&vpcs).await },
            |endpoint: &EndpointFacts| endpoint.vpc.as_str(),
        )
        .await;
    let all = endpoints.values().filter_map(Fetched::found).flatten();
    let meant: Vec<&EndpointFacts> = all
        .filter(|endpoint| endpoint.interface && needs.concerns(&endpoint.service))
        .collect();
    // A policy is judged without them.
    let for_ways = needs.is_wanted(Query::SecurityGroups);
    let list = |ids_of: fn(&EndpointFacts) -> &Vec<String>| -> BTreeSet<String> {
        let meant = meant.iter().filter(|_| for_ways);
        meant
            .flat_map(|endpoint| ids_of(endpoint).iter().cloned())
            .collect()
    };
    let (interfaces, groups) = (
        list(|endpoint| &endpoint.interfaces),
        list(|endpoint| &endpoint.groups),
    );
    let (interfaces, groups) = tokio::join!(
        reader.in_lists(
            interfaces,
            EC2_FILTER,
            |reads, ids: Vec<String>| async move { reads.interfaces(&ids).await },
            |interface: &InterfaceFacts| vec![interface.id.clone()],
        ),
        read_groups(groups, reader),
    );
    (endpoints, interfaces, groups)
}

async fn read_dns<R: AwsReader>(vpcs: BTreeSet<String>, reader: &Reader<R>) -> Dns {
    let attribute = |attribute| {
        reader.each(vpcs.clone(), move |reads, vpc: String| async move {
            reads.vpc_attribute(&vpc, attribute).await
        })
    };
    let of_vpcs = async {
        let read = reader
            .in_lists(
                vpcs.clone(),
                EC2_FILTER,
                |reads, ids: Vec<String>| async move { reads.vpcs(&ids).await },
                |vpc: &VpcFacts| vec![vpc.id.clone()],
            )
            .await;
        let options: BTreeSet<String> = read
            .values()
            .filter_map(|vpc| vpc.found()?.dhcp_options.clone())
            .collect();
        let options = reader
            .in_lists(
                options,
                EC2_FILTER,
                |reads, ids: Vec<String>| async move { reads.dhcp_options(&ids).await },
                |options: &DhcpFacts| vec![options.id.clone()],
            )
            .await;
        (read, options)
    };
    let ((vpcs, dhcp_options), support, hostnames) = tokio::join!(
        of_vpcs,
        attribute(VpcAttribute::DnsSupport),
        attribute(VpcAttribute::DnsHostnames),
    );
    Dns {
        vpcs,
        support,
        hostnames,
        dhcp_options,
    }
}
