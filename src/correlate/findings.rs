//! From what stands open on a node to its findings.

use jiff::Timestamp;

use super::explain::{explains, near};
use super::open::{ActiveFault, add_count};
use super::{IDENTITY_HOLDS, IdentityKind, NodeState};
use crate::cause::candidates::Candidates;
use crate::cause::{Cause, Confidence, Severity};
use crate::failure::{Kind as FailureKind, Service};
use crate::finding::{ErrorDetails, Finding, SignatureCount};
use crate::machine::{Environment, Machine};
use crate::node::{IdSource, Node, NodeId};
use crate::signature::{Kind, Part, Role};
use crate::sort;

impl NodeState {
    /// What is active on `node`, as it was identified. `complete` says that no further
    /// batch comes: what might still heal is then reported as it is.
    pub fn findings(&self, node: &Node, complete: bool) -> Vec<Finding> {
        let passed = |open: &&ActiveFault| !self.was_passed(open);
        let mut opens: Vec<ActiveFault> = self.open.iter().filter(passed).cloned().collect();
        opens.extend(self.outage(complete));
        for open in &mut opens {
            if complete {
                open.pending = false;
            }
            self.narrow(open, node);
        }
        let mut groups = group_by_root_cause(opens);
        sort::by_key(&mut groups, |group| {
            (
                std::cmp::Reverse(group.lead.severity),
                group.lead.part,
                group.lead.first,
            )
        });
        let mut findings: Vec<Finding> = groups
            .into_iter()
            .map(|group| self.finding(node, group))
            .collect();
        findings.extend(self.unknown.iter().map(|unknown| unknown.finding(node)));
        findings
    }

    /// The node as the stream or caller names it, else as its text does.
    pub(super) fn identify(&self, node: &Node) -> Node {
        let mut node = node.clone();
        if node.id_source == IdSource::Nobody
            && let Some(id) = &self.named
        {
            node.id = id.clone();
            node.id_source = IdSource::Text;
        }
        if node.account.is_none() {
            node.account = self.account.clone();
        }
        node
    }

    /// What the log shows of the machine of `node`.
    fn machine(&self, node: &Node) -> Machine {
        let mut machine = self.machine;
        let identity = self.identity.as_ref().map(|identity| identity.kind);
        if self.on_azure || identity == Some(IdentityKind::OnPrem) {
            machine.add(Environment::Hybrid);
        }
        if self.tried == (false, true) {
            machine.add(Environment::Unregistered);
        }
        // Whoever has an identity, or an id, needs no registration.
        let known = matches!(node.id, NodeId::Instance(_) | NodeId::Hybrid(_));
        if known || identity.is_some() || machine.is(Environment::Container) {
            machine.remove(Environment::Unregistered);
        }
        machine
    }

    fn outage(&self, complete: bool) -> Option<ActiveFault> {
        let loss = self.channel.outage(self.latest?, complete)?;
        let causes = Candidates::new(
            Cause::EndpointUnreachable,
            [
                Cause::ChannelFailure,
                Cause::PermissionMissing,
                Cause::DnsFailure,
            ],
        );
        Some(ActiveFault {
            kind: Kind::Fault,
            part: Part::ControlChannel,
            role: None,
            severity: Cause::ChannelFailure.severity(),
            causes,
            decided: false,
            failure: None,
            error_details: ErrorDetails {
                service: Some("ssmmessages".to_owned()),
                ..ErrorDetails::default()
            },
            signatures: vec![SignatureCount {
                id: loss.signature.clone().into(),
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
            since: loss.first,
            pending: false,
            bare: false,
            cut: false,
            batch: loss.batch,
        })
    }

    /// Takes away the candidates that this log excludes.
    fn narrow(&self, open: &mut ActiveFault, node: &Node) {
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
            let causes = std::mem::replace(
                &mut open.causes,
                Candidates::new(Cause::RegistrationInvalid, [Cause::HostPermission]),
            );
            // Where nothing says why, the call for its token may have failed as any call may.
            open.causes.extend(causes.iter().filter(fails_any_call));
            open.severity = Cause::RegistrationInvalid.severity();
            return;
        }
        if self.is_spare(open) {
            open.severity = Severity::Low;
        }
        if !open.decided && self.machine(node).is(Environment::Unregistered) {
            open.causes.prefer(Cause::RegistrationInvalid);
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
            open.error_details.service = Some(Service::AzureMetadata.as_str().to_owned());
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

    /// Whether sessions work while `open` is active, which leaves the connection whole.
    fn serves_sessions(&self, open: &ActiveFault) -> bool {
        use Part::{Associations, Command, Config, Inventory, Messages, Output, Session, Update};
        let session = self.session.is_some_and(|at| at >= open.first);
        (session || self.channel.is_open())
            && matches!(
                open.part,
                Messages | Associations | Command | Session | Output | Inventory | Update | Config
            )
    }

    /// Whether the node is visibly used without what `open` stops: ec2messages is
    /// the spare way to ssmmessages, and a role without State Manager may be meant so.
    fn is_spare(&self, open: &ActiveFault) -> bool {
        let denied = matches!(
            open.causes.lead(),
            Cause::PermissionMissing | Cause::EndpointPolicyDenies
        );
        let used = |part| self.proven.iter().any(|(proven, _)| *proven == part);
        // Without Default Host Management a registration is of no use to credentials that work.
        let refused =
            matches!(open.causes.lead(), Cause::Throttled | Cause::ServiceError) || denied;
        if open.part == Part::Registration && refused && used(Part::Credentials) {
            return !self
                .open
                .iter()
                .any(|other| other.part == Part::Credentials);
        }
        let spare = match open.part {
            Part::Messages => true,
            Part::Associations => denied && open.decided && !used(Part::Associations),
            _ => false,
        };
        spare && self.serves_sessions(open)
    }

    /// A proxy's refusal of a call to the metadata service reads like the service's
    /// own: where the calls go decides.
    fn narrow_by_proxy(&self, open: &mut ActiveFault, answered: bool) {
        let caught = self.proxy.catches_metadata();
        let forbidden = open.failure == Some(FailureKind::ImdsForbidden);
        let refused = matches!(
            open.failure,
            Some(FailureKind::ImdsTokenRefused | FailureKind::ImdsFault)
        );
        let unexplained = matches!(
            open.failure,
            Some(FailureKind::ImdsUnclear | FailureKind::ImdsUnreachable)
        ) && open.error_details.remote_ip.is_none();
        let own = if forbidden {
            Cause::ImdsDisabled
        } else {
            Cause::ImdsUnreachable
        };
        if caught == Some(true) && (forbidden || refused || unexplained) {
            open.causes = Candidates::new(Cause::ProxyFailure, [own]);
            open.decided = true;
            let metadata = Service::Metadata.as_str().to_owned();
            open.error_details.service.get_or_insert(metadata);
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
        let mut error_details = lead.error_details.clone();
        error_details.agent_version = self.version.clone();
        error_details.region = error_details.region.take().or_else(|| self.region.clone());
        error_details.account = error_details
            .account
            .take()
            .or_else(|| self.account.clone());
        error_details.proxied = self.proxy.set;
        error_details.machine = self.machine(node);
        error_details.online = self.serves_sessions(&lead);
        error_details.headless = self.headless;
        error_details.id_in_doubt = node.id_source == IdSource::Text && self.may_be_anothers(&lead);
        error_details.client = lead.role == Some(Role::Client);
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
            // That the agent waits says nothing of why.
            if !lead.decided && !other.decided && other.role != Some(Role::Waiting) {
                candidates.extend(other.causes.iter());
            }
            fill(&mut error_details, other.error_details);
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
            error_details,
            evidence,
            signatures,
            retry_in_seconds: self.retry(lead.part, first, last),
            first,
            last,
            fresh: batch == self.batch,
        }
    }

    /// The wait that the agent logged after the fault began.
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

/// Whether an unsigned call may fail by `cause`.
fn fails_any_call(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::EndpointUnreachable
            | Cause::DnsFailure
            | Cause::ProxyFailure
            | Cause::TlsFailure
            | Cause::ClockSkew
            | Cause::Throttled
            | Cause::ServiceError
    )
}

/// A fault with what it explains.
struct Group {
    lead: ActiveFault,
    others: Vec<ActiveFault>,
}

/// Every open goes to the group of the one that explains it, directly or over others.
fn group_by_root_cause(mut opens: Vec<ActiveFault>) -> Vec<Group> {
    // Of two that explain each other the first here leads: deciding faults, then
    // undecided ones, then symptoms; within each the earlier part.
    sort::by_key(&mut opens, |open| {
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
fn same_incident(lead: &ActiveFault, open: &ActiveFault) -> bool {
    if lead.decided && open.decided {
        return lead.causes.lead() == open.causes.lead()
            && (lead.causes.lead() != Cause::EndpointUnreachable
                || lead.error_details.service == open.error_details.service)
            && (lead.error_details.role == open.error_details.role
                || lead.error_details.role.is_none()
                || open.error_details.role.is_none())
            && (lead.error_details.principal == open.error_details.principal
                || lead.error_details.principal.is_none()
                || open.error_details.principal.is_none());
    }
    !lead.decided
        && !open.decided
        && near(lead, open)
        && lead.causes.iter().any(|cause| open.causes.contains(cause))
}

fn severity_of_both(lead: &ActiveFault, open: &ActiveFault) -> Severity {
    if lead.causes.lead() == open.causes.lead() && open.kind == Kind::Fault && !open.pending {
        lead.severity.max(open.severity)
    } else {
        lead.severity
    }
}

fn fill(error_details: &mut ErrorDetails, other: ErrorDetails) {
    error_details.service = error_details.service.take().or(other.service);
    error_details.host = error_details.host.take().or(other.host);
    error_details.region = error_details.region.take().or(other.region);
    error_details.account = error_details.account.take().or(other.account);
    error_details.remote_ip = error_details.remote_ip.or(other.remote_ip);
    error_details.action = error_details.action.take().or(other.action);
    // What another caller was denied is not this one's.
    if error_details.principal.is_none()
        || other.principal.is_none()
        || error_details.principal == other.principal
    {
        error_details.role = error_details.role.take().or(other.role);
        error_details.resource = error_details.resource.take().or(other.resource);
        error_details.reason = error_details.reason.or(other.reason);
        error_details.principal = error_details.principal.take().or(other.principal);
        error_details.add_denied(other.denied);
    }
    error_details.code = error_details.code.take().or(other.code);
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
