//! The logs that are read: of the real agent, stretched, and made to be slow.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::signature::Signature;

const HEAD: &str = "2026-11-23 04:19:04.1234 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - ";

/// Nodes on which the agent starts, works and is stopped.
pub(crate) fn healthy(bytes: usize) -> String {
    stretched(&["s1_healthy", "o1_ok", "e2_dhmc_ok", "g1_diag_ok"], bytes)
}

/// Every fault of the lab, one after another.
pub(crate) fn mixed(bytes: usize) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lab/agent");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the lab's logs")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".log")?.to_owned()))
        .collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stretched(&names, bytes)
}

/// The lab's logs over and over, each time a day later: a record of the same
/// time and text would count as a copy.
fn stretched(names: &[&str], bytes: usize) -> String {
    let logs: Vec<String> = names
        .iter()
        .map(|name| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lab/agent");
            std::fs::read_to_string(format!("{folder}/{name}.log")).expect("a log of the lab")
        })
        .collect();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut text = String::with_capacity(bytes + 4096);
    for day in 0.. {
        let date = (start + SignedDuration::from_hours(24 * day)).to_string();
        for line in logs.iter().flat_map(|log| log.lines()) {
            if line.starts_with("2026-11-23 ") {
                text.push_str(&date[..10]);
                text.push_str(&line[10..]);
            } else {
                text.push_str(line);
            }
            text.push('\n');
            if text.len() >= bytes {
                return text;
            }
        }
    }
    text
}

/// Records of one line of 200 kB.
pub(crate) fn long_lines(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 300_000);
    while text.len() < bytes {
        text.push_str(HEAD);
        for number in 0..10_000 {
            let _ = write!(text, "output line {number} ");
        }
        text.push('\n');
    }
    text
}

/// One record that never ends: some 20,000 lines per MB, 100,000 in 5 MB.
pub(crate) fn continuations(bytes: usize) -> String {
    let mut text = format!("{HEAD}RequestError: send request failed\n");
    while text.len() < bytes {
        text.push_str("caused by: a cause of the cause before it, again.\n");
    }
    text
}

/// Errors wrapped in errors on one line of 200 kB.
pub(crate) fn nested(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 300_000);
    while text.len() < bytes {
        text.push_str(HEAD);
        for _ in 0..2_000 {
            text.push_str("RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp ");
        }
        text.push_str("10.0.0.1:443: i/o timeout\n");
    }
    text
}

/// Warnings full of what any signature searches for anywhere.
pub(crate) fn literals(bytes: usize, signatures: &[Signature]) -> String {
    let mut text = String::with_capacity(bytes + 300_000);
    while text.len() < bytes {
        text.push_str("2026-11-23 04:19:04.1234 WARN no start of a signature: ");
        for texts in signatures.iter().map(|signature| signature.contains) {
            for literal in texts {
                text.push_str(literal);
                text.push(' ');
            }
        }
        text.push('\n');
    }
    text
}

/// `count` signatures: fewer than the catalogue's, or more, whose texts have
/// the words of the catalogue's in another order.
pub(crate) fn signatures(builtin: &[Signature], count: usize) -> Vec<Signature> {
    if count <= builtin.len() {
        return (0..count)
            .map(|index| builtin[index * builtin.len() / count])
            .collect();
    }
    let turned = |texts: &mut &'static [&'static str], by: usize| {
        let turned = texts.iter().map(|text| {
            let mut words: Vec<&str> = text.split(' ').collect();
            let by = by % words.len();
            words.rotate_left(by);
            &*words.join(" ").leak()
        });
        *texts = turned.collect::<Vec<_>>().leak();
    };
    (0..count)
        .map(|index| {
            let mut signature = builtin[index % builtin.len()];
            let round = index / builtin.len();
            if round > 0 {
                signature.id = format!("{}-{round}", signature.id).leak();
                turned(&mut signature.starts, round);
                turned(&mut signature.contains, round);
            }
            signature
        })
        .collect()
}

/// What shippers write around a line.
type Wrap = fn(&str) -> String;

pub(crate) const WRAPPERS: [(&str, Wrap); 8] = [
    ("syslog", |line| {
        format!("Nov 23 04:19:04 ip-10-0-1-20 amazon-ssm-agent[2373]: {line}")
    }),
    ("syslog, RFC 5424", |line| {
        format!("<30>1 2026-11-23T04:19:04.185Z ip-10-0-1-20 amazon-ssm-agent 2373 - - {line}")
    }),
    ("CRI", |line| {
        format!("2026-11-23T04:19:04.185462921Z stderr F {line}")
    }),
    ("journalctl -o json", |line| {
        serde_json::json!({"__REALTIME_TIMESTAMP": "1795407544185000", "_HOSTNAME": "ip-10-0-1-20", "SYSLOG_IDENTIFIER": "amazon-ssm-agent", "MESSAGE": line}).to_string()
    }),
    ("Docker json-file", |line| {
        serde_json::json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2026-11-23T04:19:04.185462921Z"}).to_string()
    }),
    ("Fluent Bit", |line| {
        serde_json::json!({"log": line, "kubernetes": {"host": "ip-10-0-1-20", "pod_name": "ssm"}, "ec2_instance_id": "i-0123456789abcdef0"}).to_string()
    }),
    ("Filebeat", |line| {
        serde_json::json!({"@timestamp": "2026-11-23T04:19:04.185Z", "log": {"offset": 18233, "file": {"path": "/var/log/amazon/ssm/amazon-ssm-agent.log"}}, "message": line, "host": {"name": "ip-10-0-1-20"}, "cloud": {"instance": {"id": "i-0123456789abcdef0"}}}).to_string()
    }),
    ("CRI in Fluent Bit", |line| {
        serde_json::json!({"log": format!("2026-11-23T04:19:04.185462921Z stderr F {line}"), "kubernetes": {"host": "ip-10-0-1-20"}}).to_string()
    }),
];

/// One event per line, each in a wrapper.
pub(crate) fn wrapped(text: &str, wrap: fn(&str) -> String) -> Vec<Batch<'static>> {
    let events = text.lines().map(|line| Event {
        id: "".into(),
        at: Some(Timestamp::UNIX_EPOCH),
        message: wrap(line).into(),
    });
    vec![Batch {
        source: source(),
        events: events.collect(),
    }]
}

fn source() -> Source {
    Source {
        log_group: "SSMAgentLogs".to_owned(),
        log_stream: "i-0123456789abcdef0".to_owned(),
        ..Source::default()
    }
}

/// One event per record, as the agent's own shipper sends them.
pub(crate) fn batches(text: &str) -> Vec<Batch<'_>> {
    let events = records(text)
        .into_iter()
        .map(|message| Event {
            id: "".into(),
            at: Some(Timestamp::UNIX_EPOCH),
            message: message.into(),
        })
        .collect();
    vec![Batch {
        source: source(),
        events,
    }]
}

fn records(text: &str) -> Vec<&str> {
    let mut records = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > start && line.starts_with("2026-") {
            records.push(&text[start..at]);
            start = at;
        }
        at += line.len();
    }
    records.push(&text[start..]);
    records
}

/// What a subscription delivers: base64 of a gzip file of JSON.
pub(crate) fn payload(text: &str) -> String {
    let events: Vec<serde_json::Value> = records(text)
        .into_iter()
        .enumerate()
        .map(|(index, message)| {
            serde_json::json!({
                "id": format!("3932{index:052}"),
                "timestamp": 1_795_400_000_000_u64 + index as u64 * 40,
                "message": message,
            })
        })
        .collect();
    let json = serde_json::json!({
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "SSMAgentLogs",
        "logStream": "i-0123456789abcdef0",
        "subscriptionFilters": ["all"],
        "logEvents": events,
    });
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed
        .write_all(json.to_string().as_bytes())
        .expect("memory takes all bytes");
    STANDARD.encode(packed.finish().expect("memory takes all bytes"))
}
