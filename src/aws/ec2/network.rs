//! The network of instances, read in lists by filter: an id that is gone is
//! left out of the answer and fails nothing.

use std::net::IpAddr;

use aws_sdk_ec2::types::{
    DhcpOptions, IpPermission, NetworkAcl, NetworkAclEntry, NetworkInterface, Route, RouteOrigin,
    RouteState, RouteTable, RuleAction, SecurityGroup, Subnet, Vpc, VpcAttributeName, VpcEndpoint,
    VpcEndpointType,
};

use super::filter;
use crate::aws::error;
use crate::aws::live::LiveState;
use crate::aws::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    AclEntry, AclFacts, Destination, DhcpFacts, EndpointFacts, GroupFacts, GroupRule,
    InterfaceFacts, Peer, Ports, Protocol, RouteFacts, RouteTableFacts, RouteTarget, SubnetFacts,
    VpcFacts,
};
use crate::diagnose::live::{Call, DescribeVpcAttribute, List, Reads, VpcAttribute};
use crate::sort;

macro_rules! lists {
    ($($facts:ident by $filter:literal: $fact:ident of $elements:ident $request:tt;)+) => {$(
        impl Reads<List<$facts>> for LiveState {
            async fn read(&self, List(keys): &List<$facts>) -> Result<Vec<$facts>, CallError> {
                const CALL: &str = List::<$facts>::NAME;
                let request = list_request!(self.ec2().await, $request);
                let request = request.filters(filter($filter, keys));
                all_pages!(CALL, request, |page| each_held(CALL, page.$elements, $fact)?)
            }
        }
    )+};
}

macro_rules! list_request {
    ($client:expr, ($($request:tt)+)) => { $client $($request)+ };
}

lists! {
    GroupFacts by "group-id": group_facts of security_groups (.describe_security_groups());
    AclFacts by "vpc-id": acl_facts of network_acls (.describe_network_acls());
    RouteTableFacts by "vpc-id": table_facts of route_tables (.describe_route_tables());
    EndpointFacts by "vpc-id": endpoint_facts of vpc_endpoints (.describe_vpc_endpoints());
    // Those of managed instances are left out of lists else.
    InterfaceFacts by "network-interface-id": interface_facts of network_interfaces
        (.describe_network_interfaces().include_managed_resources(true));
    SubnetFacts by "subnet-id": subnet_facts of subnets (.describe_subnets());
    VpcFacts by "vpc-id": vpc_facts of vpcs (.describe_vpcs());
    DhcpFacts by "dhcp-options-id": dhcp_facts of dhcp_options (.describe_dhcp_options());
}

impl Reads<DescribeVpcAttribute> for LiveState {
    async fn read(
        &self,
        DescribeVpcAttribute(vpc, attribute): &DescribeVpcAttribute,
    ) -> Result<bool, CallError> {
        const CALL: &str = DescribeVpcAttribute::NAME;
        let name = match attribute {
            VpcAttribute::DnsSupport => VpcAttributeName::EnableDnsSupport,
            VpcAttribute::DnsHostnames => VpcAttributeName::EnableDnsHostnames,
        };
        let request = self.ec2().await.describe_vpc_attribute();
        let request = request.vpc_id(vpc).attribute(name);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        let value = match attribute {
            VpcAttribute::DnsSupport => answer.enable_dns_support,
            VpcAttribute::DnsHostnames => answer.enable_dns_hostnames,
        };
        held(CALL, value.and_then(|value| value.value))
    }
}

fn group_facts(group: &SecurityGroup) -> Option<GroupFacts> {
    Some(GroupFacts {
        id: group.group_id()?.to_owned(),
        ingress: rules(group.ip_permissions())?,
        egress: rules(group.ip_permissions_egress())?,
    })
}

fn rules(permissions: &[IpPermission]) -> Option<Vec<GroupRule>> {
    permissions.iter().map(rule).collect()
}

/// `None` where EC2 leaves out the protocol.
fn rule(permission: &IpPermission) -> Option<GroupRule> {
    let protocol = Protocol::parse(permission.ip_protocol()?);
    let range = |text: Option<&str>| {
        let text = text.unwrap_or("an address range that EC2 does not tell");
        text.parse()
            .map_or_else(|_| Peer::Other(text.to_owned()), Peer::Range)
    };
    let groups = permission
        .user_id_group_pairs()
        .iter()
        .map(|pair| match pair.group_id() {
            Some(id) => Peer::Group(id.to_owned()),
            None => Peer::Other("a security group that EC2 does not name".to_owned()),
        });
    let lists = permission
        .prefix_list_ids()
        .iter()
        .map(|list| Peer::PrefixList(list.prefix_list_id().unwrap_or_default().to_owned()));
    let v4 = permission
        .ip_ranges()
        .iter()
        .map(|one| range(one.cidr_ip()));
    let v6 = permission
        .ipv6_ranges()
        .iter()
        .map(|one| range(one.cidr_ipv6()));
    Some(GroupRule {
        protocol,
        ports: Ports::of(permission.from_port(), permission.to_port()),
        peers: v4.chain(v6).chain(groups).chain(lists).collect(),
    })
}

fn acl_facts(acl: &NetworkAcl) -> Option<AclFacts> {
    let subnets = acl.associations().iter();
    Some(AclFacts {
        id: acl.network_acl_id()?.to_owned(),
        vpc: acl.vpc_id()?.to_owned(),
        subnets: subnets
            .filter_map(|association| Some(association.subnet_id()?.to_owned()))
            .collect(),
        entries: acl.entries().iter().map(acl_entry).collect::<Option<_>>()?,
    })
}

/// `None` where EC2 leaves out what every entry has.
fn acl_entry(entry: &NetworkAclEntry) -> Option<AclEntry> {
    let ports = entry.port_range();
    let range = entry.cidr_block().or(entry.ipv6_cidr_block());
    Some(AclEntry {
        number: entry.rule_number()?,
        egress: entry.egress()?,
        allow: entry.rule_action()? == &RuleAction::Allow,
        protocol: Protocol::parse(entry.protocol()?),
        ports: Ports::of(
            ports.and_then(|ports| ports.from()),
            ports.and_then(|ports| ports.to()),
        ),
        range: range.and_then(|range| range.parse().ok()),
    })
}

fn table_facts(table: &RouteTable) -> Option<RouteTableFacts> {
    let associations = table.associations();
    Some(RouteTableFacts {
        id: table.route_table_id()?.to_owned(),
        vpc: table.vpc_id()?.to_owned(),
        main: associations.iter().any(|one| one.main() == Some(true)),
        subnets: associations
            .iter()
            .filter_map(|one| Some(one.subnet_id()?.to_owned()))
            .collect(),
        // A route that is left out would read as no route.
        routes: table.routes().iter().map(route).collect::<Option<_>>()?,
    })
}

fn route(route: &Route) -> Option<RouteFacts> {
    let range = route
        .destination_cidr_block()
        .or(route.destination_ipv6_cidr_block());
    let destination = match (range, route.destination_prefix_list_id()) {
        (Some(range), _) => Destination::Range(range.parse().ok()?),
        (None, Some(list)) => Destination::PrefixList(list.to_owned()),
        (None, None) => return None,
    };
    let gateway = route.gateway_id().map(|id| match id.split('-').next() {
        Some("local") => RouteTarget::Local,
        Some("igw") => RouteTarget::InternetGateway(id.to_owned()),
        Some("vpce") => RouteTarget::GatewayEndpoint(id.to_owned()),
        Some(_) | None => RouteTarget::Opaque(id.to_owned()),
    });
    let nat = route.nat_gateway_id();
    let egress_only = route.egress_only_internet_gateway_id();
    let beyond = [
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.instance_id(),
        route.network_interface_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
        route.odb_network_arn(),
    ];
    let target = gateway
        .or_else(|| nat.map(|id| RouteTarget::NatGateway(id.to_owned())))
        .or_else(|| egress_only.map(|id| RouteTarget::EgressOnlyGateway(id.to_owned())))
        .or_else(|| {
            let id = beyond.into_iter().flatten().next()?;
            Some(RouteTarget::Opaque(id.to_owned()))
        });
    Some(RouteFacts {
        destination,
        target: target
            .unwrap_or_else(|| RouteTarget::Opaque("a target that EC2 does not tell".to_owned())),
        blackhole: route.state() == Some(&RouteState::Blackhole),
        propagated: route.origin() == Some(&RouteOrigin::EnableVgwRoutePropagation),
    })
}

fn endpoint_facts(endpoint: &VpcEndpoint) -> Option<EndpointFacts> {
    let groups = endpoint.groups().iter();
    let state = endpoint.state().map_or("", |state| state.as_str());
    Some(EndpointFacts {
        id: endpoint.vpc_endpoint_id()?.to_owned(),
        vpc: endpoint.vpc_id()?.to_owned(),
        service: endpoint.service_name()?.to_owned(),
        interface: endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Interface),
        gateway: endpoint.vpc_endpoint_type() == Some(&VpcEndpointType::Gateway),
        names: endpoint
            .dns_entries()
            .iter()
            .filter_map(|entry| Some(entry.dns_name()?.trim_end_matches('.').to_ascii_lowercase()))
            .collect(),
        state: state.to_owned(),
        private_dns: endpoint.private_dns_enabled() == Some(true),
        groups: groups
            .filter_map(|group| Some(group.group_id()?.to_owned()))
            .collect(),
        interfaces: endpoint.network_interface_ids().to_vec(),
        subnets: endpoint.subnet_ids().to_vec(),
        policy: endpoint.policy_document().map(str::to_owned),
    })
}

fn interface_facts(interface: &NetworkInterface) -> Option<InterfaceFacts> {
    let v4 = interface
        .private_ip_addresses()
        .iter()
        .filter_map(|one| one.private_ip_address())
        .chain(interface.private_ip_address());
    let v6 = interface.ipv6_addresses().iter();
    let mut addresses: Vec<IpAddr> = v4
        .chain(v6.filter_map(|one| one.ipv6_address()))
        .filter_map(|text| text.parse().ok())
        .collect();
    sort::by(&mut addresses, Ord::cmp);
    addresses.dedup();
    Some(InterfaceFacts {
        id: interface.network_interface_id()?.to_owned(),
        subnet: interface.subnet_id().map(str::to_owned),
        addresses,
    })
}

fn subnet_facts(subnet: &Subnet) -> Option<SubnetFacts> {
    Some(SubnetFacts {
        id: subnet.subnet_id()?.to_owned(),
        owner: subnet.owner_id()?.to_owned(),
    })
}

fn vpc_facts(vpc: &Vpc) -> Option<VpcFacts> {
    Some(VpcFacts {
        id: vpc.vpc_id()?.to_owned(),
        dhcp_options: vpc
            .dhcp_options_id()
            .filter(|id| *id != "default")
            .map(str::to_owned),
    })
}

fn dhcp_facts(options: &DhcpOptions) -> Option<DhcpFacts> {
    let servers = options
        .dhcp_configurations()
        .iter()
        .filter(|one| one.key() == Some("domain-name-servers"))
        .flat_map(|one| one.values())
        .filter_map(|value| Some(value.value()?.to_owned()));
    Some(DhcpFacts {
        id: options.dhcp_options_id()?.to_owned(),
        name_servers: servers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};

    #[test]
    fn a_rule_names_every_kind_of_peer() {
        let permission = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(400)
            .to_port(500)
            .ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build())
            .ip_ranges(IpRange::builder().build())
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
            .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-1").build())
            .prefix_list_ids(PrefixListId::builder().prefix_list_id("pl-1").build())
            .build();
        let rule = rule(&permission).expect("a protocol");
        assert_eq!(rule.protocol, Protocol::Tcp);
        assert_eq!(rule.ports, Ports { from: 400, to: 500 });
        let range = |text: &str| Peer::Range(text.parse().expect("a range"));
        assert_eq!(
            rule.peers,
            [
                range("10.0.0.0/8"),
                Peer::Other("an address range that EC2 does not tell".to_owned()),
                range("::/0"),
                Peer::Group("sg-1".to_owned()),
                Peer::PrefixList("pl-1".to_owned()),
            ]
        );
    }

    #[test]
    fn targets_are_told_apart_by_what_they_are() {
        let to = |route: aws_sdk_ec2::types::builders::RouteBuilder| {
            let route = route.destination_cidr_block("0.0.0.0/0").build();
            super::route(&route).map(|facts| facts.target)
        };
        let of = Route::builder;
        assert_eq!(to(of().gateway_id("local")), Some(RouteTarget::Local));
        assert_eq!(
            to(of().gateway_id("igw-1")),
            Some(RouteTarget::InternetGateway("igw-1".to_owned()))
        );
        assert_eq!(
            to(of().gateway_id("vgw-1")),
            Some(RouteTarget::Opaque("vgw-1".to_owned()))
        );
        assert_eq!(
            to(of().nat_gateway_id("nat-1")),
            Some(RouteTarget::NatGateway("nat-1".to_owned()))
        );
        assert_eq!(
            to(of().instance_id("i-1").network_interface_id("eni-1")),
            Some(RouteTarget::Opaque("i-1".to_owned()))
        );
        assert_eq!(super::route(&Route::builder().build()), None);
    }

    #[test]
    fn what_lacks_a_part_is_not_read_as_absent() {
        let table = |route: Route| {
            let table = RouteTable::builder()
                .route_table_id("rtb-1")
                .vpc_id("vpc-1");
            table_facts(&table.routes(route).build())
        };
        let whole = Route::builder().destination_cidr_block("0.0.0.0/0");
        assert!(table(whole.gateway_id("igw-1").build()).is_some());
        assert_eq!(table(Route::builder().gateway_id("igw-1").build()), None);

        let acl = |entry: NetworkAclEntry| {
            let acl = NetworkAcl::builder()
                .network_acl_id("acl-1")
                .vpc_id("vpc-1");
            acl_facts(&acl.entries(entry).build())
        };
        let whole = NetworkAclEntry::builder()
            .rule_number(100)
            .egress(true)
            .rule_action(RuleAction::Deny)
            .protocol("-1");
        assert!(acl(whole.clone().build()).is_some());
        let mut cut = whole.build();
        cut.rule_action = None;
        assert_eq!(acl(cut), None);

        let group = SecurityGroup::builder().group_id("sg-1");
        let cut = IpPermission::builder().from_port(443).build();
        assert_eq!(group_facts(&group.ip_permissions_egress(cut).build()), None);
    }
}
