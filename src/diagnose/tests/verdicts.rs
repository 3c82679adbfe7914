use super::permissions::denied_by;
use super::world::{
    TRUSTS_LAMBDA, TRUSTS_ON_CONDITION, finding, instance_id, node, second, world,
    world_with_endpoint,
};
use crate::cause::{Cause, Confidence, Scope, ScopeKind, Severity};
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::diagnose::facts::{Facts, Fetched};
use crate::diagnose::{Home, diagnose, diagnose_by_log, verdict};
use crate::failure::{Denied, DenyReason, Principal};
use crate::finding::Finding;
use crate::node::NodeId;
use Cause::*;
use Confidence::{Confirmed, Likely, Undetermined};

/// The candidates of a log that only shows that there are no credentials.
const BARE: &[Cause] = &[
    RoleNotAssumable,
    NoInstanceProfile,
    ImdsDisabled,
    ImdsUnreachable,
    StaleInstanceProfile,
];

pub(super) fn verdict(finding: Finding, facts: &Facts) -> Diagnosis {
    diagnose(vec![finding], facts, &Home::default())
        .pop()
        .expect("one for one")
}

fn undetermined(candidates: &[Cause], facts: &Facts) -> Diagnosis {
    verdict(finding(1, candidates, Undetermined), facts)
}

fn imds_off() -> Facts {
    world(|i, _| i.imds.as_mut().expect("given").endpoint_enabled = false)
}

fn trust(policy: &'static str) -> Facts {
    world(|_, p| p.role.as_mut().expect("given").trust_policy = policy.to_owned())
}

fn profile_read(read: Fetched<crate::diagnose::facts::ProfileFacts>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.profiles.insert("Web".to_owned(), read);
    facts
}

fn only(read: Fetched<crate::diagnose::facts::InstanceFacts>) -> Facts {
    Facts {
        instances: [(instance_id(1), read)].into(),
        ..Facts::default()
    }
}

#[test]
fn live_state_decides_between_the_candidates_of_a_bare_log() {
    let both = world(|i, p| {
        i.imds.as_mut().expect("given").endpoint_enabled = false;
        p.role.as_mut().expect("given").trust_policy = TRUSTS_LAMBDA.to_owned();
    });
    let late = "the time for checks was up";
    let table: Vec<(&str, Facts, Confidence, &[Cause])> = vec![
        (
            "IMDS off",
            imds_off(),
            Confirmed,
            &[ImdsDisabled, StaleInstanceProfile],
        ),
        (
            "no profile",
            world(|i, _| i.profile = None),
            Confirmed,
            &[NoInstanceProfile, ImdsUnreachable],
        ),
        (
            "profile deleted",
            profile_read(Fetched::Missing),
            Confirmed,
            &[StaleInstanceProfile, ImdsUnreachable],
        ),
        (
            "profile without role",
            world(|_, p| p.role = None),
            Confirmed,
            &[StaleInstanceProfile, ImdsUnreachable],
        ),
        (
            "trust refuses",
            trust(TRUSTS_LAMBDA),
            Confirmed,
            &[RoleNotAssumable, ImdsUnreachable, StaleInstanceProfile],
        ),
        (
            "IMDS off explains the trust policy's silence",
            both,
            Confirmed,
            &[ImdsDisabled, RoleNotAssumable, StaleInstanceProfile],
        ),
        (
            "trust cannot be evaluated",
            trust(TRUSTS_ON_CONDITION),
            Undetermined,
            &[RoleNotAssumable, ImdsUnreachable, StaleInstanceProfile],
        ),
        (
            "all is right",
            world(|_, _| {}),
            Undetermined,
            &[ImdsUnreachable, StaleInstanceProfile],
        ),
        (
            "the profile could not be read",
            profile_read(Fetched::Failed(late.to_owned())),
            Undetermined,
            &[RoleNotAssumable, ImdsUnreachable, StaleInstanceProfile],
        ),
        (
            "nothing could be read",
            only(Fetched::Failed(late.to_owned())),
            Undetermined,
            BARE,
        ),
        ("unknown to EC2", only(Fetched::Missing), Undetermined, BARE),
    ];
    for (title, facts, confidence, candidates) in table {
        let verdict = undetermined(BARE, &facts);
        assert_eq!(verdict.confidence, confidence, "{title}");
        assert_eq!(verdict.candidates, candidates, "{title}");
        assert_eq!(verdict.cause, candidates[0], "{title}");
        assert_eq!(verdict.fault_state, FaultState::Active, "{title}");
    }
}

#[test]
fn a_check_confirms_only_what_the_log_names() {
    let verdict = undetermined(&[NoInstanceProfile, ImdsUnreachable], &imds_off());
    assert_eq!(verdict.cause, NoInstanceProfile);
    assert_eq!(verdict.confidence, Undetermined);
}

#[test]
fn candidates_that_are_all_refuted_are_already_right() {
    for (candidates, confidence) in [
        (&[ImdsDisabled][..], Likely),
        (&[RoleNotAssumable, NoInstanceProfile], Undetermined),
    ] {
        let verdict = verdict(finding(1, candidates, confidence), &world(|_, _| {}));
        assert_eq!(verdict.fault_state, FaultState::NotObserved);
        assert_eq!(verdict.confidence, Undetermined);
        assert_eq!(verdict.candidates, candidates);
    }
}

#[test]
fn a_right_trust_policy_with_a_refusal_in_the_log_is_a_stale_association() {
    let mut by_code = finding(1, BARE, Undetermined);
    by_code.error_details.code = Some("AssumeRoleUnauthorizedAccess".to_owned());
    let by_line = finding(1, &[RoleNotAssumable, StaleInstanceProfile], Likely);
    for finding in [by_code, by_line] {
        let verdict = verdict(finding, &world(|_, _| {}));
        assert_eq!(verdict.cause, StaleInstanceProfile);
        assert_eq!(verdict.confidence, Likely);
        assert_eq!(verdict.scope.kind, ScopeKind::Instance);
    }
}

#[test]
fn a_trust_policy_that_a_repair_put_right_is_recognised() {
    let repaired = world(|_, p| {
        let role = p.role.as_mut().expect("given");
        role.trust_policy = crate::policy::plan_edit(
            TRUSTS_LAMBDA,
            &crate::policy::RoleRef {
                name: "MySSMRole",
                arn: "arn:aws:iam::111122223333:role/MySSMRole",
                path: "/",
                partition: crate::node::Partition::Aws,
            },
        )
        .expect("a plain document")
        .new_document;
    });
    let verdict = verdict(
        finding(1, &[RoleNotAssumable, StaleInstanceProfile], Likely),
        &repaired,
    );
    assert_eq!(verdict.cause, RoleNotAssumable);
    assert_eq!(verdict.fault_state, FaultState::NotObserved);
    assert_eq!(verdict.scope.kind, ScopeKind::Role);
}

#[test]
fn a_metadata_service_that_is_on_and_not_reached_is_the_hosts_matter() {
    let candidates = &[ImdsUnreachable, ImdsDisabled];
    let on = undetermined(candidates, &world(|_, _| {}));
    assert_eq!((on.cause, on.confidence), (ImdsUnreachable, Likely));
    let off = undetermined(candidates, &imds_off());
    assert_eq!((off.cause, off.confidence), (ImdsDisabled, Confirmed));
    assert_eq!(off.candidates, [ImdsDisabled]);
    // Where the log suspects something else first, that may have been put right.
    let candidates = &[NoInstanceProfile, ImdsDisabled, ImdsUnreachable];
    let open = undetermined(candidates, &world(|_, _| {}));
    assert_eq!(
        (open.cause, open.confidence),
        (ImdsUnreachable, Undetermined)
    );
}

#[test]
fn a_metadata_service_that_said_it_was_off_and_is_on_is_put_right_until_later_lines_say_otherwise()
{
    let candidates = &[ImdsDisabled, ProxyFailure, ImdsUnreachable];
    let mut open = undetermined(candidates, &world(|_, _| {}));
    assert_eq!(open.cause, ImdsDisabled);
    assert_eq!(open.fault_state, FaultState::NotObserved);
    open.rule_out(ImdsUnreachable);
    assert_eq!(open.cause, ImdsDisabled, "of another cause");
    open.rule_out(ImdsDisabled);
    assert_eq!(open.candidates, [ProxyFailure, ImdsUnreachable]);
    assert_eq!(open.cause, ProxyFailure);
    assert_eq!(open.fault_state, FaultState::Active);
    assert_eq!(open.scope.kind, ScopeKind::Node);

    let mut of_two = undetermined(&[ImdsDisabled, ProxyFailure], &world(|_, _| {}));
    of_two.rule_out(ImdsDisabled);
    assert_eq!(of_two.cause, ProxyFailure);

    // Nothing else may be at fault, or something else is the cause.
    for candidates in [&[ImdsDisabled][..], &[RoleNotAssumable, ImdsDisabled]] {
        let before = undetermined(candidates, &world(|_, _| {}));
        let mut after = before.clone();
        after.rule_out(ImdsDisabled);
        assert_eq!(before.fault_state, FaultState::NotObserved);
        assert_eq!(after, before);
    }

    // An instance that is gone needs nothing, whatever was logged when.
    let gone = world(|i, _| i.state = "terminated".to_owned());
    let mut gone = undetermined(candidates, &gone);
    gone.rule_out(ImdsDisabled);
    assert_eq!(gone.fault_state, FaultState::NotObserved);
}

#[test]
fn a_gone_instance_needs_nothing() {
    let gone = world(|i, _| i.state = "terminated".to_owned());
    let verdict = verdict(finding(1, &[ImdsDisabled], Likely), &gone);
    assert_eq!(verdict.fault_state, FaultState::NotObserved);
    assert_eq!(verdict.severity, Severity::Low);
}

#[test]
fn details_say_what_follows() {
    let both = world(|i, p| {
        i.state = "stopped".to_owned();
        i.imds.as_mut().expect("given").endpoint_enabled = false;
        p.role.as_mut().expect("given").trust_policy = TRUSTS_LAMBDA.to_owned();
    });
    let container = world(|i, _| i.imds.as_mut().expect("given").hop_limit = Some(1));
    let gone = world(|i, _| i.state = "terminated".to_owned());
    let right = world(|_, _| {});
    let refused = finding(1, &[RoleNotAssumable, StaleInstanceProfile], Likely);
    let imds = finding(1, &[ImdsUnreachable, ImdsDisabled], Likely);
    let shown: Vec<String> = [
        ("two faults, stopped", undetermined(BARE, &both)),
        ("container", verdict(imds, &container)),
        ("all right, bare log", undetermined(BARE, &right)),
        ("stale association", verdict(refused, &right)),
        ("already right", undetermined(&[ImdsDisabled], &right)),
        ("gone", undetermined(BARE, &gone)),
        ("unknown", undetermined(BARE, &only(Fetched::Missing))),
        ("one fault", undetermined(BARE, &imds_off())),
    ]
    .iter()
    .map(|(title, verdict)| {
        format!(
            "{title}\n    {}\n",
            verdict.detail.as_deref().unwrap_or("-")
        )
    })
    .collect();
    let shown = shown.concat();
    insta::assert_snapshot!(shown);
}

#[test]
fn severity_follows_the_cause_that_is_found() {
    let mut bare = finding(1, BARE, Undetermined);
    bare.severity = Severity::Medium;
    let verdict_of = |facts: &Facts| verdict(bare.clone(), facts).severity;
    assert_eq!(verdict_of(&trust(TRUSTS_LAMBDA)), Severity::High);
    assert_eq!(verdict_of(&imds_off()), Severity::High);
    assert_eq!(verdict_of(&trust(TRUSTS_ON_CONDITION)), Severity::Medium);

    let mut minor = finding(1, &[EndpointUnreachable], Likely);
    minor.severity = Severity::Low;
    assert_eq!(verdict(minor, &world(|_, _| {})).severity, Severity::Low);

    let lists =
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ssm:List*","Resource":"*"}]}"#;
    let facts = world_with_endpoint(|_, endpoint| endpoint.policy = Some(lists.to_owned()));
    let mut minor = finding(1, &[EndpointPolicyDenies], Likely);
    minor.severity = Severity::Low;
    minor.error_details = denied_by(DenyReason::VpcEndpointPolicy);
    let proved = verdict(minor, &facts);
    assert_eq!(
        (proved.confidence, proved.severity),
        (Confirmed, Severity::Low)
    );
}

#[test]
fn what_may_heal_by_itself_is_low_until_it_is_proved() {
    let candidates = &[NoInstanceProfile, ImdsDisabled, ImdsUnreachable];
    let mut early = finding(1, candidates, Undetermined);
    early.severity = Severity::Low;
    let on = verdict(early.clone(), &world(|_, _| {}));
    assert_eq!((on.cause, on.severity), (ImdsUnreachable, Severity::Low));
    let off = verdict(early, &imds_off());
    assert_eq!((off.cause, off.severity), (ImdsDisabled, Severity::High));
}

#[test]
fn the_scope_is_the_thing_to_fix() {
    let of = |kind, id: &str| Scope {
        kind,
        id: id.to_owned(),
    };
    let scope = |candidates: &[Cause], change: fn(&mut Finding)| {
        let mut finding = finding(1, candidates, Likely);
        change(&mut finding);
        let by_log = diagnose_by_log(vec![finding.clone()]).remove(0).scope;
        (verdict(finding, &world(|_, _| {})).scope, by_log)
    };
    let id = instance_id(1).to_string();
    let on_instance = of(ScopeKind::Instance, &id);
    let on_node = of(ScopeKind::Node, &id);

    let (live, log) = scope(&[ImdsUnreachable], |_| {});
    assert_eq!((live, log), (on_instance.clone(), on_instance));

    // The role that a log line names groups nodes until the live role is known.
    let (_, log) = scope(&[RoleNotAssumable], |f| {
        f.error_details.role = Some("Admin".to_owned());
    });
    assert_eq!(log, of(ScopeKind::Role, "Admin"));
    let live = undetermined(&[RoleNotAssumable], &trust(TRUSTS_LAMBDA)).scope;
    assert_eq!(live, of(ScopeKind::Role, "MySSMRole"));

    let (live, log) = scope(&[PermissionMissing], |_| {});
    assert_eq!(
        (live, log),
        (of(ScopeKind::Role, "MySSMRole"), on_node.clone())
    );
    let (live, log) = scope(&[PermissionMissing], |f| {
        f.error_details.role = Some("Denied".to_owned());
    });
    let denied = of(ScopeKind::Role, "Denied");
    assert_eq!((live, log), (denied.clone(), denied));

    // Where AWS names the policy that denies, that is to be changed, and no role.
    let (live, log) = scope(&[PermissionMissing], |f| {
        f.error_details.role = Some("Denied".to_owned());
        f.error_details.reason = Some(DenyReason::ServiceControlPolicy);
        f.error_details.denied = vec![Denied {
            reason: f.error_details.reason,
            explicit: true,
            policy: Some(
                "arn:aws:organizations::111122223333:policy/o-a1b2c3d4e5/service_control_policy/p-1a2b3c4d"
                    .to_owned(),
            ),
            ..Denied::default()
        }];
    });
    let policy = of(ScopeKind::Policy, "p-1a2b3c4d");
    assert_eq!((live, log), (policy.clone(), policy));
    // What an IAM user was denied concerns no role.
    let (live, log) = scope(&[PermissionMissing], |f| {
        f.error_details.principal = Some(Principal::User("alice".to_owned()));
    });
    assert_eq!((live, log), (on_node.clone(), on_node.clone()));

    let (live, log) = scope(&[EndpointUnreachable], |f| {
        f.error_details.service = Some("ssm".to_owned());
    });
    assert_eq!(live, of(ScopeKind::ServiceInSubnet, "ssm/subnet-1"));
    assert_eq!(log, of(ScopeKind::ServiceOnNode, &format!("ssm/{id}")));

    let (live, log) = scope(&[DnsFailure], |_| {});
    assert_eq!((live, log), (of(ScopeKind::Vpc, "vpc-1"), on_node));

    let (_, log) = scope(&[Throttled], |f| {
        f.error_details.action = Some("ssm:UpdateInstanceInformation".to_owned());
    });
    assert_eq!(
        log,
        of(
            ScopeKind::AccountRegionApi,
            "111122223333/eu-central-1/ssm:UpdateInstanceInformation"
        )
    );
    let (_, log) = scope(&[DhmcNotConfigured], |f| {
        f.node.account = None;
    });
    assert_eq!(log, of(ScopeKind::AccountRegion, "-/eu-central-1"));

    // The id is part of incident keys that a table may hold.
    let (_, log) = scope(&[Unrecognised], |f| {
        f.error_details.template = Some("disk <N> is gone".to_owned());
    });
    assert_eq!(log, of(ScopeKind::Template, "0eccbfd0d7d3"));

    let mut unknown = finding(1, &[ImdsUnreachable], Likely);
    unknown.node.id = NodeId::Unknown("web-1".into());
    let log = diagnose_by_log(vec![unknown]).remove(0).scope;
    assert_eq!(log, of(ScopeKind::Node, "web-1"));
}

#[test]
fn the_log_alone_gives_what_the_log_says() {
    let verdict = diagnose_by_log(vec![finding(1, BARE, Undetermined)]).remove(0);
    assert_eq!(verdict.candidates, BARE);
    assert_eq!(verdict.confidence, Undetermined);
    assert_eq!(verdict.checks, []);
    assert_eq!(verdict.detail, None);
    assert_eq!(verdict.finding.node, node(1));
    assert_eq!(verdict.finding.last, second(1));
}

/// What a denial stops is as bad as the log says only where the log named it first, or
/// where it stops the output of commands.
#[test]
fn a_proved_candidate_that_the_log_did_not_lead_with_has_its_own_severity() {
    let mut quiet = finding(1, &[NoInstanceProfile, PermissionMissing], Undetermined);
    quiet.severity = Severity::Low;
    let severity =
        |finding: &Finding| verdict::severity(PermissionMissing, finding, Confirmed, false);
    assert_eq!(severity(&quiet), PermissionMissing.severity());
    quiet.error_details.service = Some("s3".to_owned());
    assert_eq!(severity(&quiet), Severity::Low);
}
