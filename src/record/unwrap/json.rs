//! The object of a shipper: Docker's json-file, Fluent Bit, Fluentd, Filebeat,
//! Vector, Datadog, OpenTelemetry, `journalctl -o json`, the CloudWatch agent,
//! a log transformer, and whoever else puts the line into a string.
//!
//! The line is the text that reads like one, wherever it stands. What continues
//! a record reads like nothing: it stands where the record stood.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::program::{Producer, machine_of, names_agent};
use super::{Context, Envelope, Opened, Reads, Stamp, Step, path_hash, reads};
use crate::machine::{Environment, Machine};
use crate::node::NodeId;

/// No time, id or name of a host or program is longer.
const MAX_FIELD: usize = 253;

/// Docker cuts a line at this size; the last part alone ends with a line end.
const DOCKER_PART: usize = 16 * 1024;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let start = line.trim_start();
    let within = start.trim_start_matches('[').trim_start();
    if !(start.starts_with('{') || start.starts_with('[') && within.starts_with('{')) {
        return None;
    }
    let mut found = None;
    if !read(start, context, &mut found) {
        // Half a surrogate pair is no text to the reader of JSON.
        found = open_other(&without_surrogates(start)?, context);
    }
    found
}

/// What an object says that was made of another form.
pub(super) fn open_other<'b>(object: &str, context: &Context<'_>) -> Option<Opened<'b>> {
    let mut found = None;
    read(object, context, &mut found)
        .then_some(found)?
        .map(into_owned)
}

/// Puts what was found into its place. Whether it is JSON.
fn read<'a>(line: &'a str, context: &Context<'_>, found: &mut Option<Opened<'a>>) -> bool {
    let mut json = serde_json::Deserializer::from_str(line);
    let seen = Cell::new(0);
    // Firehose writes objects one after another.
    loop {
        let mut scope = Scope::default();
        let walk = Walk {
            scope: &mut scope,
            // What the line stands in at one depth says nothing of another.
            path: context.depth as Step,
            parent: "",
            key: "",
            context,
            seen: &seen,
            is_whole: true,
            is_element: false,
        };
        if walk.deserialize(&mut json).is_err() {
            return false;
        }
        match found {
            Some(first) => first.more.extend(scope.open(None)),
            None => *found = scope.open(None),
        }
        if json.end().is_ok() {
            return true;
        }
    }
}

fn without_surrogates(line: &str) -> Option<String> {
    let mut whole = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("\\u").filter(|at| rest.len() >= at + 6) {
        let code = rest.get(at + 2..at + 6)?;
        whole.push_str(&rest[..at]);
        let half = matches!(
            code.as_bytes(),
            [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
        );
        whole.push_str(if half { "\\ufffd" } else { &rest[at..at + 6] });
        rest = &rest[at + 6..];
    }
    whole.push_str(rest);
    (whole != line).then_some(whole)
}

pub(super) fn into_owned<'b>(opened: Opened<'_>) -> Opened<'b> {
    let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let envelope = opened.envelope;
    Opened {
        text: own(opened.text),
        envelope: Envelope {
            host: envelope.host.map(own),
            id: envelope.id.map(own),
            at: envelope.at.map(Stamp::into_owned),
            producer: envelope.producer.into_owned(),
            machine: envelope.machine,
            partial: envelope.partial,
            steps: envelope.steps,
        },
        more: opened.more.into_iter().map(into_owned).collect(),
    }
}

/// How sure it is that a text is the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Only its name says so: enough where the program is named.
    Named,
    /// A record of this stream stood there.
    Known,
    Bare,
    Record,
}

/// What one object, or one element of an array, says.
#[derive(Default)]
struct Scope<'a> {
    best: Option<(Rank, Step, Cow<'a, str>)>,
    host: Option<(u8, Cow<'a, str>)>,
    id: Option<Cow<'a, str>>,
    at: Option<Stamp<'a>>,
    program: Option<Cow<'a, str>>,
    machine: Machine,
    partial: bool,
    last_part: bool,
    /// `{"key": …, "value": …}`, as OpenTelemetry writes attributes, or
    /// `field` and `value`, as CloudWatch Logs Insights does.
    attribute: (Option<Cow<'a, str>>, Option<Cow<'a, str>>),
    more: Vec<Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// The line, with what the objects around this one say of it.
    fn open(&mut self, outer: Option<&Envelope<'a>>) -> Option<Opened<'a>> {
        let outer_machine = outer.map_or(Machine::default(), |outer| outer.machine);
        let producer = match self.program.take() {
            Some(Cow::Borrowed(name)) => Producer::named(name),
            Some(Cow::Owned(name)) => Producer::named(&name).into_owned(),
            None => outer.map_or(Producer::Unnamed, |outer| outer.producer.clone()),
        };
        let outer = |part: fn(&Envelope<'a>) -> Option<Cow<'a, str>>| outer.and_then(part);
        let envelope = Envelope {
            host: (self.host.take())
                .map(|(_, host)| host)
                .or_else(|| outer(|it| it.host.clone())),
            id: self.id.take().or_else(|| outer(|it| it.id.clone())),
            at: self.at.take(),
            producer,
            machine: outer_machine.and(self.machine),
            partial: self.partial && !self.last_part,
            ..Envelope::default()
        };
        let known = matches!(
            envelope.producer,
            Producer::Agent | Producer::Systemd | Producer::Kernel
        );
        let best = (self.best.take()).filter(|(rank, _, _)| known || *rank > Rank::Named);
        let mut more = Vec::new();
        for scope in &mut self.more {
            more.extend(scope.open(Some(&envelope)));
        }
        let Some((_, path, text)) = best else {
            let mut first = (!more.is_empty()).then(|| more.remove(0))?;
            first.more.extend(more);
            return Some(first);
        };
        let mut opened = Opened::new(text, envelope).at_path(path);
        opened.more = more;
        Some(opened)
    }

    fn field(&mut self, parent: &str, key: &str, text: &str, own: impl Fn() -> Cow<'a, str>) {
        // Without a jump within: few names have one.
        let dotted = key.bytes().fold(false, |any, byte| any | (byte == b'.'));
        let apart = dotted.then(|| key.rsplit_once('.')).flatten();
        let (parent, key) = apart.unwrap_or((parent, key));
        if (text.starts_with("i-") || text.starts_with("mi-"))
            && (of_host(key) || of_host(parent))
            && NodeId::parse(text).is_some()
        {
            self.id = Some(own());
            return;
        }
        match (parent, key) {
            ("kubernetes", _) => self.machine.add(Environment::Kubernetes),
            (_, "ecs_cluster" | "ecs_task_arn") => self.machine.add(Environment::Ecs),
            (_, "CONTAINER_ID" | "CONTAINER_NAME" | "container_id") => {
                self.machine.add(Environment::Container);
            }
            // Only a container's output tells these apart.
            (_, "stream" | "iostream") if matches!(text, "stdout" | "stderr") => {
                self.machine.add(Environment::Container);
            }
            (_, "SYSLOG_IDENTIFIER" | "_SYSTEMD_UNIT" | "ident") => {
                self.machine = self.machine.and(machine_of(text));
            }
            _ => {}
        }
        match (parent, key) {
            ("kubernetes", "host")
            | (
                _,
                "_HOSTNAME" | "node_name" | "nodeName" | "computer_name" | "Computer"
                | "MachineName",
            )
            | ("k8s.node" | "node", "name") => self.named_host(3, own),
            ("agent", "hostname" | "name") => self.named_host(1, own),
            (_, "host" | "hostname" | "Hostname" | "host_name" | "hostName" | "HostName")
            | ("host", "name") => self.named_host(2, own),
            (
                _,
                "SYSLOG_IDENTIFIER" | "ident" | "program" | "programname" | "appname" | "app_name",
            )
            | ("process", "name") => self.program = Some(own()),
            (
                _,
                "time"
                | "timestamp"
                | "@timestamp"
                | "ts"
                | "date"
                | "datetime"
                | "Timestamp"
                | "__REALTIME_TIMESTAMP"
                | "timeUnixNano"
                | "eventTime"
                | "TimeCreated"
                | "SystemTime",
            ) if self.at.is_none() => {
                self.at = Some(Stamp::Text(own()));
            }
            (_, "_SOURCE_REALTIME_TIMESTAMP") => self.at = Some(Stamp::Text(own())),
            (_, "@logStream" | "logStream" | "logStreamName" | "log_stream")
                if self.id.is_none() =>
            {
                self.id =
                    NodeId::from_stream_name(text).map(|id| Cow::Owned(id.as_str().to_owned()));
            }
            (_, "logtag") => self.partial = text == "P",
            (_, "partial_message" | "CONTAINER_PARTIAL_MESSAGE") => self.partial = text == "true",
            (_, "partial_last") => self.last_part = text == "true",
            _ => {}
        }
    }

    fn named_host(&mut self, rank: u8, own: impl Fn() -> Cow<'a, str>) {
        if self.host.as_ref().is_none_or(|(known, _)| *known < rank) {
            self.host = Some((rank, own()));
        }
    }
}

/// One value on the way through an object.
struct Walk<'w, 'a> {
    scope: &'w mut Scope<'a>,
    /// A hash of the names that lead here.
    path: Step,
    parent: &'w str,
    key: &'w str,
    context: &'w Context<'w>,
    /// Where in this document a record was.
    seen: &'w Cell<Step>,
    /// The document itself: most lines are its, and are borrowed where they can be.
    is_whole: bool,
    /// An element of an array: an array in it is a row, its elements columns.
    is_element: bool,
}

/// Whether what is called so can be an id of a host: `instance`, `host` or `node`
/// stands in it, in any case.
fn of_host(name: &str) -> bool {
    let bytes = name.as_bytes();
    (0..bytes.len()).any(|at| {
        let word: &[u8] = match bytes[at] | 0x20 {
            b'i' => b"instance",
            b'h' => b"host",
            b'n' => b"node",
            _ => return false,
        };
        let part = bytes.get(at..at + word.len());
        part.is_some_and(|part| part.eq_ignore_ascii_case(word))
    })
}

impl<'a> Walk<'_, 'a> {
    /// `ended` says that a line's end stands, or stood, behind it.
    fn text(self, text: &str, ended: bool, own: impl Fn() -> Cow<'a, str>) {
        match (self.parent, self.key) {
            (_, "key" | "field") => self.scope.attribute.0 = Some(own()),
            ("value", _) | (_, "value") if self.scope.attribute.1.is_none() => {
                self.scope.attribute.1 = Some(own());
            }
            _ => {}
        }
        if text.len() <= MAX_FIELD {
            self.scope.field(self.parent, self.key, text, &own);
        }
        self.line(text, ended, own);
    }

    /// As [`Walk::text`], where it can be nothing but the line.
    fn line(self, text: &str, ended: bool, own: impl Fn() -> Cow<'a, str>) {
        let scope = self.scope;
        let best = scope.best.as_ref().map(|(rank, _, _)| *rank);
        if best == Some(Rank::Record) {
            return;
        }
        // No line is a word alone, and most values are; an object may be.
        let is_text = text.starts_with('{') || memchr::memchr(b' ', text.as_bytes()).is_some();
        // What comes where the line always stood is read when it is taken.
        let is_known = is_text && is_usual(self.key) && self.context.known.has(self.path);
        let reads = (is_text && !is_known).then(|| reads(text, &self.context.deeper()));
        let rank = match reads.flatten() {
            Some(Reads::Record) => {
                self.seen.set(self.path);
                Some(Rank::Record)
            }
            Some(Reads::Bare) => Some(Rank::Bare),
            None if is_known => Some(Rank::Record),
            None if self.seen.get() == self.path || self.context.known.has(self.path) => {
                Some(Rank::Known)
            }
            None if is_usual(self.key) || is_text && names_agent(text) => Some(Rank::Named),
            None => None,
        };
        if let Some(rank) = rank.filter(|rank| best.is_none_or(|best| *rank > best)) {
            if self.key == "log" && text.len() >= DOCKER_PART && !ended {
                scope.partial = true;
            }
            scope.best = Some((rank, self.path, without_blank(own())));
        }
    }
}

/// Less the blank that syslog leaves before a text.
fn without_blank(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(' ').unwrap_or(text)),
        Cow::Owned(text) => match text.strip_prefix(' ') {
            Some(rest) => Cow::Owned(rest.to_owned()),
            None => Cow::Owned(text),
        },
    }
}

/// A JSON string that is written as it reads, and whether a line's end stands
/// behind it, as Docker writes one.
fn unescaped(json: &str) -> Option<(&str, bool)> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    match memchr::memchr(b'\\', text.as_bytes()) {
        None => Some((text, false)),
        Some(at) if text[at..] == *"\\n" => Some((&text[..at], true)),
        Some(_) => None,
    }
}

/// What most shippers call the line.
fn is_usual(key: &str) -> bool {
    matches!(
        key,
        "log"
            | "message"
            | "MESSAGE"
            | "@message"
            | "msg"
            | "body"
            | "stringValue"
            | "original"
            | "text"
            | "line"
            | "_raw"
            | "textPayload"
    )
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = Option<u8>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<u8>, D::Error> {
        json.deserialize_any(self)
    }
}

/// A name in an object.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value is the byte that an element of an array of bytes is.
impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = Option<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Option<u8>, E> {
        self.text(text, text.ends_with('\n'), || Cow::Borrowed(text));
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<u8>, E> {
        self.text(text, text.ends_with('\n'), || Cow::Owned(text.to_owned()));
        Ok(None)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<u8>, E> {
        let byte = u8::try_from(number).ok();
        if byte.is_none() {
            self.number(number as f64);
        }
        Ok(byte)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Option<u8>, E> {
        self.number(number);
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<u8>, E> {
        let text = if value { "true" } else { "false" };
        self.scope
            .field(self.parent, self.key, text, || Cow::Borrowed(text));
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<u8>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u8>, A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let is_line = self.is_whole && is_usual(&key);
            let walk = Walk {
                scope: &mut *self.scope,
                path: path_hash(self.path, &key),
                parent: self.key,
                key: &key,
                is_whole: false,
                is_element: false,
                ..self
            };
            if !is_line {
                map.next_value_seed(walk)?;
                continue;
            }
            let json = map.next_value::<&'de RawValue>()?.get();
            match unescaped(json) {
                Some((text, ended)) => walk.line(text, ended, || Cow::Borrowed(text)),
                None => {
                    let mut json = serde_json::Deserializer::from_str(json);
                    walk.deserialize(&mut json).map_err(A::Error::custom)?;
                }
            }
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<u8>, A::Error> {
        let mut bytes = Vec::new();
        let mut column = 0;
        loop {
            let mut scope = Scope::default();
            column += 1;
            let path = match self.is_element {
                true => path_hash(self.path, &column.to_string()),
                false => self.path,
            };
            let element = seq.next_element_seed(Walk {
                scope: &mut scope,
                path,
                is_whole: false,
                is_element: true,
                ..self
            })?;
            let Some(byte) = element else { break };
            bytes.extend(byte);
            if let (Some(name), Some(value)) = &scope.attribute {
                let walk = Walk {
                    scope: &mut *self.scope,
                    path: path_hash(self.path, name),
                    parent: "",
                    key: name,
                    is_whole: false,
                    ..self
                };
                walk.text(value, value.ends_with('\n'), || value.clone());
            } else if scope.best.is_some() || !scope.more.is_empty() {
                self.scope.more.push(scope);
            }
        }
        // journald writes a text that is no UTF-8, or holds an escape, byte by byte.
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(&bytes);
            let ended = text.ends_with('\n');
            self.text(&text, ended, || Cow::Owned(text.clone().into_owned()));
        }
        Ok(None)
    }
}

impl Walk<'_, '_> {
    fn number(self, number: f64) {
        let is_time = matches!(
            self.key,
            "time" | "timestamp" | "@timestamp" | "ts" | "date" | "datetime" | "Timestamp"
        );
        if is_time && self.scope.at.is_none() {
            self.scope.at = Some(Stamp::Number(number));
        }
    }
}

#[cfg(test)]
mod tests;
