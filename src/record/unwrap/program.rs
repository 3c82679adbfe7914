//! Who wrote a line, by what its wrapper calls the program, or by its form.

use std::borrow::Cow;

use crate::record::text::split_at_byte;

use crate::machine::{Environment, Machine};

/// Who wrote a line, as far as its wrapper says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::record) enum Producer<'a> {
    /// No wrapper that names a program.
    #[default]
    Unnamed,
    Agent,
    Systemd,
    Kernel,
    /// A container or a file that is another program's, for all that its name says.
    Source(Cow<'a, str>),
    /// Another program, which may yet be what the agent runs in.
    Other(Cow<'a, str>),
}

/// The agent's processes. The kernel cuts process names to 15 characters.
const PROCESSES: [&str; 8] = [
    "amazon-ssm-agent",
    "ssm-agent-worker",
    "ssm-document-worker",
    "ssm-session-worker",
    "amazon-ssm-agen",
    "ssm-agent-work",
    "ssm-document-wo",
    "ssm-session-wor",
];

/// What passes on the output of others under its own name.
const RELAYS: [&str; 7] = [
    "docker",
    "dockerd",
    "containerd",
    "podman",
    "conmon",
    "crio",
    "host-containers",
];

impl<'a> Producer<'a> {
    /// By the program that a wrapper names, `amazon-ssm-agent[2373]` or so.
    pub(super) fn named(name: &'a str) -> Self {
        let name = split_at_byte(name, b'[').map_or(name, |(name, _pid)| name);
        if is_process(name) {
            return Self::Agent;
        }
        let name = name.strip_suffix(".service").unwrap_or(name);
        // A snap writes `amazon-ssm-agent.amazon-ssm-agent`.
        let name = name.rsplit_once('.').map_or(name, |(_, last)| last);
        let name = name.rsplit_once(['/', '\\']).map_or(name, |(_, last)| last);
        let relay = name.split_once(['@', '/', '-']).map_or(name, |(it, _)| it);
        let unit = name.split_once('@').map_or(name, |(it, _)| it);
        match name {
            "" | "-" => Self::Unnamed,
            "systemd" => Self::Systemd,
            "kernel" => Self::Kernel,
            name if is_agent(name) => Self::Agent,
            name if RELAYS.contains(&relay) || RELAYS.contains(&unit) || is_container(name) => {
                Self::Unnamed
            }
            name => Self::Other(Cow::Borrowed(name)),
        }
    }

    pub(super) fn into_owned<'b>(self) -> Producer<'b> {
        match self {
            Self::Unnamed => Producer::Unnamed,
            Self::Agent => Producer::Agent,
            Self::Systemd => Producer::Systemd,
            Self::Kernel => Producer::Kernel,
            Self::Source(name) => Producer::Source(Cow::Owned(name.into_owned())),
            Self::Other(name) => Producer::Other(Cow::Owned(name.into_owned())),
        }
    }
}

/// Whether a container's name, or a file's path, is another program's, for all that it
/// says: the agent's have `ssm` in them, and what a runtime keeps is anybody's.
pub(super) fn is_others(source: &str) -> bool {
    let name = source.rsplit('/').next().unwrap_or(source);
    let bytes = source.as_bytes().windows(3);
    let is_anybodys = is_container(name) || name.ends_with("-json.log") || RELAYS.contains(&name);
    !is_anybodys && !{ bytes }.any(|part| part.eq_ignore_ascii_case(b"ssm"))
}

/// What the name of a program, as wrappers give it, shows of the machine.
pub(super) fn machine_of(name: &str) -> Machine {
    let name = split_at_byte(name, b'[').map_or(name, |(name, _pid)| name);
    let environment = match name {
        "amazon-ssm-agent.amazon-ssm-agent" | "snap.amazon-ssm-agent.amazon-ssm-agent.service" => {
            Some(Environment::Snap)
        }
        name if name.starts_with("host-containers@control") => Some(Environment::Bottlerocket),
        name if is_container(name) => Some(Environment::Container),
        _ => None,
    };
    environment.into_iter().collect()
}

/// A process of the agent, by its exact name.
pub(super) fn is_process(name: &str) -> bool {
    PROCESSES.contains(&name)
}

/// A process of the agent, or what people call its container.
fn is_agent(name: &str) -> bool {
    is_process(name) || name.contains("ssm-agent") || name.contains("amazon-ssm")
}

/// Docker names a container by its id.
fn is_container(name: &str) -> bool {
    matches!(name.len(), 12 | 64) && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Names with which programs that log objects begin one.
const LOGGED: [&[u8]; 6] = [b"level", b"ts", b"time", b"timestamp", b"severity", b"msg"];

/// Own line formats of other programs: they neither start nor continue a record
/// of the agent.
pub(crate) fn is_foreign(line: &str) -> bool {
    let bytes = line.as_bytes();
    match bytes {
        // klog: `E1104 10:02:44.962900    2373 file.go:1] …`
        [b'E' | b'W' | b'I' | b'F', a, b, c, d, b' ', ..] => {
            [a, b, c, d].iter().all(|b| b.is_ascii_digit())
        }
        // `2024-11-04T10:02:44Z E! …`, `2024-11-04 10:02:44,962 - botocore - …`,
        // `2024/11/04 10:02:44.962 INFO …`
        [y, ..] if y.is_ascii_digit() && bytes.len() > 19 => {
            let clock = bytes[13] == b':';
            let dated = clock && bytes[4] == b'-' && bytes[7] == b'-';
            let slashed = clock && bytes[4] == b'/' && bytes[7] == b'/';
            dated && (bytes[10] == b'T' || bytes[19] == b',') || slashed && bytes[19] == b'.'
        }
        [b't' | b'l', ..] => ["time=", "ts=", "level="]
            .iter()
            .any(|name| line.starts_with(name)),
        [b'{', b'"', rest @ ..] => {
            let name = rest.split(|byte| *byte == b'"').next();
            name.is_some_and(|name| LOGGED.contains(&name))
        }
        _ => false,
    }
}

/// Whether a text names one of the agent's processes.
pub(crate) fn names_agent(body: &str) -> bool {
    PROCESSES.iter().any(|process| body.contains(process))
}
