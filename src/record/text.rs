//! Text on one line, and cuts at ASCII bytes, which never lie within a character. The standard
//! library's own search takes any pattern and costs more than the line is long.

/// The parts of `text` between line ends; a last empty one is kept.
#[inline]
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
#[inline]
pub(super) fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    debug_assert!(byte.is_ascii());
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// Where the first `byte` is, which is mostly among the next few: eight at a time, in less than
/// a call of `memchr` takes.
#[inline(always)]
pub(super) fn near(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        // Zero where it is; the lowest byte that loses its upper bit is one of those.
        let other = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let found = other.wrapping_sub(ONES) & !other & (ONES << 7);
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|one| *one == byte)?;
    Some(bytes.len() - rest.len() + at)
}

/// As `strip_prefix`, of an ASCII byte.
#[inline(always)]
pub(super) fn after_byte(text: &str, byte: u8) -> Option<&str> {
    debug_assert!(byte.is_ascii());
    (text.as_bytes().first() == Some(&byte)).then(|| &text[1..])
}

/// `text` less one ASCII byte at its end, if it is there.
#[inline]
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
#[inline]
pub(super) fn trimmed_start(text: &str) -> &str {
    match text.as_bytes().first() {
        None | Some(b'!'..=b'~') => text,
        Some(b' ') if matches!(text.as_bytes().get(1), Some(b'!'..=b'~')) => &text[1..],
        Some(_) => text.trim_start(),
    }
}

/// One line of text as `Record::flat` has it.
pub fn fold(line: &str) -> String {
    let mut flat = String::with_capacity(line.len());
    fold_into(&mut flat, line);
    flat
}

/// Whether [`fold`] leaves a line as it is, as it does most. One of other than
/// ASCII letters is not looked at.
pub(super) fn is_folded(line: &str) -> bool {
    folded_start(line.as_bytes(), &mut false) == line.len()
}

/// How many bytes stay as they are: printable, and no blank after a `blank`.
fn folded_start(bytes: &[u8], blank: &mut bool) -> usize {
    let mut from = 0;
    if !(*blank && bytes.first() == Some(&b' ')) {
        // Without a jump within a part, so that the compiler takes all of it at once.
        while let Some(part) = bytes.get(from..from + 33)
            && part.iter().zip(&part[1..]).fold(true, |stays, (a, b)| {
                stays & matches!(a, b' '..=b'~') & ((*a != b' ') | (*b != b' '))
            })
        {
            from += 32;
        }
    }
    if from > 0 {
        *blank = bytes[from - 1] == b' ';
    }
    let rest = bytes[from..].iter().take_while(|byte| match byte {
        b'!'..=b'~' => {
            *blank = false;
            true
        }
        b' ' => !std::mem::replace(blank, true),
        _ => false,
    });
    from + rest.count()
}

/// Adds `line` to `flat` as [`fold`] has it, after a blank.
pub(super) fn fold_into(flat: &mut String, line: &str) {
    if !flat.is_empty() && !flat.ends_with(' ') {
        flat.push(' ');
    }
    let mut blank = !flat.is_empty();
    let mut rest = line;
    while !rest.is_empty() {
        let plain = folded_start(rest.as_bytes(), &mut blank);
        flat.push_str(&rest[..plain]);
        let mut others = rest[plain..].chars();
        if let Some(character) = others.next() {
            match character {
                '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => {
                    flat.push('"');
                    blank = false;
                }
                '\u{2018}' | '\u{2019}' => {
                    flat.push('\'');
                    blank = false;
                }
                c if c.is_whitespace() || c.is_control() => {
                    if flat.as_bytes().last() != Some(&b' ') {
                        flat.push(' ');
                    }
                    blank = true;
                }
                c => {
                    flat.push(c);
                    blank = false;
                }
            }
        }
        rest = others.as_str();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn white_space_folds_and_quotes_become_plain() {
        for (line, flat) in [
            ("a b", "a b"),
            ("a  b\t\tc \u{a0} d", "a b c d"),
            (" a", " a"),
            ("a \u{201c}b\u{201d}\u{2019}s", "a \"b\"'s"),
            ("\u{e9} \u{1b}[31m", "\u{e9} [31m"),
            ("", ""),
        ] {
            assert_eq!(fold(line), flat, "{line:?}");
            assert!(!is_folded(line) || line == flat, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_by_character_whatever_the_runs(line in r"( |a|\t|\u{a0}|\u{e9}|\u{201c}|\PC){0,40}") {
            let mut expected = String::new();
            for character in line.chars() {
                match character {
                    '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => expected.push('"'),
                    '\u{2018}' | '\u{2019}' => expected.push('\''),
                    c if c.is_whitespace() || c.is_control() => {
                        if !expected.ends_with(' ') {
                            expected.push(' ');
                        }
                    }
                    c => expected.push(c),
                }
            }
            prop_assert!(!is_folded(&line) || line == expected);
            prop_assert_eq!(fold(&line), expected);
        }

        #[test]
        fn cuts_are_those_of_the_standard_library(text in r"( |\n|\r|a|\u{a0}|\u{e9}|\PC){0,12}") {
            prop_assert_eq!(lines(&text).collect::<Vec<_>>(), text.split('\n').collect::<Vec<_>>());
            prop_assert_eq!(split_at_byte(&text, b' '), text.split_once(' '));
            prop_assert_eq!(after_byte(&text, b' '), text.strip_prefix(' '));
            prop_assert_eq!(without_last(&text, b'\r'), text.strip_suffix('\r').unwrap_or(&text));
            prop_assert_eq!(trimmed_start(&text), text.trim_start());
        }

        #[test]
        fn a_byte_is_found_where_it_is_first(bytes in prop::collection::vec(0x5c_u8..0x60, 0..40)) {
            for byte in [0x5c, 0x5d, 0xdd] {
                let found = bytes.iter().position(|one| *one == byte);
                prop_assert_eq!(near(&bytes, byte), found);
            }
        }
    }
}
