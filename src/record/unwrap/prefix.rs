//! The name of a container in front of its lines: `kubectl logs --prefix`
//! (`[pod/NAME/CONTAINER] …`), stern (`POD CONTAINER …`), `docker compose logs`
//! and `docker service logs` (`NAME  | …`).

use std::borrow::Cow;

use super::{Context, Envelope, Opened, Reads, Step, begins_record, begins_wrapped, reads};

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
        return line_of((PLACE, pod), behind(end + 2), context)
            .filter(|_| names.split(' ').all(is_name));
    }
    if let Some((name, _)) = start.split_once("| ") {
        let host = name.trim_end();
        return line_of((PLACE + 1, host), behind(name.len() + 1), context)
            .filter(|_| is_name(host));
    }
    let (first, rest) = start.split_once(' ')?;
    // `podman logs --names`.
    let behind = &line[first.len() + 1..];
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
    let envelope = Envelope {
        host: Some(Cow::Borrowed(host)),
        ..Envelope::default()
    };
    is_line.then(|| Opened::new(text, envelope).at_path(path))
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
            ("ssm.1.ab@node    | ", "ssm.1.ab@node"),
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
            "[pod/x/y] hello".to_owned(),
        ] {
            assert_eq!(opened(&line, &Known::default()), None, "{line}");
        }
    }
}
