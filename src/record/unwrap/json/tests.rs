use serde_json::json;

use super::super::Known;
use super::*;

const HEAD: &str = "2026-11-23 04:19:04.1850 WARN [Registrar] \u{e9} \"quoted\"";

fn opened(line: &str) -> Option<Opened<'static>> {
    let known = Known::default();
    let context = Context {
        known: &known,
        depth: 0,
    };
    open(line, &context).map(into_owned)
}

#[test]
fn the_line_is_found_by_what_it_reads_like() {
    for (shipper, object, host, id) in [
        (
            "docker",
            json!({"log": format!("{HEAD}\n"), "stream": "stderr", "time": "2026-11-23T04:19:05.1Z"}),
            None,
            None,
        ),
        (
            "journald",
            json!({"__REALTIME_TIMESTAMP": "1795407544185000", "_HOSTNAME": "h1", "SYSLOG_IDENTIFIER": "amazon-ssm-agent", "MESSAGE": HEAD}),
            Some("h1"),
            None,
        ),
        (
            "journald, bytes",
            json!({"__REALTIME_TIMESTAMP": "1795407544185000", "_HOSTNAME": "h1", "MESSAGE": HEAD.as_bytes()}),
            Some("h1"),
            None,
        ),
        (
            "filebeat",
            json!({"@timestamp": "2026-11-23T04:19:05Z", "log": {"offset": 7, "file": {"path": "/var/log/x"}}, "message": HEAD, "host": {"name": "h1"}, "cloud": {"instance": {"id": "i-0123456789abcdef0"}}, "agent": {"hostname": "shipper"}}),
            Some("h1"),
            Some("i-0123456789abcdef0"),
        ),
        (
            "ingest pipeline",
            json!({"message": "quoted", "event": {"original": HEAD}, "@timestamp": "2026-11-23T04:19:05Z"}),
            None,
            None,
        ),
        (
            "fluent bit",
            json!({"date": 1795407544.185, "log": HEAD, "kubernetes": {"host": "h1", "pod_name": "p"}, "host": "aggregator", "ec2_instance_id": "i-0123456789abcdef0"}),
            Some("h1"),
            Some("i-0123456789abcdef0"),
        ),
        (
            "vector",
            json!({"file": "/var/log/x", "host": "h1", "source_type": "file", "timestamp": "2026-11-23T04:19:05Z", "message": HEAD}),
            Some("h1"),
            None,
        ),
        (
            "datadog",
            json!({"message": HEAD, "hostname": "h1", "ddsource": "ssm", "timestamp": 1795407544185_u64}),
            Some("h1"),
            None,
        ),
        (
            "otel, an exporter's",
            json!({"ts": 1795407544, "resource": {"host.id": "i-0123456789abcdef0", "host.name": "h1"}, "body": HEAD}),
            Some("h1"),
            Some("i-0123456789abcdef0"),
        ),
        (
            "nobody's",
            json!({"at": "2026-11-23T04:19:05Z", "payload": {"deep": {"content": HEAD}}}),
            None,
            None,
        ),
    ] {
        let line = object.to_string();
        let opened = opened(&line).unwrap_or_else(|| panic!("{shipper} is not opened"));
        assert_eq!(opened.text.trim_end(), HEAD, "{shipper}");
        let envelope = opened.envelope;
        assert_eq!(
            (envelope.host.as_deref(), envelope.id.as_deref()),
            (host, id),
            "{shipper}"
        );
        assert!(
            envelope.at.is_some() || matches!(shipper, "nobody's"),
            "{shipper}"
        );
    }
}

#[test]
fn a_whole_line_wins_over_the_same_shortened_and_one_behind_a_prefix_is_found() {
    let short = &HEAD[..30];
    for object in [
        json!({"short_message": short, "x_full_message": HEAD}),
        json!({"full_message": HEAD, "short_message": short}),
    ] {
        assert_eq!(
            opened(&object.to_string()).map(|it| it.text),
            Some(HEAD.into())
        );
    }
    let behind = format!("==> amazon-ebs.web: {HEAD}");
    let line = json!({"host": "h1", "message": behind}).to_string();
    assert_eq!(opened(&line).map(|it| it.text), Some(behind.into()));
}

#[test]
fn every_record_of_an_export_is_a_line_of_its_own() {
    let record =
        |text: &str| json!({"timeUnixNano": "1795407544185000000", "body": {"stringValue": text}});
    let export = json!({"resourceLogs": [{
        "resource": {"attributes": [
            {"key": "host.id", "value": {"stringValue": "i-0123456789abcdef0"}},
            {"key": "host.name", "value": {"stringValue": "h1"}}]},
        "scopeLogs": [{"logRecords": [record(HEAD), record("2026-11-23 04:19:05 INFO y")]}]}]});
    let first = opened(&export.to_string()).expect("two lines");
    assert_eq!(first.text, HEAD);
    assert_eq!(first.envelope.id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(first.more.len(), 1);
    assert_eq!(first.more[0].text, "2026-11-23 04:19:05 INFO y");
    assert_eq!(first.more[0].envelope.host.as_deref(), Some("h1"));

    let two = format!("{}{}", json!({"log": HEAD}), json!({"log": HEAD}));
    assert_eq!(opened(&two).expect("two objects").more.len(), 1);
}

#[test]
fn what_continues_a_record_stands_where_the_record_stood() {
    let mut known = Known::default();
    let cause = json!({"log": "caused by: EOF", "stream": "stderr"}).to_string();
    fn context(known: &Known) -> Context<'_> {
        Context { known, depth: 0 }
    }
    assert_eq!(open(&cause, &context(&known)), None);
    let record = opened(&json!({"log": HEAD}).to_string()).expect("a record");
    let path = record.envelope.steps[0];
    known.learn(&[super::super::step(0, path), 0, 0, 0]);
    assert_eq!(
        open(&cause, &context(&known)).map(|it| it.text).as_deref(),
        Some("caused by: EOF")
    );
    let other = json!({"msg": "caused by: EOF"}).to_string();
    assert_eq!(open(&other, &context(&known)), None);
}

#[test]
fn objects_of_others_are_nobodys_line() {
    for line in [
        json!({"level": "error", "msg": "AccessDeniedException: x"}).to_string(),
        json!({"ident": "sshd", "message": "error"}).to_string(),
        json!({"Code": "AssumeRoleUnauthorizedAccess"}).to_string(),
        "{\"log\": \"2026-11-23 04:19:04 INFO x".to_owned(),
        "{}".to_owned(),
        "{ not json".to_owned(),
    ] {
        assert_eq!(opened(&line), None, "{line}");
    }
}

#[test]
fn half_a_surrogate_pair_does_not_hide_the_line() {
    let line = r#"{"log":"2026-11-23 04:19:04 INFO \ud83d x","a":"\ud83d\ude00"}"#;
    let opened = opened(line).expect("a line");
    assert!(opened.text.starts_with("2026-11-23 04:19:04 INFO \u{fffd}"));
}

#[test]
fn parts_of_a_line_are_told_as_parts() {
    let part =
        |object: serde_json::Value| opened(&object.to_string()).map(|it| it.envelope.partial);
    assert_eq!(part(json!({"log": HEAD, "logtag": "P"})), Some(true));
    assert_eq!(part(json!({"log": HEAD, "logtag": "F"})), Some(false));
    assert_eq!(
        part(json!({"log": HEAD, "partial_message": "true", "partial_last": "false"})),
        Some(true)
    );
    assert_eq!(
        part(json!({"log": HEAD, "partial_message": "true", "partial_last": "true"})),
        Some(false)
    );
    let long = format!("{HEAD}{}", "x".repeat(DOCKER_PART));
    assert_eq!(part(json!({ "log": long })), Some(true));
    assert_eq!(part(json!({ "log": format!("{long}\n") })), Some(false));
}

#[test]
fn labels_of_loki_and_kubernetes_name_the_host() {
    for (object, host) in [
        (
            json!({"labels": {"instance": "web1"}, "line": HEAD}),
            "web1",
        ),
        (
            json!({"kubernetes": {"pod_node_name": "web1"}, "message": HEAD}),
            "web1",
        ),
        (
            json!({"labels": {"instance": "web1:9080"}, "line": HEAD}),
            "web1",
        ),
        (
            json!({"labels": {"node": "web1", "job": "ssm"}, "line": HEAD}),
            "web1",
        ),
        (
            json!({"labels": {"instance": "x", "host": "web1"}, "line": HEAD}),
            "web1",
        ),
        (
            json!({"agent": {"hostname": "x"}, "instance": "web1", "message": HEAD}),
            "web1",
        ),
    ] {
        let opened = opened(&object.to_string()).expect("a line");
        assert_eq!(opened.envelope.host.as_deref(), Some(host), "{object}");
    }
}

#[test]
fn a_container_or_a_file_of_another_program_is_known_from_the_agents() {
    for (object, source) in [
        (
            json!({"kubernetes": {"container_name": "backup"}}),
            Some("backup"),
        ),
        (
            json!({"kubernetes": {"container_name": "aws-ssm-agent"}}),
            None,
        ),
        (json!({"container_name": "/app"}), Some("/app")),
        (json!({"container": {"name": "app"}}), Some("app")),
        (json!({"container_name": "0a1b2c3d4e5f"}), None),
        (
            json!({"resource": {"k8s.container.name": "app"}}),
            Some("app"),
        ),
        (json!({"labels": {"container": "app"}}), Some("app")),
        (
            json!({"log": {"file": {"path": "/var/log/backup.log"}}}),
            Some("/var/log/backup.log"),
        ),
        (
            json!({"log.file.path": "C:\\backup\\x.log"}),
            Some("C:\\backup\\x.log"),
        ),
        (
            json!({"log": {"file": {"path": "C:\\ProgramData\\Amazon\\SSM\\Logs\\errors.log"}}}),
            None,
        ),
        (json!({"file": "/var/log/amazon/ssm/errors.log"}), None),
        (
            json!({"file": "/var/lib/docker/containers/a/a-json.log"}),
            None,
        ),
        (json!({"file": "main.go", "source": "stdout"}), None),
        (
            json!({"container_name": "log-tail", "path": "/var/log/amazon/ssm/errors.log"}),
            None,
        ),
        (
            json!({"ident": "amazon-ssm-agent", "container_name": "app"}),
            None,
        ),
        (json!({"stream": "stdout"}), None),
    ] {
        let mut line = object.clone();
        line["message"] = json!(HEAD);
        let opened = opened(&line.to_string()).expect("a line");
        let found = match &opened.envelope.producer {
            Producer::Source(name) => Some(&**name),
            _ => None,
        };
        assert_eq!(found, source, "{object}");
    }
}
