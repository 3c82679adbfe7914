//! `{"Records":[{"kinesis":{…}}]}`: the same payloads through a data stream, of
//! many log streams and, with a destination, of several accounts.

use std::borrow::Cow;

use serde_json::value::RawValue;

#[cfg(feature = "aws")]
use aws_lambda_events::streams::KinesisEventResponse;

use super::{Delivery, Payload, ReceiveError};
use crate::decode::{DecodeError, kind, object, text, text_or_digits};

/// The answer of a Kinesis invocation: the sequence numbers of the records that
/// Lambda is to send again. None of them is success.
#[cfg(feature = "aws")]
pub(crate) fn failures(sequence_numbers: impl IntoIterator<Item = String>) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    response.set_failures(sequence_numbers);
    response
}

/// One delivery for each record, each read apart from its neighbours: whatever
/// stands in one, only that one fails. Only `sequenceNumber` and `data` are
/// asked of a record.
///
/// Fails when the records are of another event source, which also come under
/// `Records`.
pub(super) fn deliveries<'p>(records: &[&'p RawValue]) -> Result<Vec<Delivery<'p>>, ReceiveError> {
    let records: Vec<Record<'p>> = records.iter().map(|record| Record::read(record)).collect();
    if !records.is_empty() && !records.iter().any(|record| record.is_kinesis) {
        return Err(ReceiveError::UnknownForm {
            found: "`Records` of which none has `kinesis`".to_owned(),
        });
    }
    let mut before = String::new();
    Ok(records
        .into_iter()
        .map(|record| {
            // Lambda sends again what stands from the failed number on, so that
            // of the record before loses nothing; before the first stands none,
            // and all of the batch is what stands from there on.
            if let Some(number) = record.sequence_number {
                before = number;
            }
            Delivery {
                sequence_number: Some(before.clone()),
                payload: record.data.map_or_else(
                    |detail| Payload::Broken(DecodeError::WrongShape { detail }),
                    Payload::Base64,
                ),
            }
        })
        .collect())
}

/// What is read of a record: of the event source's own fields as little as
/// possible.
struct Record<'p> {
    is_kinesis: bool,
    sequence_number: Option<String>,
    /// Or what stands there instead.
    data: Result<Cow<'p, str>, String>,
}

impl<'p> Record<'p> {
    fn read(record: &'p RawValue) -> Self {
        let Some(fields) = object(record) else {
            return Self {
                is_kinesis: false,
                sequence_number: None,
                data: Err(format!("a Kinesis record that is {}", kind(record))),
            };
        };
        let named = |key: &str| fields.get(key).and_then(|value| text(value));
        let kinesis = fields.get("kinesis");
        let inner = kinesis.and_then(|value| object(value));
        let sequence_number = inner
            .as_ref()
            .and_then(|inner| text_or_digits(inner.get("sequenceNumber")?))
            .filter(|number| !number.is_empty())
            .map(Cow::into_owned);
        Self {
            is_kinesis: kinesis.is_some() || named("eventSource").as_deref() == Some("aws:kinesis"),
            sequence_number: sequence_number
                .or_else(|| named("eventID").and_then(|id| number_in(&id))),
            data: match (kinesis, &inner) {
                (None, _) => Err("a Kinesis record without `kinesis`".to_owned()),
                (Some(value), None) => Err(format!(
                    "a Kinesis record whose `kinesis` is {}",
                    kind(value)
                )),
                (Some(_), Some(inner)) => match inner.get("data") {
                    None => Err("a Kinesis record without `data`".to_owned()),
                    Some(data) => text(data)
                        .ok_or_else(|| format!("a Kinesis record whose `data` is {}", kind(data))),
                },
            },
        }
    }
}

/// The sequence number in an `eventID`, `shardId-000000000006:4959…`.
fn number_in(event_id: &str) -> Option<String> {
    let (_, number) = event_id.rsplit_once(':')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.to_owned())
}
