//! One message about all incidents, whichever environment has seen them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::proxy::sns_denied;
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
    let before = SignedDuration::from_mins(10);
    one.handle(&scene.imds_off(&dark).aged(before)).await;
    one.handle(&scene.role_refused(&refused)).await;
    assert_eq!(scene.mailbox.take().await.len(), 2);

    // A digest that did not get out fails, and is told whole the next time.
    scene.proxy.rule("Publish", 0, 1, sns_denied());
    let failure = other.failure(&event()).await;
    assert_eq!(failure.error_type, "MessageNotSent");
    let digest = other.handle(&event()).await;
    assert_eq!(digest["from"], Value::Null);
    assert_eq!(digest["open"]["count"], 2, "{digest:#}");
    assert_eq!(digest["not_checked"]["count"], 0);
    let mail = scene.mailbox.take_only().await;
    assert_eq!(mail.state(), "digest");
    let subject = mail.subject.as_str();
    assert!(
        subject.starts_with("[SSM digest] 2 open incidents, 2 nodes, account "),
        "{subject}"
    );
    assert!(
        mail.text.contains(&format!("IMDS disabled on {dark}")),
        "{}",
        mail.text
    );

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
