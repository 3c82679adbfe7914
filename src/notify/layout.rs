//! Lines that read well in a mail: prose wrapped, commands whole.

/// Columns of prose; a mail quoted once still fits in 80.
pub const WIDTH: usize = 78;

/// `text` in lines of at most `width` characters, the first after `first`, the
/// others after `rest`. A word that is longer stands alone and whole: an ARN or
/// a URL broken in two is of no use.
pub fn wrap(text: &str, first: &str, rest: &str, width: usize) -> String {
    let mut out = String::from(first);
    let mut column = first.chars().count();
    let mut at_start = true;
    for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if !at_start && column + 1 + length > width {
            out.push('\n');
            out.push_str(rest);
            column = rest.chars().count();
            at_start = true;
        }
        if !at_start {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        at_start = false;
    }
    out
}

/// A text put together of headed sections with a blank line between them.
#[derive(Debug, Default)]
pub struct TextBuilder {
    text: String,
}

impl TextBuilder {
    /// A paragraph of its own.
    pub fn paragraph(&mut self, text: &str) {
        self.blank_line();
        self.line(&wrap(text, "", "", WIDTH));
    }

    /// A heading; what follows belongs to it until the next one.
    pub fn heading(&mut self, text: &str) {
        self.blank_line();
        self.line(text);
    }

    /// Prose below a heading.
    pub fn prose(&mut self, text: &str) {
        self.line(&wrap(text, "  ", "  ", WIDTH));
    }

    /// Prose after a mark, its further lines below its first word.
    pub fn item(&mut self, mark: &str, text: &str) {
        let rest = " ".repeat(2 + mark.chars().count() + 1);
        self.line(&wrap(text, &format!("  {mark} "), &rest, WIDTH));
    }

    /// A command, in one line however long: it is there to be copied.
    pub fn command(&mut self, command: &str) {
        self.line(&format!("     {command}"));
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn blank_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prose_is_wrapped_and_long_words_stay_whole() {
        assert_eq!(wrap("aa bb cc", "- ", "  ", 7), "- aa bb\n  cc");
        assert_eq!(
            wrap("aa bbbbbbbbbbbb c", "", "  ", 6),
            "aa\n  bbbbbbbbbbbb\n  c"
        );
        assert_eq!(wrap("", "- ", "  ", 7), "- ");
        assert_eq!(wrap("ä ö ü", "", "", 3), "ä ö\nü");
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_word(text in "[a-zé ]{0,200}", width in 10usize..40) {
            let wrapped = wrap(&text, "", "  ", width);
            let before: Vec<&str> = text.split_whitespace().collect();
            let after: Vec<&str> = wrapped.split_whitespace().collect();
            prop_assert_eq!(before, after);
            for line in wrapped.lines() {
                prop_assert!(
                    line.chars().count() <= width || line.split_whitespace().count() == 1
                );
            }
        }
    }
}
