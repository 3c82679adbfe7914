//! A log in the last column of a table without bars, as PowerShell's `Format-Table`
//! prints it: what goes on stands below.

use super::rows::Rows;
use crate::record::{begins_record, lines};

/// What stands in the one column in which records begin.
pub(super) fn open(text: &str) -> Option<Rows> {
    let mut columns = lines(text).filter_map(|line| {
        // A record begins with its year.
        let mut starts = line.match_indices(" 20").map(|(at, _)| at + 1);
        let start = starts.find(|start| begins_record(&line[*start..]))?;
        let is_row = line[..start].trim_start().contains("  ");
        is_row.then(|| line[..start].chars().count())
    });
    let column = columns.next()?;
    if columns.next()? != column || columns.any(|other| other != column) {
        return None;
    }
    let mut rows = Rows::default();
    for (at, line) in lines(text).enumerate() {
        let start = line.char_indices().nth(column).map(|(start, _)| start);
        let (before, row) = line.split_at(start.unwrap_or(line.len()));
        // What goes on further left is in no column.
        if before.ends_with(|end: char| !end.is_whitespace()) && !row.is_empty() {
            return None;
        }
        rows.push(at as u64 + 1, row.trim_end());
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_below_the_column_go_on() {
        let text = "TimeCreated            Id Message\n-----------            -- -------\n11/23/2026 4:19:04 AM   1 2026-11-23 04:19:04.1850 ERROR [Registrar] a\n                          b\n11/23/2026 4:19:04 AM  10 2026-11-23 04:19:04.1850 ERROR c\n";
        let rows = open(text).expect("a table");
        let shown = "Message\n-------\n2026-11-23 04:19:04.1850 ERROR [Registrar] a\nb\n2026-11-23 04:19:04.1850 ERROR c\n";
        assert_eq!(rows.text, shown);
        assert_eq!(rows.number(3), 3);
        assert!(open("a  b\nc  2026-11-23 x\n").is_none());
    }
}
