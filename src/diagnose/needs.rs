//! Which checks a finding calls for, which reads they share, and what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Check, CheckResult, CheckStatus, Hybrid, OfHybrid, Query, Subject};
use super::checks::{CHECKS, agent_version};
use super::diagnosis::{Diagnosis, Live};
use super::facts::{Facts, Fetched, Registrations, is_silent};
use super::network;
use super::verdict::decide;
use crate::cause::Cause;
use crate::finding::{ErrorDetails, Finding};
use crate::node::{Home, InstanceId, Node, NodeId, Partition, Region};

/// What must be read for the findings of one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// For which instances each kind of look is wanted.
    wanted: BTreeMap<Query, BTreeSet<InstanceId>>,
    /// Those of whose sessions a log says something.
    session_logged: BTreeSet<InstanceId>,
    /// Hybrid nodes, of which Systems Manager alone can be asked.
    hybrid: BTreeSet<NodeId>,
    /// The services to whose endpoints a way is looked for.
    services: BTreeSet<String>,
    /// What the log of an instance says is denied: the action, and the resource
    /// that the denial names.
    denied: BTreeMap<InstanceId, BTreeSet<(String, Option<String>)>>,
    /// The Region that is looked at.
    region: Option<Region>,
}

impl Needs {
    pub fn of(findings: &[Finding], home: &Home) -> Self {
        let mut needs = Self {
            region: home.region.clone(),
            ..Self::default()
        };
        for finding in findings {
            if is_by_id(finding) && matches!(finding.node.id, NodeId::Hybrid(_)) {
                needs.hybrid.insert(finding.node.id.clone());
            }
            let Ok(id) = within_reach(&finding.node, home) else {
                continue;
            };
            let mut queries: BTreeSet<Query> = BTreeSet::new();
            for check in checks_for(finding) {
                queries.extend(check.queries());
            }
            if queries.is_empty() {
                continue;
            }
            needs.region = needs.region.or_else(|| finding.node.region.clone());
            if is_by_id(finding) {
                let all = SERVICES.iter().map(|service| (*service).to_owned());
                needs.services.extend(all);
            }
            needs.services.extend(finding.error_details.service.clone());
            let action = finding.error_details.action.as_deref();
            let service = action.and_then(|action| action.split(':').next());
            needs.services.extend(service.map(str::to_owned));
            for (action, resource) in finding.error_details.denied_calls() {
                let denied = (action.to_owned(), resource.map(str::to_owned));
                needs.denied.entry(id.clone()).or_default().insert(denied);
            }
            if queries.contains(&Query::SessionPreferences) && !is_by_id(finding) {
                needs.session_logged.insert(id.clone());
            }
            for ask in queries {
                needs.wanted.entry(ask).or_default().insert(id.clone());
            }
        }
        needs
    }

    /// The instances for which `ask` is wanted, sorted.
    pub fn wanted(&self, ask: Query) -> impl Iterator<Item = &InstanceId> {
        self.wanted.get(&ask).into_iter().flatten()
    }

    /// Whether the preferences of Session Manager are to be read: on a node that does not report no
    /// session starts whatever they are, and only a log may still say that they were at fault.
    pub fn session_preferences(&self, registrations: &Registrations) -> bool {
        self.wanted(Query::SessionPreferences)
            .any(|id| self.session_logged.contains(id) || !is_silent(id, registrations))
    }

    /// The nodes of which Systems Manager is asked, sorted.
    pub fn registered(&self) -> impl Iterator<Item = NodeId> {
        let instances = self.wanted(Query::Registration).cloned();
        let instances = instances.map(NodeId::Instance);
        instances.chain(self.hybrid.iter().cloned())
    }

    pub fn is_wanted(&self, ask: Query) -> bool {
        self.wanted.contains_key(&ask)
    }

    /// Whether an endpoint of this service name is of interest.
    pub fn concerns(&self, service_name: &str) -> bool {
        let prefix = service_name.rsplit('.').next().unwrap_or(service_name);
        let prefix = prefix.strip_suffix("-fips").unwrap_or(prefix);
        self.services.contains(prefix)
    }

    /// What the log of `instance` says is denied: actions, each with the
    /// resource that the denial names.
    pub fn denied(&self, instance: &InstanceId) -> impl Iterator<Item = (&str, Option<&str>)> {
        let denied = self.denied.get(instance).into_iter().flatten();
        denied.map(|(action, resource)| (action.as_str(), resource.as_deref()))
    }

    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.hybrid.is_empty()
    }
}

/// The verdicts on `findings`, in their order, by what was read.
pub fn diagnose(findings: Vec<Finding>, facts: &Facts, home: &Home) -> Vec<Diagnosis> {
    let decided = findings.into_iter().map(|finding| {
        let (checks, live) = look(&finding, facts, home);
        decide(finding, checks, live)
    });
    decided.collect()
}

/// The verdicts of the log alone, where no AWS is at hand.
pub fn diagnose_by_log(findings: Vec<Finding>) -> Vec<Diagnosis> {
    let by_log = |finding| decide(finding, Vec::new(), Live::default());
    findings.into_iter().map(by_log).collect()
}

/// What each check for `finding` says, in their order, and the live state of its node.
pub(super) fn look(finding: &Finding, facts: &Facts, home: &Home) -> (Vec<CheckResult>, Live) {
    let instance = match within_reach(&finding.node, home) {
        Ok(instance) => instance,
        Err(reason) => {
            let hybrid = Hybrid {
                id: &finding.node.id,
                region: finding.node.region.as_ref().or(home.region.as_ref()),
                last: finding.last,
                facts,
            };
            let is_asked = is_by_id(finding) && matches!(hybrid.id, NodeId::Hybrid(_));
            let of_check = |check: &Check| {
                let seen = is_asked.then(|| check.run_of_hybrid(&hybrid)).flatten();
                seen.unwrap_or_else(|| check.skipped(&reason))
            };
            return (checks_for(finding).map(of_check).collect(), Live::default());
        }
    };
    let region = finding.node.region.as_ref().or(home.region.as_ref());
    let subject = Subject {
        instance,
        partition: region.map_or(Partition::Aws, |region| region.partition()),
        region,
        error_details: &finding.error_details,
        last: finding.last,
        facts,
    };
    let mut results: Vec<CheckResult> = Vec::new();
    let of_instances = |check: &&Check| !matches!(check.of_hybrid, OfHybrid::Only(_));
    for check in checks_for(finding).filter(of_instances) {
        if is_by_id(finding) && check.causes == network::CAUSES {
            results.extend(of_each_service(check, &subject));
        } else {
            results.push(check.run(&subject));
        }
    }
    if results.is_empty() {
        return (results, Live::default());
    }
    let found = facts.instances.get(instance).and_then(Fetched::found);
    let registration = facts
        .registrations
        .get(&finding.node.id)
        .and_then(Fetched::found);
    let live = Live {
        instance: found.cloned(),
        role: found.and_then(|found| facts.role_of(found)).cloned(),
        last_ping: registration.and_then(|registration| registration.last_ping),
    };
    (results, live)
}

/// What an agent calls, the first of which it reports to.
pub(super) const SERVICES: [&str; 3] = ["ssm", "ssmmessages", OPTIONAL];

/// What an agent of today does without.
pub(super) const OPTIONAL: &str = "ec2messages";

/// Where `service` stands in the order in which an agent calls them.
pub(super) fn service_place(service: &str) -> usize {
    let place = SERVICES.iter().position(|one| *one == service);
    place.unwrap_or(SERVICES.len())
}

/// The path to each service.
fn of_each_service<'s>(
    check: &'static Check,
    subject: &'s Subject<'_>,
) -> impl Iterator<Item = CheckResult> + 's {
    let services = SERVICES.into_iter();
    let services = services.filter(|service| {
        *service != OPTIONAL || subject.region.is_none_or(agent_version::has_ec2messages)
    });
    services.map(move |service| {
        let error_details = ErrorDetails {
            service: Some(service.to_owned()),
            ..ErrorDetails::default()
        };
        let result = check.run(&Subject {
            error_details: &error_details,
            ..*subject
        });
        let optional = result.status == CheckStatus::Failed
            && service == OPTIONAL
            && !agent_version::is_before_one_channel(subject);
        CheckResult {
            service: Some(service),
            ..if optional {
                let note = format!("{} Agents from 3.3.40.0 on do without it.", result.note);
                check.skipped(&note)
            } else {
                result
            }
        }
    })
}

/// Whether a node's id is all there is, and no log.
fn is_by_id(finding: &Finding) -> bool {
    finding.candidates.contains(&Cause::NodeSilent)
}

/// No check is run for an open finding without new evidence.
fn checks_for(finding: &Finding) -> impl Iterator<Item = &'static Check> {
    CHECKS
        .iter()
        .filter(|check| finding.fresh && check.is_for(&finding.candidates))
}

/// The instance that checks may ask about, or why they may not.
fn within_reach<'a>(node: &'a Node, home: &Home) -> Result<&'a InstanceId, String> {
    let id = match &node.id {
        NodeId::Instance(id) => id,
        NodeId::Hybrid(id) => {
            return Err(format!("{id} is a hybrid node: EC2 does not know it."));
        }
        NodeId::Unknown(_) => {
            return Err("The log does not name its instance.".to_owned());
        }
    };
    if let (Some(account), Some(own)) = (&node.account, &home.account)
        && account != own
    {
        return Err(format!(
            "{id} is in the account {account}; this function reads only its own, {own}."
        ));
    }
    if let (Some(region), Some(own)) = (&node.region, &home.region)
        && region != own
    {
        return Err(format!(
            "{id} is in the Region {region}; this function reads only its own, {own}."
        ));
    }
    Ok(id)
}
