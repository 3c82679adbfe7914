//! A log record as a person is shown it: redacted, web pages in it reduced to
//! their title, at a length that can be read.

use std::collections::HashSet;

use super::redact::redact;
use super::sanitize::cut;

/// A longer word is cut where the room ends.
const LONG_WORD: usize = 40;

/// Characters of a record that the report keeps.
const RECORD_LENGTH: usize = 4_000;

/// Lines of the SDK that say nothing: an error without a cause, a call that got
/// no answer.
const EMPTY_WORDS: &[&str] = &["", "caused by: :", "status code: 0, request id:"];

/// The lines of `text` that say something, redacted and whole, each once. Never
/// empty, no line is.
pub(crate) fn readable(text: &str) -> Vec<String> {
    let text = without_pages(&redact(text));
    let mut known = HashSet::new();
    let mut lines: Vec<String> = (text.lines().map(str::trim))
        .filter(|line| !EMPTY_WORDS.contains(line) && known.insert(*line))
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        lines.push("(an empty record)".to_owned());
    }
    lines
}

/// At most `most` of `lines`, one at least, and of each at most `length`
/// characters: the first ones and, where there is room for two, the last, which
/// names the deepest cause; so does the end of a long line. What is left out is
/// counted where it would stand.
pub(crate) fn fewer(lines: &[String], most: usize, length: usize) -> Vec<String> {
    let shown = |line: &String| with_ends(line, length);
    let most = most.max(1);
    if lines.len() <= most {
        return lines.iter().map(shown).collect();
    }
    let last = usize::from(most > 1);
    let mut kept: Vec<String> = lines[..most - last].iter().map(shown).collect();
    if let Some(before) = kept.last_mut() {
        let left_out = match lines.len() - most {
            1 => "1 line".to_owned(),
            several => format!("{several} lines"),
        };
        before.push_str(&format!(" [{left_out} left out]"));
    }
    kept.extend(lines[lines.len() - last..].iter().map(shown));
    kept
}

/// `line` of at most `most` characters, besides a note of how many were left out
/// between its beginning and its end. Words stay whole where they are short.
fn with_ends(line: &str, most: usize) -> String {
    let count = line.chars().count();
    if count <= most {
        return line.to_owned();
    }
    let at = |character| line.char_indices().nth(character).map_or(0, |(at, _)| at);
    let (head, tail) = (at(most - most / 3), at(count - most / 3));
    let head = line[..head]
        .rfind(' ')
        .filter(|end| head - end <= LONG_WORD)
        .unwrap_or(head);
    let begin = line[tail..].find(' ').filter(|begin| *begin <= LONG_WORD);
    let tail = begin.map_or(tail, |begin| tail + begin);
    let left_out = line[head..tail].chars().count();
    let (head, tail) = (line[..head].trim_end(), line[tail..].trim_start());
    format!("{head} [{left_out} characters left out] {tail}")
}

/// The record for the report: redacted and whole, unless it is very long.
pub(crate) fn record(text: &str) -> String {
    cut(&redact(text), RECORD_LENGTH).into_owned()
}

/// `text` with each HTML page in it reduced to its title. The metadata service
/// and proxies answer with such pages, a dozen lines for one code.
fn without_pages(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(begin) = ["<?xml", "<!doctype html", "<html"]
        .iter()
        .filter_map(|mark| lower[from..].find(mark))
        .min()
        .map(|at| from + at)
    {
        let end = lower[begin..]
            .find("</html>")
            .map_or(text.len(), |at| begin + at + "</html>".len());
        out.push_str(&text[from..begin]);
        match title(&text[begin..end], &lower[begin..end]) {
            Some(title) => out.push_str(&format!("[web page: {title}]")),
            None => out.push_str("[web page]"),
        }
        from = end;
    }
    out.push_str(&text[from..]);
    out
}

fn title<'a>(page: &'a str, lower: &str) -> Option<&'a str> {
    ["title", "h1"].iter().find_map(|tag| {
        let begin = lower.find(&format!("<{tag}>"))? + tag.len() + 2;
        let end = begin + lower[begin..].find("</")?;
        let title = page[begin..end].trim();
        (!title.is_empty() && !title.contains('\n')).then_some(title)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_reduced_to_its_title() {
        let record = "Failed to get instance info from IMDS. Err: EC2MetadataError: failed\n\
            <?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
            <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
            \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
            <html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head>\n\
            <title>403 - Forbidden</title>\n </head>\n <body>\n\
            <h1>403 - Forbidden</h1>\n </body>\n</html>\n\n\tstatus code: 403, request id: ";
        assert_eq!(
            readable(record),
            [
                "Failed to get instance info from IMDS. Err: EC2MetadataError: failed",
                "[web page: 403 - Forbidden]",
                "status code: 403, request id:",
            ]
        );
        assert_eq!(readable("x <html>no end"), ["x [web page]"]);
    }

    #[test]
    fn of_many_lines_the_first_and_the_last_stay_and_the_others_are_counted() {
        let shown = |text, most| fewer(&readable(text), most, 240);
        let five = "1\n2\n3\n4\n5";
        assert_eq!(shown(five, 3), ["1", "2 [2 lines left out]", "5"]);
        assert_eq!(shown(five, 4), ["1", "2", "3 [1 line left out]", "5"]);
        assert_eq!(shown(five, 2), ["1 [3 lines left out]", "5"]);
        assert_eq!(shown(five, 1), ["1 [4 lines left out]"]);
        assert_eq!(shown("1\n2", 3), ["1", "2"]);
        assert_eq!(shown("\n\n", 3), ["(an empty record)"]);
        let long = "x".repeat(2000);
        let cut = format!(
            "{} [1760 characters left out] {}",
            &long[..160],
            &long[..80]
        );
        assert_eq!(shown(&long, 3), [cut]);
        let denial = format!(
            "AccessDenied: {} is not allowed by arn:x/y",
            "word ".repeat(100)
        );
        let [line] = &shown(&denial, 3)[..] else {
            panic!("one line")
        };
        assert!(line.starts_with("AccessDenied: word") && line.ends_with("allowed by arn:x/y"));
        assert!(
            line.contains("word [") && line.contains("left out] word"),
            "{line}"
        );
    }

    #[test]
    fn lines_that_say_nothing_are_left_out() {
        assert_eq!(
            readable("a\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: b"),
            ["a", "caused by: b"]
        );
    }

    proptest! {
        #[test]
        fn every_record_gives_a_few_plain_lines(
            text in "(<html>|</html>|<title>|</title>|<?xml|é|\\PC|\n| ){0,60}",
        ) {
            let shown = fewer(&readable(&text), 4, 600);
            prop_assert!((1..=4).contains(&shown.len()));
            prop_assert!(shown.iter().all(|line| !line.is_empty() && !line.contains('\n')));
        }
    }
}
