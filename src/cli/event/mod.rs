//! `event make` and `event show`.

mod make;
mod show;
mod split;

use std::path::{Path, PathBuf};

use crate::node::{AccountId, NodeId, Region};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::cli::Output;
use crate::cli::arguments::{account, region};
use crate::cli::input::{name_of, read_text, stdin_once};
use make::Stream;
use split::Split;

#[derive(ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Make(MakeArgs),
    Show(ShowArgs),
}

/// Makes a test event of a raw log: what the function would be sent, on standard output.
///
/// The same log always gives the same event. Event times are the log's own, read as UTC; a line
/// without one gets that of the line before.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage event make amazon-ssm-agent.log --stream i-0123456789abcdef0 > event.json
  ssm-agent-triage event make errors.log --start now --form plain | ssm-agent-triage event show
  ssm-agent-triage event make --form kinesis i-0123456789abcdef0.log i-0fedcba9876543210.log")]
struct MakeArgs {
    /// Raw logs, gzip too; `-` is standard input. Several only with --form kinesis or plain.
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// Log stream, once for all files or once for each. Otherwise the file's name where it is a
    /// node id, else i-0123456789abcdef0.
    #[arg(long = "stream", value_name = "NAME")]
    streams: Vec<String>,
    /// Log group.
    #[arg(long, value_name = "NAME", default_value = "amazon-ssm-agent.log")]
    group: String,
    /// Account that owns the log group.
    #[arg(long, value_name = "ID", default_value = "123456789012", value_parser = account)]
    account: AccountId,
    /// Region, added to every event as system fields; otherwise no event names one.
    #[arg(long, value_name = "R", value_parser = region)]
    region: Option<Region>,
    #[arg(long, value_enum, default_value_t = Form::Subscription)]
    form: Form,
    /// What becomes one event.
    #[arg(long, value_enum, default_value_t = Split::Records)]
    split: Split,
    /// Moves the log so that it begins at this time (RFC 3339, or `now`).
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// As CloudWatch Logs invokes a function: base64 of gzip.
    Subscription,
    /// As a Kinesis event source mapping does: one record for each file.
    Kinesis,
    /// The decoded message as readable JSON; an array when there are several files.
    Plain,
}

/// Prints what an event holds, one line of the log each.
///
/// Reads every form that the function reads: a subscription event, a Kinesis event, a decoded
/// message or several, or raw text by hand.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage event show events/imds-disabled.json
  aws sqs receive-message --queue-url URL --output json > failed.json
  jq '.Messages[0].Body | fromjson | .requestPayload' failed.json | ssm-agent-triage event show")]
struct ShowArgs {
    /// The event; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// Runs the subcommand; the error is a sentence for standard error.
pub(super) fn run(args: Args) -> Result<Output, String> {
    match args.command {
        Command::Make(args) => run_make(&args).map(Output::success),
        Command::Show(args) => show::show(&read_text(&args.file)?)
            .map_err(|fault| format!("{}: {fault}", name_of(&args.file))),
    }
}

fn run_make(args: &MakeArgs) -> Result<String, String> {
    stdin_once(&args.files)?;
    if args.form == Form::Subscription && args.files.len() > 1 {
        return Err(
            "a subscription event holds one log stream, and several files are named; \
             use --form kinesis or --form plain, or make one event of each"
                .to_owned(),
        );
    }
    if args.streams.len() > 1 && args.streams.len() != args.files.len() {
        return Err(format!(
            "{} files and {} --stream; name one stream, or one for each file",
            args.files.len(),
            args.streams.len()
        ));
    }
    let mut messages = Vec::with_capacity(args.files.len());
    for (at, file) in args.files.iter().enumerate() {
        let stream = Stream {
            account: &args.account,
            region: args.region.as_ref(),
            group: &args.group,
            name: match args.streams.get(at).or(args.streams.first()) {
                Some(name) => name.clone(),
                None => stream_of(file),
            },
        };
        let text = read_text(file)?;
        let events = split::split(&text, args.split, args.start);
        if events.is_empty() {
            return Err(format!(
                "{} is empty; name a log with lines in it",
                name_of(file)
            ));
        }
        messages.push(make::data_message(&stream, &events));
    }
    Ok(match args.form {
        Form::Subscription => messages.iter().map(make::subscription).collect(),
        Form::Kinesis => make::kinesis(&messages, &args.account, args.region.as_ref()),
        Form::Plain => make::plain(&messages),
    })
}

/// `i-0123456789abcdef0.log` was logged by that node.
fn stream_of(file: &Path) -> String {
    file.file_stem()
        .and_then(|stem| NodeId::from_stream_name(&stem.to_string_lossy()))
        .map_or_else(|| "i-0123456789abcdef0".to_owned(), |node| node.to_string())
}

fn start(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp::now());
    }
    text.parse()
        .map_err(|_| "a time is written like 2026-11-23T04:19:04Z, or `now`".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn make(arguments: &[&str]) -> Result<String, String> {
        let line = ["event", "make"].iter().chain(arguments);
        match Line::try_parse_from(line) {
            Ok(line) => run(line.args).map(|output| output.text),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    fn files(folder: &str, extension: &str) -> Vec<String> {
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == extension))
            .map(|path| path.display().to_string())
            .collect();
        files.sort();
        files
    }

    #[test]
    fn every_event_in_events_is_what_the_tool_makes_of_its_log() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/events");
        let logs = files(folder, "log");
        let mut made: Vec<String> = Vec::new();
        for log in &logs {
            let event = log.replace(".log", ".json");
            assert_eq!(
                fs::read_to_string(&event).unwrap_or_default(),
                make(&[log]).unwrap(),
                "{event} is not made of {log}: see events/README.md"
            );
            made.push(event);
        }
        let streams = files(&format!("{folder}/kinesis"), "log");
        let event = format!("{folder}/kinesis.json");
        let mut arguments = vec!["--form", "kinesis"];
        arguments.extend(streams.iter().map(String::as_str));
        assert_eq!(
            fs::read_to_string(&event).unwrap_or_default(),
            make(&arguments).unwrap()
        );
        made.push(event);
        // Of no log.
        made.extend(["digest", "sweep"].map(|name| format!("{folder}/{name}.json")));
        made.sort();
        assert_eq!(files(folder, "json"), made);

        let readme = fs::read_to_string(format!("{folder}/README.md")).unwrap();
        for log in &logs {
            let name = Path::new(log).file_stem().unwrap().to_string_lossy();
            assert!(
                readme.contains(&format!("| `{name}` |")),
                "{name} is not listed"
            );
        }
    }

    #[test]
    fn a_wrong_command_line_says_what_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.log").display().to_string();
        fs::write(&empty, "\n\n").unwrap();
        for (arguments, says) in [
            (&["a", "b"][..], "use --form kinesis or --form plain"),
            (
                &[
                    "a", "b", "c", "--form", "plain", "--stream", "x", "--stream", "y",
                ],
                "3 files and 2 --stream",
            ),
            (&["-", "-", "--form", "kinesis"], "name `-` once"),
            (&["--account", "12"], "an account id is 12 digits"),
            (&["--region", "moon"], "like eu-central-1"),
            (&["--start", "today"], "2026-11-23T04:19:04Z, or `now`"),
            (
                &["--split", "words", "x"],
                "[possible values: records, lines, whole]",
            ),
            (&[&empty, "--split", "lines"], "name a log with lines in it"),
            (&["/nowhere/at.log"], "check the path"),
        ] {
            let error = make(arguments).expect_err("refused");
            assert!(error.contains(says), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_file_named_like_a_node_names_the_stream() {
        for (file, stream) in [
            ("i-0fedcba9876543210.log", "i-0fedcba9876543210"),
            ("logs/mi-0fedcba9876543210.log.gz", "mi-0fedcba9876543210"),
            ("amazon-ssm-agent.log", "i-0123456789abcdef0"),
            ("-", "i-0123456789abcdef0"),
        ] {
            assert_eq!(stream_of(Path::new(file)), stream, "{file}");
        }
    }
}
