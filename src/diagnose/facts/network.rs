//! The network between an instance and a service, as EC2 describes it.

use std::net::IpAddr;

use ipnet::IpNet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `-1`: every protocol, every port.
    All,
    Tcp,
    Other,
}

impl Protocol {
    /// By name or number, as EC2 gives either.
    pub fn parse(text: &str) -> Self {
        match text {
            "-1" | "all" => Self::All,
            "6" | "tcp" => Self::Tcp,
            _ => Self::Other,
        }
    }
}

/// A range of ports, both ends within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub from: i32,
    pub to: i32,
}

impl Ports {
    pub const ALL: Self = Self {
        from: 0,
        to: 65_535,
    };

    /// EC2 writes "all ports" as -1 or leaves the range out.
    pub fn of(from: Option<i32>, to: Option<i32>) -> Self {
        match (from, to) {
            (Some(from), Some(to)) if from >= 0 && to >= 0 => Self { from, to },
            (Some(_) | None, Some(_) | None) => Self::ALL,
        }
    }

    pub fn contains(self, port: i32) -> bool {
        (self.from..=self.to).contains(&port)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct GroupFacts {
    pub id: String,
    pub ingress: Vec<GroupRule>,
    pub egress: Vec<GroupRule>,
}

/// A rule of a security group: it can only allow.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRule {
    pub protocol: Protocol,
    pub ports: Ports,
    pub peers: Vec<Peer>,
}

/// Whom a rule lets out to or in from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    Range(IpNet),
    /// Interfaces that have this security group.
    Group(String),
    /// Its addresses are not read.
    PrefixList(String),
    /// What could not be understood.
    Other(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct AclFacts {
    pub id: String,
    pub vpc: String,
    /// The subnets it stands before.
    pub subnets: Vec<String>,
    pub entries: Vec<AclEntry>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AclEntry {
    /// Entries apply in the order of their numbers; the first match decides.
    pub number: i32,
    pub egress: bool,
    pub allow: bool,
    pub protocol: Protocol,
    pub ports: Ports,
    /// `None` when EC2 gives no range that can be read.
    pub range: Option<IpNet>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RouteTableFacts {
    pub id: String,
    pub vpc: String,
    /// Used by the subnets that are associated with no table of their own.
    pub main: bool,
    /// The subnets that are associated with it by name.
    pub subnets: Vec<String>,
    pub routes: Vec<RouteFacts>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RouteFacts {
    pub destination: Destination,
    pub target: RouteTarget,
    /// The target is gone or cannot be used.
    pub blackhole: bool,
    /// By a virtual private gateway: a static route to the same destination
    /// wins ("Route priority").
    pub propagated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Range(IpNet),
    /// Its addresses are not read.
    PrefixList(String),
}

/// Where a route leads, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// Inside the VPC.
    Local,
    InternetGateway(String),
    NatGateway(String),
    EgressOnlyGateway(String),
    /// A gateway endpoint, as for S3.
    GatewayEndpoint(String),
    /// Transit gateway, peering, appliance …: what lies behind is not read.
    Opaque(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct EndpointFacts {
    pub id: String,
    pub vpc: String,
    /// `com.amazonaws.eu-central-1.ssm`.
    pub service: String,
    /// An interface endpoint, with addresses of its own.
    pub interface: bool,
    /// A gateway endpoint, to which a route by prefix list leads. Those that are
    /// neither carry traffic through an appliance.
    pub gateway: bool,
    /// The DNS names that lead to it, without a dot at the end.
    pub names: Vec<String>,
    /// `available`, `pending`, `failed` …
    pub state: String,
    pub private_dns: bool,
    pub groups: Vec<String>,
    pub interfaces: Vec<String>,
    /// The subnets that its interfaces are in.
    pub subnets: Vec<String>,
    pub policy: Option<String>,
}

impl EndpointFacts {
    pub fn is_available(&self) -> bool {
        self.state.eq_ignore_ascii_case("available")
    }
}

/// A network interface of an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceFacts {
    pub id: String,
    pub subnet: Option<String>,
    pub addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetFacts {
    pub id: String,
    /// The account that the subnet belongs to: another than the instance's
    /// where it is shared.
    pub owner: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct VpcFacts {
    pub id: String,
    /// `None` for the set that EC2 calls `default`.
    pub dhcp_options: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DhcpFacts {
    pub id: String,
    /// The DNS servers it hands out: `AmazonProvidedDNS` or addresses.
    pub name_servers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_are_written_in_several_ways() {
        for (from, to) in [(None, None), (Some(-1), Some(-1)), (Some(0), None)] {
            assert_eq!(Ports::of(from, to), Ports::ALL);
        }
        assert!(Ports::of(Some(400), Some(500)).contains(443));
        assert!(!Ports::of(Some(444), Some(500)).contains(443));
    }
}
