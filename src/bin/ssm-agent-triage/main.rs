//! `ssm-agent-triage`, the command-line tool: the function's engine on a log
//! file in hand, without AWS.

#![forbid(unsafe_code)]

mod event;
mod input;

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
    /// Makes test events of raw logs, and reads events back.
    Event(event::Args),
}

/// Exit status when the input cannot be read; clap's own for a wrong command line.
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Event(args) => event::run(args),
    };
    let written = outcome.and_then(|output| {
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
            eprintln!("ssm-agent-triage: {message}");
            ExitCode::from(UNREADABLE)
        }
    }
}

/// What a subcommand prints, and the exit status that goes with it.
struct Output {
    text: String,
    status: u8,
}
