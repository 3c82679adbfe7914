//! What colours a terminal: the sequences of ECMA-48, with their first character
//! as itself or as JSON, Go and syslog write it.

use std::borrow::Cow;

/// Behind a backslash, one, or more in an object's text within another's.
const BEHIND_BACKSLASH: [&str; 3] = ["u001b", "u001B", "x1b"];

/// No sequence has more.
const MAX_PARAMETERS: usize = 64;

/// `text` less its colours.
pub(crate) fn without_colours(text: &str) -> Cow<'_, str> {
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
    let bytes = text.as_bytes();
    let mut starts = memchr::memchr3_iter(0x1b, b'\\', b'#', bytes);
    starts.find_map(|start| {
        // A row of backslashes is looked at once.
        if start > 0 && bytes[start - 1] == b'\\' {
            return None;
        }
        let escape = text[start..].trim_start_matches('\\');
        let mut coded = BEHIND_BACKSLASH.iter();
        let rest = (escape.strip_prefix("\u{1b}"))
            .or_else(|| escape.strip_prefix("#033"))
            .or_else(|| coded.find_map(|code| escape.strip_prefix(code)))?;
        // Buildkite's own, with the time.
        if let Some(own) = rest.strip_prefix("_bk;") {
            let end = own.bytes().take(MAX_PARAMETERS).position(|b| b == 7)?;
            return Some((start, text.len() - own.len() + end + 1));
        }
        let rest = rest.strip_prefix(['[', '('])?.as_bytes();
        let parameters = rest.iter().take(MAX_PARAMETERS);
        let end = parameters.take_while(|b| matches!(b, b' '..=b'?')).count();
        let ends = matches!(rest.get(end), Some(b'@'..=b'~'));
        ends.then_some((start, text.len() - rest.len() + end + 1))
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
            ("\u{1b}_bk;t=1795407544185\u{7}a", "a"),
            ("a [b] x1b[m \u{1b} \u{1b}[1", "a [b] x1b[m \u{1b} \u{1b}[1"),
        ] {
            assert_eq!(without_colours(text), plain, "{text:?}");
        }
    }
}
