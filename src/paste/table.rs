//! A log in a column of a table that is drawn with bars: Markdown, Jira, org, the AWS
//! CLI's `--output table`.

use super::rows::{Row, Rows, of_table};
use crate::record::lines;

/// What its columns hold.
pub(super) fn open(text: &str) -> Option<Rows> {
    let mut table: Vec<Row> = Vec::new();
    for (at, line) in lines(text).enumerate() {
        let row = cells(line).filter(|cell| !is_edge(cell));
        let cell = |cell: &str| (at as u64 + 1, cell.replace("\\|", "|"));
        table.push(row.map(cell).collect());
    }
    let rows = table.iter().filter(|row| row.len() > 1).count();
    (rows * 2 > table.len()).then(|| of_table(&table)).flatten()
}

/// The cells of a row, which a bar begins; one is escaped within.
fn cells(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_start().strip_prefix('|');
    std::iter::from_fn(move || {
        let row = rest?.trim_start_matches('|');
        let mut bars = row.match_indices('|').map(|(at, _)| at);
        let end = bars.find(|at| !row[..*at].ends_with('\\'));
        rest = end
            .map(|end| &row[end + 1..])
            .filter(|it| !it.trim().is_empty());
        let cell = &row[..end.unwrap_or(row.len())];
        let cell = cell.strip_prefix(' ').unwrap_or(cell).trim_end();
        let code = cell.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        Some(code.filter(|code| !code.contains('`')).unwrap_or(cell))
    })
}

/// Below a header, `---`.
fn is_edge(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|b| b"-: +=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_in_which_records_begin_is_the_log() {
        const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] a";
        for text in [
            format!(
                "| # | Message | Host |\n|---|---|---|\n| 1 | {HEAD} \\| b | h |\n| 2 | c | h |\n"
            ),
            format!("||Time||Message||\n|1|{HEAD} \\| b|\n|2|c|\n"),
            format!("| Time | Message |\n| 1 | `{HEAD} \\| b` |\n| 2 | `c` |\n"),
        ] {
            let rows = open(&text).expect("a table");
            let shown = format!("{HEAD} | b\nc");
            assert_eq!(rows.text.trim_start_matches("Message\n"), shown, "{text}");
        }
        assert!(open("| a | b |\n").is_none());
    }
}
