//! One incident as a piece of a page. Times are those of whoever built the content;
//! every text is escaped where it becomes markup.

use super::{FOUR_LINES, records};
use crate::diagnose::check::CheckStatus;
use crate::notify::content::Content;
use crate::notify::page::Style;
use crate::runbook::{Runbook, Step};
use crate::text::html::Html;

/// The incident, from its title to its key.
pub(super) fn render(content: &Content, _: Style) -> String {
    card(content).into_string()
}

/// The same as a part of what is more.
pub(crate) fn card(content: &Content) -> Html {
    let severity = content.severity.as_str();
    let title = format!("{}{}", content.title, content.doubt);
    let mut card = Html::element(
        "header",
        [
            Html::element("h3", prose(&title)),
            Html::element("span class=chip", severity),
            Html::element("span class=count", nodes(content.node_count)),
        ],
    );
    let title_again = format!("{title}.");
    let summary = content.summary.strip_prefix(&title_again);
    let summary = format!("{} {}", summary.unwrap_or(&content.summary), content.detail);
    if !summary.trim().is_empty() {
        card.push(Html::element("p class=what", prose(summary.trim())));
    }
    card.push(facts(content));
    if let Some(runbook) = &content.runbook {
        card.push(fix(runbook, content.undo.as_deref()));
    }
    card.push(evidence(content));
    if content.began.len() > 1 {
        card.push(affected(content));
    }
    card.push(Html::element(
        "p class=key",
        format!("Incident {}", content.key),
    ));
    Html::with("article", &[("class", &format!("card s-{severity}"))], card)
}

/// `1 node`, `17 nodes`.
pub(crate) fn nodes(count: usize) -> String {
    match count {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    }
}

/// How sure, since when, and what was changed.
fn facts(content: &Content) -> Html {
    let facts = [
        ("Confidence", content.confidence.as_str()),
        ("Since", content.since.trim_end_matches('.')),
        ("Changed", content.changed.as_str()),
    ];
    let known = facts.into_iter().filter(|(_, text)| !text.is_empty());
    let rows = known.map(|(name, text)| {
        Html::element(
            "div",
            [Html::element("dt", name), Html::element("dd", text)],
        )
    });
    Html::element("dl class=facts", rows.collect::<Html>())
}

fn fix(runbook: &Runbook, undo: Option<&str>) -> Html {
    let mut fix = Html::element("h4", "Fix");
    match runbook.steps.is_empty() {
        true => fix.push(Html::element("p", "Nothing to do.")),
        false => fix.push(Html::element(
            "ol class=steps",
            runbook.steps.iter().map(item).collect::<Html>(),
        )),
    }
    if !runbook.by_cause.is_empty() {
        fix.push(Html::element("p", "Then, by cause, most likely first:"));
        let causes = runbook.by_cause.iter().map(item);
        fix.push(Html::element("ul class=causes", causes.collect::<Html>()));
    }
    if let Some(undo) = undo {
        let first = "To undo, remove the tag first, or it is repaired again:";
        fix.push(Html::element("p", first));
        undo.lines().for_each(|line| fix.push(command(line)));
    }
    let next = &runbook.next;
    fix.push(Html::element("h4", "Next"));
    let next = format!("{} {}", next.retries, next.restart.sentence());
    fix.push(Html::element("p", &next));
    if !runbook.verify.is_empty() {
        fix.push(Html::element("h4", "Verify"));
        let steps = runbook.verify.iter().map(item);
        fix.push(Html::element("ul class=steps", steps.collect::<Html>()));
    }
    fix
}

fn item(step: &Step) -> Html {
    let command = step.command.as_deref().map(command);
    Html::element(
        "li",
        [Html::element("p", prose(&step.text)), Html::from(command)],
    )
}

/// A command, which the script of the page gives a button that copies it.
fn command(command: &str) -> Html {
    Html::element("div class=cmd", Html::element("code", prose(command)))
}

/// Text in which no id, option or ARN is broken that has room in a line; one that has none is
/// broken at a colon first.
pub(crate) fn prose(text: &str) -> Html {
    let words = text.split_inclusive(' ').flat_map(|word| {
        let (word, space) = word.split_at(word.trim_end_matches(' ').len());
        let parts = word.split_inclusive(':');
        let word = if parts.clone().nth(1).is_some() {
            whole(parts.map(whole).collect::<Html>())
        } else if word.len() > 1 && word.contains('-') {
            whole(word)
        } else {
            Html::from(word)
        };
        [word, Html::from(space)]
    });
    words.collect()
}

fn whole(word: impl Into<Html>) -> Html {
    Html::element("span class=whole", word)
}

/// The records of the log beside what the checks found.
fn evidence(content: &Content) -> Html {
    let log = records(content, FOUR_LINES).into_iter();
    let log = log.map(|(origin, lines)| {
        let lines = lines.iter().map(|line| Html::element("span", prose(line)));
        let parts = [
            Html::element("blockquote", lines.collect::<Html>()),
            Html::element("figcaption", origin),
        ];
        Html::element("figure class=log", parts)
    });
    let results = content
        .checks
        .iter()
        .flat_map(|(status, notes)| notes.iter().map(|note| check(*status, note)));
    let results: Html = results.collect();
    let before = match content.repaired {
        true => "Checks before the repair",
        false => "Checks",
    };
    let parts = [
        ("Log", log.collect()),
        (
            before,
            match results.is_empty() {
                true => results,
                false => Html::element("ul class=checks", results),
            },
        ),
    ];
    let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
    let parts: Vec<Html> = parts
        .map(|(name, part)| Html::element("div", [Html::element("h4", name), part]))
        .collect();
    match parts.len() {
        0 => Html::default(),
        1 => parts.into_iter().collect(),
        _ => Html::element("div class=two", parts.into_iter().collect::<Html>()),
    }
}

/// What one check found, by a mark and a word for those who do not see it.
pub(crate) fn check(status: CheckStatus, note: &str) -> Html {
    let (class, mark, word) = match status {
        CheckStatus::Failed => ("failed", "\u{2717}", "Failed: "),
        CheckStatus::Ok => ("ok", "\u{2713}", "Ok: "),
        CheckStatus::Unknown => ("unknown", "?", "Unknown: "),
        CheckStatus::Skipped => ("skipped", "\u{2013}", "Skipped: "),
    };
    Html::with(
        "li",
        &[("class", class)],
        [
            Html::element("b aria-hidden=true", mark),
            Html::element("span class=word", word),
            prose(note),
        ],
    )
}

/// The nodes with when each failed.
fn affected(content: &Content) -> Html {
    let shown = match content.node_count.saturating_sub(content.began.len()) {
        0 => format!("All {}, and since when", nodes(content.node_count)),
        _ => format!(
            "The first {} of {}, and since when",
            content.began.len(),
            nodes(content.node_count)
        ),
    };
    let rows = content.began.iter().map(|(node, at)| {
        Html::element(
            "li",
            [Html::element("code", node), Html::from(&format!(" {at}"))],
        )
    });
    Html::element(
        "details class=nodes",
        [
            Html::element("summary", &shown),
            Html::element("ul", rows.collect::<Html>()),
        ],
    )
}
