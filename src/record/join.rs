//! Joins continuation lines to the record they belong to, over events and,
//! with the joiner kept in the stream state, over batches.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::head;
use super::level::Level;
use super::text::{cut, without_last};
use super::transport::{self, Producer};
use super::{Origin, Record, Tags};

/// What is kept of one record: enough for the longest error text the agent
/// writes (17 lines with the metadata service's page in it), never a whole dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub lines: usize,
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lines: 96,
            bytes: 32 * 1024,
        }
    }
}

/// So much of a record of INFO or below is carried to the next batch.
const MOST_OF_QUIET: usize = 1024;

/// What continues a record in the next batch of its stream was written by one
/// call with it: shippers give its lines one time, or times of a few
/// milliseconds. What comes later, or from before, belongs to a record that
/// another batch held.
const CONTIGUOUS: SignedDuration = SignedDuration::from_millis(100);

/// Takes lines in order and gives records as they end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Joiner<'a> {
    open: Option<Record<'a>>,
    kept_bytes: usize,
    /// A head with a timestamp was seen: from here on a level word alone starts nothing.
    timed: bool,
    /// Braces still open in a dump of user-controlled text at INFO or below.
    dump_depth: usize,
    /// One record of another process was let pass before the open one, whose
    /// end is still to come.
    interleaved_seen: bool,
    /// Lines of a batch whose first record has not begun: what they continue is
    /// not known, and they may be anything that the agent quotes.
    orphaned: bool,
    /// The event time of the last line.
    last_at: Option<Timestamp>,
    lines: u64,
    limits: Limits,
}

impl<'a> Joiner<'a> {
    /// The record that would end here if nothing more came.
    pub fn open(&self) -> Option<&Record<'a>> {
        self.open.as_ref()
    }

    /// Begins a further batch of the stream, whose first event has the time
    /// `first_at`; `timed` says that heads with a timestamp stand in it. Gives the
    /// open record where the batch cannot be told to go on right after it.
    pub fn begin_batch(&mut self, first_at: Option<Timestamp>, timed: bool) -> Option<Record<'a>> {
        self.timed |= timed;
        let gap = self
            .last_at
            .zip(first_at)
            .map(|(last, first)| first.duration_since(last));
        if gap.is_some_and(|gap| gap >= SignedDuration::ZERO && gap <= CONTIGUOUS)
            && let Some(open) = &mut self.open
        {
            open.cut = false;
            return None;
        }
        self.orphaned = true;
        self.dump_depth = 0;
        self.close()
    }

    /// Ends a batch after which more may come.
    pub fn end_batch(&mut self) {
        if let Some(open) = &mut self.open {
            open.cut = true;
        }
    }

    /// Whether a head with a timestamp was seen.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Lines seen so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Ends the open record: the input is complete.
    pub fn close(&mut self) -> Option<Record<'a>> {
        self.kept_bytes = 0;
        self.interleaved_seen = false;
        self.open.take()
    }

    /// The open record counts as it stands: should it end as it is, it says
    /// nothing new.
    pub fn count_open(&mut self) {
        if let Some(open) = &mut self.open {
            if !open.level.is_trouble() {
                // Mostly text of the agent's users: its beginning says what it is.
                open.rest = Vec::new();
                open.message = Cow::Owned(cut(&open.message, MOST_OF_QUIET).to_owned());
            }
            open.counted = Some(open.rest.len());
        }
    }

    /// Ends the open record, of which nothing that follows is of interest, unless
    /// it still quotes the agent's users.
    pub fn close_quiet(&mut self) {
        if self.dump_depth == 0 {
            self.close();
        }
    }

    /// What it holds on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        self.open.as_ref().map_or(0, Record::bytes)
    }

    /// The joiner as it goes into the stream state.
    pub fn into_owned(self) -> Joiner<'static> {
        Joiner {
            open: self.open.map(Record::into_owned),
            kept_bytes: self.kept_bytes,
            timed: self.timed,
            dump_depth: self.dump_depth,
            interleaved_seen: self.interleaved_seen,
            orphaned: self.orphaned,
            last_at: self.last_at,
            lines: self.lines,
            limits: self.limits,
        }
    }

    /// Takes one physical line without its line end. `at` is the event's time;
    /// without one the record's own time counts, and without that `received`.
    /// Gives a record that this line ended, or that stands by itself.
    pub fn line(
        &mut self,
        line: &'a str,
        at: Option<Timestamp>,
        received: Timestamp,
    ) -> Option<Record<'a>> {
        self.lines += 1;
        self.last_at = at;
        let line = without_last(line, b'\r');
        let strip_transport_prefix = transport::strip_transport_prefix(line);
        match strip_transport_prefix.writer {
            Producer::Foreign => None,
            Producer::Systemd | Producer::Kernel => {
                if !transport::names_agent(strip_transport_prefix.body) {
                    return None;
                }
                let origin = if strip_transport_prefix.writer == Producer::Systemd {
                    Origin::Systemd
                } else {
                    Origin::Kernel
                };
                Some(self.bare(
                    strip_transport_prefix.body,
                    Level::Info,
                    origin,
                    at.unwrap_or(received),
                ))
            }
            Producer::Agent => self.agent_line(strip_transport_prefix.body, true, at, received),
            Producer::Unnamed => self.agent_line(strip_transport_prefix.body, false, at, received),
        }
    }

    fn agent_line(
        &mut self,
        body: &'a str,
        strip_transport_prefix: bool,
        at: Option<Timestamp>,
        received: Timestamp,
    ) -> Option<Record<'a>> {
        // A form without a time counts only where it cannot be a quoted text.
        let adrift = self.orphaned && self.timed;
        if let Some(head) = head::head(body) {
            let free = self.dump_depth == 0 && (strip_transport_prefix || !self.timed);
            let free = free && !(adrift && head.stamp.is_none() && head.origin != Origin::Raw);
            let starts = match head.origin {
                Origin::File => true,
                Origin::LevelFirst | Origin::Raw => free || head.quoted,
                Origin::Systemd | Origin::Kernel => false,
            };
            if starts {
                return self.start(&head, at, received);
            }
        } else if self.dump_depth == 0 && !adrift && is_metadata_answer(body) {
            let record = self.bare(
                body.trim_start(),
                Level::Error,
                Origin::Raw,
                at.unwrap_or(received),
            );
            return self.replace(record);
        }
        self.continue_with(body);
        None
    }

    fn start(
        &mut self,
        head: &head::Head<'a>,
        at: Option<Timestamp>,
        received: Timestamp,
    ) -> Option<Record<'a>> {
        self.timed |= head.origin == Origin::File;
        self.orphaned = false;
        let (tags, message) = Tags::split(head.body);
        let own_time = || head.stamp.and_then(head::read_stamp);
        let at = at.or_else(own_time).unwrap_or(received);
        self.dump_depth = if !head.level.is_trouble() && is_dump(message) {
            depth_after(0, message)
        } else {
            0
        };
        let record = Record {
            at,
            level: head.level,
            stamp: head.stamp.map(Cow::Borrowed),
            tags,
            message: Cow::Borrowed(without_quotes(self.kept(message))),
            rest: Vec::new(),
            origin: head.origin,
            line: self.lines,
            cut: false,
            counted: None,
        };
        if self.passes(&record) {
            self.interleaved_seen = true;
            return Some(record);
        }
        self.replace(record)
    }

    /// Whether `record` stands between the open one and its continuation: the
    /// agent's processes write to one file, and now and then a line of one of
    /// them falls between the lines of another's record. One may; an open record
    /// is read as it stands meanwhile.
    fn passes(&self, record: &Record<'_>) -> bool {
        !self.interleaved_seen
            && record.origin == Origin::File
            && !record.level.is_trouble()
            && self.dump_depth == 0
            && self.open.as_ref().is_some_and(awaits_cause)
    }

    fn bare(&self, message: &'a str, level: Level, origin: Origin, at: Timestamp) -> Record<'a> {
        Record {
            at,
            level,
            stamp: None,
            tags: Tags::default(),
            message: Cow::Borrowed(self.kept(message)),
            rest: Vec::new(),
            origin,
            line: self.lines,
            cut: false,
            counted: None,
        }
    }

    fn kept<'t>(&self, message: &'t str) -> &'t str {
        &message[..message.floor_char_boundary(self.limits.bytes)]
    }

    fn replace(&mut self, record: Record<'a>) -> Option<Record<'a>> {
        self.kept_bytes = record.message.len();
        self.interleaved_seen = false;
        self.open.replace(record)
    }

    fn continue_with(&mut self, body: &'a str) {
        if self.dump_depth > 0 {
            self.dump_depth = depth_after(self.dump_depth, body);
        }
        if self.interleaved_seen {
            // A further line of the record that passed, which was no trouble.
            if !is_cause(body) {
                return;
            }
            self.interleaved_seen = false;
        }
        let Some(open) = &mut self.open else { return };
        if open.rest.len() >= self.limits.lines || self.kept_bytes + body.len() > self.limits.bytes
        {
            return;
        }
        self.kept_bytes += body.len();
        if open.message.is_empty() && open.rest.is_empty() {
            // A terminal broke the line within the tags.
            let (tags, message) = Tags::split(body);
            open.tags.extend(&tags);
            open.message = with_tabs(message);
            return;
        }
        open.rest.push(with_tabs(body));
    }
}

/// Whether a record with a timestamp of the agent's own starts in this line.
pub fn starts_timed_record(line: &str) -> bool {
    let strip_transport_prefix = transport::strip_transport_prefix(without_last(line, b'\r'));
    matches!(
        strip_transport_prefix.writer,
        Producer::Agent | Producer::Unnamed
    ) && head::head(strip_transport_prefix.body).is_some_and(|head| head.origin == Origin::File)
}

/// Syslog's `#011` read back.
fn with_tabs(text: &str) -> Cow<'_, str> {
    let at = memchr::memchr(b'#', text.as_bytes());
    if at.is_some_and(|at| text[at..].contains("#011")) {
        Cow::Owned(text.replace("#011", "\t"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Less the typographic quotes that close a pasted sample.
fn without_quotes(message: &str) -> &str {
    match message.as_bytes().last() {
        Some(last) if last.is_ascii() => message,
        Some(_) | None => message.trim_end_matches(['\u{201d}', '\u{201c}']),
    }
}

/// Whether an error visibly lacks its end: the SDK writes what caused it, or the
/// status, on the lines after these words.
fn awaits_cause(record: &Record<'_>) -> bool {
    let last = record.rest.last().unwrap_or(&record.message).trim_end();
    record.level.is_trouble()
        && [
            "send request failed",
            "fallback to IMDSv1 is disabled",
            "no EC2 instance role found",
            "Exception:",
            "Error:",
        ]
        .iter()
        .any(|end| last.ends_with(end))
}

/// The lines by which such an error goes on.
fn is_cause(line: &str) -> bool {
    line.starts_with("caused by:")
        || line.starts_with("\tstatus code:")
        || line.starts_with("#011status code:")
}

/// INFO records that carry text of the agent's users: replies, plugin
/// configurations, document state.
fn is_dump(message: &str) -> bool {
    memchr::memchr(b'{', message.as_bytes()).is_some()
}

fn depth_after(depth: usize, text: &str) -> usize {
    memchr::memchr2_iter(b'{', b'}', text.as_bytes()).fold(depth, |depth, at| {
        match text.as_bytes()[at] {
            b'{' => depth + 1,
            _ => depth.saturating_sub(1),
        }
    })
}

/// What the metadata service answers in place of credentials, as people paste
/// it: `"Code" : "AssumeRoleUnauthorizedAccess",`.
fn is_metadata_answer(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix('{').map_or(line, str::trim_start);
    line.strip_prefix("\"Code\"").is_some_and(|rest| {
        let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
        value.is_some_and(|value| {
            [
                "\"AssumeRoleUnauthorizedAccess\"",
                "\"InstanceProfileNotFound\"",
                "\"Failed\"",
            ]
            .iter()
            .any(|code| value.starts_with(code))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn records(text: &str) -> Vec<Record<'_>> {
        let mut joiner = Joiner::default();
        let mut records: Vec<_> = text
            .lines()
            .filter_map(|line| joiner.line(line, None, now()))
            .collect();
        records.extend(joiner.close());
        records
    }

    fn flats(text: &str) -> Vec<String> {
        (records(text).iter())
            .map(|record| record.flat().into_owned())
            .collect()
    }

    #[test]
    fn continuation_lines_join_their_head() {
        let text = "2024-11-04 10:00:07.0137 ERROR [EC2Identity] Failed. Error: EC2MetadataError: x\n\
                    caused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed: EOF\n\
                    2024-11-04 10:00:07.0138 INFO Checking if agent identity type CustomIdentity can be assumed";
        assert_eq!(
            flats(text),
            [
                "Failed. Error: EC2MetadataError: x caused by: : status code: 0, request id: caused by: RequestError: send request failed: EOF",
                "Checking if agent identity type CustomIdentity can be assumed",
            ]
        );
    }

    #[test]
    fn prefixed_lines_join_and_tabs_come_back() {
        let text = "Oct 27 10:43:16 h amazon-ssm-agent[2373]: 2023-10-27 10:43:14 ERROR [HealthCheck] a: \n\
                    Oct 27 10:43:16 h sshd[1]: error: maximum authentication attempts\n\
                    Oct 27 10:43:16 h amazon-ssm-agent[2373]: #011status code: 400, request id: x";
        assert_eq!(flats(text), ["a: status code: 400, request id: x"]);
        assert_eq!(records(text)[0].rest, ["\tstatus code: 400, request id: x"]);
    }

    #[test]
    fn a_level_word_starts_nothing_once_the_stream_has_timed_heads() {
        let text =
            "ERROR [HealthCheck] first\n2024-11-04 10:00:07 INFO second\nERROR [HealthCheck] third";
        assert_eq!(flats(text), ["first", "second ERROR [HealthCheck] third"]);
    }

    #[test]
    fn a_dump_swallows_what_looks_like_a_head() {
        let text = "INFO [MDSInteractor] Sending reply {\n  \"output\": {\nERROR [HealthCheck] fake\npanic: fake\n}\n}\nERROR [HealthCheck] real";
        let flats = flats(text);
        assert_eq!(flats.len(), 2);
        assert_eq!(flats[1], "real");
    }

    #[test]
    fn the_metadata_services_answer_is_a_record() {
        let text = "# curl http://169.254.169.254/latest/meta-data/iam/security-credentials/x\n{\n  \"Code\" : \"AssumeRoleUnauthorizedAccess\",\n  \"Message\" : \"EC2 cannot assume the role x.\",\n}";
        let flats = flats(text);
        assert_eq!(flats.len(), 1);
        assert!(
            flats[0].starts_with("\"Code\" : \"AssumeRoleUnauthorizedAccess\", \"Message\""),
            "{flats:?}"
        );
    }

    #[test]
    fn systemd_and_kernel_speak_only_of_the_agent() {
        let text = "Nov 04 10:02:44 h systemd[1]: amazon-ssm-agent.service: Main process exited, code=exited, status=1/FAILURE\n\
                    Nov 04 10:02:44 h systemd[1]: Finished refresh-policy-routes@ens5.service.\n\
                    Nov 04 10:02:44 h kernel: Out of memory: Killed process 2373 (ssm-agent-work)";
        let origins: Vec<_> = records(text).iter().map(|record| record.origin).collect();
        assert_eq!(origins, [Origin::Systemd, Origin::Kernel]);
    }

    #[test]
    fn a_record_keeps_a_bounded_text() {
        let mut joiner = Joiner::default();
        joiner.line("2024-11-04 10:00:07 ERROR x", None, now());
        let long = "y".repeat(1000);
        for _ in 0..100_000 {
            joiner.line(&long, None, now());
        }
        let record = joiner.close().expect("one record");
        assert!(record.rest.len() <= Limits::default().lines);
        assert!(record.text().len() <= Limits::default().bytes + 200);

        let mut joiner = Joiner::default();
        let line = format!("2024-11-04 10:00:07 ERROR {}", "\u{e9}".repeat(100_000));
        joiner.line(&line, None, now());
        let record = joiner.close().expect("one record");
        assert!(record.message.len() <= Limits::default().bytes);
        assert!(record.message.starts_with('\u{e9}'));
    }

    const AWAITS: &str =
        "2024-11-04 10:00:07.0137 ERROR [Registrar] failed: RequestError: send request failed";
    const OTHER: &str = "2024-11-04 10:00:07.0138 INFO [ssm-agent-worker] Bye.";
    const CAUSE: &str = "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF";

    #[test]
    fn a_cause_finds_its_error_past_a_record_of_another_process() {
        let text = [AWAITS, OTHER, CAUSE, "\tat the end"].join("\n");
        assert_eq!(
            flats(&text),
            [
                "Bye.",
                "failed: RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF at the end",
            ]
        );
        // No error that awaits one, or a second record in between.
        let whole = "2024-11-04 10:00:07.0137 ERROR [Registrar] failed";
        for text in [
            [whole, OTHER, CAUSE].join("\n"),
            [AWAITS, OTHER, OTHER, CAUSE].join("\n"),
            [AWAITS, "2024-11-04 10:00:07.0138 WARN x", CAUSE].join("\n"),
        ] {
            let flats = flats(&text);
            assert!(
                flats.last().is_some_and(|last| last.contains("caused by")),
                "{flats:?}"
            );
            assert!(
                !flats.iter().any(|flat| flat.contains("failed caused by")),
                "{flats:?}"
            );
        }
    }

    #[test]
    fn a_line_of_the_record_that_passed_joins_no_error() {
        let text = [AWAITS, OTHER, "a second line of it", OTHER].join("\n");
        assert_eq!(
            flats(&text),
            ["Bye.", "failed: RequestError: send request failed", "Bye."]
        );
    }

    #[test]
    fn an_error_that_awaits_its_cause_is_open_meanwhile() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.line(AWAITS, None, now()), None);
        assert!(joiner.line(OTHER, None, now()).is_some());
        let mut joiner = joiner.into_owned();
        assert_eq!(joiner.open().map(|open| open.level), Some(Level::Error));
        joiner.line(CAUSE, None, now());
        assert_eq!(joiner.close().map(|record| record.rest.len()), Some(1));
    }

    #[test]
    fn the_joiner_goes_on_in_the_next_batch() {
        let mut joiner = Joiner::default();
        joiner.line(
            "2024-11-04 10:00:07 ERROR [Registrar] failed: RequestError: send request failed",
            None,
            now(),
        );
        let mut joiner = joiner.into_owned();
        joiner.line(
            "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF",
            None,
            now(),
        );
        assert_eq!(
            (joiner.close().map(|record| record.flat().into_owned())).as_deref(),
            Some(
                "failed: RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF"
            )
        );
    }
}
