//! A log record as a person is shown it: redacted, web pages in it reduced to
//! their title, at a length that can be read.

use std::collections::HashSet;

use super::redact::redact;
use super::sanitize::cut;

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
/// names the deepest cause. What is left out is counted where it would stand.
pub(crate) fn fewer(lines: &[String], most: usize, length: usize) -> Vec<String> {
    let shown = |line: &String| cut(line, length).into_owned();
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
        let cut = format!("{} [1760 more characters cut]", &long[..240]);
        assert_eq!(shown(&long, 3), [cut]);
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
