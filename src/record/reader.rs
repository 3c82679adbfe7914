//! From the lines of a stream to the records in them: wrappers off, the lines of
//! each host joined by themselves.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::head::{Head, head};
use super::hosts::{Host, Hosts};
use super::join::{Joiner, Line, Shown, Times, is_cause};
use super::tags::{Tags, is_agent_tag};
use super::text::{lines, without_last};
use super::unwrap::{
    self, Context, Envelope, Known, Opened, Producer, Steps, heading, is_foreign, is_host,
    names_agent, without_colours,
};
use super::{Level, Origin, Record};
use crate::node::NodeId;
use crate::state::pairs::is_default;

/// So much is kept of a line that comes in parts.
const MAX_PARTS: usize = 256 * 1024;

/// Programs that the agent was seen to write through.
const MAX_PROGRAMS: usize = 8;

/// Takes the lines of a stream in order and gives records as they end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reader<'a> {
    /// In the order of `hosts`; what comes without a host is the first one's.
    joiners: Vec<Joiner<'a>>,
    /// The beginning of a line whose rest is to come.
    #[serde(skip_serializing_if = "is_default")]
    parts: Vec<Parts>,
    #[serde(skip_serializing_if = "is_default")]
    hosts: Hosts,
    #[serde(skip_serializing_if = "is_default")]
    known: Known,
    #[serde(skip_serializing_if = "is_default")]
    programs: Vec<Box<str>>,
    /// Whose the line before was, and by which name and id.
    #[serde(skip_serializing_if = "is_default")]
    last: usize,
    #[serde(skip)]
    last_named: (Option<Box<str>>, Option<Box<str>>),
    #[serde(skip)]
    last_place: usize,
    /// What stands above the lines that come, of another file or host than before: in one
    /// text, for no stream goes on below it in a later batch.
    #[serde(skip)]
    heading: Option<Box<Envelope<'static>>>,
    #[serde(skip_serializing_if = "is_default")]
    timed: bool,
    /// The lines so far end with those of another program than the agent.
    #[serde(skip_serializing_if = "is_default")]
    others: bool,
    #[serde(skip_serializing_if = "is_default")]
    lines: u64,
}

/// The beginning of a line, whose it is, and the wrappers in which its rest will come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parts {
    place: usize,
    steps: Steps,
    text: String,
}

/// In what a text came.
#[derive(Clone, Copy)]
struct Within<'l, 'e> {
    outer: &'e Envelope<'l>,
    /// Wrappers around it.
    depth: usize,
    times: &'e Times,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self {
            joiners: vec![Joiner::default()],
            parts: Vec::new(),
            hosts: Hosts::default(),
            known: Known::default(),
            programs: Vec::new(),
            last: 0,
            last_named: (None, None),
            last_place: 0,
            heading: None,
            timed: false,
            others: false,
            lines: 0,
        }
    }
}

impl<'a> Reader<'a> {
    /// The records that would end here if nothing more came.
    pub fn open(&self) -> impl Iterator<Item = &Record<'a>> {
        self.joiners.iter().filter_map(Joiner::open)
    }

    /// Whether a head with a timestamp was seen.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Lines seen so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether a later batch would join the same to what was left open here and in
    /// `other`.
    pub fn leaves_open_what(&self, other: &Self) -> bool {
        self.open().eq(other.open()) && self.parts == other.parts
    }

    /// What it holds on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        let joiners: usize = self.joiners.iter().map(Joiner::bytes).sum();
        let parts: usize = self.parts.iter().map(|parts| parts.text.capacity()).sum();
        joiners + self.joiners.capacity() * size_of::<Joiner<'_>>() + parts + self.hosts.bytes()
    }

    /// Whether every place in it is one that it has.
    pub fn is_sound(&self) -> bool {
        let joiners = self.joiners.len();
        let parts = self.parts.iter().map(|parts| parts.place);
        joiners == self.hosts.places()
            && self.hosts.is_sound()
            && parts.chain([self.last]).all(|place| place < joiners)
    }

    /// Forgets what lines and records were cut until it takes no more than `room`
    /// bytes: beginnings of lines first, the first host's record last.
    pub fn shrink(&mut self, room: usize) {
        if self.bytes() > room {
            self.parts = Vec::new();
        }
        if self.bytes() > room {
            self.joiners.truncate(1);
            self.joiners.shrink_to_fit();
            self.hosts.retain(|_| false);
            self.hosts.forget_aliases();
            self.last = 0;
        }
        if self.bytes() > room {
            self.joiners[0].close();
        }
    }

    /// Begins a further batch of the stream, whose first event has the time
    /// `first_at`; `timed` says that heads with a timestamp stand in it. Gives the
    /// open records where the batch cannot be told to go on right after them.
    pub fn begin_batch(
        &mut self,
        first_at: Option<Timestamp>,
        timed: bool,
        mut each: impl FnMut(&Record<'a>),
    ) {
        self.heading = None;
        self.timed |= timed;
        let joiners = self.joiners.iter_mut();
        joiners
            .filter_map(|joiner| joiner.begin_batch(first_at, timed))
            .for_each(|record| each(&record));
    }

    /// Ends a batch after which more may come.
    pub fn end_batch(&mut self) {
        self.joiners.iter_mut().for_each(Joiner::end_batch);
    }

    /// Ends the open records: the input is complete.
    pub fn close(&mut self, mut each: impl FnMut(&Record<'a>)) {
        for parts in std::mem::take(&mut self.parts) {
            let line = Line {
                text: &parts.text,
                envelope: &unwrap::NONE,
                times: &Times {
                    at: None,
                    received: Timestamp::UNIX_EPOCH,
                },
                number: self.lines,
                is_event: true,
            };
            let mut shown = Shown {
                start: false,
                others: self.others,
            };
            self.joiners[parts.place].line(&line, own, &mut shown, &mut each);
        }
        self.joiners
            .iter_mut()
            .filter_map(Joiner::close)
            .for_each(|record| each(&record));
    }

    /// Ends the open records of INFO or below.
    pub fn close_quiet(&mut self, mut each: impl FnMut(&Record<'a>)) {
        let joiners = self.joiners.iter_mut();
        joiners
            .filter_map(Joiner::close_quiet)
            .for_each(|record| each(&record));
    }

    /// The open records count as they stand: should they end as they are, they
    /// say nothing new.
    pub fn count_open(&mut self) {
        self.joiners.iter_mut().for_each(Joiner::count_open);
    }

    /// The reader as it goes into the stream state.
    pub fn into_owned(mut self) -> Reader<'static> {
        let mut needed: Vec<bool> = (self.joiners.iter()).map(Joiner::is_within).collect();
        for parts in &self.parts {
            needed[parts.place] = true;
        }
        let kept = self.hosts.retain(|place| needed[place]);
        let now = |place| kept.binary_search(&place).unwrap_or(0);
        for parts in &mut self.parts {
            parts.place = now(parts.place);
        }
        let last = now(self.last);
        let mut joiners: Vec<Option<Joiner<'a>>> = self.joiners.into_iter().map(Some).collect();
        let joiners = (kept.iter()).filter_map(|place| joiners.get_mut(*place)?.take());
        Reader {
            joiners: joiners.map(Joiner::into_owned).collect(),
            parts: self.parts,
            hosts: self.hosts,
            known: self.known,
            programs: self.programs,
            last,
            last_named: (None, None),
            last_place: 0,
            heading: self.heading,
            timed: self.timed,
            others: self.others,
            lines: self.lines,
        }
    }

    /// Takes the text of one event, or one line. `at` is the event's time; without
    /// one the record's own time counts, else its wrapper's, else that of the
    /// record before, else `received`. Gives each record that ended with it.
    pub fn text(
        &mut self,
        text: &'a str,
        at: Option<Timestamp>,
        received: Timestamp,
        mut each: impl FnMut(&Record<'a>),
    ) {
        let within = &Within {
            outer: &unwrap::NONE,
            depth: 0,
            times: &Times { at, received },
        };
        // The agent's own shipper ends a record's event with a line end.
        let text = without_last(text, b'\n');
        let Some(first) = memchr::memchr3(0, 0x1b, b'\n', text.as_bytes()) else {
            self.lines += 1;
            return self.take_line(text, Cow::Borrowed, within, true, &mut each);
        };
        if memchr::memchr2(0, 0x1b, &text.as_bytes()[first..]).is_some() {
            // UTF-16 read as bytes leaves a NUL between letters.
            let text = text.replace('\0', "");
            let text = without_colours(&text);
            return self.take(&text, own, within, &mut each);
        }
        self.take(text, Cow::Borrowed, within, &mut each);
    }

    /// Takes a line of a paste that begins a record of `level` and has lost its
    /// head. Gives the record that ended with it.
    pub fn headless(
        &mut self,
        line: &'a str,
        level: Level,
        at: Option<Timestamp>,
        received: Timestamp,
        mut each: impl FnMut(&Record<'a>),
    ) {
        self.lines += 1;
        let line = Line {
            text: line,
            envelope: self.heading.as_deref().unwrap_or(&unwrap::NONE),
            times: &Times { at, received },
            number: self.lines,
            is_event: false,
        };
        self.joiners[self.last].headless(&line, level, Cow::Borrowed, &mut each);
    }

    /// More of the last line stood behind the edge of a screen.
    pub fn end_at_edge(&mut self) {
        self.joiners[self.last].end_at_edge();
    }

    /// What comes next follows a line of another program.
    pub fn foreign(&mut self) {
        self.others = true;
    }

    /// The next line is the text's `number`th: lines before it were left out, or
    /// were joined.
    pub fn begin_line(&mut self, number: u64) {
        self.lines = number.saturating_sub(1);
    }

    fn take<'l, K, F>(&mut self, text: &'l str, keep: K, within: &Within<'l, '_>, each: &mut F)
    where
        K: Fn(&'l str) -> Cow<'a, str> + Copy,
        F: FnMut(&Record<'a>),
    {
        let Within {
            outer,
            depth,
            times,
        } = *within;
        let text = without_last(text, b'\n');
        // One object, or event of Windows, may stand on several lines; of objects
        // on a line each the later ones are read by what the first have shown.
        let mut end = memchr::memchr(b'\n', text.as_bytes());
        let is_whole = matches!(text.as_bytes(), [b'{' | b'[' | b'<', ..])
            && end.is_some_and(|end| {
                !(text.starts_with('{') && text[..end].trim_end().ends_with('}'))
            });
        let mut opened = None;
        if is_whole {
            self.open_into(text, outer, depth, &mut opened);
        }
        if let Some(opened) = &mut opened {
            if depth == 0 {
                self.lines += lines(text).count() as u64;
            }
            return self.take_opened(opened, keep, depth, times, each);
        }
        let is_event = end.is_none();
        let mut rest = text;
        loop {
            self.lines += u64::from(depth == 0);
            let line = &rest[..end.unwrap_or(rest.len())];
            self.take_line(line, keep, within, is_event, each);
            let Some(at) = end else { return };
            rest = &rest[at + 1..];
            end = memchr::memchr(b'\n', rest.as_bytes());
        }
    }

    fn take_line<'l, K, F>(
        &mut self,
        line: &'l str,
        keep: K,
        within: &Within<'l, '_>,
        is_event: bool,
        each: &mut F,
    ) where
        K: Fn(&'l str) -> Cow<'a, str> + Copy,
        F: FnMut(&Record<'a>),
    {
        let line = without_last(line, b'\r');
        let times = within.times;
        if is_cause(line) && self.heading.is_none() && !within.outer.is_wrapped() {
            self.others |= !self.joiners[self.last].cause(line, times.at, keep);
            return;
        }
        let mut above = None;
        if within.depth == 0 {
            if let Some(heading) = heading(line)
                && !self.joiners[self.last].quotes_users()
            {
                self.last = self.place(&heading).unwrap_or(self.last);
                self.heading = Some(Box::new(heading));
                return;
            }
            above = self.heading.take();
        }
        let outer = above.as_deref().unwrap_or(within.outer);
        let depth = within.depth + usize::from(above.is_some());
        let mut opened = None;
        self.open_into(line, outer, depth, &mut opened);
        match &mut opened {
            Some(opened) => self.take_opened(opened, keep, depth, times, each),
            None => self.deliver(line, keep, outer, times, is_event, each),
        }
        if above.is_some() {
            self.heading = above;
        }
    }

    fn open_into<'l>(
        &self,
        line: &'l str,
        outer: &Envelope<'l>,
        depth: usize,
        opened: &mut Option<Opened<'l>>,
    ) {
        if !self.joiners[self.last].quotes_users() {
            let known = &self.known;
            unwrap::open_into(line, outer, &Context { known, depth }, opened);
        }
    }

    fn take_opened<'l, K, F>(
        &mut self,
        opened: &mut Opened<'l>,
        keep: K,
        depth: usize,
        times: &Times,
        each: &mut F,
    ) where
        K: Fn(&'l str) -> Cow<'a, str> + Copy,
        F: FnMut(&Record<'a>),
    {
        let text = std::mem::take(&mut opened.text);
        let envelope = &opened.envelope;
        let within = &Within {
            outer: envelope,
            depth: depth + 1,
            times,
        };
        let whole = if envelope.partial || !self.parts.is_empty() {
            self.with_parts(text, envelope)
        } else {
            Some(text)
        };
        match whole {
            Some(Cow::Borrowed(text)) => self.take(text, keep, within, each),
            Some(Cow::Owned(text)) => self.take(&text, own, within, each),
            None => {}
        }
        for opened in &mut opened.more {
            self.take_opened(opened, keep, depth, times, each);
        }
    }

    /// The whole line, once its last part has come.
    fn with_parts<'l>(
        &mut self,
        text: Cow<'l, str>,
        envelope: &Envelope<'l>,
    ) -> Option<Cow<'l, str>> {
        let place = self.place(envelope)?;
        let mut parts = self.parts.iter();
        let begun = parts.position(|it| it.place == place && it.steps == envelope.steps);
        if !envelope.partial {
            return Some(match begun {
                Some(at) => Cow::Owned(self.parts.swap_remove(at).text + &text),
                None => text,
            });
        }
        self.known.learn(&envelope.steps);
        match begun {
            Some(at) if self.parts[at].text.len() + text.len() > MAX_PARTS => {}
            Some(at) => self.parts[at].text.push_str(&text),
            None => self.parts.push(Parts {
                place,
                steps: envelope.steps,
                text: text.into_owned(),
            }),
        }
        None
    }

    /// Gives a line without its wrappers to its host's joiner.
    fn deliver<'l, K, F>(
        &mut self,
        line: &'l str,
        keep: K,
        envelope: &Envelope<'l>,
        times: &Times,
        is_event: bool,
        each: &mut F,
    ) where
        K: Fn(&'l str) -> Cow<'a, str> + Copy,
        F: FnMut(&Record<'a>),
    {
        let is_ours = match &envelope.producer {
            Producer::Agent => true,
            Producer::Unnamed => !is_foreign(line),
            Producer::Systemd | Producer::Kernel => names_agent(line),
            Producer::Other(name) => self.writes_through(name, line, false),
            Producer::Source(name) => !is_foreign(line) && self.writes_through(name, line, true),
        };
        if !is_ours {
            self.others |= envelope.producer == Producer::Unnamed;
            return;
        }
        self.last = if envelope.is_wrapped() {
            let Some(place) = self.place(envelope) else {
                return;
            };
            place
        } else if self.joiners.len() > 1 && head(line).is_some() {
            0
        } else {
            // What comes without a wrapper continues what came before it.
            self.last
        };
        let joiner = &mut self.joiners[self.last];
        joiner.timed |= self.timed;
        let mut shown = Shown {
            start: false,
            others: self.others,
        };
        let line = Line {
            text: line,
            envelope,
            times,
            number: self.lines,
            is_event,
        };
        joiner.line(&line, keep, &mut shown, each);
        self.timed |= joiner.timed;
        self.others = shown.others;
        if shown.start && envelope.is_wrapped() {
            self.known.learn(&envelope.steps);
        }
    }

    /// Whether the agent writes through a program of this name: its records have a
    /// time like nobody else's, `04:19:04.0900`, or, which counts `by_tags`, tags.
    fn writes_through(&mut self, program: &str, line: &str, by_tags: bool) -> bool {
        let known = self.programs.iter().any(|known| **known == *program);
        let is_own = |head: Head<'_>| {
            let stamp = head.stamp.filter(|_| head.origin == Origin::File);
            stamp.is_some_and(|stamp| stamp.len() == "2026-11-23 04:19:04.0900".len())
                || by_tags && Tags::split(head.body).0.iter().any(is_agent_tag)
        };
        if !known && head(line).is_some_and(is_own) {
            self.programs.truncate(MAX_PROGRAMS - 1);
            self.programs.insert(0, program.into());
            return true;
        }
        known
    }

    /// Whose the line is; `None` where there are too many hosts.
    fn place(&mut self, envelope: &Envelope<'_>) -> Option<usize> {
        let named = (envelope.host.as_deref(), envelope.id.as_deref());
        let (last_host, last_id) = &self.last_named;
        if named == (last_host.as_deref(), last_id.as_deref()) {
            return Some(self.last_place);
        }
        let host = named.0.filter(|name| is_host(name));
        // Some put the id in the place of the name, or before a file's or a domain.
        let id = (named.1.and_then(NodeId::parse))
            .or_else(|| named.0.and_then(NodeId::from_stream_name));
        let host = host.filter(|name| NodeId::parse(name).is_none());
        let place = self.hosts.place(host, id.as_ref())?;
        if place == self.joiners.len() {
            self.joiners.push(Joiner::default());
        }
        if let Some(host) = self
            .hosts
            .get(place)
            .filter(|host| **host != Host::default())
        {
            self.joiners[place].name(host);
        }
        let text = |part: Option<&str>| part.map(Into::into);
        self.last_named = (text(named.0), text(named.1));
        self.last_place = place;
        Some(place)
    }
}

fn own<'a>(text: &str) -> Cow<'a, str> {
    Cow::Owned(text.to_owned())
}

/// The records of a whole text, each of its lines by itself.
pub fn records(text: &str) -> Vec<Record<'_>> {
    let mut reader = Reader::default();
    let mut records = Vec::new();
    for line in lines(text) {
        reader.text(line, None, Timestamp::UNIX_EPOCH, |record| {
            records.push(record.clone());
        });
    }
    reader.close(|record| records.push(record.clone()));
    records
}

#[cfg(test)]
mod tests;
