//! The text of a record on one line.

use std::cell::OnceCell;
use std::ops::Deref;

use super::Record;

/// A record with its text on one line, which is made once and only when it is
/// asked for: most records of a healthy log are passed over without it.
#[derive(Debug)]
pub struct NormalizedRecord<'r, 'a> {
    record: &'r Record<'a>,
    flat: OnceCell<String>,
}

impl<'r, 'a> NormalizedRecord<'r, 'a> {
    pub fn new(record: &'r Record<'a>) -> Self {
        Self {
            record,
            flat: OnceCell::new(),
        }
    }

    /// As [`Record::flat`].
    pub fn flat(&self) -> &str {
        self.flat.get_or_init(|| self.record.flat())
    }
}

impl<'a> Deref for NormalizedRecord<'_, 'a> {
    type Target = Record<'a>;

    fn deref(&self) -> &Record<'a> {
        self.record
    }
}

pub(super) fn flat(record: &Record<'_>) -> String {
    let length =
        record.message.len() + record.rest.iter().map(|line| line.len() + 1).sum::<usize>();
    let mut flat = String::with_capacity(length);
    fold_into(&mut flat, &record.message);
    for line in &record.rest {
        fold_into(&mut flat, line);
    }
    flat.truncate(flat.trim_end().len());
    flat
}

/// One line of text as [`Record::flat`] has it.
pub fn fold(line: &str) -> String {
    let mut flat = String::with_capacity(line.len());
    fold_into(&mut flat, line);
    flat
}

fn fold_into(flat: &mut String, line: &str) {
    let mut blank = flat.as_bytes().last() == Some(&b' ');
    if !flat.is_empty() && !blank {
        flat.push(' ');
        blank = true;
    }
    let mut rest = line;
    while !rest.is_empty() {
        let plain = rest
            .bytes()
            .take_while(|byte| match byte {
                b'!'..=b'~' => {
                    blank = false;
                    true
                }
                b' ' => !std::mem::replace(&mut blank, true),
                _ => false,
            })
            .count();
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
            prop_assert_eq!(fold(&line), expected);
        }
    }
}
