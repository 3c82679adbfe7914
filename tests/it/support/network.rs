//! Networks in the account of a test: VPCs, subnets, routes, endpoints and
//! security groups, made through the real SDK.

use std::net::IpAddr;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, IpPermission, IpRange, Ipv6Range, NewDhcpConfiguration, PortRange,
    RuleAction, UserIdGroupPair, VpcEndpointType,
};

use super::account::Account;

/// A VPC of 10.N.0.0/16 that resolves names itself.
pub(crate) struct Vpc<'a> {
    account: &'a Account,
    pub id: String,
    /// The second byte of its addresses.
    number: u8,
    subnets: u8,
}

impl Account {
    pub(crate) async fn vpc(&self, number: u8) -> Vpc<'_> {
        let ec2 = self.ec2();
        let made = ec2.create_vpc().cidr_block(format!("10.{number}.0.0/16"));
        let made = made.send().await.expect("the VPC is made");
        let id = made
            .vpc()
            .and_then(|vpc| vpc.vpc_id())
            .expect("its id")
            .to_owned();
        let servers = NewDhcpConfiguration::builder()
            .key("domain-name-servers")
            .values("AmazonProvidedDNS")
            .build();
        let options = ec2.create_dhcp_options().dhcp_configurations(servers);
        let options = options.send().await.expect("the DHCP options are made");
        let options = options
            .dhcp_options()
            .and_then(|options| options.dhcp_options_id());
        ec2.associate_dhcp_options()
            .dhcp_options_id(options.expect("their id"))
            .vpc_id(&id)
            .send()
            .await
            .expect("the VPC takes the DHCP options");
        Vpc {
            account: self,
            id,
            number,
            subnets: 0,
        }
    }
}

impl Vpc<'_> {
    /// A subnet that uses the main route table and the default network ACL.
    pub(crate) async fn subnet(&mut self) -> String {
        self.subnets += 1;
        let range = format!("10.{}.{}.0/24", self.number, self.subnets);
        let request = self
            .account
            .ec2()
            .create_subnet()
            .vpc_id(&self.id)
            .cidr_block(range);
        let made = request.send().await.expect("the subnet is made");
        let id = made.subnet().and_then(|subnet| subnet.subnet_id());
        id.expect("its id").to_owned()
    }

    /// A route table of the subnet's own with a way to everywhere: over a NAT
    /// gateway, or over an internet gateway.
    pub(crate) async fn way_out(&self, subnet: &str, nat: bool) -> String {
        let ec2 = self.account.ec2();
        let table = ec2
            .create_route_table()
            .vpc_id(&self.id)
            .send()
            .await
            .expect("made");
        let table = table.route_table().and_then(|table| table.route_table_id());
        let table = table.expect("its id").to_owned();
        let route = ec2
            .create_route()
            .route_table_id(&table)
            .destination_cidr_block("0.0.0.0/0");
        let route = if nat {
            let gateway = ec2
                .create_nat_gateway()
                .subnet_id(subnet)
                .send()
                .await
                .expect("made");
            let gateway = gateway.nat_gateway().and_then(|nat| nat.nat_gateway_id());
            route.nat_gateway_id(gateway.expect("its id"))
        } else {
            let gateway = ec2.create_internet_gateway().send().await.expect("made");
            let gateway = gateway
                .internet_gateway()
                .and_then(|gateway| gateway.internet_gateway_id())
                .expect("its id")
                .to_owned();
            ec2.attach_internet_gateway()
                .internet_gateway_id(&gateway)
                .vpc_id(&self.id)
                .send()
                .await
                .expect("attached");
            route.gateway_id(gateway)
        };
        route.send().await.expect("the route is made");
        ec2.associate_route_table()
            .route_table_id(&table)
            .subnet_id(subnet)
            .send()
            .await
            .expect("the subnet uses the table");
        table
    }

    /// A security group whose only rules are these: `out tcp:443 0.0.0.0/0`,
    /// `in -1 10.1.0.0/16`, `in tcp:443 sg-…`.
    pub(crate) async fn group(&self, name: &str, rules: &[&str]) -> String {
        let ec2 = self.account.ec2();
        let request = ec2
            .create_security_group()
            .group_name(name)
            .description(name);
        let made = request
            .vpc_id(&self.id)
            .send()
            .await
            .expect("the group is made");
        let id = made.group_id().expect("its id").to_owned();
        ec2.revoke_security_group_egress()
            .group_id(&id)
            .ip_permissions(permission("-1", "0.0.0.0/0"))
            .send()
            .await
            .expect("the rule that every group begins with is taken away");
        for rule in rules {
            let words: Vec<&str> = rule.split(' ').collect();
            let permission = permission(words[1], words[2]);
            if words[0] == "out" {
                let request = ec2.authorize_security_group_egress().group_id(&id);
                request
                    .ip_permissions(permission)
                    .send()
                    .await
                    .expect("the rule is made");
            } else {
                let request = ec2.authorize_security_group_ingress().group_id(&id);
                request
                    .ip_permissions(permission)
                    .send()
                    .await
                    .expect("the rule is made");
            }
        }
        id
    }

    /// A network ACL for the subnet with these entries: `out allow 443`,
    /// `in allow 1024-65535`.
    pub(crate) async fn acl(&self, subnet: &str, entries: &[&str]) -> String {
        let ec2 = self.account.ec2();
        let made = ec2
            .create_network_acl()
            .vpc_id(&self.id)
            .send()
            .await
            .expect("made");
        let acl = made.network_acl().and_then(|acl| acl.network_acl_id());
        let acl = acl.expect("its id").to_owned();
        for (index, entry) in entries.iter().enumerate() {
            let words: Vec<&str> = entry.split(' ').collect();
            let (from, to) = words[2].split_once('-').unwrap_or((words[2], words[2]));
            let ports = PortRange::builder()
                .from(from.parse().expect("a port"))
                .to(to.parse().expect("a port"));
            ec2.create_network_acl_entry()
                .network_acl_id(&acl)
                .rule_number(100 + index as i32)
                .protocol("6")
                .egress(words[0] == "out")
                .rule_action(match words[1] {
                    "allow" => RuleAction::Allow,
                    _ => RuleAction::Deny,
                })
                .cidr_block("0.0.0.0/0")
                .port_range(ports.build())
                .send()
                .await
                .expect("the entry is made");
        }
        let all = ec2.describe_network_acls().send().await.expect("listed");
        let association = all
            .network_acls()
            .iter()
            .flat_map(|acl| acl.associations())
            .find(|association| association.subnet_id() == Some(subnet))
            .and_then(|association| association.network_acl_association_id());
        ec2.replace_network_acl_association()
            .association_id(association.expect("every subnet has an ACL"))
            .network_acl_id(&acl)
            .send()
            .await
            .expect("the subnet takes the ACL");
        acl
    }

    /// An interface endpoint for `service` and the address that it answers at.
    pub(crate) async fn endpoint(
        &self,
        service: &str,
        subnet: &str,
        group: &str,
        private_dns: bool,
        policy: Option<&str>,
    ) -> (String, IpAddr) {
        let ec2 = self.account.ec2();
        let name = format!("com.amazonaws.{}.{service}", self.account.region);
        let made = ec2
            .create_vpc_endpoint()
            .vpc_id(&self.id)
            .vpc_endpoint_type(VpcEndpointType::Interface)
            .service_name(name)
            .subnet_ids(subnet)
            .security_group_ids(group)
            .private_dns_enabled(private_dns)
            .set_policy_document(policy.map(str::to_owned))
            .send()
            .await
            .expect("the endpoint is made");
        let endpoint = made.vpc_endpoint().expect("the endpoint");
        let interface = &endpoint.network_interface_ids()[0];
        let described = ec2
            .describe_network_interfaces()
            .network_interface_ids(interface);
        let described = described.send().await.expect("the interface is described");
        let address = described.network_interfaces()[0].private_ip_address();
        let address = address
            .and_then(|text| text.parse().ok())
            .expect("an address");
        (
            endpoint.vpc_endpoint_id().expect("its id").to_owned(),
            address,
        )
    }

    /// Switches the VPC's own resolver off.
    pub(crate) async fn without_dns(&self) {
        let off = AttributeBooleanValue::builder().value(false).build();
        let request = self.account.ec2().modify_vpc_attribute().vpc_id(&self.id);
        request
            .enable_dns_support(off)
            .send()
            .await
            .expect("switched off");
    }
}

fn permission(traffic: &str, peer: &str) -> IpPermission {
    let (protocol, port) = traffic.split_once(':').unwrap_or((traffic, ""));
    let builder = IpPermission::builder().ip_protocol(protocol);
    let builder = match port.parse() {
        Ok(port) => builder.from_port(port).to_port(port),
        Err(_) => builder,
    };
    match peer {
        group if group.starts_with("sg-") => {
            builder.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build())
        }
        v6 if v6.contains(':') => builder.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(v6).build()),
        v4 => builder.ip_ranges(IpRange::builder().cidr_ip(v4).build()),
    }
    .build()
}
