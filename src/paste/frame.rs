//! A log in a frame: a pane of tmux or screen, a box, a table whose columns are
//! aligned. What stands beside the frame is no part of the log.

use std::ops::Range;

use super::marks::begins_log;
use super::rows::Rows;
use crate::record::lines;

/// Of fewer rows no frame is known.
const ROWS: usize = 3;

/// What is between two bars, or before the first, where records begin in it.
pub(super) fn open(text: &str) -> Option<Rows> {
    let barred = lines(text).filter(|line| line.contains(is_bar)).count();
    let all: Vec<Vec<char>> = match barred >= ROWS && barred * 2 > lines(text).count() {
        true => lines(text).map(|line| line.chars().collect()).collect(),
        false => return None,
    };
    let rows: Vec<&Vec<char>> = all.iter().filter(|row| !is_drawn(row)).collect();
    let longest = rows.iter().max_by_key(|row| row.len())?;
    let is_edge = |at: &usize| {
        let bars = rows
            .iter()
            .filter(|row| row.get(*at).copied().is_some_and(is_bar));
        bars.count() * 10 >= rows.len() * 9
    };
    let edges: Vec<usize> = (0..longest.len()).filter(is_edge).collect();
    if edges.is_empty() {
        return None;
    }
    // A name before a bar is a container's.
    let named = lines(text).any(begins_log);
    let starts = std::iter::once(0).chain(edges.iter().map(|at| at + 1));
    let ends = edges.iter().copied().chain((!named).then_some(usize::MAX));
    let panes = starts.zip(ends).filter(|(start, end)| end > start);
    let panes = panes.map(|(start, end)| start..end);
    let begins = |pane: &Range<usize>| {
        let mut rows = rows.iter().map(|row| within(row, pane));
        rows.any(|row| begins_log(row.trim_start()))
    };
    let panes: Vec<Range<usize>> = panes.collect();
    let pane = panes.iter().find(|pane| begins(pane)).or_else(|| {
        // What a person writes, in one pane.
        let letters = |pane: &&Range<usize>| rows.iter().map(|row| within(row, pane).len()).sum();
        let widest = panes.iter().max_by_key(|pane| -> usize { letters(pane) });
        widest.filter(|pane| !named && edges.len() <= 2 && pane.end < usize::MAX)
    })?;
    // A table leaves a blank beside its bars.
    let is_spaced = rows
        .iter()
        .all(|row| matches!(row.get(pane.start), None | Some(' ')));
    let pane = pane.start + usize::from(is_spaced)..pane.end;
    let mut framed = Rows::default();
    for (at, row) in all.iter().enumerate().filter(|(_, row)| !is_drawn(row)) {
        framed.push(at as u64 + 1, &within(row, &pane));
    }
    Some(framed)
}

fn within(row: &[char], pane: &Range<usize>) -> String {
    let end = pane.end.min(row.len());
    let text: String = row
        .get(pane.start..end)
        .unwrap_or_default()
        .iter()
        .collect();
    let text = text.trim_end();
    let open = (pane.end > row.len()).then(|| text.strip_suffix(is_bar));
    open.flatten().unwrap_or(text).trim_end().to_owned()
}

fn is_bar(c: char) -> bool {
    matches!(c, '|' | '\u{2502}' | '\u{2503}' | '\u{2551}')
}

/// An edge above, below or between rows, or nothing.
fn is_drawn(row: &[char]) -> bool {
    row.iter().all(|c| {
        matches!(
            c,
            '\u{2500}'..='\u{257f}' | '+' | '-' | '=' | '|' | ' ' | ':'
        )
    }) && !row.iter().all(|c| is_bar(*c) || *c == ' ')
        || row.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pane_is_cut_out_of_what_stands_beside_it() {
        let head = "2026-11-23 04:19:04.1850 ERROR [Reg";
        let pane = |row: &str| format!("{row:35}\u{2502}$ top\n");
        let cell = |row: &str| format!("|a | {row:35} |\n");
        let rows = [head, " istrar] it", "", "is"];
        let spaced = [head, "istrar] it", "", "is"];
        for (text, rows) in [
            (rows.map(pane).concat(), rows),
            (
                format!("+--+{}+\n{}", "-".repeat(37), spaced.map(cell).concat()),
                spaced,
            ),
        ] {
            let found = open(&text).map(|rows| rows.text);
            assert_eq!(found, Some(rows.join("\n")), "{text}");
        }
        // The names of containers.
        let line = format!("ssm-1  | {head}\n");
        assert!(open(&line.repeat(3)).is_none());
    }
}
