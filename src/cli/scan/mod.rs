//! `scan`: the verdict on log files in hand.

mod html;
mod inputs;
mod json;
mod progress;
mod read;
mod records;
pub(super) mod text;
mod words;

use std::path::PathBuf;

use crate::correlate::stream::BatchAnalysis;
use crate::diagnose::verdict::recovered;
use crate::diagnose::{Needs, diagnose, diagnose_by_log};
use crate::incident::group::{Incident, group_into_incidents};
use crate::node::{AccountId, NodeId};
use clap::Args as ClapArgs;
use jiff::Timestamp;

use crate::cli::arguments::{Format, account, node, one_of};
use crate::cli::input::name_of;
use crate::cli::live::{self, Access, Caller};
use crate::cli::terminal::{Style, hint};
use crate::cli::{Output, UNREADABLE, signatures};
use inputs::NodeLogs;
use progress::Progress;
use read::{NodeReading, Origin};

/// Says what is wrong with the agent, why, and what fixes it, from its logs.
///
/// Reads amazon-ssm-agent.log, errors.log, hibernate.log and what syslog or journald keep of them;
/// gzip and UTF-16 too, in any number and order; and what somebody pasted of them, quoted, broken or
/// without its heads. Give amazon-ssm-agent.log where you can: errors.log
/// alone hides the WARN that names the cause.
///
/// Exit status: 0 nothing of severity medium or above, 1 something, 2 a file could not be read
/// to its end, or a node's files hold no record of the agent.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage scan /var/log/amazon/ssm
  ssm-agent-triage scan amazon-ssm-agent.log errors.log --node i-0123456789abcdef0
  ssm-agent-triage scan /var/log/amazon/ssm --node i-0123456789abcdef0 --live --profile ops
  journalctl -u amazon-ssm-agent | ssm-agent-triage scan
  xclip -o | ssm-agent-triage scan        # a paste: pbpaste on macOS, Get-Clipboard on Windows
  ssm-agent-triage scan collected/*/ --format html > page.html
  ssm-agent-triage scan collected/*/ --format json | jq '.incidents[].title'")]
pub(super) struct Args {
    /// Logs of one node, `-` for standard input; or directories, each a node named by it. Files
    /// whose names begin with the ids of several nodes are those nodes'.
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// The node the files come from. Otherwise what their names or the log itself tell.
    #[arg(long, value_name = "ID", value_parser = node)]
    node: Option<NodeId>,
    /// The account it is in, for the commands of the advice.
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<AccountId>,
    /// Proves it against live state with your own credentials, read-only. Needs a build with the
    /// AWS clients.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    access: Access,
    /// Text for a person, a page for a browser, or the report as the function answers it.
    #[arg(long, default_value_t = Format::Text, value_parser = one_of(Format::ALL, Format::as_str))]
    format: Format,
}

/// What all nodes' logs say together.
pub(super) struct Verdict {
    pub reading: BatchAnalysis,
    pub incidents: Vec<Incident>,
    /// Who read live state, where it was read too.
    pub live: Option<Caller>,
    /// Of each node whose files were read, be it in part.
    pub logs: Vec<NodeLog>,
    pub files: usize,
    /// Why something was not read, or not to its end, one sentence each.
    pub unread: Vec<String>,
}

/// What was read of the log of one node.
pub(super) struct NodeLog {
    /// By what it was read under; several where the lines name several hosts.
    pub nodes: Vec<String>,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
}

impl NodeLog {
    fn of(reading: &BatchAnalysis) -> Self {
        let ids = reading.nodes.iter().map(|node| node.id.to_string());
        Self {
            nodes: ids.collect(),
            oldest: reading.source.oldest,
            newest: reading.source.newest,
        }
    }
}

/// Reads the logs and tells; the error is a sentence for standard error.
pub(super) fn run(args: &Args) -> Result<Output, String> {
    let output = scan(args, Style::of_standard_output(), Timestamp::now())?;
    Ok(output.and(hint(args.format)))
}

fn scan(args: &Args, style: Style, now: Timestamp) -> Result<Output, String> {
    let engine = signatures::engine()?;
    let inputs = inputs::nodes(&args.files, args.node.as_ref())?;
    let origin = Origin {
        account: args.account.as_ref(),
        region: args.access.region.as_ref(),
        now,
    };
    let mut progress = Progress::new();
    let mut readings = Vec::with_capacity(inputs.nodes.len());
    let mut unread = inputs.unread;
    let mut files = 0;
    for logs in &inputs.nodes {
        let node = read::read(&engine, logs, &origin, &mut progress);
        unread.extend(node.unread.iter().cloned());
        if node.files > 0 {
            unread.extend(without_record(logs, &node));
            files += node.files;
            readings.push(node.reading);
        }
    }
    progress.finish();
    if readings.is_empty() {
        return Err(unread.join("\n"));
    }
    let logs = readings.iter().map(NodeLog::of).collect();
    let mut reading = together(readings);
    let mut findings = std::mem::take(&mut reading.findings);
    let mut caller = None;
    let diagnosed = if args.live {
        let needs = |caller: &Caller| Needs::of(&findings, &caller.home);
        let (by, facts) = live::read(&args.access, needs)?;
        for finding in &mut findings {
            by.place(&mut finding.node, &facts);
        }
        let diagnosed = diagnose(findings, &facts, &by.home);
        reading.recovered.extend(recovered(&diagnosed));
        caller = Some(by);
        diagnosed
    } else {
        diagnose_by_log(findings)
    };
    let incidents = group_into_incidents(diagnosed);
    let actionable = incidents
        .iter()
        .any(|incident| incident.severity.is_actionable());
    let status = match (unread.is_empty(), actionable) {
        (false, _) => UNREADABLE,
        (true, true) => 1,
        (true, false) => 0,
    };
    let complaint = (!unread.is_empty()).then(|| unread.join("\n"));
    let verdict = Verdict {
        reading,
        incidents,
        live: caller,
        logs,
        files,
        unread,
    };
    Ok(Output {
        text: match args.format {
            Format::Text => text::render(&verdict, engine.signatures(), style),
            Format::Html => html::render(&verdict, engine.signatures(), now),
            Format::Json => json::render(verdict),
        },
        status,
        complaint,
    })
}

/// A node whose files hold no record has not been judged.
fn without_record(logs: &NodeLogs, node: &NodeReading) -> Option<String> {
    let first = logs.files.first()?;
    let more = match logs.files.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (node.reading.source.records == 0).then(|| {
        format!(
            "no record of the SSM Agent was found in {}{more}; name the agent's own log",
            name_of(first)
        )
    })
}

/// The readings of all nodes as one; one node's is itself.
fn together(readings: Vec<BatchAnalysis>) -> BatchAnalysis {
    let mut readings = readings.into_iter();
    let mut all = readings.next().unwrap_or_default();
    for reading in readings {
        all.findings.extend(reading.findings);
        all.recovered.extend(reading.recovered);
        for (id, count) in reading.benign {
            *all.benign.entry(id).or_default() += count;
        }
        for unknown in reading.unrecognised {
            match all
                .unrecognised
                .iter_mut()
                .find(|known| known.template == unknown.template)
            {
                Some(known) => known.count += unknown.count,
                None => all.unrecognised.push(unknown),
            }
        }
        let (sum, one) = (&mut all.source, reading.source);
        sum.events += one.events;
        sum.records += one.records;
        sum.oldest = [sum.oldest, one.oldest].into_iter().flatten().min();
        sum.newest = [sum.newest, one.newest].into_iter().flatten().max();
    }
    all
}

#[cfg(test)]
mod advice_tests;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod page_tests;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    const PLAIN: Style = Style {
        colour: false,
        width: 100,
    };

    pub(super) fn run(arguments: &[&str]) -> Result<Output, String> {
        let line = Line::try_parse_from(["scan"].iter().chain(arguments))
            .map_err(|refusal| refusal.to_string())?;
        scan(&line.args, PLAIN, Timestamp::UNIX_EPOCH)
    }

    pub(super) fn answer(arguments: &[&str]) -> (String, u8) {
        let output = run(arguments).expect("readable");
        assert_eq!(output.complaint, None);
        (output.text, output.status)
    }

    pub(super) fn path(path: &Path) -> &str {
        path.to_str().expect("a UTF-8 path")
    }

    #[test]
    fn a_broken_node_is_shown_with_proof_and_steps() {
        let (text, status) = answer(&[
            "events/permission-denied.log",
            "--region",
            "us-east-1",
            "--account",
            "123456789012",
        ]);
        assert_eq!(status, 1);
        let (verdict, rest) = text.split_once("   FIX\n").expect("advice");
        let (advice, evidence) = rest.split_once("   EVIDENCE\n").expect("evidence");
        insta::assert_snapshot!(format!("{verdict}   […]\n\n   EVIDENCE\n{evidence}"));
        for part in ["\n       aws iam ", "\n   NEXT\n", "\n   Verify: "] {
            assert!(advice.contains(part), "{advice}");
        }
    }

    #[test]
    fn the_report_names_places_and_changes_nothing() {
        let (text, status) = answer(&["events/permission-denied.log", "--format", "json"]);
        assert_eq!(status, 1);
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["schema"], "ssm-agent-triage/report/1");
        assert_eq!(report["source"]["records"], 47);
        let incident = &report["incidents"][0];
        assert_eq!(incident["cause"], "permission-missing");
        assert_eq!(incident["nodes"][0]["kind"], "ec2");
        assert_eq!(
            incident["evidence"][0]["place"],
            "events/permission-denied.log:35"
        );
        assert_eq!(incident["plan"]["kind"], "advise");
        assert_eq!(incident["outcome"]["status"], "none");
        assert_eq!(incident["notified"], "printed");
        assert_eq!(
            text,
            answer(&["events/permission-denied.log", "--format", "json"]).0
        );
    }

    #[test]
    fn broken_lines_of_two_hosts_blame_neither() {
        let error = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get \
            identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token";
        let lines = ["ip-10-0-1-20", "ip-10-0-1-21"].map(|host| {
            format!("Nov 23 04:19:04 {host} amazon-ssm-agent[7]: 2026-11-23 04:19:04.1850 {error}")
        });
        let broken = lines.clone().map(|line| {
            let rows = line.as_bytes().chunks(80);
            let rows = rows.map(|row| str::from_utf8(row).expect("ASCII"));
            rows.collect::<Vec<_>>().join("\n")
        });
        let folder = tempfile::tempdir().unwrap();
        let nodes = |text: &[String]| {
            let file = folder.path().join("paste.txt");
            fs::write(&file, text.join("\n")).unwrap();
            let (text, _) = answer(&[path(&file), "--format", "json"]);
            let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let incidents = report["incidents"].as_array().expect("a list");
            let nodes = incidents.iter().map(|incident| &incident["nodes"][0]);
            nodes.map(|node| node["id"].to_string()).collect::<Vec<_>>()
        };
        let hosts = ["\"ip-10-0-1-20\"", "\"ip-10-0-1-21\""];
        assert_eq!(nodes(&lines), hosts);
        assert_eq!(nodes(&broken[..1]), hosts[..1]);
        let of_neither = nodes(&broken);
        assert!(
            of_neither
                .iter()
                .all(|node| !hosts.contains(&node.as_str())),
            "{of_neither:?}"
        );
    }

    #[test]
    fn a_healthy_node_is_told_in_a_line() {
        let (text, status) = answer(&["events/healthy.log"]);
        assert_eq!(status, 0);
        assert!(text.starts_with("Nothing is wrong.\nRead "), "{text}");
        let (_, harmless) = text
            .split_once("\nHarmless, though it looks bad\n")
            .expect("Default Host Management's noise");
        assert!(
            harmless.contains("(dhmc-registration-declined)"),
            "{harmless}"
        );
    }

    #[test]
    fn two_faults_at_once_are_two_things_to_fix() {
        let (text, status) = answer(&["events/mixed.log", "--node", "i-0123456789abcdef0"]);
        assert_eq!(status, 1);
        assert!(text.starts_with("2 things to fix.\n"), "{text}");
        assert!(text.contains("[permission-missing]"), "{text}");
        assert!(text.contains("[throttled]"), "{text}");
    }

    #[test]
    fn every_directory_is_judged_as_a_node_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for log in fs::read_dir("events/kinesis").unwrap() {
            let log = log.unwrap().path();
            let folder = root.path().join(log.file_stem().unwrap());
            fs::create_dir(&folder).unwrap();
            fs::copy(&log, folder.join("amazon-ssm-agent.log")).unwrap();
            arguments.push(folder.display().to_string());
        }
        arguments.sort();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (text, status) = answer(&arguments);
        assert_eq!(status, 1);
        // Both logs name one role: one thing to fix.
        assert!(text.starts_with("1 thing to fix.\n"), "{text}");
        assert!(text.contains("in 3 files of 3 nodes"), "{text}");
        let both = "On i-0aaaaaaaaaaaaaaa1, i-0aaaaaaaaaaaaaaa2.";
        assert!(text.contains(both), "{text}");
        assert!(!text.contains("i-0bbbbbbbbbbbbbbb3"), "{text}");
    }

    /// A log as it lies on a host: rotated twice, the oldest packed, and its
    /// errors a second time in errors.log.
    fn rotated(log: &str, folder: &Path) {
        let records: Vec<&str> = log.split_inclusive('\n').collect();
        let heads: Vec<usize> = (0..records.len())
            .filter(|at| records[*at].starts_with("2026-"))
            .collect();
        let cuts = [heads[heads.len() / 3], heads[heads.len() * 2 / 3]];
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed
            .write_all(records[..cuts[0]].concat().as_bytes())
            .unwrap();
        for (name, bytes) in [
            ("amazon-ssm-agent.log.1.gz", packed.finish().unwrap()),
            (
                "amazon-ssm-agent.log.2",
                records[cuts[0]..cuts[1]].concat().into_bytes(),
            ),
            (
                "amazon-ssm-agent.log",
                records[cuts[1]..].concat().into_bytes(),
            ),
        ] {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let errors: String = heads
            .iter()
            .enumerate()
            .filter(|(_, at)| records[**at].contains(" ERROR "))
            .map(|(next, at)| {
                let end = heads.get(next + 1).copied().unwrap_or(records.len());
                records[*at..end].concat()
            })
            .collect();
        fs::write(folder.join("errors.log"), errors).unwrap();
    }

    #[test]
    fn rotated_files_and_errors_log_give_the_verdict_of_the_whole_log() {
        for name in [
            "healthy",
            "imds-disabled",
            "mixed",
            "permission-denied",
            "role-not-assumable",
            "throttled",
        ] {
            let file = format!("events/{name}.log");
            let whole = run(&[&file, "--node", "i-0123456789abcdef0"]).unwrap();
            let root = tempfile::tempdir().unwrap();
            rotated(&fs::read_to_string(&file).unwrap(), root.path());
            let parts = run(&[path(root.path()), "--node", "i-0123456789abcdef0"]).unwrap();
            let titles = |output: &Output| -> Vec<String> {
                output
                    .text
                    .lines()
                    .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(titles(&parts), titles(&whole), "{name}");
            assert_eq!(parts.status, whole.status, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_beside_the_verdict_of_the_rest() {
        let error = run(&["/nowhere/at.log"]).err().expect("nothing to read");
        assert!(error.contains("check the path"), "{error}");

        let output = run(&["events/permission-denied.log", "/nowhere/at.log"]).expect("one log");
        assert_eq!(output.status, UNREADABLE);
        assert!(
            output.text.starts_with("1 thing to fix."),
            "{}",
            output.text
        );
        assert!(
            output
                .complaint
                .is_some_and(|it| it.contains("/nowhere/at.log"))
        );
    }

    #[test]
    fn a_log_of_another_program_is_told_as_such() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("other.log");
        fs::write(&file, "").unwrap();
        for format in ["text", "json"] {
            let output = run(&[path(&file), "--format", format]).expect("readable");
            assert_eq!(output.status, UNREADABLE);
            let complaint = output.complaint.expect("says so beside either format");
            assert!(
                complaint.starts_with("no record of the SSM Agent was found in /"),
                "{complaint}"
            );
            assert!(
                format == "json"
                    || output
                        .text
                        .starts_with("No record of the SSM Agent was found."),
                "{}",
                output.text
            );
        }
    }

    #[test]
    fn prose_keeps_to_the_columns_of_the_terminal() {
        for width in [40, 72] {
            for log in ["permission-denied", "mixed", "imds-disabled", "healthy"] {
                let line = Line::parse_from(["scan", &format!("events/{log}.log")]);
                let style = Style { width, ..PLAIN };
                let text = scan(&line.args, style, Timestamp::UNIX_EPOCH)
                    .expect("readable")
                    .text;
                for line in text.lines().filter(|line| line.chars().count() > width) {
                    let words = line.trim_start_matches([' ', '|', '-']).trim();
                    // Commands and the places of records are there to be copied.
                    let is_whole = line.starts_with("       ") || words.starts_with("events/");
                    assert!(is_whole || !words.contains(' '), "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn colour_changes_no_word() {
        let line = Line::parse_from(["scan", "events/permission-denied.log"]);
        let coloured = scan(
            &line.args,
            Style {
                colour: true,
                ..PLAIN
            },
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let mut plain = String::new();
        let mut rest = coloured.text.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').map_or("", |(_, after)| after);
        }
        plain.push_str(rest);
        assert!(coloured.text.contains('\u{1b}'));
        assert_eq!(plain, answer(&["events/permission-denied.log"]).0);
    }
}
