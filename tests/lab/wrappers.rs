//! What shippers write around a line, as their own documentation shows it.

use jiff::Timestamp;
use serde_json::{Value, json};

/// A line on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'p> {
    pub text: &'p str,
    pub at: Timestamp,
    pub host: &'p str,
    pub id: &'p str,
    /// Chooses among what a shipper may write: order, blanks, escapes.
    pub seed: usize,
    /// As `seed`, among what it writes alike on every line of a log.
    pub form: usize,
}

pub(crate) struct Wrapper {
    pub name: &'static str,
    /// Whether it tells the host's name, and its id.
    pub tells: (bool, bool),
    pub wrap: fn(Piece<'_>) -> Vec<String>,
}

const fn wrapper(
    name: &'static str,
    tells: (bool, bool),
    wrap: fn(Piece<'_>) -> Vec<String>,
) -> Wrapper {
    Wrapper { name, tells, wrap }
}

const NOTHING: (bool, bool) = (false, false);
const HOST: (bool, bool) = (true, false);
const ID: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

/// Wrappers around each line by itself.
pub(crate) const WRAPPERS: [Wrapper; 60] = [
    wrapper("syslog, RFC 3164", HOST, |p| {
        let time = p.at.strftime("%b %e %H:%M:%S");
        let priority = ["<30>", ""][p.seed % 2];
        vec![format!(
            "{priority}{time} {} amazon-ssm-agent[2373]: {}",
            p.host,
            tabs(p.text)
        )]
    }),
    wrapper("rsyslog, no colon", HOST, |p| {
        let time = p.at.strftime("%b %e %H:%M:%S");
        vec![format!(
            "{time} {} amazon-ssm-agent {}",
            p.host,
            tabs(p.text)
        )]
    }),
    wrapper("rsyslog, no colon, ISO date", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        vec![format!(
            "{time} {} amazon-ssm-agent {}",
            p.host,
            tabs(p.text)
        )]
    }),
    wrapper("rsyslog, ISO date", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        vec![format!(
            "{time} {} amazon-ssm-agent[99]: {}",
            p.host,
            tabs(p.text)
        )]
    }),
    wrapper("syslog, RFC 5424", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let data = ["-", "[origin ip=\"10.0.0.1\"][x@32473 a=\"b \\\"c\\] d\"]"][p.seed % 2];
        let priority = ["<30>1", "1"][p.seed / 2 % 2];
        vec![format!(
            "{priority} {time} {} amazon-ssm-agent 2373 - {data} {}",
            p.host, p.text
        )]
    }),
    wrapper("journalctl, any language", HOST, |p| {
        let month = ["Nov", "nov.", "nov", "ноя", "11月", "11월", "lis", "Kas"][p.seed % 8];
        let time = p.at.strftime("%d %H:%M:%S");
        vec![format!(
            "{month} {time} {} amazon-ssm-agent[2373]: {}",
            p.host, p.text
        )]
    }),
    wrapper("journalctl -o short-iso", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S");
        let zone = ["+0000", "+00:00", "-0500"][p.seed % 3];
        vec![format!(
            "{time}{zone} {} amazon-ssm-agent[2373]: {}",
            p.host, p.text
        )]
    }),
    wrapper("journalctl -o short-full", HOST, |p| {
        let time = p.at.strftime("%a %Y-%m-%d %H:%M:%S UTC");
        vec![format!(
            "{time} {} amazon-ssm-agent[2373]: {}",
            p.host, p.text
        )]
    }),
    wrapper("journalctl -o short-unix", HOST, |p| {
        let time = p.at.as_microsecond();
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        vec![format!(
            "{seconds}.{micros:06} {} amazon-ssm-agent[2373]: {}",
            p.host, p.text
        )]
    }),
    wrapper("journalctl -o json", HOST, |p| {
        let message = if p.seed.is_multiple_of(3) {
            json!(p.text.as_bytes())
        } else {
            json!(p.text)
        };
        one(
            p,
            &[
                (
                    "__REALTIME_TIMESTAMP",
                    json!(p.at.as_microsecond().to_string()),
                ),
                ("_HOSTNAME", json!(p.host)),
                ("_SYSTEMD_UNIT", json!("amazon-ssm-agent.service")),
                ("SYSLOG_IDENTIFIER", json!("amazon-ssm-agent")),
                ("PRIORITY", json!("6")),
                ("MESSAGE", message),
            ],
        )
    }),
    wrapper("Docker json-file", NOTHING, |p| {
        one(
            p,
            &[
                ("log", json!(format!("{}\n", p.text))),
                ("stream", json!("stderr")),
                ("time", json!(p.at.to_string())),
            ],
        )
    }),
    wrapper("Docker's journald driver", HOST, |p| {
        one(
            p,
            &[
                ("CONTAINER_NAME", json!("ssm")),
                ("CONTAINER_ID", json!("0a1b2c3d4e5f")),
                ("SYSLOG_IDENTIFIER", json!("0a1b2c3d4e5f")),
                ("_HOSTNAME", json!(p.host)),
                ("MESSAGE", json!(p.text)),
            ],
        )
    }),
    wrapper("docker logs -t", NOTHING, |p| {
        vec![format!(
            "{} {}",
            p.at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"),
            p.text
        )]
    }),
    wrapper("aws logs tail", ID, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        vec![format!("{time} {} {}", p.id, p.text)]
    }),
    wrapper("CRI", NOTHING, |p| vec![cri(p.at, 'F', p.text)]),
    wrapper("CRI, lines in parts", NOTHING, |p| {
        let cut = p.text.floor_char_boundary(40 + p.seed % 40);
        if cut == p.text.len() {
            return vec![cri(p.at, 'F', p.text)];
        }
        let (first, rest) = p.text.split_at(cut);
        vec![cri(p.at, 'P', first), cri(p.at, 'F', rest)]
    }),
    wrapper("CRI in an object", HOST, |p| {
        let tail = ["", "\n"][p.seed % 2];
        one(
            p,
            &[
                ("log", json!(format!("{}{tail}", cri(p.at, 'F', p.text)))),
                (
                    "kubernetes",
                    json!({"host": p.host, "pod_name": "ssm-x7k2p", "container_name": "ssm"}),
                ),
            ],
        )
    }),
    wrapper("Fluent Bit, cri parser", BOTH, |p| {
        one(
            p,
            &[
                ("date", json!(p.at.as_microsecond() as f64 / 1e6)),
                ("time", json!(p.at.to_string())),
                ("stream", json!("stderr")),
                ("logtag", json!("F")),
                ("message", json!(p.text)),
                (
                    "kubernetes",
                    json!({"host": p.host, "labels": {"app": "ssm"}}),
                ),
                ("ec2_instance_id", json!(p.id)),
            ],
        )
    }),
    wrapper("Fluent Bit, syslog parser", HOST, |p| {
        one(
            p,
            &[
                ("pri", json!("30")),
                ("host", json!(p.host)),
                ("ident", json!("amazon-ssm-agent")),
                ("pid", json!("2373")),
                ("message", json!(tabs(p.text))),
            ],
        )
    }),
    wrapper("Fluentd's file", NOTHING, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S+00:00");
        vec![format!(
            "{time}\tssm.agent\t{}",
            object(p.seed, &[("message", json!(p.text))])
        )]
    }),
    wrapper("Fluentd's standard output", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%d %H:%M:%S%.9f +0000");
        let fields = [("log", json!(p.text)), ("hostname", json!(p.host))];
        vec![format!("{time} ssm.agent: {}", object(p.seed, &fields))]
    }),
    wrapper("Filebeat", BOTH, |p| {
        one(
            p,
            &[
                (
                    "@timestamp",
                    json!(p.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
                ),
                (
                    "log",
                    json!({"offset": 18233, "file": {"path": "/var/log/amazon/ssm/amazon-ssm-agent.log"}}),
                ),
                ("message", json!(p.text)),
                (
                    "host",
                    json!({"name": p.host, "os": {"name": "Amazon Linux"}}),
                ),
                (
                    "cloud",
                    json!({"instance": {"id": p.id}, "provider": "aws"}),
                ),
                (
                    "agent",
                    json!({"type": "filebeat", "hostname": "collector"}),
                ),
            ],
        )
    }),
    wrapper("Elastic, event.original", HOST, |p| {
        let message = p.text.rsplit(' ').next().unwrap_or_default();
        one(
            p,
            &[
                ("event", json!({"original": p.text, "dataset": "ssm"})),
                ("message", json!(message)),
                ("host.name", json!(p.host)),
            ],
        )
    }),
    wrapper("Vector", HOST, |p| {
        one(
            p,
            &[
                ("file", json!("/var/log/amazon/ssm/errors.log")),
                ("host", json!(p.host)),
                ("source_type", json!("file")),
                ("timestamp", json!(p.at.to_string())),
                ("message", json!(p.text)),
            ],
        )
    }),
    wrapper("Datadog", ID, |p| {
        one(
            p,
            &[
                ("message", json!(p.text)),
                ("ddsource", json!("ssm")),
                ("ddtags", json!("env:prod,team:x")),
                ("hostname", json!(p.id)),
                ("timestamp", json!(p.at.as_millisecond())),
                ("status", json!("info")),
            ],
        )
    }),
    wrapper("OpenTelemetry, OTLP", BOTH, |p| {
        let record = json!({"timeUnixNano": p.at.as_nanosecond().to_string(), "severityText": "INFO", "body": {"stringValue": p.text}});
        let attribute =
            |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        one(
            p,
            &[(
                "resourceLogs",
                json!([{
                    "resource": {"attributes": [attribute("host.name", p.host), attribute("host.id", p.id)]},
                    "scopeLogs": [{"scope": {}, "logRecords": [record]}],
                }]),
            )],
        )
    }),
    wrapper("OpenTelemetry, an exporter's object", ID, |p| {
        one(
            p,
            &[
                ("body", json!(p.text)),
                ("severity", json!("INFO")),
                (
                    "resource",
                    json!({"host.id": p.id, "cloud.provider": "aws"}),
                ),
                (
                    "attributes",
                    json!({"log.file.name": "amazon-ssm-agent.log"}),
                ),
            ],
        )
    }),
    wrapper("CloudWatch Logs Insights", ID, |p| {
        one(
            p,
            &[
                (
                    "@timestamp",
                    json!(p.at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()),
                ),
                ("@message", json!(p.text)),
                ("@logStream", json!(p.id)),
            ],
        )
    }),
    wrapper("CloudWatch agent, structured", ID, |p| {
        one(
            p,
            &[
                ("time", json!(p.at.as_millisecond())),
                ("log_line", json!(p.text)),
                ("instance_id", json!(p.id)),
                ("region", json!("us-east-1")),
            ],
        )
    }),
    wrapper("log transformer", NOTHING, |p| {
        one(
            p,
            &[
                (
                    "@aws",
                    json!({"account": "123456789012", "region": "us-east-1"}),
                ),
                ("originalMessage", json!(p.text)),
                ("team", json!("platform")),
            ],
        )
    }),
    wrapper("Bottlerocket", HOST, |p| {
        let time = p.at.strftime("%b %e %H:%M:%S");
        vec![format!(
            "{time} {} host-containers@control[1411]: {}",
            p.host,
            tabs(p.text)
        )]
    }),
    wrapper("Windows, winlogbeat", HOST, |p| {
        one(
            p,
            &[
                ("@timestamp", json!(p.at.to_string())),
                (
                    "winlog",
                    json!({"computer_name": p.host, "channel": "Application", "event_id": 1}),
                ),
                ("message", json!(format!("{}\r\n", p.text))),
            ],
        )
    }),
    wrapper("Splunk's collector", HOST, |p| {
        one(
            p,
            &[
                ("time", json!(p.at.as_microsecond() as f64 / 1e6)),
                ("host", json!(p.host)),
                ("sourcetype", json!("ssm")),
                ("event", json!(p.text)),
            ],
        )
    }),
    wrapper("FireLens", ID, |p| {
        one(
            p,
            &[
                ("container_name", json!("ssm")),
                ("source", json!("stdout")),
                ("ec2_instance_id", json!(p.id)),
                ("ecs_cluster", json!("prod")),
                ("log", json!(p.text)),
            ],
        )
    }),
    wrapper("Graylog", HOST, |p| {
        one(
            p,
            &[
                ("version", json!("1.1")),
                ("host", json!(p.host)),
                ("short_message", json!(p.text)),
                ("level", json!(6)),
            ],
        )
    }),
    wrapper("nobody's, deep", BOTH, |p| {
        one(
            p,
            &[
                (
                    "envelope",
                    json!({"meta": {"node": {"name": p.host}, "instanceId": p.id}, "data": {"entry": {"value": p.text}}}),
                ),
                ("n", json!(1)),
            ],
        )
    }),
    wrapper("nobody's, in an array", HOST, |p| {
        let line = object(
            p.seed,
            &[("hostname", json!(p.host)), ("content", json!(p.text))],
        );
        vec![format!("[{line}]")]
    }),
    wrapper("an object in an object's text", HOST, |p| {
        let inner = object(
            p.seed,
            &[("log", json!(p.text)), ("stream", json!("stdout"))],
        );
        one(p, &[("hostname", json!(p.host)), ("message", json!(inner))])
    }),
    wrapper("syslog, its octets counted", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let message = format!(
            "<30>1 {time} {} amazon-ssm-agent 2373 - - {}",
            p.host, p.text
        );
        vec![format!("{} {message}", message.len())]
    }),
    wrapper("Fluent Bit's standard output", HOST, |p| {
        let time = p.at.as_microsecond() as f64 / 1e6;
        let time = [format!("[{time}, {{}}]"), time.to_string()][p.form % 2].clone();
        let event = if p.form.is_multiple_of(3) {
            json!({"log": p.text, "host": p.host}).to_string()
        } else {
            format!("{{\"host\"=>\"{}\", \"log\"=>\"{}\"}}", p.host, p.text)
        };
        vec![format!("[{}] tail.0: [{time}, {event}]", p.seed)]
    }),
    wrapper("logfmt", HOST, |p| {
        vec![logfmt(p, &format!("host={}", p.host))]
    }),
    wrapper("Bottlerocket, logfmt", HOST, |p| {
        let time = p.at.strftime("%b %e %H:%M:%S");
        vec![format!(
            "{time} {} host-containers@control[1411]: {}",
            p.host,
            logfmt(p, "level=info")
        )]
    }),
    wrapper("kubectl logs --prefix", HOST, |p| {
        vec![format!("[pod/{}/ssm-agent] {}", p.host, p.text)]
    }),
    wrapper("stern", HOST, |p| {
        let namespace = ["", "kube-system "][p.form % 2];
        vec![format!("{namespace}{} ssm-agent {}", p.host, p.text)]
    }),
    wrapper("docker compose logs", HOST, |p| {
        vec![format!("{}  | {}", p.host, p.text)]
    }),
    wrapper("aws logs --output text", ID, |p| {
        let time = p.at.as_millisecond();
        let event = "0".repeat(56);
        vec![format!(
            "EVENTS\t{event}\t{time}\t{}\t{}\t{time}",
            p.id, p.text
        )]
    }),
    wrapper("Windows, XML", HOST, |p| {
        let text = p.text.replace('&', "&amp;").replace('<', "&lt;");
        vec![format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='AmazonSSMAgent'/><TimeCreated SystemTime='{}'/><Computer>{}</Computer></System><EventData><Data>{text}</Data></EventData></Event>",
            p.at, p.host
        )]
    }),
    wrapper("Loki, pushed", HOST, |p| {
        let time = p.at.as_nanosecond().to_string();
        let stream = json!({"job": "ssm", "host": p.host});
        let streams = json!([{"stream": stream, "values": [[time, p.text]]}]);
        one(p, &[("streams", streams)])
    }),
    wrapper("logcli", HOST, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        vec![format!(
            "{time} {{host=\"{}\", job=\"ssm\"}} {}",
            p.host, p.text
        )]
    }),
    wrapper("rsyslog's JSON", HOST, |p| {
        let blank = [" ", ""][p.seed % 2];
        one(
            p,
            &[
                ("timestamp", json!(p.at.to_string())),
                ("host", json!(p.host)),
                ("severity", json!("info")),
                ("tag", json!("amazon-ssm-agent[99]:")),
                ("message", json!(format!("{blank}{}", p.text))),
            ],
        )
    }),
    wrapper("Fluentd's event", HOST, |p| {
        let record = object(p.seed, &[("log", json!(p.text)), ("host", json!(p.host))]);
        let tag = ["\"ssm.agent\",", ""][p.seed % 2];
        vec![format!("[{tag}{},{record}]", p.at.as_second())]
    }),
    wrapper("grep -r", HOST, |p| {
        let file = ["amazon-ssm-agent.log", "ssm.log"][p.form % 2];
        vec![format!("/mnt/{}/var/log/{file}:{}", p.host, p.text)]
    }),
    wrapper("grep -n of directories", ID, |p| {
        let folder = ["", "/var/log/amazon/ssm"][p.form % 2];
        let line = p.seed;
        vec![format!(
            "{}{folder}/amazon-ssm-agent.log:{line}:{}",
            p.id, p.text
        )]
    }),
    wrapper("pdsh", HOST, |p| vec![format!("{}: {}", p.host, p.text)]),
    wrapper("Ansible, a line each", HOST, |p| {
        vec![format!("{} | CHANGED | rc=0 | (stdout) {}", p.host, p.text)]
    }),
    wrapper("Loki, labels", HOST, |p| {
        let label = ["instance", "node", "nodename"][p.form % 3];
        let host = [p.host.to_owned(), format!("{}:9080", p.host)][p.seed / 3 % 2].clone();
        let labels =
            json!({label: host, "job": "ssm", "filename": "/var/log/amazon/ssm/errors.log"});
        one(p, &[("labels", labels), ("line", json!(p.text))])
    }),
    wrapper("podman logs --names", HOST, |p| {
        vec![format!("{} {}", p.host, p.text)]
    }),
    wrapper("Papertrail's archive", NOTHING, |p| {
        let time = p.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        vec![format!(
            "77\t{time}\t{time}\t42\tweb\t10.0.0.1\tDaemon\tInfo\tamazon-ssm-agent\t{}",
            p.text
        )]
    }),
    wrapper("quoted columns", NOTHING, |p| {
        let time = p.at.strftime("%b %e, %Y @ %H:%M:%S.000");
        let text = p.text.replace('"', "\"\"");
        vec![format!("\"{time}\",\"{}\",\"{text}\"", p.host)]
    }),
    wrapper("colours", NOTHING, |p| {
        vec![format!("\u{1b}[1;32m{}\u{1b}[0m", p.text)]
    }),
];

fn logfmt(p: Piece<'_>, field: &str) -> String {
    format!("time=\"{}\" {field} msg={}", p.at, json!(p.text))
}

fn cri(at: Timestamp, tag: char, text: &str) -> String {
    format!(
        "{} stderr {tag} {text}",
        at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    )
}

/// As rsyslog writes control characters.
fn tabs(text: &str) -> String {
    text.replace('\t', "#011")
}

fn one(piece: Piece<'_>, fields: &[(&str, Value)]) -> Vec<String> {
    vec![object(piece.seed, fields)]
}

/// An object in any order of its fields, with or without blanks, escaped as one
/// library or another does.
fn object(seed: usize, fields: &[(&str, Value)]) -> String {
    let (colon, comma) = [(":", ","), (": ", ", "), (" : ", " , ")][seed % 3];
    let mut fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\"{colon}{}", escaped(&value.to_string(), seed)))
        .collect();
    let turn = seed % fields.len();
    fields.rotate_left(turn);
    if seed % 4 == 1 {
        fields.push(format!("\"extra\"{colon}[1,\"two\",{{\"three\":null}}]"));
    }
    format!("{{{}}}", fields.join(comma))
}

fn escaped(json: &str, seed: usize) -> String {
    match seed % 5 {
        // Go escapes what HTML reads.
        1 => json
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        // PHP and others escape the slash.
        2 => json.replace('/', "\\/"),
        // Python leaves ASCII only.
        3 => json
            .chars()
            .map(|c| {
                if c.is_ascii() {
                    c.to_string()
                } else {
                    format!("\\u{:04x}", u32::from(c))
                }
            })
            .collect(),
        4 => json.replace("\\n", "\\u000a").replace("\\t", "\\u0009"),
        _ => json.to_owned(),
    }
}
