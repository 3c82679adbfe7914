//! Many incidents in one event: each is sent once, over as many tries as the
//! time of an invocation makes necessary.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::support::answer::incident_of;
use crate::support::events::{Delivery, records};
use crate::support::proxy::{Effect, ec2_denied, sns_denied};
use crate::support::runtime::{Failure, Function};
use crate::support::scene::{ADVISE, Scene};

/// As long as the template gives the function.
const MINUTE: (&str, &str) = ("AWS_LAMBDA_FUNCTION_TIMEOUT", "60");

/// One Kinesis event in which each of `count` hybrid nodes is denied under a
/// role of its own: as many things to fix, and nothing of EC2 to be read.
fn denied(scene: &Scene, count: usize) -> Value {
    let deliveries: Vec<Delivery> = (0..count)
        .map(|number| {
            let (node, account) = (format!("mi-{number:017x}"), &scene.id);
            let line = format!(
                "2026-11-23 04:19:04.0900 ERROR [HealthCheck] error when calling AWS APIs. error \
                 details - AccessDeniedException: User: \
                 arn:aws:sts::{account}:assumed-role/Role{number}/{node} is not authorized to \
                 perform: ssm:UpdateInstanceInformation on resource: \
                 arn:aws:ssm:us-east-1:{account}:managed-instance/{node} because no \
                 identity-based policy allows the ssm:UpdateInstanceInformation action"
            );
            scene.log(&node, &line)
        })
        .collect();
    records(scene, &deliveries)
}

async fn start(scene: &Scene, timeout: (&str, &str)) -> Function {
    let mut settings = ADVISE.to_vec();
    settings.push(timeout);
    scene.function(&settings).await
}

/// The test server answers slowly, and one event of this size at a time keeps
/// it busy.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// How often each subject was sent so far, as far as the function knows.
fn sent(scene: &Scene) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for call in scene.proxy.taken_of("Publish") {
        let subject = call.fields.get("Subject").cloned().unwrap_or_default();
        *subjects.entry(subject).or_default() += 1;
    }
    subjects
}

fn not_sent(failure: &Failure, count: usize) {
    assert_eq!(failure.error_type, "MessageNotSent", "{failure:?}");
    let said = match count {
        1 => "a message of this batch".to_owned(),
        count => format!("{count} messages of this batch"),
    };
    assert!(failure.message.starts_with(&said), "{said}: {failure:?}");
    let json = json!(failure.message).to_string();
    assert!(json.len() <= 64 * 1024, "{} bytes", json.len());
}

/// Delivers the event until it is handled, as Kinesis does: every try ends by
/// itself within its minute and sends further messages, none a second time.
async fn delivered_until_handled(
    scene: &Scene,
    function: &mut Function,
    event: &Value,
    count: usize,
) {
    let mut before = sent(scene).len();
    while let Err(failure) = function.invoke(event).await {
        let now = sent(scene).len();
        not_sent(&failure, count - now);
        assert!(now > before, "a try that sends nothing further");
        before = now;
    }
    let sent = sent(scene);
    assert_eq!(sent.len(), count);
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

async fn all_are_sent_once(count: usize) {
    let _turn = alone().await;
    let scene = Scene::new().await;
    let event = denied(&scene, count);
    let mut function = start(&scene, MINUTE).await;
    delivered_until_handled(&scene, &mut function, &event, count).await;

    scene.proxy.forget();
    let again = function.handle(&event).await;
    assert_eq!(again, json!({"batchItemFailures": []}));
    assert_eq!(scene.proxy.calls(), []);
}

#[tokio::test]
async fn a_thousand_incidents_of_one_event_are_each_sent_once() {
    all_are_sent_once(1_000).await;
}

#[tokio::test]
async fn more_incidents_than_are_remembered_are_each_sent_once() {
    all_are_sent_once(1_500).await;
}

#[tokio::test]
async fn what_was_sent_is_remembered_when_the_rest_is_refused() {
    const ALL: usize = 1_200;
    let _turn = alone().await;
    let scene = Scene::new().await;
    let event = denied(&scene, ALL);
    let mut function = start(&scene, MINUTE).await;
    for accepted in [300, 100] {
        let proxy = &scene.proxy;
        proxy.rule("Publish", accepted, usize::MAX, sns_denied());
        let failure = function.failure(&event).await;
        not_sent(&failure, ALL - sent(&scene).len());
        proxy.clear_rules();
    }
    delivered_until_handled(&scene, &mut function, &event, ALL).await;
}

#[tokio::test]
async fn the_deadline_is_kept_when_the_topic_does_not_answer() {
    let _turn = alone().await;
    let scene = Scene::new().await;
    let event = denied(&scene, 400);
    let silent = Effect::Then(Box::new(|| Box::pin(std::future::pending())));
    scene.proxy.on("Publish", silent);
    let mut function = start(&scene, ("AWS_LAMBDA_FUNCTION_TIMEOUT", "6")).await;
    let failure = function.failure(&event).await;
    not_sent(&failure, 400);
    scene.proxy.clear_rules();
    delivered_until_handled(&scene, &mut function, &event, 400).await;
}

#[tokio::test]
async fn an_incident_is_critical_by_the_nodes_of_all_batches() {
    let scene = Scene::new().await;
    let mut function = start(&scene, MINUTE).await;
    let on_role = scene.refused_instances::<10>().await;
    let mut severities = Vec::new();
    for id in &on_role {
        let incident = &function.incident(&scene.role_refused(id)).await;
        severities.push((
            incident["severity"].as_str().unwrap_or_default().to_owned(),
            incident["node_count"].as_u64().unwrap_or_default(),
        ));
    }
    let expected = (1..=10).map(|count| match count {
        10 => ("critical".to_owned(), count),
        _ => ("high".to_owned(), count),
    });
    assert_eq!(severities, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn batches_about_one_broken_role_share_their_reads() {
    const ROUNDS: usize = 20;
    let scene = Scene::new().await;
    let on_role = scene.refused_instances::<2>().await;
    let mut function = start(&scene, MINUTE).await;
    scene.proxy.forget();
    let began = std::time::Instant::now();
    for round in 0..ROUNDS {
        let incident = &function
            .incident(&scene.role_refused(&on_role[round % 2]))
            .await;
        assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
    }
    // As often again in each minute that a busy machine takes.
    let minutes = 1 + usize::try_from(began.elapsed().as_secs() / 60).unwrap_or(ROUNDS);
    for (call, most) in [
        ("GetInstanceProfile", 4),
        ("GetRole", 4),
        ("DescribeInstances", 8),
    ] {
        let calls = scene.proxy.calls_of(call).len();
        assert!(
            (1..=most * minutes).contains(&calls),
            "{calls} times {call}"
        );
    }
}

#[tokio::test]
async fn nothing_is_called_right_by_what_was_read_before() {
    let scene = Scene::new().await;
    let lit = scene.healthy_instance().await;
    let mut function = start(&scene, MINUTE).await;
    let incident = &function.incident(&scene.imds_off(&lit)).await;
    assert_ne!(incident["confidence"], "confirmed", "{incident:#}");

    scene.set_imds(&lit, false).await;
    let report = function.handle(&scene.imds_off(&lit)).await;
    let incident = incident_of(&report, &lit);
    assert_eq!(incident["cause"], "imds-disabled", "{incident:#}");
    assert_eq!(incident["confidence"], "confirmed", "{incident:#}");
}

#[tokio::test]
async fn nodes_that_show_the_same_are_one_message_with_a_list() {
    let scene = Scene::new().await;
    scene.proxy.on("DescribeInstances", ec2_denied());
    let ids: Vec<String> = (1..=12).map(|n| format!("i-{n:017x}")).collect();
    let all = scene.all_imds_off(&ids);

    let mut function = start(&scene, MINUTE).await;
    let incident = &function.incident(&all).await;
    assert_eq!(incident["node_count"], 12, "{incident:#}");
    let mails = scene.mailbox.take().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let named = ids.iter().filter(|id| mails[0].text.contains(id.as_str()));
    assert_eq!(named.count(), 5, "{mails:#?}");
    assert!(
        mails[0].text.contains("Nodes: 12 nodes, the first 5: "),
        "{mails:#?}"
    );

    // One by one, in another environment: five by themselves, then the list.
    let mut function = start(&scene, MINUTE).await;
    for delivery in &all[..8] {
        function.handle(delivery).await;
    }
    let mails = scene.mailbox.take().await;
    let counts: Vec<bool> = (mails.iter())
        .map(|mail| mail.subject.ends_with("(6 nodes)"))
        .collect();
    assert_eq!(counts, [false, false, false, false, false, true]);
}
