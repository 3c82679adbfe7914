//! Lines that read well in a mail and at a terminal: prose wrapped, commands whole.

/// Columns of prose; a mail quoted once still fits in 80.
pub(crate) const WIDTH: usize = 78;

/// `text` in lines of at most `width` characters, the first after `first`, the
/// others after `rest`. A word that is longer stands alone and whole: an ARN or
/// a URL broken in two is of no use.
pub(crate) fn wrap(text: &str, first: &str, rest: &str, width: usize) -> String {
    let mut out = String::from(first);
    let mut column = first.chars().count();
    let mut at_start = true;
    for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        // A mail reader takes such a beginning of a line for a quotation or a signature.
        let may_begin = !word.starts_with('>') && word != "--";
        if !at_start && column + 1 + length > width && may_begin {
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

/// How text may look where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub colour: bool,
    /// Columns of prose; commands and single words may be longer.
    pub width: usize,
}

impl Style {
    /// As a mail or a log shows it.
    pub(crate) const PLAIN: Self = Self {
        colour: false,
        width: WIDTH,
    };
}

/// How a terminal with colours shows a piece of text: an SGR code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ink(&'static str);

impl Ink {
    pub(crate) const PLAIN: Self = Self("0");
    pub(crate) const BOLD: Self = Self("1");
    pub(crate) const DIM: Self = Self("2");
    pub(crate) const RED: Self = Self("1;31");
    pub(crate) const YELLOW: Self = Self("1;33");
    pub(crate) const GREEN: Self = Self("1;32");
}

/// A text put together of sections with a blank line between them.
#[derive(Debug)]
pub(crate) struct Page {
    pub text: String,
    pub style: Style,
    /// Before every line but those of [`Page::line`].
    indent: &'static str,
}

impl Page {
    pub(crate) fn new(indent: &'static str, style: Style) -> Self {
        Self {
            text: String::new(),
            style,
            indent,
        }
    }

    /// `text` as `ink` shows it where there are colours.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        match self.style.colour {
            true => format!("\u{1b}[{}m{text}\u{1b}[0m", ink.0),
            false => text.to_owned(),
        }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A line as `ink` shows it.
    pub(crate) fn painted(&mut self, ink: Ink, text: &str) {
        let line = format!("{}{}", self.indent, self.paint(ink, text));
        self.line(&line);
    }

    /// A blank line and a heading; what follows belongs to it.
    pub(crate) fn heading(&mut self, text: &str) {
        self.line("");
        self.painted(Ink::BOLD, text);
    }

    /// Prose in as many lines as it takes, nothing where there is none.
    pub(crate) fn prose(&mut self, text: &str) {
        if !text.is_empty() {
            self.wrapped(text, "", "");
        }
    }

    /// Prose, the first line after `first`, the others after `rest`.
    pub(crate) fn wrapped(&mut self, text: &str, first: &str, rest: &str) {
        let [first, rest] = [first, rest].map(|mark| format!("{}{mark}", self.indent));
        self.line(&wrap(text, &first, &rest, self.style.width));
    }

    /// A command, in one line however long: it is there to be copied.
    pub(crate) fn command(&mut self, command: &str) {
        let inset = if self.indent.is_empty() { "" } else { "    " };
        self.line(&format!("{}{inset}{command}", self.indent));
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
        assert_eq!(wrap("aa > bb -- cc", "", "", 3), "aa >\nbb --\ncc");
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
