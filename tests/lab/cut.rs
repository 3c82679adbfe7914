//! Logs of which only what the screen shows is copied: each line ends at its edge.

use super::cases::cases;
use super::pastes::pasted;
use super::verdict::{actionable, assert_none, fixture, summary};

/// Widths of terminals and windows.
const WIDTHS: [usize; 6] = [72, 80, 100, 120, 132, 158];

/// What `less -S`, editors and `systemctl status` put at the edge.
const SIGNS: [&str; 4] = ["", ">", "\u{2026}", "$"];

fn cut(log: &str, width: usize, sign: &str) -> String {
    let row = |line: &str| -> String {
        match line.chars().count() > width {
            true => {
                line.chars()
                    .take(width - sign.chars().count())
                    .collect::<String>()
                    + sign
            }
            false => line.to_owned(),
        }
    };
    log.lines().map(|line| row(line) + "\n").collect()
}

#[test]
fn what_a_screen_cuts_off_never_makes_another_cause() {
    let mut wrong = Vec::new();
    let all = cases("cases.tsv", "agent").into_iter();
    for case in all.chain(cases("v2/cases.tsv", "v2")) {
        let log = fixture(&format!("{}/{}.log", case.folder, case.name));
        for width in WIDTHS {
            for sign in SIGNS {
                let reading = pasted(&cut(&log, width, sign));
                let fault = case.false_alarm(&actionable(&reading));
                wrong.extend(fault.map(|fault| {
                    let says = summary(&reading);
                    format!("{} at {width}{sign}: {fault}; says {says:?}", case.name)
                }));
            }
        }
    }
    assert_none(&wrong);
}
