//! The demonstration of `make run`, which is a test like the others: a small
//! broken fleet, first under `advise`, then under `repair`, then the same
//! batches once more, then all of it dealt to two execution environments, then a node that
//! says nothing, and at last every channel. It prints what comes of each batch, and every claim about AWS
//! is read back from the server.

mod channels;
mod silent;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::support::answer::{checks, incidents, nodes, outcome};
use crate::support::events::{Delivery, Event};
use crate::support::fleet::{FAULTS, Fleet, opt_in, without_ec2};
use crate::support::mailbox::Mail;
use crate::support::narrate::{Style, chapter, claim, gap, item, quote, say, section, shorten};
use crate::support::scene::{ADVISE, MODIFY, REPAIR, Scene, UPDATE};

#[tokio::test]
async fn a_small_broken_fleet_is_diagnosed_then_repaired_then_left_alone() {
    let scene = Scene::new().await;
    scene.proxy.stand_in_for_ssm_and_simulator();
    let fleet = Fleet::build(&scene).await;
    introduce(&scene, &fleet);
    let batches = fleet.deliveries();
    for ((member, _), batch) in fleet.members().zip(&batches) {
        keep(&format!("{}.json", member.name), &batch.event().to_string());
    }
    advise(&scene, &fleet, &batches).await;
    repair_and_repeat(&scene, &fleet, &batches).await;
    two_environments().await;
    silent::silent_nodes().await;
    channels::channels().await;
    section("All of this was checked, and both servers stop now.");
    say(&format!(
        "The events and the function's logs are in {0}/, a copy of each channel in {0}/channels/.",
        shown(&folder())
    ));
}

fn introduce(scene: &Scene, fleet: &Fleet<'_>) {
    chapter(1, "A small broken fleet");
    say(&format!(
        "A test server (moto) behind {} stands for AWS; the compiled function runs behind the \
         Lambda Runtime Interface Emulator. No AWS account is touched. What the test server does \
         not know is answered in its place: no node is registered with Systems Manager, and the \
         account has no metadata defaults.",
        scene.url()
    ));
    gap();
    for (member, id) in fleet.members() {
        let text = format!("{id}, role {}: {}", member.role, member.fault);
        item(member.name, &text, Style::Plain);
    }
    item("opt-in tag", &opt_in(), Style::Plain);
}

async fn advise(scene: &Scene, fleet: &Fleet<'_>, batches: &[Delivery]) {
    chapter(2, "Mode advise: the agents' logs arrive");
    say(
        "CloudWatch Logs hands the function one batch for each instance. It says what is wrong, \
         looks at live state, and changes nothing.",
    );
    let before = fleet.state().await;
    let mut function = scene.function(ADVISE).await;
    let mut mails = Vec::new();
    let mut opened = BTreeMap::new();
    for ((member, id), batch) in fleet.members().zip(batches) {
        let report = function.handle(batch).await;
        section(&format!("{}, {id}", member.name));
        came_in(&batch.text, &report["source"]);
        mails.extend(show(scene, &report).await);

        let Some(cause) = member.cause else {
            assert!(incidents(&report).is_empty(), "{report:#}");
            continue;
        };
        let incident = incident_of(&report, id);
        assert_eq!(incident["cause"], cause, "{incident:#}");
        assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
        assert_eq!(incident["plan"]["kind"], "advise", "{incident:#}");
        let scope = match cause {
            "role-not-assumable" => member.role,
            _ => id,
        };
        assert_eq!(incident["scope"]["id"], scope, "{incident:#}");
        // The nodes of one role are one incident, which is sent once.
        let sent = match opened.insert(scope, incident["id"].clone()) {
            None => "sent",
            Some(earlier) => {
                assert_eq!(incident["id"], earlier);
                "suppressed"
            }
        };
        assert_eq!(incident["notified"], sent, "{incident:#}");
    }
    keep("advise.log", &function.log());
    section("What changed in AWS");
    claim(
        fleet.state().await == before && scene.writes().is_empty(),
        "nothing has changed in AWS, and nothing was asked to",
        &scene.writes(),
    );
    claim(
        mails.len() == FAULTS,
        "one message for each of the three things to fix",
        &mails,
    );
}

async fn repair_and_repeat(scene: &Scene, fleet: &Fleet<'_>, batches: &[Delivery]) {
    chapter(3, "Mode repair: the same batches again");
    let settings = REPAIR.iter().map(|(name, value)| format!("{name}={value}"));
    say(&format!(
        "The function is started anew with {}. It repairs what a check proves broken and the tag \
         allows.",
        settings.collect::<Vec<_>>().join(" and ")
    ));
    let before = fleet.state().await;
    let mut function = scene.function(REPAIR).await;
    let mut mails = Vec::new();
    for ((member, id), batch) in fleet.members().zip(batches) {
        let report = function.handle(batch).await;
        section(&format!("{}, {id}", member.name));
        mails.extend(show(scene, &report).await);
        for incident in incidents(&report) {
            assert_eq!(outcome(incident), member.outcome, "{incident:#}");
        }
    }
    assert_eq!(mails.len(), FAULTS, "{mails:#?}");
    for mail in &mails {
        assert!(
            mail.subject.len() < 100 && !mail.subject.contains('\n'),
            "{mail:#?}"
        );
        let names: Vec<&str> = mail
            .attributes
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["account", "cause", "region", "severity", "state"]);
    }

    let log = function.log();
    let path = keep("repair.log", &log);
    section(&format!(
        "What the function logged before and after each write (whole in {path})"
    ));
    for line in log.lines().filter(|line| line.starts_with('{')) {
        quote(&shorten(line, 420), Style::Plain);
    }

    section("What changed in AWS, read from the server");
    let repaired = fleet.state().await;
    let changed = show_changes(&before, &repaired);
    let wanted = [
        format!("db-1 ({}) HttpEndpoint", fleet.ids[0]),
        "trust policy of role web".to_owned(),
    ];
    claim(
        changed == wanted,
        "one endpoint and one trust policy changed, and nothing without the tag",
        &changed,
    );
    assert_eq!(repaired[&wanted[0]], "enabled");
    let policy = scene.trust_policy("web").await;
    let statements = policy["Statement"].as_array().expect("statements");
    let (added, kept) = statements.split_last().expect("at least ours");
    assert_eq!(
        Some(&kept.to_vec()),
        without_ec2(&scene.id)["Statement"].as_array()
    );
    assert_eq!(added["Principal"]["Service"], "ec2.amazonaws.com");
    let writes: Vec<String> = scene
        .writes()
        .iter()
        .map(|call| call.action.clone())
        .collect();
    assert_eq!(writes, [MODIFY, UPDATE]);

    chapter(4, "Every batch is delivered a second time");
    say("CloudWatch Logs delivers at least once, so each batch may come again.");
    scene.proxy.forget();
    for ((member, _), batch) in fleet.members().zip(batches) {
        let report = function.handle(batch).await;
        item(member.name, &in_short(&report), Style::Plain);
    }
    gap();
    claim(
        fleet.state().await == repaired && scene.writes().is_empty(),
        "nothing more has changed in AWS",
        &scene.writes(),
    );
    let mails = scene.mailbox.take().await;
    claim(mails.is_empty(), "no further message was sent", &mails);
}

async fn two_environments() {
    chapter(5, "Two execution environments and one state table");
    say(
        "The same fleet again, as broken as it was, in another account. Lambda runs as many \
         execution environments of the function as there are batches at once; here two, which keep their \
         state in one DynamoDB table.",
    );
    let scene = Scene::new().await;
    scene.proxy.stand_in_for_ssm_and_simulator();
    let fleet = Fleet::build(&scene).await;
    let mut settings = REPAIR.to_vec();
    settings.push(("TRIAGE_STATE_TABLE", scene.state_table().await));
    let mut environments = [
        scene.function(&settings).await,
        scene.function(&settings).await,
    ];
    let batches = fleet.deliveries();
    for round in [0, 1] {
        section(["Every batch once", "Every batch again, to the other one"][round]);
        scene.proxy.forget();
        for (place, ((member, _), batch)) in fleet.members().zip(&batches).enumerate() {
            let environment = (place + round) % 2;
            let report = environments[environment].handle(batch).await;
            let text = format!("environment {}: {}", environment + 1, in_short(&report));
            item(member.name, &text, Style::Plain);
        }
        gap();
        let writes = scene.writes();
        let writes: Vec<&str> = writes.iter().map(|call| call.action.as_str()).collect();
        let mails = scene.mailbox.take().await;
        if round == 0 {
            let once = mails.len() == FAULTS;
            claim(
                once,
                "one message for each of the three things to fix",
                &mails,
            );
            let once = writes == [MODIFY, UPDATE];
            claim(
                once,
                "one repair of the endpoint and one of the role",
                &writes,
            );
        } else {
            claim(mails.is_empty(), "no further message was sent", &mails);
            claim(
                writes.is_empty(),
                "nothing more has changed in AWS",
                &writes,
            );
        }
    }
}

fn incident_of<'r>(report: &'r Value, id: &str) -> &'r Value {
    let [incident] = incidents(report) else {
        panic!("expected one incident: {report:#}");
    };
    assert!(nodes(incident).contains(&id), "{incident:#}");
    incident
}

fn in_short(report: &Value) -> String {
    let of = |incident: &Value| {
        format!(
            "{}: {}, message {}",
            text(&incident["cause"]),
            outcome(incident),
            text(&incident["notified"])
        )
    };
    match incidents(report) {
        [] => "no incident".to_owned(),
        some => some.iter().map(of).collect::<Vec<_>>().join("; "),
    }
}

/// Shows what came of one batch, and returns the messages that it sent.
async fn show(scene: &Scene, report: &Value) -> Vec<Mail> {
    for incident in incidents(report) {
        show_incident(incident);
    }
    if incidents(report).is_empty() {
        item("verdict", "nothing is wrong", Style::Green);
        let benign = report["benign"].as_object().into_iter().flatten();
        let benign: Vec<String> = benign.map(|(id, count)| format!("{id} x{count}")).collect();
        if !benign.is_empty() {
            item("harmless", &benign.join(", "), Style::Plain);
        }
    }
    for recovered in report["recovered"].as_array().into_iter().flatten() {
        let (node, cause) = (text(&recovered["node"]), text(&recovered["cause"]));
        item("recovered", &format!("{node} from {cause}"), Style::Plain);
    }
    let mails = scene.mailbox.take().await;
    for mail in &mails {
        gap();
        quote(&format!("Subject: {}", mail.subject), Style::Bold);
        let attributes = mail
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let attributes = attributes.collect::<Vec<_>>().join(", ");
        quote(
            &format!("Attributes: {attributes}\n\n{}", mail.text),
            Style::Plain,
        );
    }
    mails
}

fn came_in(log: &str, source: &Value) {
    let is_error = |line: &&str| {
        line.get(24..)
            .is_some_and(|rest| rest.trim_start().starts_with("ERROR "))
    };
    let errors: Vec<&str> = log.lines().filter(is_error).collect();
    let count = format!(
        "{} log events, {} of them ERROR",
        source["events"],
        errors.len()
    );
    item("came in", &count, Style::Plain);
    if let Some(last) = errors.last() {
        item("last ERROR", &shorten(last, 160), Style::Dim);
    }
}

fn show_incident(incident: &Value) {
    let verdict = format!(
        "{} ({}, {})",
        text(&incident["title"]),
        text(&incident["confidence"]),
        text(&incident["severity"])
    );
    let notified = text(&incident["notified"]);
    let message = match notified {
        "sent" => "sent; as the queue received it:",
        "suppressed" => "none: this incident has been notified already",
        other => panic!("{other:?} for {incident:#}"),
    };
    if notified == "suppressed" {
        item("verdict", &verdict, Style::Bold);
        show_outcome(incident);
        item("message", message, Style::Plain);
        return;
    }
    let signatures = incident["signatures"].as_array().into_iter().flatten();
    let signatures = signatures.map(|one| format!("{} x{}", text(&one["id"]), one["count"]));
    let signatures = signatures.collect::<Vec<_>>().join(", ");
    if !signatures.is_empty() {
        item("recognised", &signatures, Style::Plain);
    }
    item("verdict", &verdict, Style::Bold);
    if let line @ Value::Object(_) = &incident["evidence"][0] {
        let component = match text(&line["component"]) {
            "" => String::new(),
            component => format!("[{component}] "),
        };
        let (level, message) = (text(&line["level"]), text(&line["text"]));
        let proof = format!("{level} {component}{message}");
        item("proving line", &shorten(&proof, 240), Style::Plain);
    }
    for check in checks(incident) {
        let status = text(&check["status"]);
        let style = match status {
            "ok" => Style::Green,
            "failed" => Style::Red,
            "unknown" => Style::Yellow,
            _ => Style::Dim,
        };
        let (name, note) = (text(&check["check"]), text(&check["note"]));
        item("check", &format!("{name}: {status}. {note}"), style);
    }
    let plan = &incident["plan"];
    let kind = [text(&plan["kind"]), text(&plan["action"])].join(" ");
    let plan = format!("{}: {}", kind.trim_end(), text(&plan["reason"]));
    item("plan", &plan, Style::Plain);
    show_outcome(incident);
    item("message", message, Style::Plain);
}

fn show_outcome(incident: &Value) {
    let style = match outcome(incident) {
        "none" => return,
        "repaired" => Style::Green,
        _ => Style::Plain,
    };
    let detail = text(&incident["outcome"]["detail"]);
    let outcome = format!("{}. {detail}", outcome(incident));
    item("outcome", outcome.trim_end_matches([' ', '.']), style);
}

/// Shows what differs, and returns the names of it.
fn show_changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut changed = Vec::new();
    for (thing, new) in after {
        let old = &before[thing];
        if old == new {
            continue;
        }
        changed.push(thing.clone());
        gap();
        if !new.contains('\n') {
            item("changed", &format!("{thing}: {old} -> {new}"), Style::Green);
            continue;
        }
        item("changed", thing, Style::Plain);
        for change in TextDiff::from_lines(old, new).iter_all_changes() {
            let style = match change.tag() {
                ChangeTag::Insert => Style::Green,
                ChangeTag::Delete => Style::Red,
                ChangeTag::Equal => Style::Plain,
            };
            quote(&format!("{}{}", change.tag(), change.value()), style);
        }
    }
    changed
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo")
}

/// Writes a file for a reader who wants to know more; returns its path.
fn keep(name: &str, text: &str) -> String {
    let path = folder().join(name);
    let parent = path.parent().unwrap_or(&path);
    fs::create_dir_all(parent).expect("target/tmp can be written");
    fs::write(&path, text).expect("target/tmp can be written");
    shown(&path)
}

/// The path as it is seen from the project's folder.
fn shown(path: &Path) -> String {
    let shown = path
        .strip_prefix(env!("CARGO_MANIFEST_DIR"))
        .unwrap_or(path);
    shown.display().to_string()
}
