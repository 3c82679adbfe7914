//! A copy that holds the lines of two hosts: each keeps its verdict where the copy
//! says whose a line is, and neither is blamed falsely where it does not.

use ssm_agent_triage::cause::Confidence;
use ssm_agent_triage::correlate::stream::BatchAnalysis;

use super::cases::{Case, cases};
use super::copied::{FORMS, WAYS, Way};
use super::pastes::pasted_of;
use super::shapes::source;
use super::verdict::{Actionable, actionable, assert_none, fixture, optional_fixture, summary};
use super::wrappers::WRAPPERS;
use super::wrapping::{
    HYBRID, Log, OTHER, OTHER_HYBRID, STREAM, interleaved, log, of_node, only, wrapped,
};

/// Prefixes as people paste them, each with the host or its id.
const PREFIXES: [&str; 10] = [
    "syslog, RFC 3164",
    "rsyslog, ISO date",
    "journalctl -o short-iso",
    "journalctl -o short-full",
    "journalctl -o json",
    "Filebeat",
    "CRI in an object",
    "Vector",
    "grep -r",
    "pdsh",
];

/// Of these the objects of shippers, whose quotation marks a copy may change.
const OBJECTS: [&str; 4] = [
    "journalctl -o json",
    "Filebeat",
    "CRI in an object",
    "Vector",
];

/// A copy of which nobody says whose it is.
fn pasted(text: &str) -> BatchAnalysis {
    let mut source = source(true);
    source.log_stream = "central".to_owned();
    pasted_of(source, text)
}

/// The ways that leave what says whose a line is.
fn ways() -> impl Iterator<Item = &'static Way> {
    let all = FORMS.iter().chain(WAYS);
    all.filter(|way| !way.headless && !LOSING.contains(&way.name))
}

fn text(log: &Log) -> String {
    log.iter().map(|(line, _)| format!("{line}\n")).collect()
}

fn all() -> Vec<Case> {
    let mut all = cases("cases.tsv", "agent");
    all.extend(cases("v2/cases.tsv", "v2"));
    all
}

fn read(case: &Case) -> String {
    fixture(&format!("{}/{}.log", case.folder, case.name))
}

/// A case and the next one, which another host logged.
struct Pair<'a> {
    number: usize,
    cases: [&'a Case; 2],
    logs: [Log; 2],
}

impl Pair<'_> {
    /// The lines of both in turn, each as `prefix` has it.
    fn behind_hosts(&self, prefix: &str) -> String {
        let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.name == prefix);
        let wrapper = wrapper.expect("a wrapper of this name");
        let [one, other] = [
            (&self.logs[0], "ip-10-0-1-20.ec2.internal", STREAM),
            (&self.logs[1], "ip-10-0-1-21.ec2.internal", OTHER),
        ]
        .map(|(log, host, id)| wrapped(log, wrapper, (host, id), self.number));
        text(&interleaved(&one, &other))
    }

    fn place(&self, prefix: &str, way: &Way) -> String {
        let [one, other] = self.cases;
        format!("{} and {} in {prefix} ({})", one.name, other.name, way.name)
    }
}

fn pairs(all: &[Case]) -> impl Iterator<Item = Pair<'_>> {
    let next = all.iter().cycle().skip(1);
    (all.iter().zip(next).enumerate()).map(|(number, (case, next))| Pair {
        number,
        cases: [case, next],
        logs: [log(&read(case)), log(&read(next).replace(STREAM, OTHER))],
    })
}

/// What puts marks, or others in their place, around each object.
const QUOTING: [&str; 13] = [
    "a table of Markdown",
    "a table of Jira",
    "typographic",
    "in quotation marks",
    "each in backticks",
    "no-break spaces",
    "a page's source",
    "preformatted",
    "a page in one line",
    "a table of a page, a cell on each line",
    "escaped",
    "quoted columns",
    "YAML of the AWS CLI",
];

/// What names one node for all lines, escapes them for a program, or breaks them anew:
/// whose a row is does not show where it begins within the words that say it.
const LOSING: [&str; 24] = [
    "awslogs get",
    "Select-String",
    "an export of Slack",
    "bytes of Python",
    "a dictionary of Python",
    "a list of Python",
    "a box",
    "a pane of 90",
    "a pane of 120",
    "a pane beside another",
    "Format-Table -Wrap",
    "a mail",
    "tabs for line ends",
    "rows of 80",
    "rows of 100",
    "rows of 132",
    "rows of 90, indented",
    "rows of 80 with a hyphen",
    "rows of 80 with a backslash",
    "filled to 80",
    "filled to 100",
    "quoted and filled to 72",
    "without time",
    "time masked",
];

/// What a client prints, and in what nobody looks for a host or a file before the line.
const CLIENTS: [&str; 2] = ["grep -r", "pdsh"];
const AROUND: [&str; 3] = ["aws logs tail", "gh run view", "quoted columns"];

/// Of these what breaks no line: it names one node for all, or escapes them.
const WHOLE: [&str; 9] = [
    "awslogs get",
    "Select-String",
    "an export of Slack",
    "bytes of Python",
    "a dictionary of Python",
    "a list of Python",
    "tabs for line ends",
    "without time",
    "time masked",
];

/// How both hosts may be called.
const NAMES: [[&str; 4]; 2] = [
    ["ip-10-0-1-20", "ip-10-0-1-20.ec2.internal", STREAM, HYBRID],
    [
        "ip-10-0-1-21",
        "ip-10-0-1-21.ec2.internal",
        OTHER,
        OTHER_HYBRID,
    ],
];

#[test]
fn a_form_that_says_whose_lines_it_holds_keeps_the_verdict_of_each() {
    let all = all();
    let ways: Vec<&Way> = ways().collect();
    let mut wrong = Vec::new();
    for pair in pairs(&all) {
        for turn in 0..4 {
            let way = ways[(pair.number * 7 + turn * 11) % ways.len()];
            let prefix = PREFIXES[(pair.number * 3 + turn) % PREFIXES.len()];
            let both = pair.behind_hosts(prefix);
            let reading = pasted(&(way.copy)(&both));
            let place = pair.place(prefix, way);
            if false_alarm(pair.cases, &reading) {
                wrong.push(format!("{place}: falsely says {:?}", summary(&reading)));
            }
            let is_lost = OBJECTS.contains(&prefix) && QUOTING.contains(&way.name)
                || CLIENTS.contains(&prefix) && AROUND.contains(&way.name);
            let each = pair.cases.into_iter().zip(NAMES);
            for (case, names) in each.filter(|_| !is_lost) {
                let its = only(&reading, &names);
                if let Some(fault) = case.false_alarm(&actionable(&its)) {
                    wrong.push(format!("{place}: {fault} for {}", case.name));
                }
            }
            let of_each = |reading| NAMES.map(|names| of_node(reading, &names));
            let (says, plain) = (of_each(&reading), of_each(&pasted(&both)));
            if says != plain && !is_lost {
                wrong.push(format!("{place}: {says:?} in place of {plain:?}"));
            }
        }
    }
    assert_none(&wrong);
}

/// Where rows were broken anew, also within the words that say whose they are.
#[test]
fn a_form_that_breaks_lines_blames_no_host_for_the_other() {
    let all = all();
    let breaking = |way: &&Way| LOSING.contains(&way.name) && !WHOLE.contains(&way.name);
    let ways: Vec<&Way> = FORMS.iter().chain(WAYS).filter(breaking).collect();
    let prefixes: Vec<&str> = PREFIXES
        .into_iter()
        .filter(|prefix| !OBJECTS.contains(prefix))
        .collect();
    let mut wrong = Vec::new();
    for pair in pairs(&all) {
        for turn in 0..4 {
            let way = ways[(pair.number * 5 + turn * 7) % ways.len()];
            let prefix = prefixes[(pair.number * 3 + turn) % prefixes.len()];
            let reading = pasted(&(way.copy)(&pair.behind_hosts(prefix)));
            let place = pair.place(prefix, way);
            for (case, names) in pair.cases.into_iter().zip(NAMES) {
                let its = actionable(&only(&reading, &names));
                wrong.extend(
                    case.false_alarm(&its)
                        .map(|fault| format!("{place}: {fault} for {}", case.name)),
                );
            }
        }
    }
    assert_none(&wrong);
}

/// Whether a reading of two logs at once names what neither allows, or is too sure.
fn false_alarm(cases: [&Case; 2], reading: &BatchAnalysis) -> bool {
    let neither = |one: Actionable| {
        let one = std::slice::from_ref(&one);
        cases.iter().all(|case| case.false_alarm(one).is_some())
    };
    let mut findings = reading.findings.iter();
    findings.any(|finding| finding.confidence == Confidence::Confirmed)
        || actionable(reading).into_iter().any(neither)
}

#[test]
fn a_form_that_loses_the_hosts_raises_no_false_alarm() {
    let all = all();
    let ways: Vec<&Way> = FORMS.iter().chain(WAYS).collect();
    let mut wrong = Vec::new();
    for (number, case) in all.iter().enumerate() {
        let next = &all[(number + 1) % all.len()];
        let both = text(&interleaved(&log(&read(case)), &log(&read(next))));
        for turn in 0..4 {
            let way = ways[(number * 7 + turn * 11) % ways.len()];
            let reading = pasted(&(way.copy)(&both));
            if false_alarm([case, next], &reading) {
                let place = format!("{} and {} ({})", case.name, next.name, way.name);
                wrong.push(format!("{place}: falsely says {:?}", summary(&reading)));
            }
        }
    }
    assert_none(&wrong);
}

/// What tail and Ansible write above the lines of a host.
const HEADINGS: [fn(&str) -> String; 3] = [
    |host| format!("==> {host}/amazon-ssm-agent.log <=="),
    |host| format!("==> /mnt/{host}/var/log/amazon/ssm/amazon-ssm-agent.log <=="),
    |host| format!("{host} | CHANGED | rc=0 >>"),
];

#[test]
fn lines_below_a_heading_keep_the_verdict_of_their_host() {
    let all = all();
    let mut wrong = Vec::new();
    for pair in pairs(&all) {
        let [one, other] = &pair.logs;
        let heading = HEADINGS[pair.number % HEADINGS.len()];
        let both = NAMES.into_iter().zip([one, other]);
        let both: String = both
            .map(|([_, host, ..], log)| format!("{}\n{}\n", heading(host), text(log)))
            .collect();
        let reading = pasted(&both);
        for ((log, case), names) in [one, other].into_iter().zip(pair.cases).zip(NAMES) {
            let alone = summary(&pasted(&text(log)));
            let says = of_node(&reading, &names);
            if says != alone {
                wrong.push(format!("{}: {says:?} in place of {alone:?}", case.name));
            }
        }
    }
    assert_none(&wrong);
}

/// The agent's log and errors.log, as grep and tail show them.
#[test]
fn files_of_one_host_are_read_as_one() {
    let mut wrong = Vec::new();
    for case in all() {
        let log = read(&case);
        let errors = optional_fixture(&format!("{}/{}.err", case.folder, case.name));
        let folders = [
            "/var/log/amazon/ssm/",
            "",
            "C:\\ProgramData\\Amazon\\SSM\\Logs\\",
        ];
        let plain = summary(&pasted(&format!("{log}{errors}")));
        for folder in folders {
            let files = [("errors.log.1", &errors), ("amazon-ssm-agent.log", &log)];
            let tail = files.map(|(file, text)| format!("==> {folder}{file} <==\n{text}\n"));
            let grep = files.map(|(file, text)| {
                let lines = text.lines();
                lines
                    .map(|line| format!("{folder}{file}:{line}\n"))
                    .collect()
            });
            let joined = summary(&pasted(&format!("{errors}{log}")));
            for (form, [errors, log]) in [("tail", tail), ("grep", grep)] {
                for (order, says, plain) in [
                    ("last", pasted(&format!("{log}{errors}")), &plain),
                    ("first", pasted(&format!("{errors}{log}")), &joined),
                ] {
                    if summary(&says) != *plain {
                        let says = summary(&says);
                        wrong.push(format!(
                            "{} by {form} in {folder}, errors.log {order}: {says:?} in place of {plain:?}",
                            case.name
                        ));
                    }
                }
            }
        }
    }
    assert_none(&wrong);
}
