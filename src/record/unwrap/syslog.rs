//! What syslog and journald put in front of a line: RFC 3164 and what daemons
//! make of it, RFC 5424, `journalctl` in its short forms, and times alone.

use std::borrow::Cow;

use crate::record::text::split_at_byte;

use super::program::{self, Producer};
use super::{
    Context, Envelope, Opened, Reads, Stamp, begins_record, begins_wrapped, is_continuation,
    is_wrapped, logfmt, own_head, reads, stamp,
};

/// The place of a line right behind a time, and behind one or two words more.
const BEHIND_TIME: [u32; 3] = [1, 2, 3];

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let rest = without_priority(line);
    let prioritised = rest.len() < line.len();
    if let Some(opened) = rest.strip_prefix("1 ").and_then(rfc5424) {
        return Some(opened);
    }
    let (at, rest) = match stamp::leading(rest) {
        Some((at, rest)) => (Some(at), rest),
        None if prioritised => (None, rest),
        None => return since_boot(line),
    };
    if let Some((labels, text)) = labels(rest) {
        let mut host = [
            "host=\"",
            "hostname=\"",
            "node_name=\"",
            "node=\"",
            "instance=\"",
        ]
        .iter();
        let host = host.find_map(|name| labels.split_once(name)?.1.split('"').next());
        let envelope = Envelope {
            at,
            ..from(host, Producer::Unnamed)
        };
        return Some(Opened::new(text, envelope));
    }
    let is_named_month = !line.as_bytes()[0].is_ascii_digit();
    // Most are the agent's own, behind a host that is no second time.
    let agents = (!rest.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| program(rest))
        .flatten()
        .filter(|it| it.envelope.producer == Producer::Agent);
    agents
        .or_else(|| behind_time(rest, context))
        .or_else(|| program(rest))
        .or_else(|| {
            // No line of the agent begins with a day.
            let other = Producer::Other(Cow::Borrowed(""));
            is_named_month.then(|| Opened::new(rest, from(None, other)))
        })
        .map(|opened| Opened {
            envelope: Envelope {
                at,
                ..opened.envelope
            },
            ..opened
        })
}

/// What `journalctl -o short-monotonic` and the console print of the agent.
fn since_boot(line: &str) -> Option<Opened<'_>> {
    let rest = Some(without_uptime(line)).filter(|rest| rest.len() < line.len())?;
    let opened = program(rest);
    opened.filter(|it| matches!(it.envelope.producer, Producer::Agent | Producer::Systemd))
}

/// The labels that Loki's `logcli` prints before a line, `{job="ssm", host="web-1"}`.
fn labels(rest: &str) -> Option<(&str, &str)> {
    let labels = rest.strip_prefix('{').filter(|it| !it.starts_with('"'))?;
    let (labels, text) = labels.split_once('}')?;
    (labels.is_empty() || labels.contains("=\"")).then_some((labels, text.trim_start_matches(' ')))
}

fn from<'a>(host: Option<&'a str>, producer: Producer<'a>) -> Envelope<'a> {
    Envelope {
        host: host.map(Cow::Borrowed),
        producer,
        ..Envelope::default()
    }
}

/// Less a priority, `<30>`.
fn without_priority(line: &str) -> &str {
    let priority = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    priority
        .filter(|(number, _)| {
            matches!(number.len(), 1..=3) && number.bytes().all(|b| b.is_ascii_digit())
        })
        .map_or(line, |(_, rest)| rest)
}

/// `TIME HOST APP PROCID MSGID SD MSG`, each of them `-` where it is not known.
fn rfc5424(rest: &str) -> Option<Opened<'_>> {
    let (time, rest) = split_at_byte(rest, b' ')?;
    if time != "-" && time.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (host, rest) = split_at_byte(rest, b' ')?;
    let (app, rest) = split_at_byte(rest, b' ')?;
    let (_procid, rest) = split_at_byte(rest, b' ')?;
    let (_msgid, rest) = split_at_byte(rest, b' ')?;
    let text = without_structured_data(rest)?;
    let envelope = Envelope {
        at: (time != "-").then(|| Stamp::Text(time.into())),
        machine: program::machine_of(app),
        ..from(Some(host), Producer::named(app))
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Some(Opened::new(text, envelope))
}

/// Less `-` or `[id name="value"][…]`, in whose values `\]` and `\"` are escaped.
fn without_structured_data(rest: &str) -> Option<&str> {
    let mut rest = match rest.strip_prefix('-') {
        Some(rest) => rest,
        None => {
            let mut quoted = false;
            let mut escaped = false;
            let end = rest.char_indices().find(|(at, c)| {
                let ends = !quoted && *c == ']' && !rest[at + 1..].starts_with('[');
                if *c == '"' && !escaped {
                    quoted = !quoted;
                }
                escaped = *c == '\\' && !escaped;
                ends
            });
            rest.strip_prefix('[')?;
            &rest[end?.0 + 1..]
        }
    };
    rest = rest.strip_prefix(' ').unwrap_or(rest);
    Some(rest)
}

/// `program[pid]: text` or `host program[pid]: text`; of the agent also without
/// the colon, as rsyslog writes what comes without one.
fn program(rest: &str) -> Option<Opened<'_>> {
    let mut after = rest;
    for index in 0..3 {
        let (word, text) = split_at_byte(after, b' ').unwrap_or((after, ""));
        if own_head::is_event(word) {
            let host = (index > 0).then(|| rest.split(' ').next()).flatten();
            return Some(Opened::new(after, from(host, Producer::Unnamed)));
        }
        if !is_name(word) {
            return None;
        }
        let host = || split_at_byte(rest, b' ').map(|(host, _)| host);
        let host = (index > 0).then(host).flatten();
        if let Some(name) = word.strip_suffix(':') {
            let producer = Producer::named(name);
            let text = match producer {
                Producer::Kernel => without_uptime(text),
                _ => text,
            };
            let envelope = Envelope {
                machine: program::machine_of(name),
                ..from(host, producer)
            };
            return Some(Opened::new(text, envelope));
        }
        if program::is_process(without_pid(word)) {
            return Some(Opened::new(text, from(host, Producer::Agent)));
        }
        after = text;
    }
    None
}

/// A host, or a program with its process, `sshd[99]:` or `kubelet(1)`.
fn is_name(word: &str) -> bool {
    let named = |b: u8| matches!(b, b'(' ..= b'[' | b']' | b'_' | b'a'..=b'z' | b'\\');
    !word.is_empty() && word.bytes().all(named)
}

fn without_pid(word: &str) -> &str {
    split_at_byte(word, b'[').map_or(word, |(name, _)| name)
}

/// `[12345.678901] Out of memory: …`: the kernel's own clock, which syslog keeps.
fn without_uptime(body: &str) -> &str {
    let clock = body
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(clock, _)| {
            clock
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b' ' | b'<' | b'>'))
        });
    clock.map_or(body, |(_, rest)| rest)
}

/// The agent's own line right behind the time, or behind a stream's or host's
/// name (`docker logs -t`, `aws logs tail`, an export to S3).
fn behind_time<'a>(rest: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let mut text = rest;
    for path in BEHIND_TIME {
        let (word, after) = split_at_byte(text, b' ').unwrap_or((text, ""));
        let is_object = memchr::memchr(b'"', word.as_bytes()).is_some();
        if is_object && !logfmt::begins_field(word)
            || word.ends_with(':')
            || program::is_process(without_pid(word))
        {
            return None;
        }
        let known = || context.known.has(path);
        if begins_record(text)
            || begins_wrapped(text) && reads(text, &context.deeper()) == Some(Reads::Record)
            || known() && (is_continuation(text) || is_wrapped(text, &context.deeper()))
        {
            let host = (path > BEHIND_TIME[0])
                .then(|| rest.split(' ').next())
                .flatten();
            let envelope = from(host, Producer::Unnamed);
            return Some(Opened::new(text, envelope).at_path(path));
        }
        text = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    fn opened(line: &str) -> Option<Opened<'_>> {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        open(line, &context)
    }

    #[test]
    fn prefixes_are_taken_off_and_name_host_and_program() {
        const HEAD: &str = "2023-10-27 10:43:14.1234 INFO x";
        let agent = Producer::Agent;
        for (prefix, host, producer) in [
            (
                "Oct 27 10:43:16 ip-10-0-0-1 amazon-ssm-agent[2373]: ",
                "ip-10-0-0-1",
                &agent,
            ),
            ("Oct  7 10:43:16 host amazon-ssm-agent: ", "host", &agent),
            ("Oct  7 10:43:16 host amazon-ssm-agent ", "host", &agent),
            ("Oct  7 10:43:16 host ssm-agent-worker[99] ", "host", &agent),
            ("<30>Oct 27 10:43:16 h amazon-ssm-agent[1]: ", "h", &agent),
            ("okt 27 10:43:16 h amazon-ssm-agent[1]: ", "h", &agent),
            ("11月 27 10:43:16 h amazon-ssm-agent[1]: ", "h", &agent),
            (
                "2025-08-14T10:53:16-04:00 amazon-ssm-agent.amazon-ssm-agent[335236]: ",
                "",
                &agent,
            ),
            (
                "2025-08-14T10:53:16.123456+00:00 h ssm-agent-worker[9]: ",
                "h",
                &agent,
            ),
            (
                "2025-08-14T10:53:16.123456+00:00 h amazon-ssm-agent ",
                "h",
                &agent,
            ),
            (
                "Thu 2025-08-14 10:53:16 UTC h amazon-ssm-agent[9]: ",
                "h",
                &agent,
            ),
            ("1755168796.123456 h amazon-ssm-agent[9]: ", "h", &agent),
            (
                "<30>1 2025-08-14T10:53:16Z h amazon-ssm-agent 9 - - ",
                "h",
                &agent,
            ),
            (
                "1 2025-08-14T10:53:16Z h amazon-ssm-agent 9 ID1 [a@1 b=\"]\\\"\"][c d=\"e\"] \u{feff}",
                "h",
                &agent,
            ),
            (
                "Jan 23 19:45:49 h host-containers@control[1411]: ",
                "h",
                &Producer::Unnamed,
            ),
            (
                "Jan 23 19:45:49 h 0a1b2c3d4e5f[1411]: ",
                "h",
                &Producer::Unnamed,
            ),
            ("2025-08-14T10:53:16Z ", "", &Producer::Unnamed),
            (
                "2025-08-14T10:53:16+00:00 i-0123456789abcdef0 ",
                "i-0123456789abcdef0",
                &Producer::Unnamed,
            ),
            (
                "Oct 27 10:43:16 h sshd[99]: ",
                "h",
                &Producer::Other("sshd".into()),
            ),
            ("Oct 27 10:43:16 h systemd[1]: ", "h", &Producer::Systemd),
        ] {
            let line = format!("{prefix}{HEAD}");
            let opened = opened(&line).unwrap_or_else(|| panic!("not opened: {line}"));
            assert_eq!(opened.text, HEAD, "{line}");
            assert_eq!(
                opened.envelope.host.as_deref().unwrap_or(""),
                host,
                "{line}"
            );
            assert_eq!(&opened.envelope.producer, producer, "{line}");
            assert!(opened.envelope.at.is_some(), "{line}");
        }
    }

    #[test]
    fn the_kernels_own_clock_goes_as_well() {
        for line in [
            "Nov 04 10:02:44 h kernel: Out of memory",
            "Nov 04 10:02:44 h kernel: [ 1234.567890] Out of memory",
        ] {
            let opened = opened(line).expect("a prefix");
            assert_eq!(opened.text, "Out of memory", "{line}");
            assert_eq!(opened.envelope.producer, Producer::Kernel);
        }
        let empty = opened("Nov 04 10:02:44 h amazon-ssm-agent[1]:").expect("a prefix");
        assert_eq!(empty.text, "");
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [
            "2024-11-04T10:02:44Z E! [outputs.cloudwatchlogs] AccessDeniedException",
            "2024-11-04 10:02:44,962 - botocore.credentials - ERROR - Unable",
            "2024-11-04 10:02:44 hello",
            "caused by: Post \"https://x\"",
        ] {
            assert_eq!(opened(line), None, "{line}");
        }
    }
}
