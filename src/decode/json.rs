//! JSON read value by value: what has the wrong type costs only itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

/// The fields of an object, their values unread. Of a key that stands twice the
/// last one counts.
pub(crate) type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// `None` when `raw` is no object.
pub(crate) fn object(raw: &RawValue) -> Option<Object<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// `None` when `raw` is no string.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    quoted(raw.get())
}

/// A string as JSON writes it, in its quotes; `None` for anything else.
pub(crate) fn quoted(json: &str) -> Option<Cow<'_, str>> {
    // The reader of bytes takes an array, too.
    (json.starts_with('"'))
        .then(|| serde_json::from_str::<Text<'_>>(json).ok())
        .flatten()
        .map(|text| text.0)
}

/// A string, or the digits of an integer, all of them. `None` for anything else.
pub(crate) fn text_or_digits(raw: &RawValue) -> Option<Cow<'_, str>> {
    let digits = raw.get();
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(Cow::Borrowed(digits))
    } else {
        text(raw)
    }
}

/// What kind of value `raw` is, without quoting it.
pub(crate) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

/// A JSON string, borrowed unless it holds an escape. Read as bytes, so that
/// half a surrogate pair (`\ud83d` alone) is replaced instead of refused.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(
                    String::from_utf8_lossy(bytes).into_owned(),
                )))
            }
        }

        deserializer.deserialize_bytes(TextVisitor)
    }
}

/// Where and how JSON text fails, without any of its values.
pub(crate) fn json_fault(fault: &serde_json::Error) -> (String, usize, usize) {
    let text = fault.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let detail = match what
        .strip_prefix("invalid type: ")
        .or_else(|| what.strip_prefix("invalid value: "))
    {
        None => what.to_owned(),
        Some(rest) => {
            let found = rest.split([' ', ',']).next().unwrap_or("another value");
            let wanted = rest.rsplit_once(", expected ").map_or("it", |(_, it)| it);
            format!("{found} in place of {wanted}")
        }
    };
    (detail, fault.line(), fault.column())
}
