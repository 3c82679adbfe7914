//! Of two instances that Systems Manager has lost no line ever came: what a sweep finds,
//! what a person asks for, and what a look by id shows.

use serde_json::{Value, json};

use super::{incident_of, show};
use crate::by_id::diagnose;
use crate::on_request::{ON_REQUEST, request_in};
use crate::support::answer::{incidents, outcome};
use crate::support::narrate::{Style, chapter, claim, gap, item, quote, say, section};
use crate::support::registered::{Registered, started_long_ago};
use crate::support::scene::{MODIFY, Scene};
use crate::sweep::sound;

pub(super) async fn silent_nodes() {
    chapter(6, "A node that says nothing");
    say(
        "What breaks an agent often breaks what ships its log: without credentials no line \
         arrives. A schedule therefore invokes the function for a sweep, which asks Systems \
         Manager for the nodes that it has lost. One instance here reports, one has its metadata \
         service switched off, and neither has ever sent a line. The mode is on-request.",
    );
    let scene = Scene::new().await;
    let [well, dark] = sound(&scene).await;
    scene.set_imds(&dark, false).await;
    let registered = Registered::of(&scene);
    scene.proxy.on("DescribeInstances", started_long_ago());
    registered.pinged(&well, 1);
    registered.pinged(&dark, 37);
    let mut function = scene.function(ON_REQUEST).await;

    section("A sweep");
    let sweep = json!({"sweep": {}});
    let report = function.handle(&sweep).await;
    count(&report);
    let mails = show(&scene, &report).await;
    assert_eq!(incident_of(&report, &dark)["cause"], "imds-disabled");
    claim(
        mails.len() == 1 && scene.writes().is_empty(),
        "one message, and nothing was changed",
        &mails,
    );

    section("A person runs the command of the message");
    let request = request_in(&mails[0].text);
    item("payload", &request.to_string(), Style::Plain);
    let report = function.handle(&request).await;
    let mails = show(&scene, &report).await;
    let repaired = outcome(incident_of(&report, &dark)) == "repaired";
    claim(
        repaired && scene.imds_is_on(&dark).await && mails.len() == 1,
        "the endpoint is enabled, and that was notified",
        &report,
    );

    section("The next sweep, once the agent has reported");
    registered.pinged(&dark, 0);
    let report = function.handle(&sweep).await;
    count(&report);
    let mails = show(&scene, &report).await;
    let resolved = mails.len() == 1 && mails[0].state() == "resolved";
    claim(resolved, "the incident is resolved", &mails);
    assert_eq!(incidents(&report), [] as [Value; 0]);
    assert_eq!(scene.proxy.calls_of(MODIFY).len(), 1);

    scene.set_imds(&dark, false).await;
    registered.pinged(&dark, 37);
    for (id, status) in [(&well, 0), (&dark, 1)] {
        section(&format!("ssm-agent-triage diagnose {id}"));
        let output = diagnose(&scene, &[id]).await;
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        quote(&String::from_utf8_lossy(&output.stdout), Style::Plain);
        gap();
    }
}

/// What the sweep looked at.
fn count(report: &Value) {
    let of_sweep = &report["sweep"];
    let statuses = of_sweep["statuses"].as_object().into_iter().flatten();
    let statuses: Vec<String> = statuses
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    let suspects = &of_sweep["suspects"];
    let text = format!("silent nodes: {suspects}; {}", statuses.join(", "));
    item("looked at", text.trim_end_matches([';', ' ']), Style::Plain);
}
