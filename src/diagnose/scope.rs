//! What must be fixed for a cause, as closely as it is known.

use super::diagnosis::Live;
use super::result::Fault;
use crate::cause::{Cause, Scope, ScopeKind};
use crate::correlate::unknown;
use crate::failure::Principal;
use crate::finding::Finding;
use crate::node::{Node, NodeId};

/// The scope of `cause` for this finding. While the role, the subnet or the
/// VPC is unknown, the node stands in for it. `fault` is what a check proved
/// the cause with.
pub(super) fn scope(cause: Cause, finding: &Finding, live: &Live, fault: Option<&Fault>) -> Scope {
    let node = &finding.node;
    let error_details = &finding.error_details;
    let of = |kind, id: String| Scope { kind, id };
    match cause.scope_kind() {
        ScopeKind::Instance => match &node.id {
            NodeId::Instance(id) => of(ScopeKind::Instance, id.to_string()),
            NodeId::Hybrid(_) | NodeId::Unknown(_) => on_node(node),
        },
        ScopeKind::Role | ScopeKind::Policy => {
            // What a check proved is the role's own; else AWS's word on the policy counts.
            let policy = (finding.error_details.denying_policy())
                .filter(|_| cause == Cause::PermissionMissing && fault.is_none());
            match (policy, role(cause, finding, live)) {
                (Some((_, arn)), _) => of(ScopeKind::Policy, policy_id(arn).to_owned()),
                (None, Some(name)) => of(ScopeKind::Role, name.to_owned()),
                (None, None) => on_node(node),
            }
        }
        // While it is not proven which endpoint denies, the VPC stands for it.
        ScopeKind::VpcEndpoint | ScopeKind::Vpc => match (fault, live.vpc()) {
            (Some(Fault::EndpointPolicy { endpoint }), _) => {
                of(ScopeKind::VpcEndpoint, endpoint.clone())
            }
            (Some(_) | None, Some(vpc)) => of(ScopeKind::Vpc, vpc.to_owned()),
            (Some(_) | None, None) => on_node(node),
        },
        ScopeKind::ServiceInSubnet | ScopeKind::ServiceOnNode => {
            let service = error_details
                .service
                .as_deref()
                .or(error_details.host.as_deref());
            let service = service.unwrap_or("-");
            match live.subnet() {
                Some(subnet) => of(ScopeKind::ServiceInSubnet, format!("{service}/{subnet}")),
                None => of(ScopeKind::ServiceOnNode, format!("{service}/{}", node.id)),
            }
        }
        ScopeKind::AccountRegion => of(ScopeKind::AccountRegion, account_region(node)),
        ScopeKind::AccountRegionApi => {
            let api = error_details
                .action
                .as_deref()
                .or(error_details.service.as_deref());
            let api = api.unwrap_or("-");
            of(
                ScopeKind::AccountRegionApi,
                format!("{}/{api}", account_region(node)),
            )
        }
        ScopeKind::Template => of(
            ScopeKind::Template,
            unknown::scope_id(error_details.template.as_deref().unwrap_or_default()),
        ),
        // One set of preferences is for all nodes, and one role for those that have it.
        ScopeKind::Node | ScopeKind::Nodes => match fault {
            Some(Fault::SessionPreferences) => of(ScopeKind::AccountRegion, account_region(node)),
            Some(Fault::PolicyDenies { role, .. }) => of(ScopeKind::Role, role.clone()),
            Some(_) | None => on_node(node),
        },
    }
}

/// `ACCOUNT/REGION`, with `-` for what is unknown.
pub fn account_region(node: &Node) -> String {
    let account = node.account.as_ref().map_or("-", |id| id.as_str());
    let region = node.region.as_ref().map_or("-", |region| region.as_str());
    format!("{account}/{region}")
}

/// The role to fix. A denial names the role that was denied. For a role that EC2
/// may not assume the instance's own profile decides; where it could not be read,
/// the name in the log groups the nodes, and a write never follows from it: that
/// takes a check's proof and the live role.
fn role<'a>(cause: Cause, finding: &'a Finding, live: &'a Live) -> Option<&'a str> {
    let own = live.role.as_ref().map(|role| role.name.as_str());
    let logged = finding.error_details.role.as_deref();
    if cause == Cause::PermissionMissing {
        let other = |caller: &Principal| !matches!(caller, Principal::Role(_));
        if finding.error_details.principal.as_ref().is_some_and(other) {
            // A user or a service was denied: no role is at fault.
            return None;
        }
        logged.or(own)
    } else {
        own.or(logged)
    }
}

/// The id by which AWS Organizations knows its policy; of another policy its ARN.
fn policy_id(arn: &str) -> &str {
    match arn.split_once(":policy/") {
        Some((head, path)) if head.contains(":organizations:") => {
            path.rsplit('/').next().unwrap_or(arn)
        }
        Some(_) | None => arn,
    }
}

fn on_node(node: &Node) -> Scope {
    Scope {
        kind: ScopeKind::Node,
        id: node.id.to_string(),
    }
}
