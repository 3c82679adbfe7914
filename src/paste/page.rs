//! A log in the source of a page: a table's cells, paragraphs.

use super::characters::plain;
use super::rows::{Row, Rows, of_table};

/// What the page shows.
pub(super) fn open(text: &str) -> Option<Rows> {
    of_table(&shown(text))
}

fn shown(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![Row::new()];
    let mut cell = String::new();
    let mut number = 1;
    let mut rest = text;
    while let Some((before, name, after)) = tag(rest) {
        let passed = &rest[..rest.len() - after.len()];
        number += memchr::memchr_iter(b'\n', passed.as_bytes()).count() as u64;
        cell.push_str(before);
        rest = after;
        let is_cell = matches!(name, "/td" | "/th");
        let is_row = matches!(
            name.trim_start_matches('/'),
            "tr" | "div" | "p" | "li" | "table" | "message"
        );
        if is_cell || is_row && !cell.trim().is_empty() {
            let cell = plain(cell.trim_matches(['\n', '\r'])).into_owned();
            rows.last_mut()
                .into_iter()
                .for_each(|row| row.push((number, cell.clone())));
        }
        match name {
            "br" => cell.push('\n'),
            _ if is_cell || is_row || matches!(name, "td" | "th") => cell.clear(),
            _ => {}
        }
        if is_row {
            rows.push(Row::new());
        }
    }
    rows
}

/// What stands before the first tag of a page, its name, and what follows it.
fn tag(text: &str) -> Option<(&str, &str, &str)> {
    const TAGS: [&str; 20] = [
        "table", "thead", "tbody", "tr", "td", "th", "div", "p", "li", "ul", "ol", "br", "span",
        "code", "pre", "b", "tt", "samp", "message", "entry",
    ];
    memchr::memchr_iter(b'<', text.as_bytes()).find_map(|at| {
        let (inside, after) = text[at + 1..].split_once('>')?;
        let end = inside.find([' ', '\n']).unwrap_or(inside.len());
        let name = inside[..end].trim_end_matches('/');
        let known = TAGS.contains(&name.trim_start_matches('/'));
        known.then_some((&text[..at], name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_in_which_records_begin_is_shown() {
        const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] \"a\" &lt;b&gt;";
        let log = "2026-11-23 04:19:04.1850 ERROR [Registrar] \"a\" <b>\n\tc";
        for page in [
            format!(
                "<table><tr><th>Time</th><th>Message</th></tr>\n<tr><td>1</td><td>{HEAD}</td></tr>\n<tr><td>2</td><td>\tc</td></tr></table>"
            ),
            format!(
                "<tr>\n <td>1</td>\n <td class=\"m\"><code>{HEAD}<br/>\tc</code></td>\n</tr>\n"
            ),
            format!("<div>{HEAD}</div><div>\tc</div>"),
        ] {
            let rows = open(&page).expect("a page");
            assert_eq!(rows.text.trim_start_matches("Message\n"), log, "{page}");
        }
        assert!(open("<html><body>403</body></html>").is_none());
    }
}
