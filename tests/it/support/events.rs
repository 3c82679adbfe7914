//! Events as the three ways in deliver them.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::account::Account;

/// What the function can be invoked with.
pub(crate) trait Event {
    fn event(&self) -> Value;
}

impl Event for Value {
    fn event(&self) -> Value {
        self.clone()
    }
}

/// As CloudWatch Logs delivers it.
impl Event for Delivery {
    fn event(&self) -> Value {
        subscription(&self.payload())
    }
}

/// Several deliveries in one invocation by hand.
impl Event for [Delivery] {
    fn event(&self) -> Value {
        self.iter().map(Delivery::message).collect()
    }
}

impl Event for Vec<Delivery> {
    fn event(&self) -> Value {
        self.as_slice().event()
    }
}

impl<const N: usize> Event for [Delivery; N] {
    fn event(&self) -> Value {
        self.as_slice().event()
    }
}

/// What one log stream has to say, each line an event of its own, one second
/// apart, the last one a moment ago.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub owner: String,
    pub group: String,
    pub stream: String,
    pub text: String,
    /// When the last line was logged.
    pub last: Timestamp,
}

impl Delivery {
    pub(crate) fn new(account: &Account, stream: &str, text: &str) -> Self {
        Self {
            owner: account.id.clone(),
            group: "/ssm/agent".to_owned(),
            stream: stream.to_owned(),
            text: text.to_owned(),
            last: Timestamp::now(),
        }
    }

    pub(crate) fn aged(mut self, age: SignedDuration) -> Self {
        self.last -= age;
        self
    }

    pub(crate) fn owned_by(mut self, account: &str) -> Self {
        self.owner = account.to_owned();
        self
    }

    /// The decoded message, as a caller by hand may give it.
    pub(crate) fn message(&self) -> Value {
        let lines: Vec<&str> = self.text.lines().collect();
        let last = self.last.as_millisecond();
        let events: Vec<Value> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let seconds_before = lines.len() - 1 - index;
                let at = last - 1000 * seconds_before as i64;
                let stamp = format!("{at:020}{index:036}");
                json!({"id": stamp, "timestamp": at, "message": line})
            })
            .collect();
        json!({
            "messageType": "DATA_MESSAGE",
            "owner": self.owner,
            "logGroup": self.group,
            "logStream": self.stream,
            "subscriptionFilters": ["ssm-agent-triage"],
            "logEvents": events,
        })
    }

    /// gzip, then base64: the data of a subscription and of a Kinesis record.
    pub(crate) fn payload(&self) -> String {
        payload(self.message().to_string().as_bytes())
    }
}

pub(crate) fn subscription(payload: &str) -> Value {
    json!({"awslogs": {"data": payload}})
}

pub(crate) fn payload(decoded: &[u8]) -> String {
    STANDARD.encode(gzip(decoded))
}

pub(crate) fn gzip(decoded: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(decoded).expect("a Vec takes every byte");
    gzip.finish().expect("a Vec takes every byte")
}

/// Each delivery as a Kinesis record.
pub(crate) fn records(account: &Account, deliveries: &[Delivery]) -> Value {
    let payloads: Vec<String> = deliveries.iter().map(Delivery::payload).collect();
    kinesis(account, &payloads)
}

/// What a Kinesis event source mapping sends: one record per payload, the
/// sequence numbers `seq-0`, `seq-1` …
pub(crate) fn kinesis(account: &Account, payloads: &[String]) -> Value {
    let records: Vec<Value> = payloads
        .iter()
        .enumerate()
        .map(|(index, payload)| {
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "key",
                    "sequenceNumber": format!("seq-{index}"),
                    "data": payload,
                    "approximateArrivalTimestamp": 1_545_084_650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("shardId-000000000000:seq-{index}"),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": format!("arn:aws:iam::{}:role/lambda", account.id),
                "awsRegion": account.region,
                "eventSourceARN": format!("arn:aws:kinesis:{}:{}:stream/logs", account.region, account.id),
            })
        })
        .collect();
    json!({"Records": records})
}
