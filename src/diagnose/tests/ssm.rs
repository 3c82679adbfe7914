//! What Systems Manager knows, and what a report since the evidence settles.

use super::checks::run_with;
use super::world::{finding, instance_id, registration, role, second, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::diagnosis::{Diagnosis, FaultState};
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts};
use crate::diagnose::{Home, diagnose};
use crate::finding::ErrorDetails;
use crate::node::NodeId;
use Cause::*;

/// The evidence ends at `second(1)`.
fn pinged(status: &str, at: i64) -> Fetched<RegistrationFacts> {
    let id = NodeId::Instance(instance_id(1));
    Fetched::Found(RegistrationFacts {
        last_ping: Some(second(at)),
        agent_version: Some("3.3.987.0".to_owned()),
        ..registration(&id, status)
    })
}

fn registered(read: Fetched<RegistrationFacts>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.registrations = [(NodeId::Instance(instance_id(1)), read)].into();
    facts
}

fn dhmc(setting: Fetched<&str>, role: Option<Fetched<&str>>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.dhmc_setting = Some(match setting {
        Fetched::Found(value) => Fetched::Found(value.to_owned()),
        Fetched::Missing => Fetched::Missing,
        Fetched::Failed(why) => Fetched::Failed(why),
    });
    facts.dhmc_role = role.map(|read| match read {
        Fetched::Found(trust) => Fetched::Found(self::role(trust)),
        Fetched::Missing => Fetched::Missing,
        Fetched::Failed(why) => Fetched::Failed(why),
    });
    facts
}

fn shown(check: &'static str, rows: &[(&str, Facts)]) -> String {
    let mut text = String::new();
    for (title, facts) in rows {
        let result = run_with(check, facts, &ErrorDetails::default());
        let observation = result
            .observation
            .map_or("-", |observation| observation.name);
        text.push_str(&format!(
            "{title}: {:?} {observation}\n    {}\n",
            result.status, result.note
        ));
    }
    text
}

const TRUSTS_SSM: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const TRUSTS_EC2: &str = super::world::TRUSTS_EC2;
const ON: &str = "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole";

#[test]
fn registration_says_when_the_agent_last_reported() {
    let never = Fetched::Found(RegistrationFacts {
        last_ping: None,
        agent_version: None,
        ..registration(&NodeId::Instance(instance_id(1)), "Inactive")
    });
    let text = shown(
        "ssm-registration",
        &[
            ("since", registered(pinged("Online", 300))),
            ("before", registered(pinged("Online", 0))),
            ("at the same moment", registered(pinged("Online", 1))),
            ("lost", registered(pinged("ConnectionLost", -3600))),
            ("lost, since", registered(pinged("ConnectionLost", 300))),
            (
                "a status of no known meaning",
                registered(pinged("Paused", -3600)),
            ),
            ("no ping", registered(never)),
            ("not known", registered(Fetched::Missing)),
            (
                "denied",
                registered(Fetched::Failed(
                    "DescribeInstanceInformation was denied".to_owned(),
                )),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn default_host_management_is_evaluated_by_its_setting_and_role() {
    const CONDITIONED: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":["ssm.amazonaws.com"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}}"#;
    const EVERYONE: &str =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    const EVERY_AWS: &str =
        r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;
    const TWICE: &str = r#"{"Statement":{"Effect":"Deny","Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let found = |trust| Some(Fetched::Found(trust));
    let text = shown(
        "dhmc",
        &[
            ("off", dhmc(Fetched::Found("$None"), None)),
            ("on", dhmc(Fetched::Found(ON), found(TRUSTS_SSM))),
            (
                "role gone",
                dhmc(Fetched::Found(ON), Some(Fetched::Missing)),
            ),
            ("role of EC2", dhmc(Fetched::Found(ON), found(TRUSTS_EC2))),
            ("on condition", dhmc(Fetched::Found(ON), found(CONDITIONED))),
            ("for everyone", dhmc(Fetched::Found(ON), found(EVERYONE))),
            (
                "for every AWS principal",
                dhmc(Fetched::Found(ON), found(EVERY_AWS)),
            ),
            ("an effect twice", dhmc(Fetched::Found(ON), found(TWICE))),
            ("not JSON", dhmc(Fetched::Found(ON), found("?"))),
            (
                "role denied",
                dhmc(
                    Fetched::Found(ON),
                    Some(Fetched::Failed("denied".to_owned())),
                ),
            ),
            (
                "setting denied",
                dhmc(Fetched::Failed("denied".to_owned()), None),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

fn verdict(
    candidates: &[Cause],
    change: impl FnOnce(&mut ErrorDetails),
    facts: &Facts,
) -> Diagnosis {
    let mut finding = finding(1, candidates, Confidence::Likely);
    change(&mut finding.error_details);
    diagnose(vec![finding], facts, &Home::default()).remove(0)
}

#[test]
fn a_report_since_the_evidence_is_a_recovery_from_what_would_prevent_it() {
    let since = || pinged("Online", 300);
    let next_day = || pinged("Online", 7 * 3600);
    let ping = |error_details: &mut ErrorDetails| {
        error_details.action = Some("ssm:UpdateInstanceInformation".to_owned());
        error_details.service = Some("ssm".to_owned());
    };
    let messages =
        |error_details: &mut ErrorDetails| error_details.service = Some("ssmmessages".to_owned());
    type Change = fn(&mut ErrorDetails);
    let table: &[(&[Cause], Change, Fetched<RegistrationFacts>, bool)] = &[
        (&[CredentialsExpired], |_| {}, since(), true),
        (&[EndpointUnreachable], ping, since(), true),
        (&[EndpointUnreachable], messages, since(), false),
        // For hours it reports on credentials that it holds from before.
        (&[ImdsUnreachable, ImdsDisabled], |_| {}, since(), false),
        (
            &[ImdsUnreachable, ImdsDisabled],
            |_| {},
            pinged("Online", 1 + 6 * 3600),
            false,
        ),
        (&[ImdsUnreachable, ImdsDisabled], |_| {}, next_day(), true),
        (&[RoleNotAssumable], |_| {}, since(), false),
        (&[RegistrationInvalid], |_| {}, since(), false),
        (&[DhmcNotConfigured], |_| {}, since(), false),
        (
            &[CredentialsExpired, ImdsUnreachable],
            |_| {},
            since(),
            false,
        ),
        (&[PermissionMissing], ping, since(), false),
        (&[PermissionMissing], ping, next_day(), true),
        (&[PermissionMissing], messages, next_day(), false),
        // The log's times are of the clock that is wrong.
        (&[ClockSkew], |_| {}, next_day(), false),
        (&[CredentialsExpired], |_| {}, pinged("Online", 1), false),
        (&[CredentialsExpired], |_| {}, Fetched::Missing, false),
        (
            &[CredentialsExpired],
            |_| {},
            Fetched::Failed("late".to_owned()),
            false,
        ),
        // What reporting does not need is not settled by it.
        (&[HostDiskFull], |_| {}, since(), false),
        (&[ChannelFailure, EndpointUnreachable], ping, since(), false),
    ];
    for (candidates, change, read, recovered) in table {
        let verdict = verdict(candidates, change, &registered(read.clone()));
        assert_eq!(
            verdict.recovered_at.is_some(),
            *recovered,
            "{candidates:?} {read:?}"
        );
        let over = crate::diagnose::verdict::recovered(std::slice::from_ref(&verdict));
        let over: Vec<(&str, Cause)> = (over.iter())
            .map(|one| (one.node.as_str(), one.cause))
            .collect();
        let node = verdict.finding.node.id.to_string();
        let whole = [(node.as_str(), verdict.cause)];
        assert_eq!(over, whole[..usize::from(*recovered)], "{candidates:?}");
        let right = verdict.fault_state == FaultState::NotObserved;
        assert!(right || !recovered, "{candidates:?}");
    }
}

#[test]
fn a_fault_that_the_agent_outlives_for_hours_stands_although_it_reports() {
    let off = world(|instance, _| {
        instance.imds.as_mut().expect("given").endpoint_enabled = false;
    });
    for (mut facts, cause, seconds, confidence, says) in [
        (
            off.clone(),
            ImdsDisabled,
            300,
            Confidence::Confirmed,
            "; they last",
        ),
        (
            off,
            ImdsDisabled,
            7 * 3600,
            Confidence::Confirmed,
            "; they last",
        ),
        (
            world(|_, _| {}),
            ImdsUnreachable,
            300,
            Confidence::Likely,
            "excludes nothing",
        ),
    ] {
        facts.registrations =
            [(NodeId::Instance(instance_id(1)), pinged("Online", seconds))].into();
        let verdict = verdict(&[cause], |_| {}, &facts);
        assert_eq!(verdict.confidence, confidence);
        assert_eq!(
            (verdict.fault_state, verdict.recovered_at),
            (FaultState::Active, None)
        );
        let detail = verdict.detail.expect("one");
        assert!(
            detail.contains("still reports") && detail.contains(says),
            "{detail}"
        );
    }
}

#[test]
fn default_host_management_is_at_fault_only_when_nothing_else_can_be() {
    let off = dhmc(Fetched::Found("$None"), None);
    let alone = verdict(&[DhmcNotConfigured], |_| {}, &off);
    assert_eq!(alone.confidence, Confidence::Confirmed);
    // The role cannot be evaluated: the profile may as well be what is wrong.
    let mut doubtful = off.clone();
    for read in doubtful.profiles.values_mut() {
        *read = Fetched::Failed("denied".to_owned());
    }
    let open = verdict(&[DhmcNotConfigured, RoleNotAssumable], |_| {}, &doubtful);
    assert_ne!(open.confidence, Confidence::Confirmed);
    let on = dhmc(Fetched::Found(ON), Some(Fetched::Found(TRUSTS_SSM)));
    let right = verdict(&[DhmcNotConfigured], |_| {}, &on);
    assert_eq!(right.fault_state, FaultState::NotObserved);
    let broken = dhmc(Fetched::Found(ON), Some(Fetched::Missing));
    let broken = verdict(&[DhmcRoleBroken], |_| {}, &broken);
    assert_eq!(
        (broken.cause, broken.confidence),
        (DhmcRoleBroken, Confidence::Confirmed)
    );
}
