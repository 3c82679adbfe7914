//! What the preferences of Session Manager name, and what they ask of the role.

use super::checks::run_with;
use super::verdicts::verdict;
use super::world::{CORE, finding, instance_id, session_key, world};
use crate::cause::{Cause, Confidence};
use crate::diagnose::called_on::Place;
use crate::diagnose::check::{CheckResult, CheckStatus};
use crate::diagnose::checks::session_preferences::to_simulate;
use crate::diagnose::facts::{Facts, Fetched, KeyFacts, SessionFacts};
use crate::finding::ErrorDetails;

pub(in crate::diagnose::tests) const ALL: &str = r#"{"schemaVersion":"1.0","sessionType":"Standard_Stream","inputs":{
    "s3BucketName":"logs-bucket","s3KeyPrefix":"ssm","s3EncryptionEnabled":true,
    "cloudWatchLogGroupName":"/ssm/sessions","cloudWatchEncryptionEnabled":true,
    "cloudWatchStreamingEnabled":true,"kmsKeyId":"0a1b-2c","idleSessionTimeout":"20"}}"#;
const KEY: &str = r#"{"inputs":{"kmsKeyId":"0a1b-2c"}}"#;
const GROUP: &str = r#"{"inputs":{"cloudWatchLogGroupName":"/ssm/sessions"}}"#;

const BUCKET: &str = r#"{"inputs":{"s3BucketName":"logs-bucket","s3KeyPrefix":"a/b/"}}"#;
const ALIAS: &str = r#"{"inputs":{"kmsKeyId":"alias/sessions"}}"#;
const OWN_ARN: &str =
    r#"{"inputs":{"kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/0a1b-2d"}}"#;
const OTHER_ACCOUNT: &str =
    r#"{"inputs":{"kmsKeyId":"arn:aws:kms:eu-central-1:444455556666:alias/sessions"}}"#;
const OTHER_REGION: &str =
    r#"{"inputs":{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:key/0a1b-2c"}}"#;

const EVERYTHING: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const NO_KEY: &str = r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"}"#;

/// Everything that the preferences may name is there and as it should be.
fn sound(preferences: &str) -> SessionFacts {
    SessionFacts {
        preferences: Some(Fetched::Found(preferences.to_owned())),
        key: Some(Fetched::Found(session_key())),
        bucket: Some(Fetched::Found(true)),
        log_group: Some(Fetched::Found(true)),
    }
}

/// The result where the role's policy has these statements.
fn result(session: SessionFacts, statements: &[&str]) -> CheckResult {
    run(&facts(session, statements))
}

fn facts(session: SessionFacts, statements: &[&str]) -> Facts {
    let mut facts = world(|_, _| {});
    facts.session = session;
    let document = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
    facts
        .managed_policies
        .insert(CORE.to_owned(), Fetched::Found(document));
    facts
}

fn run(facts: &Facts) -> CheckResult {
    run_with("session-preferences", facts, &ErrorDetails::default())
}

fn line(title: &str, result: &CheckResult) -> String {
    let observed = result.observation.map_or("-", |one| one.name);
    let (status, note) = (result.status, &result.note);
    format!("{title}: {status:?} {observed}\n    {note}\n")
}

#[test]
fn the_role_must_be_allowed_what_the_preferences_name() {
    let unread = |preferences| SessionFacts {
        preferences: Some(preferences),
        ..SessionFacts::default()
    };
    let mut text = String::new();
    for (title, session, statements) in [
        ("none", unread(Fetched::Missing), &[EVERYTHING][..]),
        (
            "denied",
            unread(Fetched::Failed("not allowed".to_owned())),
            &[EVERYTHING],
        ),
        ("not JSON", sound("<a>"), &[EVERYTHING]),
        ("nothing named", sound(r#"{"inputs":{"kmsKeyId":""}}"#), &[]),
        ("no inputs", sound("{}"), &[]),
        ("all allowed", sound(ALL), &[EVERYTHING]),
        ("key denied", sound(ALL), &[EVERYTHING, NO_KEY]),
        ("key by its own policy", sound(KEY), &[]),
        ("log group left out", sound(GROUP), &[]),
        ("an alias of a key that is denied", sound(ALIAS), &[NO_KEY]),
        (
            "an alias that is not known",
            SessionFacts {
                key: Some(Fetched::Failed("DescribeKey was denied".to_owned())),
                ..sound(ALIAS)
            },
            &[EVERYTHING],
        ),
    ] {
        text += &line(title, &result(session, statements));
    }
    insta::assert_snapshot!(text);
}

/// One incident for all nodes whose sessions fail for it.
#[test]
fn the_scope_is_what_all_sessions_have_in_common() {
    let scope = |session, statements: &[&str]| {
        let failed = finding(1, &[Cause::SessionFailure], Confidence::Likely);
        let scope = verdict(failed, &facts(session, statements)).scope;
        format!("{} {}", scope.kind.as_str(), scope.id)
    };
    let no_key = || SessionFacts {
        key: Some(Fetched::Missing),
        ..sound(KEY)
    };
    assert_eq!(
        scope(no_key(), &[EVERYTHING]),
        "account-region 111122223333/eu-central-1"
    );
    assert_eq!(scope(sound(ALL), &[EVERYTHING, NO_KEY]), "role MySSMRole");
    let healthy = scope(sound(ALL), &[EVERYTHING]);
    assert_eq!(healthy, format!("node {}", instance_id(1)));
}

#[test]
fn what_the_preferences_name_must_be_there_and_encrypted_as_they_ask() {
    let key = |change: fn(&mut KeyFacts)| {
        let mut key = session_key();
        change(&mut key);
        Some(Fetched::Found(key))
    };
    let denied = || "it was denied".to_owned();
    type Change = Box<dyn Fn(&mut SessionFacts)>;
    let of = |change: fn(&mut SessionFacts)| -> Change { Box::new(change) };
    let with_key = |change: fn(&mut KeyFacts)| -> Change {
        let key = key(change);
        Box::new(move |session| session.key.clone_from(&key))
    };
    let unread: Change = Box::new(move |session| {
        session.key = Some(Fetched::Failed(denied()));
        session.bucket = Some(Fetched::Failed(denied()));
        session.log_group = None;
    });
    let mut text = String::new();
    for (title, preferences, change) in [
        ("no key", KEY, of(|one| one.key = Some(Fetched::Missing))),
        (
            "disabled",
            KEY,
            with_key(|key| key.state = "Disabled".to_owned()),
        ),
        (
            "deleted",
            KEY,
            with_key(|key| key.state = "PendingDeletion".to_owned()),
        ),
        (
            "being made",
            KEY,
            with_key(|key| key.state = "Creating".to_owned()),
        ),
        (
            "for signatures",
            KEY,
            with_key(|key| {
                (key.usage, key.spec) = ("SIGN_VERIFY".to_owned(), "ECC_NIST_P256".to_owned());
            }),
        ),
        (
            "asymmetric",
            KEY,
            with_key(|key| key.spec = "RSA_2048".to_owned()),
        ),
        (
            "none of this ARN",
            OWN_ARN,
            of(|one| one.key = Some(Fetched::Missing)),
        ),
        (
            "none in another account",
            OTHER_ACCOUNT,
            of(|one| one.key = Some(Fetched::Missing)),
        ),
        ("of another Region", OTHER_REGION, of(|one| one.key = None)),
        (
            "no bucket",
            BUCKET,
            of(|one| one.bucket = Some(Fetched::Missing)),
        ),
        (
            "a bucket that is open",
            BUCKET,
            of(|one| one.bucket = Some(Fetched::Found(false))),
        ),
        (
            "no bucket, to be encrypted",
            ALL,
            of(|one| one.bucket = Some(Fetched::Missing)),
        ),
        (
            "open, to be encrypted",
            ALL,
            of(|one| one.bucket = Some(Fetched::Found(false))),
        ),
        (
            "no log group",
            GROUP,
            of(|one| one.log_group = Some(Fetched::Missing)),
        ),
        (
            "without a key",
            GROUP,
            of(|one| one.log_group = Some(Fetched::Found(false))),
        ),
        (
            "no log group, to be encrypted",
            ALL,
            of(|one| one.log_group = Some(Fetched::Missing)),
        ),
        (
            "without a key, to be encrypted",
            ALL,
            of(|one| one.log_group = Some(Fetched::Found(false))),
        ),
        ("nothing read", ALL, unread),
        (
            "no names",
            r#"{"inputs":{"s3BucketName":"a; rm -rf /","kmsKeyId":"{{ key }}",
            "cloudWatchLogGroupName":"a b"}}"#,
            of(|_| {}),
        ),
    ] {
        let mut session = sound(preferences);
        change(&mut session);
        text += &line(title, &result(session, &[EVERYTHING]));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_instance_without_a_role_shows_what_the_preferences_name_all_the_same() {
    let mut facts = world(|instance, _| instance.profile = None);
    facts.session = sound(KEY);
    assert_eq!(run(&facts).status, CheckStatus::Skipped);
    facts.session.key = Some(Fetched::Missing);
    assert_eq!(run(&facts).status, CheckStatus::Failed);
}

#[test]
fn a_log_about_another_service_proves_nothing_of_this_one() {
    let mut facts = world(|_, _| {});
    facts.session = sound(ALL);
    facts.session.bucket = Some(Fetched::Missing);
    for (service, observed) in [(None, true), (Some("s3"), true), (Some("kms"), false)] {
        let error_details = ErrorDetails {
            service: service.map(str::to_owned),
            ..ErrorDetails::default()
        };
        let result = run_with("session-preferences", &facts, &error_details);
        assert_eq!(result.status, CheckStatus::Failed);
        assert_eq!(result.observation.is_some(), observed, "{service:?}");
    }
}

#[test]
fn the_simulator_is_asked_about_each_call_on_what_is_named() {
    let place = Place {
        partition: "aws",
        region: "eu-central-1",
        account: "111122223333",
        instance: "*",
    };
    let asked = to_simulate(&sound(ALL), &place);
    let asked: Vec<String> = asked
        .iter()
        .map(|(action, arn)| format!("{action} {arn}"))
        .collect();
    assert_eq!(
        asked,
        [
            "kms:Decrypt arn:aws:kms:eu-central-1:111122223333:key/0a1b-2c",
            "s3:PutObject arn:aws:s3:::logs-bucket/ssm/*",
            "s3:GetEncryptionConfiguration arn:aws:s3:::logs-bucket",
            "logs:CreateLogStream arn:aws:logs:eu-central-1:111122223333:log-group:/ssm/sessions:*",
            "logs:PutLogEvents arn:aws:logs:eu-central-1:111122223333:log-group:/ssm/sessions:*",
            "logs:DescribeLogGroups arn:aws:logs:eu-central-1:111122223333:log-group:*:*",
        ]
    );
    assert!(to_simulate(&sound("<a>"), &place).is_empty());
}
