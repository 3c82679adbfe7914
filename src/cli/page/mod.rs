//! A verdict as a page: one file that loads nothing, for a browser, a phone and print.
//!
//! What the log says stands in it as text. Besides, a browser is allowed nothing but the
//! style and the script that stand here, each by its hash.

#[cfg(test)]
pub(super) mod tests;
pub(super) mod timeline;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::terminal::Tone;
use crate::notify::content::Content;
use crate::notify::format::html::{card, nodes, prose};
use crate::text::html::Html;

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What stands first.
pub(super) struct Verdict {
    pub tone: Tone,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// Account, Region and who looked, where they are known.
    pub place: Vec<String>,
    /// What was read, a paragraph each.
    pub read: Vec<String>,
}

/// The page: the verdict, what `summary` adds to it, and the sections; written at `now`.
pub(super) fn page(verdict: &Verdict, summary: Html, sections: Html, now: Timestamp) -> String {
    let class = format!("tone-{}", verdict.tone.as_str());
    let mut header = Html::element("p class=top", "SSM Agent report");
    header.push(Html::with("h1", &[("class", &class)], &verdict.sentence));
    if !verdict.place.is_empty() {
        header.push(Html::element(
            "p class=place",
            verdict.place.join(" \u{b7} "),
        ));
    }
    let read = verdict.read.iter();
    header.push(
        read.map(|text| Html::element("p class=lead", prose(text)))
            .collect::<Html>(),
    );
    header.push(summary);
    let written = now.strftime("%Y-%m-%d %H:%M UTC");
    let version = env!("CARGO_PKG_VERSION");
    let footer = format!(
        "Written by ssm-agent-triage {version} on {written}. Log lines are quoted as text, \
         with secrets taken out. This page loads nothing from the network."
    );
    let main = [
        Html::element("header class=head", header),
        sections,
        Html::element("footer", &footer),
    ];
    let title = Html::from(&format!("SSM Agent: {}", verdict.sentence));
    let parts = [
        ("{style-hash}", hash(STYLE)),
        ("{script-hash}", hash(SCRIPT)),
        ("{title}", title.into_string()),
        ("{style}", STYLE.to_owned()),
        ("{script}", SCRIPT.to_owned()),
        // Last: no text in it is taken for one of the above.
        ("{main}", Html::from(main).into_string()),
    ];
    parts
        .into_iter()
        .fold(FRAME.to_owned(), |page, (mark, part)| {
            page.replacen(mark, &part, 1)
        })
}

/// As a content security policy names what it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// A section with its heading, where there is anything in it.
pub(super) fn section(heading: &str, content: Html) -> Html {
    match content.is_empty() {
        true => content,
        false => Html::element("section", [Html::element("h2", heading), content]),
    }
}

/// The fragment of the incident of this number, from 1.
pub(super) fn anchor(number: usize) -> String {
    format!("incident-{number}")
}

/// Links to the incidents.
pub(super) fn index(incidents: &[Content]) -> Html {
    if incidents.is_empty() {
        return Html::default();
    }
    let entry = |(number, one): (usize, &Content)| {
        let severity = one.severity.as_str();
        let target = format!("#{}", anchor(number));
        let parts = [
            Html::element(
                "span class=title",
                prose(&format!("{}{}", one.title, one.doubt)),
            ),
            Html::element("span class=chip", severity),
            Html::element("span class=count", nodes(one.node_count)),
        ];
        Html::with(
            "li",
            &[("class", &format!("s-{severity}"))],
            Html::with("a", &[("href", &target)], parts),
        )
    };
    let entries: Html = (1..).zip(incidents).map(entry).collect();
    Html::with(
        "nav",
        &[("aria-label", "Incidents")],
        Html::element("ol class=index", entries),
    )
}

/// The incidents with proof and steps.
pub(super) fn cards(incidents: &[Content]) -> Html {
    let cards = (1..).zip(incidents);
    let cards = cards.map(|(number, one)| Html::with("li", &[("id", &anchor(number))], card(one)));
    let cards: Html = cards.collect();
    match cards.is_empty() {
        true => cards,
        false => Html::element("ol class=cards", cards),
    }
}
