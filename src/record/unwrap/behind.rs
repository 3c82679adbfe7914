//! Whatever else a tool writes in front of each line: a build's step, a plugin's name,
//! another logger's head, CEF. It is known by the agent's own head behind it, whose
//! time is like nobody else's, and what continues a record comes behind the same.

use std::borrow::Cow;

use super::{Context, Envelope, Opened, Step, begins_record, path_hash};

/// No prefix is longer.
const LONGEST: usize = 240;

pub(super) fn open<'a>(line: &'a str, context: &Context<'_>) -> Option<Opened<'a>> {
    let end = head(line).or_else(|| same_prefix(line, context))?;
    let text = match line.starts_with("CEF:") {
        true => value(&line[end..]),
        false => Cow::Borrowed(&line[end..]),
    };
    let opened = Opened::new(text, Envelope::default());
    Some(opened.at_path(path(line[..end].bytes())))
}

/// Whether an event of ArcSight or QRadar begins here.
pub(super) fn is_event(text: &str) -> bool {
    text.starts_with("CEF:") || text.starts_with("LEEF:")
}

/// The value of a field of CEF: up to the next one's name, in which `=` stands only
/// behind a backslash.
fn value(text: &str) -> Cow<'_, str> {
    let mut signs = memchr::memchr_iter(b'=', text.as_bytes());
    let next = signs.find(|at| !text[..*at].ends_with('\\'));
    let end = next.and_then(|at| text[..at].rfind(' '));
    let value = &text[..end.unwrap_or(text.len())];
    match value.contains('\\') {
        true => Cow::Owned(value.replace("\\=", "=").replace("\\\\", "\\")),
        false => Cow::Borrowed(value),
    }
}

/// Where the agent's head begins.
fn head(line: &str) -> Option<usize> {
    let start = &line.as_bytes()[..line.len().min(LONGEST)];
    memchr::memchr_iter(b'.', start).find_map(|point| {
        let at = point.checked_sub("2026-11-23 04:19:04".len())?;
        let before = *start.get(at.checked_sub(1)?)?;
        // A quotation has its own wrapper, or is one of another program.
        let is_end = before.is_ascii() && !before.is_ascii_alphanumeric();
        let is_end = is_end && !b"\"'`(\\".contains(&before);
        let fraction = start.get(point + 1..point + 6)?;
        let is_own = fraction[4] == b' ' && fraction[..4].iter().all(u8::is_ascii_digit);
        let text = (is_end && is_own).then(|| line.get(at..)).flatten()?;
        // What has no name in it is a mark of copying.
        let prefix = &line[..at];
        let is_named = prefix.bytes().any(|b| b.is_ascii_alphabetic());
        (is_named && begins_record(text) && !is_sentence(prefix)).then_some(at)
    })
}

/// Where the prefix ends behind which a record of this stream came.
fn same_prefix(line: &str, context: &Context<'_>) -> Option<usize> {
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

/// Whether somebody speaks of the line: two words of letters one after another.
fn is_sentence(prefix: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_end_matches([':', ',']);
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
    };
    let words: Vec<&str> = prefix.split_ascii_whitespace().collect();
    words.windows(2).any(|two| two.iter().copied().all(is_word))
}

#[cfg(test)]
mod tests {
    use super::super::{Known, step};
    use super::*;

    const HEAD: &str = "2026-11-23 04:19:04.1850 ERROR [Registrar] x";

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
            "==> amazon-ebs.web: ",
            "module.a.aws_instance.web[0] (local-exec): ",
            "CEF:0|Amazon|SSM Agent|3.3|100|log|5|dvchost=web-1 msg=",
            "web-1 | CHANGED | rc=0 | (stdout) ",
        ] {
            let mut known = Known::default();
            let (text, steps) = opened(&format!("{prefix}{HEAD}"), &known).expect(prefix);
            assert_eq!(text, HEAD, "{prefix}");
            let later = prefix.replace("04:19:04", "04:19:05");
            let cause = format!("{later}caused by: EOF");
            assert_eq!(opened(&cause, &known), None, "{prefix}");
            known.learn(&[step(11, steps[0]), 0, 0, 0]);
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
