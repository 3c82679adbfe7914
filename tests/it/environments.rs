//! Several execution environments over one state table.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;

use crate::support::answer::{incidents, outcome};
use crate::support::events::Delivery;
use crate::support::mailbox::Mail;
use crate::support::proxy::{Effect, Happening};
use crate::support::runtime::Function;
use crate::support::scene::{ADVISE, REPAIR, Scene, UPDATE};

/// Log lines in a batch.
const LINES: usize = 20;

impl Scene {
    /// Execution environments of the function that share a state table.
    pub(crate) async fn environments(
        &self,
        count: usize,
        settings: &[(&str, &str)],
    ) -> Vec<Function> {
        let mut settings = settings.to_vec();
        settings.push(("TRIAGE_STATE_TABLE", self.state_table().await));
        let mut environments = Vec::with_capacity(count);
        for _ in 0..count {
            environments.push(self.function(&settings).await);
        }
        environments
    }
}

/// What the reader and the caller see of one batch: the messages, and of each incident
/// in the answer what it is and whether it was notified.
type Seen = (Vec<(String, Vec<(String, String)>)>, Vec<Vec<String>>);

fn fixture(name: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/lab/agent/{name}.log",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of the logs of the real agent, each of one known fault.
fn cases() -> Vec<String> {
    let path = format!("{}/tests/fixtures/lab/agent", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(path).expect("the folder is there");
    let names = files.filter_map(|file| {
        let name = file.expect("it can be listed").file_name();
        Some(name.to_str()?.strip_suffix(".log")?.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The batches of a case, alone or followed by the same node's log of a day later,
/// when it was well. Each case is of an account of its own, so that none of its
/// incidents is another's.
fn batches(scene: &Scene, number: usize, name: &str, is_followed: bool) -> Vec<Delivery> {
    let mut log = fixture(name);
    if is_followed {
        log.push_str(&fixture("s1_healthy").replace("2026-11-23 ", "2026-11-24 "));
    }
    let lines: Vec<&str> = log.lines().collect();
    let account = format!("{:012}", 100 + 2 * number + usize::from(is_followed));
    let stream = format!("i-{number:017x}");
    let batch = |lines: &[&str]| scene.log(&stream, &lines.join("\n")).owned_by(&account);
    lines.chunks(LINES).map(batch).collect()
}

/// What is seen of each batch of each case, dealt to the environments in turn.
async fn seen(scene: &Scene, environments: &mut [Function]) -> Vec<(String, Vec<Seen>)> {
    let mut all = Vec::new();
    for (number, name) in cases().iter().enumerate() {
        for is_followed in [false, true] {
            let mut of_case = Vec::new();
            let batches = batches(scene, number, name, is_followed);
            for (place, batch) in batches.iter().enumerate() {
                let environment = place % environments.len();
                let report = environments[environment].handle(batch).await;
                of_case.push((mails(scene.mailbox.take().await), verdicts(&report)));
            }
            all.push((format!("{name}, followed: {is_followed}"), of_case));
        }
    }
    all
}

/// Sorted, since those of one batch are sent side by side.
fn mails(mails: Vec<Mail>) -> Vec<(String, Vec<(String, String)>)> {
    let mails = mails.into_iter();
    let mut mails: Vec<_> = mails.map(|mail| (mail.subject, mail.attributes)).collect();
    mails.sort();
    mails
}

fn verdicts(report: &Value) -> Vec<Vec<String>> {
    let fields = ["cause", "confidence", "severity", "notified", "nodes"];
    let of = |incident: &Value| fields.map(|name| incident[name].to_string()).to_vec();
    incidents(report).iter().map(of).collect()
}

/// Every case gives in so many environments what it gives in one without a table.
async fn as_in_one(environments: usize) {
    let scene = Scene::new().await;
    let alone = seen(&scene, &mut [scene.function(ADVISE).await]).await;
    let mut shared = scene.environments(environments, ADVISE).await;
    let together = seen(&scene, &mut shared).await;
    let messages: usize = alone
        .iter()
        .flat_map(|(_, of)| of)
        .map(|(mails, _)| mails.len())
        .sum();
    assert!(messages > cases().len(), "{messages} messages");
    for ((case, one), (_, several)) in alone.iter().zip(&together) {
        for (place, (one, several)) in one.iter().zip(several).enumerate() {
            assert_eq!(one, several, "batch {} of {case}", place + 1);
        }
    }
}

#[tokio::test]
async fn two_environments_say_what_one_says() {
    as_in_one(2).await;
}

#[tokio::test]
async fn five_environments_say_what_one_says() {
    as_in_one(5).await;
}

#[tokio::test]
async fn sixteen_environments_say_what_one_says() {
    as_in_one(16).await;
}

#[tokio::test]
async fn sixteen_at_once_make_one_repair_and_say_it_once() {
    let scene = Scene::new().await;
    let instances = scene.refused_instances::<16>().await;
    let environments = scene.environments(16, REPAIR).await;
    let logged: Vec<Delivery> = instances
        .iter()
        .map(|one| scene.role_refused(one))
        .collect();
    let invoked = environments
        .into_iter()
        .zip(logged)
        .map(|(mut environment, batch)| {
            tokio::spawn(async move { environment.handle(&batch).await })
        });
    let invoked: Vec<_> = invoked.collect();
    let mut repaired = 0;
    for answer in invoked {
        let report = answer.await.expect("no invocation panics");
        let incidents = incidents(&report);
        assert_eq!(incidents.len(), 1, "{report:#}");
        repaired += usize::from(outcome(&incidents[0]) == "repaired");
    }
    assert!(repaired >= 1);
    assert_eq!(scene.proxy.calls_of(UPDATE).len(), 1);
    let mails = scene.mailbox.take().await;
    let states: Vec<&str> = mails.iter().map(Mail::state).collect();
    assert_eq!(states, ["repaired"], "{mails:#?}");
}

/// Lets the environment end right after the server has taken the call of this action
/// after `skip` others, and gives how many messages and writes came of the batch when
/// it is delivered again.
async fn cut(action: &'static str, skip: usize) -> (Vec<Mail>, usize) {
    let scene = Scene::new().await;
    let instance = scene.refused_instance().await;
    let batch = scene.role_refused(&instance);
    // Claims of an environment that is gone hold no longer than this.
    let settings = [REPAIR[0], REPAIR[1], ("AWS_LAMBDA_FUNCTION_TIMEOUT", "9")];
    let mut environments = scene.environments(2, &settings).await;
    let reached = Arc::new(Notify::new());
    let never = {
        let reached = Arc::clone(&reached);
        Effect::Then(Box::new(move || {
            reached.notify_one();
            Box::pin(std::future::pending()) as Happening
        }))
    };
    scene.proxy.rule(action, skip, 1, never);
    let mut ends = environments.remove(0);
    tokio::select! {
        answer = ends.invoke(&batch) => panic!("{action} {skip} is not called: {answer:?}"),
        () = reached.notified() => {}
    }
    ends.end();
    scene.proxy.clear_rules();
    for _ in 0..4 {
        if environments[0].invoke(&batch).await.is_ok() {
            break;
        }
    }
    environments[0].handle(&batch).await;
    (
        scene.mailbox.take().await,
        scene.proxy.calls_of(UPDATE).len(),
    )
}

#[tokio::test]
async fn an_environment_that_ends_at_any_call_loses_nothing_and_writes_once() {
    // The stream's state, the resource's, the hour's, the outcome's, the claim's, the
    // node's, the mark's.
    let cuts = (0..7)
        .map(|skip| ("PutItem", skip))
        .chain([(UPDATE, 0), ("Publish", 0)]);
    let cuts: Vec<_> = cuts
        .map(|(action, skip)| tokio::spawn(async move { (action, skip, cut(action, skip).await) }))
        .collect();
    for one in cuts {
        let (action, skip, (mails, writes)) = one.await.expect("no cut panics");
        let most = match action {
            // Sent, and not marked.
            "Publish" => 2,
            _ => 1,
        };
        assert!(
            (1..=most).contains(&mails.len()),
            "{action} {skip}: {mails:#?}"
        );
        assert!(writes <= 1, "{action} {skip}: {writes} writes");
    }
}
