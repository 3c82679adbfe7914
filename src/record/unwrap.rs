//! A log event's message as the agent wrote it.

use std::borrow::Cow;

/// A message as the agent wrote it: UTF-16 read as bytes leaves a NUL between
/// letters; some shippers put the line into a JSON object.
pub fn clean<'m>(message: &'m str) -> Cow<'m, str> {
    let message: Cow<'m, str> = if memchr::memchr(0, message.as_bytes()).is_some() {
        Cow::Owned(message.replace('\0', ""))
    } else {
        Cow::Borrowed(message)
    };
    if message.as_bytes().first() == Some(&b'{')
        && let Some(inner) = wrapped(&message)
    {
        return Cow::Owned(inner);
    }
    message
}

/// The line inside `{"log": …}`, `{"message": …}`, `{"@message": …}` or `{"MESSAGE": …}`.
fn wrapped(message: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Wrapped {
        #[serde(alias = "message", alias = "@message", alias = "MESSAGE")]
        log: String,
    }
    serde_json::from_str::<Wrapped>(message)
        .ok()
        .map(|wrapped| wrapped.log)
}
