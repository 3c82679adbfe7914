//! Joins continuation lines to the record they belong to, over events and,
//! with the joiner kept in the stream state, over batches.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::head;
use super::hosts::{self, Host};
use super::level::Level;
use super::text::{after_byte, trimmed_start};
use super::unwrap::{Envelope, Producer, Steps, is_bare, zone_between};
use super::{Origin, Record, Tags};
use crate::state::pairs::is_default;

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

/// What continues a record in the next batch of its stream was written by one
/// call with it: shippers give its lines one time, or times of a few
/// milliseconds. What comes later, or from before, belongs to a record that
/// another batch held.
const CONTIGUOUS: SignedDuration = SignedDuration::from_millis(100);

/// The agent's processes write to one file some hundred milliseconds out of order; what lies
/// further back follows a clock that was set, or the end of another file.
pub(crate) const CLOCK_STEP: SignedDuration = SignedDuration::from_mins(1);

/// The times of a line that no wrapper tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The event's.
    pub at: Option<Timestamp>,
    /// Where nothing tells one.
    pub received: Timestamp,
}

/// A line without its wrappers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'l, 'e> {
    pub text: &'l str,
    pub envelope: &'e Envelope<'l>,
    pub times: &'e Times,
    /// Its number within the batch or file, from 1.
    pub number: u64,
    /// It is all of its event: what continues it comes in further ones.
    pub is_event: bool,
}

/// What taking a line has shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    /// A record began with it.
    pub start: bool,
    /// Whether the lines so far end with those of another program than the agent.
    pub others: bool,
}

/// Takes the lines of one host in order and gives records as they end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Joiner<'a> {
    #[serde(skip_serializing_if = "is_default")]
    open: Option<Record<'a>>,
    #[serde(skip_serializing_if = "is_default", with = "hosts::shared")]
    host: Option<Arc<Host>>,
    /// The wrappers around the open record.
    #[serde(skip_serializing_if = "is_default")]
    steps: Steps,
    #[serde(skip_serializing_if = "is_default")]
    kept_bytes: usize,
    /// A head with a timestamp was seen: from here on a level word alone starts nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub timed: bool,
    /// Braces still open in a dump of user-controlled text at INFO or below.
    #[serde(skip_serializing_if = "is_default")]
    dump_depth: usize,
    /// One record of another process was let pass before the open one, whose
    /// end is still to come.
    #[serde(skip_serializing_if = "is_default")]
    interleaved_seen: bool,
    /// Lines of a batch whose first record has not begun: what they continue is
    /// not known, and they may be anything that the agent quotes.
    #[serde(skip_serializing_if = "is_default")]
    orphaned: bool,
    /// The event time of the last line.
    #[serde(skip_serializing_if = "is_default")]
    last_at: Option<Timestamp>,
    /// The time of the last record that has one.
    #[serde(skip_serializing_if = "is_default")]
    clock: Option<Timestamp>,
    /// By how much the agent's clock is ahead of its wrapper's.
    #[serde(skip_serializing_if = "is_default")]
    zone: SignedDuration,
    #[serde(skip)]
    limits: Limits,
}

impl<'a> Joiner<'a> {
    /// The record that would end here if nothing more came.
    pub(super) fn open(&self) -> Option<&Record<'a>> {
        self.open.as_ref()
    }

    /// Begins a further batch of the stream, whose first event has the time
    /// `first_at`; `timed` says that heads with a timestamp stand in it. Gives the
    /// open record where the batch cannot be told to go on right after it.
    pub(super) fn begin_batch(
        &mut self,
        first_at: Option<Timestamp>,
        timed: bool,
    ) -> Option<Record<'a>> {
        self.timed |= timed;
        let gap = self
            .last_at
            .zip(first_at)
            .map(|(last, first)| first.duration_since(last));
        let is_next = gap.is_some_and(|gap| gap >= SignedDuration::ZERO && gap <= CONTIGUOUS);
        if is_next && let Some(open) = &mut self.open {
            open.cut = false;
            return None;
        }
        self.orphaned = true;
        if !is_next {
            self.dump_depth = 0;
        }
        self.close()
    }

    /// More of the last line stood behind the edge of a screen.
    pub(super) fn end_at_edge(&mut self) {
        if let Some(open) = &mut self.open {
            open.edge = true;
        }
    }

    /// Ends a batch after which more may come.
    pub(super) fn end_batch(&mut self) {
        if let Some(open) = &mut self.open {
            open.cut = true;
        }
    }

    /// Whether the open record, which came in no wrapper, quotes the agent's users:
    /// what looks like a wrapper then is a part of the quotation.
    pub(super) fn quotes_users(&self) -> bool {
        self.dump_depth > 0 && is_bare(&self.steps)
    }

    /// Names the host whose records these are.
    pub(super) fn name(&mut self, host: &Host) {
        if self.host.as_deref() != Some(host) {
            self.host = Some(Arc::new(host.clone()));
        }
    }

    /// Ends the open record: the input is complete.
    pub(super) fn close(&mut self) -> Option<Record<'a>> {
        self.kept_bytes = 0;
        self.interleaved_seen = false;
        self.open.take()
    }

    /// The open record counts as it stands: should it end as it is, it says
    /// nothing new.
    pub(super) fn count_open(&mut self) {
        if let Some(open) = &mut self.open {
            open.counted = Some(open.rest.len());
        }
    }

    /// Ends the open record of INFO or below: its beginning says what it is, and
    /// what follows is mostly text of the agent's users.
    pub(super) fn close_quiet(&mut self) -> Option<Record<'a>> {
        let is_quiet = self.open.as_ref().is_some_and(|it| !it.level.is_trouble());
        is_quiet.then(|| self.close()).flatten()
    }

    /// Whether the next batch may go on with what this one left.
    pub(super) fn is_within(&self) -> bool {
        self.open.is_some() || self.dump_depth > 0
    }

    /// What it holds on the heap, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.open.as_ref().map_or(0, Record::bytes)
    }

    /// The joiner as it goes into the stream state.
    pub(super) fn into_owned(self) -> Joiner<'static> {
        Joiner {
            open: self.open.map(Record::into_owned),
            host: self.host,
            steps: self.steps,
            kept_bytes: self.kept_bytes,
            timed: self.timed,
            dump_depth: self.dump_depth,
            interleaved_seen: self.interleaved_seen,
            orphaned: self.orphaned,
            last_at: self.last_at,
            clock: self.clock,
            zone: self.zone,
            limits: self.limits,
        }
    }

    /// Takes one line. Gives a record that this line ended, or that stands by
    /// itself; `shown` says what is known before and after it.
    pub(super) fn line<'l>(
        &mut self,
        line: &Line<'l, '_>,
        keep: impl Fn(&'l str) -> Cow<'a, str> + Copy,
        shown: &mut Shown,
        each: &mut impl FnMut(&Record<'a>),
    ) {
        self.last_at = line.times.at;
        let origin = match line.envelope.producer {
            Producer::Systemd => Origin::Systemd,
            Producer::Kernel => Origin::Kernel,
            Producer::Agent | Producer::Unnamed | Producer::Source(_) | Producer::Other(_) => {
                return self.agent_line(line, keep, shown, each);
            }
        };
        each(&self.bare(line.text, Level::Info, origin, line, keep));
    }

    /// As [`Joiner::line`], for an unwrapped line that begins as [`is_cause`] asks: nothing
    /// else can be such a line. Whether there is a record that it belongs to.
    pub(super) fn cause<'l>(
        &mut self,
        line: &'l str,
        at: Option<Timestamp>,
        keep: impl Fn(&'l str) -> Cow<'a, str> + Copy,
    ) -> bool {
        self.last_at = at;
        self.continue_with(line, keep);
        self.open.is_some()
    }

    /// As [`Joiner::line`], for the beginning of a record that has lost its head.
    pub(super) fn headless<'l>(
        &mut self,
        line: &Line<'l, '_>,
        level: Level,
        keep: impl Fn(&'l str) -> Cow<'a, str> + Copy,
        each: &mut impl FnMut(&Record<'a>),
    ) {
        if self.dump_depth > 0 {
            return self.continue_with(line.text, keep);
        }
        let head = head::Head {
            stamp: None,
            level,
            origin: Origin::Paste,
            quoted: true,
            body: line.text,
        };
        self.start(&head, line, keep, each);
    }

    fn agent_line<'l>(
        &mut self,
        line: &Line<'l, '_>,
        keep: impl Fn(&'l str) -> Cow<'a, str> + Copy,
        shown: &mut Shown,
        each: &mut impl FnMut(&Record<'a>),
    ) {
        let body = line.text;
        // A form without a time counts only where it cannot be a quoted text.
        let adrift = self.orphaned && self.timed;
        if let Some(mut head) = head::head(body) {
            let named = line.envelope.producer == Producer::Agent;
            let begun = self.orphaned && line.is_event;
            if head.is_panic() && !named && (shown.others || begun || self.timed) {
                head.origin = Origin::Unattributed;
            }
            let free = self.dump_depth == 0 && (named || !self.timed);
            let free = free && !(adrift && head.stamp.is_none() && !head.is_raw());
            let starts = match head.origin {
                Origin::File => true,
                Origin::LevelFirst | Origin::Raw => free || head.quoted,
                Origin::Unattributed => self.dump_depth == 0,
                Origin::Systemd | Origin::Kernel | Origin::Paste => false,
            };
            if starts {
                shown.start = true;
                shown.others = match head.origin {
                    Origin::File => false,
                    // Go's logger is everybody's.
                    Origin::Raw => head.stamp.is_some(),
                    _ => shown.others,
                };
                return self.start(&head, line, keep, each);
            }
        } else if self.dump_depth == 0 && !adrift && is_metadata_answer(body) {
            let record = self.bare(body.trim_start(), Level::Error, Origin::Raw, line, keep);
            return self.replace(record, line.envelope.steps, each);
        }
        // What continues a record comes in the same wrappers, or without any.
        let goes_on = !line.envelope.is_wrapped() || line.envelope.steps == self.steps;
        shown.others |= !(body.is_empty() || goes_on && self.open.is_some());
        if goes_on {
            self.continue_with(body, keep);
        }
    }

    fn start<'l>(
        &mut self,
        head: &head::Head<'l>,
        line: &Line<'l, '_>,
        keep: impl Fn(&'l str) -> Cow<'a, str> + Copy,
        each: &mut impl FnMut(&Record<'a>),
    ) {
        self.timed |= head.origin == Origin::File;
        self.orphaned = false;
        let (tags, message) = Tags::split_off(head.body, keep);
        let (at, back) = match line.times.at {
            Some(at) => (at, SignedDuration::ZERO),
            None => {
                let in_order = head.origin == Origin::File && !line.envelope.is_wrapped();
                let before = self.clock.filter(|_| in_order);
                let at = self.time(head.stamp.and_then(head::read_stamp), line);
                let back = before.map_or(SignedDuration::ZERO, |it| it.duration_since(at));
                (at, back.max(SignedDuration::ZERO))
            }
        };
        self.dump_depth = if !head.level.is_trouble() && is_dump(message) {
            depth_after(0, message)
        } else {
            0
        };
        let message = without_quotes(self.kept(message));
        let passes = self.passes(head, back);
        if passes {
            self.interleaved_seen = true;
        } else {
            self.open.iter().for_each(&mut *each);
            self.begin(message.len(), line.envelope.steps);
        }
        let record = Record {
            at,
            level: head.level,
            stamp: head.stamp.map(keep),
            tags,
            message: keep(message),
            rest: Vec::new(),
            origin: head.origin,
            host: self.host.clone(),
            machine: line.envelope.machine,
            line: line.number,
            cut: false,
            back,
            edge: false,
            counted: None,
        };
        if passes {
            each(&record);
        } else {
            self.open = Some(record);
        }
    }

    /// The time of a record whose event has none.
    fn time(&mut self, own: Option<Timestamp>, line: &Line<'_, '_>) -> Timestamp {
        let near = own.or(self.clock).unwrap_or(line.times.received);
        let wrapper = (line.envelope.at.as_ref()).and_then(|stamp| stamp.read(near));
        if let (Some(own), Some(wrapper)) = (own, wrapper) {
            self.zone = zone_between(own, wrapper);
        }
        let wrapper = wrapper.and_then(|at| at.checked_add(self.zone).ok());
        let known = own.or(wrapper).or(self.clock);
        self.clock = known;
        known.unwrap_or(line.times.received)
    }

    /// Whether a record stands between the open one and its continuation: the
    /// agent's processes write to one file, and now and then a line of one of
    /// them falls between the lines of another's record. One may; an open record
    /// is read as it stands meanwhile.
    fn passes(&self, head: &head::Head<'_>, back: SignedDuration) -> bool {
        !self.interleaved_seen
            && head.origin == Origin::File
            && !head.level.is_trouble()
            && back < CLOCK_STEP
            && self.dump_depth == 0
            && self.open.as_ref().is_some_and(awaits_cause)
    }

    fn bare<'l>(
        &mut self,
        message: &'l str,
        level: Level,
        origin: Origin,
        line: &Line<'l, '_>,
        keep: impl Fn(&'l str) -> Cow<'a, str>,
    ) -> Record<'a> {
        Record {
            at: match line.times.at {
                Some(at) => at,
                None => self.time(None, line),
            },
            level,
            stamp: None,
            tags: Tags::default(),
            message: keep(self.kept(message)),
            rest: Vec::new(),
            origin,
            host: self.host.clone(),
            machine: line.envelope.machine,
            line: line.number,
            cut: false,
            back: SignedDuration::ZERO,
            edge: false,
            counted: None,
        }
    }

    fn kept<'t>(&self, message: &'t str) -> &'t str {
        &message[..message.floor_char_boundary(self.limits.bytes)]
    }

    fn replace(&mut self, record: Record<'a>, steps: Steps, each: &mut impl FnMut(&Record<'a>)) {
        self.open.iter().for_each(each);
        self.begin(record.message.len(), steps);
        self.open = Some(record);
    }

    /// A record of so many bytes begins, in these wrappers.
    fn begin(&mut self, bytes: usize, steps: Steps) {
        self.kept_bytes = bytes;
        self.interleaved_seen = false;
        self.steps = steps;
    }

    fn continue_with<'l>(&mut self, body: &'l str, keep: impl Fn(&'l str) -> Cow<'a, str> + Copy) {
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
            let (tags, message) = Tags::split_off(body, keep);
            open.tags.extend(&tags);
            open.message = with_tabs(message, keep);
            return;
        }
        open.rest.push(with_tabs(body, keep));
    }
}

/// Syslog's `#011` read back.
fn with_tabs<'l, 'a>(text: &'l str, keep: impl Fn(&'l str) -> Cow<'a, str>) -> Cow<'a, str> {
    let at = memchr::memchr(b'#', text.as_bytes());
    if at.is_some_and(|at| text[at..].contains("#011")) {
        Cow::Owned(text.replace("#011", "\t"))
    } else {
        keep(text)
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
    if !record.level.is_trouble() {
        return false;
    }
    let last = record.rest.last().unwrap_or(&record.message).trim_end();
    [
        "send request failed",
        "fallback to IMDSv1 is disabled",
        "no EC2 instance role found",
        "Exception:",
        "Error:",
    ]
    .iter()
    .any(|end| last.ends_with(end))
}

/// Whether it is a line by which such an error goes on: it begins no record, and is in no
/// wrapper.
#[inline]
pub(super) fn is_cause(line: &str) -> bool {
    match line.as_bytes() {
        [b'c', ..] => line.starts_with("caused by:"),
        [b'\t', ..] => line.starts_with("\tstatus code:"),
        [b'#', ..] => line.starts_with("#011status code:"),
        _ => false,
    }
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
#[inline]
pub(super) fn is_metadata_answer(line: &str) -> bool {
    let line = trimmed_start(line);
    let line = after_byte(line, b'{').map_or(line, trimmed_start);
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
