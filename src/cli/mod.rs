//! `ssm-agent-triage`, the command-line tool: the function's engine on a log
//! file in hand, and its checks on nodes given by their ids.

mod arguments;
mod diagnose;
mod event;
mod input;
mod live;
mod page;
mod runbook;
mod scan;
mod signatures;
mod terminal;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::text::sanitize::sanitize;
use clap::{Parser, Subcommand};

/// Tells why the AWS Systems Manager Agent of a node stopped working.
#[derive(Parser)]
#[command(name = "ssm-agent-triage", version, max_term_width = 100)]
#[command(after_help = "Examples:
  ssm-agent-triage scan /var/log/amazon/ssm
  ssm-agent-triage scan --live --node i-0123456789abcdef0 agent.log
  ssm-agent-triage diagnose i-0123456789abcdef0")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Scan(scan::Args),
    Diagnose(diagnose::Args),
    /// Makes test events of raw logs, and reads events back.
    Event(event::Args),
    Signatures(signatures::Args),
    Runbook(runbook::Args),
}

/// Exit status when the input cannot be read; clap's own for a wrong command line.
const UNREADABLE: u8 = 2;

/// Runs the tool on the arguments of this process.
pub fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        // A refusal repeats arguments, which may be the names of files.
        Err(refusal) if refusal.use_stderr() => {
            write_plainly(&refusal.to_string());
            return ExitCode::from(UNREADABLE);
        }
        Err(help) => help.exit(),
    };
    let outcome = match command {
        Command::Scan(args) => scan::run(&args),
        Command::Diagnose(args) => diagnose::run(&args),
        Command::Event(args) => event::run(args),
        Command::Signatures(args) => signatures::run(args),
        Command::Runbook(args) => runbook::run(args),
    };
    let written = outcome.and_then(|output| {
        let written = write(&output.text);
        // After the answer: without a standard error there is still an answer.
        if let Some(complaint) = &output.complaint {
            complain(complaint);
        }
        written.map(|()| output.status)
    });
    match written {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain(&message);
            ExitCode::from(UNREADABLE)
        }
    }
}

/// That there is no `what` of the name `wanted`, and the three of `names` that are nearest to it.
fn no_such<'n>(what: &str, wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|known| {
        let part = known.contains(wanted) || wanted.contains(known);
        (!part, strsim::damerau_levenshtein(known, wanted))
    });
    names.dedup();
    names.truncate(3);
    let nearest = names.join(", ");
    format!("no {what} is called {wanted:?}; the nearest are {nearest}")
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn write(answer: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = out.write_all(answer.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(()),
        // The reader has seen enough, as `head` does.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(fault) => Err(format!("cannot write the answer: {fault}")),
    }
}

fn complain(message: &str) {
    let lines = message.lines();
    let lines: Vec<String> = lines
        .map(|line| format!("ssm-agent-triage: {line}\n"))
        .collect();
    write_plainly(&lines.concat());
}

/// To standard error, in characters that do not act on a terminal. Nothing can be done
/// where it cannot be written.
fn write_plainly(text: &str) {
    let _ = io::stderr().write_all(sanitize(text).as_bytes());
}

/// What a subcommand prints, and the exit status that goes with it.
struct Output {
    text: String,
    status: u8,
    /// What went wrong beside it, for standard error, one sentence a line.
    complaint: Option<String>,
}

impl Output {
    fn success(text: String) -> Self {
        Self {
            text,
            status: 0,
            complaint: None,
        }
    }

    /// With what else is to be said, on standard error.
    fn and(mut self, remark: Option<&str>) -> Self {
        let all = self.complaint.iter().map(String::as_str).chain(remark);
        let all: Vec<&str> = all.collect();
        self.complaint = (!all.is_empty()).then(|| all.join("\n"));
        self
    }
}
