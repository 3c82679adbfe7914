//! `{"awslogs":{"data":"…"}}`: what CloudWatch Logs sends to a function.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Payload, ReceiveError};
use crate::decode::json_fault;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct AwsLogs<'p> {
    #[serde(borrow)]
    data: Cow<'p, str>,
}

/// The payload under the event's `awslogs`.
pub(super) fn payload(awslogs: &RawValue) -> Result<Payload<'_>, ReceiveError> {
    serde_json::from_str::<AwsLogs<'_>>(awslogs.get())
        .map(|awslogs| Payload::Base64(awslogs.data))
        .map_err(|fault| ReceiveError::Subscription {
            found: json_fault(&fault).0,
        })
}
