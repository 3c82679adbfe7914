//! `event make` and `event show`.

mod make;
mod show;
mod split;

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::Timestamp;
use ssm_agent_triage::node::{AccountId, NodeId, Region};

use crate::Output;
use crate::input::read_text;
use make::Stream;
use split::Split;

#[derive(ClapArgs)]
pub struct Args {
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
    /// Region, told with every event as system fields are; otherwise it is not told.
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
  aws sqs receive-message --queue-url URL --query 'Messages[0].Body' --output text |
    jq .requestPayload | ssm-agent-triage event show")]
struct ShowArgs {
    /// The event; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// Runs the subcommand; the error is a sentence for standard error.
pub fn run(args: Args) -> Result<Output, String> {
    match args.command {
        Command::Make(args) => run_make(&args).map(|text| Output { text, status: 0 }),
        Command::Show(args) => show::show(&read_text(&args.file)?)
            .map_err(|fault| format!("{}: {fault}", args.file.display())),
    }
}

fn run_make(args: &MakeArgs) -> Result<String, String> {
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
                file.display()
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

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).ok_or_else(|| "an account id is 12 digits".to_owned())
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).ok_or_else(|| "a Region is named like eu-central-1".to_owned())
}

fn start(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp::now());
    }
    text.parse()
        .map_err(|_| "a time is written like 2026-11-23T04:19:04Z, or `now`".to_owned())
}
