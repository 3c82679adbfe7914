//! `signatures`: the catalogue for people, and the check of a file of their own.

mod check;
mod list;
mod show;

use std::path::{Path, PathBuf};

use crate::engine::{Engine, entries};
use crate::signature::{Kind, Part, builtin_entries};
use crate::text::sanitize::sanitize;
use clap::{Args as ClapArgs, Subcommand};

use crate::cli::Output;
use crate::cli::arguments::one_of;
use crate::cli::terminal::Style;

/// A file of further signatures: the variable that the function has, too.
const OWN: &str = "TRIAGE_SIGNATURES";

/// Shows what the engine recognises, and checks signatures of your own.
///
/// A signature recognises records of the agent's log and says what they mean. Those of the file
/// that TRIAGE_SIGNATURES names stand beside the built-in ones, or in place of one with the same
/// id; `scan` and the function read them, too.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage signatures list --part credentials
  ssm-agent-triage signatures show worker-terminated
  ssm-agent-triage signatures check own.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the signatures, one to a line, in the order in which they are asked.
    List {
        /// Only those of this kind.
        #[arg(long, value_name = "KIND", value_parser = one_of(Kind::ALL, Kind::as_str))]
        kind: Option<Kind>,
        /// Only those about this part of the agent's work.
        #[arg(long, value_name = "PART", value_parser = one_of(Part::ALL, Part::as_str))]
        part: Option<Part>,
    },
    /// Shows one signature with the log lines that prove it.
    Show {
        /// As the list and every report name it.
        id: String,
    },
    /// Checks files of signatures, and whether their examples hold beside the built-in ones.
    ///
    /// All faults are reported at once. Exit status: 0 sound, 1 a fault, 2 a file could not be read.
    Check {
        /// TOML files; without one the built-in catalogue and the file that TRIAGE_SIGNATURES
        /// names.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Runs the subcommand; the error is a sentence for standard error.
pub(super) fn run(args: Args) -> Result<Output, String> {
    let mut output = answer(args)?;
    // A file of signatures is text from outside, as a log is.
    output.text = sanitize(&output.text).into_owned();
    Ok(output)
}

fn answer(args: Args) -> Result<Output, String> {
    let own = own_file();
    match args.command {
        Command::List { kind, part } => {
            let engine = engine_with(own.as_deref())?;
            let list = list::render(engine.signatures(), kind, part);
            Ok(Output::success(list))
        }
        Command::Show { id } => {
            let mut entries = match own {
                Some(own) => entries(&own).map_err(|fault| fault.to_string())?,
                None => Vec::new(),
            };
            entries.extend(builtin_entries());
            let width = Style::of_standard_output().width;
            show::render(&entries, &id, width).map(Output::success)
        }
        Command::Check { files } => {
            let files = if files.is_empty() {
                own.into_iter().collect()
            } else {
                files
            };
            check::run(&files)
        }
    }
}

/// The engine with the built-in signatures and the user's own.
pub(super) fn engine() -> Result<Engine, String> {
    engine_with(own_file().as_deref())
}

fn engine_with(own: Option<&Path>) -> Result<Engine, String> {
    Engine::load(own).map_err(|fault| fault.to_string())
}

fn own_file() -> Option<PathBuf> {
    std::env::var_os(OWN)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::signature::{Entry, parse};

    /// Three signatures that use every key.
    pub(crate) fn sample() -> Vec<Entry> {
        let text = r#"
[[signature]]
id = "own-check-failed"
title = "Our own check of the host failed"
kind = "fault"
part = "host"
causes = ["host-permission", "host-disk-full", "host-noexec"]
severity = "low"
components = ["Own"]
starts = ["own check failed"]
contains = ["because of"]
excludes = ["as it should"]
pattern = "(?P<why>[a-z]+)$"
checks = ["instance-state"]
false_positives = "while the host is set up"
references = ["Our handbook, chapter 7"]
versions = "3.2.582-"
matches = ["2024-11-04 10:00:07.0137 ERROR [Own] own check failed because of\n\tsomething"]
rejects = ["2024-11-04 10:00:07.0137 ERROR [Own] own check failed because of that, as it should"]

[[signature]]
id = "own-error"
title = "A call of ours failed"
kind = "fault"
part = "output"
starts = ["own call failed"]
matches = ["2024-11-04 10:00:07.0137 ERROR own call failed: EOF"]

[[signature]]
id = "own-check-passed"
title = "Our own check of the host passed"
kind = "recovery"
part = "host"
clears = ["host"]
levels = ["INFO"]
starts = ["own check passed"]
matches = ["2024-11-04 10:00:07.0137 INFO own check passed"]
"#;
        parse("sample.toml", text).unwrap_or_else(|faults| panic!("{faults}"))
    }
}
