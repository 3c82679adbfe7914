//! Logs as people paste them: copied from a terminal that broke every line.

use serde_json::json;

use super::cases::cases;
use super::shapes::{at_once, lines};
use super::verdict::{actionable, assert_none, fixture, summary};

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

/// What tools write in front of each line that they pass on.
const PREFIXES: [&str; 9] = [
    "[Container] 2026/11/23 04:19:04.185462 ",
    "module.a.aws_instance.web[0] (remote-exec): ",
    "==> amazon-ebs.web: ",
    "2026-11-23 04:19:04,185 - ssm.relay - INFO - ",
    "web-1 | CHANGED | rc=0 | (stdout) ",
    "2026-11-23T04:19:04.1850000Z ##[debug]",
    "Nov 23 04:19:04 web-1 CEF:0|Amazon|SSM Agent|3.3|100|log|5|msg=",
    "Nov 23 04:19:04 web-1 LEEF:2.0|Amazon|SSM Agent|3.3|100|^|sev=5^msg=",
    "\u{1b}_bk;t=1795407544185\u{7}",
];

#[test]
fn a_log_behind_a_tools_prefix_gives_its_verdict() {
    let mut wrong = Vec::new();
    for case in cases("cases.tsv", "agent")
        .iter()
        .chain(&cases("v2/cases.tsv", "v2"))
    {
        let log = fixture(&format!("{}/{}.log", case.folder, case.name));
        // A time of whole seconds is anybody's.
        let own = |line: &str| line.as_bytes().get(19) == Some(&b'.');
        for prefix in PREFIXES.into_iter().filter(|_| log.lines().any(own)) {
            let escaped = |line: &str| match prefix.contains("CEF:") {
                true => line.replace('\\', "\\\\").replace('=', "\\="),
                false => line.to_owned(),
            };
            let lines: Vec<String> = (log.lines())
                .map(|line| format!("{prefix}{}", escaped(line)))
                .collect();
            let object = |line: &String| json!({"host": "web-1", "message": line}).to_string();
            let objects = lines.iter().map(object).collect();
            for (form, lines) in [("line", lines), ("object", objects)] {
                let fault = case.judge(&actionable(&at_once(&lines)));
                let place = format!("{} behind {prefix} in a {form}", case.name);
                wrong.extend(fault.map(|fault| format!("{place}: {fault}")));
            }
        }
    }
    assert_none(&wrong);
}
