//! From what stands open on a node to its findings.

use jiff::Timestamp;

use super::explain::explains;
use super::open::{Open, add_count};
use super::{IDENTITY_HOLDS, IdentityKind, NodeState};
use crate::cause::candidates::Candidates;
use crate::cause::{Cause, Confidence, Severity};
use crate::failure::{Kind as FailureKind, Service};
use crate::finding::{Clues, Finding, SignatureCount};
use crate::node::{NamedBy, Node, NodeId};
use crate::signature::{Kind, Part, Role};

impl NodeState {
    /// What stands open. `complete` says that no further batch comes: what might
    /// still heal is then told as it stands.
    pub fn findings(&self, node: &Node, complete: bool) -> Vec<Finding> {
        let node = self.identify(node);
        let mut opens: Vec<Open> = self.open.clone();
        opens.extend(self.outage(complete));
        for open in &mut opens {
            if complete {
                open.pending = false;
            }
            self.narrow(open, &node);
        }
        let mut groups = absorb(opens);
        groups.sort_by_key(|group| {
            (
                std::cmp::Reverse(group.lead.severity),
                group.lead.part,
                group.lead.first,
            )
        });
        let mut findings: Vec<Finding> = groups
            .into_iter()
            .map(|group| self.finding(&node, group))
            .collect();
        findings.extend(self.unknown.iter().map(|unknown| unknown.finding(&node)));
        findings
    }

    /// The node as the stream or caller names it, else as its text does.
    fn identify(&self, node: &Node) -> Node {
        let mut node = node.clone();
        if node.named_by == NamedBy::Nobody
            && let Some(id) = &self.named
        {
            node.id = id.clone();
            node.named_by = NamedBy::Text;
        }
        if node.account.is_none() {
            node.account = self.account.clone();
        }
        node
    }

    fn outage(&self, complete: bool) -> Option<Open> {
        let loss = self.channel.outage(self.latest?, complete)?;
        let causes = Candidates::new(
            Cause::EndpointUnreachable,
            [
                Cause::ChannelFailure,
                Cause::PermissionMissing,
                Cause::DnsFailure,
            ],
        );
        Some(Open {
            kind: Kind::Fault,
            part: Part::ControlChannel,
            role: None,
            severity: Cause::ChannelFailure.severity(),
            causes,
            decided: false,
            failure: None,
            clues: Clues {
                service: Some("ssmmessages".to_owned()),
                ..Clues::default()
            },
            signatures: vec![SignatureCount {
                id: loss.signature.clone(),
                count: if loss.batch == self.batch {
                    loss.count
                } else {
                    0
                },
                first: loss.first,
                last: loss.last,
            }],
            evidence: loss.evidence.clone(),
            first: loss.first,
            last: loss.last,
            pending: false,
            bare: false,
            cut: false,
            batch: loss.batch,
        })
    }

    /// Takes away the candidates that this log excludes.
    fn narrow(&self, open: &mut Open, node: &Node) {
        let hybrid = matches!(node.id, NodeId::Hybrid(_))
            || self
                .identity
                .as_ref()
                .is_some_and(|identity| identity.kind == IdentityKind::OnPrem);
        // Default Host Management is for EC2: here the activation's role cannot be assumed.
        if hybrid && open.causes.lead() == Cause::DhmcRoleBroken {
            open.causes = Candidates::new(Cause::RegistrationInvalid, []);
            open.severity = Cause::RegistrationInvalid.severity();
            open.decided = false;
            return;
        }
        if hybrid && !open.decided && open.causes.contains(Cause::NoInstanceProfile) {
            open.causes = Candidates::new(Cause::RegistrationInvalid, [Cause::HostPermission]);
            open.severity = Cause::RegistrationInvalid.severity();
            return;
        }
        if open.part == Part::Messages && self.channel.is_open() {
            open.severity = Severity::Low;
        }
        let answered = self.identity.as_ref().is_some_and(|identity| {
            identity.kind == IdentityKind::Ec2
                && identity.at <= open.first
                && open.first.duration_since(identity.at) <= IDENTITY_HOLDS
        });
        self.narrow_by_proxy(open, answered);
        // What the agent reads for its health ping it reads from Azure's service there.
        if self.on_azure
            && open.part == Part::Health
            && open.causes == Candidates::new(Cause::ImdsUnreachable, [])
        {
            open.clues.service = Some(Service::AzureMetadata.as_str().to_owned());
        }
        let fails_now = self
            .open
            .iter()
            .any(|other| other.part == Part::Identity && other.kind == Kind::Fault);
        let of_metadata = matches!(
            open.failure,
            Some(
                FailureKind::ImdsUnclear
                    | FailureKind::ImdsForbidden
                    | FailureKind::ImdsTokenRefused
                    | FailureKind::ImdsFault
            )
        );
        if answered && !fails_now && !of_metadata && !open.decided && !open.bare {
            open.causes
                .keep(|cause| !matches!(cause, Cause::ImdsDisabled | Cause::ImdsUnreachable));
            if open.failure == Some(FailureKind::NoRoleOrImds) {
                open.decided = true;
            }
        }
    }

    /// A proxy's refusal of a call to the metadata service reads like the service's
    /// own: where the calls go decides.
    fn narrow_by_proxy(&self, open: &mut Open, answered: bool) {
        let caught = self.proxy.catches_metadata();
        let forbidden = open.failure == Some(FailureKind::ImdsForbidden);
        let refused = matches!(
            open.failure,
            Some(FailureKind::ImdsTokenRefused | FailureKind::ImdsFault)
        );
        let unexplained = matches!(
            open.failure,
            Some(FailureKind::ImdsUnclear | FailureKind::ImdsUnreachable)
        ) && open.clues.dialled.is_none();
        let own = if forbidden {
            Cause::ImdsDisabled
        } else {
            Cause::ImdsUnreachable
        };
        if caught == Some(true) && (forbidden || refused || unexplained) {
            open.causes = Candidates::new(Cause::ProxyFailure, [own]);
            open.decided = true;
        } else if (forbidden || refused) && (answered || caught == Some(false)) {
            open.causes = Candidates::new(own, []);
            open.decided = true;
        }
        let unsaid = matches!(
            open.failure,
            Some(FailureKind::Unsent | FailureKind::RetriesExhausted)
        );
        if self.proxy.set && unsaid {
            open.causes.prefer(Cause::ProxyFailure);
        }
    }

    fn finding(&self, node: &Node, group: Group) -> Finding {
        let Group { lead, others } = group;
        let mut clues = lead.clues.clone();
        clues.agent_version = self.version.clone();
        clues.region = clues.region.take().or_else(|| self.region.clone());
        clues.account = clues.account.take().or_else(|| self.account.clone());
        clues.proxied = self.proxy.set;
        clues.client = lead.role == Some(Role::Client);
        let (mut signatures, mut evidence) = (lead.counts(self.batch), lead.evidence.clone());
        let (mut first, mut last, mut batch) = (lead.first, lead.last, lead.batch);
        let mut candidates = lead.causes.clone();
        for other in others {
            for count in other.counts(self.batch) {
                add_count(&mut signatures, count);
            }
            first = first.min(other.first);
            last = last.max(other.last);
            batch = batch.max(other.batch);
            evidence.extend(other.evidence.into_iter().take(1));
            if !lead.decided && !other.decided {
                candidates.extend(other.causes.iter());
            }
            fill(&mut clues, other.clues);
        }
        evidence.dedup_by(|a, b| a.text == b.text);
        evidence.truncate(3);
        let pending = lead.pending;
        Finding {
            node: node.clone(),
            confidence: if lead.decided && !pending {
                Confidence::Likely
            } else {
                Confidence::Undetermined
            },
            severity: if pending {
                lead.severity.min(Severity::Low)
            } else {
                lead.severity
            },
            candidates: candidates.to_vec(),
            clues,
            evidence,
            signatures,
            retry_in_seconds: self.retry(lead.part, first, last),
            first,
            last,
            fresh: batch == self.batch,
        }
    }

    /// The wait that the agent told after the fault began.
    fn retry(&self, part: Part, first: Timestamp, last: Timestamp) -> Option<u64> {
        let of_credentials = matches!(
            part,
            Part::Identity | Part::Credentials | Part::Registration | Part::Health
        );
        let (at, seconds) = self.wait.filter(|(at, _)| of_credentials && *at >= first)?;
        // Counted from the last record of the finding.
        let shift = at.duration_since(last).as_secs();
        u64::try_from(i64::try_from(seconds).ok()?.checked_add(shift)?).ok()
    }
}

/// A fault with what it explains.
struct Group {
    lead: Open,
    others: Vec<Open>,
}

/// Every open goes to the group of the one that explains it, directly or over others.
fn absorb(mut opens: Vec<Open>) -> Vec<Group> {
    // Of two that explain each other the first here leads: deciding faults, then
    // undecided ones, then symptoms; within each the earlier part.
    opens.sort_by_key(|open| {
        (
            open.kind == Kind::Symptom,
            !open.decided,
            open.part,
            open.first,
        )
    });
    let mut home: Vec<usize> = (0..opens.len()).collect();
    for (index, open) in opens.iter().enumerate() {
        let explained_by = opens.iter().enumerate().position(|(other, fault)| {
            let mutual = explains(open, fault) || same_incident(open, fault);
            other != index
                && (explains(fault, open) || same_incident(fault, open))
                && (!mutual || other < index)
        });
        home[index] = explained_by.unwrap_or(index);
    }
    let lead_of = |mut index: usize| {
        // Mutual explanations point to the earlier one, so the walk ends; the
        // bound keeps it finite whatever the rules say.
        for _ in 0..opens.len() {
            if home[index] == index {
                break;
            }
            index = home[index];
        }
        index
    };
    let leads: Vec<usize> = (0..opens.len()).map(lead_of).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (index, open) in opens.iter().enumerate() {
        if leads[index] == index {
            groups.push(Group {
                lead: open.clone(),
                others: Vec::new(),
            });
        }
    }
    let place: Vec<usize> = leads
        .iter()
        .map(|lead| (0..*lead).filter(|i| leads[*i] == *i).count())
        .collect();
    for (index, open) in opens.into_iter().enumerate() {
        let Some(group) = groups
            .get_mut(place[index])
            .filter(|_| leads[index] != index)
        else {
            continue;
        };
        if open.kind == Kind::Fault && !open.pending {
            // What may have healed does not decide what a later guess is about.
            group.lead.decided &= open.decided || !group.lead.pending;
            group.lead.pending = false;
        }
        group.lead.severity = severity_of_both(&group.lead, &open);
        group.others.push(open);
    }
    groups
}

/// Two faults with one thing to fix, or two guesses about the same part.
fn same_incident(lead: &Open, open: &Open) -> bool {
    if lead.decided && open.decided {
        return lead.causes.lead() == open.causes.lead()
            && (lead.causes.lead() != Cause::EndpointUnreachable
                || lead.clues.service == open.clues.service)
            && (lead.clues.role == open.clues.role
                || lead.clues.role.is_none()
                || open.clues.role.is_none())
            && (lead.clues.principal == open.clues.principal
                || lead.clues.principal.is_none()
                || open.clues.principal.is_none());
    }
    !lead.decided && !open.decided && lead.causes.iter().any(|cause| open.causes.contains(cause))
}

fn severity_of_both(lead: &Open, open: &Open) -> Severity {
    if lead.causes.lead() == open.causes.lead() && open.kind == Kind::Fault && !open.pending {
        lead.severity.max(open.severity)
    } else {
        lead.severity
    }
}

fn fill(clues: &mut Clues, other: Clues) {
    clues.service = clues.service.take().or(other.service);
    clues.host = clues.host.take().or(other.host);
    clues.region = clues.region.take().or(other.region);
    clues.account = clues.account.take().or(other.account);
    clues.dialled = clues.dialled.or(other.dialled);
    clues.action = clues.action.take().or(other.action);
    // What another caller was denied is not this one's.
    if clues.principal.is_none() || other.principal.is_none() || clues.principal == other.principal
    {
        clues.role = clues.role.take().or(other.role);
        clues.resource = clues.resource.take().or(other.resource);
        clues.reason = clues.reason.or(other.reason);
        clues.principal = clues.principal.take().or(other.principal);
        clues.add_denied(other.denied);
    }
    clues.code = clues.code.take().or(other.code);
}

impl NodeState {
    /// The templates that nothing recognised.
    pub fn unrecognised(&self) -> Vec<crate::finding::Unrecognised> {
        self.unknown
            .iter()
            .map(super::unknown::Unknown::report)
            .collect()
    }
}
