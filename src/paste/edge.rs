//! Lines of which only what a screen shows was copied: each that is longer ends at
//! its edge, and what stood behind it is not known.

use super::wrap::alike;

/// Screens are no narrower, and what is wider is a log as it was written.
const COLUMNS: std::ops::RangeInclusive<usize> = 40..=400;

/// Edges of terminals: lines at one need not differ.
const USUAL: [usize; 5] = [80, 100, 120, 132, 158];

/// Most words are no longer.
const WORD: usize = 12;

/// What stands behind a text that goes on. The agent itself writes three points.
const GOES_ON: char = '\u{2026}';

/// Where the lines of a text end that are longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge(Option<usize>);

impl Edge {
    /// Of `lines`; `goes_on` tells of one that it may continue the one before, as
    /// where lines are broken and not cut.
    pub(super) fn of(lines: &[&str], goes_on: impl Fn(usize) -> bool) -> Self {
        let columns = lines.iter().map(|line| width(line)).max().unwrap_or(0);
        // A row that is broken between words ends before the edge.
        let ends = |at: &usize| width(lines[*at]) + WORD > columns;
        let goes_on = |at: &usize| at + 1 < lines.len() && goes_on(at + 1);
        let (broken, cut): (Vec<usize>, Vec<usize>) =
            (0..lines.len()).filter(ends).partition(goes_on);
        let cut: Vec<usize> = (cut.into_iter())
            .filter(|at| width(lines[*at]) == columns)
            .collect();
        let unlike = || cut.iter().any(|at| !alike(lines[*at], lines[cut[0]]));
        let is_usual = USUAL.contains(&columns) && cut.len() > 1 && broken.is_empty();
        // Two of the longest lines of a log as it was written may be equally long by chance.
        let is_edge = cut.len() > broken.len() && (is_usual || cut.len() > 2 && unlike());
        Self((COLUMNS.contains(&columns) && is_edge).then_some(columns))
    }

    /// Whether the lines end at one.
    pub(super) fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// Whether more of `line` stood behind what is left of it.
    pub(super) fn cuts(self, line: &str) -> bool {
        self.0 == Some(width(line)) || line.ends_with(GOES_ON)
    }
}

fn width(line: &str) -> usize {
    line.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_and_end_at_one_column_are_cut() {
        let a = format!("2026-11-23 ERROR {}", "a".repeat(60));
        let b = format!("2026-11-23 WARN b{}", "b".repeat(60));
        let c = format!("2026-11-23 INFO c{}", "c".repeat(60));
        let short = "2026-11-23 INFO c";
        // Two may be equally long by chance.
        assert!(!Edge::of(&[&a, &b, short], |_| false).is_known());
        let edge = Edge::of(&[&a, &b, &c, short], |_| false);
        assert!(edge.cuts(&a) && edge.cuts(&b) && !edge.cuts(short));
        // The same error at two times has its own length.
        let later = a.replace("2026", "2027");
        assert!(!Edge::of(&[&a, &later, &a, short], |_| false).cuts(&a));
        assert!(!Edge::of(&[&a, &b, &c, short], |_| true).is_known());
        let row = format!("{a}aaa");
        assert!(Edge::of(&[&row, &row], |_| false).cuts(&row));
        assert!(edge.cuts("the text goes\u{2026}"));
    }
}
