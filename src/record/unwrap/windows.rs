//! Events of Windows as they are exported: XML, and a table of columns, which
//! other tools write as well. The line is the text that begins as a record does.

use std::borrow::Cow;

use super::{Context, Envelope, Opened, Stamp, is_timed_head};

pub(super) fn open<'a>(line: &'a str, _: &Context<'_>) -> Option<Opened<'a>> {
    xml(line).or_else(|| columns(line))
}

/// `<Event …><System>…<TimeCreated SystemTime='…'/>…<Computer>…</Computer>…`.
fn xml(line: &str) -> Option<Opened<'_>> {
    if !(line.starts_with("<Event") || line.starts_with("<?xml")) {
        return None;
    }
    let texts = line.split('>').filter_map(|part| part.split_once('<'));
    let text = texts
        .map(|(text, _)| text.trim_start())
        .find(|text| is_timed_head(text))?;
    let host = between(line, "<Computer>", "<");
    let at = between(line, "SystemTime=", " ").map(|at| {
        let end = at.find(['>', '/']).unwrap_or(at.len());
        at[..end].trim_matches(['"', '\''])
    });
    let envelope = Envelope {
        host: host.map(Cow::Borrowed),
        at: at.map(|at| Stamp::Text(at.into())),
        ..Envelope::default()
    };
    Some(Opened::new(without_entities(text), envelope))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(it, _)| it))
}

fn without_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#xD;", ""),
        ("&#13;", ""),
        ("&#xA;", "\n"),
        ("&#10;", "\n"),
        ("&#x9;", "\t"),
        ("&#9;", "\t"),
        ("&amp;", "&"),
    ];
    let plain = (entities.iter()).fold(text.to_owned(), |text, (entity, it)| {
        text.replace(entity, it)
    });
    Cow::Owned(plain)
}

/// The column in which a record begins, quoted or not.
fn columns(line: &str) -> Option<Opened<'_>> {
    let separators = line
        .bytes()
        .take(512)
        .enumerate()
        .filter(|(_, b)| matches!(b, b',' | b';' | b'\t' | b'|'));
    let starts = std::iter::once(0).chain(separators.map(|(at, _)| at + 1));
    starts.into_iter().take(24).find_map(|start| {
        let column = line[start..].trim_start_matches(' ');
        let quoted = column.strip_prefix('"');
        let text = quoted.unwrap_or(column);
        // The whole line is no column.
        if (start == 0 && quoted.is_none()) || !is_timed_head(text) {
            return None;
        }
        let text = match quoted {
            Some(text) => unquoted(text),
            None => Cow::Borrowed(text),
        };
        Some(Opened::new(text, Envelope::default()))
    })
}

/// Up to the quote that closes it; a quote within is doubled.
fn unquoted(text: &str) -> Cow<'_, str> {
    let mut end = 0;
    while let Some(at) = text[end..].find('"') {
        end += at;
        if text[end + 1..].starts_with('"') {
            end += 2;
        } else {
            break;
        }
        if !text[end..].contains('"') {
            end = text.len();
        }
    }
    let whole = if text[end..].starts_with('"') {
        &text[..end]
    } else {
        text
    };
    if whole.contains("\"\"") {
        Cow::Owned(whole.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(whole)
    }
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
    fn an_event_as_xml_gives_its_text_host_and_time() {
        let line = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='AmazonSSMAgent'/><TimeCreated SystemTime='2026-11-23T04:19:04.1850000Z'/><Computer>EC2AMAZ-1</Computer></System><EventData><Data>2026-11-23 04:19:04.1850 ERROR [Registrar] Post &quot;https://x&quot;: &lt;a&gt;</Data></EventData></Event>";
        let opened = opened(line).expect("an event");
        assert_eq!(
            opened.text,
            "2026-11-23 04:19:04.1850 ERROR [Registrar] Post \"https://x\": <a>"
        );
        assert_eq!(opened.envelope.host.as_deref(), Some("EC2AMAZ-1"));
        assert_eq!(
            opened.envelope.at,
            Some(Stamp::Text("2026-11-23T04:19:04.1850000Z".into()))
        );
    }

    #[test]
    fn the_column_that_begins_as_a_record_is_the_line() {
        const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"b\"";
        for line in [
            format!("Error,11/23/2026 4:19:04 AM,AmazonSSMAgent,100,None,{HEAD}"),
            "\"11/23/2026 4:19:04 AM\",\"2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"\"b\"\"\",\"Error\"".to_owned(),
            "\"2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"\"b\"\"\"".to_owned(),
            format!("2026-11-23T04:19:04Z\tssm\t{HEAD}"),
            format!("ssm-agent-1  | {HEAD}"),
        ] {
            assert_eq!(opened(&line).map(|it| it.text).as_deref(), Some(HEAD), "{line}");
        }
        for line in [
            HEAD,
            "a,b,c",
            "\"the agent wrote, ERROR\"",
            "<html><body>403</body></html>",
        ] {
            assert_eq!(opened(line), None, "{line}");
        }
    }
}
