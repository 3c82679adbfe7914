//! The cards of all nodes as a page, then what is to be fixed.

use jiff::Timestamp;

use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus};
use crate::incident::group::Incident;
use crate::notify::content::Content;
use crate::notify::format::html::check;
use crate::text::html::Html;
use crate::text::redact::redact_line;

use super::card::{READER, asked, name, results, to_fix, verdict};
use crate::cli::page::{self, cards, index, page, section};
use crate::cli::plural;
use crate::cli::terminal::Tone;

/// What live state says, for a browser, written at `now`.
pub(super) fn render(
    nodes: &[NodeDiagnosis],
    caller: Option<&str>,
    incidents: &[Incident],
    now: Timestamp,
) -> String {
    let all_healthy = nodes.iter().all(|one| one.status == NodeStatus::Healthy);
    let (tone, sentence) = match (incidents.len(), all_healthy) {
        (0, true) => (Tone::Good, "Nothing is wrong.".to_owned()),
        (0, false) => (Tone::Doubtful, "No check proves a fault.".to_owned()),
        (wrong, _) => (Tone::Bad, format!("{} to fix.", plural(wrong, "thing"))),
    };
    let by_status = NodeStatus::ALL.iter().filter_map(|status| {
        let of_it = nodes.iter().filter(|one| one.status == *status).count();
        (of_it > 0).then(|| format!("{of_it} {status}"))
    });
    let by_status: Vec<String> = by_status.collect();
    let looked = plural(nodes.len(), "node");
    let head = page::Verdict {
        tone,
        sentence,
        place: caller.map(redact_line).into_iter().collect(),
        read: vec![format!(
            "Live state of {looked}, read only: {}.",
            by_status.join(", ")
        )],
    };
    let contents: Vec<Content> = incidents.iter().map(to_fix).collect();
    let cards_of_nodes: Html = nodes.iter().map(|node| card(node, incidents)).collect();
    let sections = [
        section("Nodes", cards_of_nodes),
        section("What is to be fixed", cards(&contents)),
    ];
    page(&head, index(&contents), sections.into(), now)
}

fn card(node: &NodeDiagnosis, incidents: &[Incident]) -> Html {
    let (tone, said) = verdict(node, incidents);
    let mut card = Html::element("header", Html::element("h3", name(node)));
    card.push(Html::element("p class=verdict", &said));
    for group in results(node).chunk_by(|(one, _), (other, _)| one == other) {
        let found = group.iter();
        let found = found.map(|(_, result)| check(result.status, &redact_line(&result.note)));
        let question = group.first().map(|(question, _)| asked(*question));
        card.push(Html::element(
            "div class=question",
            [
                Html::element("h4", Html::from(question)),
                Html::element("ul class=checks", found.collect::<Html>()),
            ],
        ));
    }
    if node.status.is_unknown() {
        card.push(Html::element("p", format!("To read it, use {READER}")));
    }
    let class = format!("card node tone-{}", tone.as_str());
    Html::with("article", &[("class", &class)], card)
}
