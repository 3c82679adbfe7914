//! The verdict as a page: sound whatever the log says, and all of it.

use std::fs;

use super::tests::{answer, path, run};
use crate::cli::page::tests::{assert_sound, text};

/// The page of these logs, each a node named by its number.
fn page_of(logs: &[String]) -> String {
    let root = tempfile::tempdir().unwrap();
    let mut arguments = Vec::new();
    for (number, log) in (1..).zip(logs) {
        let folder = root.path().join(format!("i-{number:017x}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("amazon-ssm-agent.log"), log).unwrap();
        arguments.push(path(&folder).to_owned());
    }
    let arguments = arguments.iter().map(String::as_str);
    let (page, _) = answer(&Vec::from_iter(arguments.chain(["--format", "html"])));
    assert_sound(&page);
    page
}

fn event(name: &str) -> String {
    fs::read_to_string(format!("events/{name}.log")).expect("a fixture")
}

#[test]
fn a_page_says_what_the_terminal_does_and_shows_the_time() {
    let options = ["--region", "eu-central-1", "--format", "html"];
    for log in [
        "events/healthy.log",
        "events/mixed.log",
        "events/role-not-assumable.log",
    ] {
        let (page, _) = answer(&[&[log], &options[..]].concat());
        assert_sound(&page);
        let (said, _) = answer(&[log]);
        let headline = said.lines().next().expect("a headline");
        assert!(text(&page).contains(headline), "{headline}");
    }
    let (page, _) = answer(&[&["events/mixed.log"], &options[..]].concat());
    insta::assert_snapshot!(text(&page));
}

#[test]
fn a_log_that_tries_to_act_is_only_text() {
    let hostile = [
        "</script><img src=x onerror=alert(1)>",
        "]]></title></style><script>alert(1)</script>",
        "\u{202e}\u{1b}[31mjavascript:alert(1)\u{0}",
        "\" onmouseover=\"alert(1)",
        "{main} {script} {style-hash} &lt;b&gt; &#60;",
    ];
    let lines = hostile.iter().map(|text| {
        format!(
            "2026-11-23 04:19:04.0000 ERROR [{text}] [HealthCheck] error when calling AWS APIs. error details - \
             AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/{text}/i-0123456789abcdef0 is not \
             authorized to perform: ssm:UpdateInstanceInformation {text}\n\
             2026-11-23 04:19:05.0000 ERROR [Unheard] {text}\n\
             2026-11-23 04:19:06.0000 ERROR [EC2RoleProvider] Failed to connect to Systems Manager with instance \
             profile role credentials. Err: EC2 cannot assume the role {text}.\n"
        )
    });
    let page = page_of(&[lines.collect()]);
    for raw in [
        "<img",
        "<script>alert",
        "onerror=alert(1)>",
        "\" onmouseover",
    ] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    assert!(
        page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"),
        "{page}"
    );
    assert!(page.contains("&amp;lt;b&amp;gt; &amp;#60;"), "{page}");
}

#[test]
fn a_page_names_what_was_not_read_and_what_was_not_recognised() {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("amazon-ssm-agent.log");
    let lines = (b'a'..=b'z').flat_map(|first| (b'a'..=b'c').map(move |second| [first, second]));
    let lines = lines.map(|word| {
        let word = String::from_utf8_lossy(&word).repeat(4);
        format!("2026-11-23 04:19:04.0000 ERROR [Unheard] {word} <is> reversed\n")
    });
    fs::write(&log, lines.collect::<String>()).unwrap();
    let missing = root.path().join("<b>none.log");
    let output = run(&[path(&log), path(&missing), "--format", "html"]).expect("one is readable");
    assert_sound(&output.text);
    let said = text(&output.text);
    let (unknown, unread) = said
        .split_once("\nNot read, or not to the end\n")
        .expect("both");
    assert!(unread.contains("<b>none.log"), "{unread}");
    assert!(unknown.contains("\necececec <is> reversed\n"), "{unknown}");
    assert!(unknown.contains("\nand at least 14 more"), "{unknown}");
}

#[test]
fn a_node_that_recovered_is_drawn_from_its_failure_to_its_end() {
    let throttled = event("throttled");
    let healthy = event("healthy").replace("2026-11-23 04:1", "2026-11-23 05:1");
    let page = page_of(&[throttled + &healthy, event("role-not-assumable")]);
    let said = text(&page);
    let span = "throttled from 2026-11-23 04:19:";
    assert!(said.contains(span), "{said}");
    assert!(page.contains("<circle "), "{page}");
    assert!(
        said.contains("role-not-assumable since 2026-11-23 04:19:06."),
        "{said}"
    );
    assert!(said.contains("\nRecovered by itself\n"), "{said}");
}

#[test]
fn forty_nodes_are_drawn_and_of_more_the_first_of_each_group() {
    let logs = |count: usize| {
        let mut logs = vec![event("role-not-assumable"); count];
        logs.push(event("healthy"));
        logs
    };
    let rows = |page: &str| page.matches("<li class=row>").count();
    let page = page_of(&logs(39));
    assert_eq!(rows(&page), 40);
    assert!(!page.contains("Drawn are"), "{page}");
    let page = page_of(&logs(80));
    assert_eq!(rows(&page), 21);
    assert!(text(&page).contains("Drawn are 21 of 81 nodes, the most severe first."));
    assert!(text(&page).contains("\nand 60 more\n"));
    assert!(text(&page).contains("\nAll 80 nodes, and since when\n"));
    let page = page_of(&vec![event("endpoint-timeout"); 60]);
    assert_eq!(rows(&page), 40);
    assert!(text(&page).contains("Drawn are 40 of 60 nodes, the most severe first."));
}
