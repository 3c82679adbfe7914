//! Many nodes with one fault that each has by itself: an image, a proxy or a
//! certificate authority that they share. From a handful on they are one
//! incident with a list.

use std::time::Duration;

use super::group::Incident;
use crate::cause::{Cause, Scope, ScopeKind};
use crate::diagnose::account_region;
use crate::diagnose::diagnosis::FaultState;

/// So many nodes may each be notified by itself; more of them are one incident …
pub const HANDFUL: usize = 5;

/// … when they showed the fault within so long.
pub const WITHIN: Duration = Duration::from_secs(15 * 60);

/// Ends the scope of those nodes that live state shows right: they are a list of
/// their own, since what holds for them does not hold for the others.
const RIGHT: &str = "/already-right";

/// Whether `scope` may be the one of a node of which live state says `fault_state`.
pub fn is_of(scope: &Scope, fault_state: FaultState) -> bool {
    scope.kind != ScopeKind::Nodes
        || match fault_state {
            FaultState::Active => !scope.id.ends_with(RIGHT),
            FaultState::NotObserved => scope.id.ends_with(RIGHT),
        }
}

/// The scope of all nodes of the account and Region that show the same as
/// `incident`, which is one node's; `None` where many nodes are one incident
/// anyway.
pub fn shared_scope(incident: &Incident) -> Option<Scope> {
    let error_details = &incident.error_details;
    let of_node = match incident.scope.kind {
        ScopeKind::Instance | ScopeKind::Node => None,
        ScopeKind::ServiceOnNode => error_details
            .service
            .clone()
            .or_else(|| error_details.host.clone()),
        ScopeKind::Role
        | ScopeKind::Policy
        | ScopeKind::VpcEndpoint
        | ScopeKind::ServiceInSubnet
        | ScopeKind::Vpc
        | ScopeKind::AccountRegion
        | ScopeKind::AccountRegionApi
        | ScopeKind::Template
        | ScopeKind::Nodes => return None,
    };
    let subject = match incident.cause {
        // Whichever service was tried: what was dialled is the proxy.
        Cause::ProxyFailure => error_details.remote_ip.map(|address| address.to_string()),
        Cause::PermissionMissing | Cause::EndpointPolicyDenies => error_details.action.clone(),
        // What all nodes of a subnet lose at once is more likely there than on each.
        Cause::NodeSilent => (incident.instances.first()).and_then(|one| one.subnet.clone()),
        _ => of_node,
    };
    let place = account_region(incident.nodes().next()?);
    let mut id = match subject {
        Some(subject) => format!("{place}/{subject}"),
        None => place,
    };
    if incident.fault_state == FaultState::NotObserved {
        id.push_str(RIGHT);
    }
    Some(Scope {
        kind: ScopeKind::Nodes,
        id,
    })
}

/// The key of the incident that `scope`, of [`shared_scope`], stands for.
pub fn shared_key(incident: &Incident, scope: &Scope) -> Option<String> {
    let place = account_region(incident.nodes().next()?);
    Some(format!(
        "{place}/{}/{}:{}",
        incident.cause, scope.kind, scope.id
    ))
}
