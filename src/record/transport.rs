//! What syslog, journald and their shippers put in front of a line.

/// A line without its transport prefix, and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried<'a> {
    pub writer: Producer,
    pub body: &'a str,
}

/// Who wrote a line, as far as its prefix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Producer {
    /// No transport prefix.
    Unnamed,
    Agent,
    Systemd,
    Kernel,
    /// Another program, or another program's own line format.
    Foreign,
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

/// Splits off `Mon DD HH:MM:SS host program[pid]: ` or
/// `YYYY-MM-DDTHH:MM:SS… [host] program[pid]: `.
pub(super) fn strip_transport_prefix(line: &str) -> Carried<'_> {
    let unnamed = Carried {
        writer: Producer::Unnamed,
        body: line,
    };
    let after_time = match line.as_bytes() {
        [a, b, c, b' ', ..] if is_month(&[*a, *b, *c]) => bsd_time(line),
        [y, ..] if y.is_ascii_digit() => iso_time(line),
        [b'<', ..] => {
            return line.split_once('>').map_or(unnamed, |(number, rest)| {
                // A syslog priority, `<30>`, in front of the BSD form.
                if number.len() <= 4
                    && number[1..].bytes().all(|b| b.is_ascii_digit())
                    && !number[1..].is_empty()
                {
                    strip_transport_prefix(rest)
                } else {
                    unnamed
                }
            });
        }
        _ => None,
    };
    let Some(after_time) = after_time else {
        return Carried {
            writer: if is_foreign(line) {
                Producer::Foreign
            } else {
                Producer::Unnamed
            },
            body: line,
        };
    };
    let Some((writer, body)) = program(after_time) else {
        return if is_foreign(line) {
            Carried {
                writer: Producer::Foreign,
                body: line,
            }
        } else {
            unnamed
        };
    };
    Carried { writer, body }
}

fn is_month(name: &[u8; 3]) -> bool {
    [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ]
    .contains(&name)
}

/// What follows `Mon DD HH:MM:SS `.
fn bsd_time(line: &str) -> Option<&str> {
    let rest = line.get(4..)?.trim_start_matches(' ');
    let (day, rest) = rest.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let clock = time.len() >= 8
        && time.bytes().enumerate().all(|(i, b)| match i {
            2 | 5 => b == b':',
            8 => b == b'.',
            _ => b.is_ascii_digit(),
        });
    (day.len() <= 2 && day.bytes().all(|b| b.is_ascii_digit()) && !day.is_empty() && clock)
        .then_some(rest)
}

/// What follows `YYYY-MM-DDTHH:MM:SS…` and a blank.
fn iso_time(line: &str) -> Option<&str> {
    // The agent's own heads have a blank here.
    if line.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (time, rest) = line.split_once(' ')?;
    let bytes = time.as_bytes();
    let shaped = bytes.len() >= 19
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[13] == b':'
        && bytes[..4].iter().all(u8::is_ascii_digit);
    shaped.then_some(rest)
}

/// `program[pid]: body`, with or without a host name before and a pid behind.
fn program(text: &str) -> Option<(Producer, &str)> {
    let (first, rest) = text.split_once(' ')?;
    if let Some(name) = first.strip_suffix(':') {
        return Some((writer(name), rest));
    }
    // "host program[pid]: body"; a body of nothing keeps its colon at the end.
    let (second, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = second.strip_suffix(':')?;
    let writer = writer(name);
    let body = match writer {
        Producer::Kernel => without_uptime(body),
        Producer::Unnamed | Producer::Agent | Producer::Systemd | Producer::Foreign => body,
    };
    Some((writer, body))
}

/// `[12345.678901] Out of memory: …`: the kernel's own clock, which syslog keeps.
fn without_uptime(body: &str) -> &str {
    let clock = body
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(clock, _)| {
            clock
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b' '))
        });
    clock.map_or(body, |(_, rest)| rest)
}

fn writer(name: &str) -> Producer {
    let name = name.split_once('[').map_or(name, |(name, _pid)| name);
    // A snap writes `amazon-ssm-agent.amazon-ssm-agent`.
    let name = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let name = name.rsplit_once('/').map_or(name, |(_, last)| last);
    match name {
        "systemd" => Producer::Systemd,
        "kernel" => Producer::Kernel,
        name if PROCESSES.contains(&name) => Producer::Agent,
        _ => Producer::Foreign,
    }
}

/// Own line formats of other programs: they neither start nor continue a record
/// of the agent.
fn is_foreign(line: &str) -> bool {
    let bytes = line.as_bytes();
    match bytes {
        // klog: `E1104 10:02:44.962900    2373 file.go:1] …`
        [b'E' | b'W' | b'I' | b'F', a, b, c, d, b' ', ..] => {
            [a, b, c, d].iter().all(|b| b.is_ascii_digit())
        }
        // `2024-11-04T10:02:44Z E! …`, `2024-11-04 10:02:44,962 - botocore - …`
        [y, ..] if y.is_ascii_digit() && bytes.len() > 19 => {
            let dated = bytes[4] == b'-' && bytes[7] == b'-' && bytes[13] == b':';
            dated && (bytes[10] == b'T' || bytes[19] == b',')
        }
        [b't', b'i', b'm', b'e', b'=', ..] => true,
        [b'{', b'"', ..] => {
            line.starts_with("{\"level\"")
                || line.starts_with("{\"ts\"")
                || line.starts_with("{\"time\"")
        }
        _ => false,
    }
}

/// Whether a line of systemd or the kernel is about the agent.
pub(super) fn names_agent(body: &str) -> bool {
    PROCESSES.iter().any(|process| body.contains(process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_taken_off_and_name_the_writer() {
        for (line, writer, body) in [
            (
                "Oct 27 10:43:16 ip-172-31-21-124 amazon-ssm-agent[2373]: 2023-10-27 x",
                Producer::Agent,
                "2023-10-27 x",
            ),
            (
                "Oct  7 10:43:16 host amazon-ssm-agent: INFO x",
                Producer::Agent,
                "INFO x",
            ),
            (
                "2025-08-14T10:53:16-04:00 amazon-ssm-agent.amazon-ssm-agent[335236]: ERROR x",
                Producer::Agent,
                "ERROR x",
            ),
            (
                "2025-08-14T10:53:16.123456+00:00 host ssm-agent-worker[9]: x",
                Producer::Agent,
                "x",
            ),
            (
                "Nov 04 10:02:44 h systemd[1]: amazon-ssm-agent.service: x",
                Producer::Systemd,
                "amazon-ssm-agent.service: x",
            ),
            (
                "Nov 04 10:02:44 h kernel: Out of memory",
                Producer::Kernel,
                "Out of memory",
            ),
            (
                "Nov 04 10:02:44 h kernel: [ 1234.567890] Out of memory",
                Producer::Kernel,
                "Out of memory",
            ),
            (
                "Nov 04 10:02:44 h sshd[99]: Failed",
                Producer::Foreign,
                "Failed",
            ),
            (
                "<30>Nov 04 10:02:44 h amazon-ssm-agent[1]: x",
                Producer::Agent,
                "x",
            ),
            (
                "2024-11-04 10:02:44.9629 ERROR x",
                Producer::Unnamed,
                "2024-11-04 10:02:44.9629 ERROR x",
            ),
            (
                "Nov 04 10:02:44 h amazon-ssm-agent[1]:",
                Producer::Agent,
                "",
            ),
        ] {
            assert_eq!(
                strip_transport_prefix(line),
                Carried { writer, body },
                "{line}"
            );
        }
    }

    #[test]
    fn other_programs_own_formats_are_foreign() {
        for line in [
            "E1104 10:02:44.962900    2373 reflector.go:1] dial tcp: lookup ssm: no such host",
            "2024-11-04T10:02:44Z E! [outputs.cloudwatchlogs] AccessDeniedException",
            "2024-11-04 10:02:44,962 - botocore.credentials - ERROR - Unable",
            "time=\"2024-11-04T10:02:44Z\" level=error msg=\"x\"",
            "{\"level\":\"error\",\"msg\":\"x\"}",
        ] {
            assert_eq!(
                strip_transport_prefix(line).writer,
                Producer::Foreign,
                "{line}"
            );
        }
        assert_eq!(
            strip_transport_prefix("caused by: Post \"https://x\"").writer,
            Producer::Unnamed
        );
        assert_eq!(strip_transport_prefix("").writer, Producer::Unnamed);
    }
}
