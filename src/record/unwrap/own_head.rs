//! Where the agent's own head stands in a line: its time is like nobody else's.

use crate::record::begins_record;

/// No prefix is longer.
pub(super) const LONGEST: usize = 240;

/// Where it begins behind a prefix that is none of copying, quoting or telling.
pub(super) fn find(line: &str) -> Option<usize> {
    let start = &line.as_bytes()[..line.len().min(LONGEST)];
    memchr::memchr_iter(b'.', start).find_map(|point| {
        let at = point.checked_sub("2026-11-23 04:19:04".len())?;
        let before = *start.get(at.checked_sub(1)?)?;
        let is_end = before.is_ascii() && !before.is_ascii_alphanumeric();
        let is_end = is_end && !is_opening(char::from(before));
        let fraction = start.get(point + 1..point + 6)?;
        let is_own = fraction[4] == b' ' && fraction[..4].iter().all(u8::is_ascii_digit);
        let text = (is_end && is_own).then(|| line.get(at..)).flatten()?;
        // What has no name in it is a mark of copying.
        let prefix = &line[..at];
        let is_named = prefix.bytes().any(|b| b.is_ascii_alphabetic());
        let is_apart = is_named && !is_sentence(prefix) && !holds_object(prefix);
        (is_apart && begins_record(text)).then_some(at)
    })
}

/// Whether an event of ArcSight or QRadar begins here.
pub(super) fn is_event(text: &str) -> bool {
    text.starts_with("CEF:") || text.starts_with("LEEF:")
}

/// A quotation has its own wrapper, or is one of another program.
pub(super) fn is_opening(before: char) -> bool {
    matches!(before, '"' | '\'' | '`' | '(' | '\\')
}

/// Whether an object begins, whatever became of its quotation marks.
fn holds_object(prefix: &str) -> bool {
    let mut braces = prefix.match_indices('{');
    let begins = |text: &str| text.trim_start().starts_with(['"', '\\', '\'', '&']);
    braces.any(|(at, _)| begins(&prefix[at + 1..]))
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
