//! The verdict on a node of which no log is at hand.

use super::world::{TRUSTS_LAMBDA, group, instance_id, node, role, second, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus, diagnose_by_id, finding_of};
use crate::diagnose::check::{CheckStatus, Question};
use crate::diagnose::facts::{Facts, Fetched, InstanceFacts, ProfileFacts, RegistrationFacts};
use crate::diagnose::{CHECKS, Home, Needs, question};
use crate::node::{Node, NodeId};

const OFF: Option<&str> = Some("$None");

/// The world as `change` leaves it, with a node that pinged last as `ping` says, and
/// this setting of Default Host Management.
fn facts(
    ping: Option<&str>,
    dhmc: Option<&str>,
    change: impl FnOnce(&mut InstanceFacts, &mut ProfileFacts),
) -> Facts {
    let mut facts = world(change);
    let id = NodeId::Instance(instance_id(1));
    let read = match ping {
        Some(status) => Fetched::Found(RegistrationFacts {
            id: id.clone(),
            ping_status: status.to_owned(),
            last_ping: Some(second(-60)),
            agent_version: None,
        }),
        None => Fetched::Missing,
    };
    facts.registrations = [(id, read)].into();
    facts.dhmc_setting = dhmc.map(|setting| Fetched::Found(setting.to_owned()));
    facts
}

fn verdict_on(node: Node, facts: &Facts) -> NodeDiagnosis {
    diagnose_by_id(finding_of(node, second(0)), facts, &Home::default())
}

fn verdict(facts: &Facts) -> NodeDiagnosis {
    verdict_on(node(1), facts)
}

fn cause(one: &NodeDiagnosis) -> Option<(Cause, Confidence)> {
    let diagnosis = one.diagnosis.as_ref()?;
    Some((diagnosis.cause, diagnosis.confidence))
}

fn dark(instance: &mut InstanceFacts, _: &mut ProfileFacts) {
    if let Some(imds) = &mut instance.imds {
        imds.endpoint_enabled = false;
    }
}

fn refused(_: &mut InstanceFacts, profile: &mut ProfileFacts) {
    profile.role = Some(role(TRUSTS_LAMBDA));
}

fn without_profile(instance: &mut InstanceFacts, _: &mut ProfileFacts) {
    instance.profile = None;
}

fn as_is(_: &mut InstanceFacts, _: &mut ProfileFacts) {}

#[test]
fn every_check_is_run_and_stands_under_its_question() {
    let well = verdict(&facts(Some("Online"), OFF, as_is));
    assert_eq!(
        (well.status, cause(&well)),
        (NodeStatus::Healthy, None),
        "{well:#?}"
    );
    let mut names: Vec<&str> = well.checks.iter().map(|result| result.check).collect();
    let questions: Vec<Option<Question>> = names.iter().map(|name| question(name)).collect();
    assert!(questions.is_sorted(), "{questions:?}");
    names.sort_unstable();
    let mut all: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    all.sort_unstable();
    assert_eq!(names, all);
    let failed = |one: &NodeDiagnosis| {
        let mut checks = one.checks.iter();
        checks.any(|result| result.status == CheckStatus::Failed)
    };
    assert!(!failed(&well), "{well:#?}");
}

#[test]
fn what_a_check_proves_is_the_cause_and_the_first_explains_the_others() {
    let both = |instance: &mut InstanceFacts, profile: &mut ProfileFacts| {
        dark(instance, profile);
        refused(instance, profile);
    };
    for (read, expected) in [
        (facts(None, OFF, dark), Cause::ImdsDisabled),
        (facts(Some("Online"), OFF, dark), Cause::ImdsDisabled),
        (
            facts(Some("ConnectionLost"), OFF, refused),
            Cause::RoleNotAssumable,
        ),
        (facts(None, OFF, without_profile), Cause::NoInstanceProfile),
        (facts(None, OFF, both), Cause::ImdsDisabled),
    ] {
        let verdict = verdict(&read);
        assert_eq!(verdict.status, NodeStatus::Faulty);
        assert_eq!(cause(&verdict), Some((expected, Confidence::Confirmed)));
    }
}

#[test]
fn default_host_management_may_stand_in_for_a_profile() {
    // Its role was not read: nothing is known of it, and the node reports.
    let on = facts(Some("Online"), Some("service-role/Dhmc"), without_profile);
    assert_eq!(verdict(&on).status, NodeStatus::Healthy);
    let unread = facts(None, None, without_profile);
    assert_eq!(
        cause(&verdict(&unread)),
        Some((Cause::NoInstanceProfile, Confidence::Likely))
    );
    let mut broken = facts(None, Some("service-role/Dhmc"), without_profile);
    broken.dhmc_role = Some(Fetched::Missing);
    assert_eq!(
        cause(&verdict(&broken)),
        Some((Cause::DhmcRoleBroken, Confidence::Confirmed))
    );
    let mut sound = facts(Some("Online"), Some("service-role/Dhmc"), as_is);
    sound.dhmc_role = Some(Fetched::Missing);
    assert_eq!(verdict(&sound).status, NodeStatus::Healthy);
}

#[test]
fn a_closed_path_is_no_fault_of_a_node_that_reports() {
    let closed = |ping| {
        let mut facts = facts(ping, OFF, as_is);
        let shut = Fetched::Found(group("sg-1", &[], &[]));
        facts.groups.insert("sg-1".to_owned(), shut);
        verdict(&facts)
    };
    assert_eq!(closed(Some("Online")).status, NodeStatus::Healthy);
    assert_eq!(
        cause(&closed(Some("ConnectionLost"))),
        Some((Cause::EndpointUnreachable, Confidence::Confirmed))
    );
}

#[test]
fn where_nothing_is_proved_the_host_is_looked_at() {
    for ping in [None, Some("ConnectionLost"), Some("Inactive")] {
        let silent = verdict(&facts(ping, OFF, as_is));
        assert_eq!(silent.status, NodeStatus::Silent);
        assert_eq!(
            cause(&silent),
            Some((Cause::NodeSilent, Confidence::Undetermined))
        );
    }
}

#[test]
fn a_node_that_does_not_run_is_told_as_that() {
    for (state, expected) in [
        ("stopped", NodeStatus::Stopped),
        ("terminated", NodeStatus::Terminated),
    ] {
        let read = facts(None, OFF, |instance, profile| {
            dark(instance, profile);
            instance.state = state.to_owned();
        });
        let verdict = verdict(&read);
        assert_eq!((verdict.status, cause(&verdict)), (expected, None));
    }
    let mut unknown = facts(None, OFF, as_is);
    unknown.instances = [(instance_id(1), Fetched::Missing)].into();
    assert_eq!(verdict(&unknown).status, NodeStatus::NotFound);
}

#[test]
fn what_could_not_be_read_accuses_nobody() {
    let mut denied = world(as_is);
    let why = || "not allowed".to_owned();
    denied.instances = [(instance_id(1), Fetched::Failed(why()))].into();
    let id = NodeId::Instance(instance_id(1));
    denied.registrations = [(id, Fetched::Failed(why()))].into();
    let verdict = verdict(&denied);
    assert_eq!(
        (verdict.status, cause(&verdict)),
        (NodeStatus::Undetermined, None)
    );
    let unsure = |status| matches!(status, CheckStatus::Unknown | CheckStatus::Skipped);
    assert!(verdict.checks.iter().all(|result| unsure(result.status)));
}

#[test]
fn of_a_hybrid_node_systems_manager_is_asked() {
    let id = NodeId::parse("mi-0123456789abcdef0").expect("an id");
    let hybrid = || Node {
        id: id.clone(),
        ..node(1)
    };
    let asked = finding_of(hybrid(), second(0));
    let needs = Needs::of(&[asked], &Home::default());
    assert_eq!(
        Vec::from_iter(needs.registered()),
        std::slice::from_ref(&id)
    );
    let mut facts = facts(None, OFF, as_is);
    assert_eq!(
        verdict_on(hybrid(), &facts).status,
        NodeStatus::Undetermined
    );
    for (status, expected) in [
        ("Online", NodeStatus::Healthy),
        ("ConnectionLost", NodeStatus::Silent),
    ] {
        let read = RegistrationFacts {
            id: id.clone(),
            ping_status: status.to_owned(),
            last_ping: Some(second(-60)),
            agent_version: None,
        };
        facts.registrations = [(id.clone(), Fetched::Found(read))].into();
        assert_eq!(verdict_on(hybrid(), &facts).status, expected);
    }
}
