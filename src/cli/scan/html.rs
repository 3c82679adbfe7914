//! The verdict as a page.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cause::{Confidence, Severity};
use crate::incident::group::Incident;
use crate::notify::content::{Content, second};
use crate::notify::format::html::prose;
use crate::signature::Signature;
use crate::text::html::Html;
use crate::text::quote;
use crate::text::redact::redact_line;

use super::json::untouched;
use super::text::content;
use super::{Verdict, words};
use crate::cli::page::timeline::{Group, Row, Span, picture};
use crate::cli::page::{self, anchor, cards, index, page, section};
use crate::cli::plural;

/// Items of one list that are shown; the others are counted.
const LISTED: usize = 50;

/// The verdict for a browser, written at `now`.
pub(super) fn render(verdict: &Verdict, catalogue: &[Signature], now: Timestamp) -> String {
    let (actionable, quiet) = words::incidents(verdict);
    let incidents = [actionable, quiet].concat();
    let untouched = untouched(verdict.live.is_some());
    let contents = incidents.iter().map(|one| content(one, &untouched));
    let contents: Vec<Content> = contents.collect();
    let groups = groups(verdict, &incidents, &contents);
    let (tone, sentence) = words::headline(verdict);
    let source = &verdict.reading.source;
    let account = source.account.as_ref().map(|id| format!("Account {id}"));
    let head = page::Verdict {
        tone,
        sentence,
        place: account.into_iter().chain(source.region.clone()).collect(),
        read: words::read(verdict),
    };
    let sections = [
        section("When each node failed and recovered", picture(&groups)),
        section("Incidents", cards(&contents)),
        section("Recovered by itself", recovered(verdict)),
        section(
            "Harmless, though it looks bad",
            harmless(verdict, catalogue),
        ),
        section("Not recognised, at WARN or above", unrecognised(verdict)),
        section("Not read, or not to the end", unread(verdict)),
    ];
    let summary = [counts(&groups), index(&contents)];
    page(&head, summary.into(), sections.into(), now)
}

/// The nodes of each incident, those that recovered, and those of which nothing is wrong: each
/// node once, where it first belongs.
fn groups(verdict: &Verdict, incidents: &[&Incident], contents: &[Content]) -> Vec<Group> {
    let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for over in &verdict.reading.recovered {
        let recovered = Span {
            from: over.since.unwrap_or(over.at),
            until: Some(over.at),
            what: over.cause.to_string(),
            class: "s-recovered".to_owned(),
            undetermined: false,
        };
        spans.entry(over.node.clone()).or_default().push(recovered);
    }
    let healed: Vec<String> = spans.keys().cloned().collect();
    // What is most severe is drawn last, above the others.
    for incident in incidents.iter().rev() {
        for hit in &incident.affected {
            let fault = Span {
                from: hit.first,
                until: None,
                what: incident.cause.to_string(),
                class: format!("s-{}", incident.severity),
                undetermined: incident.confidence == Confidence::Undetermined,
            };
            let id = hit.node.id.to_string();
            spans.entry(id).or_default().push(fault);
        }
    }
    let logs = verdict.logs.iter();
    let logs = logs.flat_map(|log| log.nodes.iter().map(move |node| (node, log)));
    let mut read: BTreeMap<&String, _> = logs
        .map(|(node, log)| (node, log.oldest.zip(log.newest)))
        .collect();
    let mut row = |node: &String, label: &str| {
        let read = read.remove(node);
        let spans = spans.remove(node);
        (read.is_some() || spans.is_some()).then(|| Row {
            node: label.to_owned(),
            read: read.flatten(),
            spans: spans.unwrap_or_default(),
        })
    };
    let mut groups = Vec::new();
    for (number, (incident, content)) in (1..).zip(incidents.iter().zip(contents)) {
        let mut hits: Vec<_> = incident.affected.iter().enumerate().collect();
        hits.sort_by_key(|(_, hit)| hit.first);
        let rows = hits.iter().filter_map(|(place, hit)| {
            let id = hit.node.id.to_string();
            let label = content.began.get(*place).map(|(label, _)| label.clone());
            row(&id, &label.unwrap_or_else(|| redact_line(&id)))
        });
        groups.push(Group {
            mark: number.to_string(),
            name: format!("Incident {number}: {}", content.title),
            link: Some(anchor(number)),
            class: format!("s-{}", incident.severity),
            rows: rows.collect(),
        });
    }
    let mut rest = |mark: &str, name: &str, class: &str, nodes: Vec<String>| Group {
        mark: mark.to_owned(),
        name: name.to_owned(),
        link: None,
        class: class.to_owned(),
        rows: (nodes.iter())
            .filter_map(|node| row(node, &redact_line(node)))
            .collect(),
    };
    let all = verdict.logs.iter().flat_map(|log| log.nodes.clone());
    groups.push(rest("\u{21ba}", "recovered", "s-recovered", healed));
    groups.push(rest("\u{2713}", "no fault found", "s-good", all.collect()));
    groups.retain(|group| !group.rows.is_empty());
    groups
}

/// How many nodes are how badly off, where there are several.
fn counts(groups: &[Group]) -> Html {
    let severities = Severity::ALL.iter().rev();
    let mut kinds: Vec<(String, String)> = severities
        .map(|one| (format!("s-{one}"), one.to_string()))
        .collect();
    for (class, name) in [("s-recovered", "recovered"), ("s-good", "no fault found")] {
        kinds.push((class.to_owned(), name.to_owned()));
    }
    let of = |class: &str| {
        let of_class = groups.iter().filter(|group| group.class == class);
        of_class.map(|group| group.rows.len()).sum::<usize>()
    };
    let all: usize = groups.iter().map(|group| group.rows.len()).sum();
    if all < 2 {
        return Html::default();
    }
    let (mut strip, mut legend, mut from) = (Html::default(), Html::default(), 0.0);
    for (class, name) in &kinds {
        let count = of(class);
        if count == 0 {
            continue;
        }
        let share = 100.0 * count as f64 / all as f64;
        let [x, width] = [from, share].map(|part| format!("{part:.2}%"));
        let place = [("class", class.as_str()), ("x", &x), ("width", &width)];
        strip.push(Html::with("rect height=12", &place, ""));
        from += share;
        let words = [
            Html::element("b", count.to_string()),
            Html::from(&format!(" {name}")),
        ];
        legend.push(Html::with("li", &[("class", class)], words));
    }
    [
        Html::element(
            "svg class=strip width=100% height=12 aria-hidden=true",
            strip,
        ),
        Html::with(
            "ul class=counts",
            &[("aria-label", &plural(all, "node"))],
            legend,
        ),
    ]
    .into()
}

fn recovered(verdict: &Verdict) -> Html {
    let items = verdict.reading.recovered.iter().map(|over| {
        let since = over.since.filter(|since| *since != over.at).map(second);
        let at = second(over.at);
        let when = match since {
            Some(since) => format!(" from {since} to {at}"),
            None => format!(" until {at}"),
        };
        let parts = [
            Html::element("b", redact_line(&over.node)),
            Html::from(&format!(": {}{when} ", over.cause)),
            Html::element("small", &over.signature),
        ];
        parts.into()
    });
    list(items, "")
}

fn harmless(verdict: &Verdict, catalogue: &[Signature]) -> Html {
    let items = words::harmless(verdict, catalogue).into_iter();
    let items = items.map(|(count, signature)| {
        let parts = [
            Html::element("b", format!("{count} \u{d7} ")),
            Html::from(&format!("{} ", signature.title)),
            Html::element("small", signature.id),
        ];
        parts.into()
    });
    list(items, "")
}

fn unrecognised(verdict: &Verdict) -> Html {
    let unknown = &verdict.reading.unrecognised;
    let items = unknown.iter().map(|unknown| {
        let example = quote::fewer(&quote::readable(&unknown.example), 1, 600).join(" ");
        let parts = [
            Html::element("b", format!("{} \u{d7} ", unknown.count)),
            Html::element("code", prose(&example)),
        ];
        parts.into()
    });
    list(items, words::at_least(unknown))
}

/// Why something was not read, or not to its end.
fn unread(verdict: &Verdict) -> Html {
    list(
        verdict
            .unread
            .iter()
            .map(|why| Html::from(&redact_line(why))),
        "",
    )
}

/// The first of `items`; `at_least` stands before the number of the others.
fn list(items: impl ExactSizeIterator<Item = Html>, at_least: &str) -> Html {
    let more = items.len().saturating_sub(LISTED);
    let mut list: Html = (items.take(LISTED))
        .map(|item| Html::element("li", item))
        .collect();
    if more > 0 {
        list.push(Html::element("li", format!("and {at_least}{more} more")));
    }
    match list.is_empty() {
        true => list,
        false => Html::element("ul class=list", list),
    }
}
