//! A fleet with a planted fault of every kind, as data: each member with what
//! is broken about it, what its log says, and what the function is to find.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;

use super::account::Account;
use super::events::Delivery;
use super::instances::Launch;
use super::logs;
use super::network::Vpc;
use super::roles::{policy, trusting_another_account, trusting_ec2};

/// One kind of instance of the fleet. Names stand for what is built once and
/// shared: subnets, groups and roles by their names in [`PlantedFleet::build`].
pub(crate) struct Member {
    pub name: &'static str,
    subnet: &'static str,
    group: &'static str,
    /// Role and instance profile; empty for none.
    role: &'static str,
    imds_off: bool,
    log: Log,
    pub find: Find,
}

/// What the log of a member says.
#[derive(Clone, Copy)]
enum Log {
    ImdsOff,
    NoCredentials,
    /// AccessDenied for reporting, as the role of the member.
    Denied,
    /// AccessDenied that blames an endpoint's policy.
    DeniedByEndpoint,
    /// A time-out of this service at a public address.
    Public(&'static str),
    /// A time-out of this service at its endpoint.
    Endpoint(&'static str),
    NoSuchHost,
}

/// What is to come out.
pub(crate) enum Find {
    /// This cause, proved, with these resources by their names in the fleet,
    /// and no other.
    Proved(&'static str, &'static [&'static str]),
    /// Nothing is proved.
    Nothing,
}

use Find::{Nothing, Proved};

const fn member(
    name: &'static str,
    [subnet, group, role]: [&'static str; 3],
    log: Log,
    find: Find,
) -> Member {
    Member {
        name,
        subnet,
        group,
        role,
        imds_off: false,
        log,
        find,
    }
}

/// A member whose metadata service is off.
const fn dark(name: &'static str, place: [&'static str; 3], log: Log, find: Find) -> Member {
    Member {
        imds_off: true,
        ..member(name, place, log, find)
    }
}

/// The fleet. Other members may be added, with what is built for them below.
#[rustfmt::skip]
pub(crate) const MEMBERS: &[Member] = &[
    dark("IMDS off", ["nat", "open", "Sound"], Log::ImdsOff, Proved("imds-disabled", &["itself"])),
    dark("IMDS off, no profile", ["nat", "open", ""], Log::ImdsOff, Proved("imds-disabled", &["itself"])),
    member("no profile", ["nat", "open", ""], Log::NoCredentials, Proved("no-instance-profile", &["itself"])),
    member("profile without role", ["nat", "open", "Empty"], Log::NoCredentials, Proved("stale-instance-profile", &["itself"])),
    member("role for another account", ["nat", "open", "Refusing"], Log::NoCredentials, Proved("role-not-assumable", &["Refusing"])),
    member("role without policy", ["nat", "open", "Bare"], Log::Denied, Proved("permission-missing", &["Bare"])),
    member("role denied by statement", ["nat", "open", "Denied"], Log::Denied, Proved("permission-missing", &["Denied"])),
    member("role bounded", ["nat", "open", "Bounded"], Log::Denied, Proved("permission-missing", &["Bounded"])),
    member("nothing out", ["nat", "shut", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["shut"])),
    member("only port 80 out", ["nat2", "http", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["http"])),
    member("only IPv6 out", ["nat3", "six", "Sound"], Log::Public("ssmmessages"), Proved("endpoint-unreachable", &["six"])),
    member("no route, main table", ["main", "open", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["main-table"])),
    member("no public address", ["igw", "open", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["igw-table"])),
    member("ACL, requests", ["acl-out", "open", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["acl-out-acl"])),
    member("ACL, answers", ["acl-back", "open", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["acl-back-acl"])),
    member("no route and nothing out", ["main2", "shut", "Sound"], Log::Public("ssm"), Proved("endpoint-unreachable", &["main-table", "shut"])),
    member("endpoint shut", ["inner", "inner-open", "Sound"], Log::Endpoint("ssmmessages"), Proved("endpoint-unreachable", &["ssmmessages-endpoint"])),
    member("endpoint without name", ["inner", "inner-open", "Sound"], Log::Public("ec2messages"), Proved("endpoint-unreachable", &["ec2messages-endpoint"])),
    member("endpoint's policy", ["strict", "strict-open", "Sound"], Log::DeniedByEndpoint, Proved("endpoint-policy-denies", &["strict-endpoint"])),
    member("no names", ["deaf", "deaf-open", "Sound"], Log::NoSuchHost, Proved("dns-failure", &["deaf-vpc"])),
    member("well, blames IMDS", ["nat", "open", "Sound"], Log::ImdsOff, Nothing),
    member("well, blames credentials", ["nat", "open", "Sound"], Log::NoCredentials, Nothing),
    member("well, blames its policies", ["nat", "open", "Sound"], Log::Denied, Nothing),
    member("well, blames the network", ["nat4", "open", "Sound"], Log::Public("ssm"), Nothing),
    member("well, blames an endpoint", ["inner", "inner-open", "Sound"], Log::Endpoint("ssm"), Nothing),
    member("well, blames names", ["nat", "open", "Sound"], Log::NoSuchHost, Nothing),
    member("policy on a condition", ["nat", "open", "Conditioned"], Log::Denied, Nothing),
];

/// Members beside the one whose endpoint for ssmmessages is shut, whose logs name
/// another one.
const BESIDE: [&str; 2] = ["endpoint without name", "well, blames an endpoint"];

impl Member {
    /// The cause that is proved where no log names the service.
    pub(crate) fn proved_by_id(&self) -> Option<&'static str> {
        match self.find {
            _ if BESIDE.contains(&self.name) => Some("endpoint-unreachable"),
            Proved(cause, _) => Some(cause),
            Nothing => None,
        }
    }

    /// How sure that cause is: of a path that is closed no log tells whether a proxy goes
    /// around it.
    pub(crate) fn confidence_by_id(&self) -> &'static str {
        match self.proved_by_id() {
            Some("endpoint-unreachable" | "dns-failure") => "likely",
            Some(_) => "confirmed",
            None => "undetermined",
        }
    }

    /// Whether a log and a look without one prove the same.
    pub(crate) fn is_proved_by_each_door(&self) -> bool {
        matches!(self.find, Proved(..)) && !BESIDE.contains(&self.name)
    }

    /// What is to blame where no log names the service, by its names in the fleet.
    pub(crate) fn blamed_by_id(&self) -> &'static [&'static str] {
        match self.find {
            _ if BESIDE.contains(&self.name) => &["ssmmessages-endpoint"],
            Proved(_, resources) => resources,
            Nothing => &[],
        }
    }
}

/// The fleet in an account, `copies` of each member.
pub(crate) struct PlantedFleet {
    /// Each instance with its place in [`MEMBERS`].
    pub instances: Vec<(String, usize)>,
    /// What was built, by name.
    pub names: BTreeMap<&'static str, String>,
    addresses: BTreeMap<&'static str, IpAddr>,
    account: String,
}

impl PlantedFleet {
    pub(crate) async fn build(account: &Account, copies: usize) -> Self {
        let mut fleet = Self {
            instances: Vec::new(),
            names: BTreeMap::new(),
            addresses: BTreeMap::new(),
            account: account.id.clone(),
        };
        fleet.roles(account).await;
        fleet.outer(account).await;
        fleet.inner(account).await;
        fleet.others(account).await;
        for (index, member) in MEMBERS.iter().enumerate() {
            for _ in 0..copies {
                let names = &fleet.names;
                let launch = Launch {
                    profile: (!member.role.is_empty()).then_some(member.role),
                    imds_off: member.imds_off,
                    network: Some((&names[member.subnet], &names[member.group])),
                    ..Launch::default()
                };
                let id = account.launch(launch).await;
                fleet.instances.push((id, index));
            }
        }
        fleet
    }

    async fn roles(&mut self, account: &Account) {
        let all = json!({"Effect": "Allow", "Action": ["ssm:*", "ssmmessages:*"], "Resource": "*"});
        let deny =
            json!({"Sid": "NoSsm", "Effect": "Deny", "Action": "ssm:Update*", "Resource": "*"});
        let conditioned = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "web"}}});
        let policies = [
            ("Sound", Some(json!([all]))),
            ("Refusing", Some(json!([all]))),
            ("Bare", None),
            ("Denied", Some(json!([all, deny]))),
            ("Bounded", Some(json!([all]))),
            ("Conditioned", Some(conditioned)),
        ];
        for (name, statements) in policies {
            let trust = match name {
                "Refusing" => trusting_another_account(),
                _ => trusting_ec2(),
            };
            account.role_with_profile(name, &trust, None).await;
            self.names.insert(name, name.to_owned());
            if let Some(statements) = statements {
                account.put_role_policy(name, statements).await;
            }
        }
        let lists = policy(json!([{"Effect": "Allow", "Action": "ssm:List*", "Resource": "*"}]));
        let iam = account.iam();
        let boundary = iam.create_policy().policy_name("Lists");
        let boundary = boundary.policy_document(lists.to_string()).send().await;
        let boundary = boundary.expect("the boundary is made");
        let arn = boundary
            .policy()
            .and_then(|policy| policy.arn())
            .expect("its ARN");
        let request = iam.put_role_permissions_boundary().role_name("Bounded");
        request
            .permissions_boundary(arn)
            .send()
            .await
            .expect("the role is bounded");
        account.profile("Empty").await;
    }

    /// A VPC whose ways lead out.
    async fn outer(&mut self, account: &Account) {
        let mut vpc = account.vpc(0).await;
        for name in ["nat", "nat2", "nat3", "nat4", "acl-out", "acl-back"] {
            let subnet = vpc.subnet().await;
            vpc.way_out(&subnet, true).await;
            self.names.insert(name, subnet);
        }
        let igw = vpc.subnet().await;
        self.names
            .insert("igw-table", vpc.way_out(&igw, false).await);
        self.names.insert("igw", igw);
        for name in ["main", "main2"] {
            self.names.insert(name, vpc.subnet().await);
        }
        self.names
            .insert("main-table", main_table(account, &vpc).await);
        let out = vpc
            .acl(
                &self.names["acl-out"],
                &["out deny 443", "out allow 0-65535", "in allow 0-65535"],
            )
            .await;
        self.names.insert("acl-out-acl", out);
        let back = vpc
            .acl(&self.names["acl-back"], &["out allow 443", "in allow 443"])
            .await;
        self.names.insert("acl-back-acl", back);
        for (name, rules) in [
            ("open", &["out -1 0.0.0.0/0"][..]),
            ("shut", &[]),
            ("http", &["out tcp:80 0.0.0.0/0"]),
            ("six", &["out -1 ::/0"]),
        ] {
            self.names.insert(name, vpc.group(name, rules).await);
        }
    }

    /// A VPC without a way out, with endpoints.
    async fn inner(&mut self, account: &Account) {
        let mut vpc = account.vpc(1).await;
        let (subnet, endpoints) = (vpc.subnet().await, vpc.subnet().await);
        let open = vpc
            .group(
                "inner-open",
                &["out tcp:443 10.1.0.0/16", "out tcp:443 0.0.0.0/0"],
            )
            .await;
        let to_vpc = vpc.group("to-vpc", &["in tcp:443 10.1.0.0/16"]).await;
        let by_group = vpc
            .group("by-group", &[&format!("in tcp:443 {open}")])
            .await;
        let shut = vpc.group("to-others", &["in tcp:443 10.9.0.0/16"]).await;
        self.names.extend([("inner", subnet), ("inner-open", open)]);
        for (service, group, private_dns) in [
            ("ssm", &by_group, true),
            ("ssmmessages", &shut, true),
            ("ec2messages", &to_vpc, false),
        ] {
            let (id, address) = vpc
                .endpoint(service, &endpoints, group, private_dns, None)
                .await;
            let name = match service {
                "ssm" => "ssm-endpoint",
                "ssmmessages" => "ssmmessages-endpoint",
                _ => "ec2messages-endpoint",
            };
            self.names.insert(name, id);
            self.addresses.insert(service, address);
        }
    }

    /// A VPC whose endpoint has a policy, and one that resolves no names.
    async fn others(&mut self, account: &Account) {
        let mut strict = account.vpc(2).await;
        let subnet = strict.subnet().await;
        let open = strict
            .group(
                "strict-open",
                &["out -1 0.0.0.0/0", "in tcp:443 10.2.0.0/16"],
            )
            .await;
        let lists = policy(json!({
            "Effect": "Allow", "Principal": "*", "Action": "ssm:List*", "Resource": "*"}));
        let policy = lists.to_string();
        let (endpoint, _) = strict
            .endpoint("ssm", &subnet, &open, true, Some(&policy))
            .await;
        self.names.extend([
            ("strict", subnet),
            ("strict-open", open),
            ("strict-endpoint", endpoint),
        ]);

        let mut deaf = account.vpc(3).await;
        let subnet = deaf.subnet().await;
        let open = deaf.group("deaf-open", &["out -1 0.0.0.0/0"]).await;
        deaf.without_dns().await;
        self.names.extend([
            ("deaf", subnet),
            ("deaf-open", open),
            ("deaf-vpc", deaf.id.clone()),
        ]);
    }

    /// What each instance has logged.
    pub(crate) fn deliveries(&self, account: &Account) -> Vec<Delivery> {
        let of = |(id, index): &(String, usize)| Delivery::new(account, id, &self.log(id, *index));
        self.instances.iter().map(of).collect()
    }

    pub(crate) fn log(&self, id: &str, index: usize) -> String {
        let member = &MEMBERS[index];
        let timed_out = |service: &str, at: &str| {
            format!(
                "2026-11-23 04:19:04.8131 ERROR [ssm-agent-worker] [HealthCheck] error when \
                 calling AWS APIs. error details - RequestError: send request failed\n\
                 caused by: Post \"https://{service}.us-east-1.amazonaws.com/\": dial tcp \
                 {at}:443: i/o timeout\n"
            )
        };
        let denied = |tail: &str| {
            let (account, role) = (&self.account, member.role);
            format!(
                "2024-11-04 10:05:29.6439 WARN EC2RoleProvider Failed to connect to Systems \
                 Manager with instance profile role credentials. Err: retrieved credentials failed \
                 to report to ssm. Error: AccessDeniedException: User: \
                 arn:aws:sts::{account}:assumed-role/{role}/{id} is not authorized to perform: \
                 ssm:UpdateInstanceInformation on resource: \
                 arn:aws:ec2:us-east-1:{account}:instance/{id}{tail}\n"
            )
        };
        match member.log {
            Log::ImdsOff => logs::IMDS_OFF.to_owned(),
            Log::NoCredentials => logs::ROLE_REFUSED.to_owned(),
            Log::Denied => denied(""),
            Log::DeniedByEndpoint => denied(
                " because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action",
            ),
            Log::Public(service) => timed_out(service, "52.94.5.5"),
            Log::Endpoint(service) => timed_out(service, &self.addresses[service].to_string()),
            Log::NoSuchHost => "2026-11-23 04:19:04.8131 ERROR [ssm-agent-worker] [HealthCheck] \
                 error when calling AWS APIs. error details - RequestError: send request failed\n\
                 caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp: lookup \
                 ssm.us-east-1.amazonaws.com on 10.3.0.2:53: no such host\n"
                .to_owned(),
        }
    }

    /// The members of these names only.
    pub(crate) fn deliveries_of(&self, account: &Account, names: &[&str]) -> Vec<Delivery> {
        let mut deliveries = self.deliveries(account);
        let mut indices = self.instances.iter().map(|(_, index)| *index);
        deliveries.retain(|_| {
            let index = indices.next().expect("one delivery for each instance");
            names.contains(&MEMBERS[index].name)
        });
        assert_eq!(deliveries.len(), names.len(), "{names:?}");
        deliveries
    }

    /// The first instance of the member of this name.
    pub(crate) fn instance(&self, name: &str) -> &str {
        let mut instances = self.instances.iter();
        let of_name = instances.find(|(_, index)| MEMBERS[*index].name == name);
        &of_name.expect("a member").0
    }

    /// The id or name of a resource that a member is to be blamed on.
    pub(crate) fn resource<'a>(&'a self, instance: &'a str, name: &str) -> &'a str {
        match name {
            "itself" => instance,
            name => &self.names[name],
        }
    }
}

async fn main_table(account: &Account, vpc: &Vpc<'_>) -> String {
    let tables = account
        .ec2()
        .describe_route_tables()
        .send()
        .await
        .expect("listed");
    let main = tables.route_tables().iter().find(|table| {
        let is_main = table
            .associations()
            .iter()
            .any(|one| one.main() == Some(true));
        table.vpc_id() == Some(&vpc.id) && is_main
    });
    let id = main.and_then(|table| table.route_table_id());
    id.expect("every VPC has a main table").to_owned()
}
