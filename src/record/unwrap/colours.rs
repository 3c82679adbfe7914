//! What colours a terminal: the sequences of ECMA-48, with their first character
//! as itself or as JSON, Go and syslog write it.

use std::borrow::Cow;

/// Behind a backslash in some: one, or more in an object's text within another's.
const ESCAPES: [&str; 5] = ["\u{1b}", "u001b", "u001B", "x1b", "#033"];

/// `text` less its colours.
pub(in crate::record) fn without_colours(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((start, end)) = sequence(rest) {
        plain.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Where the first begins and ends: `ESC [ … m`, or `ESC ( B`, which resets.
fn sequence(text: &str) -> Option<(usize, usize)> {
    memchr::memchr2_iter(b'[', b'(', text.as_bytes()).find_map(|at| {
        let before = ESCAPES.iter().find_map(|it| text[..at].strip_suffix(it))?;
        let start = before.trim_end_matches('\\').len();
        if start == before.len() && text[start..].starts_with(['u', 'x']) {
            return None;
        }
        let parameters = text.as_bytes()[at + 1..].iter();
        let last = at + 1 + parameters.take_while(|b| matches!(b, b' '..=b'?')).count();
        let ends = matches!(text.as_bytes().get(last), Some(b'@'..=b'~'));
        ends.then_some((start, last + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_brackets_stay() {
        for (text, plain) in [
            ("\u{1b}[1;32ma\u{1b}[0m [b]\u{1b}(B\u{1b}[m", "a [b]"),
            (
                "{\"log\":\"\\u001b[32m[a]\\u001B[0m\"}",
                "{\"log\":\"[a]\"}",
            ),
            ("msg=\"\\x1b[32ma\\x1b[0m\"", "msg=\"a\""),
            ("{\"log\":\"{\\\\u001b[32m\\\\\"a", "{\"log\":\"{\\\\\"a"),
            ("#033[33ma#033[0m é", "a é"),
            ("a [b] x1b[m \u{1b} \u{1b}[1", "a [b] x1b[m \u{1b} \u{1b}[1"),
        ] {
            assert_eq!(without_colours(text), plain, "{text:?}");
        }
    }
}
