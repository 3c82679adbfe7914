//! `{"Records":[{"kinesis":{…}}]}`: the same payloads through a data stream, of
//! many log streams and, with a destination, of several accounts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

#[cfg(feature = "aws")]
use aws_lambda_events::{event::kinesis::KinesisEventRecord, streams::KinesisEventResponse};

#[cfg(not(feature = "aws"))]
use record::KinesisEventRecord;

use super::{Delivery, Payload, ReceiveError};
use crate::decode::{DecodeError, json_fault};

/// The answer of a Kinesis invocation: the sequence numbers of the records that
/// Lambda is to send again. None of them is success.
#[cfg(feature = "aws")]
pub fn failures(sequence_numbers: impl IntoIterator<Item = String>) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    response.set_failures(sequence_numbers);
    response
}

/// Tells records of Kinesis from those of other event sources, which also come
/// under `Records`.
pub(super) fn records(records: Vec<&RawValue>) -> Result<Vec<&RawValue>, ReceiveError> {
    #[derive(Deserialize)]
    struct Head<'p> {
        #[serde(borrow)]
        kinesis: Option<&'p RawValue>,
    }

    let foreign = records.iter().position(|record| {
        serde_json::from_str::<Head<'_>>(record.get()).map_or(true, |head| head.kinesis.is_none())
    });
    match foreign {
        None => Ok(records),
        Some(at) => Err(ReceiveError::UnknownForm {
            found: format!("`Records` whose record {at} has no `kinesis`"),
        }),
    }
}

/// One record. Read apart from its neighbours, so that only it fails.
pub(super) fn delivery(record: &RawValue) -> Delivery<'static> {
    match serde_json::from_str::<KinesisEventRecord>(record.get()) {
        Ok(mut record) => Delivery {
            sequence_number: Some(record.kinesis.sequence_number),
            payload: Payload::Gzip(std::mem::take(&mut record.kinesis.data.0)),
        },
        Err(fault) => broken(record, &fault),
    }
}

/// A record that the crate's type refuses: what can still be read of it.
fn broken(record: &RawValue, fault: &serde_json::Error) -> Delivery<'static> {
    #[derive(Deserialize, Default)]
    struct Outer {
        kinesis: Inner,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Inner {
        sequence_number: String,
        data: String,
    }

    let inner = serde_json::from_str::<Outer>(record.get())
        .unwrap_or_default()
        .kinesis;
    let bad_base64 = STANDARD.decode(&inner.data).is_err();
    Delivery {
        sequence_number: Some(inner.sequence_number),
        payload: Payload::Broken(if bad_base64 {
            DecodeError::NotBase64 {
                found: format!("{} characters that are not", inner.data.len()),
            }
        } else {
            DecodeError::WrongShape {
                detail: format!("a Kinesis record with {}", json_fault(fault).0),
            }
        }),
    }
}

/// The fields of `aws_lambda_events`' type that are read here, for a build
/// without the AWS crates.
#[cfg(not(feature = "aws"))]
mod record {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    pub(super) struct KinesisEventRecord {
        pub(super) kinesis: KinesisRecord,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct KinesisRecord {
        pub(super) data: Base64Data,
        #[serde(default)]
        pub(super) sequence_number: String,
    }

    pub(super) struct Base64Data(pub(super) Vec<u8>);

    impl<'de> Deserialize<'de> for Base64Data {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            STANDARD.decode(text).map(Self).map_err(D::Error::custom)
        }
    }
}
