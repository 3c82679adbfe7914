//! A payload with values of the wrong type: what can be read of it.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::json::{Text, object, text, text_or_digits};
use super::wire::{EventId, LogEvent, Origin, Payload};

/// Reads every field and event apart from the others.
///
/// `None` when nothing is left: no `messageType`, no list of events, or no
/// event in it that can be read.
pub(super) fn payload(json: &str) -> Option<Payload<'_>> {
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    let fields = object(whole)?;
    let field = |key: &str| fields.get(key).copied();
    let log_events = match field("logEvents") {
        Some(events) => Some(list(events)?),
        None => None,
    };
    let found = log_events.as_ref().map_or(0, Vec::len);
    let log_events: Option<Vec<LogEvent<'_>>> =
        log_events.map(|events| events.into_iter().filter_map(event).collect());
    let unreadable = found - log_events.as_ref().map_or(0, Vec::len);
    if unreadable > 0 && unreadable == found {
        return None;
    }
    Some(Payload {
        message_type: text(field("messageType")?).map(Text)?,
        owner: field("owner").and_then(text_or_digits).map(Text),
        log_group: field("logGroup").and_then(text).map(Text),
        log_stream: field("logStream").and_then(text).map(Text),
        subscription_filters: field("subscriptionFilters")
            .and_then(list)
            .map(|names| names.into_iter().filter_map(text).map(Text).collect()),
        policy_level: field("policyLevel").and_then(text).map(Text),
        log_events,
        unreadable,
    })
}

fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// An event is its message; without a text there is none.
fn event(raw: &RawValue) -> Option<LogEvent<'_>> {
    let fields = object(raw)?;
    let field = |key: &str| fields.get(key).copied();
    Some(LogEvent {
        message: text(field("message")?).map(Text)?,
        id: EventId(field("id").and_then(text_or_digits).unwrap_or_default()),
        timestamp: field("timestamp").and_then(milliseconds),
        origin: field("extractedFields").and_then(origin).map(Box::new),
    })
}

/// Milliseconds since the epoch, be they a number with a fraction or in a
/// string; or a time as RFC 3339 writes it.
fn milliseconds(raw: &RawValue) -> Option<i64> {
    let written = text(raw);
    let written = written.as_deref().unwrap_or(raw.get()).trim();
    if let Ok(whole) = written.parse() {
        return Some(whole);
    }
    match written.parse::<f64>() {
        // Out of range it saturates, and is then no time.
        Ok(number) if number.is_finite() => Some(number as i64),
        Ok(_) => None,
        Err(_) => written
            .parse()
            .ok()
            .map(|time: Timestamp| time.as_millisecond()),
    }
}

/// What is there but no text leaves account or Region unknown, as a malformed
/// name does.
fn origin(raw: &RawValue) -> Option<Origin<'_>> {
    const MALFORMED: &str = "";
    if raw.get() == "null" {
        return None;
    }
    let Some(fields) = object(raw) else {
        let unknown = || Some(Text(MALFORMED.into()));
        return Some(Origin {
            account: unknown(),
            region: unknown(),
        });
    };
    let name = |key: &str| {
        let value = fields.get(key).filter(|value| value.get() != "null")?;
        Some(Text(text(value).unwrap_or(MALFORMED.into())))
    };
    Some(Origin {
        account: name("@aws.account"),
        region: name("@aws.region"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Payload<'_> {
        payload(json).unwrap_or_else(|| panic!("nothing is read of {json}"))
    }

    #[test]
    fn a_time_is_read_however_it_is_written() {
        for (written, at) in [
            ("1763871544185", Some(1_763_871_544_185)),
            ("1763871544185.9", Some(1_763_871_544_185)),
            ("1.763871544185e12", Some(1_763_871_544_185)),
            ("\"1763871544185\"", Some(1_763_871_544_185)),
            ("\" 1763871544185.5 \"", Some(1_763_871_544_185)),
            ("\"2025-11-23T04:19:04.185Z\"", Some(1_763_871_544_185)),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("\"\"", None),
            ("null", None),
            ("true", None),
            ("{}", None),
            ("[1763871544185]", None),
        ] {
            let json = format!(
                r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"timestamp":{written},"message":"m"}}]}}"#
            );
            let events = read(&json).log_events.unwrap_or_default();
            assert_eq!(events.len(), 1, "{written}");
            assert_eq!(events[0].timestamp, at, "{written}");
        }
    }

    #[test]
    fn an_event_without_a_text_is_counted_and_the_others_are_read() {
        let json = r#"{"messageType":"DATA_MESSAGE","owner":123456789012,"logGroup":7,
            "subscriptionFilters":["a",1],"policyLevel":[],"logEvents":[
            {"id":"1","timestamp":1,"message":"a"},
            {"id":"2","timestamp":1,"message":null},
            {"id":"3","timestamp":1,"message":7},
            {"id":"4","timestamp":1,"message":["a"]},
            {"id":"5","timestamp":1,"message":{"log":"a"}},
            {"id":"6","timestamp":1},
            null, 7, "a", [], {},
            {"id":true,"timestamp":1,"message":"b"},
            {"id":7,"timestamp":1,"message":"c\ud83d","message":"d\ud83d"}]}"#;
        let payload = read(json);
        assert_eq!(payload.unreadable, 10);
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_string());
        assert_eq!(text(&payload.owner).as_deref(), Some("123456789012"));
        assert_eq!(text(&payload.log_group), None);
        assert_eq!(payload.subscription_filters.map(|it| it.len()), Some(1));
        let events: Vec<(String, String)> = payload
            .log_events
            .unwrap_or_default()
            .into_iter()
            .map(|event| (event.id.0.into_owned(), event.message.0.into_owned()))
            .collect();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0], ("1".into(), "a".into()));
        assert_eq!(events[1], (String::new(), "b".into()));
        assert_eq!(events[2].0, "7");
        assert!(events[2].1.starts_with('d'), "{events:?}");
    }

    #[test]
    fn a_malformed_origin_is_never_taken_for_the_owners() {
        for (fields, expected) in [
            ("null", None),
            ("{}", Some((None, None))),
            (r#"{"@aws.account":null}"#, Some((None, None))),
            (r#"{"@aws.account":123456789012}"#, Some((Some(""), None))),
            (r#"{"@aws.region":[]}"#, Some((None, Some("")))),
            (
                r#"["123456789012","us-east-1"]"#,
                Some((Some(""), Some(""))),
            ),
            ("7", Some((Some(""), Some("")))),
        ] {
            let json = format!(
                r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"message":"m","extractedFields":{fields}}}]}}"#
            );
            let events = read(&json).log_events.unwrap_or_default();
            let origin = events[0].origin.as_deref();
            let seen = origin.map(|origin| {
                (
                    origin.account.as_ref().map(|text| text.0.as_ref()),
                    origin.region.as_ref().map(|text| text.0.as_ref()),
                )
            });
            assert_eq!(seen, expected, "{fields}");
        }
    }

    #[test]
    fn nothing_is_read_where_no_event_is_left() {
        for json in [
            "7",
            "[]",
            "{}",
            r#"{"messageType":"DATA_MESSAGE","logEvents":7}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":[7]}"#,
            r#"{"messageType":7,"logEvents":[{"message":"m"}]}"#,
        ] {
            assert!(payload(json).is_none(), "{json}");
        }
    }
}
