//! The object of a shipper: Docker's json-file, Fluent Bit, Fluentd, Filebeat,
//! Vector, Datadog, OpenTelemetry, `journalctl -o json`, the CloudWatch agent,
//! a log transformer, and whoever else puts the line into a string.
//!
//! The line is the text that reads like one, wherever it stands. What continues
//! a record reads like nothing: it stands where the record stood.

mod scan;

use std::borrow::Cow;

use scan::Scanner;

use super::program::{self, Producer, machine_of, names_agent};
use super::{
    Context, Envelope, Opened, Reads, Stamp, Step, own_head, path_hash, reads, without_colours,
};
use crate::machine::{Environment, Machine};
use crate::node::NodeId;

/// No time, id or name of a host or program is longer.
const MAX_FIELD: usize = 253;

/// Docker cuts a line at this size; the last part alone ends with a line end.
const DOCKER_PART: usize = 16 * 1024;

/// No shipper nests values deeper.
const MAX_NESTED: usize = 64;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let start = line.trim_start();
    let is_object = match start.as_bytes() {
        [b'{', ..] => true,
        [b'[', ..] => {
            let within = start.trim_start_matches('[');
            within.trim_ascii_start().starts_with('{')
        }
        _ => false,
    };
    if !is_object {
        return None;
    }
    let mut found = None;
    read(start, context, &mut found)?;
    found
}

/// What an object says that was made of another form.
pub(super) fn open_other<'b>(object: &str, context: &Context<'_>) -> Option<Opened<'b>> {
    let mut found = None;
    read(object, context, &mut found)?;
    found.map(into_owned)
}

/// Puts what was found into its place; `None` where it is no JSON.
fn read<'a>(text: &'a str, context: &Context<'_>, found: &mut Option<Opened<'a>>) -> Option<()> {
    let mut document = Document {
        json: Scanner::new(text),
        context,
        seen: 0,
    };
    // Firehose writes objects one after another.
    loop {
        let mut scope = Scope::default();
        let walk = Walk {
            scope: &mut scope,
            // What the line stands in at one depth says nothing of another.
            path: context.depth as Step,
            parent: "",
            key: "",
            is_usual: false,
            nested: 0,
            is_element: false,
        };
        walk.value(&mut document)?;
        match found {
            Some(first) => first.more.extend(scope.open(None)),
            None => *found = scope.open(None),
        }
        if document.json.peek().is_none() {
            return Some(());
        }
    }
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
    /// The container or the file that the line stood in.
    source: Option<Cow<'a, str>>,
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
        let source = (self.source.take()).filter(|source| program::is_others(source));
        let named = self.program.take().map(|name| match name {
            Cow::Borrowed(name) => Producer::named(name),
            Cow::Owned(name) => Producer::named(&name).into_owned(),
        });
        let producer = match (named, source) {
            (None | Some(Producer::Unnamed), Some(source)) => Producer::Source(source),
            (None, None) => outer.map_or(Producer::Unnamed, |outer| outer.producer.clone()),
            (Some(named), _) => named,
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
        if parent == "kubernetes" {
            self.machine.add(Environment::Kubernetes);
        }
        match key {
            "_HOSTNAME" | "node_name" | "nodeName" | "pod_node_name" | "computer_name"
            | "Computer" | "MachineName" => self.named_host(3, own),
            "host" if parent == "kubernetes" => self.named_host(3, own),
            "name" if matches!(parent, "k8s.node" | "node") => self.named_host(3, own),
            "hostname" | "name" if parent == "agent" => self.named_host(0, own),
            "host" | "hostname" | "Hostname" | "host_name" | "hostName" | "HostName" => {
                self.named_host(2, own);
            }
            "name" if parent == "host" => self.named_host(2, own),
            // Labels of Prometheus and Loki.
            "instance" | "node" | "nodename" => self.named_host(1, || without_port(own())),
            "name" if parent == "process" => self.program = Some(own()),
            "program" | "programname" | "appname" | "app_name" => self.program = Some(own()),
            "SYSLOG_IDENTIFIER" | "ident" => {
                self.machine = self.machine.and(machine_of(text));
                self.program = Some(own());
            }
            "_SYSTEMD_UNIT" => self.machine = self.machine.and(machine_of(text)),
            "ecs_cluster" | "ecs_task_arn" => self.machine.add(Environment::Ecs),
            "CONTAINER_ID" | "container_id" => self.machine.add(Environment::Container),
            "CONTAINER_NAME" => {
                self.machine.add(Environment::Container);
                self.stood_in(own());
            }
            "container_name" | "containerName" => self.stood_in(own()),
            "name" if matches!(parent, "container" | "k8s.container") => self.stood_in(own()),
            "container" if matches!(parent, "labels" | "stream") => self.stood_in(own()),
            "path" if matches!(parent, "" | "file" | "log.file") => self.stood_in_file(text, own),
            "file" | "filename" | "file_path" | "log_file" | "source" => {
                self.stood_in_file(text, own);
            }
            // Only a container's output tells these apart.
            "stream" | "iostream" if matches!(text, "stdout" | "stderr") => {
                self.machine.add(Environment::Container);
            }
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
            | "SystemTime"
                if self.at.is_none() =>
            {
                self.at = Some(Stamp::Text(own()));
            }
            "_SOURCE_REALTIME_TIMESTAMP" => self.at = Some(Stamp::Text(own())),
            "@logStream" | "logStream" | "logStreamName" | "log_stream" if self.id.is_none() => {
                self.id =
                    NodeId::from_stream_name(text).map(|id| Cow::Owned(id.as_str().to_owned()));
            }
            "logtag" => self.partial = text == "P",
            "partial_message" | "CONTAINER_PARTIAL_MESSAGE" => self.partial = text == "true",
            "partial_last" => self.last_part = text == "true",
            _ => {}
        }
    }

    /// Of several that an object names, one that may be the agent's counts.
    fn stood_in(&mut self, source: Cow<'a, str>) {
        if self.source.as_deref().is_none_or(program::is_others) {
            self.source = Some(source);
        }
    }

    fn stood_in_file(&mut self, path: &str, own: impl Fn() -> Cow<'a, str>) {
        if path.starts_with('/') || path.get(1..).is_some_and(|path| path.starts_with(":\\")) {
            self.stood_in(own());
        }
    }

    fn named_host(&mut self, rank: u8, own: impl Fn() -> Cow<'a, str>) {
        if self.host.as_ref().is_none_or(|(known, _)| *known < rank) {
            self.host = Some((rank, own()));
        }
    }
}

/// What is read, and what is known of it.
struct Document<'d, 'a> {
    json: Scanner<'a>,
    context: &'d Context<'d>,
    /// Where in it a record was.
    seen: Step,
}

/// One value on the way through an object.
struct Walk<'w, 'a> {
    scope: &'w mut Scope<'a>,
    /// A hash of the names that lead here.
    path: Step,
    parent: &'w str,
    key: &'w str,
    /// The key is one of those that most shippers give the line.
    is_usual: bool,
    /// How many values this one stands in.
    nested: usize,
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
    /// Reads one value: the byte that an element of an array of bytes is. `None`
    /// where it is no JSON.
    fn value(self, document: &mut Document<'_, 'a>) -> Option<Option<u8>> {
        match document.json.peek()? {
            _ if self.nested > MAX_NESTED => return None,
            b'"' => {
                let (text, ended) = document.json.string()?;
                self.text(text, ended, document);
            }
            b'{' => self.object(document)?,
            b'[' => self.array(document)?,
            _ => return self.word(document.json.word()),
        }
        Some(None)
    }

    fn object(self, document: &mut Document<'_, 'a>) -> Option<()> {
        document.json.takes(b'{');
        if document.json.takes(b'}') {
            return Some(());
        }
        loop {
            let (key, _) = document.json.string()?;
            document.json.takes(b':').then_some(())?;
            let walk = Walk {
                scope: &mut *self.scope,
                path: path_hash(self.path, &key),
                parent: self.key,
                key: &key,
                is_usual: is_usual(&key),
                nested: self.nested + 1,
                is_element: false,
            };
            walk.value(document)?;
            if !document.json.takes(b',') {
                return document.json.takes(b'}').then_some(());
            }
        }
    }

    fn array(self, document: &mut Document<'_, 'a>) -> Option<()> {
        document.json.takes(b'[');
        if document.json.takes(b']') {
            return Some(());
        }
        let mut bytes = Vec::new();
        for column in 1.. {
            let mut scope = Scope::default();
            let path = match self.is_element {
                true => path_hash(self.path, &column.to_string()),
                false => self.path,
            };
            let walk = Walk {
                scope: &mut scope,
                path,
                nested: self.nested + 1,
                is_element: true,
                ..self
            };
            bytes.extend(walk.value(document)?);
            if let (Some(name), Some(value)) = scope.attribute {
                let walk = Walk {
                    scope: &mut *self.scope,
                    path: path_hash(self.path, &name),
                    parent: "",
                    key: &name,
                    is_usual: is_usual(&name),
                    nested: self.nested + 2,
                    ..self
                };
                let ended = value.ends_with('\n');
                walk.text(value, ended, document);
            } else if scope.best.is_some() || !scope.more.is_empty() {
                self.scope.more.push(scope);
            }
            if !document.json.takes(b',') {
                break;
            }
        }
        // journald writes a text that is no UTF-8, or holds an escape, byte by byte.
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let ended = text.ends_with('\n');
            self.text(Cow::Owned(text), ended, document);
        }
        document.json.takes(b']').then_some(())
    }

    /// A number, or one of the three names.
    fn word(self, word: &'a str) -> Option<Option<u8>> {
        match word {
            "null" => {}
            "true" | "false" => {
                let own = || Cow::Borrowed(word);
                self.scope.field(self.parent, self.key, word, own);
            }
            number => {
                if let Ok(byte) = number.parse() {
                    return Some(Some(byte));
                }
                let number = number.parse().ok()?;
                let is_time = matches!(
                    self.key,
                    "time" | "timestamp" | "@timestamp" | "ts" | "date" | "datetime" | "Timestamp"
                );
                if is_time && self.scope.at.is_none() {
                    self.scope.at = Some(Stamp::Number(number));
                }
            }
        }
        Some(None)
    }

    /// `ended` says that a line's end stands, or stood, behind it.
    fn text(self, text: Cow<'a, str>, ended: bool, document: &mut Document<'_, 'a>) {
        // The document's own text by such a name can be nothing but the line.
        if !(self.is_usual && self.nested == 1) {
            match (self.parent, self.key) {
                (_, "key" | "field") => self.scope.attribute.0 = Some(text.clone()),
                ("value", _) | (_, "value") if self.scope.attribute.1.is_none() => {
                    self.scope.attribute.1 = Some(text.clone());
                }
                _ => {}
            }
            if text.len() <= MAX_FIELD {
                (self.scope).field(self.parent, self.key, &text, || text.clone());
            }
        }
        let scope = self.scope;
        if let Some((Rank::Record, _, line)) = &mut scope.best {
            // GELF has a shortened line beside the whole one.
            if text.len() > line.len() && text.starts_with(&**line) {
                *line = text;
            }
            return;
        }
        let best = scope.best.as_ref().map(|(rank, _, _)| *rank);
        // No line is a word alone, and most values are; an object may be.
        let is_text = text.starts_with('{') || text.as_bytes().contains(&b' ');
        let plain = match is_text.then(|| without_colours(&text)) {
            Some(Cow::Owned(plain)) => Cow::Owned(plain),
            Some(Cow::Borrowed(_)) | None => text,
        };
        let text: &str = &plain;
        // What comes where the line always stood is read when it is taken.
        let is_known = is_text && self.is_usual && document.context.known.has(self.path);
        let prefixed =
            || (self.is_usual && own_head::find(text).is_some()).then_some(Reads::Record);
        let reads = || reads(text, &document.context.deeper()).or_else(prefixed);
        let rank = match (is_text && !is_known).then(reads).flatten() {
            Some(Reads::Record) => {
                document.seen = self.path;
                Some(Rank::Record)
            }
            Some(Reads::Bare) => Some(Rank::Bare),
            None if is_known => Some(Rank::Record),
            None if document.seen == self.path || document.context.known.has(self.path) => {
                Some(Rank::Known)
            }
            None if self.is_usual || is_text && names_agent(text) => Some(Rank::Named),
            None => None,
        };
        if let Some(rank) = rank.filter(|rank| best.is_none_or(|best| *rank > best)) {
            if self.key == "log" && text.len() >= DOCKER_PART && !ended {
                scope.partial = true;
            }
            scope.best = Some((rank, self.path, without_blank(plain)));
        }
    }
}

/// `web1` of `web1:9100`.
fn without_port(instance: Cow<'_, str>) -> Cow<'_, str> {
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    match instance.split_once(':').filter(|(_, port)| is_port(port)) {
        Some((host, _)) => Cow::Owned(host.to_owned()),
        None => instance,
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

#[cfg(test)]
mod tests;
