use super::world::{finding, instance_id, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::Query;
use crate::diagnose::{Home, Needs, diagnose};
use crate::finding::Finding;
use crate::node::{AccountId, NodeId, Region};

fn home() -> Home {
    Home {
        account: AccountId::parse("111122223333"),
        region: Region::parse("eu-central-1"),
    }
}

fn of(number: u32, cause: Cause) -> Finding {
    finding(number, &[cause], Confidence::Likely)
}

#[test]
fn only_what_the_candidates_need_is_asked_for() {
    let findings = [
        of(1, Cause::ImdsUnreachable),
        of(2, Cause::RoleNotAssumable),
        of(3, Cause::PermissionMissing),
        of(4, Cause::HostDiskFull),
        of(4, Cause::Throttled),
        of(1, Cause::ImdsDisabled),
        of(5, Cause::EndpointUnreachable),
    ];
    let needs = Needs::of(&findings, &home());
    let ids = |numbers: &[u32]| numbers.iter().map(|n| instance_id(*n)).collect::<Vec<_>>();
    let wanted = |ask| needs.wanted(ask).cloned().collect::<Vec<_>>();
    assert_eq!(wanted(Query::Instance), ids(&[1, 2, 3, 5]));
    assert_eq!(wanted(Query::Profile), ids(&[2, 3]));
    assert_eq!(wanted(Query::Role), ids(&[2, 3]));
    assert_eq!(wanted(Query::Permissions), ids(&[3]));
    for ask in [
        Query::SecurityGroups,
        Query::NetworkAcl,
        Query::RouteTables,
        Query::Endpoints,
    ] {
        assert_eq!(wanted(ask), ids(&[5]), "{ask:?}");
    }
    assert_eq!(wanted(Query::Registration), ids(&[1, 2, 3, 5]));
    assert!(!needs.is_wanted(Query::Dns) && !needs.is_wanted(Query::Dhmc));
    assert!(Needs::of(&findings[3..5], &home()).is_empty());
}

#[test]
fn nodes_out_of_reach_are_not_asked_about_and_say_why() {
    let mut hybrid = of(1, Cause::ImdsDisabled);
    hybrid.node.id = NodeId::parse("mi-0123456789abcdef0").expect("an id");
    let mut nameless = of(1, Cause::ImdsDisabled);
    nameless.node.id = NodeId::Unknown("web-1".into());
    let mut account = of(1, Cause::ImdsDisabled);
    account.node.account = AccountId::parse("444455556666");
    let mut region = of(1, Cause::ImdsDisabled);
    region.node.region = Region::parse("us-east-1");
    let findings = vec![hybrid, nameless, account, region];
    assert!(Needs::of(&findings, &home()).is_empty());
    let notes: Vec<String> = diagnose(findings, &world(|_, _| {}), &home())
        .into_iter()
        .map(|verdict| {
            assert_eq!(verdict.confidence, Confidence::Likely);
            assert_eq!(verdict.live, Default::default());
            assert!(
                verdict
                    .checks
                    .iter()
                    .all(|check| check.status == CheckStatus::Skipped)
            );
            verdict.checks[0].note.clone()
        })
        .collect();
    insta::assert_snapshot!(notes.join("\n"), @r"
    mi-0123456789abcdef0 is a hybrid node: EC2 does not know it.
    The log does not name its instance.
    i-00000000000000001 is in the account 444455556666; this function reads only its own, 111122223333.
    i-00000000000000001 is in the Region us-east-1; this function reads only its own, eu-central-1.
    ");
}

#[test]
fn an_account_that_is_not_known_is_taken_for_the_own() {
    let mut by_hand = of(1, Cause::ImdsDisabled);
    by_hand.node.account = None;
    by_hand.node.region = None;
    assert!(!Needs::of(&[by_hand], &home()).is_empty());
}

#[test]
fn an_open_finding_without_new_evidence_is_not_looked_at() {
    let mut old = of(1, Cause::ImdsDisabled);
    old.fresh = false;
    assert!(Needs::of(&[old.clone()], &home()).is_empty());
    let verdict = diagnose(vec![old], &world(|_, _| {}), &home()).remove(0);
    assert_eq!(verdict.checks, []);
    assert_eq!(verdict.confidence, Confidence::Likely);
}

#[test]
fn results_stand_in_the_order_of_the_list() {
    let verdict = diagnose(
        vec![finding(
            1,
            &[Cause::RoleNotAssumable, Cause::ImdsDisabled],
            Confidence::Undetermined,
        )],
        &world(|_, _| {}),
        &home(),
    )
    .remove(0);
    let names: Vec<&str> = verdict.checks.iter().map(|check| check.check).collect();
    assert_eq!(
        names,
        [
            "instance-state",
            "ssm-registration",
            "imds",
            "instance-profile",
            "trust-policy"
        ]
    );
    let live = verdict.live;
    assert_eq!(live.instance.map(|i| i.id), Some(instance_id(1)));
    assert_eq!(live.role.map(|r| r.name).as_deref(), Some("MySSMRole"));
}
