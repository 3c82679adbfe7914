//! `scan`: the verdict on log files in hand.

mod inputs;
mod json;
mod progress;
mod read;
mod records;
mod text;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use ssm_agent_triage::diagnose::diagnose_by_log;
use ssm_agent_triage::engine::Reading;
use ssm_agent_triage::incident::gather::{Incident, gather};
use ssm_agent_triage::node::{AccountId, NodeId, Region};

use crate::arguments::{account, node, region};
use crate::{Output, UNREADABLE, signatures};
use progress::Progress;
use read::Origin;
use text::Style;

/// Says what is wrong with the agent, why, and what fixes it, from its logs.
///
/// Reads amazon-ssm-agent.log, errors.log, hibernate.log and what syslog or journald keep of them;
/// gzip and UTF-16 too, in any number and order. Give amazon-ssm-agent.log where you can: errors.log
/// alone hides the WARN that names the cause.
///
/// Exit status: 0 nothing loud, 1 something of severity medium or above, 2 a file could not be read.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage scan /var/log/amazon/ssm
  ssm-agent-triage scan amazon-ssm-agent.log errors.log --node i-0123456789abcdef0
  journalctl -u amazon-ssm-agent | ssm-agent-triage scan
  ssm-agent-triage scan collected/*/ --format json | jq '.incidents[].title'")]
pub struct Args {
    /// Logs of one node, `-` for standard input; or directories, each a node named by it.
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// The node the files come from. Otherwise what their names or the log itself tell.
    #[arg(long, value_name = "ID", value_parser = node)]
    node: Option<NodeId>,
    /// The account it is in, for the commands of the advice.
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<AccountId>,
    /// The Region it is in, likewise.
    #[arg(long, value_name = "R", value_parser = region)]
    region: Option<Region>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// The report, as the function answers it.
    Json,
}

/// What all nodes' logs say together.
pub struct Verdict {
    pub reading: Reading,
    pub incidents: Vec<Incident>,
    /// Nodes and files that were read.
    pub nodes: usize,
    pub files: usize,
}

/// Reads the logs and tells; the error is a sentence for standard error.
pub fn run(args: &Args) -> Result<Output, String> {
    let style = Style {
        colour: io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    scan(args, style, Timestamp::now())
}

fn scan(args: &Args, style: Style, now: Timestamp) -> Result<Output, String> {
    let engine = signatures::engine()?;
    let nodes = inputs::nodes(&args.files, args.node.as_ref())?;
    let origin = Origin {
        account: args.account.as_ref(),
        region: args.region.as_ref(),
        now,
    };
    let mut progress = Progress::new();
    let mut readings = Vec::with_capacity(nodes.len());
    let mut faults = Vec::new();
    for logs in &nodes {
        let (reading, unread) = read::read(&engine, logs, &origin, &mut progress);
        readings.push(reading);
        faults.extend(unread);
    }
    progress.finish();
    let files = nodes.iter().map(|logs| logs.files.len()).sum::<usize>() - faults.len();
    if files == 0 && !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let mut reading = together(readings);
    let incidents = gather(diagnose_by_log(std::mem::take(&mut reading.findings)));
    let loud = incidents.iter().any(|incident| incident.severity.is_loud());
    let verdict = Verdict {
        reading,
        incidents,
        nodes: nodes.len(),
        files,
    };
    Ok(Output {
        text: match args.format {
            Format::Text => text::render(&verdict, engine.signatures(), style),
            Format::Json => json::render(verdict),
        },
        status: match (faults.is_empty(), loud) {
            (false, _) => UNREADABLE,
            (true, true) => 1,
            (true, false) => 0,
        },
        complaint: (!faults.is_empty()).then(|| faults.join("\n")),
    })
}

/// The readings of all nodes as one; one node's is itself.
fn together(readings: Vec<Reading>) -> Reading {
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

    const PLAIN: Style = Style { colour: false };

    fn run(arguments: &[&str]) -> Result<Output, String> {
        let line = Line::try_parse_from(["scan"].iter().chain(arguments))
            .map_err(|refusal| refusal.to_string())?;
        scan(&line.args, PLAIN, Timestamp::UNIX_EPOCH)
    }

    fn told(arguments: &[&str]) -> (String, u8) {
        let output = run(arguments).expect("readable");
        assert_eq!(output.complaint, None);
        (output.text, output.status)
    }

    fn path(path: &Path) -> &str {
        path.to_str().expect("a UTF-8 path")
    }

    #[test]
    fn a_broken_node_is_told_with_proof_and_steps() {
        let (text, status) = told(&[
            "events/permission-denied.log",
            "--region",
            "us-east-1",
            "--account",
            "123456789012",
        ]);
        assert_eq!(status, 1);
        let (verdict, rest) = text.split_once("   What to do\n").expect("advice");
        insta::assert_snapshot!(verdict);
        assert!(rest.contains("\n        aws iam "), "{rest}");
        for heading in ["   How to verify\n", "   When it comes back\n"] {
            assert!(rest.contains(heading), "{rest}");
        }
    }

    #[test]
    fn the_report_names_places_and_changes_nothing() {
        let (text, status) = told(&["events/permission-denied.log", "--format", "json"]);
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
            told(&["events/permission-denied.log", "--format", "json"]).0
        );
    }

    #[test]
    fn a_healthy_node_is_told_in_a_line() {
        let (text, status) = told(&["events/healthy.log"]);
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
        let (text, status) = told(&["events/mixed.log", "--node", "i-0123456789abcdef0"]);
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
        let (text, status) = told(&arguments);
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
        let (text, status) = told(&[path(&file)]);
        assert_eq!(status, 0);
        assert!(
            text.starts_with("No record of the SSM Agent was found."),
            "{text}"
        );
    }

    #[test]
    fn colour_changes_no_word() {
        let line = Line::parse_from(["scan", "events/permission-denied.log"]);
        let coloured = scan(&line.args, Style { colour: true }, Timestamp::UNIX_EPOCH).unwrap();
        let mut plain = String::new();
        let mut rest = coloured.text.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').map_or("", |(_, after)| after);
        }
        plain.push_str(rest);
        assert!(coloured.text.contains('\u{1b}'));
        assert_eq!(plain, told(&["events/permission-denied.log"]).0);
    }
}
