//! Whatever else a tool writes in front of each line: a build's step, a plugin's name,
//! another logger's head, CEF. It is known by the agent's own head behind it, whose
//! time is like nobody else's, and what continues a record comes behind the same.

use std::borrow::Cow;

use super::own_head::{self, LONGEST, is_event, is_opening};
use super::{Context, Envelope, Opened, Step, Wrapper, file, has_clock, path_hash, prefix, syslog};

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let end = match own_head::find(line) {
        Some(head) => match syslogs_head(&line[..head], line, context) {
            Some(start) if line[..start].ends_with(is_opening) => return None,
            start => (start.or_else(|| hosts_head(&line[..head], line, context))).unwrap_or(head),
        },
        None => same_prefix(line, context)?,
    };
    let (prefix, text) = line.split_at(end);
    let text = match is_event(prefix) {
        true => value(prefix, text),
        false => Cow::Borrowed(text),
    };
    let opened = Opened::new(text, Envelope::default());
    Some(opened.at_path(path(prefix.bytes())))
}

/// The value of an event's last field in `prefix`, up to the next one's name. Only CEF
/// escapes, `=` and the backslash.
fn value<'a>(prefix: &str, text: &'a str) -> Cow<'a, str> {
    let is_cef = prefix.starts_with("CEF:");
    let delimiter = if is_cef { ' ' } else { delimiter(prefix) };
    let mut signs = memchr::memchr_iter(b'=', text.as_bytes());
    let end = signs.find_map(|at| {
        let (value, name) = text[..at].rsplit_once(delimiter)?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        is_name.then_some(value.len())
    });
    let value = &text[..end.unwrap_or(text.len())];
    match is_cef && value.contains('\\') {
        true => Cow::Owned(value.replace("\\=", "=").replace("\\\\", "\\")),
        false => Cow::Borrowed(value),
    }
}

/// What stands between two fields of LEEF: a tab, or since 2.0 what its head's last part
/// says, the character or its code.
fn delimiter(prefix: &str) -> char {
    let said = (prefix.strip_prefix("LEEF:2")).and_then(|it| it.split('|').nth(5));
    let said = said.unwrap_or_default();
    let code = said.trim_start_matches('0').strip_prefix('x');
    let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
    (code.and_then(char::from_u32))
        .or_else(|| said.chars().next())
        .unwrap_or('\t')
}

/// Where in `prefix` the head of syslog begins, which names the host.
fn syslogs_head(prefix: &str, line: &str, context: &Context<'_>) -> Option<usize> {
    if !has_clock(prefix.as_bytes()) {
        return None;
    }
    let ends = prefix.char_indices().filter(|(_, c)| !c.is_alphanumeric());
    let mut starts = ends.map(|(at, c)| at + c.len_utf8());
    starts.find(|at| {
        let begins = line[*at..].starts_with(|first: char| first == '<' || first.is_alphanumeric());
        let opened = begins
            .then(|| syslog::open(&line[*at..], context))
            .flatten();
        opened.is_some_and(|opened| opened.envelope.host.is_some())
    })
}

/// Where the last word of `prefix` begins, if it names a host or the file.
fn hosts_head(prefix: &str, line: &str, context: &Context<'_>) -> Option<usize> {
    let words = prefix.trim_ascii_end();
    let start = words.rfind(|c: char| c.is_ascii_whitespace())? + 1;
    let is_named = |wrapper: Wrapper| {
        let opened = wrapper(&line[start..], context).map(|opened| opened.envelope);
        opened.is_some_and(|it| it.host.is_some() || it.id.is_some())
    };
    let is_one = words.ends_with([':', '-']) && (is_named(prefix::open) || is_named(file::open));
    is_one.then_some(start)
}

/// Where the prefix ends behind which a record of this stream came.
fn same_prefix(line: &str, context: &Context<'_>) -> Option<usize> {
    if context.known.is_empty() {
        return None;
    }
    let start = &line[..line.floor_char_boundary(LONGEST)];
    let ends = start.bytes().enumerate();
    let mut ends = ends.filter(|(_, b)| b.is_ascii() && !b.is_ascii_alphanumeric());
    let is_known = |end: usize| context.known.has(path(start[..end].bytes()));
    ends.find_map(|(at, _)| is_known(at + 1).then_some(at + 1))
}

/// A hash of a prefix, whatever its numbers.
fn path(prefix: impl Iterator<Item = u8>) -> Step {
    let mut shape = String::new();
    for byte in prefix {
        match byte {
            b'0'..=b'9' if shape.ends_with('0') => {}
            b'0'..=b'9' => shape.push('0'),
            other => shape.push(char::from(other)),
        }
    }
    path_hash(Step::MAX, &shape)
}

#[cfg(test)]
mod tests {
    use super::super::{Known, step};
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] x";

    #[test]
    fn a_host_or_a_file_right_before_the_head_is_left() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        for (prefix, left) in [
            ("==> amazon-ebs.web: ", "amazon-ebs.web: "),
            ("bq. web1: ", "web1: "),
            ("build\tweb1/ssm.log:", "web1/ssm.log:"),
            ("build\tssm.log:", ""),
            ("[build] stdout: ", ""),
        ] {
            let line = format!("{prefix}{HEAD}");
            let text = open(&line, &context).map(|it| it.text);
            assert_eq!(text.as_deref(), Some(&*format!("{left}{HEAD}")), "{line}");
        }
    }

    #[test]
    fn syslogs_head_is_left_to_name_the_host() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        for head in [
            "Nov 23 04:19:04 web-1 amazon-ssm-agent[9]: ",
            "<30>Nov 23 04:19:04 web-1 amazon-ssm-agent[9]: ",
            "2026-11-23T04:19:04+00:00 web-1 amazon-ssm-agent[9]: ",
        ] {
            let line = format!("| a (remote-exec): {head}{HEAD}");
            let text = open(&line, &context).map(|it| it.text);
            assert_eq!(text.as_deref(), Some(&*format!("{head}{HEAD}")), "{line}");
            let quoted = format!("a says \"{head}{HEAD}\"");
            assert_eq!(open(&quoted, &context), None);
        }
        let object = format!("`{{\"a\":1,&quot;b&quot;: {HEAD}");
        assert_eq!(open(&object, &context), None);
    }

    #[test]
    fn a_value_ends_where_the_next_field_begins() {
        for (prefix, value, text) in [
            ("CEF:0|a|b|c|d|e|5|msg=", "x \\=1 y rt=2", "x =1 y"),
            ("LEEF:1.0|a|b|c|d|msg=", "x a=1\tb\tsev=5", "x a=1\tb"),
            ("LEEF:2.0|a|b|c|d|^|msg=", "x\ta=1^sev=5", "x\ta=1"),
            ("LEEF:2.0|a|b|c|d|x5E|msg=", "x^sev=5", "x"),
            ("LEEF:2.0|a|b|c|d|0x09|msg=", "x^\tsev=5", "x^"),
        ] {
            let line = format!("{prefix}{HEAD}{value}");
            let known = Known::default();
            let context = Context {
                known: &known,
                depth: 0,
            };
            let opened = open(&line, &context).expect("an event");
            assert_eq!(opened.text, format!("{HEAD}{text}"), "{line}");
        }
    }

    #[test]
    fn whatever_stands_before_the_agents_head_goes() {
        let opened = |line: &str, known: &Known| {
            let opened = open(line, &Context { known, depth: 0 })?;
            Some((opened.text.into_owned(), opened.envelope.steps))
        };
        for prefix in [
            "2026-11-23 04:19:04,185 - ssm.relay - INFO - ",
            "INFO:ssm.relay:",
            "[Container] 2026/11/23 04:19:04.185462 ",
            "==> amazon: ",
            "module.a.aws_instance.web[0] (local-exec): ",
            "CEF:0|Amazon|SSM Agent|3.3|100|log|5|dvchost=web-1 msg=",
            "LEEF:1.0|Amazon|SSM Agent|3.3|100|sev=5\tmsg=",
            "web-1 | CHANGED | rc=0 | (stdout) ",
        ] {
            let mut known = Known::default();
            let (text, steps) = opened(&format!("{prefix}{HEAD}"), &known).expect(prefix);
            assert_eq!(text, HEAD, "{prefix}");
            let later = prefix.replace("04:19:04", "04:19:05");
            let cause = format!("{later}caused by: EOF");
            assert_eq!(opened(&cause, &known), None, "{prefix}");
            known.learn(&[step(12, steps[0]), 0, 0, 0]);
            let text = opened(&cause, &known).map(|it| it.0);
            assert_eq!(text.as_deref(), Some("caused by: EOF"), "{prefix}");
            assert_eq!(opened("a: caused by: EOF", &known), None, "{prefix}");
        }
        for line in [
            format!("the agent says: {HEAD}"),
            format!("It says \"{HEAD}\""),
            "x: 2026-11-23 04:19:04.185 ERROR [Registrar] x".to_owned(),
            HEAD.to_owned(),
        ] {
            assert_eq!(opened(&line, &Known::default()), None, "{line}");
        }
    }
}
