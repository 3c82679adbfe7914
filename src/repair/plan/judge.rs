//! What live state says about the resource itself, the locks aside.

use super::{CurrentState, Guardrails};
use crate::cause::ScopeKind;
use crate::config::REPAIR_TAG_KEY;
use crate::diagnose::facts::Fetched;
use crate::incident::group::Incident;
use crate::policy::{Refusal, RoleRef, plan_edit};
use crate::repair::action::Action;
use crate::repair::reason::{Reason, Resource};

/// What may be done about the resource, as it is.
pub(super) enum Judged<'a> {
    Repairable {
        action: Action,
        tags: Result<Option<&'a str>, &'a str>,
        resource: Resource,
    },
    Right,
    Unread(Resource),
    Refused {
        reason: Reason,
        would_do: Option<Action>,
    },
}

pub(super) fn imds<'a>(incident: &Incident, live: CurrentState<'a>) -> Judged<'a> {
    let id = incident.scope.id.as_str();
    let resource = Resource::Instance(id.to_owned());
    let facts = (incident.scope.kind == ScopeKind::Instance)
        .then(|| live.instances.iter().find(|facts| facts.id.as_str() == id))
        .flatten();
    let Some((facts, imds)) = facts.and_then(|facts| Some((facts, facts.imds.as_ref()?))) else {
        return Judged::Unread(resource);
    };
    let action = Action::EnableImdsEndpoint {
        instance: facts.id.clone(),
        before: imds.clone(),
    };
    let refused = |reason| Judged::Refused {
        reason,
        would_do: None,
    };
    if imds.endpoint_enabled {
        return Judged::Right;
    }
    if facts.state != "running" {
        return refused(Reason::InstanceState(facts.state.clone()));
    }
    if let Some(service) = &facts.managed_by {
        return refused(Reason::ManagedBy(service.clone()));
    }
    if let Some(bar) = facts.imds_bar() {
        return refused(Reason::ImdsBarred(bar));
    }
    if imds.pending {
        return refused(Reason::ChangePending);
    }
    Judged::Repairable {
        action,
        tags: Ok(facts.tags.get(REPAIR_TAG_KEY).map(String::as_str)),
        resource,
    }
}

/// The repair that would have led to the state as it is, and the value of the
/// instance's tag.
pub(super) fn switched_on<'a>(
    incident: &Incident,
    live: CurrentState<'a>,
) -> Option<(Action, Option<&'a str>)> {
    let facts = (live.instances.iter()).find(|facts| facts.id.as_str() == incident.scope.id)?;
    let before = facts.imds.clone().filter(|_| facts.managed_by.is_none())?;
    let action = Action::EnableImdsEndpoint {
        instance: facts.id.clone(),
        before,
    };
    Some((action, facts.tags.get(REPAIR_TAG_KEY).map(String::as_str)))
}

pub(super) fn trust<'a>(
    incident: &Incident,
    live: CurrentState<'a>,
    guardrails: &Guardrails,
) -> Judged<'a> {
    let name = incident.scope.id.as_str();
    let resource = Resource::Role(name.to_owned());
    let role = live
        .role
        .filter(|role| incident.scope.kind == ScopeKind::Role && role.name == name);
    let Some(role) = role else {
        return Judged::Unread(resource);
    };
    let reference = RoleRef {
        name,
        path: &role.path,
        arn: &role.arn,
        partition: guardrails.region.partition(),
    };
    let action = |edit| Action::TrustEc2 {
        role: name.to_owned(),
        edit,
    };
    match plan_edit(&role.trust_policy, &reference) {
        Ok(edit) => Judged::Repairable {
            action: action(edit),
            tags: match &role.tags {
                Fetched::Found(tags) => Ok(tags.get(REPAIR_TAG_KEY).map(String::as_str)),
                Fetched::Missing => Err("IAM does not know the role"),
                Fetched::Failed(why) => Err(why),
            },
            resource,
        },
        Err(Refusal::AlreadyRight { .. }) => Judged::Right,
        Err(refusal) => {
            let would_do = if let Refusal::OtherPartition { would_do } = &refusal {
                Some(action((**would_do).clone()))
            } else {
                None
            };
            Judged::Refused {
                reason: Reason::Trust(refusal),
                would_do,
            }
        }
    }
}
