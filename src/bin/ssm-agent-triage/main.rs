//! `ssm-agent-triage`, the command-line tool: the function's engine on a log
//! file in hand, without AWS.

#![forbid(unsafe_code)]

mod arguments;
mod event;
mod input;
mod scan;
mod signatures;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tells why the AWS Systems Manager Agent of a node stopped working.
#[derive(Parser)]
#[command(name = "ssm-agent-triage", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Scan(scan::Args),
    /// Makes test events of raw logs, and reads events back.
    Event(event::Args),
    Signatures(signatures::Args),
}

/// Exit status when the input cannot be read; clap's own for a wrong command line.
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Scan(args) => scan::run(&args),
        Command::Event(args) => event::run(args),
        Command::Signatures(args) => signatures::run(args),
    };
    let written = outcome.and_then(|output| {
        if let Some(complaint) = &output.complaint {
            complain(complaint);
        }
        io::stdout()
            .lock()
            .write_all(output.text.as_bytes())
            .map(|()| output.status)
            .or_else(|fault| match fault.kind() {
                // The reader has seen enough, as `head` does.
                io::ErrorKind::BrokenPipe => Ok(output.status),
                _ => Err(format!("cannot write the answer: {fault}")),
            })
    });
    match written {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain(&message);
            ExitCode::from(UNREADABLE)
        }
    }
}

fn complain(message: &str) {
    for line in message.lines() {
        eprintln!("ssm-agent-triage: {line}");
    }
}

/// What a subcommand prints, and the exit status that goes with it.
struct Output {
    text: String,
    status: u8,
    /// What went wrong beside it, for standard error.
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
}
