//! What the preferences of Session Manager ask of the role.

use super::checks::run_with;
use super::world::{CORE, world};
use crate::diagnose::called_on::Place;
use crate::diagnose::check::CheckResult;
use crate::diagnose::checks::session_preferences::to_simulate;
use crate::diagnose::facts::{Facts, Fetched};
use crate::finding::ErrorDetails;

const ALL: &str = r#"{"schemaVersion":"1.0","sessionType":"Standard_Stream","inputs":{
    "s3BucketName":"logs-bucket","s3KeyPrefix":"ssm","s3EncryptionEnabled":true,
    "cloudWatchLogGroupName":"/ssm/sessions","cloudWatchEncryptionEnabled":true,
    "cloudWatchStreamingEnabled":true,"kmsKeyId":"0a1b-2c","idleSessionTimeout":"20"}}"#;
const KEY: &str = r#"{"inputs":{"kmsKeyId":"0a1b-2c"}}"#;
const GROUP: &str = r#"{"inputs":{"cloudWatchLogGroupName":"/ssm/sessions"}}"#;

const EVERYTHING: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const NO_KEY: &str = r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"}"#;

fn result(preferences: Fetched<&str>, statements: &[&str]) -> CheckResult {
    let mut facts = world(|_, _| {});
    facts.session_preferences = Some(match preferences {
        Fetched::Found(document) => Fetched::Found(document.to_owned()),
        Fetched::Missing => Fetched::Missing,
        Fetched::Failed(why) => Fetched::Failed(why),
    });
    let document = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
    facts
        .managed_policies
        .insert(CORE.to_owned(), Fetched::Found(document));
    run(&facts)
}

fn run(facts: &Facts) -> CheckResult {
    run_with("session-preferences", facts, &ErrorDetails::default())
}

#[test]
fn the_role_must_be_allowed_what_the_preferences_name() {
    let mut text = String::new();
    for (title, preferences, statements) in [
        ("none", Fetched::Missing, &[EVERYTHING][..]),
        (
            "denied",
            Fetched::Failed("not allowed".to_owned()),
            &[EVERYTHING],
        ),
        ("not JSON", Fetched::Found("<a>"), &[EVERYTHING]),
        (
            "nothing named",
            Fetched::Found(r#"{"inputs":{"kmsKeyId":""}}"#),
            &[],
        ),
        ("no inputs", Fetched::Found("{}"), &[]),
        ("all allowed", Fetched::Found(ALL), &[EVERYTHING]),
        ("key denied", Fetched::Found(ALL), &[EVERYTHING, NO_KEY]),
        ("key by its own policy", Fetched::Found(KEY), &[]),
        ("log group left out", Fetched::Found(GROUP), &[]),
        (
            "an alias",
            Fetched::Found(r#"{"inputs":{"kmsKeyId":"alias/sessions"}}"#),
            &[NO_KEY],
        ),
        (
            "a name that is no name",
            Fetched::Found(r#"{"inputs":{"s3BucketName":"a; rm -rf /"}}"#),
            &[EVERYTHING],
        ),
    ] {
        let result = result(preferences, statements);
        let observed = result.observation.map_or("-", |one| one.name);
        text += &format!(
            "{title}: {:?} {observed}\n    {}\n",
            result.status, result.note
        );
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_simulator_is_asked_about_each_call_on_what_is_named() {
    let place = Place {
        partition: "aws",
        region: "eu-central-1",
        account: "111122223333",
        instance: "*",
    };
    let asked = to_simulate(ALL, &place);
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
    assert!(to_simulate("<a>", &place).is_empty());
}
