//! The lines of a paste, joined where they were broken and taken for what they
//! are.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;

use super::characters::{element, plain, visible};
use super::edge::Edge;
use super::forms::unfold;
use super::marks::{
    CLOSING, Mark, begins_log, closed, is_edge, is_item, is_quote, strip, strip_like, unclosed,
    without_code, without_number,
};
use super::wrap::Wrap;
use super::{Beginning, Kind, Line};
use crate::record::{
    Level, Opening, is_agent_tag, is_foreign, is_heading, opening, read_stamp, without_tags,
};

/// What is left of a head: date, time, level, each in the form in which people
/// leave it.
static FRAGMENT: LazyLock<Regex> = LazyLock::new(|| {
    let date = r"(?:(?P<date>\d{4}[-/.]\d\d[-/.]\d\d)|[XxYy]{4}[-/.][XxMm]{2}[-/.][XxDd]{2}|#{4}-##-##|\*{4}-\*\*-\*\*|\d\d?[/.]\d\d?[/.]\d{4}|[A-Z][a-z]{2} [ \d]\d)[ T,]+";
    let time = r"(?:(?P<time>\d\d:\d\d:\d\d(?:\.\d+)?)|\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?Z?|[XxHh]{2}:[XxMm]{2}(?::[XxSs]{2})?(?:\.[Xx]+)?|##:##:##|\*\*:\*\*:\*\*)[ ,|-]+";
    let level = r"(?i:[\[(<]?(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL)[\])>]?(?:\s*[:|-]\s*|\s+))";
    Regex::new(&format!("^(?:{date})?(?:{time})?(?:{level})?"))
        .expect("a regular expression that a test compiles")
});

/// A message of fewer letters may be anybody's, without a word of the agent beside it.
const DISTINCT: usize = 32;

/// A beginning of fewer letters says something with all else of its signature only.
const TELLING: usize = 20;

/// Errors of libraries that many programs print.
const ANYBODYS: [&str; 6] = [
    "NoCredentialProviders",
    "RequestError",
    "panic: ",
    "fatal error: ",
    "Stacktrace:",
    "Validation failed",
];

/// So many separate messages with sentences between are a list of errors.
const LISTED: usize = 3;

/// Of a list of so many items of which few are messages the others are prose.
const ITEMS: usize = 5;

/// How a line begins a record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// With the agent's head.
    Log,
    /// With its level; `known` where a signature or a tag of the agent follows.
    Level { known: bool },
    /// With its own words only.
    Headless { level: Level, at: Option<Timestamp> },
    /// With text of Go, the logger or the metadata service.
    Raw,
}

/// The lines of `text`, as [`super::read`].
pub(super) fn read<'t>(
    text: &'t str,
    begins: &dyn Fn(&str) -> Option<Beginning>,
) -> Option<Vec<Line<'t>>> {
    // Wide characters, read as bytes.
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return None;
    }
    if let Some(text) = visible(text) {
        let whole = || vec![of(0, Cow::Borrowed(text.as_str()), Kind::Line)];
        let lines = read(&text, begins).unwrap_or_else(whole);
        return Some(lines.into_iter().map(Line::into_owned).collect());
    }
    let lines: Vec<&str> = crate::record::lines(text)
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    // An object over several lines is one line of its shipper.
    let is_object = text.starts_with(['{', '[']) && text.trim_end().ends_with(['}', ']']);
    if is_object && opening(text) == Some(Opening::Log) {
        return None;
    }
    if let Some(rows) = unfold(text) {
        let lines = read(&rows.text, begins).unwrap_or_else(|| as_they_are(&rows.text));
        let of_text = |line: Line<'_>| Line {
            number: rows.number(line.number),
            ..line.into_owned()
        };
        return Some(lines.into_iter().map(of_text).collect());
    }
    match (lines.iter()).position(|line| begins_log(line)) {
        Some(first) => unbroken(text, &lines, first),
        None => Some(Paste::new(&lines, &begins).read()),
    }
}

/// The lines of a log.
fn as_they_are(text: &str) -> Vec<Line<'_>> {
    let lines = crate::record::lines(text).enumerate();
    let of = |(at, line)| of(at, Cow::Borrowed(line), Kind::Line);
    lines.map(of).collect()
}

/// The lines of a log, those joined that were broken within words, and the
/// first taken out of the fence that it is pasted in.
fn unbroken<'t>(text: &str, lines: &[&'t str], first: usize) -> Option<Vec<Line<'t>>> {
    let goes_on = |at: usize| {
        let line = lines[at];
        let begins = opening(line).is_some() && !(at > 0 && ends_in_stamp(lines[at - 1]));
        !line.is_empty() && !begins && !is_own_line(line)
    };
    let fenced = lines[..first].iter().any(|line| in_fence(line).is_some());
    // The source of a page has no quotation marks of its own.
    let page = ["&#", "&quot;", "&apos;", "&amp;"]
        .iter()
        .any(|entity| text.contains(entity))
        && !(lines.iter()).any(|line| !line.starts_with('<') && line.contains(['"', '\'']))
        || text.contains("\"<http");
    let written = |(at, line): (usize, &&'t str)| {
        let line = in_fence(line).filter(|_| at < first).unwrap_or(line);
        match page {
            true => plain(line),
            false => Cow::Borrowed(line),
        }
    };
    let written: Vec<Cow<'t, str>> = lines.iter().enumerate().map(written).collect();
    let rows: Vec<&str> = written.iter().map(|line| &**line).collect();
    let edge = Edge::of(&rows, goes_on);
    let wrap = Wrap::of(&rows, &rows, goes_on).filter(|_| !edge.is_known());
    let is_cut = |line: &str| wrap.is_none() && edge.cuts(line);
    if wrap.is_none() && !fenced && !page && !rows.iter().any(|line| is_cut(line)) {
        return None;
    }
    let mut all: Vec<Line<'t>> = Vec::with_capacity(lines.len());
    for (at, line) in written.iter().enumerate() {
        let joint = (at > 0 && goes_on(at))
            .then(|| wrap?.joint(rows[at - 1], rows[at]))
            .flatten();
        if let (Some(wrap), Some(joint), Some(before)) = (wrap, joint, all.last_mut()) {
            wrap.append(before.text.to_mut(), joint, line);
            before.joined = true;
            continue;
        }
        all.push(Line {
            cut: is_cut(line),
            ..of(at, line.clone(), Kind::Line)
        });
    }
    Some(all)
}

/// The log's line behind a fence or the name of who pastes it.
fn in_fence(line: &str) -> Option<&str> {
    let accept = |rest, marks: &[Mark]| {
        let fenced = marks
            .iter()
            .any(|mark| matches!(mark, Mark::Code | Mark::Clock | Mark::Name));
        (fenced && opening(rest) == Some(Opening::Log)).then_some(rest)
    };
    strip(line, accept).map(|(rest, _)| rest)
}

fn of<'t>(at: usize, text: Cow<'t, str>, kind: Kind) -> Line<'t> {
    Line {
        number: at as u64 + 1,
        text,
        kind,
        cut: false,
        joined: false,
    }
}

/// Whether a line ends within a head: the level is still to come.
fn ends_in_stamp(line: &str) -> bool {
    static STAMP: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\d{4}-\d\d-\d\d(?: \d\d(?::\d\d){0,2}(?:\.\d+)?)?$")
            .expect("a regular expression that a test compiles")
    });
    STAMP.is_match(line.trim_end())
}

/// Whether a line is one of its own within a record of several lines.
fn is_own_line(line: &str) -> bool {
    let text = line.trim_start();
    line.starts_with(['\t', '<', '{', '}'])
        || is_heading(line)
        || ["caused by:", "status code:", "#011", "goroutine ", "<"]
            .iter()
            .any(|start| text.starts_with(start))
}

/// A text in which no line begins as the agent begins one.
struct Paste<'p, B> {
    lines: Vec<Cow<'p, str>>,
    begins: &'p B,
    /// Whether the text names the agent or what it calls.
    of_agent: bool,
}

/// A line as it was before it was broken.
struct Whole<'p> {
    at: usize,
    text: Cow<'p, str>,
    start: Option<(Start, usize)>,
    marks: Vec<Mark>,
    /// More of it stood behind the edge of a screen.
    cut: bool,
    joined: bool,
}

impl<'p, B: Fn(&str) -> Option<Beginning>> Paste<'p, B> {
    fn new(lines: &[&'p str], begins: &'p B) -> Self {
        let of_agent = |line: &&str| {
            [
                "ssm-agent",
                "SSM Agent",
                "Systems Manager",
                "ssmmessages",
                "ec2messages",
                "ssm.",
                "ssm:",
                "amazon/ssm",
                "Amazon\\SSM",
                "StartSession",
                "SendCommand",
                "SessionManager",
            ]
            .iter()
            .any(|name| line.contains(name))
        };
        Self {
            of_agent: lines.iter().any(of_agent),
            lines: (lines.iter())
                .map(|line| {
                    let line = plain(line);
                    let bare = without_number(line.trim_start()).unwrap_or(&line);
                    element(bare.trim_start_matches(is_edge)).map_or(line, Cow::Owned)
                })
                .collect(),
            begins,
        }
    }

    fn read<'t>(&self) -> Vec<Line<'t>> {
        let mut lines = self.whole();
        let any = |wanted: fn(Start) -> bool| {
            lines
                .iter()
                .any(|line| line.start.is_some_and(|(start, _)| wanted(start)))
        };
        let timed = any(|start| start == Start::Log);
        let levelled = !timed && any(|start| start == Start::Level { known: true });
        for line in &mut lines {
            line.start = line.start.filter(|(start, _)| match start {
                Start::Log | Start::Raw => true,
                Start::Level { .. } => !timed && (levelled || line.marks.is_empty()),
                Start::Headless { .. } => !timed && !levelled,
            });
        }
        if !timed && !levelled && is_list_of_errors(&lines) {
            return Vec::new();
        }
        let mut all = Vec::new();
        let mut open: Option<&Whole<'_>> = None;
        let mut depth = 0_usize;
        for line in &lines {
            let own = |text: &str, kind| Line {
                cut: line.cut,
                joined: line.joined,
                ..of(line.at, Cow::Owned(text.to_owned()), kind)
            };
            if let Some((start, from)) = line.start {
                let Some(body) = closed(&line.text[from..], &line.marks) else {
                    continue;
                };
                let kind = match start {
                    Start::Headless { .. } if depth > 0 || self.goes_on_in(line) => continue,
                    Start::Headless { level, at } => Kind::Headless { level, at },
                    Start::Log | Start::Level { .. } | Start::Raw => Kind::Line,
                };
                all.push(own(body, kind));
                open = Some(line);
                depth = 0;
                continue;
            }
            let named = |rest, _: &[Mark]| is_heading(rest).then_some(rest);
            if let Some((heading, _)) = strip(&line.text, named) {
                all.push(own(heading, Kind::Line));
                open = None;
                continue;
            }
            let text = match open {
                Some(open) => strip_like(&line.text, &open.marks),
                None => &line.text,
            };
            if text.trim().is_empty() {
                continue;
            }
            let goes_on = open.is_some_and(|open| {
                let quoted = |line: &Whole<'_>| line.text.trim_start().starts_with(['>', '|']);
                match open.start {
                    Some((Start::Headless { .. }, _)) => {
                        is_own_line(text) || text.starts_with("  ") || text.starts_with('"')
                    }
                    Some(_) | None => !is_fence(text) && (quoted(line) || !quoted(open)),
                }
            });
            if goes_on {
                all.push(own(text, Kind::Line));
            } else {
                // Who asks about the agent names it.
                let program = is_foreign(text) || !self.of_agent && !is_fence(text);
                if open.take().is_some() || program {
                    all.push(own("", Kind::Foreign { program }));
                }
            }
            if open.is_none() {
                depth = depth_after(depth, text);
            }
        }
        all
    }

    /// Whether a sentence of whoever writes the text goes on in `line`.
    fn goes_on_in(&self, line: &Whole<'_>) -> bool {
        const OWN: [&str; 10] = [
            "i", "i'm", "we", "my", "our", "you", "your", "somebody", "someone", "anyone",
        ];
        let is_own = |word: &str| OWN.iter().any(|own| word.eq_ignore_ascii_case(own));
        let mut before = (self.lines[..line.at].iter().rev())
            .map(|line| line.trim_end_matches(is_closing))
            .take_while(|line| !line.is_empty())
            .take(3)
            .peekable();
        (before.peek())
            .is_some_and(|line| line.ends_with(|end: char| end.is_alphanumeric() || end == ','))
            && before.any(|line| line.split([' ', ',']).any(is_own))
    }

    /// The lines, joined where they were broken.
    fn whole(&self) -> Vec<Whole<'_>> {
        let starts: Vec<Option<(Start, usize, Vec<Mark>)>> =
            self.lines.iter().map(|line| self.start(line)).collect();
        let shape = (starts.iter().flatten())
            .map(|(_, _, marks)| marks.clone())
            .next();
        let shape = shape.unwrap_or_default();
        let bodies: Vec<&str> = (self.lines.iter())
            .map(|line| strip_like(line, &shape))
            .collect();
        // What opens a fence makes its own row longer.
        let lines: Vec<&str> = self.lines.iter().map(|line| without_code(line)).collect();
        let goes_on = |at: usize| {
            let body = bodies[at];
            let begins = starts[at].is_some() && !(at > 0 && ends_in_stamp(lines[at - 1]));
            !begins && !body.trim().is_empty() && !is_fence(body) && !is_own_line(body)
        };
        let edge = Edge::of(&lines, goes_on);
        let (measured, wrap) = [&lines, &bodies]
            .map(|lines| (lines, Wrap::of(lines, &bodies, goes_on)))
            .into_iter()
            .filter(|(_, wrap)| wrap.is_some() && !edge.is_known())
            .max_by_key(|(_, wrap)| wrap.map(Wrap::clearness))
            .unwrap_or((&bodies, None));
        let mut all: Vec<Whole<'_>> = Vec::with_capacity(lines.len());
        for (at, line) in self.lines.iter().enumerate() {
            let words = matches!(starts[at], Some((Start::Headless { .. }, _, _)));
            // Within a sentence words of another message are none.
            let within = words && bodies[at].trim_start().starts_with(char::is_lowercase);
            let may = goes_on(at) || within && without_tags(bodies[at]).0.is_none();
            let joint = (at > 0 && may && !bodies[at - 1].trim().is_empty())
                .then(|| wrap?.joint(measured[at - 1], bodies[at]))
                .flatten();
            if let (Some(wrap), Some(joint), Some(before)) = (wrap, joint, all.last_mut()) {
                if let Some((_, _, marks)) = &starts[at - 1] {
                    let row = unclosed(&before.text, marks).len();
                    before.text.to_mut().truncate(row);
                }
                wrap.append(before.text.to_mut(), joint, bodies[at]);
                before.start = None;
                before.joined = true;
                continue;
            }
            all.push(Whole {
                at,
                text: Cow::Borrowed(line),
                start: None,
                marks: Vec::new(),
                cut: wrap.is_none() && edge.cuts(lines[at]),
                joined: false,
            });
        }
        for line in &mut all {
            if let Some((start, from, marks)) = self.start(&line.text) {
                line.start = Some((start, from));
                line.marks = marks;
            }
        }
        all
    }

    /// How `line` begins a record, and where, after which marks.
    fn start(&self, line: &str) -> Option<(Start, usize, Vec<Mark>)> {
        let accept = |rest: &str, marks: &[Mark]| {
            let from = line.len() - rest.len();
            let named = marks.contains(&Mark::Name) && !marks.contains(&Mark::Clock);
            if begins_log(rest) {
                return Some((Start::Log, from));
            }
            let found = opening(rest).filter(|found| *found != Opening::Log);
            if rest.is_empty() || rest.starts_with(is_mark_of_text) {
                return None;
            }
            let words = self.level_of(rest, rest, false).filter(|_| !named);
            if let Some(level) = words.filter(|_| found.is_none()) {
                return Some((Start::Headless { level, at: None }, from));
            }
            let head = FRAGMENT.captures(rest)?;
            let body_at = head.get(0).map_or(0, |head| head.end());
            let level = (head.name("level")).filter(|level| {
                Level::parse(level.as_str()).is_some()
                    && opening(&rest[level.start()..]) == Some(Opening::Level)
            });
            let known = self.level_of(&rest[body_at..], rest, level.is_some());
            if let Some(level) = level
                && (known.is_some() || level.start() == 0)
            {
                let start = Start::Level {
                    known: known.is_some(),
                };
                return Some((start, from + level.start()));
            }
            if let Some(level) = known.filter(|_| !named) {
                let stamp = head.name("date").zip(head.name("time"));
                let at = stamp.and_then(|(date, time)| {
                    read_stamp(&format!(
                        "{} {}",
                        date.as_str().replace('/', "-"),
                        time.as_str()
                    ))
                });
                return Some((Start::Headless { level, at }, from + body_at));
            }
            (found == Some(Opening::Raw)).then_some((Start::Raw, from))
        };
        strip(line, accept).map(|((start, from), marks)| (start, from, marks))
    }

    /// The level of a signature that begins as `body` does, or of a record whose
    /// tag is the agent's. Behind a level as the agent writes it, `levelled`, fewer letters
    /// show that it is the agent's.
    fn level_of(&self, body: &str, rest: &str, levelled: bool) -> Option<Level> {
        // A question asks about the message.
        if body.trim_end_matches(is_closing).ends_with('?') {
            return None;
        }
        let (tag, message) = without_tags(body);
        let begins = (self.begins)(message);
        match tag {
            Some(tag) if is_agent_tag(tag) => {
                return Some(begins.map_or(Level::Info, |begins| begins.level));
            }
            Some(_) => return None,
            None => {}
        }
        let begins = begins?;
        let telling = begins.whole || begins.length >= TELLING;
        let agents = begins.length >= DISTINCT || self.of_agent || levelled;
        let anybodys = ANYBODYS
            .iter()
            .any(|start| rest.starts_with(start) || body.starts_with(start));
        (telling && agents && !anybodys).then_some(begins.level)
    }
}

/// What is taken off before a message is looked for.
fn is_mark_of_text(character: char) -> bool {
    character.is_whitespace() || is_quote(character)
}

/// What may stand behind the last letter of a line.
fn is_closing(character: char) -> bool {
    character.is_whitespace() || CLOSING.contains(&character)
}

fn is_fence(text: &str) -> bool {
    let text = text.trim();
    ["```", "~~~", "{code", "{noformat", "</", "<pre>", "<code>"]
        .iter()
        .any(|fence| text.starts_with(fence))
}

fn depth_after(depth: usize, text: &str) -> usize {
    text.bytes().fold(depth, |depth, byte| match byte {
        b'{' => depth + 1,
        b'}' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Less the tags, edges and marks that a line ends in.
fn without_end(line: &str) -> &str {
    let text = line.trim_end_matches(|end| is_closing(end) || "\\$'\u{2502}".contains(end));
    let tag = text.strip_suffix('>').and_then(|tag| tag.rsplit_once('<'));
    match tag {
        Some((before, _)) => without_end(before),
        None => text,
    }
}

/// Whether the text explains messages, as a page of documentation does: sentences
/// stand between them.
fn is_list_of_errors(lines: &[Whole<'_>]) -> bool {
    let is_sentence = |text: &str| {
        let text = without_end(text);
        text.ends_with(['.', ':', '?', '!', '\u{3002}', '\u{ff1a}'])
            && (text.split_whitespace().count() >= 7 || !text.is_ascii())
    };
    let starts = lines.iter().filter_map(|line| line.start);
    // Nobody explains what is well.
    let is_quiet = |start| matches!(start, Start::Headless { level, .. } if !level.is_trouble());
    if starts.clone().any(|(start, _)| is_quiet(start)) {
        return false;
    }
    let read = starts.count();
    let items = lines.iter().filter(|line| is_item(&line.text)).count();
    if read > 0 && items >= ITEMS && read * 4 <= items {
        return true;
    }
    let mut messages = 0;
    let mut between = true;
    for line in lines {
        match line.start {
            Some((Start::Headless { .. }, _)) => {
                messages += usize::from(std::mem::take(&mut between))
            }
            Some(_) => {}
            None => between |= is_sentence(&line.text),
        }
    }
    messages >= LISTED
}
