//! What starts a record: optional time, level, function, tags.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Origin;
use super::level::Level;
use super::text::after_byte;

/// The start of a record, taken off its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head<'a> {
    pub stamp: Option<&'a str>,
    pub level: Level,
    pub origin: Origin,
    /// Whether the text was opened by a typographic quote: a pasted sample.
    pub quoted: bool,
    /// Everything after the level.
    pub body: &'a str,
}

impl Head<'_> {
    /// Whether it is of the text that Go or the logger write by themselves.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.origin, Origin::Raw | Origin::Unattributed)
    }

    /// Whether Go's runtime tells that a program dies.
    pub(super) fn is_panic(&self) -> bool {
        self.is_raw() && PANICS.iter().any(|start| self.body.starts_with(start))
    }
}

/// How Go's runtime begins to tell that a program dies.
const PANICS: [&str; 2] = ["panic: ", "fatal error: "];

/// Reads the head of a line whose transport prefix is gone; `None` when the
/// line continues the record before.
#[inline]
pub(super) fn head(line: &str) -> Option<Head<'_>> {
    let first = line.as_bytes().first()?;
    if !first.is_ascii() {
        let unquoted = line.strip_prefix(['\u{201c}', '\u{201d}'])?;
        return unquoted_head(unquoted, true);
    }
    unquoted_head(line, false)
}

/// Whether a record with a time of the agent's own starts here.
pub fn begins_record(text: &str) -> bool {
    head(text).is_some_and(|head| head.origin == Origin::File)
}

#[inline]
fn unquoted_head(line: &str, quoted: bool) -> Option<Head<'_>> {
    match line.as_bytes().first()? {
        b'0'..=b'9' => timed(line, quoted),
        b'T' | b'D' | b'I' | b'W' | b'E' | b'C' => level_first(line, quoted).or_else(|| raw(line)),
        b'p' | b'f' | b's' => raw(line),
        _ => None,
    }
}

/// `2024-11-04 10:02:44.9629 ERROR …`, the logger's built-in
/// `1704967520066534055 [Error] …`, Go's `2025/11/03 12:40:12 …` and the serial
/// console's `2023/10/27 10:43:16Z: …`.
fn timed(line: &str, quoted: bool) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    let clock: &[u8; 20] = bytes.first_chunk()?;
    if clock[4].is_ascii_digit() {
        let nanoseconds = clock[..19].iter().all(u8::is_ascii_digit);
        if !(nanoseconds && clock[19] == b' ' && bytes.get(20) == Some(&b'[')) {
            return None;
        }
        let (word, body) = line[21..].split_once(']')?;
        let level = Level::parse(&word.to_ascii_uppercase())?;
        return Some(Head {
            stamp: Some(&line[..19]),
            level,
            origin: Origin::LevelFirst,
            quoted,
            body: body.trim_start(),
        });
    }
    // Without a jump between, so that the compiler takes all of it at once: most
    // lines have it.
    let shape = b"0000-00-00 00:00:00";
    let digits = (clock.iter().zip(shape)).fold(true, |all, (byte, at)| {
        all & (byte.is_ascii_digit() | (*at != b'0'))
    });
    if !digits || clock[10] != b' ' || clock[13] != b':' || clock[16] != b':' {
        return None;
    }
    match (bytes[4], bytes[7]) {
        (b'-', b'-') => {
            let end = match (bytes[19], bytes.get(24)) {
                (b' ', _) => 19,
                // As the agent's are, which a search need not find.
                (b'.', Some(b' ')) if bytes[20..24].iter().all(u8::is_ascii_digit) => 24,
                (b'.', _) => {
                    20 + (bytes[20..].iter())
                        .take_while(|b| b.is_ascii_digit())
                        .count()
                }
                _ => return None,
            };
            let rest = after_byte(&line[end..], b' ')?;
            // Where most levels end.
            let word = match rest.as_bytes() {
                [_, _, _, _, b' ', ..] => 4,
                [_, _, _, _, _, b' ', ..] => 5,
                _ => rest.find(' ').unwrap_or(rest.len()),
            };
            let (word, body) = (&rest[..word], rest.get(word + 1..).unwrap_or_default());
            let level = Level::parse(word).or_else(|| Level::parse(word.trim_end_matches('-')))?;
            Some(Head {
                stamp: Some(&line[..end]),
                level,
                origin: Origin::File,
                quoted,
                body,
            })
        }
        (b'/', b'/') => {
            let rest = &line[19..];
            let body = rest
                .strip_prefix("Z: ")
                .or_else(|| rest.strip_prefix(' '))?;
            Some(Head {
                stamp: Some(&line[..19]),
                level: Level::Info,
                origin: Origin::Raw,
                quoted,
                body,
            })
        }
        _ => None,
    }
}

/// `ERROR [HealthCheck] …`, and as printed in the field `INFO- Failed …`.
fn level_first(line: &str, quoted: bool) -> Option<Head<'_>> {
    let end = line.bytes().take_while(u8::is_ascii_uppercase).count();
    let level = Level::parse(&line[..end])?;
    let body = line[end..]
        .strip_prefix("- ")
        .or_else(|| line[end..].strip_prefix(['-', ' ']))?;
    Some(Head {
        stamp: None,
        level,
        origin: Origin::LevelFirst,
        quoted,
        body,
    })
}

/// Text that Go and the logger write by themselves to standard error.
fn raw(line: &str) -> Option<Head<'_>> {
    let level = if PANICS
        .iter()
        .chain(&["seelog internal error: "])
        .any(|start| line.starts_with(start))
    {
        Level::Error
    } else if line.starts_with("Error occurred fetching the seelog config file path")
        || line.starts_with("Initializing new seelog logger")
    {
        Level::Info
    } else {
        return None;
    };
    Some(Head {
        stamp: None,
        level,
        origin: Origin::Raw,
        quoted: false,
        body: line,
    })
}

/// The record's own time as if it were UTC.
pub fn read_stamp(stamp: &str) -> Option<Timestamp> {
    if stamp.len() == 19 && stamp.bytes().all(|b| b.is_ascii_digit()) {
        let nanos: i128 = stamp.parse().ok()?;
        return Timestamp::from_nanosecond(nanos).ok();
    }
    let number = |range: std::ops::Range<usize>| stamp.get(range)?.parse::<i16>().ok();
    let nanosecond = match stamp.get(20..) {
        Some(fraction) if !fraction.is_empty() => {
            let kept = &fraction[..fraction.len().min(9)];
            kept.parse::<i32>().ok()? * 10_i32.pow(9 - kept.len() as u32)
        }
        _ => 0,
    };
    let small = |range| number(range).and_then(|value| i8::try_from(value).ok());
    let time = DateTime::new(
        number(0..4)?,
        small(5..7)?,
        small(8..10)?,
        small(11..13)?,
        small(14..16)?,
        small(17..19)?,
        nanosecond,
    )
    .ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_head_is_read() {
        for (line, level, origin, body) in [
            (
                "2024-11-04 10:02:44.9629 ERROR [Registrar] x",
                Level::Error,
                Origin::File,
                "[Registrar] x",
            ),
            (
                "2018-05-08 10:58:39 INFO [instanceID=i-X] x",
                Level::Info,
                Origin::File,
                "[instanceID=i-X] x",
            ),
            (
                "1704967520066534055 [Warn] [ssm-agent-worker] x",
                Level::Warn,
                Origin::LevelFirst,
                "[ssm-agent-worker] x",
            ),
            (
                "ERROR [HealthCheck] x",
                Level::Error,
                Origin::LevelFirst,
                "[HealthCheck] x",
            ),
            (
                "\u{201c}INFO- Failed to fetch",
                Level::Info,
                Origin::LevelFirst,
                "Failed to fetch",
            ),
            ("INFO-Failed", Level::Info, Origin::LevelFirst, "Failed"),
            (
                "panic: runtime error",
                Level::Error,
                Origin::Raw,
                "panic: runtime error",
            ),
            (
                "fatal error: concurrent map writes",
                Level::Error,
                Origin::Raw,
                "fatal error: concurrent map writes",
            ),
            (
                "2018/09/21 09:30:55 Failed to load",
                Level::Info,
                Origin::Raw,
                "Failed to load",
            ),
            (
                "2023/10/27 10:43:16Z: SSM Agent unable",
                Level::Info,
                Origin::Raw,
                "SSM Agent unable",
            ),
        ] {
            let head = head(line).unwrap_or_else(|| panic!("no head: {line}"));
            assert_eq!(
                (head.level, head.origin, head.body),
                (level, origin, body),
                "{line}"
            );
        }
    }

    #[test]
    fn what_continues_a_record_is_no_head() {
        for line in [
            "",
            "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF",
            "\tstatus code: 400, request id: x",
            "<?xml version=\"1.0\"?>",
            "  \"standardOutput\": \"ERROR AccessDeniedException fake\\n\",",
            "INFORMATION about",
            "ERRORS were",
            "2024-11-04 10:02:44 hello",
            "2024-11-04 10:02",
            "2024-11-04",
            "1704967520066534055",
            "}",
            "goroutine 1 [running]:",
        ] {
            assert_eq!(head(line), None, "{line}");
        }
    }

    #[test]
    fn the_records_own_time_reads_as_utc() {
        for (stamp, expected) in [
            ("2024-11-04 10:02:44.9629", "2024-11-04T10:02:44.9629Z"),
            ("2018-05-08 10:58:39", "2018-05-08T10:58:39Z"),
            ("2018/09/21 09:30:55", "2018-09-21T09:30:55Z"),
            ("1704967520066534055", "2024-01-11T10:05:20.066534055Z"),
        ] {
            assert_eq!(
                read_stamp(stamp).map(|t| t.to_string()).as_deref(),
                Some(expected),
                "{stamp}"
            );
        }
        assert_eq!(read_stamp("2018-13-41 10:58:39"), None);
    }
}
