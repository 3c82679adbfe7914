use std::collections::{BTreeMap, BTreeSet};

use super::world::{TRUSTS_LAMBDA, TRUSTS_ON_CONDITION, instance_id, second, world};
use crate::diagnose::CHECKS;
use crate::diagnose::check::CheckStatus;
use crate::diagnose::check::{CheckResult, Subject};
use crate::diagnose::checks::instance_profile;
use crate::diagnose::facts::{Facts, Fetched};
use crate::finding::ErrorDetails;
use crate::node::{Partition, Region};

fn run(name: &'static str, facts: &Facts) -> CheckResult {
    run_with(name, facts, &ErrorDetails::default())
}

pub(super) fn run_with(
    name: &'static str,
    facts: &Facts,
    error_details: &ErrorDetails,
) -> CheckResult {
    let instance = instance_id(1);
    let region = Region::parse("eu-central-1");
    let subject = Subject {
        instance: &instance,
        partition: Partition::Aws,
        region: region.as_ref(),
        error_details,
        last: second(1),
        facts,
    };
    let check = CHECKS.iter().find(|check| check.name == name);
    check.expect("every check is listed").run(&subject)
}

fn denied() -> String {
    "GetInstanceProfile was denied (AccessDenied): no".to_owned()
}

fn without_instance(read: Fetched<crate::diagnose::facts::InstanceFacts>) -> Facts {
    Facts {
        instances: BTreeMap::from([(instance_id(1), read)]),
        ..Facts::default()
    }
}

fn with_profile(read: Fetched<crate::diagnose::facts::ProfileFacts>) -> Facts {
    let mut facts = world(|_, _| {});
    facts.profiles.insert("Web".to_owned(), read);
    facts
}

/// Every result as a line: status, sign, note.
fn lines(name: &'static str, worlds: &[(&str, Facts)]) -> String {
    let mut text = String::new();
    for (title, facts) in worlds {
        let result = run(name, facts);
        assert_eq!(result.check, name);
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

#[test]
fn instance_state_says_what_became_of_the_instance() {
    let state = |state: &str| world(|i, _| i.state = state.to_owned());
    let notes = lines(
        "instance-state",
        &[
            ("running", state("running")),
            ("starting", state("pending")),
            ("stopped", state("stopped")),
            ("terminated", state("terminated")),
            ("a new state", state("unknown")),
            (
                "managed",
                world(|i, _| i.managed_by = Some("eks.amazonaws.com".to_owned())),
            ),
            ("not known", without_instance(Fetched::Missing)),
            (
                "denied",
                without_instance(Fetched::Failed(
                    "DescribeInstances was denied (UnauthorizedOperation): no".to_owned(),
                )),
            ),
            ("not asked", Facts::default()),
        ],
    );
    insta::assert_snapshot!(notes);
}

#[test]
fn imds_says_which_options_hold_now() {
    let notes = lines(
        "imds",
        &[
            ("on", world(|_, _| {})),
            (
                "on, lenient",
                world(|i, _| {
                    let imds = i.imds.as_mut().expect("given");
                    imds.tokens_required = false;
                    imds.hop_limit = None;
                    imds.pending = true;
                }),
            ),
            (
                "off",
                world(|i, _| i.imds.as_mut().expect("given").endpoint_enabled = false),
            ),
            (
                "going off",
                world(|i, _| {
                    let imds = i.imds.as_mut().expect("given");
                    imds.endpoint_enabled = false;
                    imds.pending = true;
                }),
            ),
            ("not read", world(|i, _| i.imds = None)),
            (
                "terminated",
                world(|i, _| i.state = "terminated".to_owned()),
            ),
            ("not known", without_instance(Fetched::Missing)),
            (
                "throttled",
                without_instance(Fetched::Failed(
                    "DescribeInstances was throttled (RequestLimitExceeded)".to_owned(),
                )),
            ),
        ],
    );
    insta::assert_snapshot!(notes);
}

#[test]
fn instance_profile_says_what_the_instance_holds() {
    let notes = lines(
        "instance-profile",
        &[
            ("sound", world(|_, _| {})),
            ("none attached", world(|i, _| i.profile = None)),
            ("deleted", with_profile(Fetched::Missing)),
            (
                "recreated",
                world(|_, p| p.id = "AIPAEXAMPLEEXAMPLE02".to_owned()),
            ),
            (
                "an association's id is not compared",
                world(|i, _| {
                    i.profile.as_mut().expect("given").id =
                        "iip-assoc-0123456789abcdef0".to_owned();
                }),
            ),
            (
                "no id is not compared",
                world(|i, _| i.profile.as_mut().expect("given").id = String::new()),
            ),
            ("empty", world(|_, p| p.role = None)),
            (
                "role deleted",
                world(|_, p| p.role.as_mut().expect("given").tags = Fetched::Missing),
            ),
            (
                "tags denied",
                world(|_, p| p.role.as_mut().expect("given").tags = Fetched::Failed(denied())),
            ),
            ("denied", with_profile(Fetched::Failed(denied()))),
        ],
    );
    insta::assert_snapshot!(notes);
}

#[test]
fn trust_policy_judges_the_role_of_the_instances_own_profile() {
    let trust = |policy: &str| {
        let policy = policy.to_owned();
        world(|_, p| p.role.as_mut().expect("given").trust_policy = policy)
    };
    let repaired = crate::policy::plan_edit(
        TRUSTS_LAMBDA,
        &crate::policy::RoleRef {
            name: "MySSMRole",
            arn: "arn:aws:iam::111122223333:role/MySSMRole",
            path: "/",
            partition: Partition::Aws,
        },
    )
    .expect("a plain document");
    let notes = lines(
        "trust-policy",
        &[
            ("allowed", world(|_, _| {})),
            ("allowed by a repair", trust(&repaired.new_document)),
            ("not allowed", trust(TRUSTS_LAMBDA)),
            ("conditioned", trust(TRUSTS_ON_CONDITION)),
            ("not JSON", trust("")),
            ("no profile", world(|i, _| i.profile = None)),
            ("profile deleted", with_profile(Fetched::Missing)),
            ("no role", world(|_, p| p.role = None)),
            (
                "role deleted",
                world(|_, p| p.role.as_mut().expect("given").tags = Fetched::Missing),
            ),
            ("profile denied", with_profile(Fetched::Failed(denied()))),
        ],
    );
    insta::assert_snapshot!(notes);
}

#[test]
fn a_sign_is_given_only_by_a_check_that_looked() {
    for check in CHECKS {
        let failed = without_instance(Fetched::Failed("late".to_owned()));
        let result = run(check.name, &failed);
        assert_eq!(
            (result.status, result.observation),
            (CheckStatus::Unknown, None)
        );
    }
    let read_half = run("instance-profile", &with_profile(Fetched::Failed(denied())));
    assert_eq!(read_half.observation, Some(instance_profile::ATTACHED));
}

/// The template of the stack gives exactly what the checks declare, and each
/// of it only reads.
#[test]
fn the_functions_role_may_read_what_the_checks_declare_and_no_more() {
    let of_checks = CHECKS.iter().flat_map(|check| check.actions());
    // A repair asks whether its calendars are open.
    let declared: BTreeSet<&str> = of_checks.chain(["ssm:GetCalendarState"]).collect();
    let template = include_str!("../../../template.yaml");
    let is_read = |word: &&str| {
        let verb = word
            .split_once(':')
            .map_or("", |(service, verb)| match service {
                "ec2" | "iam" | "kms" | "logs" | "s3" | "ssm" => verb,
                _ => "",
            });
        ["Describe", "Get", "List", "Simulate"]
            .iter()
            .any(|read| verb.starts_with(read))
    };
    let given: BTreeSet<&str> = template
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([' ', ',', '[', ']', '"']))
        .filter(is_read)
        .collect();
    assert_eq!(given, declared);
    assert!(declared.iter().all(is_read));
}

#[test]
fn every_check_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
}

/// What each check can establish, and what that means: the table of verdicts.
#[test]
fn the_checks_confirm_and_refute_what_this_table_says() {
    let mut table = String::new();
    for check in CHECKS {
        table.push_str(&format!("{}\n", check.name));
        for observation in check.observes {
            let refutes: Vec<&str> = observation.refutes.iter().map(|one| one.as_str()).collect();
            let confirms = observation.confirms.map_or("-", |one| one.as_str());
            let name = observation.name;
            table.push_str(&format!(
                "    {name}: + {confirms} - {}\n",
                refutes.join(", ")
            ));
            if let Some(cause) = observation.confirms {
                assert!(check.is_for(&[cause]), "{} for {cause}", check.name);
                assert!(!observation.refutes.contains(&cause), "{name}");
            }
        }
    }
    insta::assert_snapshot!(table);
}
