//! Fluent Bit's `stdout`: `[0] tail.0: [[1795407544.185, {}], {"log"=>"…"}]`,
//! before version 2.1 `[0] tail.0: [1795407544.185, {…}]`. It escapes no quotes.

use serde_json::Value;

use super::{Context, Opened, Stamp, json};

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let (_tag, event) = number(line)?.split_once(": [")?;
    let event = event.trim_end().strip_suffix(']')?;
    let (at, object) = match event.strip_prefix('[') {
        Some(event) => {
            let (at, rest) = event.split_once(", ")?;
            (at, rest.split_once("], ")?.1)
        }
        None => event.split_once(", ")?,
    };
    let at = Stamp::Number(at.parse().ok()?);
    let mut opened = match as_json(object) {
        Some(object) => json::open_other(&object, context)?,
        None => json::open(object, context)?,
    };
    opened.envelope.at.get_or_insert(at);
    Some(opened)
}

/// What follows the event's number.
fn number(line: &str) -> Option<&str> {
    let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(rest)
}

fn as_json(object: &str) -> Option<String> {
    let mut rest = object.strip_prefix("{\"")?;
    let mut fields = Vec::new();
    while let Some((name, after)) = rest.split_once("\"=>") {
        // The names of an object within are as good as those around it.
        if let Some(within) = after.strip_prefix("{\"").filter(|it| it.contains("\"=>")) {
            rest = within;
            continue;
        }
        let (value, next) = value(after)?;
        let text = value
            .strip_prefix('"')
            .and_then(|text| text.rsplit_once('"'));
        let value = text.map_or(value, |(text, _)| text);
        fields.push(format!("{}:{}", Value::from(name), Value::from(value)));
        rest = next;
    }
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(",")))
}

/// A value ends where the comma before the next name stands; an event as a value,
/// which has names of its own, with its last bracket.
fn value(text: &str) -> Option<(&str, &str)> {
    let is_event = text
        .strip_prefix('"')
        .is_some_and(|it| number(it).is_some());
    let within = is_event.then(|| text.rfind("]\"")).flatten().unwrap_or(0);
    match text[within..].find("\"=>") {
        Some(next) => {
            let comma = text[..within + next].rfind(", \"")?;
            Some((&text[..comma], &text[comma + 3..]))
        }
        None => Some((text, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    #[test]
    fn events_of_every_version_are_opened() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        let head = "2026-11-23 04:19:04.1850 ERROR [Registrar] \"a\", \\b";
        let json = serde_json::json!({ "log": head });
        for (line, host) in [
            (
                format!("[0] tail.0: [[1795407544.185, {{}}], {json}]"),
                None,
            ),
            (format!("[12] a: b: [1795407544.185, {json}]"), None),
            (
                format!("[0] tail.0: [[1795407544.185, {{}}], {{\"log\"=>\"{head}\"}}]"),
                None,
            ),
            (
                format!(
                    "[0] t: [1795407544.185, {{\"n\"=>1, \"log\"=>\"{head}\", \"kubernetes\"=>{{\"host\"=>\"h1\", \"pod\"=>\"p\"}}}}]"
                ),
                Some("h1"),
            ),
        ] {
            let opened = open(&line, &context).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(opened.text, head, "{line}");
            assert_eq!(opened.envelope.at, Some(Stamp::Number(1_795_407_544.185)));
            assert_eq!(opened.envelope.host.as_deref(), host);
        }
        for line in ["[0] x", "[a] t: [1, {}]", "[0] t: [x, {\"log\"=>\"y\"}]"] {
            assert_eq!(open(line, &context), None, "{line}");
        }
    }
}
