//! The function's own log: what an operator should know of beside the answer.

use std::fmt::Display;
use std::io::{self, Write};

use jiff::Timestamp;

/// How much a line matters, as Lambda names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// It goes on, with less.
    Warn,
    /// Something does not.
    Error,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    /// Whether a line of this level is wanted where Lambda's `AWS_LAMBDA_LOG_LEVEL` is
    /// `least`.
    fn is_wanted(self, least: &str) -> bool {
        match least {
            "FATAL" => false,
            "ERROR" => self >= Self::Error,
            _ => true,
        }
    }
}

/// Writes one line to standard error, in the format and from the level on that Lambda's
/// logging configuration names. Unlike `eprintln!` this does not panic when nobody reads:
/// an answer is worth more than the line beside it.
pub fn log(level: LogLevel, line: impl Display) {
    let setting = |name| std::env::var(name).unwrap_or_default();
    let (format, least) = (
        setting("AWS_LAMBDA_LOG_FORMAT"),
        setting("AWS_LAMBDA_LOG_LEVEL"),
    );
    if level.is_wanted(&least) {
        // In one call: half a line would stand among others'.
        let line = render(level, &line.to_string(), &format, Timestamp::now());
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

fn render(level: LogLevel, line: &str, format: &str, now: Timestamp) -> String {
    match format {
        "JSON" => {
            let level = level.as_str();
            format!(
                "{}\n",
                serde_json::json!({"timestamp": now, "level": level, "message": line})
            )
        }
        _ => format!("{line}\n"),
    }
}

/// Writes one line that is for programs to standard output, whatever the level and
/// format. Unlike `println!` this does not panic when nobody reads.
pub(super) fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_lambda_is_set_to_log() {
        let render = |format| render(LogLevel::Warn, "a \"b\"", format, Timestamp::UNIX_EPOCH);
        assert_eq!(render("Text"), "a \"b\"\n");
        assert_eq!(
            render("JSON"),
            "{\"level\":\"WARN\",\"message\":\"a \\\"b\\\"\",\"timestamp\":\"1970-01-01T00:00:00Z\"}\n"
        );
        let wanted = |least| [LogLevel::Warn, LogLevel::Error].map(|level| level.is_wanted(least));
        assert_eq!(wanted(""), [true, true]);
        assert_eq!(wanted("INFO"), [true, true]);
        assert_eq!(wanted("WARN"), [true, true]);
        assert_eq!(wanted("ERROR"), [false, true]);
        assert_eq!(wanted("FATAL"), [false, false]);
    }
}
