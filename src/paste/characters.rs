//! What editors, terminals and web pages make of a line's characters.

use std::borrow::Cow;

use crate::record::without_colours;

/// What terminals, editors and chats leave around lines, of no width.
const INVISIBLE: [char; 3] = ['\u{1b}', '\u{200b}', '\u{feff}'];

/// The text without characters of no width, or without the signs by which `cat -A` and
/// an editor's list show them; `None` where it has neither.
pub(super) fn visible(text: &str) -> Option<String> {
    let are_shown = text.contains('\n') && text.lines().all(|line| line.ends_with('$'));
    if !are_shown && !text.contains(INVISIBLE) {
        return None;
    }
    let text = without_colours(text).replace(INVISIBLE, "");
    let row = |line: &str| line.strip_suffix('$').unwrap_or(line).replace("^I", "\t");
    let rows = || text.lines().map(row).collect::<Vec<_>>().join("\n");
    Some(if are_shown { rows() } else { text })
}

/// The line with the characters that the agent wrote: no colours, no characters
/// without width, plain blanks, entities of HTML read back.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~') && *byte != b'&';
    let is_linked = line.contains("<http");
    if line.as_bytes().iter().all(is_plain) && !line.contains("^[[") && !is_linked {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match character {
            '\u{1b}' | '\u{241b}' => after_sequence(after),
            '^' if after.starts_with("[[") => after_sequence(&after[1..]),
            // As a chat writes an address.
            '<' if after.starts_with("http") => after,
            '>' if is_linked => after,
            '&' => match entity(after) {
                Some((read, after)) => {
                    text.push_str(read);
                    after
                }
                None => {
                    text.push('&');
                    after
                }
            },
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\r' => after,
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => {
                text.push(' ');
                after
            }
            other => {
                text.push(other);
                after
            }
        };
    }
    Cow::Owned(text)
}

/// The string, where a line is an element of an array of JSON.
pub(super) fn element(line: &str) -> Option<String> {
    let text = line.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    let is_string = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    is_string.then(|| serde_json::from_str(text).ok())?
}

/// What follows a terminal's control sequence `[31m`.
fn after_sequence(text: &str) -> &str {
    // Buildkite's own, with the time.
    if let Some((_, rest)) = text
        .strip_prefix("_bk;")
        .and_then(|it| it.split_once('\u{7}'))
    {
        return rest;
    }
    let Some(sequence) = text.strip_prefix('[') else {
        return text;
    };
    let parameters = |c: char| c.is_ascii_digit() || matches!(c, ';' | '?');
    let rest = sequence.trim_start_matches(parameters);
    rest.strip_prefix(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(rest)
}

fn entity<'t>(text: &'t str) -> Option<(&'static str, &'t str)> {
    const ENTITIES: [(&str, &str); 9] = [
        ("quot;", "\""),
        ("amp;", "&"),
        ("lt;", "<"),
        ("gt;", ">"),
        ("apos;", "'"),
        ("#39;", "'"),
        ("#x27;", "'"),
        ("#34;", "\""),
        ("nbsp;", " "),
    ];
    let known = |text: &'t str| {
        let mut entities = ENTITIES.iter();
        entities.find_map(|(name, read)| Some((*read, text.strip_prefix(name)?)))
    };
    // A page that shows the source of another one writes each twice.
    text.strip_prefix("amp;")
        .and_then(known)
        .or_else(|| known(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_width_goes_and_what_shows_it() {
        for (text, read) in [
            ("\u{feff}a\u{200b}\nb\n", Some("a\nb\n")),
            ("\u{1b}[1ma\u{1b}[0m\n", Some("a\n")),
            ("a$\n^Ib$\n", Some("a\n\tb")),
            ("a$\nb\n", None),
            ("costs $", None),
        ] {
            assert_eq!(visible(text).as_deref(), read, "{text:?}");
        }
    }

    #[test]
    fn characters_are_read_back() {
        for (line, read) in [
            ("a\tb", "a\tb"),
            ("\u{1b}[1;31mERROR\u{1b}[0m x", "ERROR x"),
            ("\u{1b}_bk;t=1795407544185\u{7}ERROR x", "ERROR x"),
            ("^[[33mWARN^[[m x", "WARN x"),
            ("a\u{a0}b\u{200b}c\u{feff}", "a bc"),
            (
                "&lt;error&gt; &quot;x&quot; &amp; &copy;",
                "<error> \"x\" & &copy;",
            ),
            (
                "&amp;lt;error&amp;gt; &amp;amp; &amp;copy;",
                "<error> & &copy;",
            ),
            (
                "Get \"<http://169.254.169.254/latest>\": EOF",
                "Get \"http://169.254.169.254/latest\": EOF",
            ),
            ("R&D", "R&D"),
            ("\u{201c}x\u{201d}", "\u{201c}x\u{201d}"),
        ] {
            assert_eq!(plain(line), read, "{line:?}");
        }
    }
}
