//! The file that a line stands in, as grep writes it in front (`PATH:LINE`, `PATH:12:LINE`,
//! of lines around a match `PATH-12-LINE`), and above several lines tail, head
//! (`==> PATH <==`) and Ansible (`web1 | CHANGED | rc=0 >>`).

use std::borrow::Cow;

use super::own_head::LONGEST;
use super::{
    Context, Envelope, Opened, Reads, Step, Steps, begins_record, begins_wrapped, is_host,
    path_hash, prefix, reads, step,
};
use crate::node::NodeId;

/// Directories that every host has, or in which logs of hosts are put together. The agent
/// writes to `/var/log/amazon/ssm` and to `C:\ProgramData\Amazon\SSM\Logs`.
const ANYBODYS: [&str; 33] = [
    "amazon",
    "amazon-ssm-agent",
    "amazon_ssm",
    "audits",
    "c",
    "c$",
    "containers",
    "d",
    "desktop",
    "documents",
    "downloads",
    "home",
    "host",
    "hostfs",
    "log",
    "logs",
    "media",
    "mnt",
    "opt",
    "pods",
    "private",
    "programdata",
    "root",
    "rootfs",
    "snap",
    "srv",
    "ssm",
    "ssm-logs",
    "ssmlogs",
    "sysroot",
    "tmp",
    "users",
    "var",
];

/// What tells copies of one host's files apart, whatever number stands beside it: `before`,
/// `day1`, `Nov23`.
const COPIES: [&str; 40] = [
    "after", "agent", "agents", "apr", "archive", "archived", "audit", "aug", "backup", "bak",
    "before", "case", "common", "copy", "current", "day", "dec", "evidence", "feb", "file", "jan",
    "jul", "jun", "mar", "may", "messages", "new", "nov", "oct", "old", "output", "part", "prev",
    "previous", "rotated", "run", "sep", "ssm", "ssmagent", "week",
];

/// The place of a heading, behind those of the wrappers.
const HEADING: usize = 14;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let start = &line.as_bytes()[..line.len().min(LONGEST)];
    let is_of_path = |b: &u8| b.is_ascii_graphic() && !b"\"'`|<>(){}[]=,;".contains(b);
    let word = &line[..start.iter().take_while(|b| is_of_path(b)).count()];
    if !word.contains(['/', '\\']) && !word.contains(".log") {
        return None;
    }
    let mut cuts = word
        .match_indices([':', '-'])
        .map(|(at, _)| line.split_at(at));
    let (path, text) = (cuts.clone())
        .find_map(|(path, rest)| Some((path, record(path, rest, context)?)))
        .or_else(|| cuts.find_map(|(path, rest)| Some((path, more(path, rest, context)?))))?;
    Some(Opened::new(text, envelope_of(path)).at_path(place(path)))
}

/// The record that begins in `rest`, a line of the file `path` behind what parts them.
fn record<'a>(path: &str, rest: &'a str, context: &Context<'_>) -> Option<&'a str> {
    // What stands behind a further colon is looked into but once: a drive has the first.
    let is_first = rest.starts_with(':') && !path.get(2..).unwrap_or_default().contains(':');
    let begins = |line: &str| {
        begins_record(line)
            || is_first
                && begins_wrapped(line)
                && reads(line, &context.deeper()) == Some(Reads::Record)
    };
    let lines = [rest.get(1..), numbered(rest)].into_iter().flatten();
    let mut lines = lines.map(|line| line.trim_start_matches([' ', '\t']));
    (is_agents(path) || is_named(path))
        .then(|| lines.find(|line| begins(line)))
        .flatten()
}

/// What goes on with one: all of the agent's own file, and of another one where a
/// record stood.
fn more<'a>(path: &str, rest: &'a str, context: &Context<'_>) -> Option<&'a str> {
    let is_more = is_agents(path) || is_named(path) && context.known.has(place(path));
    let is_of_day = |c: char| c.is_ascii_digit() || c == '-';
    let is_day = || {
        let behind = rest.trim_start_matches(is_of_day);
        rest.starts_with('-')
            && behind.starts_with(':')
            && has_digit(&rest[..rest.len() - behind.len()])
    };
    // The day in a rotated file's name.
    (is_more && !is_day()).then(|| numbered(rest).unwrap_or(&rest[1..]))
}

/// What stands behind a line's number, which the same signs part from it on both sides.
fn numbered(rest: &str) -> Option<&str> {
    after_number(rest)?.strip_prefix(&rest[..1])
}

fn after_number(rest: &str) -> Option<&str> {
    let number = &rest[1..];
    let behind = number.trim_start_matches(|c: char| c.is_ascii_digit());
    (behind.len() < number.len()).then_some(behind)
}

/// Whether it is a path, or a name that begins with a node's id.
fn is_named(path: &str) -> bool {
    path.contains(['/', '\\']) && !path.contains("//") || names_node(file_of(path)).is_some()
}

/// Whether only the agent writes a file of this name: errors.log is anybody's elsewhere
/// than in its own directory.
fn is_agents(path: &str) -> bool {
    let file = file_of(path);
    let is_log = file.contains(".log") && !file.ends_with('.');
    let beside = || components(path).any(|part| part.eq_ignore_ascii_case("ssm"));
    is_log && (file.contains("amazon-ssm-agent") || file.starts_with("errors.log") && beside())
}

fn place(path: &str) -> Step {
    path_hash(Step::MAX, path)
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty())
}

fn file_of(path: &str) -> &str {
    components(path).next_back().unwrap_or_default()
}

/// The id that a part of a path begins with, or has behind a sign.
fn names_node(part: &str) -> Option<NodeId> {
    let starts = part
        .match_indices("i-")
        .map(|(at, _)| match part[..at].ends_with('m') {
            true => at - 1,
            false => at,
        });
    let mut starts = starts.filter(|at| !part[..*at].ends_with(|c: char| c.is_alphanumeric()));
    starts.find_map(|at| NodeId::from_stream_name(&part[at..]))
}

/// What a path says of the host: a node's id in it, else the name before the usual
/// directories, or the one before the usual file's in one word.
pub(super) fn envelope_of(path: &str) -> Envelope<'_> {
    let id = components(path).rev().find_map(names_node);
    let file = file_of(path);
    let signs = ['-', '_', '.'];
    let (stem, _) = file.split_once(".log").unwrap_or((file, ""));
    let before = match stem.split_once("amazon-ssm-agent") {
        Some(("", after)) => Some(after).filter(|name| has_digit(name)),
        Some((before, _)) => Some(before),
        None => Some(stem.strip_suffix("errors").unwrap_or(stem))
            .filter(|name| name.len() < stem.len() || has_digit(name)),
    };
    let before = before.map(|name| name.trim_matches(signs));
    let mut above = components(path).rev().skip(1).peekable();
    let mut named = before.filter(|name| is_name(name));
    while let Some(part) = above.next()
        && named.is_none()
    {
        // `/home/alice`.
        let is_persons = above
            .peek()
            .is_some_and(|above| is_one_of(above, &["home", "users"]));
        named = Some(part).filter(|part| !is_persons && is_name(part));
    }
    Envelope {
        host: named.filter(|_| id.is_none()).map(Cow::Borrowed),
        id: id.map(|id| Cow::Owned(id.as_str().to_owned())),
        ..Envelope::default()
    }
}

fn is_one_of(part: &str, names: &[&str]) -> bool {
    names.iter().any(|name| part.eq_ignore_ascii_case(name))
}

/// A name that one host may have, other than a day.
fn is_name(part: &str) -> bool {
    let is_address = part.parse::<std::net::Ipv4Addr>().is_ok();
    let is_named = is_address || part.bytes().any(|b| b.is_ascii_alphabetic());
    let words = part.split(|c: char| !c.is_ascii_alphabetic());
    let mut words = words.filter(|word| !word.is_empty());
    let is_anybodys = is_one_of(part, &ANYBODYS) || words.all(|word| is_one_of(word, &COPIES));
    is_named && is_host(part) && !part.contains(':') && (is_address || !is_anybodys)
}

fn has_digit(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_digit())
}

/// Whether nothing but a heading stands around what came so.
pub(in crate::record) fn is_bare(steps: &Steps) -> bool {
    matches!(steps, [first, 0, ..] if *first == 0 || first & 15 == step(HEADING, 0))
}

/// Whether `line` says of what file or host the lines below it are.
pub(crate) fn is_heading(line: &str) -> bool {
    heading(line).is_some()
}

/// What a heading says of the lines below it; `None` where the line is none, as most.
#[inline]
pub(in crate::record) fn heading(line: &str) -> Option<Envelope<'static>> {
    let may_be = line.starts_with("==> ") || line.ends_with(" >>");
    may_be.then(|| read_heading(line)).flatten()
}

fn read_heading(line: &str) -> Option<Envelope<'static>> {
    let path = line
        .strip_prefix("==> ")
        .and_then(|it| it.strip_suffix(" <=="));
    let (envelope, at) = match path {
        Some(path) => (envelope_of(path), place(path)),
        None => {
            let host = line.strip_suffix(" >>").and_then(prefix::ansible_host)?;
            (prefix::from(host), place(host))
        }
    };
    let mut opened = Opened::new("", envelope);
    opened.envelope.steps[0] = step(HEADING, at);
    Some(super::json::into_owned(opened).envelope)
}

#[cfg(test)]
mod tests {
    use super::super::{Known, step};
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04 ERROR [Registrar] x: y";
    const ID: &str = "i-0123456789abcdef0";

    fn opened<'a>(line: &'a str, known: &Known) -> Option<Opened<'a>> {
        open(line, &Context { known, depth: 0 })
    }

    #[test]
    fn a_path_names_the_host_by_what_stands_before_the_usual_one() {
        for (path, host) in [
            ("amazon-ssm-agent.log", None),
            ("./errors.log", None),
            ("/var/log/amazon/ssm/amazon-ssm-agent.log", None),
            ("/var/log/amazon/ssm/amazon-ssm-agent.log.1", None),
            ("/var/log/amazon/ssm/errors.log-20261123", None),
            ("/mnt/var/log/amazon/ssm/errors.log", None),
            (
                "C:\\ProgramData\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log",
                None,
            ),
            ("/home/alice/logs/amazon-ssm-agent.log", None),
            ("C:\\Users\\alice\\Desktop\\amazon-ssm-agent.log", None),
            ("2026-11-23/amazon-ssm-agent.log", None),
            ("web1/amazon-ssm-agent.log", Some("web1")),
            ("web1/2026-11-23/ssm/errors.log", Some("web1")),
            ("./10.0.0.1/amazon-ssm-agent.log", Some("10.0.0.1")),
            (
                "/mnt/web1/var/log/amazon/ssm/amazon-ssm-agent.log",
                Some("web1"),
            ),
            (
                "\\\\web1\\c$\\ProgramData\\Amazon\\SSM\\Logs\\errors.log",
                Some("web1"),
            ),
            ("logs/web-1_amazon-ssm-agent.log", Some("web-1")),
            ("collected/i-0123456789abcdef0/errors.log", Some(ID)),
            ("i-0123456789abcdef0.log", Some(ID)),
            ("web1/i-0123456789abcdef0-errors.log.1", Some(ID)),
            ("amazon-ssm-agent-i-0123456789abcdef0.log", Some(ID)),
            ("amazon-ssm-agent-web1.log", Some("web1")),
            ("amazon-ssm-agent-old.log", None),
            ("amazon-ssm-agent.log-20261123", None),
            ("logs/web1.log", Some("web1")),
            ("logs/agent1.log", None),
            ("Nov23/amazon-ssm-agent.log", None),
            ("before/amazon-ssm-agent.log", None),
            (
                "web1/var/snap/amazon-ssm-agent/common/amazon-ssm-agent.log",
                Some("web1"),
            ),
            (
                "/mnt/web1/C/ProgramData/Amazon/SSM/Logs/errors.log",
                Some("web1"),
            ),
        ] {
            let known = Known::default();
            for (before, after) in [(":", ""), (":", "12:"), ("-", ""), ("-", "12-")] {
                let line = format!("{path}{before}{after}{HEAD}");
                let opened = opened(&line, &known).unwrap_or_else(|| panic!("{line}"));
                let Envelope { host: name, id, .. } = opened.envelope;
                assert_eq!(
                    (&*opened.text, name.or(id).as_deref()),
                    (HEAD, host),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn a_record_goes_on_in_its_file() {
        for (path, agents) in [
            ("web1/amazon-ssm-agent.log", true),
            ("/var/log/amazon/ssm/errors.log", true),
            ("amazon-ssm-agent.log-20261123", true),
            ("amazon-ssm-agent.log.2026-11-23", true),
            ("web1/errors.log", false),
            ("i-0123456789abcdef0.log", false),
        ] {
            let mut known = Known::default();
            let cause = format!("{path}:13:\tstatus code: 403");
            assert_eq!(opened(&cause, &known).is_some(), agents, "{path}");
            let first = format!("{path}:12:{HEAD}");
            let steps = opened(&first, &known).expect("a record").envelope.steps;
            known.learn(&[step(10, steps[0]), 0, 0, 0]);
            let cause = opened(&cause, &known).expect("its cause");
            assert_eq!(
                (&*cause.text, cause.envelope.steps),
                ("\tstatus code: 403", steps)
            );
        }
        for line in [
            "web1/errors.log:502 Bad Gateway",
            "web1.log:x",
            "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF",
            "https://x/amazon-ssm-agent:2026-11-23 04:19:04 INFO x",
            "INFO:ssm.relay:2026-11-23 04:19:04 INFO x",
            HEAD,
        ] {
            assert_eq!(opened(line, &Known::default()), None, "{line}");
        }
    }

    #[test]
    fn a_heading_says_whose_the_lines_below_are() {
        let named = |line: &str| heading(line).map(|it| it.host.or(it.id).map(Cow::into_owned));
        for (line, host) in [
            ("==> web1/amazon-ssm-agent.log <==", Some("web1")),
            ("==> /var/log/amazon/ssm/errors.log <==", None),
            ("==> i-0123456789abcdef0.log <==", Some(ID)),
            ("web1 | CHANGED | rc=0 >>", Some("web1")),
            ("10.0.0.1 | FAILED | rc=1 >>", Some("10.0.0.1")),
        ] {
            assert_eq!(named(line), Some(host.map(str::to_owned)), "{line}");
        }
        for line in ["==> amazon-ebs.web: x", "a | b | c >>", "x >>", ""] {
            assert_eq!(named(line), None, "{line}");
        }
    }
}
