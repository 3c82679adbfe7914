use super::super::{Level, Limits};
use super::*;
use crate::record::first_time;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn flats(text: &str) -> Vec<String> {
    (records(text).iter())
        .map(|record| record.flat().into_owned())
        .collect()
}

#[test]
fn continuation_lines_join_their_head() {
    let text = "2024-11-04 10:00:07.0137 ERROR [EC2Identity] Failed. Error: EC2MetadataError: x\n\
                caused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed: EOF\n\
                2024-11-04 10:00:07.0138 INFO Checking if agent identity type CustomIdentity can be assumed";
    assert_eq!(
        flats(text),
        [
            "Failed. Error: EC2MetadataError: x caused by: : status code: 0, request id: caused by: RequestError: send request failed: EOF",
            "Checking if agent identity type CustomIdentity can be assumed",
        ]
    );
}

#[test]
fn prefixed_lines_join_and_tabs_come_back() {
    let text = "Oct 27 10:43:16 h amazon-ssm-agent[2373]: 2023-10-27 10:43:14 ERROR [HealthCheck] a: \n\
                Oct 27 10:43:16 h sshd[1]: error: maximum authentication attempts\n\
                Oct 27 10:43:16 h amazon-ssm-agent[2373]: #011status code: 400, request id: x";
    assert_eq!(flats(text), ["a: status code: 400, request id: x"]);
    assert_eq!(records(text)[0].rest, ["\tstatus code: 400, request id: x"]);
}

#[test]
fn a_level_word_starts_nothing_once_the_stream_has_timed_heads() {
    let text =
        "ERROR [HealthCheck] first\n2024-11-04 10:00:07 INFO second\nERROR [HealthCheck] third";
    assert_eq!(flats(text), ["first", "second ERROR [HealthCheck] third"]);
}

#[test]
fn a_dump_swallows_what_looks_like_a_head() {
    let text = "INFO [MDSInteractor] Sending reply {\n  \"output\": {\nERROR [HealthCheck] fake\npanic: fake\n}\n}\nERROR [HealthCheck] real";
    let flats = flats(text);
    assert_eq!(flats.len(), 2);
    assert_eq!(flats[1], "real");
}

#[test]
fn the_metadata_services_answer_is_a_record() {
    let text = "# curl http://169.254.169.254/latest/meta-data/iam/security-credentials/x\n{\n  \"Code\" : \"AssumeRoleUnauthorizedAccess\",\n  \"Message\" : \"EC2 cannot assume the role x.\",\n}";
    let flats = flats(text);
    assert_eq!(flats.len(), 1);
    assert!(
        flats[0].starts_with("\"Code\" : \"AssumeRoleUnauthorizedAccess\", \"Message\""),
        "{flats:?}"
    );
}

#[test]
fn systemd_and_kernel_speak_only_of_the_agent() {
    let text = "Nov 04 10:02:44 h systemd[1]: amazon-ssm-agent.service: Main process exited, code=exited, status=1/FAILURE\n\
                Nov 04 10:02:44 h systemd[1]: Finished refresh-policy-routes@ens5.service.\n\
                Nov 04 10:02:44 h kernel: Out of memory: Killed process 2373 (ssm-agent-work)";
    let origins: Vec<_> = records(text).iter().map(|record| record.origin).collect();
    assert_eq!(origins, [Origin::Systemd, Origin::Kernel]);
}

fn closed(reader: &mut Reader<'_>) -> Vec<Record<'static>> {
    let mut records = Vec::new();
    reader.close(|record| records.push(record.clone().into_owned()));
    records
}

#[test]
fn a_record_keeps_a_bounded_text() {
    let mut reader = Reader::default();
    reader.text("2024-11-04 10:00:07 ERROR x", None, now(), |_| ());
    let long = "y".repeat(1000);
    for _ in 0..100_000 {
        reader.text(&long, None, now(), |_| ());
    }
    let records = closed(&mut reader);
    assert!(records[0].rest.len() <= Limits::default().lines);
    assert!(records[0].text().len() <= Limits::default().bytes + 200);

    let line = format!("2024-11-04 10:00:07 ERROR {}", "\u{e9}".repeat(100_000));
    let records = super::records(&line);
    assert!(records[0].message.len() <= Limits::default().bytes);
    assert!(records[0].message.starts_with('\u{e9}'));
}

const AWAITS: &str =
    "2024-11-04 10:00:07.0137 ERROR [Registrar] failed: RequestError: send request failed";
const OTHER: &str = "2024-11-04 10:00:07.0138 INFO [ssm-agent-worker] Bye.";
const CAUSE: &str = "caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF";

#[test]
fn a_cause_finds_its_error_past_a_record_of_another_process() {
    let text = [AWAITS, OTHER, CAUSE, "\tat the end"].join("\n");
    assert_eq!(
        flats(&text),
        [
            "Bye.",
            "failed: RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF at the end",
        ]
    );
    // No error that awaits one, or a second record in between.
    let whole = "2024-11-04 10:00:07.0137 ERROR [Registrar] failed";
    for text in [
        [whole, OTHER, CAUSE].join("\n"),
        [AWAITS, OTHER, OTHER, CAUSE].join("\n"),
        [AWAITS, "2024-11-04 10:00:07.0138 WARN x", CAUSE].join("\n"),
    ] {
        let flats = flats(&text);
        assert!(
            flats.last().is_some_and(|last| last.contains("caused by")),
            "{flats:?}"
        );
        assert!(
            !flats.iter().any(|flat| flat.contains("failed caused by")),
            "{flats:?}"
        );
    }
}

#[test]
fn a_line_of_the_record_that_passed_joins_no_error() {
    let text = [AWAITS, OTHER, "a second line of it", OTHER].join("\n");
    assert_eq!(
        flats(&text),
        ["Bye.", "failed: RequestError: send request failed", "Bye."]
    );
}

#[test]
fn an_error_that_awaits_its_cause_is_open_meanwhile() {
    let mut reader = Reader::default();
    let mut ended = 0;
    reader.text(AWAITS, None, now(), |_| ended += 1);
    assert_eq!(ended, 0);
    reader.text(OTHER, None, now(), |_| ended += 1);
    assert_eq!(ended, 1);
    let mut reader = reader.into_owned();
    let open: Vec<_> = reader.open().map(|open| open.level).collect();
    assert_eq!(open, [Level::Error]);
    reader.text(CAUSE, None, now(), |_| ());
    assert_eq!(closed(&mut reader)[0].rest.len(), 1);
}

#[test]
fn the_reader_goes_on_in_the_next_batch() {
    let mut reader = Reader::default();
    reader.text(
        "2024-11-04 10:00:07 ERROR [Registrar] failed: RequestError: send request failed",
        None,
        now(),
        |_| (),
    );
    let mut reader = reader.into_owned();
    reader.text(CAUSE, None, now(), |_| ());
    assert_eq!(
        closed(&mut reader)[0].flat(),
        "failed: RequestError: send request failed caused by: Post \"https://ssm.us-east-1.amazonaws.com/\": EOF"
    );
}

fn read_as(text: &str) -> Vec<(Option<String>, String, String)> {
    let record = |record: &Record<'_>| {
        let host = record.host.as_ref().and_then(|host| host.name.as_deref());
        (
            host.map(str::to_owned),
            record.at.to_string(),
            record.flat().into_owned(),
        )
    };
    records(text).iter().map(record).collect()
}

#[test]
fn lines_of_two_hosts_join_by_host() {
    let text = "Nov 04 10:02:44 h1 amazon-ssm-agent[1]: 2024-11-04 10:02:44.9629 ERROR [Registrar] a: RequestError: send request failed\n\
                Nov 04 10:02:44 h2 amazon-ssm-agent[1]: 2024-11-04 10:02:44.9630 INFO b\n\
                Nov 04 10:02:44 h1 amazon-ssm-agent[1]: caused by: EOF";
    let mut all = read_as(text);
    all.sort();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].0.as_deref(), Some("h1"));
    assert_eq!(
        all[0].2,
        "a: RequestError: send request failed caused by: EOF"
    );
    assert_eq!((all[1].0.as_deref(), &*all[1].2), (Some("h2"), "b"));
}

#[test]
fn a_record_without_a_time_has_its_wrappers_in_the_agents_zone() {
    let text = "2024-11-04T08:02:44.9Z stderr F 2024-11-04 10:02:44.9629 INFO a\n\
                2024-11-04T08:02:46Z stderr F panic: b\n\
                2024-11-04T08:02:46Z stderr F goroutine 1 [running]:";
    let timed: Vec<_> = records(text)
        .iter()
        .map(|record| record.at.to_string())
        .collect();
    assert_eq!(timed, ["2024-11-04T10:02:44.9629Z", "2024-11-04T10:02:46Z"]);
    let text = "Nov 04 10:02:44 h amazon-ssm-agent[1]: 2024-11-04 08:02:44.9629 INFO a\n\
                Nov 04 10:02:46 h amazon-ssm-agent[1]: panic: b";
    assert_eq!(read_as(text)[1].1, "2024-11-04T08:02:46Z");
    // Without one it has that of the record before.
    let text = "2024-11-04 10:02:44.9629 INFO a\nNov 04 10:02 panic\n\u{201c}INFO- b";
    assert_eq!(read_as(text)[1].1, "2024-11-04T10:02:44.9629Z");
}

#[test]
fn parts_of_a_line_are_one_line() {
    let text = "2024-11-04T10:02:44Z stderr P 2024-11-04 10:02:44.9629 ERR\n\
                2024-11-04T10:02:44Z stderr P OR [Regis\n\
                2024-11-04T10:02:44Z stderr F trar] a\n\
                {\"log\":\"2024-11-04T10:02:44Z stderr P 2024-11-04 10:02:45 INFO b\"}\n\
                {\"log\":\"2024-11-04T10:02:44Z stderr F c\"}";
    let flats = flats(text);
    assert_eq!(flats, ["a", "bc"]);
}

#[test]
fn what_the_agents_users_quote_is_opened_in_no_wrapper() {
    let text = "2024-11-04 10:02:44.9629 INFO [MDSInteractor] Sending reply {\n  \"standardOutput\": \"\n\
                {\"log\":\"2024-11-04 10:02:44.9629 ERROR [HealthCheck] fake\"}\n\
                Nov 04 10:02:44 h amazon-ssm-agent[1]: 2024-11-04 10:02:44.9629 ERROR [HealthCheck] fake\n\"}\n\
                2024-11-04 10:02:45.9629 INFO b";
    let records = records(text);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.level == Level::Info));
}

#[test]
fn a_panic_is_the_agents_where_nothing_else_stands_before_it() {
    let origins =
        |text: &str| -> Vec<Origin> { records(text).iter().map(|record| record.origin).collect() };
    let panic = "panic: close of closed channel\n\ngoroutine 1 [running]:";
    for (before, origin) in [
        ("", Origin::Raw),
        ("2024-11-04T10:02:44Z I! Loading\n", Origin::Unattributed),
        ("listening on :8080\n", Origin::Unattributed),
        ("Initializing new seelog logger\n", Origin::Raw),
        ("2024/11/04 10:02:44 listening\n", Origin::Unattributed),
        // Records of the agent may quote one.
        ("2024-11-04 10:02:44.9629 INFO a\n", Origin::Unattributed),
    ] {
        let last = origins(&format!("{before}{panic}")).pop();
        assert_eq!(last, Some(origin), "{before}");
    }
    let named = "Nov 04 10:02:44 h amazon-ssm-agent[1]: ";
    let text = format!("{named}2024-11-04 10:02:44.9629 INFO a\n{named}{panic}");
    assert_eq!(origins(&text), [Origin::File, Origin::Raw]);
    // Where a stream begins with it, its author is still to come; an event of
    // several lines is all there is.
    let mut reader = Reader::default();
    reader.begin_batch(None, false, |_| ());
    for (events, origin) in [
        (panic.lines().collect(), Origin::Unattributed),
        (vec![panic], Origin::Raw),
    ] {
        let mut reader = reader.clone();
        events
            .into_iter()
            .for_each(|event: &str| reader.text(event, None, now(), |_| ()));
        assert_eq!(closed(&mut reader)[0].origin, origin);
    }
}

#[test]
fn the_first_time_is_found_through_wrappers() {
    for text in [
        "x\n2024-11-04 10:02:44.9629 INFO a",
        "Nov 23 04:19:04 h amazon-ssm-agent[1]: 2024-11-04 10:02:44.9629 INFO a",
        "{\"log\":\"2024-11-04 10:02:44.9629 INFO a\\n\"}",
        "{\n\"log\":\"2024-11-04 10:02:44.9629 INFO a\\n\"\n}",
    ] {
        let time = first_time(text).map(|time| time.to_string());
        assert_eq!(time.as_deref(), Some("2024-11-04T10:02:44.9629Z"), "{text}");
    }
    assert_eq!(first_time("Nov 23 04:19:04 h amazon-ssm-agent[1]: x"), None);
}

/// Each record's host and text.
fn by_host(text: &str) -> Vec<(String, String)> {
    let of = |record: &Record<'_>| {
        let host = record.host.as_deref();
        let id = host
            .and_then(|host| host.id.as_ref())
            .map(ToString::to_string);
        let name = host
            .and_then(|host| host.name.as_deref())
            .map(str::to_owned);
        (id.or(name).unwrap_or_default(), record.flat().into_owned())
    };
    records(text).iter().map(of).collect()
}

fn of(host: &str, text: &str) -> (String, String) {
    (host.to_owned(), text.to_owned())
}

#[test]
fn lines_below_a_heading_are_its_hosts_until_the_next_one() {
    let text = "==> web1/amazon-ssm-agent.log <==\n\
                2024-11-04 10:00:07.0137 ERROR [Registrar] a\n\
                caused by: b\n\n\
                ==> web2/amazon-ssm-agent.log <==\n\
                caused by: nobody's\n\
                2024-11-04 10:00:08.0137 INFO [MDSInteractor] Sending reply {\n\
                ==> web3/amazon-ssm-agent.log <==\n\
                {\"log\": \"2024-11-04 10:00:08 ERROR [Registrar] quoted\"}\n\
                }\n\
                ==> /var/log/amazon/ssm/errors.log <==\n\
                2024-11-04 10:00:09.0137 ERROR [Registrar] c\n\
                web1 | CHANGED | rc=0 >>\n\
                2024-11-04 10:00:10.0137 ERROR [Registrar] d\n\
                Nov  4 10:00:11 ip-10-0-0-3 amazon-ssm-agent[1]: 2024-11-04 10:00:11 ERROR [Registrar] e";
    let mut found = by_host(text);
    found.sort_by_key(|(_, text)| text.clone());
    let quoted = "Sending reply { ==> web3/amazon-ssm-agent.log <== {\"log\": \"2024-11-04 10:00:08 ERROR [Registrar] quoted\"} }";
    assert_eq!(
        found,
        [
            of("web2", quoted),
            of("web1", "a caused by: b"),
            // What names no host is the first one's.
            of("web1", "c"),
            of("web1", "d"),
            of("ip-10-0-0-3", "e"),
        ]
    );
}

#[test]
fn an_id_counts_with_a_file_or_a_domain_behind_it() {
    for behind in ["", "/amazon-ssm-agent.log", ".us-west-2.compute.internal"] {
        let of_stream = |id: &str, text: &str| {
            format!(
                "2024-11-04T10:00:07.000000+00:00 {id}{behind} 2024-11-04 10:00:07.0137 ERROR [Registrar] {text}\n"
            )
        };
        let ids = ["i-0123456789abcdef0", "i-00000000000000001"];
        let text = of_stream(ids[0], "a") + &of_stream(ids[1], "b");
        let mut found = by_host(&text);
        found.sort();
        assert_eq!(found, [of(ids[1], "b"), of(ids[0], "a")], "{behind}");
    }
}

#[test]
fn another_programs_container_is_not_read_until_it_writes_as_the_agent_does() {
    let line = |container: &str, text: &str| {
        let object = serde_json::json!({"log": text, "kubernetes": {"container_name": container}});
        format!("{object}\n")
    };
    let text = [
        line("app", "2024-11-04 10:00:01 ERROR not the agent's"),
        line(
            "app",
            "2024-11-04T10:00:02Z stderr F 2024-11-04 10:00:01 ERROR nor in a wrapper within",
        ),
        line("ssm", "2024-11-04 10:00:03 ERROR a"),
        line("node-tools", "2024-11-04 10:00:04 ERROR [HealthCheck] b"),
        line("node-tools", "\tstatus code: 400"),
        line("node-tools", "2024-11-04 10:00:05 ERROR c"),
        line("tail", "2024-11-04 10:00:06.0137 ERROR d"),
        line("app", "2024-11-04 10:00:07 ERROR not yet"),
    ];
    assert_eq!(flats(&text.concat()), ["a", "b status code: 400", "c", "d"]);
}
