//! Lines that something broke at its edge: a terminal, an editor, a mail program.

/// How the lines of a text are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrap {
    /// The edge, in characters.
    columns: usize,
    /// Broken wherever the edge is, within words, too.
    hard: bool,
    /// How many lines end at it.
    at_edge: usize,
    /// What stands at the edge of each broken line.
    sign: Option<char>,
    /// How many blanks stand before each row by which a line goes on.
    indent: usize,
}

/// How a line goes on in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// With nothing between.
    Direct,
    /// With nothing between, less the last character.
    Signed,
    Blank,
}

/// Narrower lines are a table, wider ones are whole.
const COLUMNS: std::ops::RangeInclusive<usize> = 40..=260;

/// Edges of terminals and of tools that break lines.
const USUAL: [usize; 10] = [72, 76, 78, 79, 80, 100, 110, 119, 120, 132];

impl Wrap {
    /// Of two ways to measure the lines the one that finds more at an edge, where
    /// one breaks them within words.
    pub(super) fn clearness(self) -> usize {
        if self.hard { self.at_edge } else { 0 }
    }

    /// How the `lines` are broken, if they are; `bodies` are they without marks,
    /// and `goes_on` tells of one that it may continue the one before.
    pub(super) fn of(
        lines: &[&str],
        bodies: &[&str],
        goes_on: impl Fn(usize) -> bool,
    ) -> Option<Self> {
        let width = |line: &&str| line.chars().count();
        let columns = lines.iter().map(width).max().unwrap_or(0);
        if !COLUMNS.contains(&columns) {
            return None;
        }
        // Lines that have no room for the first word of the next.
        let (broken, next): (Vec<&str>, Vec<&str>) = (lines.iter().zip(bodies.iter().skip(1)))
            .enumerate()
            .filter(|(at, (line, next))| goes_on(at + 1) && has_no_room(line, next, columns))
            .map(|(_, (line, next))| (*line, *next))
            .unzip();
        let blanks = |row: &&str| row.len() - row.trim_start_matches(' ').len();
        let indent = next.iter().map(blanks).min().unwrap_or(0);
        let at_edge: Vec<&&str> = (broken.iter())
            .filter(|line| line.chars().count() == columns)
            .collect();
        let unlike = at_edge.iter().any(|line| !alike(line, at_edge[0]));
        let usual = USUAL.contains(&columns) && !at_edge.is_empty();
        let hard = (unlike || usual) && at_edge.len() * 10 >= broken.len() * 6;
        if !hard
            && broken.len() < 2
            && !(USUAL.contains(&columns) || columns < 100 && !broken.is_empty())
        {
            return None;
        }
        let sign = at_edge.first().and_then(|line| line.chars().last());
        let sign = sign.filter(|sign| {
            hard && at_edge.len() > 1
                && "-=\\\u{21b5}\u{23ce}\u{b6}\u{bb}".contains(*sign)
                && at_edge.iter().all(|line| line.ends_with(*sign))
        });
        Some(Self {
            columns,
            hard,
            at_edge: at_edge.len(),
            sign,
            indent,
        })
    }

    /// Whether and how `line` goes on in `next`, which is without marks.
    pub(super) fn joint(&self, line: &str, next: &str) -> Option<Joint> {
        let width = line.chars().count();
        if self.hard {
            return match (self.columns.checked_sub(width), self.sign) {
                (Some(0), Some(_)) => Some(Joint::Signed),
                (Some(0), None) => Some(Joint::Direct),
                // A blank at the edge is lost in copying.
                (Some(1..=2), None) => Some(Joint::Blank),
                _ => None,
            };
        }
        if !has_no_room(line, next, self.columns) {
            return None;
        }
        let mut last = line.chars().rev();
        let hyphen = last.next() == Some('-') && last.next().is_some_and(char::is_alphanumeric);
        Some(if hyphen { Joint::Direct } else { Joint::Blank })
    }
}

impl Wrap {
    /// Adds the row `next` to the line that goes on in it.
    pub(super) fn append(&self, text: &mut String, joint: Joint, next: &str) {
        match joint {
            Joint::Direct => {}
            Joint::Signed => {
                text.pop();
            }
            Joint::Blank => text.push(' '),
        }
        // A blank at the edge may be the next row's first.
        text.push_str(match next.split_at_checked(self.indent) {
            Some((blanks, row)) if blanks.trim().is_empty() => row,
            _ => next.trim_start(),
        });
    }
}

fn has_no_room(line: &str, next: &str, columns: usize) -> bool {
    let next = next.trim_start();
    let word = next.split(' ').next().unwrap_or(next).chars().count();
    // A word may be broken after a hyphen.
    let word = next.find('-').map_or(word, |at| word.min(at + 1));
    !next.is_empty() && line.chars().count() + 1 + word > columns
}

/// Whether two lines differ in numbers and ids only.
pub(super) fn alike(a: &str, b: &str) -> bool {
    let words = |text| {
        let words = str::split_ascii_whitespace(text);
        words.filter(|word| !word.bytes().any(|b| b.is_ascii_digit()))
    };
    words(a).eq(words(b))
}
