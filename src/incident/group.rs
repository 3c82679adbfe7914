//! One incident per thing to fix, over all nodes of an invocation.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckResult, Fault, Observation};
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::diagnose::{account_region, position};
use crate::finding::{ErrorDetails, Evidence, SignatureCount};
use crate::node::{AccountId, Node, NodeId, Region};
use crate::runbook;
use crate::sort;

/// From this many nodes on, a cause of high severity is critical.
pub const MANY_NODES: usize = 10;

/// Records quoted as proof of one incident.
pub const MAX_EVIDENCE: usize = 3;

/// One cause at one scope, with every node that it hits.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// `account/region/cause/kind:id`, with `-` for an unknown account or Region.
    pub key: String,
    pub cause: Cause,
    /// What is still possible, likeliest first; starts with `cause`.
    pub candidates: Vec<Cause>,
    pub scope: Scope,
    pub severity: Severity,
    pub confidence: Confidence,
    pub fault_state: FaultState,
    /// What is wrong, in one sentence.
    pub title: String,
    pub detail: Option<String>,
    /// The nodes hit, sorted, each once.
    pub affected: Vec<AffectedNode>,
    pub signatures: Vec<SignatureCount>,
    /// At most [`MAX_EVIDENCE`] records, those of the surest, then newest
    /// finding first.
    pub evidence: Vec<Evidence>,
    /// Of the same finding.
    pub error_details: ErrorDetails,
    /// In the order of the list of checks, failed ones before others of the
    /// same check. What is alike for several nodes stands once and says so.
    pub checks: Vec<CheckResult>,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Counted from `last`.
    pub retry_in_seconds: Option<u64>,
    /// Whether this batch brought new evidence for any of the nodes.
    pub fresh: bool,
    /// Live state of the nodes hit, sorted by instance id.
    pub instances: Vec<InstanceFacts>,
    /// The role at fault, read through the instance profile of a node hit.
    pub role: Option<RoleFacts>,
    /// Its ARN where it is the scope, from this batch or an earlier one.
    pub role_arn: Option<String>,
}

/// One node of an incident, with what decides whether it may lead to a write.
#[derive(Debug, Clone, PartialEq)]
pub struct AffectedNode {
    pub node: Node,
    /// The node's own oldest evidence.
    pub first: Timestamp,
    /// The node's own newest evidence.
    pub last: Timestamp,
    /// A check on this very node confirmed the cause in this invocation.
    pub confirmed: bool,
    /// The causes that the node's own log names as candidates.
    pub log_candidates: Vec<Cause>,
}

impl Incident {
    /// The nodes hit, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.affected.iter().map(|hit| &hit.node)
    }
}

/// The incidents that `diagnosed` make up: the most severe first, then by key.
pub fn group_into_incidents(diagnosed: Vec<Diagnosis>) -> Vec<Incident> {
    let incidents = gather_with_members(&diagnosed).into_iter();
    incidents.map(|(incident, _)| incident).collect()
}

/// As [`group_into_incidents`], each incident with the places of those that make it up.
pub fn gather_with_members(diagnosed: &[Diagnosis]) -> Vec<(Incident, Vec<usize>)> {
    let mut decided: BTreeMap<NodeKey<'_>, Vec<&Diagnosis>> = BTreeMap::new();
    for one in diagnosed.iter().filter(|one| is_decided(one)) {
        let here = decided.entry(node_key(&one.finding.node)).or_default();
        here.push(one);
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, one) in diagnosed.iter().enumerate() {
        let here = decided.get(&node_key(&one.finding.node));
        let leader = here.and_then(|here| explained_by(one, here)).unwrap_or(one);
        groups.entry(key(leader)).or_default().push(place);
    }
    let mut incidents: Vec<(Incident, Vec<usize>)> = groups
        .into_iter()
        .filter_map(|(key, places)| {
            let members = places.iter().map(|place| &diagnosed[*place]).collect();
            Some((incident(key, members)?, places))
        })
        .collect();
    sort::by_key(&mut incidents, |(incident, _)| {
        Reverse((incident.severity, incident.confidence))
    });
    incidents
}

/// One incident of `scope` for all that `members`, of incidents of one node
/// each and of the same `cause`, make up.
pub fn as_one(members: Vec<Diagnosis>, cause: Cause, scope: &Scope) -> Option<Incident> {
    let mut members = members;
    for member in members.iter_mut().filter(|member| member.cause == cause) {
        member.scope = scope.clone();
    }
    let own = members.iter().find(|member| member.cause == cause)?;
    incident(key(own), members.iter().collect())
}

/// `account/region/cause/kind:id`. The kind keeps a node that is named like a
/// role apart from that role.
fn key(diagnosed: &Diagnosis) -> String {
    format!(
        "{}/{}/{}:{}",
        account_region(&diagnosed.finding.node),
        diagnosed.cause,
        diagnosed.scope.kind,
        diagnosed.scope.id
    )
}

/// Of the decided verdicts on the same node the one that explains an undecided
/// one: its cause is among those still possible.
fn explained_by<'a>(undecided: &Diagnosis, decided: &[&'a Diagnosis]) -> Option<&'a Diagnosis> {
    if is_decided(undecided) || undecided.fault_state == FaultState::NotObserved {
        return None;
    }
    decided
        .iter()
        .filter(|other| undecided.candidates.contains(&other.cause))
        .max_by_key(|other| (other.confidence, Reverse(key(other))))
        .copied()
}

fn is_decided(diagnosed: &Diagnosis) -> bool {
    diagnosed.confidence != Confidence::Undetermined && diagnosed.fault_state == FaultState::Active
}

/// A node whoever named it.
type NodeKey<'a> = (&'a NodeId, &'a Option<AccountId>, &'a Option<Region>);

fn node_key(node: &Node) -> NodeKey<'_> {
    (&node.id, &node.account, &node.region)
}

/// The incident of those that share `key`, or are explained by one that has it.
fn incident(own_key: String, mut members: Vec<&Diagnosis>) -> Option<Incident> {
    sort::by_key(&mut members, |one| {
        (
            key(one) != own_key,
            Reverse(one.confidence),
            Reverse(one.finding.last),
            &one.finding.node,
        )
    });
    let lead = *members.first()?;
    let mut error_details = lead.finding.error_details.clone();
    for member in &members {
        let theirs = &member.finding.error_details;
        // Another caller's denials are another incident's.
        if theirs.principal == error_details.principal {
            error_details.add_denied(theirs.denied.iter().cloned());
        }
    }
    let affected = affected(&members);
    let own = members.iter().filter(|one| key(one) == own_key);
    let severity = own.clone().map(|one| one.severity).max()?;
    let fault_state = own.map(|one| one.fault_state).min()?;
    let scope = lead.scope.clone();
    let newest = members
        .iter()
        .filter(|one| one.finding.retry_in_seconds.is_some())
        .max_by_key(|one| one.finding.last);
    let role = members
        .iter()
        .filter_map(|one| one.live.role.as_ref())
        .find(|role| scope.kind != ScopeKind::Role || role.name == scope.id);
    let mut incident = Incident {
        title: String::new(),
        key: own_key,
        cause: lead.cause,
        candidates: lead.candidates.clone(),
        severity: by_nodes(severity, affected.len()),
        confidence: lead.confidence,
        fault_state,
        detail: lead.detail.clone(),
        signatures: signatures(&members),
        evidence: evidence(&members),
        error_details,
        checks: checks(&members),
        first: members.iter().map(|one| one.finding.first).min()?,
        last: members.iter().map(|one| one.finding.last).max()?,
        retry_in_seconds: newest.and_then(|one| one.finding.retry_in_seconds),
        fresh: members.iter().any(|one| one.finding.fresh),
        instances: instances(&members),
        role_arn: role
            .filter(|_| scope.kind == ScopeKind::Role)
            .map(|role| role.arn.clone()),
        role: role.cloned(),
        affected,
        scope,
    };
    incident.title = runbook::title(&incident.situation());
    Some(incident)
}

/// The severity of what hits so many nodes.
pub fn by_nodes(severity: Severity, nodes: usize) -> Severity {
    match severity {
        Severity::High if nodes >= MANY_NODES => Severity::Critical,
        severity => severity,
    }
}

fn affected(members: &[&Diagnosis]) -> Vec<AffectedNode> {
    let mut affected: Vec<AffectedNode> = Vec::new();
    let mut sorted: Vec<&Diagnosis> = members.to_vec();
    // The most trustworthy naming of one node sorts first and is kept.
    sort::by_key(&mut sorted, |one| {
        let node = &one.finding.node;
        (node_key(node), node.id_source)
    });
    for one in sorted {
        let finding = &one.finding;
        let confirmed = one.confidence == Confidence::Confirmed;
        // What lost its head in a paste is no word of the node's log.
        let named: &[Cause] = match finding.error_details.headless {
            true => &[],
            false => &finding.candidates,
        };
        match affected.last_mut() {
            Some(hit) if node_key(&hit.node) == node_key(&finding.node) => {
                hit.first = hit.first.min(finding.first);
                hit.last = hit.last.max(finding.last);
                hit.confirmed |= confirmed;
                for cause in named {
                    if !hit.log_candidates.contains(cause) {
                        hit.log_candidates.push(*cause);
                    }
                }
            }
            Some(_) | None => affected.push(AffectedNode {
                node: finding.node.clone(),
                first: finding.first,
                last: finding.last,
                confirmed,
                log_candidates: named.to_vec(),
            }),
        }
    }
    affected
}

fn signatures(members: &[&Diagnosis]) -> Vec<SignatureCount> {
    let mut by_id: BTreeMap<&str, SignatureCount> = BTreeMap::new();
    for seen in members.iter().flat_map(|one| &one.finding.signatures) {
        by_id
            .entry(&seen.id)
            .and_modify(|sum| {
                sum.count += seen.count;
                sum.first = sum.first.min(seen.first);
                sum.last = sum.last.max(seen.last);
            })
            .or_insert_with(|| seen.clone());
    }
    let mut signatures: Vec<SignatureCount> = by_id.into_values().collect();
    sort::by_key(&mut signatures, |signature| signature.first);
    signatures
}

fn evidence(members: &[&Diagnosis]) -> Vec<Evidence> {
    let mut quoted: Vec<Evidence> = Vec::new();
    for record in members.iter().flat_map(|one| &one.finding.evidence) {
        if quoted.len() == MAX_EVIDENCE {
            break;
        }
        // The agent writes an ERROR into two files.
        if !quoted
            .iter()
            .any(|other| other.at == record.at && other.text == record.text)
        {
            quoted.push(record.clone());
        }
    }
    quoted
}

/// One result for all nodes of which a check says the same.
fn checks(members: &[&Diagnosis]) -> Vec<CheckResult> {
    type Alike<'a> = (usize, CheckStatus, Option<Observation>, Option<&'a Fault>);
    let mut alike: BTreeMap<Alike<'_>, Vec<&CheckResult>> = BTreeMap::new();
    for result in members.iter().flat_map(|one| &one.checks) {
        let results = alike
            .entry((
                position(result.check),
                result.status,
                result.observation,
                result.fault.as_ref(),
            ))
            .or_default();
        if !results.iter().any(|other| other.note == result.note) {
            results.push(result);
        }
    }
    let one_for_all = |mut results: Vec<&CheckResult>| {
        sort::by(&mut results, |a, b| a.note.cmp(&b.note));
        let mut shown = (*results.first()?).clone();
        match results.len() - 1 {
            0 => {}
            1 => shown.note += " The same holds for one more.",
            more => shown.note += &format!(" The same holds for {more} more."),
        }
        Some(shown)
    };
    alike.into_values().filter_map(one_for_all).collect()
}

fn instances(members: &[&Diagnosis]) -> Vec<InstanceFacts> {
    let found: BTreeMap<_, _> = members
        .iter()
        .filter_map(|one| one.live.instance.as_ref())
        .map(|instance| (&instance.id, instance))
        .collect();
    found.into_values().cloned().collect()
}

#[cfg(test)]
mod tests;
