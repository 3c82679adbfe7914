//! A log record as a person is shown it: redacted, web pages in it reduced to
//! their title, at a length that can be read.

use super::redact::redact;
use super::sanitize::cut;

/// Lines kept of the beginning of a record, where the agent says what failed …
const HEAD_LINES: usize = 8;

/// … and of its end, where the deepest cause stands.
const TAIL_LINES: usize = 4;

/// Characters kept of one line.
const LINE_LENGTH: usize = 600;

/// Characters kept of a line that must be short.
const SHORT_LINE: usize = 240;

/// Characters of a record that the report keeps.
const RECORD_LENGTH: usize = 4_000;

/// Lines of the SDK that say nothing: an error without a cause, a call that got
/// no answer.
const EMPTY_WORDS: &[&str] = &["", "caused by: :", "status code: 0, request id:"];

/// The lines of `text` for a message. Never empty, no line is.
pub fn lines(text: &str) -> Vec<String> {
    let all = telling(text);
    let short = |(_, line): &(usize, String)| cut(line, LINE_LENGTH).into_owned();
    if all.len() <= HEAD_LINES + TAIL_LINES {
        return all.iter().map(short).collect();
    }
    let (head, tail) = (&all[..HEAD_LINES], &all[all.len() - TAIL_LINES..]);
    let left_out = tail[0].0 - head[HEAD_LINES - 1].0 - 1;
    let mut kept: Vec<String> = head.iter().map(short).collect();
    kept.push(format!("[{left_out} lines left out]"));
    kept.extend(tail.iter().map(short));
    kept
}

/// At most `most` of the lines of `text`, and never more than a short one each:
/// the first ones and, where there is room for two, the last, which names the
/// deepest cause.
pub fn fewer(text: &str, most: usize) -> Vec<String> {
    let mut lines = telling(text);
    if lines.len() > most {
        let last = (most > 1).then(|| lines.pop()).flatten();
        lines.truncate(most - usize::from(last.is_some()));
        lines.extend(last);
    }
    lines
        .iter()
        .map(|(_, line)| cut(line, SHORT_LINE).into_owned())
        .collect()
}

/// The lines of `text` that say something, each with its number, redacted and
/// whole. Never empty, no line is.
fn telling(text: &str) -> Vec<(usize, String)> {
    let text = without_pages(&redact(text));
    let mut lines: Vec<(usize, String)> = text
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !EMPTY_WORDS.contains(line))
        .map(|(number, line)| (number, line.to_owned()))
        .collect();
    if lines.is_empty() {
        lines.push((0, "(an empty record)".to_owned()));
    }
    lines
}

/// The record for the report: redacted and whole, unless it is very long.
pub fn record(text: &str) -> String {
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
            Some(title) => out.push_str(&format!("[a web page: {title}]")),
            None => out.push_str("[a web page]"),
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
            lines(record),
            [
                "Failed to get instance info from IMDS. Err: EC2MetadataError: failed",
                "[a web page: 403 - Forbidden]",
                "status code: 403, request id:",
            ]
        );
        assert_eq!(lines("x <html>no end"), ["x [a web page]"]);
    }

    #[test]
    fn beginning_and_deepest_cause_of_a_long_record_stay() {
        let record: Vec<String> = (1..=40).map(|n| format!("line {n}")).collect();
        let shown = lines(&record.join("\n"));
        assert_eq!(shown.len(), HEAD_LINES + TAIL_LINES + 1);
        assert_eq!(shown[0], "line 1");
        assert_eq!(shown[HEAD_LINES], "[28 lines left out]");
        assert_eq!(shown.last().map(String::as_str), Some("line 40"));
        assert_eq!(lines("\n\n"), ["(an empty record)"]);
    }

    #[test]
    fn of_a_few_lines_the_first_and_the_last_stay() {
        assert_eq!(fewer("1\n2\n3\n4\n5", 3), ["1", "2", "5"]);
        assert_eq!(fewer("1\n2\n3\n4\n5", 2), ["1", "5"]);
        assert_eq!(fewer("1\n2\n3\n4\n5", 1), ["1"]);
        assert_eq!(fewer("1\n2", 3), ["1", "2"]);
        assert_eq!(fewer("", 3), ["(an empty record)"]);
    }

    #[test]
    fn notes_count_all_that_was_left_out_of_the_record() {
        let long = "x".repeat(2000);
        let cut_after =
            |most: usize| format!("{} [{} more characters cut]", &long[..most], 2000 - most);
        assert_eq!(lines(&long), [cut_after(LINE_LENGTH)]);
        assert_eq!(fewer(&long, 3), [cut_after(SHORT_LINE)]);

        let record: Vec<String> = (1..=40).map(|n| format!("line {n}\n")).collect();
        assert_eq!(lines(&record.join("\n"))[HEAD_LINES], "[57 lines left out]");
    }

    #[test]
    fn lines_that_say_nothing_are_left_out() {
        assert_eq!(
            lines("a\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: b"),
            ["a", "caused by: b"]
        );
    }

    proptest! {
        #[test]
        fn every_record_gives_a_few_plain_lines(
            text in "(<html>|</html>|<title>|</title>|<?xml|é|\\PC|\n| ){0,60}",
        ) {
            let shown = lines(&text);
            prop_assert!((1..=HEAD_LINES + TAIL_LINES + 1).contains(&shown.len()));
            prop_assert!(shown.iter().all(|line| !line.is_empty() && !line.contains('\n')));
        }
    }
}
