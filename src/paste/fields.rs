//! A log in the values of fields, one on a line: YAML, PowerShell's `Format-List`,
//! Logstash's `rubydebug`, OpenTelemetry's `debug`. A value goes on in the lines that
//! are indented deeper than its name.

use std::collections::HashMap;

use super::literal::decoded;
use super::marks::begins_log;
use super::rows::Rows;
use crate::record::begins_record;

/// A name and what stands on its line.
#[derive(Debug, Clone, Copy)]
struct Field<'t> {
    name: &'t str,
    value: &'t str,
    /// The columns in which they begin.
    indent: usize,
    column: usize,
}

/// What a list's item without a name goes by.
const ITEM: &str = "-";

/// The values of the field in which records begin; others stand beside it.
pub(super) fn open(text: &str) -> Option<Rows> {
    let lines: Vec<&str> = crate::record::lines(text)
        .map(|line| line.trim_end())
        .collect();
    // A block begins below its name.
    let begins = |(at, field): &(usize, Field<'_>)| match is_block(field.value) {
        true => lines
            .get(at + 1)
            .is_some_and(|line| begins_log(line.trim_start())),
        false => {
            let is_quoted = field.value.starts_with('"');
            let text = is_quoted.then(|| decoded(field.value)).flatten();
            let text = text.map(|(text, _)| text);
            let quoted = field.value.trim_start_matches(['\'', '"']);
            begins_log(text.as_deref().unwrap_or(quoted))
        }
    };
    let fields = || {
        lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| Some((at, field(line)?)))
    };
    let mut begin = fields().filter(begins);
    let items = fields().filter(|(_, field)| field.name == ITEM).count();
    let name = match begin.next() {
        Some((_, first)) => first.name,
        None => Some(ITEM).filter(|_| items * 2 > lines.len())?,
    };
    // Others than YAML have lists, and quote nothing.
    if name == ITEM && !fields().any(|(_, field)| field.name == ITEM && is_quoted(field.value)) {
        return None;
    }
    if begin.any(|(_, field)| field.name != name) {
        return None;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (_, field) in fields().filter(|(_, field)| !is_continuation(field.name)) {
        *counts.entry(field.name).or_default() += 1;
    }
    let count = counts.remove(name).unwrap_or_default();
    let beside = counts.values().max().copied().unwrap_or_default();
    if name != ITEM && beside * 2 < count {
        return None;
    }
    let mut rows = Rows::default();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let number = at as u64 + 1;
        at += 1;
        let Some(field) = field(line).filter(|field| field.name == name) else {
            continue;
        };
        let deeper = |line: &&&str| line.is_empty() || indent(line) > field.indent;
        let more = &lines[at..at + lines[at..].iter().take_while(deeper).count()];
        at += more.len();
        rows.push(number, value(&field, more).trim_end());
    }
    Some(rows)
}

fn is_quoted(value: &str) -> bool {
    value.starts_with(['"', '\''])
}

/// How YAML begins a text that stands below, line by line.
fn is_block(value: &str) -> bool {
    ["|", "|-", "|+", ">", ">-", ">+"].contains(&value)
}

fn is_continuation(name: &str) -> bool {
    ["caused by", "status code"].contains(&name)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// `name: value` or `"name" => value`, an item of a list perhaps.
fn field(line: &str) -> Option<Field<'_>> {
    if let Some(value) = line.trim_start().strip_prefix("- ")
        && (is_quoted(value) || begins_record(value))
    {
        return Some(Field {
            name: ITEM,
            value,
            indent: indent(line),
            column: line.len() - value.len(),
        });
    }
    let (before, value) = match line.split_once(" => ") {
        Some((before, _)) => line.split_at(before.len() + 3),
        None => line.split_once(':')?,
    };
    let before = before.strip_suffix("=>").unwrap_or(before);
    let name = before.trim_start_matches([' ', '-']);
    let shaped = |b: u8| b.is_ascii_alphanumeric() || b" _-.@\"".contains(&b);
    let is_field = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(shaped)
        && (value.is_empty() || value.starts_with(' '));
    let value = value.trim_start_matches(' ');
    // OpenTelemetry names the type.
    let typed = value
        .strip_prefix("Str(")
        .and_then(|it| it.strip_suffix(')'));
    let value = typed.unwrap_or(value);
    is_field.then(|| Field {
        name: name.trim_end(),
        value,
        indent: before.len() - name.len(),
        column: line.len() - value.len(),
    })
}

/// The value of a field that goes on in the lines `more`.
fn value(field: &Field<'_>, more: &[&str]) -> String {
    let filled = more.iter().filter(|line| !line.is_empty());
    let edge = filled.map(|line| indent(line)).min().unwrap_or(0);
    let verbatim = |from: usize| {
        let rows = more.iter().map(move |line| line.get(from..).unwrap_or(""));
        rows.collect::<Vec<_>>()
    };
    match field.value.as_bytes() {
        _ if is_block(field.value) => verbatim(edge).join("\n"),
        [b'"', ..] => {
            let text = folded(field.value, more);
            decoded(&text).map_or(text, |(text, _)| text)
        }
        [b'\'', text @ ..] => {
            let text = folded(&field.value[field.value.len() - text.len()..], more);
            let text = text.strip_suffix('\'').unwrap_or(&text);
            text.replace("''", "'")
        }
        // `Format-List` puts what goes on below the value.
        _ if edge >= field.column => [vec![field.value], verbatim(field.column)]
            .concat()
            .join("\n"),
        _ => folded(field.value, more),
    }
}

/// As YAML folds the lines of a value: a line's end is a blank, an empty line a line's
/// end, and a backslash at a line's end is nothing.
fn folded(first: &str, more: &[&str]) -> String {
    let mut text = first.to_owned();
    let mut ended = false;
    for line in more.iter().map(|line| line.trim_start()) {
        if line.is_empty() {
            text.push_str(if first.starts_with('"') { "\\n" } else { "\n" });
            ended = true;
            continue;
        }
        let slashes = text.len() - text.trim_end_matches('\\').len();
        if first.starts_with('"') && slashes % 2 == 1 {
            text.pop();
        } else if !ended {
            text.push(' ');
        }
        ended = false;
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] it's \"a\": b";

    fn text(of: &str) -> Option<String> {
        open(of).map(|rows| rows.text)
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        for (form, value) in [
            (
                "- ingestionTime: 1\n  message: '2026-11-23 04:19:04.1850 ERROR [Registrar] it''s\n    \"a\": b\n\n    c'\n  timestamp: 1\n",
                format!("{HEAD}\nc"),
            ),
            (
                "- message: \"2026-11-23 04:19:04.1850 ERROR [Registrar] it's\\\n    \\ \\\"a\\\": b\\n\\\n    \\tc\"\n  timestamp: 1\n",
                format!("{HEAD}\n\tc"),
            ),
            (
                "- message: |-\n    2026-11-23 04:19:04.1850 ERROR [Registrar] it's \"a\": b\n    \tc\n  timestamp: 1\n",
                format!("{HEAD}\n\tc"),
            ),
            (
                "Id      : 1\nMessage : 2026-11-23 04:19:04.1850 ERROR [Registrar] it's \"a\": b\n          \tc\n\n",
                format!("{HEAD}\n\tc"),
            ),
            (
                "{\n       \"message\" => \"2026-11-23 04:19:04.1850 ERROR [Registrar] it's \\\"a\\\": b\",\n    \"@timestamp\" => 2026-11-23T04:19:04.185Z\n}\n",
                HEAD.to_owned(),
            ),
            (
                "Body: Str(2026-11-23 04:19:04.1850 ERROR [Registrar] it's \"a\": b)\nFlags: 0\n",
                HEAD.to_owned(),
            ),
            (
                "- '2026-11-23 04:19:04.1850 ERROR [Registrar] it''s \"a\": b'\n- \"\\tc\"\n",
                format!("{HEAD}\n\tc"),
            ),
        ] {
            assert_eq!(text(form).as_deref(), Some(&*value), "{form}");
        }
    }

    #[test]
    fn what_stands_by_itself_or_under_several_names_is_no_field() {
        for lines in [
            format!("alice: {HEAD}\ncaused by: EOF\n"),
            format!("a: {HEAD}\nb: {HEAD}\n"),
            "a: b\nc: d\n".to_owned(),
        ] {
            assert_eq!(text(&lines), None, "{lines}");
        }
    }
}
