//! Titles: the subject of an incident's messages.

use super::*;

#[test]
fn a_title_names_only_what_is_known() {
    use crate::cause::{Scope, ScopeKind};
    for (cause, kind, id, words) in [
        (
            Cause::Throttled,
            ScopeKind::AccountRegionApi,
            "-/-/ssm:UpdateInstanceInformation",
            "AWS throttles the SSM Agent: ssm:UpdateInstanceInformation",
        ),
        (
            Cause::ServiceError,
            ScopeKind::AccountRegionApi,
            "-/eu-central-1/-",
            "AWS service errors: eu-central-1",
        ),
        (
            Cause::ServiceError,
            ScopeKind::AccountRegionApi,
            "-/-/-",
            "AWS service errors",
        ),
        (
            Cause::DhmcNotConfigured,
            ScopeKind::AccountRegion,
            "-/eu-central-1",
            "Default Host Management is not configured in eu-central-1",
        ),
        (
            Cause::DhmcRoleBroken,
            ScopeKind::AccountRegion,
            "-/-",
            "Default Host Management role does not work",
        ),
        (
            Cause::EndpointUnreachable,
            ScopeKind::ServiceOnNode,
            "-/i-0123456789abcdef0",
            "AWS unreachable from i-0123456789abcdef0",
        ),
        (
            Cause::EndpointUnreachable,
            ScopeKind::Nodes,
            "123456789012/eu-central-1",
            "ssm unreachable from several nodes",
        ),
    ] {
        let mut incident = sample::incident(cause);
        incident.scope = Scope {
            kind,
            id: id.to_owned(),
        };
        assert_eq!(title(&incident.situation()), words);
    }
}

#[test]
fn every_title_is_a_subject_in_ascii() {
    for cause in Cause::ALL {
        let title = title(&sample::incident(*cause).situation());
        assert!(title.is_ascii() && title.len() < 99, "{title}");
    }
}
