//! Fleets of broken nodes on one role and one subnet, and what AWS says of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::diagnose::facts::{
    Facts, Fetched, GroupFacts, ImdsFacts, InstanceFacts, NetworkPlace, ProfileFacts, ProfileRef,
    RegistrationFacts, RoleFacts, RouteTableFacts,
};
use ssm_agent_triage::diagnose::sweep::Listed;
use ssm_agent_triage::diagnose::{Home, Needs, diagnose};
use ssm_agent_triage::engine::Engine;
use ssm_agent_triage::incident::group::{Incident, group_into_incidents};
use ssm_agent_triage::node::{AccountId, InstanceId, NodeId, Region};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const REFUSED: &str = "2026-11-23 04:19:06.4322 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role MySSMRole.\n2026-11-23 04:19:06.4323 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: ec2 instance not yet registered with Systems Manager";
const TIMED_OUT: &str = "2026-11-23 04:19:06.4322 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 52.46.141.158:443: i/o timeout";

/// `nodes` instances: every other one refused by the trust policy of its role,
/// the others without a route to the service.
pub(crate) struct Fleet {
    ids: Vec<InstanceId>,
    facts: Facts,
    home: Home,
}

impl Fleet {
    pub(crate) fn new(nodes: usize) -> Self {
        let ids: Vec<InstanceId> = (0..nodes)
            .filter_map(|node| InstanceId::parse(&format!("i-{node:017x}")))
            .collect();
        let found = |text: &str| text.to_owned();
        let mut facts = Facts::default();
        for id in &ids {
            let instance = InstanceFacts {
                imds_defaults: None,
                id: id.clone(),
                state: found("running"),
                imds: Some(ImdsFacts {
                    endpoint_enabled: true,
                    tokens_required: true,
                    hop_limit: Some(2),
                    pending: false,
                }),
                profile: Some(ProfileRef {
                    name: found("MyProfile"),
                    arn: found("arn:aws:iam::123456789012:instance-profile/MyProfile"),
                    id: found("AIPAEXAMPLE"),
                }),
                tags: BTreeMap::new(),
                managed_by: None,
                launched_at: None,
                name: None,
                launch: Default::default(),
                vpc: Some(found("vpc-1")),
                subnet: Some(found("subnet-1")),
                network: NetworkPlace {
                    groups: vec![found("sg-1")],
                    ..NetworkPlace::default()
                },
            };
            facts.instances.insert(id.clone(), Fetched::Found(instance));
        }
        let role = RoleFacts {
            name: found("MySSMRole"),
            arn: found("arn:aws:iam::123456789012:role/MySSMRole"),
            path: found("/"),
            trust_policy: found(
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
            ),
            tags: Fetched::Found(BTreeMap::new()),
            boundary: None,
        };
        let profile = ProfileFacts {
            name: found("MyProfile"),
            id: found("AIPAEXAMPLE"),
            role: Some(role),
        };
        facts
            .profiles
            .insert(found("MyProfile"), Fetched::Found(profile));
        let table = RouteTableFacts {
            id: found("rtb-1"),
            vpc: found("vpc-1"),
            main: true,
            subnets: Vec::new(),
            routes: Vec::new(),
        };
        facts
            .route_tables
            .insert(found("vpc-1"), Fetched::Found(vec![table]));
        facts
            .endpoints
            .insert(found("vpc-1"), Fetched::Found(Vec::new()));
        facts
            .acls
            .insert(found("vpc-1"), Fetched::Found(Vec::new()));
        let group: Fetched<GroupFacts> = Fetched::Failed(found("The call was not made."));
        facts.groups.insert(found("sg-1"), group);
        let home = Home {
            account: AccountId::parse("123456789012"),
            region: Region::parse("us-east-1"),
        };
        Self { ids, facts, home }
    }

    /// One that Systems Manager has lost, and of which no log comes.
    pub(crate) fn lost(nodes: usize) -> Self {
        let mut fleet = Self::new(nodes);
        for one in fleet.registered() {
            let id = one.id.clone();
            fleet.facts.registrations.insert(id, Fetched::Found(one));
        }
        fleet
    }

    fn registered(&self) -> Vec<RegistrationFacts> {
        let lost = |id: &InstanceId| RegistrationFacts {
            id: NodeId::Instance(id.clone()),
            ping_status: "ConnectionLost".to_owned(),
            last_ping: Some(Timestamp::UNIX_EPOCH),
            agent_version: Some("3.3.987.0".to_owned()),
            name: None,
            source_type: None,
            activation: None,
        };
        self.ids.iter().map(lost).collect()
    }

    /// From what a sweep lists to the incidents.
    pub(crate) fn sweep(&self) -> Vec<Incident> {
        let (now, grace) = (Timestamp::UNIX_EPOCH + DAY, Duration::from_secs(900));
        let listed = Listed {
            registered: self.registered(),
            ..Listed::default()
        };
        let suspects = listed.suspects(&self.home, grace, now);
        let asked: Vec<_> = suspects.iter().map(|one| one.finding(now)).collect();
        assert!(!Needs::of(&asked, &self.home).is_empty(), "it looks");
        let diagnosed = suspects
            .iter()
            .filter_map(|one| one.diagnose(&self.facts, &self.home, grace, now).diagnosis);
        group_into_incidents(diagnosed.collect())
    }

    /// From the log of every node to the incidents.
    pub(crate) fn judge(&self, engine: &Engine) -> Vec<Incident> {
        let mut findings = Vec::new();
        for (index, id) in self.ids.iter().enumerate() {
            let text = if index % 2 == 0 { REFUSED } else { TIMED_OUT };
            let batch = Batch {
                source: Source {
                    account: self.home.account.clone(),
                    region: self.home.region.clone(),
                    log_group: "/ssm/agent".to_owned(),
                    log_stream: id.to_string(),
                    ..Source::default()
                },
                events: vec![Event {
                    id: Cow::Borrowed("1"),
                    at: None,
                    message: Cow::Borrowed(text),
                }],
            };
            findings.extend(
                engine
                    .analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH)
                    .findings,
            );
        }
        let needs = Needs::of(&findings, &self.home);
        assert!(
            !needs.is_empty() || self.ids.is_empty(),
            "a fault asks for a look"
        );
        group_into_incidents(diagnose(findings, &self.facts, &self.home))
    }
}

/// The most memory this process has held so far, where the system tells.
pub(crate) fn peak_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
