//! A node's card: what it is, the verdict, and every check by its question.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus};
use crate::diagnose::check::{CheckResult, CheckStatus, Question};
use crate::diagnose::question;
use crate::incident::group::Incident;
use crate::notify::content::Content;
use crate::notify::page::{Ink, Page, Style, wrap};
use crate::report::build;
use crate::text::redact::redact_line;

use crate::cli::plural;
use crate::cli::scan::text::{content, show};
use crate::cli::terminal::Tone;

/// The cards of all nodes, then what is to be fixed.
pub(super) fn render(
    nodes: &[NodeDiagnosis],
    caller: Option<&str>,
    incidents: &[Incident],
    style: Style,
) -> String {
    let mut page = Page::new("", style);
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            page.line("");
        }
        card(&mut page, node, incidents);
        if node.status.is_unknown() {
            reader(&mut page, caller);
        }
    }
    if !incidents.is_empty() {
        page.heading(&format!("{} to fix.", plural(incidents.len(), "thing")));
    }
    for (number, incident) in (1..).zip(incidents) {
        show(&mut page, number, &to_fix(incident));
    }
    page.text
}

/// What there is to say of an incident of which the cards have the checks.
pub(super) fn to_fix(incident: &Incident) -> Content {
    let untouched = build::untouched("Live state is only read; nothing is changed.");
    let mut content = content(incident, &untouched);
    content.checks.clear();
    content
}

fn card(page: &mut Page, diagnosed: &NodeDiagnosis, incidents: &[Incident]) {
    page.painted(Ink::BOLD, &name(diagnosed));
    let (tone, status) = verdict(diagnosed, incidents);
    page.painted(tone.ink(), &status);
    let mut before = None;
    for (question, result) in results(diagnosed) {
        let label = match before.replace(question) == Some(question) {
            true => "",
            false => asked(question),
        };
        line(page, label, &result);
    }
}

/// `i-0123456789abcdef0 (web-03), account 123456789012, eu-central-1`.
pub(super) fn name(diagnosed: &NodeDiagnosis) -> String {
    let node = &diagnosed.node;
    let name = diagnosed.name.as_deref().map(redact_line);
    let parts = [
        name.map(|name| format!(" ({name})")),
        node.account
            .as_ref()
            .map(|account| format!(", account {account}")),
        node.region.as_ref().map(|region| format!(", {region}")),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    format!("{}{parts}", node.id)
}

/// What each check found that says something, by its question.
pub(super) fn results(diagnosed: &NodeDiagnosis) -> Vec<(Question, CheckResult)> {
    let mut shown = BTreeSet::new();
    let alike = |a: &CheckResult, b: &CheckResult| a.service.is_some() && a.service == b.service;
    let paths = diagnosed.checks.chunk_by(alike);
    let results = paths.flat_map(|results| path(results).into_owned());
    let asked = results.filter_map(|result| Some((question(result.check)?, result)));
    // What keeps several checks from looking stands once.
    asked
        .filter(|(question, result)| shown.insert((*question, result.status, result.note.clone())))
        .collect()
}

/// Who can look where the caller could not.
pub(super) const READER: &str = "a --profile with AmazonEC2ReadOnlyAccess, IAMReadOnlyAccess and \
    AmazonSSMReadOnlyAccess, of the node's account, and its --region.";

/// Who could not look, and who can.
fn reader(page: &mut Page, caller: Option<&str>) {
    if let Some(arn) = caller {
        page.line(&format!("Caller: {}", redact_line(arn)));
    }
    page.line(&wrap(READER, "Fix: ", "     ", page.style.width));
}

/// The results for the path to one service: an open one is one line.
fn path(results: &[CheckResult]) -> Cow<'_, [CheckResult]> {
    match results {
        [first, _, ..] if results.iter().all(|one| one.status == CheckStatus::Ok) => {
            let rest = "Security groups, route and network ACL allow it.";
            let note = format!("{} {rest}", first.note);
            Cow::Owned(vec![CheckResult {
                note,
                ..first.clone()
            }])
        }
        _ => Cow::Borrowed(results),
    }
}

/// The verdict on the node in a sentence or two.
pub(super) fn verdict(diagnosed: &NodeDiagnosis, incidents: &[Incident]) -> (Tone, String) {
    let id = &diagnosed.node.id;
    let mut incidents = incidents.iter();
    let wrong = incidents.find(|one| one.nodes().any(|node| node.id == *id));
    let (title, sure) = wrong.map_or((String::new(), String::new()), |incident| {
        let sure = format!("Severity {}, {}.", incident.severity, incident.confidence);
        (redact_line(&incident.title), sure)
    });
    let (tone, said) = match diagnosed.status {
        NodeStatus::Healthy => (
            Tone::Good,
            "HEALTHY. It reports to Systems Manager, and no check proves a fault.",
        ),
        NodeStatus::Faulty => return (Tone::Bad, format!("FAULTY. {title}. {sure}")),
        NodeStatus::Silent => return (Tone::Doubtful, format!("SILENT. {title}.")),
        NodeStatus::Stopped => (Tone::Doubtful, "STOPPED. No agent runs on it."),
        NodeStatus::Late => (
            Tone::Doubtful,
            "LATE. It has not reported for a short time.",
        ),
        NodeStatus::Terminated => (Tone::Doubtful, "TERMINATED. No agent runs on it."),
        NodeStatus::NotFound => (
            Tone::Doubtful,
            "NOT FOUND. EC2 returned no such instance in this account and Region.",
        ),
        NodeStatus::Undetermined => (
            Tone::Doubtful,
            "UNDETERMINED. Could not read whether it reports to Systems Manager.",
        ),
    };
    (tone, said.to_owned())
}

pub(super) fn asked(question: Question) -> &'static str {
    match question {
        Question::Running => "Running?",
        Question::Credentials => "Credentials?",
        Question::Allowed => "Allowed?",
        Question::Reachable => "Reachable?",
        Question::Reported => "Reported?",
    }
}

fn line(page: &mut Page, label: &str, result: &CheckResult) {
    let (ink, mark) = match result.status {
        CheckStatus::Ok => (Ink::GREEN, "ok"),
        CheckStatus::Failed => (Ink::RED, "FAIL"),
        CheckStatus::Unknown => (Ink::YELLOW, "?"),
        CheckStatus::Skipped => (Ink::DIM, "-"),
    };
    let head = format!("{label:<13}{mark:<5}");
    let note = redact_line(&result.note);
    let text = wrap(&note, &head, &" ".repeat(head.len()), page.style.width);
    let text = text.strip_prefix(&head).unwrap_or(&text);
    let mark = page.paint(ink, &format!("{mark:<5}"));
    page.line(&format!("{label:<13}{mark}{text}"));
}

#[cfg(test)]
mod tests {
    use super::super::html;
    use super::*;
    use crate::cli::page::tests::{assert_sound, text};
    use crate::diagnose::Home;
    use crate::diagnose::by_id::{diagnose_by_id, finding_of};
    use crate::diagnose::facts::{
        ActivationFacts, ConsoleFacts, Facts, Fetched, InstanceFacts, RegistrationFacts,
        ScheduledEvent, SessionFacts,
    };
    use crate::diagnose::tests::world::{
        TRUSTS_LAMBDA, group, instance_id, node, registration, role, second, session_key,
        world_with_endpoint,
    };
    use crate::incident::group::group_into_incidents;
    use crate::node::{Node, NodeId};

    fn cards(id: &NodeId, facts: &Facts, style: Style) -> String {
        let node = Node {
            id: id.clone(),
            ..node(1)
        };
        let diagnosed = diagnose_by_id(finding_of(node, second(0)), facts, &Home::default());
        let wrong = diagnosed.diagnosis.iter().cloned();
        let incidents = group_into_incidents(wrong.collect());
        let caller = Some("arn:aws:sts::111122223333:assumed-role/Support/me");
        let nodes = [diagnosed];
        let page = html::render(&nodes, caller, &incidents, second(0));
        assert_sound(&page);
        for (_, result) in results(&nodes[0]) {
            assert!(text(&page).contains(&result.note), "{page}");
        }
        render(&nodes, caller, &incidents, style)
    }

    #[test]
    fn a_page_has_the_card_and_what_is_to_be_fixed() {
        let id = NodeId::Instance(instance_id(1));
        let mut facts = world_with_endpoint(|_, _| {});
        instance(&mut facts).profile = None;
        reported(&id, "ConnectionLost", &mut facts);
        let node = Node { id, ..node(1) };
        let diagnosed = diagnose_by_id(finding_of(node, second(0)), &facts, &Home::default());
        let incidents = group_into_incidents(diagnosed.diagnosis.iter().cloned().collect());
        let page = html::render(&[diagnosed], None, &incidents, second(0));
        insta::assert_snapshot!(text(&page));
    }

    fn reported(id: &NodeId, status: &str, facts: &mut Facts) {
        let read = registration(id, status);
        facts.registrations = [(id.clone(), Fetched::Found(read))].into();
    }

    #[test]
    fn a_card_for_each_verdict() {
        let id = NodeId::Instance(instance_id(1));
        let hybrid = NodeId::parse("mi-0123456789abcdef0").expect("an id");
        let off = || Some(Fetched::Found("$None".to_owned()));
        let mut shown = String::new();
        let mut facts = world_with_endpoint(|_, _| {});
        facts.dhmc_setting = off();
        for status in ["Online", "ConnectionLost"] {
            reported(&id, status, &mut facts);
            shown += &cards(&id, &facts, Style::PLAIN);
            shown += "==========\n";
        }
        for read in facts.profiles.values_mut() {
            if let Fetched::Found(profile) = read {
                profile.role = Some(role(TRUSTS_LAMBDA));
            }
        }
        shown += &cards(&id, &facts, Style::PLAIN);
        shown += "==========\n";
        let read = RegistrationFacts {
            name: Some("factory-7".to_owned()),
            source_type: Some("AWS::SSM::ManagedInstance".to_owned()),
            activation: Some("0a1b2c3d".to_owned()),
            ..registration(&hybrid, "ConnectionLost")
        };
        facts.registrations = [(hybrid.clone(), Fetched::Found(read))].into();
        let activation = ActivationFacts {
            id: "0a1b2c3d".to_owned(),
            expired: true,
            expires: Some(second(-86_400)),
            limit: 10,
            used: 4,
        };
        facts.activations = [("0a1b2c3d".to_owned(), Fetched::Found(activation))].into();
        shown += &cards(&hybrid, &facts, Style::PLAIN);
        shown += "==========\n";
        let denied = "not allowed".to_owned();
        let facts = Facts {
            instances: [(instance_id(1), Fetched::Failed(denied.clone()))].into(),
            registrations: [(id.clone(), Fetched::Failed(denied))].into(),
            ..Facts::default()
        };
        shown += &cards(&id, &facts, Style::PLAIN);
        insta::assert_snapshot!(shown);
    }

    /// A world, what is wrong with it, and how its node pinged.
    type Case = (&'static str, &'static str, fn(&mut Facts));

    fn instance(facts: &mut Facts) -> &mut InstanceFacts {
        match facts.instances.get_mut(&instance_id(1)) {
            Some(Fetched::Found(instance)) => instance,
            _ => unreachable!("the world has it"),
        }
    }

    const CASES: &[Case] = &[
        ("IMDS off, from a template", "ConnectionLost", |facts| {
            let instance = instance(facts);
            instance.imds.as_mut().expect("given").endpoint_enabled = false;
            let template = ("lt-0123456789abcdef0".to_owned(), "3".to_owned());
            instance.launch.template = Some(template.clone());
            facts
                .templates
                .insert(template, Fetched::Found(Some(false)));
        }),
        ("no profile", "ConnectionLost", |facts| {
            instance(facts).profile = None
        }),
        ("managed by a service", "Online", |facts| {
            instance(facts).managed_by = Some("eks.amazonaws.com".to_owned());
        }),
        ("in a shared subnet", "ConnectionLost", |facts| {
            for read in facts.subnets.values_mut() {
                if let Fetched::Found(subnet) = read {
                    subnet.owner = "444455556666".to_owned();
                }
            }
        }),
        ("impaired", "ConnectionLost", |facts| {
            if let Some(Fetched::Found(status)) = facts.statuses.get_mut(&instance_id(1)) {
                status.system = "impaired".to_owned();
                let code = "instance-retirement".to_owned();
                status.events = vec![ScheduledEvent {
                    code,
                    at: Some(second(0)),
                }];
            }
        }),
        ("panicked", "ConnectionLost", |facts| {
            let text = "Linux version 6.1\nKernel panic - not syncing: no init\n".to_owned();
            let console = ConsoleFacts {
                text,
                at: Some(second(-1)),
            };
            facts.consoles = [(instance_id(1), Fetched::Found(console))].into();
        }),
        ("just started", "ConnectionLost", |facts| {
            instance(facts).launched_at = Some(second(-60));
        }),
        ("stopped", "ConnectionLost", |facts| {
            instance(facts).state = "stopped".to_owned()
        }),
        ("not found", "ConnectionLost", |facts| {
            facts.instances = [(instance_id(1), Fetched::Missing)].into();
        }),
        (
            "sessions encrypted with a disabled key",
            "Online",
            |facts| facts.session = with_disabled_key(),
        ),
        (
            "the same, and it does not report",
            "ConnectionLost",
            |facts| facts.session = with_disabled_key(),
        ),
        (
            "sessions written to a bucket that is gone",
            "Online",
            |facts| {
                let document = r#"{"inputs":{"s3BucketName":"logs-bucket"}}"#.to_owned();
                facts.session.preferences = Some(Fetched::Found(document));
                facts.session.bucket = Some(Fetched::Missing);
            },
        ),
        ("nothing let out", "ConnectionLost", |facts| {
            facts
                .groups
                .insert("sg-1".to_owned(), Fetched::Found(group("sg-1", &[], &[])));
        }),
    ];

    fn with_disabled_key() -> SessionFacts {
        let document = r#"{"inputs":{"kmsKeyId":"0a1b-2c"}}"#.to_owned();
        let mut key = session_key();
        key.state = "Disabled".to_owned();
        SessionFacts {
            preferences: Some(Fetched::Found(document)),
            key: Some(Fetched::Found(key)),
            ..SessionFacts::default()
        }
    }

    #[test]
    fn a_card_for_each_fault() {
        let id = NodeId::Instance(instance_id(1));
        let mut shown = String::new();
        for (title, ping, change) in CASES {
            let mut facts = world_with_endpoint(|_, _| {});
            facts.dhmc_setting = Some(Fetched::Found("$None".to_owned()));
            facts.session.preferences = Some(Fetched::Missing);
            instance(&mut facts).name = Some("web-03".to_owned());
            reported(&id, ping, &mut facts);
            change(&mut facts);
            let all = cards(&id, &facts, Style::PLAIN);
            let card = all.split("\n1 thing to fix.").next().unwrap_or_default();
            shown += &format!("== {title}\n{card}");
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_colour_is_around_the_mark_alone() {
        let id = NodeId::Instance(instance_id(1));
        let mut facts = world_with_endpoint(|_, _| {});
        reported(&id, "Online", &mut facts);
        let coloured = Style {
            colour: true,
            ..Style::PLAIN
        };
        let text = cards(&id, &facts, coloured);
        assert!(
            text.contains("Running?     \u{1b}[1;32mok   \u{1b}[0mi-"),
            "{text}"
        );
    }
}
