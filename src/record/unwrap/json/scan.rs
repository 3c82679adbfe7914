//! JSON token by token, each borrowed from the text where it can be.

use std::borrow::Cow;

use crate::text::json::quoted;

/// What is still to be read of a text. It is read more loosely than JSON is
/// defined: what a shipper wrote is to be found, not to be judged.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no blank, which stays.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over `byte` where it is next, and says whether it was.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// A string, and whether a line's end stands, or stood, behind it: Docker ends
    /// each with one.
    pub(super) fn string(&mut self) -> Option<(Cow<'a, str>, bool)> {
        self.takes(b'"').then_some(())?;
        let start = self.at;
        let mut escape = None;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let found = mark(rest)?;
            self.at += found + 1;
            if rest[found] == b'"' {
                break;
            }
            escape.get_or_insert(self.at - 1 - start);
            self.at += 1;
        }
        let raw = &self.text[start..self.at - 1];
        match escape {
            None => Some((Cow::Borrowed(raw), raw.ends_with('\n'))),
            Some(at) if raw[at..] == *"\\n" => Some((Cow::Borrowed(&raw[..at]), true)),
            Some(_) => {
                let text = quoted(&self.text[start - 1..self.at])?;
                let ended = text.ends_with('\n');
                Some((text, ended))
            }
        }
    }

    /// A number or a name, empty where there is none.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let end = rest.bytes().take_while(|byte| of_word(*byte)).count();
        self.at += end;
        &rest[..end]
    }
}

/// Where the next quotation mark or backslash is, eight bytes at a time: most strings
/// are too short for a search that has to be prepared.
fn mark(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 0xff;
    const MARKS: [u64; 2] = [EACH * b'"' as u64, EACH * b'\\' as u64];
    // The highest bit of each byte that is zero; of no byte before the first of them.
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = zeros(word ^ MARKS[0]) | zeros(word ^ MARKS[1]);
        if marks != 0 {
            return Some(8 * at + marks.trailing_zeros() as usize / 8);
        }
    }
    let last = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(8 * words.len() + last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_borrowed_where_they_are_written_as_they_read() {
        let long = "x".repeat(40);
        for (json, text, ended) in [
            ("\"a b\"", "a b", false),
            ("\"\"", "", false),
            ("\"a\\n\"", "a", true),
            ("\"a\n\"", "a\n", true),
            ("\"a\\\"b\\n\"", "a\"b\n", true),
            ("\"\\u00e9\"", "\u{e9}", false),
            (&format!("\"{long}\\\\\""), &format!("{long}\\"), false),
        ] {
            let mut scanner = Scanner::new(json);
            let (read, has_end) = scanner.string().unwrap_or_else(|| panic!("{json}"));
            assert_eq!((&*read, has_end), (text, ended), "{json}");
            assert_eq!(scanner.peek(), None, "{json}");
            let borrowed = matches!(read, Cow::Borrowed(_));
            let written = json.trim_matches('"');
            let written = written.strip_suffix("\\n").unwrap_or(written);
            assert_eq!(borrowed, !written.contains('\\'), "{json}");
        }
        for json in [
            "",
            "a",
            "\"a",
            "\"a\\\"",
            "\"a\\",
            "\"\\q\"",
            "\"\\\u{e9}\"",
        ] {
            assert!(Scanner::new(json).string().is_none(), "{json}");
        }
    }

    #[test]
    fn words_end_where_no_number_goes_on() {
        let mut scanner = Scanner::new(" -1.5e+3 ,true}");
        assert_eq!(scanner.peek(), Some(b'-'));
        assert_eq!(scanner.word(), "-1.5e+3");
        assert!(scanner.takes(b','));
        assert_eq!((scanner.word(), scanner.word()), ("true", ""));
        assert!(!scanner.takes(b',') && scanner.takes(b'}'));
        assert_eq!(scanner.peek(), None);
    }
}
