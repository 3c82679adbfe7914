//! The event of one change of an incident: what EventBridge, queues and functions get.
//! A versioned contract, [`SCHEMA`]; `schema/incident-1.json` is written from it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::kind::NotificationKind;
use crate::cause::{Scope, ScopeKind};
use crate::incident::group::Incident;
use crate::incident::nodes::NodeList;
use crate::incident::store::ResolvedIncident;
use crate::node::Region;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::report::{IncidentDetails, build};
use crate::text::redact::{one_line, redact_line};
use crate::text::sanitize::cut;

/// Changes only when a reader of the events must change.
pub(crate) const SCHEMA: &str = "ssm-agent-triage/incident/1";

/// Of every event.
pub(crate) const SOURCE: &str = "ssm-agent-triage";

/// Bytes of an event on a bus. An entry may have 262,144 with its source, type and
/// resources ("PutEvents" in the API reference); with the envelope that a target gets,
/// some of them take no more.
pub(crate) const DETAIL_BYTES: usize = 240 * 1024;

/// An incident, and what has changed about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Event {
    pub schema: &'static str,
    /// What has changed.
    pub state: NotificationKind,
    #[serde(flatten)]
    pub incident: IncidentDetails,
    /// The ARN of what must be fixed, where it has one.
    pub resources: Vec<String>,
    /// Its oldest evidence.
    pub opened_at: Timestamp,
    /// When its last node recovered, once it has.
    pub resolved_at: Option<Timestamp>,
    /// Texts and lists are shorter than they were, to keep within the channel's limit.
    pub cut: bool,
}

impl Event {
    pub(super) fn of(
        incident: &Incident,
        nodes: &NodeList,
        plan: &PlanSummary,
        outcome: &Outcome,
        state: NotificationKind,
        opened_at: Timestamp,
    ) -> Self {
        let details = build::details(incident, nodes, plan, outcome);
        Self::new(state, details, incident.role_arn.clone(), opened_at)
    }

    pub(super) fn resolved(over: &ResolvedIncident) -> Self {
        // Its node is not well: another incident goes on.
        let explained = over.explained_by.as_ref().map(|other| {
            let other = one_line(other);
            format!("Closed, because a live check has now confirmed a cause: {other}. Its own event says what to do.")
        });
        let (plan, mut outcome) = build::untouched(explained.as_deref().unwrap_or("It is over."));
        if let Some(at) = over.written_at {
            outcome.status = OutcomeStatus::Repaired;
            outcome.detail = Some(format!("Changed {}", earlier(at)));
        }
        let details = IncidentDetails {
            key: redact_line(&over.key),
            cause: over.cause,
            candidates: vec![over.cause],
            scope: Scope {
                id: redact_line(&over.scope.id),
                ..over.scope.clone()
            },
            severity: over.severity,
            confidence: over.confidence,
            title: one_line(&over.title),
            nodes: over.nodes.redacted(),
            node_count: over.nodes.count,
            signatures: Vec::new(),
            evidence: Vec::new(),
            checks: Vec::new(),
            plan: PlanSummary {
                kind: "not-needed",
                ..plan
            },
            outcome,
            advice: Vec::new(),
            retry_in_seconds: None,
            detail: explained,
        };
        Self {
            resolved_at: Some(over.resolved_at),
            ..Self::new(
                NotificationKind::Resolved,
                details,
                over.role_arn.clone(),
                over.since,
            )
        }
    }

    fn new(
        state: NotificationKind,
        incident: IncidentDetails,
        role: Option<String>,
        opened_at: Timestamp,
    ) -> Self {
        Self {
            schema: SCHEMA,
            state,
            resources: role.or_else(|| arn(&incident)).into_iter().collect(),
            incident,
            opened_at,
            resolved_at: None,
            cut: false,
        }
    }

    /// By which rules of EventBridge tell events apart.
    pub(crate) fn detail_type(&self) -> String {
        format!("SSM Agent Incident {}", self.change())
    }

    /// `Opened`, `Changed` or `Resolved`.
    pub(crate) fn change(&self) -> &'static str {
        match self.state {
            NotificationKind::Opened => "Opened",
            NotificationKind::Resolved => "Resolved",
            NotificationKind::Repaired
            | NotificationKind::RepairFailed
            | NotificationKind::Grew
            | NotificationKind::Reminder
            | NotificationKind::Recurred => "Changed",
        }
    }

    /// As JSON of at most `most` bytes: where it would be longer, lists and texts are
    /// cut more and more. What names the incident stays whole.
    pub(crate) fn within(&self, most: usize) -> String {
        let whole =
            serde_json::to_value(self).expect("strings, numbers and times always serialise");
        let mut text = whole.to_string();
        for (items, characters) in [
            (100, 2_000),
            (20, 1_000),
            (10, 400),
            (5, 200),
            (1, 80),
            (0, 0),
        ] {
            if text.len() <= most {
                break;
            }
            let mut event = whole.clone();
            for (name, part) in event.as_object_mut().into_iter().flatten() {
                if !matches!(
                    name.as_str(),
                    "key" | "schema" | "scope" | "resources" | "opened_at" | "resolved_at"
                ) {
                    shorten(part, items, characters);
                }
            }
            event["cut"] = Value::Bool(true);
            text = event.to_string();
        }
        text
    }
}

/// No list in it is longer than `items`, and no text than `characters` and a note. Names
/// of closed lists are shorter than any cut.
fn shorten(part: &mut Value, items: usize, characters: usize) {
    match part {
        Value::String(text) => *text = cut(text, characters.max(80)).into_owned(),
        Value::Array(list) => {
            list.truncate(items);
            list.iter_mut()
                .for_each(|one| shorten(one, items, characters));
        }
        Value::Object(fields) => {
            (fields.values_mut()).for_each(|one| shorten(one, items, characters))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// That this function changed something, of which another message has all.
pub(crate) fn earlier(at: Timestamp) -> String {
    let at = at.strftime("%Y-%m-%d %H:%M UTC");
    format!("by this function, {at}. That message has the undo.")
}

/// The ARN of what must be fixed, where its id and the place of its nodes give one.
fn arn(incident: &IncidentDetails) -> Option<String> {
    let scope = &incident.scope;
    match scope.kind {
        ScopeKind::Policy => return scope.id.starts_with("arn:").then(|| scope.id.clone()),
        ScopeKind::Role | ScopeKind::Template | ScopeKind::Nodes => return None,
        _ => {}
    }
    let id = scope.id.rsplit('/').next()?;
    let (prefix, hex) = id.split_once('-')?;
    let (service, kind) = match prefix {
        "i" => ("ec2", "instance"),
        "mi" => ("ssm", "managed-instance"),
        "subnet" => ("ec2", "subnet"),
        "vpc" => ("ec2", "vpc"),
        "vpce" => ("ec2", "vpc-endpoint"),
        _ => return None,
    };
    let is_hex = hex
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let node = incident
        .nodes
        .first()
        .filter(|_| is_hex && matches!(hex.len(), 8 | 17))?;
    let (region, account) = (
        Region::parse(node.region.as_deref()?)?,
        node.account.as_deref()?,
    );
    let partition = region.partition().arn()?;
    Some(format!(
        "arn:{partition}:{service}:{region}:{account}:{kind}/{id}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Cause, Confidence, Severity};

    #[test]
    fn what_another_incident_explains_is_not_called_over() {
        let over = |explained_by| {
            let over = ResolvedIncident {
                key: "a/b/c/d".to_owned(),
                cause: Cause::RoleNotAssumable,
                scope: Scope {
                    kind: ScopeKind::Node,
                    id: "i-0123456789abcdef0".to_owned(),
                },
                role_arn: None,
                severity: Severity::High,
                confidence: Confidence::Likely,
                title: "It cannot get credentials".to_owned(),
                nodes: NodeList::default(),
                since: Timestamp::UNIX_EPOCH,
                resolved_at: Timestamp::UNIX_EPOCH,
                explained_by,
                written_at: None,
            };
            let event = Event::resolved(&over).incident;
            (event.plan.reason, event.detail)
        };
        assert_eq!(over(None), ("It is over.".to_owned(), None));
        let (reason, detail) = over(Some("EC2 may not assume it".to_owned()));
        assert!(reason.contains("confirmed a cause: EC2 may not assume it."));
        assert_eq!(detail, Some(reason));
    }
}
