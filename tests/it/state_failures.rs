//! A state table that fails, and an environment that ends in the middle: nothing
//! is lost, nothing is written twice.

use hyper::StatusCode;
use serde_json::json;

use crate::support::answer::outcome;
use crate::support::proxy::Effect;
use crate::support::scene::{REPAIR, Scene};
use crate::support::state_table::refusal;

/// A function that repairs and shares its state.
async fn settings(scene: &Scene) -> Vec<(&'static str, &'static str)> {
    let mut settings = REPAIR.to_vec();
    settings.push(("TRIAGE_STATE_TABLE", scene.state_table().await));
    settings
}

fn throttled() -> Effect {
    refusal(400, "ProvisionedThroughputExceededException")
}

fn denied() -> Effect {
    let body = json!({
        "__type": "com.amazon.coral.service#AccessDeniedException",
        "Message": "User: … is not authorized to perform: dynamodb:…",
    });
    Effect::Answer(StatusCode::BAD_REQUEST, body.to_string())
}

#[tokio::test]
async fn a_batch_waits_for_a_table_that_is_throttled() {
    for action in ["GetItem", "PutItem"] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        let mut function = scene.function(&settings(&scene).await).await;
        scene.proxy.on(action, throttled());
        let event = scene.imds_off(&dark);
        let failure = function.failure(&event).await;
        assert_eq!(failure.error_type, "StateUnavailable", "{action}");
        assert_eq!(scene.mailbox.take().await, [], "{action}");
        assert_eq!(scene.writes(), [], "{action}");

        scene.proxy.clear_rules();
        let incident = &function.incident(&event).await;
        assert_eq!(outcome(incident), "repaired", "{action}: {incident:#}");
        assert_eq!(scene.mailbox.take().await.len(), 1, "{action}");
        assert_eq!(scene.writes().len(), 1, "{action}");
    }
}

#[tokio::test]
async fn the_deadline_is_kept_when_the_table_does_not_answer() {
    let scene = Scene::new().await;
    let dark = scene.dark_instance().await;
    let mut settings = settings(&scene).await;
    settings.push(("AWS_LAMBDA_FUNCTION_TIMEOUT", "2"));
    let mut function = scene.function(&settings).await;
    let silent = Effect::Then(Box::new(|| Box::pin(std::future::pending())));
    scene.proxy.on("GetItem", silent);
    let event = scene.imds_off(&dark);
    let failure = function.failure(&event).await;
    assert_eq!(failure.error_type, "OutOfTime", "{failure:?}");
    scene.proxy.clear_rules();
    // In the same environment, as soon as the table answers.
    function.incident(&event).await;
    assert_eq!(scene.mailbox.take().await.len(), 1);
}

#[tokio::test]
async fn without_the_table_an_incident_is_notified_and_nothing_is_repaired() {
    for action in ["GetItem", "PutItem"] {
        let scene = Scene::new().await;
        let dark = scene.dark_instance().await;
        let mut function = scene.function(&settings(&scene).await).await;
        scene.proxy.on(action, denied());
        let incident = &function.incident(&scene.imds_off(&dark)).await;
        assert_eq!(outcome(incident), "refused", "{action}: {incident:#}");
        assert_eq!(scene.writes(), [], "{action}");
        let mail = scene.mailbox.take_only().await;
        for text in ["state table", action] {
            assert!(mail.text.contains(text), "{action}: {}", mail.text);
        }
        assert!(function.log().contains("AccessDeniedException"), "{action}");
    }
}
