//! Strings of JSON, half surrogate pairs and all.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

/// A string as JSON writes it, in its quotes; `None` for anything else.
pub(crate) fn quoted(json: &str) -> Option<Cow<'_, str>> {
    // The reader of bytes takes an array, too.
    (json.starts_with('"'))
        .then(|| serde_json::from_str::<Text<'_>>(json).ok())
        .flatten()
        .map(|text| text.0)
}

/// A JSON string, borrowed unless it holds an escape. Read as bytes, so that
/// half a surrogate pair (`\ud83d` alone) is replaced instead of refused.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

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
