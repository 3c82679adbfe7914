//! A node's card: what it is, the verdict, and every check by its question.

use std::borrow::Cow;

use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus};
use crate::diagnose::check::{CheckResult, CheckStatus, Question};
use crate::diagnose::question;
use crate::incident::group::Incident;
use crate::notify::page::{Ink, Page, Style, wrap};
use crate::report::build;
use crate::text::redact::redact_line;

use crate::cli::plural;
use crate::cli::scan::text::{content, show};

/// The cards of all nodes, then what is to be fixed.
pub(super) fn render(nodes: &[NodeDiagnosis], incidents: &[Incident], style: Style) -> String {
    let mut page = Page::new("", style);
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            page.line("");
        }
        card(&mut page, node, incidents);
    }
    if !incidents.is_empty() {
        page.heading(&format!("{} to fix.", plural(incidents.len(), "thing")));
    }
    for (number, incident) in (1..).zip(incidents) {
        let untouched = build::untouched("Live state is only read; nothing is changed.");
        let mut content = content(incident, &untouched);
        // The cards have them.
        content.checks.clear();
        show(&mut page, number, &content);
    }
    page.text
}

fn card(page: &mut Page, diagnosed: &NodeDiagnosis, incidents: &[Incident]) {
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
    page.painted(Ink::BOLD, &format!("{}{parts}", node.id));
    let (ink, status) = verdict(diagnosed, incidents);
    page.painted(ink, &status);
    let mut last = None;
    let mut before = None;
    let alike = |a: &CheckResult, b: &CheckResult| a.service.is_some() && a.service == b.service;
    for results in diagnosed.checks.chunk_by(alike) {
        for result in path(results).iter() {
            let Some(question) = question(result.check) else {
                continue;
            };
            // What keeps several checks from looking stands once.
            let shown = Some((question, result.status, result.note.clone()));
            if shown == last {
                continue;
            }
            let label = match before.replace(question) == Some(question) {
                true => "",
                false => asked(question),
            };
            line(page, label, result);
            last = shown;
        }
    }
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

fn verdict(diagnosed: &NodeDiagnosis, incidents: &[Incident]) -> (Ink, String) {
    let id = &diagnosed.node.id;
    let mut incidents = incidents.iter();
    let wrong = incidents.find(|one| one.nodes().any(|node| node.id == *id));
    let (title, sure) = wrong.map_or((String::new(), String::new()), |incident| {
        let sure = format!("Severity {}, {}.", incident.severity, incident.confidence);
        (redact_line(&incident.title), sure)
    });
    let (ink, said) = match diagnosed.status {
        NodeStatus::Healthy => (
            Ink::GREEN,
            "HEALTHY. It reports to Systems Manager, and no check proves a fault.",
        ),
        NodeStatus::Faulty => return (Ink::RED, format!("FAULTY. {title}. {sure}")),
        NodeStatus::Silent => return (Ink::YELLOW, format!("SILENT. {title}.")),
        NodeStatus::Stopped => (Ink::YELLOW, "STOPPED. No agent runs on it."),
        NodeStatus::Late => (Ink::YELLOW, "LATE. It has not reported for a short time."),
        NodeStatus::Terminated => (Ink::YELLOW, "TERMINATED. No agent runs on it."),
        NodeStatus::NotFound => (
            Ink::YELLOW,
            "NOT FOUND. EC2 returned no such instance in this account and Region.",
        ),
        NodeStatus::Undetermined => (
            Ink::YELLOW,
            "UNDETERMINED. Could not read whether it reports to Systems Manager.",
        ),
    };
    (ink, said.to_owned())
}

fn asked(question: Question) -> &'static str {
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
    use super::*;
    use crate::diagnose::Home;
    use crate::diagnose::by_id::{diagnose_by_id, finding_of};
    use crate::diagnose::facts::{Facts, Fetched};
    use crate::diagnose::tests::world::{
        TRUSTS_LAMBDA, instance_id, node, registration, role, second, world_with_endpoint,
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
        render(&[diagnosed], &incidents, style)
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
        reported(&hybrid, "ConnectionLost", &mut facts);
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
