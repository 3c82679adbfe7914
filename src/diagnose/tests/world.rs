//! A small live state in which everything is right, to be broken by a test.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::cause::{Cause, Confidence};
use crate::diagnose::facts::{
    AclEntry, AclFacts, Destination, DhcpFacts, EndpointFacts, Facts, Fetched, GroupFacts,
    GroupRule, ImdsFacts, InstanceFacts, InterfaceFacts, KeyFacts, LaunchFacts, NetworkPlace, Peer,
    PolicyNames, Ports, ProfileFacts, ProfileRef, Protocol, RegistrationFacts, RoleFacts,
    RouteFacts, RouteTableFacts, RouteTarget, StatusFacts, SubnetFacts, VpcFacts,
};
use crate::finding::{ErrorDetails, Finding, SignatureCount};
use crate::node::{AccountId, IdSource, InstanceId, Node, NodeId, Region};

pub(crate) const TRUSTS_EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub(crate) const TRUSTS_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub(crate) const TRUSTS_ON_CONDITION: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}"#;

/// A node that pinged at `second(-60)`, with an agent that is new enough.
pub(crate) fn registration(id: &NodeId, status: &str) -> RegistrationFacts {
    RegistrationFacts {
        id: id.clone(),
        ping_status: status.to_owned(),
        last_ping: Some(second(-60)),
        agent_version: Some("3.3.4793.0".to_owned()),
        name: None,
        source_type: None,
        activation: None,
    }
}

/// `i-` and 17 digits.
pub(crate) fn instance_id(number: u32) -> InstanceId {
    InstanceId::parse(&format!("i-{number:017}")).expect("17 digits")
}

pub(crate) fn node(number: u32) -> Node {
    Node {
        id: NodeId::Instance(instance_id(number)),
        id_source: IdSource::Stream,
        account: AccountId::parse("111122223333"),
        region: Region::parse("eu-central-1"),
    }
}

pub(crate) fn instance(number: u32) -> InstanceFacts {
    InstanceFacts {
        imds_defaults: None,
        name: None,
        launch: LaunchFacts::default(),
        id: instance_id(number),
        state: "running".to_owned(),
        imds: Some(ImdsFacts {
            endpoint_enabled: true,
            tokens_required: true,
            hop_limit: Some(2),
            pending: false,
        }),
        profile: Some(ProfileRef {
            name: "Web".to_owned(),
            arn: "arn:aws:iam::111122223333:instance-profile/Web".to_owned(),
            id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
        }),
        tags: BTreeMap::new(),
        managed_by: None,
        launched_at: None,
        vpc: Some("vpc-1".to_owned()),
        subnet: Some("subnet-1".to_owned()),
        network: NetworkPlace {
            owner: Some("111122223333".to_owned()),
            addresses: vec![address("10.0.1.10")],
            public: false,
            groups: vec!["sg-1".to_owned()],
            more_interfaces: false,
        },
    }
}

/// All of EC2's checks pass.
pub(crate) fn status(id: &InstanceId) -> StatusFacts {
    StatusFacts {
        id: id.clone(),
        system: "ok".to_owned(),
        instance: "ok".to_owned(),
        volumes: Some("ok".to_owned()),
        events: Vec::new(),
    }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn role(trust_policy: &str) -> RoleFacts {
    RoleFacts {
        name: "MySSMRole".to_owned(),
        arn: "arn:aws:iam::111122223333:role/MySSMRole".to_owned(),
        path: "/".to_owned(),
        trust_policy: trust_policy.to_owned(),
        tags: Fetched::Found(BTreeMap::new()),
        boundary: None,
    }
}

pub(crate) fn session_key() -> KeyFacts {
    KeyFacts {
        arn: "arn:aws:kms:eu-central-1:111122223333:key/0a1b-2c".to_owned(),
        state: "Enabled".to_owned(),
        usage: "ENCRYPT_DECRYPT".to_owned(),
        spec: "SYMMETRIC_DEFAULT".to_owned(),
    }
}

pub(crate) fn profile() -> ProfileFacts {
    ProfileFacts {
        name: "Web".to_owned(),
        id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
        role: Some(role(TRUSTS_EC2)),
    }
}

/// One instance with its profile, as `change` leaves them, in a network and
/// with policies in which all is right.
pub(crate) fn world(change: impl FnOnce(&mut InstanceFacts, &mut ProfileFacts)) -> Facts {
    let (mut instance, mut profile) = (instance(1), profile());
    change(&mut instance, &mut profile);
    let mut facts = Facts {
        instances: BTreeMap::from([(instance_id(1), Fetched::Found(instance))]),
        profiles: BTreeMap::from([("Web".to_owned(), Fetched::Found(profile))]),
        ..Facts::default()
    };
    let id = instance_id(1);
    facts.statuses = [(id.clone(), Fetched::Found(status(&id)))].into();
    network(&mut facts);
    facts.simulations = one("MySSMRole", Fetched::Failed("not allowed".to_owned()));
    facts.policy_names = found(
        "MySSMRole",
        PolicyNames {
            attached: vec![CORE.to_owned()],
            inline: Vec::new(),
        },
    );
    facts.managed_policies = found(CORE, CORE_DOCUMENT.to_owned());
    facts
}

pub(crate) const CORE: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
const CORE_DOCUMENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:ListAssociations","ssm:ListInstanceAssociations","ssm:UpdateInstanceInformation"],"Resource":"*"},{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"}]}"#;

/// A private subnet with a NAT gateway, a security group that lets everything
/// out, the default network ACL, no endpoint, and the VPC's own resolver.
fn network(facts: &mut Facts) {
    facts.groups = found("sg-1", group("sg-1", &[], &["-1 0.0.0.0/0"]));
    let entry = |egress| AclEntry {
        number: 100,
        egress,
        allow: true,
        protocol: Protocol::All,
        ports: Ports::ALL,
        range: "0.0.0.0/0".parse().ok(),
    };
    facts.acls = found(
        "vpc-1",
        vec![AclFacts {
            id: "acl-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnets: vec!["subnet-1".to_owned()],
            entries: vec![entry(true), entry(false)],
        }],
    );
    facts.route_tables = found(
        "vpc-1",
        vec![table(
            true,
            &[("10.0.0.0/16", RouteTarget::Local), ("0.0.0.0/0", nat())],
        )],
    );
    facts.endpoints = found("vpc-1", Vec::new());
    facts.subnets = found(
        "subnet-1",
        SubnetFacts {
            id: "subnet-1".to_owned(),
            owner: "111122223333".to_owned(),
        },
    );
    facts.vpcs = found(
        "vpc-1",
        VpcFacts {
            id: "vpc-1".to_owned(),
            dhcp_options: Some("dopt-1".to_owned()),
        },
    );
    facts.dhcp_options = found(
        "dopt-1",
        DhcpFacts {
            id: "dopt-1".to_owned(),
            name_servers: vec!["AmazonProvidedDNS".to_owned()],
        },
    );
    facts.dns_support = found("vpc-1", true);
    facts.dns_hostnames = found("vpc-1", true);
}

pub(crate) fn one<T>(id: &str, read: Fetched<T>) -> BTreeMap<String, Fetched<T>> {
    BTreeMap::from([(id.to_owned(), read)])
}

pub(crate) fn found<T>(id: &str, value: T) -> BTreeMap<String, Fetched<T>> {
    one(id, Fetched::Found(value))
}

pub(crate) fn nat() -> RouteTarget {
    RouteTarget::NatGateway("nat-1".to_owned())
}

/// Rules as `PROTOCOL[:PORT] PEER`.
pub(crate) fn group(id: &str, ingress: &[&str], egress: &[&str]) -> GroupFacts {
    let rule = |text: &&str| {
        let (traffic, peer) = text.split_once(' ').expect("a peer");
        let (protocol, port) = match traffic.split_once(':') {
            Some((protocol, port)) => (protocol, Some(port.parse().expect("a port"))),
            None => (traffic, None),
        };
        GroupRule {
            protocol: Protocol::parse(protocol),
            ports: Ports::of(port, port),
            peers: vec![match peer.parse() {
                Ok(range) => Peer::Range(range),
                Err(_) if peer.starts_with("pl-") => Peer::PrefixList(peer.to_owned()),
                Err(_) => Peer::Group(peer.to_owned()),
            }],
        }
    };
    GroupFacts {
        id: id.to_owned(),
        ingress: ingress.iter().map(rule).collect(),
        egress: egress.iter().map(rule).collect(),
    }
}

/// The route table `rtb-1`, of `subnet-1` or the main one.
pub(crate) fn table(main: bool, routes: &[(&str, RouteTarget)]) -> RouteTableFacts {
    let subnets = if main {
        vec![]
    } else {
        vec!["subnet-1".to_owned()]
    };
    let route = |(range, target): &(&str, RouteTarget)| RouteFacts {
        destination: match range.parse() {
            Ok(range) => Destination::Range(range),
            Err(_) => Destination::PrefixList((*range).to_owned()),
        },
        target: target.clone(),
        blackhole: false,
        propagated: false,
    };
    RouteTableFacts {
        id: "rtb-1".to_owned(),
        vpc: "vpc-1".to_owned(),
        main,
        subnets,
        routes: routes.iter().map(route).collect(),
    }
}

/// An available interface endpoint for ssm with private DNS, in another subnet
/// at 10.0.2.5, with the security group `sg-endpoint`.
pub(crate) fn endpoint(id: &str) -> EndpointFacts {
    EndpointFacts {
        id: id.to_owned(),
        vpc: "vpc-1".to_owned(),
        service: "com.amazonaws.eu-central-1.ssm".to_owned(),
        interface: true,
        gateway: false,
        names: Vec::new(),
        state: "available".to_owned(),
        private_dns: true,
        groups: vec!["sg-endpoint".to_owned()],
        interfaces: vec![format!("eni-{id}")],
        subnets: vec!["subnet-2".to_owned()],
        policy: Some(
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#
                .to_owned(),
        ),
    }
}

pub(crate) fn interface(endpoint: &str, at: &str, subnet: &str) -> InterfaceFacts {
    InterfaceFacts {
        id: format!("eni-{endpoint}"),
        subnet: Some(subnet.to_owned()),
        addresses: vec![address(at)],
    }
}

/// The world with the endpoint, as `change` leaves it.
pub(crate) fn world_with_endpoint(change: impl FnOnce(&mut Facts, &mut EndpointFacts)) -> Facts {
    let mut facts = world(|_, _| {});
    let mut endpoint = endpoint("vpce-1");
    facts.interfaces = found("eni-vpce-1", interface("vpce-1", "10.0.2.5", "subnet-2"));
    let own = group("sg-endpoint", &["tcp:443 10.0.0.0/16"], &[]);
    facts
        .groups
        .insert("sg-endpoint".to_owned(), Fetched::Found(own));
    change(&mut facts, &mut endpoint);
    facts.endpoints = found("vpc-1", vec![endpoint]);
    facts
}

pub(crate) fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number).expect("within range")
}

pub(crate) fn finding(number: u32, candidates: &[Cause], confidence: Confidence) -> Finding {
    Finding {
        node: node(number),
        candidates: candidates.to_vec(),
        confidence,
        severity: candidates[0].severity(),
        error_details: ErrorDetails::default(),
        evidence: Vec::new(),
        signatures: vec![SignatureCount {
            id: "some-signature".into(),
            count: 1,
            first: second(0),
            last: second(1),
        }],
        first: second(0),
        last: second(1),
        retry_in_seconds: None,
        fresh: true,
    }
}
