//! Cuts at ASCII bytes, which never lie within a character. The standard
//! library's own search takes any pattern and costs more than the line is long.

/// The parts of `text` between line ends; a last empty one is kept.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (line, more) = match split_at_byte(text, b'\n') {
            Some((line, more)) => (line, Some(more)),
            None => (text, None),
        };
        rest = more;
        Some(line)
    })
}

/// As `split_once`, at an ASCII byte.
pub fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    debug_assert!(byte.is_ascii());
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// As `strip_prefix`, of an ASCII byte.
pub fn after_byte(text: &str, byte: u8) -> Option<&str> {
    debug_assert!(byte.is_ascii());
    (text.as_bytes().first() == Some(&byte)).then(|| &text[1..])
}

/// `text` less one ASCII byte at its end, if it is there.
pub fn without_last(text: &str, byte: u8) -> &str {
    debug_assert!(byte.is_ascii());
    if text.as_bytes().last() == Some(&byte) {
        &text[..text.len() - 1]
    } else {
        text
    }
}

/// The first `most` bytes of `text` at most, up to a character's end.
pub fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// As `trim_start`.
pub fn trimmed_start(text: &str) -> &str {
    match text.as_bytes().first() {
        None | Some(b'!'..=b'~') => text,
        Some(b' ') if matches!(text.as_bytes().get(1), Some(b'!'..=b'~')) => &text[1..],
        Some(_) => text.trim_start(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cuts_are_those_of_the_standard_library(text in r"( |\n|\r|a|\u{a0}|\u{e9}|\PC){0,12}") {
            prop_assert_eq!(lines(&text).collect::<Vec<_>>(), text.split('\n').collect::<Vec<_>>());
            prop_assert_eq!(split_at_byte(&text, b' '), text.split_once(' '));
            prop_assert_eq!(after_byte(&text, b' '), text.strip_prefix(' '));
            prop_assert_eq!(without_last(&text, b'\r'), text.strip_suffix('\r').unwrap_or(&text));
            prop_assert_eq!(trimmed_start(&text), text.trim_start());
        }
    }
}
