//! What is wrong with the fleet, when, and what live state and the agents' logs show
//! of it.

use std::collections::BTreeMap;

use super::clock;
use crate::cause::Cause;
use crate::diagnose::facts::{
    Facts, Fetched, ImdsFacts, InstanceFacts, LaunchFacts, NetworkPlace, ProfileFacts, ProfileRef,
    RoleFacts,
};
use crate::diagnose::tests::world::{TRUSTS_EC2, TRUSTS_LAMBDA};
use crate::node::InstanceId;
use crate::repair::repairs::REPAIR_TAG_KEY;

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const REGION: &str = "eu-central-1";

const MINUTE: i64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// EC2 may not assume the role of its nodes: a check confirms it, and a write puts
    /// it right.
    Role,
    /// The metadata endpoint of each of its nodes is off: the same, node by node.
    Imds,
    /// The proxy of its nodes is gone, which no check sees.
    Proxy,
    /// The way to an endpoint is gone, which no check sees here.
    Endpoint,
    /// Systems Manager throttles the account.
    Throttling,
}

impl Kind {
    pub(super) fn cause(self) -> Cause {
        match self {
            Self::Role => Cause::RoleNotAssumable,
            Self::Imds => Cause::ImdsDisabled,
            Self::Proxy => Cause::ProxyFailure,
            Self::Endpoint => Cause::EndpointUnreachable,
            Self::Throttling => Cause::Throttled,
        }
    }

    /// Whether many nodes that have it are one incident from the first on.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Role | Self::Throttling)
    }

    pub(super) fn is_repairable(self) -> bool {
        matches!(self, Self::Role | Self::Imds)
    }
}

/// One thing that goes wrong, by the script.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub kind: Kind,
    /// The numbers of the nodes that it hits.
    pub nodes: Vec<usize>,
    pub from: i64,
    /// When somebody puts it right, unless this function did.
    pub until: i64,
    /// It comes and goes: so long it is there, and so long it is not.
    pub period: Option<i64>,
    /// Its owner lets this function repair it.
    pub tagged: bool,
}

impl Fault {
    /// The role of its nodes.
    fn role(place: usize) -> String {
        format!("role-{place}")
    }

    fn is_scripted(&self, at: i64) -> bool {
        let phase = |period: i64| (at - self.from) / period % 2 == 0;
        self.from <= at && at < self.until && self.period.is_none_or(phase)
    }
}

/// The fleet, and what was written to it.
#[derive(Debug, Default)]
pub(super) struct World {
    pub faults: Vec<Fault>,
    /// By node, the place of its fault.
    pub faulty: BTreeMap<usize, usize>,
    /// By what was repaired, when, and with what trust policy.
    pub repaired: BTreeMap<String, (i64, String)>,
}

impl World {
    /// Whether the node has its fault at `at`.
    pub(super) fn is_broken(&self, node: usize, at: i64) -> bool {
        let Some(place) = self.faulty.get(&node) else {
            return false;
        };
        let fault = &self.faults[*place];
        let target = match fault.kind {
            Kind::Role => Fault::role(*place),
            _ => name(node),
        };
        let repaired = self.repaired.get(&target);
        fault.is_scripted(at) && repaired.is_none_or(|(repaired, _)| at < *repaired)
    }

    pub(super) fn facts(&self, nodes: impl Iterator<Item = usize>) -> Facts {
        let mut facts = Facts::default();
        for node in nodes {
            let (instance, profile) = self.look(node);
            let name = profile.name.clone();
            facts
                .instances
                .insert(instance.id.clone(), Fetched::Found(instance));
            facts.profiles.insert(name, Fetched::Found(profile));
        }
        facts
    }

    /// What live state shows of a node at this moment.
    pub(super) fn look(&self, node: usize) -> (InstanceFacts, ProfileFacts) {
        let fault = self.faulty.get(&node);
        let broken = self.is_broken(node, clock::millis());
        let (kind, tagged) = fault.map_or((None, false), |place| {
            let fault = &self.faults[*place];
            (Some(fault.kind), fault.tagged)
        });
        let tags: BTreeMap<String, String> = tagged
            .then(|| (REPAIR_TAG_KEY.to_owned(), "allow".to_owned()))
            .into_iter()
            .collect();
        let role = fault.map_or_else(|| "role-of-all".to_owned(), |place| Fault::role(*place));
        let repaired = self.repaired.get(&role);
        let profile = ProfileFacts {
            name: role.clone(),
            id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
            role: Some(RoleFacts {
                arn: format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
                name: role.clone(),
                path: "/".to_owned(),
                trust_policy: match (broken && kind == Some(Kind::Role), repaired) {
                    (true, _) => TRUSTS_LAMBDA.to_owned(),
                    (false, Some((_, policy))) => policy.clone(),
                    (false, None) => TRUSTS_EC2.to_owned(),
                },
                tags: Fetched::Found(tags.clone()),
                boundary: None,
            }),
        };
        let instance = InstanceFacts {
            imds_defaults: None,
            name: None,
            launch: LaunchFacts::default(),
            id: InstanceId::parse(&name(node)).expect("an instance id"),
            state: "running".to_owned(),
            imds: Some(ImdsFacts {
                endpoint_enabled: !(broken && kind == Some(Kind::Imds)),
                tokens_required: true,
                hop_limit: Some(2),
                pending: false,
            }),
            profile: Some(ProfileRef {
                name: role.clone(),
                arn: format!("arn:aws:iam::{ACCOUNT}:instance-profile/{role}"),
                id: profile.id.clone(),
            }),
            tags,
            managed_by: None,
            launched_at: None,
            vpc: None,
            subnet: None,
            network: NetworkPlace::default(),
        };
        (instance, profile)
    }

    /// The records that the agent of `node` writes at `at`: of its fault, or that it
    /// works.
    pub(super) fn log(&self, node: usize, at: i64) -> Vec<String> {
        let health = "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.";
        let place = self.faulty.get(&node).copied().unwrap_or_default();
        let kind = (self.faults.get(place)).map(|fault| fault.kind);
        let kind = kind.filter(|_| self.is_broken(node, at));
        let ssm = format!("https://ssm.{REGION}.amazonaws.com/");
        let failed = "ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. Error: ";
        let sleeping =
            "INFO [CredentialRefresher] Sleeping for 5m0s before retrying retrieve credentials"
                .to_owned();
        let mut records: Vec<(i64, String)> = vec![(-2 * 1_000, health.to_owned())];
        match kind {
            None => {
                for text in [
                    "INFO EC2RoleProvider Successfully connected with instance profile role credentials",
                    "INFO [CredentialRefresher] Credentials ready",
                    "INFO [CredentialRefresher] Next credential rotation will be in 29.999992342283335 minutes",
                ] {
                    records.push((0, text.to_owned()));
                }
            }
            Some(Kind::Role) => {
                records.push((0, "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: ec2 instance not yet registered with Systems Manager".to_owned()));
                records.push((0, sleeping));
            }
            Some(Kind::Imds) => {
                for attempt in 0..3 {
                    records.push((attempt * 502 - 1_004, "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: 403 Forbidden: Forbidden\n\tstatus code: 403, request id: ".to_owned()));
                }
                for text in [
                    "ERROR failed to get identity: failed to find agent identity",
                    "ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity",
                ] {
                    records.push((0, text.to_owned()));
                }
            }
            Some(Kind::Proxy) => {
                records.push((0, format!("{failed}RequestError: send request failed\ncaused by: Post \"{ssm}\": proxyconnect tcp: dial tcp 10.0.9.{place}:3128: connect: connection refused")));
                records.push((0, sleeping));
            }
            Some(Kind::Endpoint) => {
                records.push((0, format!("{failed}RequestError: send request failed\ncaused by: Post \"{ssm}\": dial tcp 10.9.9.{place}:443: i/o timeout")));
                records.push((0, sleeping));
            }
            Some(Kind::Throttling) => {
                records.push((0, format!("{failed}ThrottlingException: Rate exceeded\n\tstatus code: 400, request id: {at:08x}-87f6-4345-a0c6-58e08fd20bfa")));
                records.push((0, sleeping));
            }
        }
        let stamped = records.into_iter().enumerate();
        stamped
            .map(|(number, (offset, record))| {
                let number = i64::try_from(number).expect("few records");
                let at = at + offset + number;
                let second = clock::timestamp(at).strftime("%Y-%m-%d %H:%M:%S");
                format!("{second}.{:03}0 {record}", at.rem_euclid(1_000))
            })
            .collect()
    }

    /// The pauses between the attempts of an agent, which become longer.
    pub(super) fn wait(attempts: u32) -> i64 {
        match attempts {
            0 => 5 * MINUTE,
            1 => 10 * MINUTE,
            2 => 20 * MINUTE,
            3..8 => 30 * MINUTE,
            // An agent asks again after half an hour, too; fewer records say the same.
            _ => 6 * 60 * MINUTE,
        }
    }
}

/// The id of a node, which its log stream is named after.
pub(super) fn name(node: usize) -> String {
    format!("i-{node:017}")
}

/// The number of the node of this id.
pub(super) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("i-")?.parse().ok()
}
