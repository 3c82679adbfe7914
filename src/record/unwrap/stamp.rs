//! The time that a wrapper gives its line.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::record::text::split_at_byte;

/// A time as a wrapper writes it, read only when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::record) enum Stamp<'a> {
    Text(Cow<'a, str>),
    /// Since the epoch, in whatever unit.
    Number(f64),
}

impl Stamp<'_> {
    /// The time; a text without a year has the one that brings it nearest to
    /// `near`, and one without a zone is UTC.
    pub(in crate::record) fn read(&self, near: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Number(number) => since_epoch(*number),
            Self::Text(text) => match text.parse() {
                Ok(number) => since_epoch(number),
                Err(_) => iso_time(text).or_else(|| without_year(text, near)),
            },
        }
    }

    pub(super) fn into_owned<'b>(self) -> Stamp<'b> {
        match self {
            Self::Text(text) => Stamp::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Stamp::Number(number),
        }
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds, by their size.
fn since_epoch(number: f64) -> Option<Timestamp> {
    let microseconds = match number {
        1e8..1e11 => number * 1e6,
        1e11..1e14 => number * 1e3,
        1e14..1e17 => number,
        1e17..1e20 => number / 1e3,
        _ => return None,
    };
    Timestamp::from_microsecond(microseconds.round() as i64).ok()
}

fn iso_time(text: &str) -> Option<Timestamp> {
    let text = text.replacen(',', ".", 1);
    let text = text.trim_end_matches(" UTC").replace(" +", "+");
    text.parse().ok().or_else(|| {
        let time: DateTime = text.trim_end_matches('Z').parse().ok()?;
        Offset::UTC.to_timestamp(time).ok()
    })
}

/// `Nov 23 04:19:04`.
fn without_year(text: &str, near: Timestamp) -> Option<Timestamp> {
    let mut words = text.split_ascii_whitespace();
    let (month, day) = (month(words.next()?)?, words.next()?.parse().ok()?);
    let clock: Time = words.next()?.parse().ok()?;
    let this = Offset::UTC.to_datetime(near).year();
    let years = [this - 1, this, this + 1].into_iter();
    years
        .filter_map(|year| {
            let date = Date::new(year, month, day).ok()?;
            Offset::UTC.to_timestamp(date.to_datetime(clock)).ok()
        })
        .min_by_key(|time| time.duration_since(near).abs())
}

/// A time in front of a line, and what follows the blank behind it.
pub(super) fn leading(line: &str) -> Option<(Stamp<'_>, &str)> {
    iso(line)
        .or_else(|| with_blank(line))
        .or_else(|| bsd(line))
        .or_else(|| epoch(line))
}

/// `2026-09-10T10:00:10.815462921Z `, with any zone or none.
pub(super) fn iso(line: &str) -> Option<(Stamp<'_>, &str)> {
    // Dates first: most lines have none.
    if !is_date(line) {
        return None;
    }
    let (time, rest) = word(line)?;
    let is_time = time.as_bytes().get(10) == Some(&b'T') && is_clock(&time[11..]);
    // A tab may be escaped, and an object without blanks stand behind it.
    (is_time && memchr::memchr2(b'#', b'"', time.as_bytes()).is_none())
        .then(|| (Stamp::Text(time.into()), rest))
}

/// `2026-11-23 04:19:04.0900 `, with a weekday in front or a zone behind
/// (`journalctl -o short-full`).
fn with_blank(line: &str) -> Option<(Stamp<'_>, &str)> {
    let line = match split_at_byte(line, b' ') {
        Some((weekday, rest)) if is_date(rest) && weekday.chars().all(char::is_alphabetic) => rest,
        Some(_) | None => line,
    };
    if !is_date(line) {
        return None;
    }
    let (date, rest) = split_at_byte(line, b' ')?;
    let (clock, rest) = word(rest)?;
    if !(date.len() == 10 && is_clock(clock)) {
        return None;
    }
    let zone = word(rest).filter(|(zone, _)| {
        matches!(zone.as_bytes(), [b'+' | b'-', b'0'..=b'9', ..])
            || matches!(zone.len(), 3 | 4)
                && zone.bytes().all(|b| b.is_ascii_uppercase())
                && !crate::record::Level::ALL
                    .iter()
                    .any(|level| level.as_str() == *zone)
    });
    let rest = zone.map_or(rest, |(_, rest)| rest);
    let time = &line[..line.len() - rest.len()];
    Some((Stamp::Text(time.trim_ascii_end().into()), rest))
}

/// `Nov 23 04:19:04 `, the month in any language.
pub(super) fn bsd(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (month, rest) = split_at_byte(line, b' ')?;
    if month.len() > 24 || month.chars().count() > 8 || !month.chars().any(char::is_alphabetic) {
        return None;
    }
    let (day, rest) = split_at_byte(rest.trim_start_matches(' '), b' ')?;
    let (clock, rest) = word(rest)?;
    let numbered = matches!(day.len(), 1 | 2) && day.bytes().all(|b| b.is_ascii_digit());
    (numbered && is_clock(clock)).then(|| {
        let time = &line[..line.len() - rest.len() - 1];
        (Stamp::Text(time.into()), rest)
    })
}

/// `1763871544.185000 ` (`journalctl -o short-unix`).
fn epoch(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (time, rest) = word(line).filter(|_| line.as_bytes()[0].is_ascii_digit())?;
    let digits = time.bytes().take_while(u8::is_ascii_digit).count();
    let shaped = matches!(digits, 10 | 13) && time.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    shaped.then(|| (Stamp::Text(time.into()), rest))
}

/// Up to the first blank or tab, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr2(b' ', b'\t', text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[..4].iter().all(u8::is_ascii_digit)
}

/// `04:19:04`, with whatever behind it.
fn is_clock(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, b':', c, d, b':', e, f, rest @ ..]
        if [a, b, c, d, e, f].iter().all(|b| b.is_ascii_digit())
            && !matches!(rest.first(), Some(b'a'..=b'z' | b':')))
}

/// How the C library's locales shorten the months' names, a month in each line.
const MONTHS: &str = "\
jan janv ene gen jän ian янв січ sty led oca tammi
feb febr févr fev фев лют lut úno şub helmi
mar mars mär mrz mrt märz márc мар бер bře maalis
apr abr avr avril ápr апр кві kwi dub nis huhti
may mai mag mei maj máj май мая тра kvě touko
jun juni juin giu jún июн чер cze čvn haz kesä
jul juli juil lug júl июл лип lip čvc tem heinä
aug ago août авг сер sie srp ağu elo
sep sept set szept сен вер wrz zář eyl syys
oct okt out ott окт жов paź říj eki loka
nov ноя лис lis kas marras
dec dez dic déc des дек гру gru pro ara joulu";

fn month(name: &str) -> Option<i8> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return name[..digits].parse().ok();
    }
    let name = name.trim_end_matches('.').to_lowercase();
    let mut months = MONTHS.lines();
    let place = months.position(|names| names.split(' ').any(|known| known == name))?;
    i8::try_from(place + 1).ok()
}

/// By how much the agent's clock is ahead of a wrapper's: their zones differ by
/// quarters of an hour.
pub(in crate::record) fn zone_between(own: Timestamp, wrapper: Timestamp) -> SignedDuration {
    const QUARTER: i64 = 15 * 60;
    let ahead = own.duration_since(wrapper).as_secs();
    let quarters = (ahead + QUARTER.div_euclid(2)).div_euclid(QUARTER);
    if quarters.abs() > 14 * 4 {
        return SignedDuration::ZERO;
    }
    SignedDuration::from_secs(quarters * QUARTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_however_they_are_written() {
        let near: Timestamp = "2026-12-30T00:00:00Z".parse().unwrap();
        for (line, time) in [
            ("2026-11-23T04:19:04Z x", "2026-11-23T04:19:04Z"),
            (
                "2026-11-23T04:19:04.185462921+02:00 x",
                "2026-11-23T02:19:04.185462921Z",
            ),
            ("2026-11-23T04:19:04,185+0000 x", "2026-11-23T04:19:04.185Z"),
            ("2026-11-23T04:19:04 x", "2026-11-23T04:19:04Z"),
            ("2026-11-23 04:19:04.0900 x", "2026-11-23T04:19:04.09Z"),
            ("Mon 2026-11-23 04:19:04 UTC x", "2026-11-23T04:19:04Z"),
            (
                "2026-11-23 04:19:04.000000000 +0000 x",
                "2026-11-23T04:19:04Z",
            ),
            ("Nov 23 04:19:04 x", "2026-11-23T04:19:04Z"),
            ("Jan  3 04:19:04 x", "2027-01-03T04:19:04Z"),
            ("nov. 23 04:19:04 x", "2026-11-23T04:19:04Z"),
            ("ноя 23 04:19:04 x", "2026-11-23T04:19:04Z"),
            ("11月 23 04:19:04 x", "2026-11-23T04:19:04Z"),
            ("Okt 23 04:19:04.123456 x", "2026-10-23T04:19:04.123456Z"),
            ("1795407544.185000 x", "2026-11-23T04:19:04.185Z"),
        ] {
            let (stamp, rest) = leading(line).unwrap_or_else(|| panic!("no time: {line}"));
            assert_eq!(rest, "x", "{line}");
            let read = stamp.read(near).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(time), "{line}");
        }
        for line in ["caused by: x", "2026-11-23", "x 23 04:19 x", ""] {
            assert_eq!(leading(line), None, "{line}");
        }
    }

    #[test]
    fn zones_differ_by_quarters_of_an_hour() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let zone = |own, wrapper| zone_between(at(own), at(wrapper)).as_mins();
        assert_eq!(zone("2026-11-23T04:19:04Z", "2026-11-23T04:19:40Z"), 0);
        assert_eq!(zone("2026-11-23T06:19:04Z", "2026-11-23T04:19:40Z"), 120);
        assert_eq!(zone("2026-11-22T22:49:04Z", "2026-11-23T04:19:04Z"), -330);
        assert_eq!(zone("2026-11-20T04:19:04Z", "2026-11-23T04:19:04Z"), 0);
    }
}
