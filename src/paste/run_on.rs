//! A log that has lost its line ends, all of them or those of records: blanks, tabs
//! or their escapes stand for them.

use super::literal::decoded;
use super::marks::begins_log;
use super::rows::Rows;
use crate::record::{begins_record, lines};

/// So many records behind tabs, or behind blanks, are none that a record quotes.
const RECORDS: [usize; 2] = [2, 3];

/// The records behind tabs, or of a text that is one line.
pub(super) fn open(text: &str) -> Option<Rows> {
    let text = text.trim();
    let is_one = !text.contains('\n');
    if !begins_record(text) {
        // Behind prefixes that say whose they are.
        let is_object = text.ends_with(['}', ']']);
        let escaped = is_one && !is_object && text.contains("\\n") && begins_log(text);
        let read = escaped.then(|| unescaped(text))??;
        let begun = lines(&read).filter(|line| begins_log(line)).count();
        let mut rows = Rows::default();
        rows.push(1, &read);
        return (begun >= RECORDS[0]).then_some(rows);
    }
    let is_escaped = is_one && text.contains("\\n20");
    let mut rows = Rows::default();
    let (mut within, mut is_spaced) = (0, false);
    for (at, line) in lines(text).enumerate() {
        let mut push = |row: &str| {
            let row = row.strip_suffix("\\n").unwrap_or(row).trim_end();
            let read = is_escaped.then(|| unescaped(row)).flatten();
            rows.push(at as u64 + 1, read.as_deref().unwrap_or(row));
        };
        let mut from = 0;
        // A record begins with its year.
        for (start, _) in line.match_indices("20") {
            let before = &line[from..start];
            let ends = before.ends_with('\t') || is_one && before.ends_with([' ', 'n']);
            if ends && begins_record(&line[start..]) {
                push(before);
                within += 1;
                is_spaced |= before.ends_with(' ');
                from = start;
            }
        }
        push(&line[from..]);
    }
    let least = RECORDS[usize::from(is_spaced)];
    (within >= least).then_some(rows)
}

/// What escapes stand for; quotation marks may have none.
fn unescaped(text: &str) -> Option<String> {
    let text = match text.contains("\\\"") {
        true => format!("\"{text}\""),
        false => format!("\"{}\"", text.replace('"', "\\\"")),
    };
    let (read, length) = decoded(&text)?;
    (length == text.len()).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parted_where_they_begin() {
        let head = |text: &str| format!("2026-11-23 04:19:04.1850 ERROR {text}");
        let log = ["a in 2026", "b\n\tc", "d", "\"e\""].map(head);
        let rows = |text: &str| open(text).map(|rows| rows.text);
        assert_eq!(rows(&log.join("\t")), Some(log.join("\n")));
        let one = log.join(" ").replace("\n", " ");
        assert_eq!(rows(&one), Some(log.join("\n").replace("b\n", "b ")));
        let escaped = serde_json::Value::from(log.join("\n")).to_string();
        assert_eq!(rows(&escaped[1..escaped.len() - 1]), Some(log.join("\n")));
        let behind = format!(
            "Alert description: {}",
            log.join("\\n").replace('\n', "\\n")
        );
        let read = format!("Alert description: {}", log.join("\n"));
        assert_eq!(rows(&behind), Some(read));
        let object = serde_json::json!({"a": log[..2].join("\n"), "b": []});
        assert_eq!(rows(&format!("ok: => {object}")), None);
        // A record that quotes others.
        assert_eq!(rows(&format!("{}\n{}", log.join(" "), log[0])), None);
        assert_eq!(rows(&log[..2].join("\t")), None);
    }
}
