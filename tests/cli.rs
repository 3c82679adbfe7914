//! The command-line tool as a process: what it writes where, and its exit status.

#![cfg(unix)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const FAULTY: &str = "events/permission-denied.log";

fn tool() -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"));
    tool.current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("TRIAGE_SIGNATURES")
        .stdin(Stdio::null());
    tool
}

fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    tool().args(arguments).output().expect("the tool runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn full() -> File {
    let full = File::options().write(true).open("/dev/full");
    full.expect("a device that takes no byte")
}

/// Neither a control character nor one that turns the direction of writing.
fn assert_harmless(text: &str) {
    let acts = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!text.contains(acts), "{text:?}");
}

#[test]
fn the_verdict_stands_without_a_standard_error() {
    let expected = run(["scan", FAULTY, "/nowhere/at.log"]);
    assert_eq!(expected.status.code(), Some(2));
    let output = tool()
        .args(["scan", FAULTY, "/nowhere/at.log"])
        .stderr(full())
        .output()
        .expect("the tool runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).starts_with("1 thing to fix."));
    assert_eq!(output.stdout, expected.stdout);

    let nothing = tool()
        .args(["scan", "/nowhere/at.log"])
        .stderr(full())
        .output()
        .expect("the tool runs");
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn the_verdict_is_written_before_what_could_not_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("both");
    let both = File::create(&path).expect("is created");
    let status = tool()
        .args(["scan", "/nowhere/at.log", FAULTY])
        .stdout(both.try_clone().expect("a second handle"))
        .stderr(both)
        .status()
        .expect("the tool runs");
    assert_eq!(status.code(), Some(2));
    let both = fs::read_to_string(path).expect("text");
    let at = |text: &str| both.find(text).unwrap_or_else(|| panic!("{text}: {both}"));
    assert!(at("1 thing to fix.") < at("cannot read /nowhere/at.log"));
    assert!(both.contains("1 input was not read"), "{both}");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_unless_the_reader_left() {
    let output = tool()
        .args(["scan", FAULTY])
        .stdout(full())
        .output()
        .expect("the tool runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot write the answer"));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = tool()
        .args(["scan", FAULTY])
        .stdout(writer)
        .output()
        .expect("the tool runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn standard_input_named_twice_is_refused() {
    for arguments in [
        &["scan", "-", "-"][..],
        &["event", "make", "-", "-", "--form", "plain"],
        &["signatures", "check", "-", "-"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(text(&output.stderr).contains("name `-` once"), "{output:?}");
    }
}

#[test]
fn of_lines_without_times_no_time_is_claimed() {
    let output = run(["scan", "events/article-metadata-service.log"]);
    assert_eq!(output.status.code(), Some(1));
    let verdict = text(&output.stdout);
    assert!(verdict.starts_with("1 thing to fix."), "{verdict}");
    let claim = "without times: that of the file, or of now, stands for them";
    let words: Vec<&str> = verdict.split_whitespace().collect();
    assert!(words.join(" ").contains(claim), "{verdict}");
}

#[test]
fn one_directory_that_cannot_be_read_withholds_no_verdict() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = |name: &str| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).expect("is created");
        folder
    };
    let broken = folder("i-0123456789abcdef0");
    fs::copy(FAULTY, broken.join("amazon-ssm-agent.log")).expect("is copied");
    let empty = folder("i-0fedcba9876543210");
    let other = folder("web-1");
    fs::write(other.join("nginx.log"), "").expect("is written");
    let cut = folder("web-2");
    let log = fs::read(FAULTY).expect("is there");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&log).expect("a Vec takes every byte");
    let packed = packed.finish().expect("a Vec takes every byte");
    fs::write(cut.join("agent.gz"), &packed[..packed.len() - 20]).expect("is written");
    let gone = root.path().join("web-3");

    let output = run([
        "scan".as_ref(),
        broken.as_os_str(),
        empty.as_ref(),
        other.as_ref(),
        cut.as_ref(),
        gone.as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let verdict = text(&output.stdout);
    assert!(verdict.contains("i-0123456789abcdef0"), "{verdict}");
    assert!(verdict.contains("4 inputs were not read"), "{verdict}");
    let why = text(&output.stderr);
    for says in [
        "there is no file in ",
        "web-1/nginx.log; name the agent's own log",
        "web-2/agent.gz was not read to its end: ",
        "cannot read ",
    ] {
        assert!(why.contains(says), "{says}: {why}");
    }
    assert_eq!(why.lines().count(), 4, "{why}");

    let output = run([
        "scan".as_ref(),
        OsStr::new("events/healthy.log"),
        empty.as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let verdict = text(&output.stdout);
    assert!(
        verdict.starts_with("Nothing is wrong in what could be read."),
        "{verdict}"
    );
}

#[test]
fn a_cut_gzip_file_alone_gives_what_can_be_read_of_it() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("agent.log.gz");
    let log = fs::read(FAULTY).expect("is there");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&log).expect("a Vec takes every byte");
    let mut packed = packed.finish().expect("a Vec takes every byte");
    for end in [packed.len() - 4, packed.len() + 7] {
        packed.resize(end, b'x');
        fs::write(&path, &packed).expect("is written");
        let output = run(["scan".as_ref(), path.as_os_str()]);
        assert_eq!(output.status.code(), Some(2));
        let verdict = text(&output.stdout);
        assert!(verdict.starts_with("1 thing to fix."), "{verdict}");
        assert!(text(&output.stderr).contains("was not read to its end"));
    }
}

#[test]
fn the_names_of_files_do_not_act_on_the_terminal() {
    let root = tempfile::tempdir().expect("a folder");
    let evil = |end: &str| {
        let name = format!("web\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\n{end}");
        root.path().join(OsString::from_vec(name.into_bytes()))
    };
    let folder = evil("");
    fs::create_dir(&folder).expect("is created");
    fs::copy(FAULTY, folder.join("a.log")).expect("is copied");
    let log = evil(".log");
    fs::copy(FAULTY, &log).expect("is copied");
    let gone = evil(".gone");
    let signatures = evil(".toml");
    fs::write(
        &signatures,
        "[[signature]]\nid = \"a\\u001b[31m\"\ntitle = \"\\u009b1m\"",
    )
    .expect("is written");
    let empty = evil(".empty");
    fs::create_dir(&empty).expect("is created");
    let evil_option = OsString::from("--\u{1b}[31m");

    let cases: Vec<Vec<&OsStr>> = vec![
        vec![
            "scan".as_ref(),
            folder.as_ref(),
            log.as_ref(),
            gone.as_ref(),
            empty.as_ref(),
        ],
        vec![
            "scan".as_ref(),
            log.as_ref(),
            "--format".as_ref(),
            "json".as_ref(),
        ],
        vec![
            "scan".as_ref(),
            folder.as_ref(),
            "--format".as_ref(),
            "json".as_ref(),
        ],
        vec!["scan".as_ref(), evil_option.as_ref()],
        vec!["event".as_ref(), "make".as_ref(), gone.as_ref()],
        vec!["event".as_ref(), "make".as_ref(), empty.as_ref()],
        vec!["event".as_ref(), "show".as_ref(), log.as_ref()],
        vec![
            "signatures".as_ref(),
            "check".as_ref(),
            signatures.as_ref(),
            gone.as_ref(),
        ],
        vec!["signatures".as_ref(), "show".as_ref(), evil_option.as_ref()],
    ];
    for arguments in cases {
        let output = run(&arguments);
        assert_harmless(&text(&output.stdout));
        assert_harmless(&text(&output.stderr));
        assert!(
            output.stdout.len() + output.stderr.len() > 0,
            "{arguments:?}"
        );
    }
    for own in [&signatures, &gone] {
        let output = tool()
            .args(["signatures", "list"])
            .env("TRIAGE_SIGNATURES", own)
            .output()
            .expect("the tool runs");
        assert_eq!(output.status.code(), Some(2));
        assert_harmless(&text(&output.stderr));
    }
}

#[test]
fn a_tar_archive_is_named_as_one() {
    let root = tempfile::tempdir().expect("a folder");
    let status = Command::new("tar")
        .args(["-czf", "logs.tgz", "-C"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("events"))
        .arg("permission-denied.log")
        .current_dir(root.path())
        .status()
        .expect("tar runs");
    assert!(status.success());
    let output = run(["scan".as_ref(), root.path().join("logs.tgz").as_os_str()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "{output:?}");
    let why = text(&output.stderr);
    assert!(why.contains("a tar archive; unpack it first"), "{why}");
}

#[test]
fn a_runbook_is_shown_and_an_unknown_cause_is_refused() {
    let shown = run(["runbook", "show", "imds-disabled", "--format", "json"]);
    assert_eq!(shown.status.code(), Some(0));
    let page: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(page["severity"], "high");
    let listed = text(&run(["runbook", "list", "--severity", "high"]).stdout);
    assert!(listed.starts_with("imds-disabled  "), "{listed}");
    assert!(!listed.contains("agent-outdated"), "{listed}");
    let refused = run(["runbook", "show", "imds-disable"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("the nearest are imds-disabled, "));
    let help = text(&run(["runbook", "--help"]).stdout);
    assert!(
        help.contains("ssm-agent-triage runbook show imds-disabled"),
        "{help}"
    );
}

#[test]
fn nodes_without_a_log_need_the_clients_of_aws() {
    let refused = run(["diagnose", "web-1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("a node id is"));
    if cfg!(not(feature = "aws")) {
        let without = run(["diagnose", "i-0123456789abcdef0"]);
        assert_eq!(without.status.code(), Some(2));
        assert!(without.stdout.is_empty());
        let said = text(&without.stderr);
        assert!(said.contains("cargo build --release --bin"), "{said}");
    }
}
