//! What the AWS CLI prints as text, its columns by their names: of
//! `get-log-events` ingestion time, message, time; of `filter-log-events` the
//! event's id and the stream as well.

use super::{Context, Envelope, Opened, Stamp};
use crate::node::NodeId;

pub(super) fn open<'a>(line: &'a str, _: &Context<'_>) -> Option<Opened<'a>> {
    let (first, rest) = column(line.strip_prefix("EVENTS\t")?)?;
    let mut envelope = Envelope::default();
    let text = if first.len() > 20 {
        let (stream, text) = column(rest)?.1.split_once('\t')?;
        envelope.id = NodeId::from_stream_name(stream).map(|id| id.as_str().to_owned().into());
        text
    } else {
        rest
    };
    // A message of several lines has it at its end.
    let timed = text.rsplit_once('\t').filter(|(_, at)| is_number(at));
    envelope.at = timed.map(|(_, at)| Stamp::Text(at.into()));
    Some(Opened::new(timed.map_or(text, |(text, _)| text), envelope))
}

/// A number, and what follows its column.
fn column(text: &str) -> Option<(&str, &str)> {
    text.split_once('\t')
        .filter(|(number, _)| is_number(number))
}

fn is_number(text: &str) -> bool {
    text.len() >= 13 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    #[test]
    fn the_message_is_told_from_the_columns_around_it() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        let id = "0".repeat(56);
        for (line, text, at, node) in [
            (
                "EVENTS\t1795407544185\ta\tb\t1795407544123".to_owned(),
                "a\tb",
                Some("1795407544123"),
                None,
            ),
            (
                format!("EVENTS\t{id}\t1795407544185\ti-0123456789abcdef0\t\tb"),
                "\tb",
                None,
                Some("i-0123456789abcdef0"),
            ),
        ] {
            let opened = open(&line, &context).expect("a row");
            assert_eq!(opened.text, text);
            assert_eq!(opened.envelope.at, at.map(|at| Stamp::Text(at.into())));
            assert_eq!(opened.envelope.id.as_deref(), node);
        }
        assert_eq!(open("EVENTS\ta\tb", &context), None);
    }
}
