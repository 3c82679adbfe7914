//! A DATA_MESSAGE or CONTROL_MESSAGE as its sender writes it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use super::json::Text;
use crate::batch::Source;
use crate::node::{AccountId, Region};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) message_type: Text<'a>,
    pub(super) owner: Option<Text<'a>>,
    pub(super) log_group: Option<Text<'a>>,
    pub(super) log_stream: Option<Text<'a>>,
    pub(super) subscription_filters: Option<Vec<Text<'a>>>,
    pub(super) policy_level: Option<Text<'a>>,
    pub(super) log_events: Option<Vec<LogEvent<'a>>>,
    /// Log events that were left out.
    #[serde(skip)]
    pub(super) unreadable: usize,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct LogEvent<'a> {
    #[serde(borrow, default)]
    pub(super) id: EventId<'a>,
    pub(super) timestamp: Option<i64>,
    pub(super) message: Text<'a>,
    /// Boxed, so that the many events without it stay small.
    #[serde(rename = "extractedFields")]
    pub(super) origin: Option<Box<Origin<'a>>>,
}

/// The system fields of an event that tell where it was logged. They win over
/// the payload's owner, which under log centralisation is the aggregator.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin<'a> {
    #[serde(borrow, rename = "@aws.account")]
    pub(super) account: Option<Text<'a>>,
    #[serde(rename = "@aws.region")]
    pub(super) region: Option<Text<'a>>,
}

impl Origin<'_> {
    /// A name that is there but malformed leaves the field unknown: a wrong
    /// account must not pass for the owner's.
    pub(super) fn applied_to(&self, source: &Source) -> Source {
        let mut source = source.clone();
        if let Some(account) = &self.account {
            source.account = AccountId::parse(&account.0);
        }
        if let Some(region) = &self.region {
            source.region = Region::parse(&region.0);
        }
        source
    }
}

/// An event id: 56 digits in a string; some senders write a bare integer. Read
/// as raw JSON, because as a number it would lose digits.
#[derive(Default)]
pub(super) struct EventId<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for EventId<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
                Ok(Self(Cow::Borrowed(&raw[1..raw.len() - 1])))
            }
            [b'"', ..] => serde_json::from_str::<Text<'de>>(raw)
                .map(|text| Self(text.0))
                .map_err(|_| D::Error::custom("an event id that is no string")),
            [b'-' | b'0'..=b'9', ..] => Ok(Self(Cow::Borrowed(raw))),
            b"null" => Ok(Self::default()),
            _ => Err(D::Error::custom(
                "an event id that is neither string nor integer",
            )),
        }
    }
}
