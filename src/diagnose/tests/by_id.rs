//! The verdict on a node of which no log is at hand.

use super::world::{
    TRUSTS_LAMBDA, group, instance_id, node, registration, role, second, world, world_with_endpoint,
};
use crate::cause::{Cause, Confidence, Severity};
use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus, diagnose_by_id, finding_of};
use crate::diagnose::check::{CheckStatus, Question};
use crate::diagnose::facts::{
    ActivationFacts, Facts, Fetched, InstanceFacts, ProfileFacts, RegistrationFacts,
};
use crate::diagnose::{CHECKS, Home, Needs, question};
use crate::node::{Node, NodeId, Region};

pub(super) const OFF: Option<&str> = Some("$None");

/// The world as `change` leaves it, with a node that pinged last as `ping` says, and
/// this setting of Default Host Management.
pub(super) fn facts(
    ping: Option<&str>,
    dhmc: Option<&str>,
    change: impl FnOnce(&mut InstanceFacts, &mut ProfileFacts),
) -> Facts {
    let mut facts = world(change);
    let id = NodeId::Instance(instance_id(1));
    let read = match ping {
        Some(status) => Fetched::Found(registration(&id, status)),
        None => Fetched::Missing,
    };
    facts.registrations = [(id, read)].into();
    facts.dhmc_setting = dhmc.map(|setting| Fetched::Found(setting.to_owned()));
    facts
}

fn verdict_on(node: Node, facts: &Facts) -> NodeDiagnosis {
    diagnose_by_id(finding_of(node, second(0)), facts, &Home::default())
}

pub(super) fn verdict(facts: &Facts) -> NodeDiagnosis {
    verdict_on(node(1), facts)
}

pub(super) fn cause(one: &NodeDiagnosis) -> Option<(Cause, Confidence)> {
    let diagnosis = one.diagnosis.as_ref()?;
    Some((diagnosis.cause, diagnosis.confidence))
}

pub(super) fn dark(instance: &mut InstanceFacts, _: &mut ProfileFacts) {
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

pub(super) fn as_is(_: &mut InstanceFacts, _: &mut ProfileFacts) {}

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
    // The path to each service is looked at by itself.
    names.dedup();
    let all = CHECKS.iter().map(|check| check.name);
    let mut all: Vec<&str> = all.filter(|name| *name != "activation").collect();
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
    // A proxy, of which nothing tells, may carry what the network does not.
    assert_eq!(
        cause(&closed(Some("ConnectionLost"))),
        Some((Cause::EndpointUnreachable, Confidence::Likely))
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
        let read = registration(&id, status);
        facts.registrations = [(id.clone(), Fetched::Found(read))].into();
        assert_eq!(verdict_on(hybrid(), &facts).status, expected);
    }
}

#[test]
fn a_just_started_instance_is_not_accused_of_its_silence() {
    let at = |age: i64| {
        let started = Some(second(-age));
        facts(None, OFF, |instance, _| instance.launched_at = started)
    };
    let young = verdict(&at(60));
    assert_eq!((young.status, cause(&young)), (NodeStatus::Late, None));
    assert_eq!(verdict(&at(3600)).status, NodeStatus::Silent);
    // What a check proves needs no time to show.
    let mut dark_one = facts(None, OFF, dark);
    if let Some(Fetched::Found(one)) = dark_one.instances.get_mut(&instance_id(1)) {
        one.launched_at = Some(second(-60));
    }
    let proved = Some((Cause::ImdsDisabled, Confidence::Confirmed));
    assert_eq!(cause(&verdict(&dark_one)), proved);
}

/// The path to ssm is open, that to `service` leads to an endpoint that is shut.
fn shut(service: &str, ping: &str, agent: &str) -> NodeDiagnosis {
    let mut facts = world_with_endpoint(|facts, endpoint| {
        endpoint.service = format!("com.amazonaws.eu-central-1.{service}");
        let shut = Fetched::Found(group("sg-endpoint", &[], &[]));
        facts.groups.insert("sg-endpoint".to_owned(), shut);
    });
    let id = NodeId::Instance(instance_id(1));
    let read = RegistrationFacts {
        agent_version: Some(agent.to_owned()),
        ..registration(&id, ping)
    };
    facts.registrations = [(id, Fetched::Found(read))].into();
    facts.dhmc_setting = Some(Fetched::Found("$None".to_owned()));
    verdict(&facts)
}

#[test]
fn the_path_to_each_service_is_looked_at() {
    let new = "3.3.4793.0";
    for ping in ["ConnectionLost", "Online"] {
        let one = shut("ssmmessages", ping, new);
        let likely = Some((Cause::EndpointUnreachable, Confidence::Likely));
        assert_eq!(cause(&one), likely);
        let diagnosis = one.diagnosis.expect("it is at fault");
        assert_eq!(diagnosis.scope.id, "ssmmessages/subnet-1");
    }
    // A proxy evidently carries what the network does not.
    assert_eq!(shut("ssm", "Online", new).status, NodeStatus::Healthy);
    assert_eq!(
        shut("ec2messages", "Online", new).status,
        NodeStatus::Healthy
    );
    let old = shut("ec2messages", "ConnectionLost", "3.2.1.0");
    let diagnosis = old.diagnosis.expect("it is at fault");
    assert_eq!(diagnosis.severity, Severity::Low);
}

#[test]
fn an_agent_is_outdated_where_it_cannot_do_what_its_node_needs() {
    let agent = |version: &str, region: &str| {
        let mut facts = facts(Some("Online"), OFF, as_is);
        let id = NodeId::Instance(instance_id(1));
        let read = RegistrationFacts {
            agent_version: Some(version.to_owned()),
            ..registration(&id, "Online")
        };
        facts.registrations = [(id, Fetched::Found(read))].into();
        let region = Region::parse(region);
        let node = Node { region, ..node(1) };
        cause(&verdict_on(node, &facts))
    };
    let outdated = Some((Cause::AgentOutdated, Confidence::Confirmed));
    assert_eq!(agent("3.2.1.0", "eu-central-1"), None);
    assert_eq!(agent("3.2.1.0", "mx-central-1"), outdated);
    assert_eq!(agent("3.3.40.0", "mx-central-1"), None);
    assert_eq!(agent("2.2.1.0", "eu-central-1"), outdated);
    assert_eq!(agent("latest", "mx-central-1"), None);
}

#[test]
fn the_activation_of_a_hybrid_node_is_told_and_never_its_fault() {
    let id = NodeId::parse("mi-0123456789abcdef0").expect("an id");
    let hybrid = Node {
        id: id.clone(),
        ..node(1)
    };
    let mut facts = facts(None, OFF, as_is);
    let read = RegistrationFacts {
        activation: Some("a-1".to_owned()),
        ..registration(&id, "ConnectionLost")
    };
    facts.registrations = [(id, Fetched::Found(read))].into();
    let mut notes = String::new();
    let sound = ActivationFacts {
        id: "a-1".to_owned(),
        expired: false,
        expires: Some(second(60)),
        limit: 2,
        used: 1,
    };
    for read in [
        Fetched::Found(sound.clone()),
        Fetched::Found(ActivationFacts {
            used: 2,
            ..sound.clone()
        }),
        Fetched::Found(ActivationFacts {
            expired: true,
            ..sound
        }),
        Fetched::Missing,
        Fetched::Failed("not allowed".to_owned()),
    ] {
        facts.activations = [("a-1".to_owned(), read)].into();
        let verdict = verdict_on(hybrid.clone(), &facts);
        assert_eq!(verdict.status, NodeStatus::Silent);
        let mut checks = verdict.checks.iter();
        let result = checks.find(|one| one.check == "activation").expect("run");
        notes += &format!("{:?} {}\n", result.status, result.note);
    }
    insta::assert_snapshot!(notes);
}
