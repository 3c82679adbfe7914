//! A log file → its records, in bounded memory.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use crate::paste;
use crate::record::{Reader, Record, first_time};
use crate::signature::Matcher;
use jiff::Timestamp;
use serde::de::IgnoredAny;

/// Lines are taken in pieces of about this size.
const CHUNK: usize = 256 * 1024;

/// What is kept of one line: more than the longest that the agent writes.
const MAX_LINE: u64 = 1024 * 1024;

/// What is read at once of a document that goes over many lines.
const MAX_DOCUMENT: u64 = 64 * 1024 * 1024;

/// The records of one file, in its order.
pub(super) struct Records<'m, R> {
    lines: R,
    matcher: &'m Matcher,
    /// A line began as the agent begins one: nothing is read without a head.
    is_log: bool,
    reader: Reader<'static>,
    ready: VecDeque<Record<'static>>,
    /// The time for records before the first that has its own.
    received: Timestamp,
    /// The time of a record has been looked for.
    dated: bool,
    ended: bool,
    /// Lines were broken, and whether they name several nodes.
    broken: Option<bool>,
    fault: Option<io::Error>,
}

impl<'m, R: BufRead> Records<'m, R> {
    /// `received` is the time for records where none has its own.
    pub(super) fn new(lines: R, matcher: &'m Matcher, received: Timestamp) -> Self {
        Self {
            lines,
            matcher,
            is_log: false,
            reader: Reader::default(),
            ready: VecDeque::new(),
            received,
            dated: false,
            ended: false,
            broken: None,
            fault: None,
        }
    }

    /// The time of the next record.
    pub(super) fn peek(&mut self) -> Option<Timestamp> {
        while self.ready.is_empty() && !self.ended {
            self.fill();
        }
        self.ready.front().map(|record| record.at)
    }

    pub(super) fn next(&mut self) -> Option<Record<'static>> {
        self.peek()?;
        self.ready.pop_front()
    }

    /// Where lines were broken, whether they name several nodes.
    pub(super) fn broken(&self) -> Option<bool> {
        self.broken
    }

    /// Why the file ended before its end, if it did.
    pub(super) fn into_fault(self) -> Option<io::Error> {
        self.fault
    }

    /// Joins a chunk of lines. A record that the chunk leaves open stays in the
    /// reader.
    fn fill(&mut self) {
        let mut bytes = Vec::with_capacity(CHUNK + CHUNK / 8);
        let mut is_document = !self.dated;
        match read_lines(&mut self.lines, &mut bytes, &mut is_document) {
            Ok(more) => self.ended = !more,
            Err(fault) => {
                self.ended = true;
                self.fault = Some(fault);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if !std::mem::replace(&mut self.dated, true) {
            let first = first_time(&text);
            is_document &= is_document_of_events(&text, first);
            self.received = first.unwrap_or(self.received);
        }
        self.is_log |= is_document;
        let pasted = match self.is_log {
            true => None,
            false => paste::read(&text, |text| self.matcher.begins(text)),
        };
        self.is_log |= pasted.is_none();
        let mut reader: Reader<'_> = std::mem::take(&mut self.reader);
        let mut take = |record: &Record<'_>| self.ready.push_back(record.clone().into_owned());
        match &pasted {
            Some(pasted) => {
                if pasted.broken {
                    self.broken = Some(self.broken == Some(true) || pasted.names_several);
                }
                let before = reader.lines();
                for line in &pasted.lines {
                    line.feed(&mut reader, before, None, self.received, &mut take);
                }
                let count = memchr::memchr_iter(b'\n', text.as_bytes()).count();
                reader.begin_line(before + count as u64 + 1);
            }
            None if is_document => reader.text(&text, None, self.received, &mut take),
            None => {
                for line in text.split_terminator('\n') {
                    reader.text(line, None, self.received, &mut take);
                }
            }
        }
        self.reader = reader.into_owned();
        if self.ended {
            self.reader
                .close(|record| self.ready.push_back(record.clone()));
        }
    }
}

/// Whole lines, about [`CHUNK`] of them, at most [`MAX_LINE`] of each. Whether
/// more may follow. Where a `document` may begin and does, that is read.
fn read_lines(
    lines: &mut impl BufRead,
    bytes: &mut Vec<u8>,
    document: &mut bool,
) -> io::Result<bool> {
    let may_begin = std::mem::take(document);
    while bytes.len() < CHUNK {
        let start = bytes.len();
        Read::by_ref(lines)
            .take(MAX_LINE)
            .read_until(b'\n', bytes)?;
        if bytes.len() == start {
            return Ok(false);
        }
        if may_begin && start == 0 && begins_document(bytes) {
            *document = true;
            Read::by_ref(lines).take(MAX_DOCUMENT).read_to_end(bytes)?;
            return Ok(lines.read_until(b'\n', bytes)? > 0);
        }
        if !bytes.ends_with(b"\n") {
            lines.skip_until(b'\n')?;
            bytes.push(b'\n');
        }
    }
    Ok(true)
}

/// Whether `line`, the first of a file, begins a document of JSON or XML that goes
/// on behind it, as the AWS CLI or Windows writes one.
fn begins_document(line: &[u8]) -> bool {
    match line.trim_ascii() {
        line @ [b'{' | b'[', ..] => {
            serde_json::from_slice::<IgnoredAny>(line).is_err_and(|fault| fault.is_eof())
        }
        line => line.starts_with(b"<?xml") || line.starts_with(b"<Event"),
    }
}

/// Whether it is one, with a record whose time is the `first`.
fn is_document_of_events(text: &str, first: Option<Timestamp>) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    text.starts_with('<') || first.is_some() && values.all(|value| value.is_ok())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use std::sync::LazyLock;

    use super::*;
    use crate::engine::Engine;

    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

    fn all(text: impl AsRef<[u8]>) -> Vec<(String, u64, String)> {
        let mut records = Records::new(Cursor::new(text), ENGINE.matcher(), Timestamp::UNIX_EPOCH);
        std::iter::from_fn(|| records.next())
            .map(|record| (record.at.to_string(), record.line, record.text()))
            .collect()
    }

    fn record(at: &str, line: u64, text: &str) -> (String, u64, String) {
        (at.to_owned(), line, text.to_owned())
    }

    #[test]
    fn records_come_with_their_lines_and_times() {
        let log = "ERROR first\n2026-11-23 04:19:04 ERROR a\n\tstatus\r\n\
            ERROR b\n2026-11-23 04:19:05 INFO c";
        assert_eq!(
            all(log),
            [
                record("2026-11-23T04:19:04Z", 1, "first"),
                record("2026-11-23T04:19:04Z", 2, "a\n\tstatus\nERROR b"),
                record("2026-11-23T04:19:05Z", 5, "c"),
            ]
        );
        assert_eq!(all(""), []);
    }

    #[test]
    fn text_of_wide_characters_and_bad_bytes_is_read() {
        let wide: Vec<u8> = "2026-11-23 04:19:04 INFO x\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(all(wide), [record("2026-11-23T04:19:04Z", 1, "x")]);
        assert_eq!(
            all(b"2026-11-23 04:19:04 INFO \xff"),
            [record("2026-11-23T04:19:04Z", 1, "\u{fffd}")]
        );
    }

    #[test]
    fn lines_that_a_shipper_put_into_objects_are_taken_out() {
        assert_eq!(
            all(
                "{\"log\":\"2026-11-23 04:19:04 INFO x\\n\",\"stream\":\"stdout\"}\n\
                 {\"log\":\"2026-11-23 04:19:05 INFO y\\n\",\"stream\":\"stdout\"}"
            ),
            [
                record("2026-11-23T04:19:04Z", 1, "x"),
                record("2026-11-23T04:19:05Z", 2, "y"),
            ]
        );
    }

    #[test]
    fn a_document_over_many_lines_is_its_events() {
        let both = [
            record("2026-11-23T04:19:04Z", 0, "a\n\tstatus\ncaused by: x"),
            record("2026-11-23T04:19:05Z", 0, "c"),
        ];
        let lines = [
            "2026-11-23 04:19:04 ERROR a\n\tstatus",
            "caused by: x",
            "2026-11-23 04:19:05 INFO c",
        ];
        let events = lines.map(|line| serde_json::json!({"timestamp": 1, "message": line}));
        let rows = lines.map(|line| serde_json::json!([{"field": "@message", "value": line}]));
        let pretty = |document| format!("{document:#}\n");
        let xml = lines.map(|line| {
            format!("<Event x='y'><Provider Name='AmazonSSMAgent'/><Data>{line}</Data></Event>\n")
        });
        for document in [
            pretty(serde_json::json!({ "events": events, "searchedLogStreams": [] })),
            pretty(serde_json::json!({"queryLanguage": "CWLI", "results": rows})),
            pretty(serde_json::json!(events)),
            events.map(pretty).concat(),
            format!(
                "<?xml version=\"1.0\"?>\n<Events>\n{}</Events>\n",
                xml.concat()
            ),
        ] {
            let found = all(&document).into_iter();
            let found: Vec<_> = found.map(|(at, _, text)| (at, 0, text)).collect();
            assert_eq!(found, both, "{document}");
        }
        // What is none is read by its lines.
        assert_eq!(
            all("{\n2026-11-23 04:19:04 INFO x"),
            [record("2026-11-23T04:19:04Z", 2, "x")]
        );
    }

    #[test]
    fn a_record_that_spans_chunks_is_whole_and_a_line_without_end_is_cut() {
        let line = "x".repeat(1000);
        let mut log = String::from("2026-11-23 04:19:04 ERROR head\n");
        for _ in 0..600 {
            log.push_str(&line);
            log.push('\n');
        }
        log.push_str("2026-11-23 04:19:05 INFO next\n");
        let records = all(&log);
        assert_eq!(records.len(), 2);
        assert_eq!(records[1], record("2026-11-23T04:19:05Z", 602, "next"));

        let endless = format!("2026-11-23 04:19:04 ERROR {}\n", "y".repeat(5 << 20));
        let records = all(format!("{endless}2026-11-23 04:19:05 INFO next"));
        assert_eq!(records.len(), 2);
        assert!(records[0].2.len() <= MAX_LINE as usize);
        assert_eq!(records[1].1, 2);
    }

    #[test]
    fn a_fault_comes_after_what_could_be_read() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let text = Cursor::new("2026-11-23 04:19:04 INFO x\n");
        let lines = io::BufReader::new(text.chain(Broken));
        let mut records = Records::new(lines, ENGINE.matcher(), Timestamp::UNIX_EPOCH);
        assert!(records.next().is_some());
        assert!(records.next().is_none());
        assert!(records.into_fault().is_some());
    }
}
