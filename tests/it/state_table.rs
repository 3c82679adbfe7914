//! The state in a DynamoDB table, on two servers that share no code.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use ssm_agent_triage::aws::Session;
use ssm_agent_triage::aws::dynamodb::Table;
use ssm_agent_triage::state::{Consistency, Key, Kind, SaveError, StateError, Store};

use crate::support::moto;
use crate::support::proxy::{Effect, Happening, Proxy, json_answer};
use crate::support::roles::policy;
use crate::support::state_table::{Server, StateTable, config, create, key, put, refusal, write};

fn throttled() -> Effect {
    refusal(400, "ProvisionedThroughputExceededException")
}

fn is_unavailable(error: &StateError) -> bool {
    matches!(error, StateError::Unavailable(_))
}

/// Why a write or a read did not happen, if it was not a conflict.
fn state_error(error: SaveError) -> StateError {
    match error {
        SaveError::State(error) => error,
        SaveError::Conflict => panic!("a conflict"),
    }
}

#[tokio::test]
async fn what_is_open_is_found_by_its_kind_until_it_is_written_otherwise() {
    for state in StateTable::on_both().await {
        let mut first = write("a", 1, "one");
        first.item.open = true;
        assert_eq!(state.put(&first).await, Ok(()));
        assert_eq!(state.put(&write("b", 1, "one")).await, Ok(()));
        assert_eq!(state.get(&key("a")).await, Some(first.item));
        let open = async |kind| state.table.open(kind).await.expect("it can be read");
        assert_eq!(open(Kind::Stream).await, [key("a")], "{:?}", state.server);
        assert_eq!(open(Kind::Node).await, []);
        assert_eq!(state.put(&write("a", 2, "two")).await, Ok(()));
        assert_eq!(open(Kind::Stream).await, []);
    }
}

#[tokio::test]
async fn what_is_written_is_read_back_with_its_version_also_when_it_has_expired() {
    for state in StateTable::on_both().await {
        assert_eq!(state.get(&key("a")).await, None);
        let mut first = write("a", 1, "\0\u{fffd}one");
        first.item.expires_at = Timestamp::from_second(1_000_000_000).expect("a second");
        first.item.format = 7;
        assert_eq!(state.put(&first).await, Ok(()));
        assert_eq!(state.get(&key("a")).await, Some(first.item));
        // The table has not removed it yet: the next one takes its version further.
        let next = write("a", 2, "two");
        assert_eq!(state.put(&next).await, Ok(()));
        assert_eq!(state.get(&key("a")).await, Some(next.item));
    }
}

#[tokio::test]
async fn only_the_version_that_was_read_is_replaced() {
    for state in StateTable::on_both().await {
        for (version, expected) in [
            (2, Err(SaveError::Conflict)), // Removed since it was read.
            (1, Ok(())),
            (1, Err(SaveError::Conflict)), // Made by another one, with the same body.
            (3, Err(SaveError::Conflict)),
            (2, Ok(())),
            (2, Err(SaveError::Conflict)),
            (3, Ok(())),
        ] {
            let saved = state.put(&write("a", version, "the same")).await;
            assert_eq!(saved, expected, "{version} on {:?}", state.server);
        }
    }
}

#[tokio::test]
async fn each_write_of_a_save_has_its_own_answer_and_no_more_than_sixteen_are_under_way() {
    for state in StateTable::on_both().await {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            Effect::Then(Box::new(move || {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                Box::pin(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    now.fetch_sub(1, Ordering::Relaxed);
                })
            }))
        };
        assert_eq!(state.put(&write("17", 1, "before")).await, Ok(()));
        state.proxy.on("PutItem", counted);
        let writes = (0..40).map(|name| write(&name.to_string(), 1, "now"));
        let saved = state.table.save(writes.collect()).await;
        for (name, saved) in saved.iter().enumerate() {
            let expected = if name == 17 {
                Err(SaveError::Conflict)
            } else {
                Ok(())
            };
            assert_eq!(saved, &expected, "{name}");
        }
        assert_eq!(saved.len(), 40);
        assert!((2..=16).contains(&most.load(Ordering::Relaxed)), "{most:?}");
    }
}

#[tokio::test]
async fn many_items_are_read_a_hundred_a_call_in_the_order_asked_for() {
    for state in StateTable::on_both().await {
        let name = |number: usize| format!("{number:03}");
        let there = (0..250).filter(|number| number % 7 != 0);
        let writes = there.map(|number| write(&name(number), 1, &name(number)));
        let saved = state.table.save(writes.collect()).await;
        assert!(saved.iter().all(Result::is_ok));
        let mut keys: Vec<Key> = (0..250).rev().map(|number| key(&name(number))).collect();
        keys.push(key("001"));
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            state.proxy.forget();
            let loaded = state.table.load(&keys, consistency).await;
            let loaded = loaded.expect("all are read");
            let expected = (0..250).rev().chain([1]);
            assert!(expected.zip(&loaded).all(|(number, item)| match item {
                Some(item) => item.body == name(number).as_bytes(),
                None => number % 7 == 0,
            }));
            assert_eq!(loaded.len(), 251);
            let calls = state.proxy.calls();
            let asked: Vec<usize> = calls
                .iter()
                .map(|call| asked_for(&call.fields[""]))
                .collect();
            assert_eq!(asked.iter().sum::<usize>(), 250);
            assert_eq!(asked.len(), 3);
            let strong = consistency == Consistency::Strong;
            let flag = format!("\"ConsistentRead\":{strong}");
            assert!(calls.iter().all(|call| call.fields[""].contains(&flag)));
        }
        assert_eq!(state.table.load(&[], Consistency::Strong).await, Ok(vec![]));
    }
}

/// The keys in a request of `BatchGetItem`.
fn asked_for(request: &str) -> usize {
    let request: Value = serde_json::from_str(request).expect("JSON");
    let tables = request["RequestItems"].as_object().expect("tables");
    let keys = tables
        .values()
        .map(|table| table["Keys"].as_array().map_or(0, Vec::len));
    keys.sum()
}

#[tokio::test]
async fn one_item_is_read_by_one_call_as_consistently_as_asked() {
    for state in StateTable::on_both().await {
        for (consistency, strong) in [(Consistency::Eventual, false), (Consistency::Strong, true)] {
            state.proxy.forget();
            let loaded = state.table.load(&[key("a")], consistency).await;
            assert_eq!(loaded, Ok(vec![None]));
            let calls = state.proxy.calls();
            assert_eq!(calls.len(), 1);
            assert_eq!(calls[0].name(), "dynamodb:GetItem");
            let asked: Value = serde_json::from_str(&calls[0].fields[""]).expect("JSON");
            assert_eq!(asked["ConsistentRead"], strong);
        }
    }
}

#[tokio::test]
async fn keys_that_a_batch_left_out_are_asked_for_again_but_not_for_ever() {
    let state = StateTable::on(Server::Moto).await;
    for name in ["a", "b"] {
        assert_eq!(state.put(&write(name, 1, name)).await, Ok(()));
    }
    let left = |names: &[&str]| {
        let keys: Vec<Value> = names
            .iter()
            .map(|name| json!({"key": {"S": key(name).as_str()}}))
            .collect();
        json_answer(json!({
            "Responses": {&state.name: []},
            "UnprocessedKeys": {&state.name: {"Keys": keys, "ConsistentRead": true}},
        }))
    };
    let both = [key("a"), key("b")];
    state.proxy.rule("BatchGetItem", 0, 2, left(&["a", "b"]));
    let loaded = state.table.load(&both, Consistency::Strong).await;
    assert!(loaded.is_ok_and(|loaded| loaded.iter().all(Option::is_some)));
    assert_eq!(state.proxy.calls_of("BatchGetItem").len(), 3);

    state.proxy.forget();
    state.proxy.on("BatchGetItem", left(&["b"]));
    let loaded = state.table.load(&both, Consistency::Strong).await;
    assert!(loaded.is_err_and(|error| is_unavailable(&error)));
    let calls = state.proxy.calls_of("BatchGetItem");
    let asked: Vec<usize> = calls
        .iter()
        .map(|call| asked_for(&call.fields[""]))
        .collect();
    assert_eq!(asked, [2, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn an_answer_that_is_none_does_not_read_as_an_absent_item() {
    let state = StateTable::on(Server::Moto).await;
    for (answer, keys) in [
        (json_answer(json!({})), &["a", "b"][..]),
        (
            Effect::Answer(StatusCode::OK, "{\"Item\"".to_owned()),
            &["a"],
        ),
        (Effect::Answer(StatusCode::OK, String::new()), &["a"]),
        (Effect::Answer(StatusCode::OK, "<html>".to_owned()), &["a"]),
    ] {
        state.proxy.clear_rules();
        let action = ["GetItem", "BatchGetItem"][keys.len() - 1];
        state.proxy.on(action, answer);
        let keys: Vec<Key> = keys.iter().map(|name| key(name)).collect();
        let loaded = state.table.load(&keys, Consistency::Strong).await;
        assert!(
            loaded.is_err_and(|error| is_unavailable(&error)),
            "{keys:?}"
        );
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again() {
    for state in StateTable::on_both().await {
        state.proxy.rule("PutItem", 0, 1, Effect::LoseAnswer);
        let saved = state.put(&write("a", 1, "one")).await;
        // dynalite does not tell what stands there; DynamoDB and moto do.
        let expected = match state.server {
            Server::Moto => Ok(()),
            Server::Dynalite => Err(SaveError::Conflict),
        };
        assert_eq!(saved, expected);
        assert_eq!(state.proxy.calls_of("PutItem").len(), 2);
        assert_eq!(state.get(&key("a")).await, Some(write("a", 1, "one").item));
    }
}

#[tokio::test]
async fn what_never_arrived_is_sent_again() {
    for state in StateTable::on_both().await {
        for effect in [
            Effect::Break,
            throttled(),
            refusal(500, "InternalServerError"),
        ] {
            state.proxy.clear_rules();
            state.proxy.rule("PutItem", 0, 1, effect);
            let version = state
                .get(&key("a"))
                .await
                .map_or(1, |item| item.version + 1);
            assert_eq!(state.put(&write("a", version, "one")).await, Ok(()));
        }
        state.proxy.rule("GetItem", 0, 2, throttled());
        assert_eq!(state.get(&key("a")).await.map(|item| item.version), Some(3));
    }
}

#[tokio::test]
async fn a_table_that_is_throttled_broken_or_slow_is_unavailable() {
    let slow = || {
        let long = tokio::time::sleep(Duration::from_secs(600));
        Box::pin(long) as Happening
    };
    for word in [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "HTTP 503",
        "no answer",
        "no answer in time",
    ] {
        let effect = || match word {
            "InternalServerError" => refusal(500, word),
            "HTTP 503" => Effect::Answer(StatusCode::SERVICE_UNAVAILABLE, "<html>".to_owned()),
            "no answer" => Effect::Break,
            "no answer in time" => Effect::Then(Box::new(slow)),
            code => refusal(400, code),
        };
        // Of its own: the client of one table has one budget of retries.
        let state = StateTable::on(Server::Moto).await;
        state.proxy.on("PutItem", effect());
        state.proxy.on("GetItem", effect());
        let saved = state.put(&write("a", 1, "one")).await;
        let error = state_error(saved.expect_err("it fails"));
        assert!(is_unavailable(&error), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        let loaded = state.table.load(&[key("a")], Consistency::Eventual).await;
        assert!(loaded.is_err_and(|error| is_unavailable(&error)), "{word}");
        for action in ["PutItem", "GetItem"] {
            let calls = state.proxy.calls_of(action).len();
            // Each attempt has a second, and all of them three.
            let least = if word == "no answer in time" { 2 } else { 3 };
            assert!((least..=3).contains(&calls), "{word}: {calls}");
        }
    }
}

#[tokio::test]
async fn a_table_that_is_missing_and_an_item_that_is_too_large_are_no_passing_faults() {
    for state in StateTable::on_both().await {
        let large = write("a", 1, &"x".repeat(401 * 1024));
        let error = state_error(state.put(&large).await.expect_err("it is too large"));
        assert!(matches!(error, StateError::Unusable(_)), "{error}");
        assert!(error.to_string().contains("ValidationException"), "{error}");

        let session = Arc::new(Session::of(config(&state.proxy.url(), "test", "test")));
        let missing = Table::new("missing", session);
        let saved = put(&missing, &write("a", 1, "one")).await;
        let error = state_error(saved.expect_err("it is missing"));
        assert!(matches!(error, StateError::Unusable(_)), "{error}");
        assert!(
            error.to_string().contains("ResourceNotFoundException"),
            "{error}"
        );
        for keys in [&[key("a")][..], &[key("a"), key("b")]] {
            let loaded = missing.load(keys, Consistency::Strong).await;
            assert!(matches!(loaded, Err(StateError::Unusable(_))), "{loaded:?}");
        }
    }
}

/// A denial of the test server, in the words of DynamoDB.
fn reworded(answer: String) -> String {
    match answer.split_once("is not authorized to perform: ") {
        None => answer,
        Some((_, rest)) => {
            let action = rest.split('<').next().unwrap_or_default();
            let text = format!("User: … is not authorized to perform: {action}");
            let code = "com.amazon.coral.service#AccessDeniedException";
            json!({"__type": code, "Message": text}).to_string()
        }
    }
}

#[tokio::test]
async fn each_call_that_is_denied_is_named() {
    let (_server, peer) = moto::of_its_own();
    let proxy = Proxy::start(peer, &moto::fresh_account()).await;
    for action in ["PutItem", "GetItem", "BatchGetItem", "Query"] {
        proxy.on(action, Effect::Edit(reworded));
    }
    let owner = config(&proxy.url(), "test", "test");
    create(&aws_sdk_dynamodb::Client::new(&owner), "state").await;
    let iam = aws_sdk_iam::Client::new(&owner);
    let made = iam.create_user().user_name("function").send().await;
    made.expect("the user is made");
    let made = iam.create_access_key().user_name("function").send().await;
    let made = made.expect("the key is made").access_key.expect("the key");
    let calls = [
        "dynamodb:PutItem",
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
    ];
    for denied in calls {
        moto::enforce(peer, false).await;
        let allowed: Vec<&str> = calls.into_iter().filter(|call| *call != denied).collect();
        let policy = policy(json!([{"Effect": "Allow", "Action": allowed, "Resource": "*"}]));
        let request = iam.put_user_policy().user_name("function");
        let request = request
            .policy_name("state")
            .policy_document(policy.to_string());
        request.send().await.expect("the policy is put");
        moto::enforce(peer, true).await;

        let function = config(&proxy.url(), made.access_key_id(), made.secret_access_key());
        let table = Table::new("state", Arc::new(Session::of(function)));
        let one = [key("a")];
        let two = [key("a"), key("b")];
        let saved = put(&table, &write(denied, 1, "one")).await;
        let outcomes = [
            saved.map_err(state_error),
            table.load(&one, Consistency::Strong).await.map(|_| ()),
            table.load(&two, Consistency::Strong).await.map(|_| ()),
            table.open(Kind::Node).await.map(|_| ()),
        ];
        for (call, outcome) in calls.iter().zip(outcomes) {
            let (_, name) = call.split_once(':').expect("a service");
            match outcome {
                Ok(()) => assert_ne!(*call, denied),
                Err(StateError::Unusable(text)) => {
                    assert_eq!(*call, denied, "{text}");
                    assert!(text.starts_with(&format!("{name} was denied")), "{text}");
                }
                Err(error) => panic!("{call}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn an_item_that_lacks_what_it_must_have_is_damaged_and_named() {
    for state in StateTable::on_both().await {
        assert_eq!(state.put(&write("whole", 1, "one")).await, Ok(()));
        let item = HashMap::from([
            ("key", AttributeValue::S(key("a").to_string())),
            ("version", AttributeValue::N("1".to_owned())),
            ("format", AttributeValue::N("1".to_owned())),
        ]);
        let mut request = state.client.put_item().table_name(&state.name);
        for (name, value) in item {
            request = request.item(name, value);
        }
        request.send().await.expect("it is put");
        for keys in [&[key("a")][..], &[key("whole"), key("a")]] {
            let loaded = state.table.load(keys, Consistency::Strong).await;
            assert_eq!(loaded, Err(StateError::Damaged(key("a"))));
        }
    }
}
