//! A table of columns, quoted or not, as exports and other tools write it. The line
//! is the column that begins as a record does; what continues one stands in the same.

use std::borrow::Cow;

use super::{
    Context, Envelope, Opened, Reads, Step, begins_record, begins_wrapped, logfmt, own_head, reads,
    stamp,
};

/// The first column's place; the others' follow it.
const PLACE: Step = 64;

/// No line stands behind more.
const COLUMNS: usize = 24;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    if own_head::is_event(line) {
        return None;
    }
    let begins = |column: &Column<'_>| begins_record(column.text);
    let known = |column: &Column<'_>| context.known.has(column.path);
    let column = columns(line)
        .find(begins)
        .or_else(|| columns(line).find(known))
        .or_else(|| wrapped(line, context))?;
    Some(Opened::new(column.unquoted(), Envelope::default()).at_path(column.path))
}

/// The last column that holds a line in a further wrapper.
fn wrapped<'a>(line: &'a str, context: &Context<'_>) -> Option<Column<'a>> {
    let may = |column: &Column<'_>| {
        let text = column.text;
        column.is_quoted && begins_wrapped(text)
            || text.starts_with(['{', '[', '<'])
            || logfmt::begins_field(text)
            // RFC 5424 begins with its version.
            || stamp::leading(text.strip_prefix("1 ").unwrap_or(text)).is_some()
    };
    let mut last: Vec<Column<'a>> = columns(line).filter(may).collect();
    let tried = last.len().saturating_sub(TRIED);
    let read = |column: &Column<'_>| {
        let text = column.unquoted();
        reads(&text, &context.deeper()) == Some(Reads::Record)
    };
    last.drain(tried..).rev().find(read)
}

/// So many columns are looked into at most.
const TRIED: usize = 3;

/// A column, and all that follows it.
struct Column<'a> {
    text: &'a str,
    is_quoted: bool,
    path: Step,
}

impl<'a> Column<'a> {
    fn unquoted(&self) -> Cow<'a, str> {
        match self.is_quoted {
            true => unquoted(self.text),
            false => Cow::Borrowed(self.text),
        }
    }
}

fn columns(line: &str) -> impl Iterator<Item = Column<'_>> {
    let bytes = line.bytes().take(512).enumerate();
    let separators = bytes.filter(|(_, b)| matches!(b, b',' | b';' | b'\t' | b'|'));
    let starts = std::iter::once(0).chain(separators.map(|(at, _)| at + 1));
    let columns = starts.take(COLUMNS).enumerate().map(|(index, start)| {
        let column = line[start..].trim_start_matches(' ');
        let quoted = column.strip_prefix('"');
        Column {
            text: quoted.unwrap_or(column),
            is_quoted: quoted.is_some(),
            path: PLACE + 2 * index as Step + Step::from(quoted.is_some()),
        }
    });
    // The whole line is no column.
    columns.filter(|column| column.path != PLACE)
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
    use super::super::{Known, step};
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"b\"";

    fn opened<'a>(line: &'a str, known: &Known) -> Option<Opened<'a>> {
        open(line, &Context { known, depth: 0 })
    }

    #[test]
    fn the_column_that_begins_as_a_record_is_the_line() {
        for line in [
            format!("Error,11/23/2026 4:19:04 AM,AmazonSSMAgent,100,None,{HEAD}"),
            "\"11/23/2026 4:19:04 AM\",\"2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"\"b\"\"\",\"Error\"".to_owned(),
            "\"2026-11-23 04:19:04.1850 ERROR [Registrar] a, \"\"b\"\"\"".to_owned(),
            format!("2026-11-23T04:19:04Z\tssm\t{HEAD}"),
            format!("ssm-agent-1  | {HEAD}"),
        ] {
            let text = opened(&line, &Known::default()).map(|it| it.text);
            assert_eq!(text.as_deref(), Some(HEAD), "{line}");
        }
        for line in [
            HEAD,
            "a,b,c",
            "\"the agent wrote, ERROR\"",
            "<html><body>403</body></html>",
        ] {
            assert_eq!(opened(line, &Known::default()), None, "{line}");
        }
    }

    #[test]
    fn a_record_goes_on_in_its_column() {
        for (before, after) in [
            ("\"11/23/2026, 4:19:04 AM\",\"web-1\",\"", "\""),
            ("77\tweb-1\t", ""),
        ] {
            let mut known = Known::default();
            let cause = format!("{before}\tcaused by: EOF{after}");
            assert_eq!(opened(&cause, &known), None, "{before}");
            let first = format!("{before}2026-11-23 04:19:04.1850 ERROR x{after}");
            let steps = opened(&first, &known).expect("a row").envelope.steps;
            known.learn(&[step(11, steps[0]), 0, 0, 0]);
            let text = opened(&cause, &known).map(|it| it.text);
            assert_eq!(text.as_deref(), Some("\tcaused by: EOF"), "{before}");
            assert_eq!(opened("a,b", &known), None);
        }
    }
}
