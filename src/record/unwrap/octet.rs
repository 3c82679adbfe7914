//! Octet counting (RFC 6587): the length of each syslog message in front of it.
//! Such messages need no line end between them.

use super::{Context, Envelope, Opened};
use crate::record::text::split_at_byte;

pub(super) fn open<'a>(line: &'a str, _: &Context<'_>) -> Option<Opened<'a>> {
    let mut messages = std::iter::successors(first(line), |(_, rest)| first(rest))
        .map(|(message, _)| Opened::new(message, Envelope::default()));
    let mut opened = messages.next()?;
    opened.more = messages.collect();
    Some(opened)
}

/// The first message, and what follows it. One that is longer than the line goes
/// on in the next.
fn first(line: &str) -> Option<(&str, &str)> {
    let (count, rest) = split_at_byte(line, b' ')?;
    let counts = matches!(count.len(), 1..=6) && count.bytes().all(|b| b.is_ascii_digit());
    let message = rest.strip_prefix('<')?;
    if !counts || !message.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let split = rest.split_at_checked(count.parse().ok()?);
    let is_next = |more: &str| more.is_empty() || more.starts_with(|c: char| c.is_ascii_digit());
    Some(
        split
            .filter(|(_, more)| is_next(more))
            .unwrap_or((rest, "")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    #[test]
    fn messages_end_where_their_counts_say() {
        let known = Known::default();
        let context = Context {
            known: &known,
            depth: 0,
        };
        for (line, texts) in [
            ("10 <30>1 é a", &["<30>1 é a"][..]),
            ("7 <30>1 a7 <30>1 b", &["<30>1 a", "<30>1 b"]),
            ("70 <30>1 goes on", &["<30>1 goes on"]),
        ] {
            let opened = open(line, &context).unwrap_or_else(|| panic!("{line}"));
            let all = std::iter::once(&opened).chain(&opened.more);
            assert_eq!(all.map(|it| &*it.text).collect::<Vec<_>>(), texts);
        }
        for line in ["12 x", "12 <a>", "<30>1 x", "2026-11-23 <30>x", "12"] {
            assert_eq!(open(line, &context), None, "{line}");
        }
    }
}
