//! One fault or symptom that stands open on a node.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cause::candidates::Candidates;
use crate::cause::{Cause, Severity};
use crate::failure::{Failure, Service};
use crate::finding::{ErrorDetails, Evidence, SignatureCount};
use crate::record::{Record, cut};
use crate::signature::{Kind, Match, Part, Role, Signature};
use crate::state::pairs::is_default;

/// So much of a record is quoted: the longest that the agent writes, seventeen
/// lines with the metadata service's page in them, is 1.3 KB.
pub(super) const MAX_EVIDENCE_BYTES: usize = 2 * 1024;

/// The agent waits up to an hour between two tries.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_mins(70);

/// A fault or symptom with all the records that speak of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ActiveFault {
    pub kind: Kind,
    pub part: Part,
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Option<Role>,
    pub causes: Candidates,
    #[serde(default, skip_serializing_if = "is_default")]
    pub decided: bool,
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "is_default")]
    pub failure: Option<crate::failure::Kind>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub error_details: ErrorDetails,
    /// In order of first sight; counted in the batch that brought the last record.
    pub signatures: Vec<SignatureCount>,
    /// The first record and the last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evidence: Vec<Evidence>,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The first record after the longest silence that one fault may keep: what was
    /// before it may have been another's.
    pub since: Timestamp,
    /// It may heal by itself within seconds, as boot races and fallbacks do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pending: bool,
    /// It names no failure, and the log right before each record of it was not
    /// delivered: what it follows from may be missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bare: bool,
    /// Of each record of it lines may be missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cut: bool,
    /// The batch that brought the last record.
    pub batch: u64,
}

impl ActiveFault {
    /// `None` when the match points at no cause.
    pub(super) fn new(
        record: &Record<'_>,
        found: Match<'_>,
        place: Option<&str>,
        batch: u64,
    ) -> Option<Self> {
        let causes = Candidates::of(&found.causes)?;
        let cause = causes.lead();
        let signature = found.signature;
        Some(Self {
            kind: signature.kind,
            part: part(record, signature),
            role: signature.role,
            causes,
            decided: found.decided,
            severity: severity(record, &found, cause),
            failure: found.failure.as_ref().map(|failure| failure.kind),
            error_details: error_details(record, signature, found.failure),
            signatures: vec![SignatureCount {
                id: signature.id.into(),
                count: 1,
                first: record.at,
                last: record.at,
            }],
            evidence: vec![evidence(record, place)],
            first: record.at,
            last: record.at,
            since: record.at,
            pending: false,
            bare: false,
            cut: record.cut,
            batch,
        })
    }

    /// What it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let evidence: usize = self.evidence.iter().map(Evidence::bytes).sum();
        let signatures: usize = self
            .signatures
            .iter()
            .map(|seen| size_of::<SignatureCount>() + seen.id.len())
            .sum();
        size_of::<Self>() + self.error_details.bytes() + evidence + signatures
    }

    /// Whether `other` is about the same thing.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.part == other.part
            && self.causes == other.causes
            && self.decided == other.decided
            && self.error_details.service == other.error_details.service
            && self.error_details.action == other.error_details.action
            && self.error_details.role == other.error_details.role
            && self.error_details.principal == other.error_details.principal
    }

    /// Takes in that the agent waits for this to go away.
    pub(super) fn wait(&mut self, wait: &Self) {
        self.count_in(wait.batch);
        self.last = self.last.max(wait.last);
        for count in &wait.signatures {
            add_count(&mut self.signatures, count.clone());
        }
    }

    /// Counts from here on for `batch`: counts are of one batch, so that adding
    /// those of several reports gives what there was.
    pub(super) fn count_in(&mut self, batch: u64) {
        if self.batch < batch {
            self.batch = batch;
            for signature in &mut self.signatures {
                signature.count = 0;
            }
        }
    }

    /// The signatures seen, with the number of their records in `batch`.
    pub(super) fn counts(&self, batch: u64) -> Vec<SignatureCount> {
        let mut signatures = self.signatures.clone();
        if self.batch != batch {
            for signature in &mut signatures {
                signature.count = 0;
            }
        }
        signatures
    }

    /// Takes in another record of the same thing.
    pub(super) fn add(&mut self, other: Self) {
        self.count_in(other.batch);
        if self.role == Some(Role::Hibernating) && other.role != self.role {
            self.role = None;
        }
        self.cut &= other.cut;
        self.bare &= other.bare;
        self.severity = self.severity.max(other.severity);
        if other.first.duration_since(self.last) > WINDOW {
            self.since = other.since;
        } else if self.since.duration_since(other.last) <= WINDOW {
            self.since = self.since.min(other.since);
        }
        if other.first < self.first {
            self.first = other.first;
        }
        if other.last >= self.last {
            self.last = other.last;
            self.evidence.truncate(1);
            self.evidence.extend(other.evidence.into_iter().take(1));
        }
        self.error_details.remote_ip = self
            .error_details
            .remote_ip
            .or(other.error_details.remote_ip);
        self.error_details.add_denied(other.error_details.denied);
        for count in other.signatures {
            add_count(&mut self.signatures, count);
        }
    }
}

/// A denial that names no action stops the agent only where the health ping or
/// the credentials' own check was denied.
fn severity(record: &Record<'_>, found: &Match<'_>, cause: Cause) -> Severity {
    let severity = found.severity.unwrap_or_else(|| cause.severity());
    let vital = matches!(
        part(record, found.signature),
        Part::Health | Part::Credentials | Part::Registration
    );
    let unnamed = found
        .failure
        .as_ref()
        .is_some_and(|failure| failure.action.is_none());
    if cause == Cause::PermissionMissing && unnamed && !vital {
        severity.min(Severity::Medium)
    } else {
        severity
    }
}

/// Adds a count to a list in order of first sight.
pub(super) fn add_count(counts: &mut Vec<SignatureCount>, new: SignatureCount) {
    match counts.iter_mut().find(|count| count.id == new.id) {
        Some(count) => {
            count.count += new.count;
            count.first = count.first.min(new.first);
            count.last = count.last.max(new.last);
        }
        None => counts.push(new),
    }
}

pub(super) fn evidence(record: &Record<'_>, place: Option<&str>) -> Evidence {
    Evidence {
        at: record.at,
        level: record.level,
        component: cut(record.component(), 128).to_owned(),
        text: record.quote(MAX_EVIDENCE_BYTES),
        place: place.map(|file| format!("{file}:{}", record.line)),
    }
}

/// What the error names; where it names no action or service, what the part of
/// the agent that writes it calls and nothing else.
fn error_details(
    record: &Record<'_>,
    signature: &Signature,
    failure: Option<Box<Failure>>,
) -> ErrorDetails {
    let Some(failure) = failure else {
        return ErrorDetails::default();
    };
    let failure = *failure;
    let action = (failure.action).or_else(|| called_by(record, signature).map(str::to_owned));
    let service = failure
        .service
        .or_else(|| action.as_deref().and_then(Service::of_action));
    let mut error_details = ErrorDetails {
        service: service.map(|service| service.as_str().to_owned()),
        host: failure.host,
        region: failure.region,
        account: failure.account,
        remote_ip: failure.remote_ip,
        action,
        role: (failure.role).filter(|_| signature.role != Some(Role::Person)),
        resource: failure.resource,
        reason: failure.reason,
        principal: failure.principal,
        denied: failure.denied,
        code: failure.code.map(str::to_owned),
        ..ErrorDetails::default()
    };
    error_details.bound();
    error_details
}

/// The part of the agent's work: associations fail in the words of the health ping.
fn part(record: &Record<'_>, signature: &Signature) -> Part {
    match signature.part {
        Part::Health if record.component() == "Association" => Part::Associations,
        part => part,
    }
}

/// The one API that a part of the agent calls. The bare answer behind these words came to a
/// hybrid node, which asks for its role's credentials, or from the metadata service: on EC2 the
/// agent words what its health ping met.
fn called_by(record: &Record<'_>, signature: &Signature) -> Option<&'static str> {
    let bare = (record.message).strip_prefix("Retrieve credentials produced error: ");
    if bare.is_some_and(|error| error.starts_with(|c: char| c.is_ascii_uppercase())) {
        return None;
    }
    match part(record, signature) {
        Part::Health | Part::Credentials => Some("ssm:UpdateInstanceInformation"),
        Part::ControlChannel => Some("ssmmessages:CreateControlChannel"),
        Part::Messages => Some("ec2messages:GetMessages"),
        Part::Associations => Some("ssm:ListInstanceAssociations"),
        Part::Host
        | Part::Config
        | Part::Core
        | Part::Identity
        | Part::Registration
        | Part::Worker
        | Part::Command
        | Part::Session
        | Part::Output
        | Part::Inventory
        | Part::Update => None,
    }
}
