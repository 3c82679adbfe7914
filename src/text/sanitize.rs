//! Text that only says what it says: no character of it acts on a terminal or a
//! mail reader, and a cut never splits a character.

use std::borrow::Cow;

/// `text` without the characters that act on a terminal or a mail reader:
/// control characters become `U+FFFD`, tabs and foreign line separators a
/// space, `CR` a line feed; bidirectional controls, zero-width and other
/// invisible characters are dropped (which also undoes a secret's name that
/// was split with them).
pub(crate) fn sanitize(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .all(|c| c == '\n' || (!c.is_control() && !is_invisible(c) && !is_separator(c)))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push('\n'),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\t' => out.push(' '),
            c if is_separator(c) => out.push(' '),
            c if is_invisible(c) => {}
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The first `most` characters of `text`, and a note of how many were cut.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let kept = text[..end].trim_end();
            let left = text[kept.len()..].chars().count();
            Cow::Owned(format!("{kept} [{left} more characters cut]"))
        }
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '\t' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_that_act_are_made_harmless() {
        assert_eq!(sanitize("a\tb\r\nc\rd"), "a b\nc\nd");
        assert_eq!(sanitize("\u{1b}[31mred\u{7}"), "\u{fffd}[31mred\u{fffd}");
        assert_eq!(
            sanitize("pass\u{200b}word\u{202e}x\u{2028}y"),
            "passwordx y"
        );
        assert!(matches!(sanitize("né 好\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn text_is_cut_between_characters_with_a_note() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü äö", 3), "äöü [3 more characters cut]");
        assert_eq!(cut("ab  cd", 3), "ab [4 more characters cut]");
        assert_eq!(cut("", 0), "");
    }

    proptest! {
        #[test]
        fn no_character_that_acts_is_left(text in any::<String>()) {
            let out = sanitize(&text);
            prop_assert!(out.chars().all(|c| c == '\n' || !c.is_control() && !is_invisible(c)));
        }

        #[test]
        fn cutting_keeps_the_beginning(text in any::<String>(), most in 0usize..40) {
            let out = cut(&text, most);
            let kept: String = text.chars().take(most).collect();
            prop_assert!(out.starts_with(kept.trim_end()));
        }
    }
}
