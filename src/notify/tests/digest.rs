//! One message about all incidents.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::cause::Severity;
use crate::diagnose::sweep::NotChecked;
use crate::incident::nodes::{NodeEntry, NodeList};
use crate::incident::store::overview::IncidentOverview;
use crate::node::{AccountId, Region};
use crate::notify::digest::Digest;

/// An incident that is open and was proved, `hours` before the digest.
fn open(
    cause: Cause,
    title: &str,
    severity: Severity,
    nodes: usize,
    hours: u64,
) -> IncidentOverview {
    let since = at("2026-11-24T05:00:00Z") - Duration::from_secs(hours * 3_600);
    IncidentOverview {
        key: format!("123456789012/eu-central-1/{cause}/{title}"),
        cause,
        severity,
        title: title.to_owned(),
        confirmed: true,
        nodes: NodeList {
            listed: Vec::new(),
            count: nodes,
        },
        since,
        resolved_at: None,
        returned: Vec::new(),
        written_at: None,
    }
}

fn digest(all: &[IncidentOverview]) -> Digest {
    digest_beside(all, &[])
}

fn digest_beside(all: &[IncidentOverview], not_checked: &[NotChecked]) -> Digest {
    let place = (
        Some("123456789012".to_owned()),
        Some("eu-central-1".to_owned()),
    );
    let from = Some(at("2026-11-23T05:00:00Z"));
    let now = at("2026-11-24T05:00:00Z");
    Digest::new(place, Ok((412, 40)), (all, not_checked), from, now)
}

fn not_checked() -> Vec<NotChecked> {
    let sweep = |why: &str, hours: u64| NotChecked {
        account: AccountId::parse("210987654321"),
        region: Region::parse("eu-central-1"),
        selection: "lost".to_owned(),
        why: why.to_owned(),
        since: at("2026-11-24T05:00:00Z") - Duration::from_secs(hours * 3_600),
    };
    vec![sweep("sts:AssumeRole was denied (AccessDenied)", 25)]
}

fn all() -> Vec<IncidentOverview> {
    let lately = Some(at("2026-11-23T07:00:00Z"));
    let role = open(
        Cause::RoleNotAssumable,
        "EC2 cannot assume role MySSMRole",
        Severity::Critical,
        37,
        25,
    );
    let endpoint = open(
        Cause::EndpointUnreachable,
        "ssm unreachable from subnet-0a1b2c3d4e5f60718",
        Severity::High,
        2,
        30,
    );
    let denied = open(
        Cause::PermissionMissing,
        "p-1a2b3c4d denies ssm:UpdateInstanceInformation",
        Severity::High,
        1,
        3,
    );
    let dark = open(
        Cause::ImdsDisabled,
        "IMDS disabled on i-0123456789abcdef0",
        Severity::High,
        1,
        23,
    );
    let old = open(
        Cause::ImdsDisabled,
        "IMDS disabled on i-00000000000000001",
        Severity::High,
        1,
        90,
    );
    let unknown = open(
        Cause::Unrecognised,
        "Errors that no signature recognises on i-1",
        Severity::Low,
        1,
        2,
    );
    vec![
        unknown,
        IncidentOverview {
            confirmed: false,
            ..denied
        },
        IncidentOverview {
            returned: Vec::from_iter(lately),
            ..endpoint
        },
        role,
        IncidentOverview {
            resolved_at: lately,
            written_at: lately,
            ..dark
        },
        IncidentOverview {
            resolved_at: Some(at("2026-11-22T07:00:00Z")),
            ..old
        },
    ]
}

#[test]
fn a_digest_has_what_is_open_and_what_happened_since_the_last_one() {
    let digest = digest_beside(&all(), &not_checked());
    let message = digest.message(Format::Mail);
    insta::assert_snapshot!(
        "digest",
        format!("Subject: {}\n\n{}", message.subject, message.body)
    );
    insta::assert_json_snapshot!("digest_as_json", digest);
    let chat: Value = serde_json::from_str(&digest.message(Format::Chat).body).expect("JSON");
    insta::assert_json_snapshot!("digest_in_a_chat", chat);
    let all = digest.message(Format::PerProtocol);
    let bodies: Value = serde_json::from_str(&all.body).expect("JSON");
    assert_eq!(bodies["default"], message.body);
    assert!(bodies["sms"].as_str().is_some_and(|text| text.len() <= 140));
}

#[test]
fn a_node_of_two_incidents_counts_once() {
    let node = |number: u32| NodeEntry {
        id: format!("i-{number:017x}"),
        kind: "ec2",
        account: None,
        region: None,
    };
    let on = |nodes: std::ops::Range<u32>, more: usize| {
        let one = open(Cause::NodeSilent, "silent", Severity::High, 0, 1);
        let listed: Vec<NodeEntry> = nodes.map(node).collect();
        let count = listed.len() + more;
        let nodes = NodeList { listed, count };
        IncidentOverview { nodes, ..one }
    };
    assert_eq!(digest(&[on(0..7, 0), on(5..9, 0)]).node_count, 9);
    assert_eq!(digest(&[on(0..100, 400), on(50..51, 0)]).node_count, 500);
}

#[test]
fn nodes_that_could_not_be_counted_are_said_not_to_be() {
    let denied = "DescribeInstanceInformation was denied (AccessDenied)".to_owned();
    let now = at("2026-11-24T05:00:00Z");
    let digest = Digest::new((None, None), Err(denied), (&[], &[]), None, now);
    assert_eq!(
        digest.message(Format::Mail).body.replace('\n', " "),
        "2026-11-24 05:00 UTC, all that is remembered. Could not determine how many \
         nodes report: DescribeInstanceInformation was denied (AccessDenied). No \
         incident is open. "
    );
}

#[test]
fn where_nothing_is_open_the_digest_says_so() {
    let message = digest(&[]).message(Format::Mail);
    insta::assert_snapshot!(
        "digest_of_nothing",
        format!("Subject: {}\n\n{}", message.subject, message.body)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_digest_of_anything_stays_within_the_limits(title in ".{0,400}", count in 0_usize..300) {
        let one = open(Cause::NodeSilent, &title, Severity::High, 5_000, 1);
        let all = vec![one; count];
        let sweep = not_checked().remove(0);
        let sweeps = vec![NotChecked { why: title, ..sweep }; count];
        for format in [Format::Mail, Format::Chat, Format::Json, Format::PerProtocol] {
            let message = digest_beside(&all, &sweeps).message(format);
            prop_assert!(message.subject.len() <= SUBJECT_LENGTH);
            prop_assert!(message.subject.chars().all(|c| matches!(c, ' '..='~')));
            prop_assert!(message.body.len() <= MESSAGE_BYTES);
            if format != Format::Mail {
                prop_assert!(serde_json::from_str::<Value>(&message.body).is_ok());
            }
        }
    }
}
