//! JSON read value by value: what has the wrong type costs only itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub(super) use crate::text::json::Text;
use crate::text::json::quoted;

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
