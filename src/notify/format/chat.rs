//! A custom notification of Amazon Q Developer in chat applications, for Slack and Teams:
//! one JSON object ("Custom notifications" in its guide). A message of one incident joins
//! the thread of the one before.
//!
//! Text of others marks nothing up and mentions nobody: a word with a character that
//! does stands as code, and what acts even there is written with a look-alike.

use serde_json::json;

use crate::notify::content::Content;
use crate::notify::kind::NotificationKind;
use crate::notify::message::subject;
use crate::notify::page::Style;
use crate::runbook::Step;
use crate::text::quote;
use crate::text::sanitize::cut;

/// The longest parts that it takes, in characters; of a cut text its note has room.
const TITLE: usize = 250;
const DESCRIPTION: usize = 8_000;
const NEXT_STEP: usize = 350;
const KEYWORD: usize = 75;
const NOTE: usize = 40;

/// Lines of an agent's log, and characters of each.
const LINES: usize = 3;
const LINE: usize = 240;

/// The notification.
pub(super) fn render(content: &Content, _: Style) -> String {
    let runbook = content.runbook.iter();
    let steps = runbook.flat_map(|runbook| runbook.steps.iter().chain(&runbook.by_cause));
    let (mut next_steps, mut commands) = (Vec::new(), Vec::new());
    for (number, step) in (1..).zip(steps) {
        let (text, command) = next_step(step);
        next_steps.push(text);
        commands.extend(command.map(|command| format!("Step {number}: `{command}`")));
    }
    if let Some(runbook) = &content.runbook {
        let next = &runbook.next;
        next_steps.push(short(&plain(&format!(
            "{} {}",
            next.retries,
            next.restart.sentence()
        ))));
    }
    let resolved = content.runbook.is_none();
    let mut notification = json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": bounded(&plain(&subject(content)), TITLE),
            "description": bounded(&description(content, &commands), DESCRIPTION),
        },
        "metadata": {
            "threadId": content.key,
            "summary": bounded(&plain(&content.title), TITLE),
            "eventType": format!("ssm-agent-{}", content.kind),
        },
    });
    if !resolved {
        notification["content"]["nextSteps"] = json!(next_steps);
        notification["content"]["keywords"] = json!(
            [content.severity.as_str(), content.cause.as_str()].map(|word| cut(word, KEYWORD))
        );
    }
    if !content.event.resources.is_empty() {
        notification["metadata"]["relatedResources"] = json!(content.event.resources);
    }
    // What a custom action asks this function for.
    let incident = &content.event.incident;
    let asked = incident.outcome.request.as_ref();
    let node = asked.and_then(|_| incident.nodes.first());
    let known = [
        ("account", content.account.as_deref()),
        ("region", content.region.as_deref()),
        ("cause", Some(content.cause.as_str())),
        ("action", asked.and(incident.plan.action)),
        ("node", node.map(|node| node.id.as_str())),
    ];
    for (name, value) in known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    {
        notification["metadata"]["additionalContext"][name] = json!(value);
    }
    notification.to_string()
}

/// A notification that is of no incident, within the limits.
pub(in crate::notify) fn notification(title: &str, description: &str, event: &str) -> String {
    let notification = json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": bounded(title, TITLE),
            "description": bounded(description, DESCRIPTION),
        },
        "metadata": { "threadId": event, "eventType": event },
    });
    notification.to_string()
}

/// What is wrong, how sure that is, what was done, the proving lines and the nodes; then
/// the `commands` that found no room in their steps.
fn description(content: &Content, commands: &[String]) -> String {
    let mut lines = vec![
        plain(format!("{} {}", content.summary, content.detail).trim_end()),
        plain(&match content.kind {
            NotificationKind::Resolved => format!("Since {}", content.since),
            _ => format!(
                "Severity {}, {}. Since {}",
                content.severity, content.confidence, content.since
            ),
        }),
        plain(&format!("Changed: {}", content.changed)),
    ];
    if let Some(record) = content.evidence.first() {
        lines.push(plain(&format!("{}:", record.origin)));
        let quoted = quote::fewer(&record.lines, LINES, LINE);
        lines.extend(quoted.iter().map(|line| code(line)));
    }
    if content.node_count > 1 {
        lines.push(plain(&format!("Nodes: {}.", content.nodes)));
    }
    if let Some(undo) = &content.undo {
        lines.push("To undo:".to_owned());
        lines.extend(undo.lines().map(|command| format!("`{command}`")));
    }
    lines.extend_from_slice(commands);
    lines.join("\n")
}

/// A step with its command; the command apart where both are too long.
fn next_step(step: &Step) -> (String, Option<&str>) {
    let text = plain(&step.text);
    let Some(command) = step.command.as_deref() else {
        return (short(&text), None);
    };
    let whole = format!("{text} `{command}`");
    match whole.chars().count() <= NEXT_STEP {
        true => (whole, None),
        false => (
            short(&format!(
                "{} (the command is above)",
                text.trim_end_matches(':')
            )),
            Some(command),
        ),
    }
}

fn short(text: &str) -> String {
    bounded(text, NEXT_STEP)
}

/// At most `most` characters, no code left open.
fn bounded(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept = cut(text, most - NOTE - 1).into_owned();
    if kept.matches('`').count() % 2 == 1 {
        kept.push('`');
    }
    kept
}

/// Prose in which no word marks anything up.
pub(in crate::notify) fn plain(text: &str) -> String {
    const MARKS: &[char] = &['*', '_', '~', '`', '<', '>', '@'];
    let word = |word: &str| match word.contains(MARKS) || word.contains("](") {
        true => code(word),
        false => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// As code, in which a mention and the end of the code still act.
fn code(text: &str) -> String {
    let inert = text
        .replace('`', "\u{2019}")
        .replace('<', "\u{2039}")
        .replace('>', "\u{203a}");
    match inert.trim().is_empty() {
        true => inert,
        false => format!("`{inert}`"),
    }
}
