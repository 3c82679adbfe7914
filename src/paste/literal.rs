//! A log in the strings of a program, its line ends escaped: JSON, Python's `repr`,
//! a shell's `$'…'`, C.

use super::rows::{Rows, is_unquoted};
use crate::record::lines;

/// A string of a text, read back.
struct Literal {
    text: String,
    /// Where it begins and ends.
    at: usize,
    end: usize,
}

/// The lines of a text that is one string; of others the strings in which records
/// begin, and those by which a list goes on.
pub(super) fn open(text: &str) -> Option<Rows> {
    let mut rows = Rows::default();
    let whole = text.trim();
    let read = whole
        .starts_with(['"', '\''])
        .then(|| decoded(whole))
        .flatten();
    let is_whole = |(read, length): &(String, usize)| *length == whole.len() && read.contains('\n');
    if let Some((read, _)) = read.filter(is_whole) {
        rows.push(1, &read);
        return Some(rows);
    }
    let (mut end, mut number) = (0, 1);
    let (mut is_open, mut is_held) = (false, false);
    let mut is_escaped = text.trim_start().starts_with(['[', '{']);
    for literal in literals(text) {
        let between = &text[end..literal.at];
        number += memchr::memchr_iter(b'\n', between.as_bytes()).count() as u64;
        end = literal.end;
        let is_name = text[end..].trim_start().starts_with(':');
        let held = holds(&literal.text);
        is_open = !is_name && (held.is_some() || is_open && between.trim() == ",");
        is_held |= is_open;
        if is_open {
            is_escaped |= literal.text.contains('\n');
            let held = held.unwrap_or(literal.text);
            rows.push(number, held.trim_end_matches(['\n', '\r']));
        }
    }
    (is_escaped && is_held).then_some(rows)
}

/// The log in a string, or in one within it.
fn holds(text: &str) -> Option<String> {
    if lines(text).any(is_unquoted) {
        return Some(text.to_owned());
    }
    let within = text.contains("\\n").then(|| open(text)).flatten()?;
    let held = lines(&within.text).any(is_unquoted);
    held.then_some(within.text)
}

/// The strings of a text; those with nothing between are one, as in Python and C.
fn literals(text: &str) -> Vec<Literal> {
    let mut all: Vec<Literal> = Vec::new();
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\'', &text.as_bytes()[from..]) {
        let quote = from + found;
        let before =
            text[..quote].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '$');
        // `b`, `$` and others may stand before; an apostrophe is no quotation mark.
        let is_mark = quote - before.len() > 1 && text.as_bytes()[quote] == b'\'';
        let read = (!is_mark).then(|| decoded(&text[quote..])).flatten();
        let Some((read, length)) = read else {
            from = quote + 1;
            continue;
        };
        let end = quote + length;
        match all.last_mut() {
            Some(last)
                if before
                    .get(last.end..)
                    .is_some_and(|it| it.trim().is_empty()) =>
            {
                last.text.push_str(&read);
                last.end = end;
            }
            Some(_) | None => all.push(Literal {
                text: read,
                at: quote,
                end,
            }),
        }
        from = end;
    }
    all
}

/// The string at the start of `text`, and its length there, the quotes among it.
pub(super) fn decoded(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next()?;
    let mut read = String::new();
    let mut rest = &text[1..];
    loop {
        let next = rest.chars().next()?;
        rest = &rest[next.len_utf8()..];
        match next {
            '\n' => return None,
            '\\' => rest = unescaped(rest, &mut read)?,
            next if next == quote => return Some((read, text.len() - rest.len())),
            next => read.push(next),
        }
    }
}

/// Adds what a backslash before `rest` makes of it to `read`; gives what follows.
fn unescaped<'t>(rest: &'t str, read: &mut String) -> Option<&'t str> {
    let escape = rest.chars().next()?;
    let after = &rest[escape.len_utf8()..];
    let digits = match escape {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    let code = after.get(..digits).filter(|code| !code.is_empty());
    if let Some(code) = code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
        read.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return Some(&after[digits..]);
    }
    match escape {
        'n' => read.push('\n'),
        't' => read.push('\t'),
        'r' => {}
        '"' | '\'' | '\\' | '/' | ' ' => read.push(escape),
        other => read.extend(['\\', other]),
    }
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &str) -> Option<String> {
        open(of).map(|rows| rows.text)
    }

    #[test]
    fn a_log_in_a_string_is_read_back() {
        let log = "2026-11-23 04:19:04.1850 ERROR [Registrar] it's \"a\"\n\tb \u{e9}";
        let escaped = |quote: char| {
            let text = log
                .replace('\n', "\\n")
                .replace('\t', "\\t")
                .replace('\u{e9}', "\\u00e9");
            format!(
                "{quote}{}{quote}",
                text.replace(quote, &format!("\\{quote}"))
            )
        };
        for form in [
            escaped('"'),
            format!("{{'a': 1, 'StandardOutputContent': {}, 'Status': 'Success'}}", escaped('\'')),
            format!("b{}", escaped('\'')),
            format!("${}", escaped('\'')),
            format!("ok: [web-1] => {{\n  \"stdout\": {}\n}}", escaped('"')),
            format!("[{{\"text\": {}}}]", serde_json::Value::from(escaped('"'))),
            "('2026-11-23 04:19:04.1850 ERROR [Registrar] '\n \"it's \\\"a\\\"\\n\"\n '\\tb \\xe9')".to_owned(),
            "['2026-11-23 04:19:04.1850 ERROR [Registrar] it\\'s \"a\"', '\\tb \u{e9}']".to_owned(),
        ] {
            assert_eq!(text(&form).as_deref(), Some(log), "{form}");
        }
    }

    #[test]
    fn names_apostrophes_and_the_columns_of_a_table_are_no_strings() {
        const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR x";
        for form in [
            format!("\"web-1\",\"{HEAD}\",\"c\"\n"),
            format!("it's mine, {HEAD} isn't\n"),
        ] {
            assert_eq!(text(&form), None, "{form}");
        }
        let form = format!("{{'{HEAD}': 'a', 'b': '{HEAD}\\n', 'c': 1}}");
        assert_eq!(text(&form).as_deref(), Some(HEAD));
    }
}
