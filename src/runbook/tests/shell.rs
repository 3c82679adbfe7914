//! Every command of every sheet, read back by a shell's parser.

use super::*;
use crate::command::ArgKind;
use crate::runbook::expand::View;
use crate::sheet::{Form, Piece, SHEETS, Template};

/// Values that pass their grammars, and that a shell might read as more than a word.
fn awkward(mut incident: Incident) -> Incident {
    let role = "Team+Role=1,a.b@c-d_e";
    incident.scope.id = role.to_owned();
    incident.error_details.role = Some(role.to_owned());
    incident.error_details.resource = Some("arn:aws:iam::123456789012:role/a=b/@c,d+e".to_owned());
    incident.error_details.host = Some("fd00:ec2::254".to_owned());
    if let Some(live) = &mut incident.role {
        live.name = role.to_owned();
        live.arn = format!("arn:aws:iam::123456789012:role/{role}");
    }
    for live in &mut incident.instances {
        live.network.groups = vec!["sg-00000000000000001".to_owned()];
        if let Some(profile) = &mut live.profile {
            profile.name = "=profile@1,2".to_owned();
        }
    }
    incident
}

fn incidents(cause: Cause) -> Vec<Incident> {
    let mut china = sample::in_region(cause, "cn-north-1");
    china.error_details.action = Some("s3:PutObject".to_owned());
    vec![
        sample::incident(cause),
        awkward(sample::incident(cause)),
        sample::on_hybrid_node(cause),
        sample::on_unknown_node(cause),
        sample::hostile(cause),
        awkward(sample::hostile(cause)),
        china,
    ]
}

fn templates(cause: Cause) -> Vec<Template> {
    let sheet = sheet::of(cause);
    let faults = sheet.faults.iter().flat_map(|(_, steps)| *steps);
    let decide = sheet.decide.iter().flat_map(|(_, steps)| *steps);
    (sheet.steps.iter().chain(sheet.repaired).chain(sheet.verify))
        .chain(faults)
        .chain(decide)
        .flat_map(|step| [step.run, step.windows])
        .flatten()
        .collect()
}

/// The words that a shell should see: those of the template, each value in its place as it is.
fn intended(view: &View<'_>, template: Template) -> Vec<String> {
    // A mark that no shell reads as more than a letter stands for each value.
    let mark = |at: usize| format!("Zz{at}zZ");
    let line: String = (template.iter().enumerate())
        .map(|(at, piece)| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Value(_) => mark(at),
        })
        .collect();
    let mut words = shlex::split(&line).unwrap_or_else(|| panic!("{line}"));
    for (at, piece) in template.iter().enumerate() {
        let Piece::Value(value) = piece else { continue };
        let known = view.known(*value);
        let place = words.iter().position(|word| word.contains(&mark(at)));
        let place = place.expect("the mark of each value");
        let word = words[place].clone();
        let fill = |by: &str| word.replace(&mark(at), by);
        let filled: Vec<String> = match value.form() {
            Form::Value(grammar) if known.is_empty() => vec![fill(grammar.as_str())],
            Form::Value(_) => known.iter().map(|one| fill(one)).collect(),
            Form::Options if word != mark(at) => {
                let options = known.concat();
                let space = if options.is_empty() { " " } else { "" };
                vec![word.replace(&format!("{space}{}", mark(at)), &options)]
            }
            Form::Options => shlex::split(&known.concat()).expect("words"),
            Form::Document => vec![crate::command::json_word(&known.concat()).expect("JSON")],
            Form::Command => shlex::split(&known.concat()).expect("words"),
            Form::Words => panic!("prose in a command"),
        };
        words.splice(place..=place, filled);
    }
    words
}

#[test]
fn a_shell_reads_each_command_as_the_words_that_were_meant() {
    let mut read = 0;
    for cause in Cause::ALL {
        for incident in incidents(*cause) {
            let situation = incident.situation();
            let faults = super::faults::every_fault();
            let of_cause = faults
                .iter()
                .filter(|(of, _)| of == cause)
                .map(|(_, fault)| fault);
            let views = std::iter::once(View::of(&situation))
                .chain(of_cause.map(|fault| View::of(&situation).with_fault(fault)));
            for view in views {
                for template in templates(*cause) {
                    let line = view.command(template);
                    let words = shlex::split(&line);
                    assert_eq!(words.as_ref(), Some(&intended(&view, template)), "{line}");
                    assert!(!line.contains("evil"), "{line}");
                    read += 1;
                }
            }
        }
    }
    assert!(read > 1_000, "{read}");
}

/// Where everything is known, what stands in capitals is what a person must find.
#[test]
fn no_placeholder_stands_where_the_value_is_known() {
    for cause in Cause::ALL {
        let mut incident = sample::incident(*cause);
        incident.instances[0].network.groups = vec!["sg-00000000000000001".to_owned()];
        incident.error_details.resource = Some("arn:aws:iam::123456789012:role/Other".to_owned());
        let situation = incident.situation();
        for template in templates(*cause) {
            for piece in template {
                let Piece::Value(value) = piece else { continue };
                let known = View::of(&situation).known(*value);
                // Those come of a check or of a denial that this incident does not have.
                let elsewhere = matches!(
                    value.as_str(),
                    "boundary"
                        | "denying-policy"
                        | "endpoint"
                        | "group"
                        | "groups"
                        | "network-acl"
                        | "partition-region"
                        | "policy-id"
                        | "repair-command"
                        | "request-command"
                        | "route-table"
                        | "user"
                );
                assert!(elsewhere || !known.is_empty(), "{cause}: {{{value}}}");
            }
        }
    }
}

#[test]
fn a_sheet_from_a_file_is_filled_in_as_the_built_in_ones_are() {
    let shared = std::fs::read_to_string("src/sheet/shared.toml").expect("the shared steps");
    let shared = sheet::read::shared(&shared).expect("the build reads them");
    let own = std::fs::read_to_string("tests/fixtures/sheet/throttled.toml").expect("a sheet");
    let own = sheet::read::sheet("throttled", &own, &shared).expect("a sound sheet");
    let own: &'static sheet::Sheet = Box::leak(Box::new(own));
    let mut text = String::new();
    for incident in [
        sample::incident(Cause::Throttled),
        sample::on_hybrid_node(Cause::Throttled),
    ] {
        let runbook = fill_in(own, &incident.situation(), None);
        let _ = writeln!(text, "{}\n{}", runbook.title, runbook.summary);
        for step in runbook.steps.iter().chain(&runbook.verify) {
            let _ = writeln!(text, "- {}", step.line().replace('\n', "\n    "));
        }
        let next = &runbook.next;
        let _ = writeln!(text, "{} {}\n", next.retries, next.restart.sentence());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn each_grammar_of_a_placeholder_keeps_its_value_one_word() {
    let one_of_each = Vec::from_iter(SHEETS.iter().flat_map(|sheet| templates(sheet.cause)));
    let grammars = one_of_each
        .into_iter()
        .flatten()
        .filter_map(|piece| match piece {
            Piece::Value(value) => match value.form() {
                Form::Value(grammar) => Some(grammar),
                Form::Words | Form::Options | Form::Document | Form::Command => None,
            },
            Piece::Text(_) => None,
        });
    for grammar in grammars.collect::<std::collections::HashSet<ArgKind>>() {
        let word = grammar.as_str();
        assert_eq!(shlex::split(word), Some(vec![word.to_owned()]));
    }
}
