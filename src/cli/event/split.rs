//! Raw log text → events with times.

use crate::record::{Reader, read_stamp};
use clap::ValueEnum;
use jiff::Timestamp;

/// What becomes one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Split {
    /// One statement of the agent with its continuation lines, as its own
    /// receiver sends it, and the CloudWatch agent with multi_line_start_pattern.
    Records,
    /// Each line; empty ones are left out, as CloudWatch Logs takes none.
    Lines,
    /// The whole log.
    Whole,
}

/// One event to be made.
#[derive(Debug, PartialEq)]
pub(super) struct Timed<'a> {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub message: &'a str,
}

/// When a log without any times begins: 2026-01-01T00:00:00Z.
const UNTIMED_START: i64 = 1_767_225_600_000;

/// Cuts `text` into events. With `start` all times are moved so that the first
/// event has it; otherwise they are the log's own, and in a log without any
/// they count up by a millisecond.
pub(super) fn split(text: &str, split: Split, start: Option<Timestamp>) -> Vec<Timed<'_>> {
    let lines = lines(text);
    let mut events: Vec<(Option<Timestamp>, &str)> = match split {
        Split::Lines => lines
            .iter()
            .map(|line| (line.time, &text[line.start..line.end]))
            .collect(),
        Split::Records => lines
            .chunk_by(|_, next| !next.starts_record)
            .map(|lines| whole(text, lines))
            .collect(),
        Split::Whole => vec![whole(text, &lines)],
    };
    events.retain(|(_, message)| !message.is_empty());
    timed(&events, start)
}

struct Line {
    start: usize,
    end: usize,
    starts_record: bool,
    time: Option<Timestamp>,
}

fn lines(text: &str) -> Vec<Line> {
    let mut reader = Reader::default();
    let mut start = 0;
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.split('\n')
        .map(|line| {
            let mut begun = None;
            let number = reader.lines() + 1;
            reader.text(line, None, Timestamp::UNIX_EPOCH, |record| {
                begun = Some(record.clone());
            });
            let records = begun.iter().chain(reader.open());
            let record = { records }.find(|record| record.line == number);
            let end = start + line.len();
            let found = Line {
                start,
                end,
                // An indented line may hold a statement of its own (a metadata
                // answer's "Code"), but its event began above it.
                starts_record: record.is_some() && !line.starts_with([' ', '\t']),
                time: record
                    .and_then(|record| record.stamp.as_deref())
                    .and_then(read_stamp),
            };
            start = end + 1;
            found
        })
        .collect()
}

fn whole<'a>(text: &'a str, lines: &[Line]) -> (Option<Timestamp>, &'a str) {
    let time = lines.iter().find_map(|line| line.time);
    match lines {
        [] => (time, ""),
        [first, .., last] => (time, &text[first.start..last.end]),
        [only] => (time, &text[only.start..only.end]),
    }
}

fn timed<'a>(events: &[(Option<Timestamp>, &'a str)], start: Option<Timestamp>) -> Vec<Timed<'a>> {
    let mut last = events.iter().find_map(|(time, _)| *time);
    let times: Vec<i64> = (0_i64..)
        .zip(events)
        .map(|(at, (time, _))| {
            last = time.or(last);
            last.map_or(UNTIMED_START + at, Timestamp::as_millisecond)
        })
        .collect();
    let shift = match (start, times.first()) {
        (Some(start), Some(first)) => start.as_millisecond().saturating_sub(*first),
        (None, _) | (_, None) => 0,
    };
    times
        .into_iter()
        .zip(events)
        .map(|(time, (_, message))| Timed {
            at: time.saturating_add(shift),
            message,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-11-23 04:19:04.1850 WARN first\n\
        caused by: x\n\
        \n\
        \tstatus code: 400\n\
        2026-11-23 04:19:05 INFO second\n";

    fn cut(text: &str, how: Split, start: Option<&str>) -> Vec<(String, String)> {
        split(text, how, start.map(|time| time.parse().unwrap()))
            .into_iter()
            .map(|event| {
                let time = Timestamp::from_millisecond(event.at).unwrap();
                (time.to_string(), event.message.to_owned())
            })
            .collect()
    }

    fn pair(time: &str, message: &str) -> (String, String) {
        (time.to_owned(), message.to_owned())
    }

    #[test]
    fn records_keep_their_continuation_lines() {
        assert_eq!(
            cut(LOG, Split::Records, None),
            [
                pair(
                    "2026-11-23T04:19:04.185Z",
                    "2026-11-23 04:19:04.1850 WARN first\ncaused by: x\n\n\tstatus code: 400"
                ),
                pair("2026-11-23T04:19:05Z", "2026-11-23 04:19:05 INFO second"),
            ]
        );
    }

    #[test]
    fn lines_stand_alone_with_the_time_of_the_line_before() {
        assert_eq!(
            cut(LOG, Split::Lines, None),
            [
                pair(
                    "2026-11-23T04:19:04.185Z",
                    "2026-11-23 04:19:04.1850 WARN first"
                ),
                pair("2026-11-23T04:19:04.185Z", "caused by: x"),
                pair("2026-11-23T04:19:04.185Z", "\tstatus code: 400"),
                pair("2026-11-23T04:19:05Z", "2026-11-23 04:19:05 INFO second"),
            ]
        );
    }

    #[test]
    fn a_start_moves_the_whole_log() {
        assert_eq!(
            cut(LOG, Split::Whole, Some("2027-01-01T00:00:00Z")),
            [pair("2027-01-01T00:00:00Z", LOG.trim_end())]
        );
        let times: Vec<String> = cut(LOG, Split::Records, Some("2027-01-01T00:00:00Z"))
            .into_iter()
            .map(|(time, _)| time)
            .collect();
        assert_eq!(times, ["2027-01-01T00:00:00Z", "2027-01-01T00:00:00.815Z"]);
    }

    #[test]
    fn a_log_without_times_counts_up() {
        let log = "ERROR [HealthCheck] x\nINFO [HealthCheck] y";
        assert_eq!(
            cut(log, Split::Records, None),
            [
                pair("2026-01-01T00:00:00Z", "ERROR [HealthCheck] x"),
                pair("2026-01-01T00:00:00.001Z", "INFO [HealthCheck] y"),
            ]
        );
        assert_eq!(cut("", Split::Records, None), []);
        assert_eq!(cut("\n\n", Split::Lines, None), []);
    }

    #[test]
    fn what_stands_before_the_first_time_gets_that_time() {
        let events = cut("banner\n2026-11-23 04:19:05 INFO x", Split::Records, None);
        assert_eq!(
            events,
            [
                pair("2026-11-23T04:19:05Z", "banner"),
                pair("2026-11-23T04:19:05Z", "2026-11-23 04:19:05 INFO x"),
            ]
        );
    }
}
