//! What README.md and `docs/` say, held against the code: the settings, the
//! examples, the shipper's configuration, and every path that they name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ssm_agent_triage::cause::Cause;
use ssm_agent_triage::config::settings::settings_table;
use ssm_agent_triage::node::{InstanceId, NodeId};

const README: &str = include_str!("../README.md");
const DEPLOY: &str = include_str!("../docs/deploy.md");
const SETTINGS: &str = include_str!("../docs/settings.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, CHANGELOG.md and every page in `docs/`, with their paths.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is there");
    let docs = docs.map(|entry| entry.expect("can be listed").path());
    let mut paths: Vec<PathBuf> = ["README.md", "CHANGELOG.md"].map(|p| root().join(p)).into();
    paths.extend(docs.filter(|path| path.is_file()));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("is text");
            (path, text)
        })
        .collect()
}

/// The text between the fence after `mark` and the next fence.
fn block_after<'a>(page: &'a str, mark: &str) -> &'a str {
    let (_, rest) = page.split_once(mark).expect(mark);
    let (_, rest) = rest.split_once("```text\n").expect("an example");
    rest.split_once("\n```").expect("its end").0
}

/// Every line of `example` stands in `whole`, in this order; only at `[…]` may
/// lines be left out.
fn assert_excerpt(example: &str, whole: &str) {
    let mut rest: Vec<&str> = whole.lines().collect();
    for part in example.split("[…]").map(|part| part.trim_matches('\n')) {
        if part.is_empty() {
            continue;
        }
        let part: Vec<&str> = part.lines().collect();
        let at = rest.windows(part.len()).position(|lines| lines == part);
        let at = at.unwrap_or_else(|| panic!("not so any more:\n{}", part.join("\n")));
        rest.drain(..at + part.len());
    }
}

#[test]
fn the_settings_are_those_of_the_code() {
    let table = settings_table();
    assert!(
        SETTINGS.contains(&format!("-->\n{table}\n")),
        "the settings table of docs/settings.md is to be:\n{table}"
    );
}

#[test]
fn each_threat_names_the_tests_that_hold_its_defence() {
    let model = include_str!("../docs/threat-model.md").lines();
    let threats: Vec<&str> = model.filter(|line| line.starts_with("| **")).collect();
    assert!(!threats.is_empty());
    for threat in threats {
        let cells: Vec<&str> = threat.trim_matches('|').split('|').collect();
        let tests = cells.last().expect("a row has cells").split(", ");
        for test in tests.map(|test| test.trim().trim_matches('`')) {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{threat}"));
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            let there = ["fn", "def"].map(|word| text.contains(&format!("{word} {name}(")));
            assert!(there.contains(&true), "there is no {test}");
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_in_every_target() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("is text");
    let manifest = toml::de::DeTable::parse(&manifest).expect("is TOML");
    let rust = &manifest.get_ref()["lints"].get_ref()["rust"];
    assert_eq!(
        rust.get_ref()["unsafe_code"].get_ref().as_str(),
        Some("forbid")
    );
}

#[test]
fn every_cause_is_named() {
    for cause in Cause::ALL {
        assert!(README.contains(&format!("`{cause}`")), "{cause}");
    }
}

#[test]
fn the_message_is_one_that_is_sent() {
    let shown = "src/notify/tests/snapshots/ssm_agent_triage__notify__tests__\
        imds_disabled_while_repairs_are_off.snap";
    let sent = fs::read_to_string(root().join(shown)).expect("the snapshot is there");
    let sent: Vec<&str> = sent
        .lines()
        .skip_while(|line| !line.starts_with("Subject: "))
        .filter(|line| !line.starts_with("Attributes: "))
        .collect();
    let example = block_after(
        README,
        "<!-- message: imds_disabled_while_repairs_are_off -->",
    );
    assert_excerpt(example, &sent.join("\n"));
}

#[test]
fn the_scan_says_what_is_shown() {
    let scan = Command::new(env!("CARGO_BIN_EXE_ssm-agent-triage"))
        .args(["scan", "events/role-not-assumable.log"])
        .current_dir(root())
        .output()
        .expect("the tool runs");
    assert_eq!(scan.status.code(), Some(1), "an actionable incident");
    let example = block_after(README, "<!-- scan: events/role-not-assumable.log -->");
    let (command, example) = example.split_once('\n').expect("a command and its output");
    assert_eq!(
        command,
        "$ ssm-agent-triage scan events/role-not-assumable.log"
    );
    assert_excerpt(example, &String::from_utf8_lossy(&scan.stdout));
}

#[test]
fn the_shippers_configuration_names_nodes_and_keeps_records_whole() {
    let configurations: Vec<serde_json::Value> = DEPLOY
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("its end").0)
        .map(|json| serde_json::from_str(json).expect("is JSON"))
        .collect();
    assert_eq!(configurations.len(), 2, "Linux and Windows");
    let log = fs::read_to_string(root().join("events/imds-disabled.log")).expect("is there");
    let id = "i-0123456789abcdef0";
    let node = InstanceId::parse(id).map(NodeId::Instance);
    for configuration in configurations {
        let files = &configuration["logs"]["logs_collected"]["files"]["collect_list"];
        for file in files.as_array().expect("a list") {
            let stream = file["log_stream_name"].as_str().expect("text");
            let stream = stream.replace("{instance_id}", id);
            assert_eq!(NodeId::from_stream_name(&stream), node);

            let start = file["multi_line_start_pattern"].as_str().expect("text");
            let start = regex::Regex::new(start).expect("compiles");
            let (heads, rest): (Vec<&str>, Vec<&str>) =
                log.lines().partition(|line| start.is_match(line));
            let levels = ["DEBUG", "INFO", "WARN", "ERROR"];
            let has_level = |line: &&str| levels.iter().any(|level| line.contains(level));
            assert!(heads.len() > 20 && heads.iter().all(has_level));
            assert!(rest.len() > 20 && !rest.iter().any(has_level));
        }
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        let folder = page.parent().expect("a file has a folder");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        let links = links
            .map(|(target, _)| target.split('#').next().unwrap_or_default())
            .filter(|target| !target.is_empty() && !target.contains("://"))
            .map(|target| (target, folder.join(target)));
        let code = text.split('`').skip(1).step_by(2);
        let code = code
            .filter(|code| {
                ["src/", "tests/", "events/", "docs/"]
                    .iter()
                    .any(|top| code.starts_with(top))
            })
            .filter(|code| !code.contains(['*', ' ', '\n', '…']))
            .map(|code| {
                (
                    code,
                    root().join(code.split("::").next().unwrap_or_default()),
                )
            });
        for (name, path) in links.chain(code) {
            seen += 1;
            if !path.exists() {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} paths were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_make_target_that_is_named_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("is there");
    let mut seen = 0;
    for (page, text) in pages() {
        // In code spans and blocks; prose may begin a line with the word.
        let spans = text.split('`').skip(1).step_by(2);
        let blocks = text.lines().filter(|line| line.starts_with("    "));
        let commands = spans.chain(blocks).map(str::trim);
        let targets = commands.filter_map(|command| command.strip_prefix("make "));
        for target in targets.filter_map(|rest| rest.split_whitespace().next()) {
            seen += 1;
            assert!(
                makefile.contains(&format!("\n{target}: ")),
                "{}: make {target}",
                page.display()
            );
        }
    }
    assert!(seen > 5, "only {seen} targets were found");
}

#[test]
fn every_parameter_is_described_and_each_that_is_named_exists() {
    let template = fs::read_to_string(root().join("template.yaml")).expect("is there");
    let (_, table) = DEPLOY
        .split_once("| parameter | default |")
        .expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let rows = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split('|').nth(1));
    let mut names = 0;
    for name in rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
        assert!(template.contains(&format!("\n  {name}:\n")), "{name}");
        names += 1;
    }
    assert!(names > 5, "only {names} parameters were found");
    let (_, parameters) = template
        .split_once("\nParameters:\n")
        .expect("they are there");
    let (parameters, _) = parameters.split_once("\nRules:\n").expect("their end");
    for line in parameters.lines() {
        let name = line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'));
        if let Some(name) = name.filter(|name| !name.starts_with([' ', '#'])) {
            assert!(
                table.contains(&format!("`{name}`")),
                "{name} is not described"
            );
        }
    }
}
