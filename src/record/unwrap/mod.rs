//! What stands around a line when it comes: the prefix of syslog or of a
//! container runtime, the object of a shipper, one within the other.
//!
//! A wrapper is one file with the function that takes it off, and one line in
//! [`WRAPPERS`]. Which of several texts is the line is decided by what it reads
//! like; a name helps only where a text does not read like the start of a record.

mod aws;
mod behind;
mod colours;
mod columns;
mod cri;
mod embedded;
mod file;
mod fluentbit;
mod json;
mod logfmt;
mod octet;
mod own_head;
mod prefix;
mod program;
mod stamp;
mod syslog;
mod windows;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub(crate) use colours::without_colours;
pub(crate) use file::is_heading;
pub(super) use file::{heading, is_bare};
pub(super) use program::Producer;
pub(crate) use program::{is_foreign, names_agent};
pub(super) use stamp::{Stamp, zone_between};

use super::Origin;
use super::head::{begins_record, head};
use super::text::without_last;
use crate::machine::Machine;

/// Tried in this order on a line that does not begin as the agent's own do.
const WRAPPERS: [Wrapper; 13] = [
    json::open,
    cri::open,
    octet::open,
    syslog::open,
    fluentbit::open,
    aws::open,
    logfmt::open,
    prefix::open,
    windows::open,
    embedded::open,
    file::open,
    columns::open,
    behind::open,
];

/// All but the last: what stands behind anything tells nothing of what it stands in.
const LISTED: usize = WRAPPERS.len() - 1;

/// Those of them in which lines may come without a time near their start.
const TIMELESS: [Step; 5] = [
    step(6, 0),
    step(7, 0),
    step(10, 0),
    step(11, 0),
    step(12, 0),
];

/// Takes one wrapper off a line; `None` where it is none.
type Wrapper = for<'a> fn(&'a str, &Context<'_>) -> Option<Opened<'a>>;

/// So many wrappers one within the other are taken off.
pub(super) const MAX_DEPTH: usize = 4;

/// One wrapper: its place in the list, and where in it the line was.
type Step = u32;

/// The wrappers around a line, the outermost first.
pub(super) type Steps = [Step; MAX_DEPTH];

/// What its wrappers say of a line. Of two the inner one counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Envelope<'a> {
    /// The host's name.
    pub host: Option<Cow<'a, str>>,
    /// The id of the instance or hybrid node.
    pub id: Option<Cow<'a, str>>,
    /// When the line was written, or taken up.
    pub at: Option<Stamp<'a>>,
    pub producer: Producer<'a>,
    /// What the wrapper shows of the machine.
    pub machine: Machine,
    /// The rest of the line comes in a further wrapper.
    pub partial: bool,
    pub steps: Steps,
}

/// Around a line without a wrapper: made once, for most lines have none.
pub(super) static NONE: Envelope<'_> = Envelope {
    host: None,
    id: None,
    at: None,
    producer: Producer::Unnamed,
    machine: Machine::UNKNOWN,
    partial: false,
    steps: [0; MAX_DEPTH],
};

impl<'a> Envelope<'a> {
    /// Adds what another envelope says, in which this one came. A shipper that does
    /// not tell the program passes on what another program than itself wrote.
    fn put_within(&mut self, outer: &Envelope<'a>, depth: usize) {
        if !outer.is_wrapped() {
            return;
        }
        let step = self.steps[0];
        self.steps = outer.steps;
        if let Some(place) = self.steps.get_mut(depth) {
            *place = step;
        }
        if self.host.is_none() {
            self.host.clone_from(&outer.host);
        }
        if self.id.is_none() {
            self.id.clone_from(&outer.id);
        }
        if self.at.is_none() {
            self.at.clone_from(&outer.at);
        }
        if let (Producer::Unnamed, source @ Producer::Source(_)) = (&self.producer, &outer.producer)
        {
            self.producer = source.clone();
        }
        self.machine = self.machine.and(outer.machine);
    }

    /// Whether any wrapper stood around the line.
    pub(super) fn is_wrapped(&self) -> bool {
        self.steps[0] != 0
    }
}

/// A line with one wrapper off.
#[derive(Debug, PartialEq)]
pub(super) struct Opened<'a> {
    pub text: Cow<'a, str>,
    pub envelope: Envelope<'a>,
    /// Further lines that came in the same wrapper.
    pub more: Vec<Opened<'a>>,
}

impl<'a> Opened<'a> {
    fn new(text: impl Into<Cow<'a, str>>, envelope: Envelope<'a>) -> Self {
        Self {
            text: text.into(),
            envelope,
            more: Vec::new(),
        }
    }

    fn envelopes(&mut self) -> impl Iterator<Item = &mut Envelope<'a>> {
        let more = self.more.iter_mut().map(|one| &mut one.envelope);
        std::iter::once(&mut self.envelope).chain(more)
    }

    /// Where in its wrapper the line was, as a hash.
    fn at_path(mut self, path: Step) -> Self {
        self.envelope.steps[0] = path;
        self
    }
}

/// What is known when a line is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'k> {
    pub known: &'k Known,
    /// How many wrappers are off already.
    pub depth: usize,
}

impl Context<'_> {
    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// In what records of a stream came: what continues one comes in the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Known([Step; 8]);

impl Known {
    pub(super) fn learn(&mut self, steps: &Steps) {
        for step in steps.iter().copied().take_while(|step| *step != 0) {
            if !self.0.contains(&step) {
                self.0.rotate_right(1);
                self.0[0] = step;
            }
        }
    }

    /// Whether no record came in a wrapper.
    fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Whether a record came at this place of its wrapper.
    fn has(&self, path: Step) -> bool {
        let mut steps = self.0.iter().take_while(|step| **step != 0);
        steps.any(|step| step >> 4 == path << 4 >> 4)
    }

    fn is_timeless(&self) -> bool {
        self.0.iter().any(|step| TIMELESS.contains(&(step & 15)))
    }
}

const fn step(index: usize, path: Step) -> Step {
    // Never zero, which stands for no wrapper.
    (path << 4) | (index as Step + 1)
}

/// Takes the outermost wrapper off `line`, says in what it came within `outer`, and
/// puts it into its place: it is large, and moved seldom.
#[inline]
pub(super) fn open_into<'a>(
    line: &'a str,
    outer: &Envelope<'a>,
    context: &Context<'_>,
    opened: &mut Option<Opened<'a>>,
) {
    if may_be_wrapped(line, context.known) {
        open_within(line, outer, context, opened);
    }
}

/// As [`open_into`], within nothing.
pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let mut opened = None;
    open_into(line, &NONE, context, &mut opened);
    opened
}

fn open_within<'a>(
    line: &'a str,
    outer: &Envelope<'a>,
    context: &Context<'_>,
    opened: &mut Option<Opened<'a>>,
) {
    // What comes out of a wrapper has no colours any more.
    if context.depth > 0 {
        take_off(line, &WRAPPERS, context, opened);
    } else if line.starts_with('{') {
        // Its texts lose them one by one.
        take_off(line, &WRAPPERS[..1], context, opened);
    }
    if context.depth == 0 && opened.is_none() {
        match without_colours(line) {
            Cow::Borrowed(line) => take_off(line, &WRAPPERS, context, opened),
            Cow::Owned(line) => {
                let mut plain = None;
                take_off(&line, &WRAPPERS, context, &mut plain);
                *opened = plain.map(json::into_owned);
            }
        }
    }
    for envelope in opened.iter_mut().flat_map(Opened::envelopes) {
        envelope.put_within(outer, context.depth);
    }
}

/// Puts what the first of `wrappers` opens that can into its place.
fn take_off<'a>(
    line: &'a str,
    wrappers: &[Wrapper],
    context: &Context<'_>,
    opened: &mut Option<Opened<'a>>,
) {
    if context.depth >= MAX_DEPTH {
        return;
    }
    for (index, wrapper) in wrappers.iter().enumerate() {
        if let Some(found) = wrapper(line, context) {
            let opened = opened.insert(found);
            for envelope in opened.envelopes() {
                envelope.steps[0] = step(index, envelope.steps[0]);
            }
            return;
        }
    }
}

/// The cheap test in front: most lines begin as the agent writes them, or go on
/// with what it wrote.
#[inline]
pub(super) fn may_be_wrapped(line: &str, known: &Known) -> bool {
    match line.as_bytes() {
        [b'0'..=b'9', ..] => !begins_as_the_agent(line.as_bytes()),
        [b'{' | b'<' | b'"' | b'[', ..] => true,
        // What most records of several lines go on with.
        [b'c' | b's', ..] if line.starts_with("caused ") || line.starts_with("status ") => false,
        [
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'/'
            | b'\\'
            | b'.'
            | b'~'
            | b'='
            | b'@'
            | b'#'
            | b'+'
            | 0x80..,
            ..,
        ] => may_be_prefixed(line.as_bytes(), known),
        _ => false,
    }
}

/// Whether a level follows a time, each where the agent writes it.
fn begins_as_the_agent(bytes: &[u8]) -> bool {
    let dated = bytes.len() > 25 && bytes[4] == b'-' && bytes[10] == b' ';
    let level = match bytes.get(19) {
        Some(b'.') if bytes.get(24) == Some(&b' ') => bytes.get(25),
        Some(b' ') => bytes.get(20),
        Some(_) | None => None,
    };
    dated && level.is_some_and(|byte| b"TDIWEC".contains(byte))
}

/// Whether a wrapper may begin with this line's first word.
fn may_be_prefixed(bytes: &[u8], known: &Known) -> bool {
    has_clock(bytes)
        || matches!(bytes.last(), Some(b'}' | b']' | b'>'))
        || known.is_timeless()
        || bytes.starts_with(b"EVENTS\t")
}

/// Whether a time of day, `04:19:04`, stands near the start.
fn has_clock(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(160)];
    let mut colons = memchr::memchr_iter(b':', start);
    colons.any(|at| {
        let digit = |at: usize| start.get(at).is_some_and(u8::is_ascii_digit);
        start.get(at + 3) == Some(&b':')
            && digit(at.wrapping_sub(1))
            && digit(at + 1)
            && digit(at + 2)
            && digit(at + 4)
    })
}

/// How much a text reads like a line of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reads {
    /// A level, or Go's own words, without a time.
    Bare,
    /// The start of a record, or what systemd or the kernel tell of the agent.
    Record,
}

/// What the first line of `text` reads like, wrappers and all.
fn reads(text: &str, context: &Context<'_>) -> Option<Reads> {
    let text = text.trim_start_matches(['\n', '\r']);
    let text = text.strip_prefix(' ').unwrap_or(text);
    let line = || without_last(super::text::lines(text).next().unwrap_or_default(), b'\r');
    match head(text).or_else(|| head(line())).map(|head| head.origin) {
        Some(Origin::File) => return Some(Reads::Record),
        Some(_) => return Some(Reads::Bare),
        None => {}
    }
    let whole = if text.starts_with('{') { text } else { line() };
    if !may_be_wrapped(whole, context.known) {
        return None;
    }
    let mut opened = None;
    take_off(whole, &WRAPPERS[..LISTED], context, &mut opened);
    let opened = opened?;
    match opened.envelope.producer {
        Producer::Agent => Some(Reads::Record),
        Producer::Systemd | Producer::Kernel => names_agent(&opened.text).then_some(Reads::Record),
        Producer::Unnamed | Producer::Source(_) => reads(&opened.text, &context.deeper()),
        // A relay that hands on an object.
        Producer::Other(_) if opened.text.starts_with('{') => {
            reads(&opened.text, &context.deeper())
        }
        Producer::Other(_) => None,
    }
}

/// Whether a wrapper stands around `text`.
fn is_wrapped(text: &str, context: &Context<'_>) -> bool {
    let mut opened = None;
    if may_be_wrapped(text, context.known) {
        take_off(text, &WRAPPERS[..LISTED], context, &mut opened);
    }
    opened.is_some()
}

/// Whether a wrapper can begin here.
fn begins_wrapped(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'<' | b'{' | b'[') => true,
        Some(_) => logfmt::begins_field(text) || stamp::bsd(text).is_some(),
        None => false,
    }
}

/// A hash of the names on the way to a value: eight bytes at a time, multiplied
/// and folded.
fn path_hash(seed: Step, name: &str) -> Step {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        (product >> 64) as u64 ^ product as u64
    };
    let (words, rest) = name.as_bytes().as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = (rest.iter()).fold(1, |word, byte| word << 8 | u64::from(*byte));
    words.chain([rest]).fold(!u64::from(seed), fold) as Step
}

/// How the lines begin by which the agent's records go on.
fn is_continuation(text: &str) -> bool {
    [
        "\t",
        "  ",
        "caused by:",
        "#011",
        "<",
        "{",
        "}",
        "status code:",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// A name by which a host can be known; `localhost` is every host's.
pub(super) fn is_host(name: &str) -> bool {
    let shaped = name.len() <= 253
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
        && name.bytes().any(|b| b.is_ascii_alphanumeric());
    let lower = name.to_ascii_lowercase();
    shaped && !(lower == "unknown" || lower.starts_with("localhost") || lower.starts_with("127."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_own_lines_are_not_looked_at_twice() {
        for line in [
            "2024-11-04 10:02:44.9629 ERROR [Registrar] x",
            "2018-05-08 10:58:39 INFO [instanceID=i-X] x",
            "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF",
            "\tstatus code: 400, request id: x",
            "status code: 0, request id: ",
            "ERROR [HealthCheck] x",
            "",
        ] {
            assert!(!may_be_wrapped(line, &Known::default()), "{line}");
        }
    }

    #[test]
    fn wrappers_end_at_a_depth() {
        let mut line = "2024-11-04 10:02:44.9629 ERROR [Registrar] x".to_owned();
        for _ in 0..MAX_DEPTH + 3 {
            line = serde_json::json!({ "log": line }).to_string();
        }
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        assert!(open(&line, &context).is_none());
    }
}
