//! Events of Windows as they are exported in XML. The line is the text that begins as
//! a record does.

use std::borrow::Cow;

use super::{Context, Envelope, Opened, Producer, Stamp, begins_record};

/// `<Event …><System>…<TimeCreated SystemTime='…'/>…<Computer>…</Computer>…`, and
/// more of them in one line.
pub(super) fn open<'a>(line: &'a str, _: &Context<'_>) -> Option<Opened<'a>> {
    if !(line.starts_with("<Event") || line.starts_with("<?xml")) {
        return None;
    }
    let mut events = line.split("</Event>").filter_map(event);
    let mut opened = events.next()?;
    opened.more = events.collect();
    Some(opened)
}

fn event(event: &str) -> Option<Opened<'_>> {
    let event = &event[event.find("<Event ")?..];
    let texts = event.split('>').filter_map(|part| part.split_once('<'));
    let head = texts
        .map(|(text, _)| text.trim_start())
        .find(|text| begins_record(text));
    // A line of a record may have an event of its own.
    let text = head
        .or_else(|| between(event, "<Data>", "<"))
        .unwrap_or_default();
    let source = attribute(event, "Provider Name=").unwrap_or_default();
    let envelope = Envelope {
        host: between(event, "<Computer>", "<").map(Cow::Borrowed),
        at: attribute(event, "SystemTime=").map(|at| Stamp::Text(at.into())),
        producer: match source {
            _ if head.is_some() => Producer::Unnamed,
            "AmazonSSMAgent" => Producer::Agent,
            other => Producer::Other(other.into()),
        },
        ..Envelope::default()
    };
    Some(Opened::new(without_entities(text), envelope))
}

/// The value, with its quotes off, of the attribute that is written so.
fn attribute<'t>(event: &'t str, name: &str) -> Option<&'t str> {
    let (_, value) = event.split_once(name)?;
    let quote = value.chars().next()?;
    value[1..].split(quote).next()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(it, _)| it))
}

fn without_entities(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('&');
    let Some(first) = parts.next().filter(|first| first.len() < text.len()) else {
        return Cow::Borrowed(text);
    };
    let mut plain = first.to_owned();
    for part in parts {
        let entity = part.split_once(';');
        match entity.and_then(|(name, rest)| Some((character(name)?, rest))) {
            Some(('\r', rest)) => plain.push_str(rest),
            Some((c, rest)) => plain.extend([c.encode_utf8(&mut [0; 4]), rest]),
            None => plain.extend(["&", part]),
        }
    }
    Cow::Owned(plain)
}

fn character(entity: &str) -> Option<char> {
    let number = |digits, radix| {
        u32::from_str_radix(digits, radix)
            .ok()
            .and_then(char::from_u32)
    };
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "amp" => Some('&'),
        _ => match entity.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(&entity[1..], 10),
        },
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
    fn events_in_one_line_are_lines_of_the_agent_or_of_another() {
        let event = |source: &str, text: &str| {
            format!(
                "<Event xmlns='x'><System><Provider Name=\"{source}\"/></System><EventData><Data>{text}</Data></EventData></Event>"
            )
        };
        let line = format!(
            "<?xml version=\"1.0\"?><Events>{}{}{}</Events>",
            event(
                "AmazonSSMAgent",
                "2026-11-23 04:19:04.1850 ERROR x&#xD;&#10;&#9;y"
            ),
            event("AmazonSSMAgent", "caused by: &#39;&amp;lt; &x; &"),
            event("Other", "z"),
        );
        let first = opened(&line).expect("events");
        let all = std::iter::once(&first).chain(&first.more);
        let all: Vec<_> = all
            .map(|it| (&*it.text, it.envelope.producer.clone()))
            .collect();
        assert_eq!(
            all,
            [
                ("2026-11-23 04:19:04.1850 ERROR x\n\ty", Producer::Unnamed),
                ("caused by: '&lt; &x; &", Producer::Agent),
                ("z", Producer::Other("Other".into())),
            ]
        );
    }
}
