//! Logs as people paste them: copied from a terminal that broke every line.

use super::shapes::{at_once, lines};
use super::verdict::{fixture, summary};

const COLUMNS: usize = 80;

/// `line` broken between words where it would pass the terminal's edge.
fn broken(line: &str) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match rows.last_mut() {
            Some(row) if row.len() + 1 + word.len() <= COLUMNS => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

#[test]
fn a_paste_broken_at_80_columns_gives_the_verdict_of_the_log() {
    for case in super::splits::CASES {
        let log = fixture(&format!("agent/{case}.log"));
        let whole = lines(&log);
        let pasted: Vec<String> = whole.iter().flat_map(|line| broken(line)).collect();
        assert_eq!(
            summary(&at_once(&pasted)),
            summary(&at_once(&whole)),
            "{case}"
        );
    }
}
