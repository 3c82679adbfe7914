//! Fields as logrus, `log/slog` and others write them: `time="…" level=info
//! msg="…"`, what is quoted escaped as in Go.

use super::{Context, Opened, is_continuation, is_wrapped, json, reads};

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let opened = json::open_other(&as_object(line)?, context)?;
    // The program that hands on the agent's lines writes its own just so.
    let (text, within) = (&opened.text, context.deeper());
    let is_line = reads(text, &within).is_some()
        || is_continuation(text)
        // A line within that goes on with a record: what stands around it tells.
        || is_wrapped(text, &within);
    is_line.then_some(opened)
}

/// Whether a field stands at the start, `name=`.
pub(super) fn begins_field(text: &str) -> bool {
    let name = text.bytes().take_while(|b| is_of_name(*b)).count();
    name > 0 && text.as_bytes().get(name) == Some(&b'=')
}

fn is_of_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_.-@".contains(&b)
}

fn as_object(line: &str) -> Option<String> {
    let mut fields = Vec::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return None;
        }
        let end = match value.strip_prefix('"') {
            Some(quoted) => quote_end(quoted)? + 2,
            None => value.find(' ').unwrap_or(value.len()),
        };
        let (value, more) = value.split_at(end);
        fields.push(if value.starts_with('"') {
            format!("\"{name}\":{value}")
        } else {
            format!("\"{name}\":{}", serde_json::Value::from(value))
        });
        rest = match more {
            "" => "",
            more => more.strip_prefix(' ')?.trim_start(),
        };
    }
    Some(format!("{{{}}}", fields.join(",")))
}

/// Where the quote ends, in which `\"` is a part of the text.
fn quote_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Known, Stamp, step};
    use super::*;

    #[test]
    fn the_field_that_reads_like_the_line_is_it() {
        let mut known = Known::default();
        let opened = |line: &str, known: &Known| {
            let opened = open(line, &Context { known, depth: 0 })?;
            Some((
                opened.text.into_owned(),
                opened.envelope.steps,
                opened.envelope.at.map(Stamp::into_owned),
            ))
        };
        let head = "2026-11-23 04:19:04.1850 ERROR [Registrar] \"a\": C:\\b é";
        let quoted = serde_json::Value::from(head);
        let line = format!("time=\"2026-11-23T04:19:05Z\" level=info msg={quoted} source=ssm");
        let (text, steps, at) = opened(&line, &known).expect("a line");
        assert_eq!(text, head);
        assert_eq!(at, Some(Stamp::Text("2026-11-23T04:19:05Z".into())));
        let cause = "level=info msg=\"\\tstatus code: 403\" empty=";
        let own = "level=error msg=\"connection refused\"";
        assert_eq!(opened(cause, &known), None);
        known.learn(&[step(6, steps[0]), 0, 0, 0]);
        assert_eq!(
            opened(cause, &known).map(|it| it.0).as_deref(),
            Some("\tstatus code: 403")
        );
        for line in [own, "a=b c", "msg=\"open", "=x", "msg=\"a\"b=c", "a b=c"] {
            assert_eq!(opened(line, &known), None, "{line}");
        }
    }
}
