//! What Systems Manager knows, and what a report since the evidence settles.

use super::checks::run_with;
use super::world::{finding, instance_id, role, second, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::check::CheckName;
use crate::diagnose::facts::{Facts, Read, RegistrationFacts};
use crate::diagnose::verdict::{Diagnosed, Standing};
use crate::diagnose::{Home, diagnose};
use crate::finding::Clues;
use Cause::*;

/// The evidence ends at `second(1)`.
fn pinged(status: &str, at: i64) -> Read<RegistrationFacts> {
    Read::Found(RegistrationFacts {
        id: instance_id(1),
        ping_status: status.to_owned(),
        last_ping: Some(second(at)),
        agent_version: Some("3.3.987.0".to_owned()),
    })
}

fn registered(read: Read<RegistrationFacts>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.registrations = [(instance_id(1), read)].into();
    facts
}

fn dhmc(setting: Read<&str>, role: Option<Read<&str>>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.dhmc_setting = Some(match setting {
        Read::Found(value) => Read::Found(value.to_owned()),
        Read::Missing => Read::Missing,
        Read::Failed(why) => Read::Failed(why),
    });
    facts.dhmc_role = role.map(|read| match read {
        Read::Found(trust) => Read::Found(self::role(trust)),
        Read::Missing => Read::Missing,
        Read::Failed(why) => Read::Failed(why),
    });
    facts
}

fn shown(check: CheckName, rows: &[(&str, Facts)]) -> String {
    let mut text = String::new();
    for (title, facts) in rows {
        let result = run_with(check, facts, &Clues::default());
        let sign = result
            .sign
            .map_or("-".to_owned(), |sign| format!("{sign:?}"));
        text.push_str(&format!(
            "{title}: {:?} {sign}\n    {}\n",
            result.status, result.note
        ));
    }
    text
}

const TRUSTS_SSM: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const TRUSTS_EC2: &str = super::world::TRUSTS_EC2;
const ON: &str = "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole";

#[test]
fn registration_tells_when_the_agent_last_reported() {
    let never = Read::Found(RegistrationFacts {
        id: instance_id(1),
        ping_status: "Inactive".to_owned(),
        last_ping: None,
        agent_version: None,
    });
    let text = shown(
        CheckName::Registration,
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
            ("not known", registered(Read::Missing)),
            (
                "denied",
                registered(Read::Failed(
                    "DescribeInstanceInformation was denied".to_owned(),
                )),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn default_host_management_is_judged_by_its_setting_and_role() {
    const CONDITIONED: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":["ssm.amazonaws.com"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}}"#;
    const EVERYONE: &str =
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    const EVERY_AWS: &str =
        r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;
    const TWICE: &str = r#"{"Statement":{"Effect":"Deny","Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let found = |trust| Some(Read::Found(trust));
    let text = shown(
        CheckName::Dhmc,
        &[
            ("off", dhmc(Read::Found("$None"), None)),
            ("on", dhmc(Read::Found(ON), found(TRUSTS_SSM))),
            ("role gone", dhmc(Read::Found(ON), Some(Read::Missing))),
            ("role of EC2", dhmc(Read::Found(ON), found(TRUSTS_EC2))),
            ("on condition", dhmc(Read::Found(ON), found(CONDITIONED))),
            ("for everyone", dhmc(Read::Found(ON), found(EVERYONE))),
            (
                "for every AWS principal",
                dhmc(Read::Found(ON), found(EVERY_AWS)),
            ),
            ("an effect twice", dhmc(Read::Found(ON), found(TWICE))),
            ("not JSON", dhmc(Read::Found(ON), found("?"))),
            (
                "role denied",
                dhmc(Read::Found(ON), Some(Read::Failed("denied".to_owned()))),
            ),
            (
                "setting denied",
                dhmc(Read::Failed("denied".to_owned()), None),
            ),
        ],
    );
    insta::assert_snapshot!(text);
}

fn verdict(candidates: &[Cause], change: impl FnOnce(&mut Clues), facts: &Facts) -> Diagnosed {
    let mut finding = finding(1, candidates, Confidence::Likely);
    change(&mut finding.clues);
    diagnose(vec![finding], facts, &Home::default()).remove(0)
}

#[test]
fn a_report_since_the_evidence_is_a_recovery_from_what_would_prevent_it() {
    let since = || pinged("Online", 300);
    let ping = |clues: &mut Clues| {
        clues.action = Some("ssm:UpdateInstanceInformation".to_owned());
        clues.service = Some("ssm".to_owned());
    };
    let messages = |clues: &mut Clues| clues.service = Some("ssmmessages".to_owned());
    type Change = fn(&mut Clues);
    let table: &[(&[Cause], Change, Read<RegistrationFacts>, bool)] = &[
        (&[ClockSkew], |_| {}, since(), true),
        (&[CredentialsExpired], |_| {}, since(), true),
        (&[ImdsUnreachable, ImdsDisabled], |_| {}, since(), true),
        (&[EndpointUnreachable], ping, since(), true),
        (&[EndpointUnreachable], messages, since(), false),
        (&[PermissionMissing], ping, since(), true),
        (&[PermissionMissing], messages, since(), false),
        (&[ClockSkew], |_| {}, pinged("Online", 1), false),
        (&[ClockSkew], |_| {}, Read::Missing, false),
        (&[ClockSkew], |_| {}, Read::Failed("late".to_owned()), false),
        // What reporting does not need is not settled by it.
        (&[HostDiskFull], |_| {}, since(), false),
        (&[ChannelFailure, EndpointUnreachable], ping, since(), false),
    ];
    for (candidates, change, read, recovered) in table {
        let verdict = verdict(candidates, change, &registered(read.clone()));
        let at = recovered.then(|| second(300));
        assert_eq!(verdict.recovered_at, at, "{candidates:?} {read:?}");
        let right = verdict.standing == Standing::AlreadyRight;
        assert!(right || !recovered, "{candidates:?}");
    }
}

#[test]
fn a_fault_that_the_agent_outlives_for_hours_stands_although_it_reports() {
    let mut facts = world(|instance, _| {
        instance.imds.as_mut().expect("given").endpoint_enabled = false;
    });
    facts.registrations = [(instance_id(1), pinged("Online", 300))].into();
    let verdict = verdict(&[ImdsDisabled], |_| {}, &facts);
    assert_eq!(verdict.confidence, Confidence::Confirmed);
    assert_eq!(
        (verdict.standing, verdict.recovered_at),
        (Standing::Standing, None)
    );
    let detail = verdict.detail.expect("one");
    assert!(detail.contains("still reports"), "{detail}");
}

#[test]
fn default_host_management_is_at_fault_only_when_nothing_else_can_be() {
    let off = dhmc(Read::Found("$None"), None);
    let alone = verdict(&[DhmcNotConfigured], |_| {}, &off);
    assert_eq!(alone.confidence, Confidence::Confirmed);
    // The role cannot be judged: the profile may as well be what is wrong.
    let mut doubtful = off.clone();
    for read in doubtful.profiles.values_mut() {
        *read = Read::Failed("denied".to_owned());
    }
    let open = verdict(&[DhmcNotConfigured, RoleNotAssumable], |_| {}, &doubtful);
    assert_ne!(open.confidence, Confidence::Confirmed);
    let on = dhmc(Read::Found(ON), Some(Read::Found(TRUSTS_SSM)));
    let right = verdict(&[DhmcNotConfigured], |_| {}, &on);
    assert_eq!(right.standing, Standing::AlreadyRight);
    let broken = dhmc(Read::Found(ON), Some(Read::Missing));
    let broken = verdict(&[DhmcRoleBroken], |_| {}, &broken);
    assert_eq!(
        (broken.cause, broken.confidence),
        (DhmcRoleBroken, Confidence::Confirmed)
    );
}
