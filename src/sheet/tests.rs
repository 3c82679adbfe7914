//! What no reader of a single sheet can see.

use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::diagnose::CHECKS;
use crate::failure::Service;
use crate::signature::builtin;

fn shared() -> read::Shared {
    let text = fs::read_to_string("src/sheet/shared.toml").expect("the shared steps");
    read::shared(&text).expect("the build reads them")
}

fn steps(sheet: &Sheet) -> impl Iterator<Item = &'static Step> {
    let faults = sheet.faults.iter().flat_map(|(_, steps)| *steps);
    let decide = sheet.decide.iter().flat_map(|(_, steps)| *steps);
    (sheet.steps.iter().chain(sheet.repaired).chain(sheet.verify))
        .chain(faults)
        .chain(decide)
        .chain(FIRST)
}

fn templates(sheet: &Sheet) -> impl Iterator<Item = Template> {
    let choices = sheet.titles.iter().chain(sheet.summaries);
    let of_steps = steps(sheet).flat_map(|step| {
        [Some(step.text), step.run, step.windows]
            .into_iter()
            .flatten()
    });
    choices.map(|choice| choice.text).chain(of_steps)
}

fn conditions(sheet: &Sheet) -> impl Iterator<Item = Condition> {
    let choices = sheet
        .titles
        .iter()
        .chain(sheet.summaries)
        .map(|one| one.when);
    let of_steps = steps(sheet).map(|step| step.when);
    (choices
        .chain(of_steps)
        .chain(sheet.next.iter().map(|next| next.when)))
    .flat_map(|when| when.iter().copied().flatten())
    .map(|test| test.condition)
}

#[test]
fn each_cause_has_one_sheet_and_each_sheet_a_cause() {
    let causes: Vec<Cause> = SHEETS.iter().map(|sheet| sheet.cause).collect();
    assert_eq!(causes, Cause::ALL);
}

#[test]
fn each_word_that_a_sheet_may_use_is_used() {
    let named: BTreeSet<Placeholder> = (SHEETS.iter().flat_map(templates).flatten())
        .filter_map(|piece| match piece {
            Piece::Value(value) => Some(*value),
            Piece::Text(_) => None,
        })
        .collect();
    let all = Vec::from_iter(SHEETS.iter().flat_map(conditions));
    for value in Placeholder::ALL {
        let asked = all.contains(&Condition::Known(*value));
        assert!(named.contains(value) || asked, "{{{value}}}");
    }
    for flag in Flag::ALL {
        assert!(all.contains(&Condition::Is(*flag)), "{flag}");
    }
    for environment in Environment::ALL {
        use Environment::{Bottlerocket, Greengrass, Kubernetes, SageMaker};
        // Choose how to restart the agent, and what its role is called.
        let by_code = [Bottlerocket, Greengrass, Kubernetes, SageMaker].contains(environment);
        let asked = all.contains(&Condition::On(*environment));
        assert!(by_code != asked, "{environment}");
    }
    let faults = Vec::from_iter(SHEETS.iter().flat_map(|sheet| sheet.faults));
    for kind in FaultKind::ALL {
        assert_eq!(
            faults.iter().filter(|(one, _)| one == kind).count(),
            1,
            "{kind}"
        );
    }
}

/// The causes that a check can prove.
fn provable() -> BTreeSet<Cause> {
    let observed = CHECKS.iter().flat_map(|check| check.observes);
    observed.filter_map(|one| one.confirms).collect()
}

#[test]
fn no_sheet_asks_for_a_state_that_nothing_shows() {
    let catalogue = builtin();
    let services = [
        Service::Ssm,
        Service::SsmMessages,
        Service::Ec2Messages,
        Service::S3,
        Service::Kms,
        Service::Logs,
    ]
    .map(Service::as_str);
    let provable = provable();
    for sheet in SHEETS {
        let cause = sheet.cause;
        for condition in conditions(sheet) {
            match condition {
                Condition::Signature(id) | Condition::OnlySignature(id) => {
                    let known = catalogue.iter().find(|one| one.id == id);
                    // Where it names no cause, the error in the record does.
                    let leads_here = known
                        .is_some_and(|one| one.causes.is_empty() || one.causes.contains(&cause));
                    assert!(leads_here, "{cause}: signature:{id}");
                }
                Condition::Service(prefix) => {
                    assert!(services.contains(&prefix), "{cause}: service:{prefix}");
                }
                Condition::Is(Flag::Confirmed) => {
                    assert!(provable.contains(&cause), "{cause}: no check proves it");
                }
                Condition::Is(_) | Condition::On(_) | Condition::Known(_) | Condition::Scope(_) => {
                }
            }
        }
        assert!(
            sheet.faults.is_empty() || provable.contains(&cause),
            "{cause}"
        );
    }
}

#[test]
fn each_step_reads_as_a_sentence() {
    for sheet in SHEETS {
        for step in steps(sheet) {
            let Some(Piece::Text(end)) = step.text.last() else {
                panic!("{}: {:?}", sheet.cause, step.text);
            };
            assert!(end.ends_with(['.', ':', '…']), "{}: {end}", sheet.cause);
        }
    }
}

#[test]
fn the_words_in_capitals_are_what_a_person_must_find() {
    const FOUND_BY_HAND: &[&str] = &[
        "ACTIVATION_CODE",
        "ACTIVATION_ID",
        "ASSOCIATION_ID",
        "DEFAULT_GATEWAY",
        "DESIRED_VALUE",
        "ENDPOINT_SECURITY_GROUP_ID",
        "INSTANCE_PROFILE_NAME",
        "NAT_GATEWAY_ID",
        "PROXY_HOST",
        "PROXY_PORT",
        "QUOTA_CODE",
        "ROLE_NAME",
        "ROUTE_TABLE_ID",
        "SERVICE_NAME",
        "SERVICE_ROLE",
        "VPC_ENDPOINT_ID",
    ];
    // What AWS itself calls so.
    const PROPER: &[&str] = &[
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "RESOURCE_CONTROL_POLICY",
        "SERVICE_CONTROL_POLICY",
    ];
    for sheet in SHEETS {
        for step in steps(sheet) {
            for piece in [step.run, step.windows].into_iter().flatten().flatten() {
                let Piece::Text(text) = piece else { continue };
                let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let capital = words.filter(|word| {
                    word.contains('_') && !word.contains(|c: char| c.is_ascii_lowercase())
                });
                for word in capital {
                    let known = FOUND_BY_HAND.contains(&word) || PROPER.contains(&word);
                    assert!(known, "{}: {word}", sheet.cause);
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_in_a_sheet_is_refused_by_name() {
    let sound = fs::read_to_string("tests/fixtures/sheet/throttled.toml").expect("a sheet");
    let shared = shared();
    read::sheet("throttled", &sound, &shared).expect("it is sound");
    let refused = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        let fault = read::sheet("throttled", &sound.replacen(from, to, 1), &shared);
        fault.expect_err(to)
    };
    let faults = [
        refused("severity = \"medium\"", "severity = \"loud\""),
        refused("scope = \"instance\"", "scope = \"planet\""),
        refused("[\"decide-instance\"]", "[\"decide-all\"]"),
        refused("schedule = \"channel\"", "schedule = \"soon\""),
        refused("restart = \"useless\"", "restart = \"maybe\""),
        refused("\"hybrid\"", "\"hybird\""),
        refused("known:vpc", "known:vpx"),
        refused("scope:account-region-api", "scope:planet"),
        refused("{vpc}:", "{vpx}:"),
        refused("{vpc}:", "{instance_id}:"),
        refused("{vpc}:", "{partition-region}:"),
        refused("{vpc}:", "{at}:"),
        refused("--instance-ids {instance}", "--instance-ids {the-role}"),
        refused(
            "--instance-ids {instance}",
            "--instance-ids \\\"{instance}\\\"",
        ),
        refused("--instance-ids {instance}", "--instance-ids 'x"),
        refused("--instance-ids {instance}", "--x 'Name=a,Values={actions}'"),
        refused("--instance-ids {instance}", "{repair-command}"),
        refused("text = \"List the processes:\"", "text = \"\""),
        refused("text = \"List the processes:\"\n", ""),
        refused("run = \"ps aux\"\n", ""),
        refused("use = \"restart\"", "use = \"reboot\""),
        refused("use = \"restart\"", "use = \"restart\"\nrun = \"x\""),
        refused("[[verify]]\nuse = \"ping-status\"", ""),
        refused("severity", "seveirty"),
        read::sheet("on-fire", &sound, &shared).expect_err("no such cause"),
    ];
    insta::assert_snapshot!(faults.map(|fault| fault.trim().to_owned()).join("\n--\n"));
}
