//! `scan`: the verdict on log files in hand.

mod inputs;
mod json;
mod progress;
mod read;
mod records;
mod text;

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use ssm_agent_triage::diagnose::diagnose_by_log;
use ssm_agent_triage::engine::Reading;
use ssm_agent_triage::incident::gather::{Incident, gather};
use ssm_agent_triage::node::{AccountId, NodeId, Region};

use crate::arguments::{account, node, region};
use crate::input::name_of;
use crate::terminal::Style;
use crate::{Output, UNREADABLE, signatures};
use inputs::NodeLogs;
use progress::Progress;
use read::{NodeReading, Origin};

/// Says what is wrong with the agent, why, and what fixes it, from its logs.
///
/// Reads amazon-ssm-agent.log, errors.log, hibernate.log and what syslog or journald keep of them;
/// gzip and UTF-16 too, in any number and order. Give amazon-ssm-agent.log where you can: errors.log
/// alone hides the WARN that names the cause.
///
/// Exit status: 0 nothing loud, 1 something of severity medium or above, 2 a file could not be read
/// to its end, or a node's files hold no record of the agent.
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
    /// Nodes and files that were read, be it in part.
    pub nodes: usize,
    pub files: usize,
    /// Why something was not read, or not to its end, one sentence each.
    pub unread: Vec<String>,
}

/// Reads the logs and tells; the error is a sentence for standard error.
pub fn run(args: &Args) -> Result<Output, String> {
    scan(args, Style::of_standard_output(), Timestamp::now())
}

fn scan(args: &Args, style: Style, now: Timestamp) -> Result<Output, String> {
    let engine = signatures::engine()?;
    let inputs = inputs::nodes(&args.files, args.node.as_ref())?;
    let origin = Origin {
        account: args.account.as_ref(),
        region: args.region.as_ref(),
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
    let nodes = readings.len();
    let mut reading = together(readings);
    let incidents = gather(diagnose_by_log(std::mem::take(&mut reading.findings)));
    let loud = incidents.iter().any(|incident| incident.severity.is_loud());
    let status = match (unread.is_empty(), loud) {
        (false, _) => UNREADABLE,
        (true, true) => 1,
        (true, false) => 0,
    };
    let complaint = (!unread.is_empty()).then(|| unread.join("\n"));
    let verdict = Verdict {
        reading,
        incidents,
        nodes,
        files,
        unread,
    };
    Ok(Output {
        text: match args.format {
            Format::Text => text::render(&verdict, engine.signatures(), style),
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

    const PLAIN: Style = Style {
        colour: false,
        width: 100,
    };

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

    /// What `scan` says of a log with these records.
    fn told_of(records: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("amazon-ssm-agent.log");
        let lines: Vec<String> = (1..)
            .zip(records)
            .map(|(second, record)| format!("2026-11-23 04:19:{second:02}.0000 {record}\n"))
            .collect();
        fs::write(&log, lines.concat()).unwrap();
        let (text, _) = told(&[path(&log), "--region", "eu-central-1"]);
        // However it is wrapped.
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn denied(tail: &str) -> String {
        format!(
            "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0{tail}"
        )
    }

    #[test]
    fn what_nothing_recognises_is_not_told_as_nothing_wrong() {
        let started = "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.40.0";
        let unheard = "ERROR [Unheard] the flux is reversed";
        for (records, headline) in [
            (vec![started], "Nothing is wrong. Read "),
            (
                vec![started, unheard],
                "Nothing known is wrong; 1 record of WARN or ERROR was not recognised. Read ",
            ),
            (
                vec![started, unheard, unheard, "WARN [Unheard] it hums"],
                "Nothing known is wrong; 3 records of WARN or ERROR were not recognised. Read ",
            ),
        ] {
            let text = told_of(&records);
            assert!(text.starts_with(headline), "{text}");
        }
    }

    #[test]
    fn the_policy_that_denies_is_named_and_shown() {
        let arn = "arn:aws:organizations::111122223333:policy/o-a1b2c3d4e5/service_control_policy/p-1a2b3c4d";
        let text = told_of(&[&denied(&format!(
            " with an explicit deny in a service control policy: {arn}\n\tstatus code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a"
        ))]);
        assert!(
            text.contains(
                "1. HIGH The service control policy p-1a2b3c4d denies ssm:UpdateInstanceInformation to the role MySSMRole Likely"
            ),
            "{text}"
        );
        assert!(text.contains(arn), "{text}");
        assert!(
            text.contains("aws organizations describe-policy --policy-id p-1a2b3c4d "),
            "{text}"
        );
        assert!(!text.contains("list-policies-for-target"), "{text}");
        assert!(!text.contains("attach-role-policy"), "{text}");

        let boundary = "arn:aws:iam::123456789012:policy/team/Boundary";
        let text = told_of(&[&denied(&format!(
            " with an explicit deny in a permissions boundary: {boundary}"
        ))]);
        assert!(
            text.contains(&format!("--policy-arn {boundary} --version-id")),
            "{text}"
        );
        assert!(!text.contains("aws iam get-role "), "{text}");
    }

    #[test]
    fn an_iam_user_who_was_denied_is_not_the_instances_role() {
        let text = told_of(&[&denied(
            " because no identity-based policy allows the ssm:UpdateInstanceInformation action",
        )
        .replace(
            "arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0",
            "arn:aws:iam::123456789012:user/people/alice",
        )]);
        assert!(
            text.contains("The IAM user alice lacks ssm:UpdateInstanceInformation"),
            "{text}"
        );
        assert!(
            text.contains("list-attached-user-policies --user-name alice"),
            "{text}"
        );
        assert!(
            text.contains("--policy-source-arn arn:aws:iam::123456789012:user/people/alice "),
            "{text}"
        );
        for wrong in ["instance's role", "--role-name", "attach-role-policy"] {
            assert!(!text.contains(wrong), "{wrong}: {text}");
        }
    }

    #[test]
    fn all_denied_actions_are_named_and_simulated() {
        let tail = |action: &str| {
            denied(&format!(
                " because no identity-based policy allows the {action} action"
            ))
            .replace("ssm:UpdateInstanceInformation", action)
        };
        let [ping, list, token] = [
            "ssm:UpdateInstanceInformation",
            "ssm:ListInstanceAssociations",
            "ssmmessages:CreateControlChannel",
        ];
        let text = told_of(&[&tail(ping), &tail(list), &tail(token)]);
        assert!(
            text.contains(&format!("The role MySSMRole lacks {ping} and 2 more")),
            "{text}"
        );
        assert!(
            text.contains(&format!("--action-names {ping} {list} {token} ")),
            "{text}"
        );
    }

    #[test]
    fn a_session_that_was_refused_did_not_lose_its_output() {
        const HEAD: &str = "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream]";
        let user = "User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ";
        let key = format!(
            "{HEAD} Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key operation error KMS: Decrypt, https response error StatusCode: 400, RequestID: R, api error AccessDeniedException: {user}kms:Decrypt on the resource associated with this ciphertext because no permissions boundary allows the kms:Decrypt action"
        );
        let unreachable = format!(
            "{HEAD} Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key RequestError: send request failed\ncaused by: Post \"https://kms.us-east-1.amazonaws.com/\": dial tcp 10.0.1.9:443: i/o timeout"
        );
        let asked = format!(
            "{HEAD} Encountered an error while calling S3 API GetBucketEncryption AccessDenied: Access Denied\n\tstatus code: 403, request id: 3XK0S5Q9TVWE8FAB, host id: x1y2z3=="
        );
        let bucket = format!(
            "{HEAD} Validation failed, err: Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error: AccessDenied: Access Denied\n\tstatus code: 403, request id: 3XK0S5Q9TVWE8FAB, host id: x1y2z3=="
        );
        let not_set_up = format!(
            "{HEAD} Validation failed, err: We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group. Either encrypt the log group or choose an option to enable logging without encryption."
        );
        for (records, says) in [
            (vec![key.as_str()], "kms:Decrypt"),
            (vec![&unreachable], "kms"),
            (vec![&asked, &bucket], "s3:GetEncryptionConfiguration"),
            (vec![&not_set_up], "must be encrypted"),
        ] {
            let text = told_of(&records);
            assert!(text.contains("1 thing of low severity"), "{text}");
            assert!(text.contains("[session-failure]"), "{text}");
            assert!(text.contains(says), "{text}");
            assert!(!text.contains("The run itself went on"), "{text}");
            let (_, verify) = text.split_once("How to verify").expect("a proof");
            assert!(verify.contains("aws ssm start-session"), "{text}");
        }
        // The kind of policy that the denial names, and the two permissions on the key.
        let text = told_of(&[&key]);
        assert!(
            text.contains("The permissions boundary of the role MySSMRole"),
            "{text}"
        );
        assert!(
            text.contains("the person who opens the session kms:GenerateDataKey, the role MySSMRole kms:Decrypt"),
            "{text}"
        );
    }

    #[test]
    fn the_person_who_may_not_use_the_key_is_not_the_instances_role() {
        let text = told_of(&[
            "ERROR [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] [pluginName=Standard_Stream] Encountered error while initiating handshake. KMSEncryption failed on client with status 2 error: AccessDeniedException: User: arn:aws:iam::123456789012:user/alice is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-2:123456789012:key/11111111-2222-3333-4444-555555555555 because no resource-based policy allows the kms:GenerateDataKey action",
        ]);
        assert!(text.contains("[session-failure]"), "{text}");
        assert!(
            text.contains("does not allow kms:GenerateDataKey to the IAM user alice"),
            "{text}"
        );
        assert!(!text.contains("--role-name"), "{text}");
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
        assert_eq!(plain, told(&["events/permission-denied.log"]).0);
    }
}
