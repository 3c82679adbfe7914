//! Whom a sweep suspects, what of it is an alarm, and what is over.

use std::time::Duration;

use jiff::Timestamp;

use super::world::{group, instance, instance_id, second, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::Home;
use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus, diagnose_by_id, finding_of};
use crate::diagnose::facts::{Facts, Fetched, InstanceFacts, RegistrationFacts, RunningInstance};
use crate::diagnose::sweep::{Listed, OpenFault, Suspect};
use crate::finding::ErrorDetails;
use crate::node::{IdSource, NodeId};

const GRACE: Duration = Duration::from_secs(15 * 60);
const MINUTE: i64 = 60;

fn now() -> Timestamp {
    second(0)
}

fn registered(id: NodeId, status: &str, minutes_ago: i64) -> RegistrationFacts {
    RegistrationFacts {
        last_ping: Some(second(-minutes_ago * MINUTE)),
        ..super::world::registration(&id, status)
    }
}

fn id(number: u32) -> NodeId {
    NodeId::Instance(instance_id(number))
}

fn suspects(listed: Listed) -> Vec<Suspect> {
    listed.suspects(&Home::default(), GRACE, now())
}

#[test]
fn who_is_lost_or_was_never_seen_for_longer_than_the_grace_is_suspected_once() {
    let hybrid = NodeId::parse("mi-0123456789abcdef0").expect("an id");
    let running = |number, minutes: i64| RunningInstance {
        id: instance_id(number),
        launched_at: Some(second(-minutes * MINUTE)),
    };
    let found = suspects(Listed {
        registered: vec![
            registered(hybrid, "Inactive", 16),
            registered(id(4), "ConnectionLost", 15),
            registered(id(3), "ConnectionLost", 14),
            registered(id(2), "Online", 60),
        ],
        never_seen: vec![running(6, 20), running(5, 10), running(4, 20)],
        unread: 0,
    });
    let found: Vec<(&str, IdSource)> = (found.iter())
        .map(|one| (one.node.id.as_str(), one.node.id_source))
        .collect();
    assert_eq!(
        found,
        [
            ("i-00000000000000004", IdSource::SystemsManager),
            ("i-00000000000000006", IdSource::Ec2),
            ("mi-0123456789abcdef0", IdSource::SystemsManager),
        ]
    );
}

/// The verdict on an instance that `change` leaves in the world, lost for so many
/// minutes.
fn lost(minutes: i64, change: impl FnOnce(&mut InstanceFacts)) -> NodeDiagnosis {
    let mut facts = world(|instance, _| change(instance));
    let known = registered(id(1), "ConnectionLost", minutes);
    facts.registrations = [(id(1), Fetched::Found(known.clone()))].into();
    facts.dhmc_setting = Some(Fetched::Found("$None".to_owned()));
    let listed = Listed {
        registered: vec![known],
        ..Listed::default()
    };
    let [suspect] = &suspects(listed)[..] else {
        panic!("it is suspected");
    };
    suspect.diagnose(&facts, &Home::default(), GRACE, now())
}

fn dark(instance: &mut InstanceFacts) {
    if let Some(imds) = &mut instance.imds {
        imds.endpoint_enabled = false;
    }
}

#[test]
fn what_is_proved_is_told_from_the_grace_on_and_unexplained_silence_after_an_hour() {
    for (minutes, expected) in [
        (16, NodeStatus::Late),
        (59, NodeStatus::Late),
        (60, NodeStatus::Silent),
    ] {
        let verdict = lost(minutes, |_| {});
        assert_eq!(verdict.status, expected, "{minutes}");
        assert_eq!(verdict.diagnosis.is_some(), expected == NodeStatus::Silent);
    }
    let proved = lost(16, dark).diagnosis.expect("it is proved");
    assert_eq!(
        (proved.cause, proved.confidence),
        (Cause::ImdsDisabled, Confidence::Confirmed)
    );
    assert_eq!(proved.finding.first, second(-16 * MINUTE));
    assert_eq!(proved.finding.last, now());
    assert_eq!(
        proved.finding.evidence[0].text,
        "ConnectionLost: last ping 2023-11-14 21:57 UTC, 16 min ago"
    );
}

#[test]
fn an_instance_that_was_just_started_is_late_however_old_its_ping() {
    let started = |minutes: i64| {
        lost(5_000, |instance| {
            dark(instance);
            instance.launched_at = Some(second(-minutes * MINUTE));
        })
    };
    assert_eq!(started(14).status, NodeStatus::Late);
    assert_eq!(started(15).status, NodeStatus::Faulty);
    let stopped = lost(5_000, |instance| instance.state = "stopped".to_owned());
    assert_eq!(
        (stopped.status, stopped.diagnosis),
        (NodeStatus::Stopped, None)
    );
}

#[test]
fn an_instance_that_could_not_be_read_is_not_known_to_run() {
    let known = registered(id(1), "ConnectionLost", 5_000);
    let mut facts = world(|_, _| {});
    facts.instances = [(instance_id(1), Fetched::Failed("denied".to_owned()))].into();
    facts.registrations = [(id(1), Fetched::Found(known))].into();
    let verdict = diagnose_by_id(
        finding_of(super::world::node(1), now()),
        &facts,
        &Home::default(),
    );
    assert_eq!(
        (verdict.status, verdict.diagnosis),
        (NodeStatus::Undetermined, None)
    );
}

fn fault(cause: Cause, candidates: &[Cause], confirmed: bool) -> OpenFault {
    OpenFault {
        cause,
        candidates: candidates.to_vec(),
        error_details: ErrorDetails::default(),
        last: second(-10 * MINUTE),
        confirmed,
        right_since: None,
    }
}

#[test]
fn a_ping_ends_what_the_agent_could_not_have_reported_with() {
    let ping = second(-MINUTE);
    let silent = fault(Cause::NodeSilent, &[Cause::NodeSilent], false);
    assert!(silent.ends_with_ping(ping));
    assert!(!silent.ends_with_ping(second(-11 * MINUTE)), "of before");
    // On credentials of before the agent may go on for hours.
    let refused = fault(Cause::RoleNotAssumable, &[Cause::RoleNotAssumable], false);
    assert!(!refused.ends_with_ping(ping));
    assert!(refused.ends_with_ping(second(7 * 60 * MINUTE)));
    let either = fault(
        Cause::ProxyFailure,
        &[Cause::ProxyFailure, Cause::HostDiskFull],
        false,
    );
    assert!(!either.ends_with_ping(ping));
    let of_ssm = |service: &str| OpenFault {
        error_details: ErrorDetails {
            service: Some(service.to_owned()),
            ..ErrorDetails::default()
        },
        ..fault(
            Cause::EndpointUnreachable,
            &[Cause::EndpointUnreachable],
            true,
        )
    };
    assert!(of_ssm("ssm").ends_with_ping(ping) && of_ssm("ssm").explains_silence(now()));
    assert!(!of_ssm("ssmmessages").ends_with_ping(ping));
    assert!(!of_ssm("ssmmessages").explains_silence(now()));
}

#[test]
fn what_the_checks_no_longer_observe_is_over_where_they_could_look() {
    let reporting = |facts: &mut Facts| {
        let known = registered(id(1), "Online", 1);
        facts.registrations = [(id(1), Fetched::Found(known))].into();
        facts.dhmc_setting = Some(Fetched::Found("$None".to_owned()));
        diagnose_by_id(
            finding_of(super::world::node(1), now()),
            facts,
            &Home::default(),
        )
    };
    let off = fault(Cause::ImdsDisabled, &[Cause::ImdsDisabled], true);
    let is_over =
        |fault: &OpenFault, facts: &mut Facts| fault.is_no_longer_observed(&reporting(facts));
    assert!(is_over(&off, &mut world(|_, _| {})));
    assert!(!is_over(&off, &mut world(|instance, _| dark(instance))));
    let mut unread = world(|_, _| {});
    let blind = InstanceFacts {
        imds: None,
        ..instance(1)
    };
    unread.instances = [(instance_id(1), Fetched::Found(blind))].into();
    assert!(!is_over(&off, &mut unread));
    // What no check had proved may have been something else.
    assert!(!is_over(
        &OpenFault {
            confirmed: false,
            ..off
        },
        &mut world(|_, _| {})
    ));
    let mut shut = world(|_, _| {});
    shut.groups
        .insert("sg-1".to_owned(), Fetched::Found(group("sg-1", &[], &[])));
    let other = fault(Cause::HostDiskFull, &[Cause::HostDiskFull], true);
    assert!(!is_over(&other, &mut shut));
}

#[test]
fn what_was_put_right_explains_silence_until_the_agent_has_had_time_to_try_again() {
    let off = |minutes: Option<i64>| OpenFault {
        right_since: minutes.map(|minutes| second(-minutes * MINUTE)),
        ..fault(Cause::ImdsDisabled, &[Cause::ImdsDisabled], true)
    };
    let explains = [None, Some(119), Some(120)].map(|since| off(since).explains_silence(now()));
    assert_eq!(explains, [true, true, false]);
    let silent = fault(Cause::NodeSilent, &[Cause::NodeSilent], false);
    assert!(!silent.explains_silence(now()), "it is that silence");
}
