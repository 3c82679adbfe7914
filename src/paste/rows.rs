//! The lines of a log that a text holds in another form, and which of a table's
//! columns holds them.

use super::marks::begins_log;
use crate::record::lines;

/// The lines of a log, each with the line of the text that it began in.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) text: String,
    numbers: Vec<u64>,
}

impl Rows {
    /// Adds lines that began in the text's `number`th.
    pub(super) fn push(&mut self, number: u64, text: &str) {
        for line in lines(text) {
            if !self.numbers.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(line);
            self.numbers.push(number);
        }
    }

    /// The number in the text of the `row`th, from 1.
    pub(super) fn number(&self, row: u64) -> u64 {
        let at = row.saturating_sub(1) as usize;
        self.numbers.get(at).copied().unwrap_or(row)
    }
}

/// A row of a table, each of its cells with a line of the text.
pub(super) type Row = Vec<(u64, String)>;

/// The column of a table in which records begin; of one that holds no log the columns
/// of words, of which a person may write what they mean.
pub(super) fn of_table(table: &[Row]) -> Option<Rows> {
    let begins = |(_, cell): &(u64, String)| lines(cell).any(is_unquoted);
    let column = table.iter().find_map(|row| row.iter().position(begins));
    let width = table.iter().map(Vec::len).max().unwrap_or(0);
    let is_shown = |at: &usize| match column {
        Some(column) => column == *at,
        None => {
            let cells = || table.iter().filter_map(|row| row.get(*at));
            let words = cells().map(|(_, cell)| cell.split_whitespace().count());
            words.sum::<usize>() >= WORDS * cells().count()
        }
    };
    let shown: Vec<usize> = (0..width).filter(is_shown).collect();
    let mut rows = Rows::default();
    for row in table {
        for (number, cell) in shown.iter().filter_map(|at| row.get(*at)) {
            rows.push(*number, cell);
        }
    }
    (!rows.numbers.is_empty()).then_some(rows)
}

/// Names and numbers have fewer, as a column's average.
const WORDS: usize = 4;

/// Whether `line` begins as the agent's do, not as a string that holds them may.
pub(super) fn is_unquoted(line: &str) -> bool {
    begins_log(line) && !line.trim_start_matches('[').starts_with(['"', '\''])
}
