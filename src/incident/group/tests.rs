use super::{Incident, MANY_NODES, group_into_incidents};
use crate::cause::{Cause, Confidence, Severity};
use crate::diagnose::diagnosis::FaultState;
use crate::diagnose::facts::Facts;
use crate::diagnose::tests::world::{TRUSTS_LAMBDA, finding, instance, profile, role, second};
use crate::diagnose::{Home, diagnose, diagnose_by_log};
use crate::failure::{Denied, Principal};
use crate::finding::{Evidence, Finding};
use crate::node::{IdSource, NodeId};

use crate::diagnose::facts::Fetched;
use Cause::*;
use Confidence::{Confirmed, Likely, Undetermined};

/// `count` instances on one role that EC2 may not assume.
fn fleet(count: u32) -> Facts {
    let mut profile = profile();
    profile.role = Some(role(TRUSTS_LAMBDA));
    Facts {
        instances: (1..=count)
            .map(|n| (instance(n).id, Fetched::Found(instance(n))))
            .collect(),
        profiles: [("Web".to_owned(), Fetched::Found(profile))].into(),
        registrations: (1..=count)
            .map(|n| (NodeId::Instance(instance(n).id), Fetched::Missing))
            .collect(),
        ..Facts::default()
    }
}

fn refused(number: u32) -> Finding {
    finding(number, &[RoleNotAssumable, StaleInstanceProfile], Likely)
}

fn incidents(findings: Vec<Finding>, facts: &Facts) -> Vec<Incident> {
    group_into_incidents(diagnose(findings, facts, &Home::default()))
}

fn record(at: i64, text: &str) -> Evidence {
    Evidence {
        at: second(at),
        level: crate::record::Level::Error,
        component: String::new(),
        text: text.to_owned(),
        place: None,
    }
}

#[test]
fn many_instances_on_one_broken_role_are_one_incident() {
    let findings = vec![refused(3), refused(1), refused(2)];
    let incidents = incidents(findings, &fleet(3));
    let [one] = incidents.as_slice() else {
        panic!("one incident, not {}", incidents.len());
    };
    assert_eq!(
        one.key,
        "111122223333/eu-central-1/role-not-assumable/role:MySSMRole"
    );
    assert_eq!(one.title, "EC2 cannot assume role MySSMRole");
    assert_eq!((one.severity, one.confidence), (Severity::High, Confirmed));
    let nodes: Vec<&str> = one.nodes().map(|node| node.id.as_str()).collect();
    let ids: Vec<String> = (1..=3).map(|n| instance(n).id.to_string()).collect();
    assert_eq!(nodes, ids);
    assert!(one.affected.iter().all(|hit| hit.confirmed));
    assert_eq!(
        one.role.as_ref().map(|r| r.name.as_str()),
        Some("MySSMRole")
    );
    assert_eq!(one.instances.len(), 3);
    assert_eq!(one.signatures[0].count, 3);
    let notes: Vec<&str> = one.checks.iter().map(|check| check.note.as_str()).collect();
    insta::assert_snapshot!(notes.join("\n"), @r#"
    i-00000000000000001 is running. The same holds for 2 more.
    Systems Manager has no node i-00000000000000001 in this account and Region: its agent never registered, or it was deregistered. The same holds for 2 more.
    The instance profile Web of i-00000000000000001 contains the role MySSMRole. The same holds for 2 more.
    Role MySSMRole: no statement of the trust policy allows EC2 to assume it; its Allow statements name "lambda.amazonaws.com".
    "#);
}

#[test]
fn the_order_of_findings_does_not_matter() {
    let mut findings: Vec<Finding> = (1..=5).map(refused).collect();
    findings.push(finding(6, &[HostDiskFull], Likely));
    findings.push(finding(7, &[ImdsDisabled], Likely));
    let there = incidents(findings.clone(), &fleet(7));
    findings.reverse();
    assert_eq!(there, incidents(findings, &fleet(7)));
    let causes: Vec<Cause> = there.iter().map(|incident| incident.cause).collect();
    assert_eq!(causes, [RoleNotAssumable, ImdsDisabled, HostDiskFull]);
}

#[test]
fn many_nodes_make_a_high_cause_critical() {
    let many = u32::try_from(MANY_NODES).expect("small");
    for (count, severity) in [(many - 1, Severity::High), (many, Severity::Critical)] {
        let found = incidents((1..=count).map(refused).collect(), &fleet(count));
        assert_eq!(found[0].severity, severity, "{count} nodes");
    }
    let disks = (1..=many).map(|n| {
        let mut throttled = finding(n, &[Throttled], Likely);
        throttled.error_details.action = Some("ssm:UpdateInstanceInformation".to_owned());
        throttled
    });
    let found = group_into_incidents(diagnose_by_log(disks.collect()));
    assert_eq!((found.len(), found[0].severity), (1, Severity::Medium));
}

#[test]
fn a_decided_incident_takes_in_the_undecided_finding_it_explains() {
    let bare = [NoInstanceProfile, RoleNotAssumable, ImdsUnreachable];
    let mut symptom = finding(1, &bare, Undetermined);
    symptom.evidence = vec![record(9, "no credentials")];
    symptom.last = second(9);
    let mut proven = refused(1);
    proven.evidence = vec![record(1, "cannot assume")];
    let other_node = finding(2, &bare, Undetermined);
    let other_cause = finding(1, &[DnsFailure, EndpointUnreachable], Undetermined);
    let found = group_into_incidents(diagnose_by_log(vec![
        symptom,
        proven,
        other_node,
        other_cause,
    ]));
    let causes: Vec<Cause> = found.iter().map(|incident| incident.cause).collect();
    assert_eq!(causes, [RoleNotAssumable, DnsFailure, NoInstanceProfile]);
    let one = &found[0];
    assert_eq!(one.confidence, Likely);
    assert_eq!(one.candidates, [RoleNotAssumable, StaleInstanceProfile]);
    let texts: Vec<&str> = one.evidence.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["cannot assume", "no credentials"]);
    assert_eq!((one.first, one.last), (second(0), second(9)));
    assert_eq!(one.affected.len(), 1);
    assert_eq!(
        one.affected[0].log_candidates,
        [
            RoleNotAssumable,
            StaleInstanceProfile,
            NoInstanceProfile,
            ImdsUnreachable
        ]
    );
}

#[test]
fn evidence_is_at_most_three_records_each_once() {
    let mut first = finding(1, &[HostDiskFull], Likely);
    first.evidence = vec![record(1, "a"), record(1, "a"), record(2, "a")];
    let mut second = finding(1, &[HostDiskFull], Likely);
    second.evidence = vec![record(3, "b"), record(4, "c")];
    let found = group_into_incidents(diagnose_by_log(vec![first, second]));
    let texts: Vec<&str> = found[0].evidence.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["a", "a", "b"]);
    assert_eq!(found[0].signatures[0].count, 2);
}

#[test]
fn the_best_authority_for_a_node_is_kept() {
    let mut by_text = finding(1, &[HostDiskFull], Likely);
    by_text.node.id_source = IdSource::Text;
    let found = group_into_incidents(diagnose_by_log(vec![
        by_text,
        finding(1, &[HostDiskFull], Likely),
    ]));
    assert_eq!(found[0].affected.len(), 1);
    assert_eq!(found[0].affected[0].node.id_source, IdSource::Stream);
}

#[test]
fn the_retry_is_that_of_the_newest_finding_that_has_one() {
    let mut old = finding(1, &[RoleNotAssumable], Likely);
    old.retry_in_seconds = Some(60);
    let mut new = finding(1, &[RoleNotAssumable], Likely);
    new.retry_in_seconds = Some(1_654);
    new.last = second(5);
    let mut silent = finding(1, &[RoleNotAssumable], Likely);
    silent.last = second(6);
    let found = group_into_incidents(diagnose_by_log(vec![old, new, silent]));
    assert_eq!(found[0].retry_in_seconds, Some(1_654));
}

#[test]
fn a_node_named_like_a_role_is_not_that_role() {
    let mut node = refused(2);
    node.node.id = NodeId::Unknown("MySSMRole".into());
    let found = incidents(vec![refused(1), node], &fleet(1));
    let keys: Vec<&str> = found.iter().map(|incident| incident.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "111122223333/eu-central-1/role-not-assumable/role:MySSMRole",
            "111122223333/eu-central-1/role-not-assumable/node:MySSMRole",
        ]
    );
}

#[test]
fn an_incident_holds_what_all_its_nodes_were_denied() {
    let denied = |number, action: &str| {
        let mut one = finding(number, &[PermissionMissing], Likely);
        one.error_details.role = Some("MySSMRole".to_owned());
        one.error_details.principal = Some(Principal::Role("MySSMRole".to_owned()));
        one.error_details.action = Some(action.to_owned());
        one.error_details.denied = vec![Denied {
            action: Some(action.to_owned()),
            ..Denied::default()
        }];
        one
    };
    let list = "ssm:ListInstanceAssociations";
    let ping = "ssm:UpdateInstanceInformation";
    let found = group_into_incidents(diagnose_by_log(vec![denied(1, ping), denied(2, list)]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].error_details.denied_actions(), [ping, list]);
    assert_eq!(
        found[0].title,
        "The role MySSMRole lacks ssm:UpdateInstanceInformation and 1 more"
    );
}

#[test]
fn titles_say_what_is_wrong() {
    let mut lines = Vec::new();
    for cause in Cause::ALL {
        let mut finding = finding(1, &[*cause], Likely);
        finding.error_details.service = Some("ssm".to_owned());
        lines.extend(
            group_into_incidents(diagnose_by_log(vec![finding]))
                .into_iter()
                .map(|i| i.title),
        );
    }
    let open = finding(1, &[ImdsDisabled, NoInstanceProfile], Undetermined);
    let right = finding(1, &[ImdsDisabled], Likely);
    let mut denied = finding(1, &[PermissionMissing], Likely);
    denied.error_details.action = Some("ssm:UpdateInstanceInformation".to_owned());
    denied.error_details.role = Some("MySSMRole".to_owned());
    let mut hostile = denied.clone();
    hostile.error_details.action = Some("ssm:<https://example.com|x>".to_owned());
    lines.push(String::new());
    for finding in [open, denied, hostile] {
        lines.extend(
            group_into_incidents(diagnose_by_log(vec![finding]))
                .into_iter()
                .map(|i| i.title),
        );
    }
    let found = incidents(vec![right], &fleet(1));
    assert_eq!(found[0].fault_state, FaultState::NotObserved);
    lines.extend(found.into_iter().map(|i| i.title));
    let titles = lines.join("\n");
    insta::assert_snapshot!(titles);
}

#[test]
fn what_lost_its_head_in_a_paste_names_no_cause_for_a_change() {
    let mut pasted = refused(1);
    pasted.error_details.headless = true;
    let found = incidents(vec![pasted], &fleet(1));
    assert_eq!(found[0].cause, RoleNotAssumable);
    assert!(found[0].affected[0].log_candidates.is_empty());
}
