//! The name of a container in front of its lines: `kubectl logs --prefix`
//! (`[pod/NAME/CONTAINER] …`), stern (`POD CONTAINER …`), `docker compose logs`
//! and `docker service logs` (`NAME  | …`); that of a host, as pdsh and ClusterShell
//! (`NAME: …`), Ansible (`NAME | CHANGED | rc=0 | (stdout) …`) and Fabric
//! (`[NAME] out: …`) write it.

use std::borrow::Cow;

use super::program::Producer;
use super::{
    Context, Envelope, Opened, Reads, Step, begins_record, begins_wrapped, is_host, reads,
};

/// No name is longer, with those around it.
const LONGEST: usize = 200;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let start = &line[..line.floor_char_boundary(LONGEST)];
    let behind = |end: usize| line[end..].strip_prefix(' ').unwrap_or(&line[end..]);
    if let Some(bracketed) = start.strip_prefix('[') {
        let end = bracketed.find("] ")?;
        let names = &bracketed[..end];
        let pod = names.strip_prefix("pod/").unwrap_or(names);
        let pod = pod.split(['/', ' ']).next()?;
        let text = behind(end + 2);
        let texts = ["out: ", "err: "].map(|stream| text.strip_prefix(stream));
        let text = texts.into_iter().flatten().next().unwrap_or(text);
        let are_names = names
            .split(' ')
            .all(|name| is_name(name) || is_address(name));
        return line_of((PLACE, pod), text, context).filter(|_| are_names);
    }
    if let Some((name, _)) = start.split_once("| ") {
        let host = name.trim_end();
        if let Some((result, text)) = line.split_once(" | (stdout) ")
            && ansible_host(result) == Some(host)
        {
            return line_of((PLACE + 5, host), text, context);
        }
        return line_of((PLACE + 1, host), behind(name.len() + 1), context)
            .filter(|_| is_name(host));
    }
    let (first, rest) = start.split_once(' ')?;
    let behind = &line[first.len() + 1..];
    if let Some(host) = first.strip_suffix(':') {
        return is_machine(host)
            .then(|| line_of((PLACE + 6, host), behind, context))
            .flatten();
    }
    // `podman logs --names`.
    if is_name(first)
        && first.contains(['-', '_'])
        && (begins_record(behind) || begins_wrapped(behind) || context.known.has(PLACE + 4))
    {
        return line_of((PLACE + 4, first), behind, context);
    }
    let (second, rest) = rest.split_once(' ')?;
    // A namespace may stand before the pod.
    let third = rest.split(' ').next()?;
    let two = first.len() + second.len() + 2;
    let three = two + third.len() + 1;
    [
        (PLACE + 2, second, third, three),
        (PLACE + 3, first, second, two),
    ]
    .into_iter()
    .find_map(|(path, pod, container, end)| {
        let are_names = [first, pod, container].into_iter().all(is_name) && pod.contains('-');
        let text = line.get(end..).filter(|_| are_names)?;
        line_of((path, pod), text, context)
    })
}

/// The places of lines behind one form of names and another.
const PLACE: Step = 16;

/// The text where it is a line of the agent: what reads like one, and what comes
/// as one did.
fn line_of<'a>(
    (path, host): (Step, &'a str),
    text: &'a str,
    context: &Context<'_>,
) -> Option<Opened<'a>> {
    let is_line = context.known.has(path) || reads(text, &context.deeper()) == Some(Reads::Record);
    is_line.then(|| Opened::new(text, from(host)).at_path(path))
}

/// Of `ec2-user@web1`, and of the task `ssm.1.ab@node1`, the host.
pub(super) fn from(host: &str) -> Envelope<'_> {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Envelope {
        host: Some(Cow::Borrowed(host)),
        ..Envelope::default()
    }
}

/// The host of `web1 | CHANGED | rc=0`.
pub(super) fn ansible_host(result: &str) -> Option<&str> {
    let (host, rest) = result.split_once(" | ")?;
    let (status, code) = rest.split_once(" | ")?;
    let is_status = status.bytes().all(|b| b.is_ascii_uppercase() || b == b'!');
    (is_status && code.starts_with("rc=") && (is_name(host) || is_machine(host))).then_some(host)
}

/// Whether a word is a host's name for sure, and not a person's, a field's or a program's:
/// most have a number, a hyphen or a domain.
fn is_machine(word: &str) -> bool {
    let is_joined = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let is_file = || word.contains(".log") || word.ends_with(".txt");
    is_host(word)
        && word.bytes().any(is_joined)
        && (is_name(word) || is_address(word))
        && !is_file()
        && Producer::named(word) != Producer::Agent
}

fn is_address(word: &str) -> bool {
    word.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_name(word: &str) -> bool {
    let shaped = |b: u8| b.is_ascii_alphanumeric() || b"-._/@".contains(&b);
    // An editor's line numbers are none.
    word.bytes().any(|b| b.is_ascii_alphabetic()) && word.bytes().all(shaped)
}

#[cfg(test)]
mod tests {
    use super::super::{Known, step};
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] x";

    #[test]
    fn a_name_goes_off_the_lines_of_the_agent_and_of_what_comes_like_them() {
        let opened = |line: &str, known: &Known| {
            let opened = open(line, &Context { known, depth: 0 })?;
            let host = opened.envelope.host.unwrap_or_default().into_owned();
            Some((opened.text.into_owned(), host, opened.envelope.steps))
        };
        for (prefix, host) in [
            ("[pod/ssm-x7/ssm] ", "ssm-x7"),
            ("[ssm-x7 ssm] ", "ssm-x7"),
            ("ssm-x7 ssm ", "ssm-x7"),
            ("kube-system ssm-x7 ssm ", "ssm-x7"),
            ("ssm-agent-1  | ", "ssm-agent-1"),
            ("ssm.1.ab@node    | ", "node"),
            ("web1: ", "web1"),
            ("10.0.0.1: ", "10.0.0.1"),
            ("ip-10-0-0-1.ec2.internal: ", "ip-10-0-0-1.ec2.internal"),
            ("web1 | CHANGED | rc=0 | (stdout) ", "web1"),
            ("[web1] out: ", "web1"),
            ("[web1] err: ", "web1"),
            ("[ec2-user@web1] out: ", "web1"),
            ("[10.0.0.1] out: ", "10.0.0.1"),
        ] {
            let mut known = Known::default();
            let (text, name, steps) = opened(&format!("{prefix}{HEAD}"), &known).expect(prefix);
            assert_eq!((&*text, &*name), (HEAD, host), "{prefix}");
            let cause = format!("{prefix}\tcaused by: EOF");
            assert_eq!(opened(&cause, &known), None, "{prefix}");
            known.learn(&[step(7, steps[0]), 0, 0, 0]);
            let (text, name, _) = opened(&cause, &known).expect(prefix);
            assert_eq!((&*text, &*name), ("\tcaused by: EOF", host), "{prefix}");
            assert_eq!(opened("caused by: x", &known), None, "{prefix}");
        }
        for line in [
            format!("See {HEAD}"),
            format!("It says: {HEAD}"),
            format!("[a, b] {HEAD}"),
            format!("  12 | {HEAD}"),
            format!("alice: {HEAD}"),
            format!("amazon-ssm-agent: {HEAD}"),
            format!("x.log: {HEAD}"),
            format!("12: {HEAD}"),
            "[pod/x/y] hello".to_owned(),
        ] {
            assert_eq!(opened(&line, &Known::default()), None, "{line}");
        }
    }
}
