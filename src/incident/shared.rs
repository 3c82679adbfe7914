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

/// The scopes of all nodes of the account and Region that show the same as `incident`,
/// which is one node's, the likelier first; none where many nodes are one incident anyway.
pub fn shared_scopes(incident: &Incident) -> Vec<Scope> {
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
        | ScopeKind::Nodes => return Vec::new(),
    };
    let mut subjects = match incident.cause {
        // Whichever service was tried: what was dialled is the proxy.
        Cause::ProxyFailure => vec![error_details.remote_ip.map(|address| address.to_string())],
        Cause::PermissionMissing | Cause::EndpointPolicyDenies => {
            vec![error_details.action.clone()]
        }
        // What all nodes of a subnet or of an image lose at once is likelier there than
        // on each.
        Cause::NodeSilent => {
            let instance = incident.instances.first();
            let subnet = instance.and_then(|one| one.subnet.clone());
            let image = instance.and_then(|one| one.launch.image.clone());
            [subnet, image].into_iter().flatten().map(Some).collect()
        }
        _ => vec![of_node],
    };
    if subjects.is_empty() {
        subjects.push(None);
    }
    let Some(place) = incident.nodes().next().map(account_region) else {
        return Vec::new();
    };
    let right = match incident.fault_state {
        FaultState::Active => "",
        FaultState::NotObserved => RIGHT,
    };
    let scope = |subject: Option<String>| Scope {
        kind: ScopeKind::Nodes,
        id: match subject {
            Some(subject) => format!("{place}/{subject}{right}"),
            None => format!("{place}{right}"),
        },
    };
    subjects.into_iter().map(scope).collect()
}

/// The keys of the incidents that [`shared_scopes`] stand for.
pub fn shared_keys(incident: &Incident) -> impl Iterator<Item = String> {
    let scopes = shared_scopes(incident).into_iter();
    scopes.filter_map(|scope| shared_key(incident, &scope))
}

/// The key of the incident that `scope`, of [`shared_scopes`], stands for.
pub fn shared_key(incident: &Incident, scope: &Scope) -> Option<String> {
    let place = account_region(incident.nodes().next()?);
    Some(format!(
        "{place}/{}/{}:{}",
        incident.cause, scope.kind, scope.id
    ))
}
