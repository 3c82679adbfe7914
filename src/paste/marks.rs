//! What stands before a line of the log in a paste: marks of quoting, lists,
//! numbers, file names, a chat's clock and names.

use std::sync::LazyLock;

use regex::Regex;

use crate::record::{Opening, begins_record, opening};

/// A kind of mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Blank,
    /// `> `, `| `.
    Quote,
    /// `- `, `* `, `# `.
    Bullet,
    /// Fences and tags of Markdown, Jira, Slack and HTML.
    Code,
    /// An opening quotation mark.
    Opening,
    /// Of a line, a list, or a count.
    Number,
    /// A file's name, as grep puts it, or a container's.
    File,
    /// A clock of something else than the agent.
    Clock,
    /// A process of the agent, as a console has it, or the node.
    Agent,
    /// Who says it: `alice: `.
    Name,
    /// `...`, `[snip]`, `<masked>`.
    Elision,
}

/// Marks before one line; more is not a quotation.
const MOST: usize = 10;

/// What closes a quotation.
pub(super) const CLOSING: [char; 8] = [
    '`', '"', '\u{201d}', '\u{201c}', '\u{bb}', '\u{2019}', '*', '|',
];

/// One mark; of several that fit the first.
static ONE: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        r"(?P<Blank>\s+)",
        r"(?P<Clock>\[[ \d:.,/TZ+-]*\d[:.]\d[ \d:.,/TZ+-]*(?:[AaPp]\.?[Mm]\.?)?\]\s*|\d{4}-\d\d-\d\dT\d\d:\d\d\S*\s+|\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?\s*(?:[AaPp][Mm])?[,\s-]\s*)",
        r"(?P<Elision>(?:\.{3,}|\x{2026}|\[(?:\.{3}|\x{2026}|snip|REDACTED|cut|truncated)\]|<(?:snip|masked|redacted|timestamp|date|time)>)\s*)",
        r"(?P<Code>`+|~~~+|\*\*|__|\{(?:code|noformat|quote|monospaced)(?::[^}]*)?\}|\[/?(?:code|quote|pre)\]|</?(?i:html|body|pre|code|p|br|li|ul|td|tr|div|span|samp|blockquote|message|log|line|data)(?:\s[^>]*)?/?>)",
        r"(?P<Quote>[>|+\x{2502}\x{2503}\x{bb}])",
        r"(?P<Bullet>(?:[-*+#;<\x{2022}\x{25aa}\x{2023}\x{25e6}\x{b7}\x{2013}\x{2014}\x{25b6}\x{25ba}]|//|->|=>|\x{2192}|bq\.)\s+)",
        r#"(?P<Opening>["'\x{201c}\x{201d}\x{201e}\x{ab}\x{2018}\x{2019}])"#,
        r"(?P<Agent>(?:[0-9A-Za-z._-]+ )?(?:/[0-9A-Za-z._/-]*/)?(?:amazon-ssm-agent|ssm-(?:agent|document|session)-worker|systemd)(?:\.[0-9A-Za-z_-]+)?(?:\[[0-9]+\])?:(?:\s+|$)|(?:/\S+\s+)?m?i-[0-9a-f]+\s+)",
        r"(?P<Number>[\[(]?[0-9]+[:.)|\]\x{2502}\x{2192}\s-])",
        r#"(?P<File>(?:[A-Za-z]:)?[^\s:|"<>]*\.(?:log|txt|err|out)[0-9A-Za-z.]*?(?:[:|]\s*|-)|[0-9A-Za-z._/-]+\s+\|\s)"#,
        r#"(?P<Name><[^\s<>]+>:?\s+|@?[^\s:<>\[\]|{}"]+(?: [^\s:<>\[\]|{}"]+)?(?: [^\s:<>\[\]|{}"]+)?[\x20]*:\s+|MESSAGE=|[^\t]{1,64}\t)"#,
    ];
    let one = format!("^(?:{})", kinds.join("|"));
    Regex::new(&one).expect("a regular expression that a test compiles")
});

const KINDS: [(&str, Mark); 11] = [
    ("Blank", Mark::Blank),
    ("Clock", Mark::Clock),
    ("Elision", Mark::Elision),
    ("Code", Mark::Code),
    ("Quote", Mark::Quote),
    ("Bullet", Mark::Bullet),
    ("Opening", Mark::Opening),
    ("Agent", Mark::Agent),
    ("Number", Mark::Number),
    ("File", Mark::File),
    ("Name", Mark::Name),
];

/// The mark that `text` begins with, and what follows it.
fn one(text: &str) -> Option<(Mark, &str)> {
    let found = ONE.captures(text)?;
    KINDS.iter().find_map(|(name, mark)| {
        let end = found.name(name)?.end();
        (end > 0).then(|| (*mark, &text[end..]))
    })
}

/// What follows the fences and tags at the start of `line`.
pub(super) fn without_code(line: &str) -> &str {
    match one(line) {
        Some((Mark::Code, after)) => without_code(after),
        Some(_) | None => line,
    }
}

/// What follows a number at the start of `line`.
pub(super) fn without_number(line: &str) -> Option<&str> {
    line.starts_with(|first: char| first.is_ascii_digit())
        .then(|| one(line))?
        .and_then(|(mark, after)| (mark == Mark::Number).then_some(after))
}

/// Whether `line` begins as the agent begins one. What looks like a table's first
/// column may be marks: a number and a bar, a tag or an entity of a page.
pub(super) fn begins_log(line: &str) -> bool {
    if begins_record(line) {
        return !line.starts_with(is_quote);
    }
    let is_log = |line: &str| opening(line) == Some(Opening::Log);
    let behind = |rest: &str| is_log(rest.trim_start_matches(is_edge));
    is_log(line)
        && !line.starts_with(|first| is_quote(first) || first == '&')
        && !without_number(line).is_some_and(behind)
        && without_code(line) == line
}

/// What stands between a line's number and the line.
pub(super) fn is_edge(character: char) -> bool {
    matches!(character, ' ' | '\t' | '|' | '\u{2502}')
}

/// What a typographic quotation begins with.
pub(super) fn is_quote(character: char) -> bool {
    matches!(character, '\u{201c}' | '\u{201d}')
}

/// Takes marks off `line`, one after another, until `accept` knows what is left;
/// gives that with the marks.
pub(super) fn strip<'t, T>(
    line: &'t str,
    accept: impl Fn(&'t str, &[Mark]) -> Option<T>,
) -> Option<(T, Vec<Mark>)> {
    let mut marks = Vec::new();
    let mut rest = line;
    loop {
        if let Some(accepted) = accept(rest, &marks) {
            return Some((accepted, marks));
        }
        if marks.len() == MOST {
            return None;
        }
        let (mark, after) = one(rest)?;
        marks.push(mark);
        rest = after;
    }
}

/// `line` less marks like those of the line that it continues: which are on
/// every line of a quotation.
pub(super) fn strip_like<'t>(line: &'t str, marks: &[Mark]) -> &'t str {
    let mut rest = line;
    let mut last = None;
    for mark in marks {
        let every = matches!(
            mark,
            Mark::Quote | Mark::Number | Mark::File | Mark::Bullet | Mark::Code | Mark::Opening
        );
        let found = match one(rest) {
            Some((Mark::Blank, after)) if *mark != Mark::Blank => one(after),
            found => found,
        };
        match found {
            Some((found, after)) if every && found == *mark => {
                last = Some(found);
                rest = after;
            }
            Some((Mark::Blank, after)) if *mark == Mark::Blank && last.is_none() => rest = after,
            Some(_) | None => {}
        }
    }
    let rest = match rest.strip_prefix(' ') {
        Some(after) if last == Some(Mark::Quote) => after,
        Some(_) | None => rest,
    };
    unclosed(rest, marks)
}

/// A row that goes on in the next one, less what closes the `marks` before it.
pub(super) fn unclosed<'t>(row: &'t str, marks: &[Mark]) -> &'t str {
    let is_one = |one: &[Mark]| marks.iter().any(|mark| one.contains(mark));
    let edge = row.strip_suffix(" |").filter(|_| is_one(&[Mark::Quote]));
    match edge {
        Some(row) => row,
        None if is_one(&[Mark::Code, Mark::Opening]) => row.strip_suffix(CLOSING).unwrap_or(row),
        None => row,
    }
}

/// Whether `line` is an item of a list, whatever stands before.
pub(super) fn is_item(line: &str) -> bool {
    strip(line, |rest, _| (one(rest)?.0 == Mark::Bullet).then_some(())).is_some()
}

/// `body` less what closes the marks before it; `None` where more words follow
/// the mark that closes a quotation: it is spoken of, not shown.
pub(super) fn closed<'t>(body: &'t str, marks: &[Mark]) -> Option<&'t str> {
    let opened = (marks.iter()).any(|mark| matches!(mark, Mark::Code | Mark::Opening));
    if !opened {
        // The right edge of a table.
        let edge = body.trim_end().strip_suffix(" |");
        return edge.filter(|_| marks.contains(&Mark::Quote)).or(Some(body));
    }
    let ends = ["{code}", "{noformat}", "[/code]", "<br>", "<br/>"];
    // `</td></tr>`.
    let tag = |text: &'t str| {
        let (kept, name) = text.strip_suffix('>')?.rsplit_once("</")?;
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric())
            .then_some(kept)
    };
    let mut kept = body.trim_end();
    loop {
        let shorter = ends
            .iter()
            .find_map(|end| kept.strip_suffix(end))
            .or_else(|| tag(kept))
            .unwrap_or(kept);
        let shorter = shorter
            .trim_end_matches(CLOSING)
            .trim_end_matches([',', ' ']);
        if shorter.len() == kept.len() {
            break;
        }
        kept = shorter;
    }
    // Quotation marks around all of a line, with others within.
    let around = marks.contains(&Mark::Opening) && body.trim_end().ends_with(CLOSING);
    let spoken_of = !around
        && kept.find(['`', '\u{201d}']).is_some_and(|at| {
            let after = &kept[at..];
            after.split_whitespace().count() > 2
        });
    (!spoken_of).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_off_one_after_another() {
        for (line, marks) in [
            ("HEAD", vec![]),
            ("> HEAD", vec![Mark::Quote, Mark::Blank]),
            (
                ">> > HEAD",
                vec![
                    Mark::Quote,
                    Mark::Quote,
                    Mark::Blank,
                    Mark::Quote,
                    Mark::Blank,
                ],
            ),
            ("   12 HEAD", vec![Mark::Blank, Mark::Number]),
            ("12:HEAD", vec![Mark::Number]),
            ("  12\tHEAD", vec![Mark::Blank, Mark::Number]),
            ("- HEAD", vec![Mark::Bullet]),
            ("1. HEAD", vec![Mark::Number, Mark::Blank]),
            ("```HEAD", vec![Mark::Code]),
            ("{code:java}HEAD", vec![Mark::Code]),
            (
                "/var/log/amazon/ssm/errors.log:12:HEAD",
                vec![Mark::File, Mark::Number],
            ),
            ("amazon-ssm-agent.log.1-HEAD", vec![Mark::File]),
            ("[10:03] alice: HEAD", vec![Mark::Clock, Mark::Name]),
            (
                "[   12.345678] amazon-ssm-agent[1571]: HEAD",
                vec![Mark::Clock, Mark::Agent],
            ),
            (
                "[   12.345678] ip-10-0-0-1 amazon-ssm-agent[1571]: HEAD",
                vec![Mark::Clock, Mark::Agent],
            ),
            ("agent_1  | HEAD", vec![Mark::File]),
            (
                "2024-11-04T10:02:44.962Z i-0123456789abcdef0 HEAD",
                vec![Mark::Clock, Mark::Agent],
            ),
            ("[...] HEAD", vec![Mark::Elision]),
        ] {
            let (rest, found) = strip(line, |rest, _| (rest == "HEAD").then_some(rest))
                .unwrap_or_else(|| panic!("{line}"));
            assert_eq!((rest, found), ("HEAD", marks), "{line}");
        }
    }

    #[test]
    fn a_message_that_is_spoken_of_is_not_shown() {
        let code = [Mark::Code];
        assert_eq!(closed("x y`", &code), Some("x y"));
        assert_eq!(closed("x y` means that the role is gone", &code), None);
        assert_eq!(closed("x y` z", &[]), Some("x y` z"));
    }

    #[test]
    fn a_tables_edges_both_come_off() {
        assert_eq!(closed("x y |", &[Mark::Quote]), Some("x y"));
        assert_eq!(closed("x y |", &[Mark::Number]), Some("x y |"));
    }
}
