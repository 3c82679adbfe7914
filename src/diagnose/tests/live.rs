#![cfg(feature = "aws")]

mod few_calls;
mod recent;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;

use super::world::{
    CORE, finding, found, group, instance, instance_id, profile, registration, role, second,
    status, world, world_with_endpoint,
};
use crate::cause::{Cause, Confidence};
use crate::diagnose::CHECKS;
use crate::diagnose::call_error::CallError;
use crate::diagnose::check::CheckStatus;
use crate::diagnose::facts::{
    AclFacts, ActivationFacts, ConsoleFacts, Decision, DhcpFacts, EndpointFacts, Facts, Fetched,
    GroupFacts, ImdsDefaults, InstanceFacts, InterfaceFacts, RegistrationFacts, RoleFacts,
    RouteTableFacts, SimulatedAction, StatusFacts, SubnetFacts, VpcFacts,
};
use crate::diagnose::live::*;
use crate::diagnose::{Home, Needs, diagnose};
use crate::finding::Finding;
use crate::node::{InstanceId, NodeId, Region};

/// Answers as a fleet of one profile and subnet would, and notes what it was
/// asked.
struct Fleet {
    world: Facts,
    unknown: Vec<InstanceId>,
    /// Calls that are denied.
    denied: Vec<&'static str>,
    /// Calls that never answer.
    silent: &'static [&'static str],
    /// How long each call takes.
    pace: Duration,
    /// What sets an instance apart from the others, by its number.
    shape: fn(u32, &mut InstanceFacts),
    /// The instances up to this number are lost.
    lost: u32,
    /// The document with the preferences of Session Manager.
    preferences: &'static str,
    asked: Mutex<Vec<String>>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            world: world_with_endpoint(|_, _| {}),
            unknown: Vec::new(),
            denied: Vec::new(),
            silent: &[],
            pace: Duration::ZERO,
            shape: |_, _| {},
            lost: 0,
            preferences: "{}",
            asked: Mutex::default(),
        }
    }
}

impl Fleet {
    async fn answer(&self, call: &'static str, about: &str) -> Result<(), CallError> {
        self.asked
            .lock()
            .expect("no call panics")
            .push(format!("{call} {about}"));
        if self.silent.contains(&call) {
            std::future::pending::<()>().await;
        }
        if !self.pace.is_zero() {
            tokio::time::sleep(self.pace).await;
        }
        if self.denied.contains(&call) {
            return Err(CallError::Denied {
                call,
                code: "AccessDenied".to_owned(),
                message: "Not yours.".to_owned(),
            });
        }
        Ok(())
    }

    fn registered(&self, id: NodeId) -> RegistrationFacts {
        let is_lost = number(id.as_str()) <= self.lost;
        let status = if is_lost { "ConnectionLost" } else { "Online" };
        RegistrationFacts {
            last_ping: Some(second(if is_lost { -7_200 } else { -600 })),
            activation: matches!(id, NodeId::Hybrid(_)).then(|| "a-1".to_owned()),
            ..registration(&id, status)
        }
    }

    /// What was asked, sorted: reads run side by side.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("no call panics").clone();
        asked.sort();
        asked
    }
}

/// The role that a profile of this name holds; several have none of their own.
fn role_of(name: &str, trust_policy: &str) -> RoleFacts {
    let own = role(trust_policy);
    match name.starts_with("Role") {
        true => RoleFacts {
            name: name.to_owned(),
            arn: format!("arn:aws:iam::111122223333:role/{name}"),
            ..own
        },
        false => own,
    }
}

/// The number of an instance of [`instance_id`], or of a hybrid node alike.
fn number(id: &str) -> u32 {
    id.trim_start_matches(['m', 'i', '-'])
        .parse()
        .expect("digits")
}

fn of<T: Clone>(read: &BTreeMap<String, Fetched<T>>, ids: &[String]) -> Vec<T> {
    let found = ids.iter().filter_map(|id| read.get(id)?.found());
    found.cloned().collect()
}

fn lists<T: Clone>(read: &BTreeMap<String, Fetched<Vec<T>>>, ids: &[String]) -> Vec<T> {
    of(read, ids).into_iter().flatten().collect()
}

/// How the fleet answers a call about what the pattern names, and what it notes
/// of it.
macro_rules! answers {
    ($($call:ty, $pattern:pat => |$fleet:ident| $about:expr, $answer:expr;)+) => {$(
        impl Reads<$call> for Fleet {
            async fn read(&self, $pattern: &$call) -> Result<<$call as Call>::Answer, CallError> {
                let $fleet = self;
                $fleet.answer(<$call>::NAME, &$about).await?;
                Ok($answer)
            }
        }
    )+};
}

answers! {
    List<InstanceFacts>, List(ids) => |fleet| ids.len().to_string(), {
        let known = ids.iter().filter(|id| !fleet.unknown.contains(id));
        let of = |id: &InstanceId| {
            let mut of = InstanceFacts { imds_defaults: None, id: id.clone(), ..instance(1) };
            (fleet.shape)(number(id.as_str()), &mut of);
            of
        };
        known.map(of).collect()
    };
    List<GroupFacts>, List(ids) => |fleet| ids.join(","), of(&fleet.world.groups, ids);
    List<AclFacts>, List(vpcs) => |fleet| vpcs.join(","), lists(&fleet.world.acls, vpcs);
    List<RouteTableFacts>, List(vpcs) => |fleet| vpcs.join(","), lists(&fleet.world.route_tables, vpcs);
    List<EndpointFacts>, List(vpcs) => |fleet| vpcs.join(","), lists(&fleet.world.endpoints, vpcs);
    List<InterfaceFacts>, List(ids) => |fleet| ids.join(","), of(&fleet.world.interfaces, ids);
    List<SubnetFacts>, List(ids) => |fleet| ids.join(","), of(&fleet.world.subnets, ids);
    List<VpcFacts>, List(ids) => |fleet| ids.join(","), of(&fleet.world.vpcs, ids);
    List<DhcpFacts>, List(ids) => |fleet| ids.join(","), of(&fleet.world.dhcp_options, ids);
    List<RegistrationFacts>, List(ids) => |fleet| ids.len().to_string(), {
        ids.iter().map(|id| fleet.registered(id.clone())).collect()
    };
    List<StatusFacts>, List(ids) => |fleet| ids.len().to_string(), {
        ids.iter().map(status).collect()
    };
    List<ActivationFacts>, List(ids) => |fleet| ids.join(","), {
        let sound = ids.iter().map(|id| ActivationFacts {
            id: id.clone(),
            expired: false,
            expires: None,
            limit: 5,
            used: 1,
        });
        sound.collect()
    };
    GetConsoleOutput, GetConsoleOutput(id, _) => |fleet| id.to_string(), ConsoleFacts {
        text: "login:".to_owned(),
        at: None,
    };
    GetDocument, GetDocument(name) => |fleet| name, fleet.preferences.to_owned();
    DescribeKey, DescribeKey(key) => |fleet| key, super::world::session_key();
    GetBucketEncryption, GetBucketEncryption(bucket) => |fleet| bucket, true;
    DescribeLogGroups, DescribeLogGroups(group) => |fleet| group, true;
    DescribeLaunchTemplateVersions, DescribeLaunchTemplateVersions((template, version)) =>
        |fleet| format!("{template} {version}"), None;
    GetInstanceMetadataDefaults, _ => |fleet| "", ImdsDefaults {
        endpoint_enabled: Some(false),
        tokens_enforced: false,
        declared: false,
        exception_message: None,
    };
    GetInstanceProfile, GetInstanceProfile(name) => |fleet| name, {
        let mut profile = profile();
        profile.role = Some(RoleFacts {
            tags: Fetched::Failed("not in this answer".to_owned()),
            ..role_of(name, super::world::TRUSTS_LAMBDA)
        });
        profile
    };
    GetRole, GetRole(name) => |fleet| name, role_of(name, super::world::TRUSTS_EC2);
    SimulatePrincipalPolicy, SimulatePrincipalPolicy(role_arn, asked) =>
        |fleet| {
            let on: BTreeSet<&str> = asked.iter().map(|(_, resource)| resource.as_str()).collect();
            format!("{role_arn} on {}", on.into_iter().collect::<Vec<_>>().join(", "))
        },
        {
            let allowed = asked.iter().map(|(action, resource)| SimulatedAction {
                action: (*action).to_owned(),
                resource: resource.clone(),
                decision: Decision::Allowed,
                policies: Vec::new(),
                lacks_context: false,
                boundary_allows: None,
                organization_allows: None,
            });
            allowed.collect()
        };
    ListAttachedRolePolicies, ListAttachedRolePolicies(role) => |fleet| role, vec![CORE.to_owned()];
    ListRolePolicies, ListRolePolicies(role) => |fleet| role, vec!["Own".to_owned()];
    GetRolePolicy, GetRolePolicy((role, name)) => |fleet| format!("{role} {name}"),
        r#"{"Statement":{"Effect":"Allow","Action":["kms:*","s3:*","logs:*"],"Resource":"*"}}"#.to_owned();
    GetPolicyVersion, GetPolicyVersion(arn) => |fleet| arn, {
        fleet.answer("GetPolicy", arn).await?;
        let document = fleet.world.managed_policies.get(arn).and_then(Fetched::found);
        document.cloned().unwrap_or_default()
    };
    DescribeVpcAttribute, DescribeVpcAttribute(vpc, attribute) =>
        |fleet| format!("{vpc} {attribute:?}"), true;
    GetServiceSetting, GetServiceSetting(id) => |fleet| id, "service-role/Dhmc".to_owned();
}

/// Every cause that a check looks into, of each of `count` nodes.
fn all_of(count: u32) -> Vec<Finding> {
    let causes = Cause::ALL.iter().copied();
    let checked: Vec<Cause> = causes
        .filter(|cause| CHECKS.iter().any(|check| check.is_for(&[*cause])))
        .collect();
    let of_node = |number| {
        let mut finding = finding(number, &checked, Confidence::Undetermined);
        finding.error_details.service = Some("ssm".to_owned());
        finding.error_details.action = Some("ssm:UpdateInstanceInformation".to_owned());
        finding
    };
    (1..=count).map(of_node).collect()
}

fn home() -> Home {
    Home {
        account: None,
        region: Region::parse("eu-central-1"),
    }
}

fn read_from(fleet: &Arc<Fleet>, findings: &[Finding], budget: Duration) -> Facts {
    let needs = Needs::of(findings, &home());
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async {
            let (reads, began) = (Arc::clone(fleet), Instant::now());
            let recent = Arc::new(Recent::new(reads, Arc::default(), began, Duration::ZERO));
            read(&needs, &recent, began + budget).await
        })
}

const ENOUGH: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn calls_grow_with_what_is_shared_and_not_with_nodes() {
    let of_one = [
        "DescribeDhcpOptions dopt-1",
        "DescribeInstanceInformation 1",
        "DescribeInstanceStatus 1",
        "DescribeInstances 1",
        "DescribeNetworkAcls vpc-1",
        "DescribeNetworkInterfaces eni-vpce-1",
        "DescribeRouteTables vpc-1",
        "DescribeSecurityGroups sg-1,sg-endpoint",
        "DescribeSubnets subnet-1",
        "DescribeVpcAttribute vpc-1 DnsHostnames",
        "DescribeVpcAttribute vpc-1 DnsSupport",
        "DescribeVpcEndpoints vpc-1",
        "DescribeVpcs vpc-1",
        "GetDocument SSM-SessionManagerRunShell",
        "GetInstanceProfile Web",
        "GetRole Dhmc",
        "GetRole MySSMRole",
        "GetServiceSetting /ssm/managed-instance/default-ec2-instance-management-role",
        "SimulatePrincipalPolicy arn:aws:iam::111122223333:role/MySSMRole on \
         arn:aws:ec2:eu-central-1:111122223333:instance/i-00000000000000001, \
         arn:aws:ssm:eu-central-1:111122223333:*, \
         arn:aws:ssmmessages:eu-central-1:111122223333:*",
    ];
    let fleet = Arc::new(Fleet::default());
    read_from(&fleet, &all_of(1), ENOUGH);
    assert_eq!(fleet.asked(), of_one);

    let fleet = Arc::new(Fleet {
        unknown: vec![instance_id(7)],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(450), ENOUGH);
    // Three lists of at most 200 instances, nine of at most 50 nodes, five of at most 100
    // statuses.
    assert_eq!(fleet.asked().len(), of_one.len() + 2 + 8 + 4);
    assert_eq!(facts.instances.len(), 450);
    assert_eq!(
        facts.instances.get(&instance_id(7)),
        Some(&Fetched::Missing)
    );
    let found = facts.instances.values();
    assert_eq!(
        found.filter(|i| matches!(i, Fetched::Found(_))).count(),
        449
    );
    assert_eq!(facts.registrations.len(), 450);
    // What GetRole says stands in the place of what the profile said.
    let profile = facts.profiles.get("Web").and_then(Fetched::found);
    let role = profile.and_then(|profile| profile.role.as_ref());
    assert_eq!(role, Some(&self::role(super::world::TRUSTS_EC2)));
}

#[test]
fn a_denied_call_is_a_fact_that_says_so() {
    let fleet = Arc::new(Fleet {
        denied: vec!["GetRole"],
        ..Fleet::default()
    });
    let facts = read_from(&fleet, &all_of(1), ENOUGH);
    let denied = "GetRole was denied (AccessDenied): Not yours";
    let Some(Fetched::Found(profile)) = facts.profiles.get("Web") else {
        panic!("the profile was read");
    };
    let role = profile.role.as_ref().expect("it holds one");
    assert_eq!(role.tags, Fetched::Failed(denied.to_owned()));
    assert_eq!(role.trust_policy, super::world::TRUSTS_LAMBDA);

    let fleet = Arc::new(Fleet {
        denied: vec!["DescribeInstances"],
        ..Fleet::default()
    });
    let imds = |number| finding(number, &[Cause::ImdsDisabled], Confidence::Likely);
    let facts = read_from(&fleet, &[imds(1), imds(2)], ENOUGH);
    let denied = "DescribeInstances was denied (AccessDenied): Not yours".to_owned();
    let expected = [1, 2].map(|n| (instance_id(n), Fetched::Failed(denied.clone())));
    assert_eq!(facts.instances, BTreeMap::from(expected));
    assert_eq!(
        fleet.asked(),
        ["DescribeInstanceInformation 2", "DescribeInstances 2"]
    );
}

/// The simulator aside, whose answer the role's policies can stand in for,
/// each action decides those checks that declare it, and no other.
#[test]
fn without_one_action_only_the_checks_that_need_it_are_unknown() {
    let unknown_in = |world: Facts, denied: &[&'static str]| -> BTreeSet<&'static str> {
        let fleet = Arc::new(Fleet {
            world,
            denied: denied.to_vec(),
            preferences: super::session_preferences::ALL,
            // The console of what reports is not read, nor for what does not what sessions ask for.
            lost: 1,
            ..Fleet::default()
        });
        let mut findings = all_of(3);
        findings[1].node.id = NodeId::parse("mi-00000000000000002").expect("an id");
        let facts = read_from(&fleet, &findings, ENOUGH);
        let verdicts = diagnose(findings, &facts, &home());
        let checks = verdicts.into_iter().flat_map(|verdict| verdict.checks);
        checks
            .filter(|result| result.status == CheckStatus::Unknown)
            .map(|result| result.check)
            .collect()
    };
    // Once the way leads to an endpoint whose addresses decide, once to public addresses.
    let unknown = |denied: Vec<&'static str>| {
        let to_endpoint = world_with_endpoint(|facts, _| {
            facts
                .groups
                .extend(found("sg-1", group("sg-1", &[], &["tcp:443 10.0.2.0/24"])));
        });
        let mut unknown = unknown_in(to_endpoint, &denied);
        unknown.extend(unknown_in(world(|_, _| {}), &denied));
        unknown
    };
    assert_eq!(unknown(Vec::new()), BTreeSet::new());
    let actions: BTreeSet<&'static str> = CHECKS.iter().flat_map(|check| check.actions()).collect();
    let no_simulator = "SimulatePrincipalPolicy";
    assert_eq!(unknown(vec![no_simulator]), BTreeSet::new());
    for action in actions {
        let (_, call) = action.split_once(':').expect("a service");
        let call = match call {
            "GetEncryptionConfiguration" => "GetBucketEncryption",
            call => call,
        };
        // The defaults of the account and the launch template say more of an endpoint that
        // is off and change no status.
        if [
            no_simulator,
            "GetInstanceMetadataDefaults",
            "DescribeLaunchTemplateVersions",
        ]
        .contains(&call)
        {
            continue;
        }
        let declaring: BTreeSet<&str> = CHECKS
            .iter()
            .filter(|check| check.actions().any(|declared| declared == action))
            .map(|check| check.name)
            .collect();
        let found = unknown(vec![no_simulator, call]);
        assert!(found.is_subset(&declaring), "{action}: {found:?}");
        assert!(!found.is_empty(), "{action} is read in vain");
        let needing = CHECKS.iter().filter(|check| {
            let mut needs = check.needs.iter().flat_map(|ask| ask.actions());
            needs.any(|needed| *needed == action)
        });
        let needing: BTreeSet<&str> = needing.map(|check| check.name).collect();
        assert!(!found.is_disjoint(&needing), "{action}: {found:?}");
    }
}

#[test]
fn time_that_is_up_ends_the_reading_and_keeps_what_was_read() {
    let fleet = Arc::new(Fleet {
        silent: &["GetInstanceProfile"],
        ..Fleet::default()
    });
    let trust = finding(1, &[Cause::RoleNotAssumable], Confidence::Likely);
    let facts = read_from(&fleet, &[trust], SHORT);
    assert!(matches!(
        facts.instances.get(&instance_id(1)),
        Some(Fetched::Found(_))
    ));
    assert_eq!(
        facts.profiles.get("Web"),
        Some(&Fetched::Failed("the time for checks was up".to_owned()))
    );
    assert_eq!(
        fleet.asked(),
        [
            "DescribeInstanceInformation 1",
            "DescribeInstances 1",
            "GetInstanceProfile Web"
        ]
    );
}

#[test]
fn a_thousand_nodes_stay_within_a_short_deadline_and_say_what_is_unknown() {
    let fleet = Arc::new(Fleet {
        silent: &["DescribeRouteTables", "DescribeInstanceInformation"],
        pace: Duration::from_millis(1),
        ..Fleet::default()
    });
    let findings = all_of(1000);
    let budget = Duration::from_millis(500);
    let begun = Clock::now();
    let facts = read_from(&fleet, &findings, budget);
    assert!(
        begun.elapsed() >= budget,
        "it waits for what may still come"
    );
    let verdicts = diagnose(findings, &facts, &home());
    assert_eq!(verdicts.len(), 1000);
    for verdict in verdicts {
        let late: Vec<&str> = verdict
            .checks
            .iter()
            .filter(|result| result.note.contains("the time for checks was up"))
            .map(|result| result.check)
            .collect();
        assert!(late.contains(&"ssm-registration"), "{late:?}");
        for result in &verdict.checks {
            assert!(
                result.status != CheckStatus::Failed,
                "{} {}",
                result.check,
                result.note
            );
        }
    }
}
