//! One message about all incidents, whichever environment has seen them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::proxy::sns_denied;
use crate::support::registered::Registered;
use crate::support::scene::Scene;

fn event() -> Value {
    json!({"digest": {}})
}

#[tokio::test]
async fn a_digest_tells_what_any_environment_has_seen_since_the_last_one() {
    let scene = Scene::new().await;
    let table = scene.state_table().await;
    let settings = [("TRIAGE_STATE_TABLE", table)];
    let mut one = scene.function(&settings).await;
    let mut other = scene.function(&settings).await;
    let (dark, refused) = (scene.dark_instance().await, scene.refused_instance().await);
    let registered = Registered::of(&scene);
    let others = (0..120).map(|number| (format!("i-{number:017x}"), 1));
    registered.all(others.chain([(dark.clone(), 30)]));
    let before = SignedDuration::from_mins(10);
    one.handle(&scene.imds_off(&dark).aged(before)).await;
    one.handle(&scene.role_refused(&refused)).await;
    assert_eq!(scene.mailbox.take().await.len(), 2);

    let shown = "1 of 121 registered nodes do not report.";
    // A digest that did not get out fails, and is told whole the next time.
    scene.proxy.rule("Publish", 0, 1, sns_denied());
    let failure = other.failure(&event()).await;
    assert_eq!(failure.error_type, "MessageNotSent");
    let digest = other.handle(&event()).await;
    assert_eq!(digest["from"], Value::Null);
    assert_eq!(digest["open"]["count"], 2, "{digest:#}");
    assert_eq!(digest["open"]["incidents"][0]["by_log_alone"], false);
    let counts = ["node_count", "registered_count", "lost_count"];
    assert_eq!(counts.map(|name| digest[name].clone()), [2, 121, 1]);
    let mail = scene.mailbox.take_only().await;
    assert_eq!(mail.state(), "digest");
    let subject = mail.subject.as_str();
    assert!(
        subject.starts_with("[SSM digest] 2 open incidents, 2 nodes, account "),
        "{subject}"
    );
    for part in [shown, &format!("IMDS disabled on {dark}")] {
        assert!(mail.text.replace('\n', " ").contains(part), "{}", mail.text);
    }

    scene.set_imds(&dark, true).await;
    other.handle(&scene.healthy(&dark)).await;
    assert_eq!(scene.mailbox.take_only().await.state(), "resolved");
    let digest = one.handle(&event()).await;
    assert_eq!(
        digest["from"].as_str().map(str::len),
        Some(20),
        "{digest:#}"
    );
    assert_eq!(digest["open"]["count"], 1, "{digest:#}");
    assert_eq!(digest["resolved"]["incidents"][0]["cause"], "imds-disabled");
    let failure = one.failure(&json!({"digest": {"since": "today"}})).await;
    assert_eq!(failure.error_type, "InputDigest");
}
