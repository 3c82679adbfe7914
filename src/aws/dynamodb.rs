//! DynamoDB: the state that all execution environments share, in one table.
//!
//! | attribute | type | |
//! |---|---|---|
//! | `key` | S | the partition key: a [`Key`] |
//! | `version` | N | counted up with each write, which is on condition of it |
//! | `format` | N | of the body |
//! | `body` | B | what [`crate::state::encode`] gives |
//! | `expires_at` | N | seconds since 1970, by which DynamoDB removes the item (TTL) |
//! | `write` | B | drawn for each write, so that its writer knows it again |
//! | `open` | S | the kind of an item that is [`Item::open`]; of others absent |
//!
//! The index `open`, by that attribute and with nothing but keys, holds those alone.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue::{self, B, N, S};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use aws_types::request_id::RequestId;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::error;
use super::session::{Client, Retry, Session};
use super::whole::held;
use crate::diagnose::call_error::CallError;
use crate::sort;
use crate::state::{Consistency, Item, Key, Kind, SaveError, StateError, Store, Write};

const KEY: &str = "key";
const VERSION: &str = "version";
const FORMAT: &str = "format";
const BODY: &str = "body";
const EXPIRES_AT: &str = "expires_at";
const WRITE: &str = "write";
/// An attribute, and the index by it.
const OPEN: &str = "open";

/// Neither a load nor a save takes longer, however many items it is of: the
/// time of an invocation is for its checks and messages.
const LIMIT: Duration = Duration::from_secs(5);

/// Requests under way at once. DynamoDB answers one in some milliseconds.
const AT_ONCE: usize = 16;

/// `BatchGetItem` takes no more keys.
const KEYS_AT_ONCE: usize = 100;

/// How often keys that a throttled table left out are asked for again.
const ROUNDS: u32 = 6;

type Attributes = HashMap<String, AttributeValue>;

/// One table; its client is built at the first call.
#[derive(Debug)]
pub struct Table {
    name: String,
    session: Arc<Session>,
    client: Client<DynamoDb>,
}

impl Table {
    /// The table with this name or ARN.
    pub fn new(name: impl Into<String>, session: Arc<Session>) -> Self {
        Self {
            name: name.into(),
            session,
            client: Client::new(Retry::State),
        }
    }

    async fn client(&self) -> &DynamoDb {
        self.client.client(&self.session).await
    }

    async fn get(&self, key: &str, strong: bool) -> Result<Option<Attributes>, StateError> {
        let request = self.client().await.get_item().table_name(&self.name);
        let request = request.key(KEY, S(key.to_owned())).consistent_read(strong);
        let answer = request.send().await.map_err(|e| failed("GetItem", e))?;
        Ok(answer.item)
    }

    /// Those of `keys` that are there, in no order.
    async fn get_batch(&self, keys: &[&str], strong: bool) -> Result<Vec<Attributes>, StateError> {
        const CALL: &str = "BatchGetItem";
        let keys = keys.iter().map(|key| S((*key).to_owned()));
        let keys = keys.map(|key| HashMap::from([(KEY.to_owned(), key)]));
        let mut asked: Vec<Attributes> = keys.collect();
        let mut found = Vec::with_capacity(asked.len());
        for round in 0..ROUNDS {
            if round > 0 {
                self.back_off(round).await;
            }
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(asked))
                .consistent_read(strong);
            let keys = keys.build().map_err(|e| refused(CALL, e.to_string()))?;
            let request = self.client().await.batch_get_item();
            let request = request.request_items(&self.name, keys);
            let answer = request.send().await.map_err(|e| failed(CALL, e))?;
            let items = held(CALL, answer.responses).map_err(state_error)?;
            found.extend(items.into_values().flatten());
            let left = answer.unprocessed_keys.into_iter().flatten();
            asked = left.flat_map(|(_, left)| left.keys).collect();
            if asked.is_empty() {
                return Ok(found);
            }
        }
        Err(StateError::Unavailable(format!(
            "{CALL} left keys out {ROUNDS} times in a row, as for a table that is throttled"
        )))
    }

    async fn load_all(&self, keys: &[Key], strong: bool) -> Result<Vec<Option<Item>>, StateError> {
        if let [key] = keys {
            let found = self.get(key.as_str(), strong).await?;
            return Ok(vec![found.map(|found| item(key, &found)).transpose()?]);
        }
        // No key may be asked for twice.
        let names = sort::set(keys.iter().map(Key::as_str));
        let names = Vec::from_iter(names);
        let batches = names.chunks(KEYS_AT_ONCE);
        let found: Vec<Vec<Attributes>> = iter(batches.map(|names| self.get_batch(names, strong)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let of_key = |found: Attributes| match found.get(KEY) {
            Some(S(key)) => Some((key.clone(), found)),
            _ => None,
        };
        let found: HashMap<String, Attributes> =
            found.into_iter().flatten().filter_map(of_key).collect();
        let of_key = |key: &Key| found.get(key.as_str()).map(|found| item(key, found));
        keys.iter().map(|key| of_key(key).transpose()).collect()
    }

    async fn query_open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        const CALL: &str = "Query";
        let request = self.client().await.query().table_name(&self.name);
        let request = request
            .index_name(OPEN)
            .key_condition_expression("#open = :kind")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":kind", S(kind.name().to_owned()));
        let mut pages = request.into_paginator().send();
        let mut open = Vec::new();
        while let Some(page) = pages.next().await {
            let items = page.map_err(|e| failed(CALL, e))?.items;
            for mut item in held(CALL, items).map_err(state_error)? {
                if let Some(S(key)) = item.remove(KEY) {
                    open.push(Key::stored(key));
                }
            }
        }
        Ok(open)
    }

    async fn put(&self, Write { key, item }: Write) -> Result<(), SaveError> {
        let write = B(Blob::new(fastrand::u128(..).to_be_bytes()));
        let request = self.client().await.put_item().table_name(&self.name);
        let request = request
            .item(KEY, S(key.as_str().to_owned()))
            .item(VERSION, N(item.version.to_string()))
            .item(FORMAT, N(item.format.to_string()))
            .item(BODY, B(Blob::new(item.body)))
            .item(EXPIRES_AT, N(item.expires_at.as_second().to_string()))
            .item(WRITE, write.clone())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match key.as_str().split_once('#').filter(|_| item.open) {
            Some((kind, _)) => request.item(OPEN, S(kind.to_owned())),
            None => request,
        };
        let request = match item.version.saturating_sub(1) {
            0 => request
                .condition_expression("attribute_not_exists(#key)")
                .expression_attribute_names("#key", KEY),
            read => request
                .condition_expression("#version = :read")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":read", N(read.to_string())),
        };
        let Err(error) = request.send().await else {
            return Ok(());
        };
        if let Some(PutItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        {
            // The SDK puts again when an answer is lost: what is there may be this
            // very write.
            let stored = failed.item().and_then(|stored| stored.get(WRITE));
            return match stored == Some(&write) {
                true => Ok(()),
                false => Err(SaveError::Conflict),
            };
        }
        Err(failed("PutItem", error).into())
    }
}

impl Store for Table {
    async fn load(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, StateError> {
        let strong = consistency == Consistency::Strong;
        match timeout(LIMIT, self.load_all(keys, strong)).await {
            Ok(loaded) => loaded,
            Err(_) => Err(late()),
        }
    }

    async fn open(&self, kind: Kind) -> Result<Vec<Key>, StateError> {
        match timeout(LIMIT, self.query_open(kind)).await {
            Ok(open) => open,
            Err(_) => Err(late()),
        }
    }

    async fn save(&self, writes: Vec<Write>) -> Vec<Result<(), SaveError>> {
        let until = Instant::now() + LIMIT;
        let put = async |write| match timeout_at(until, self.put(write)).await {
            Ok(put) => put,
            Err(_) => Err(late().into()),
        };
        iter(writes).map(put).buffered(AT_ONCE).collect().await
    }

    async fn back_off(&self, conflicts: u32) {
        // Up to twice as long each time, and any time up to that: those that met
        // once do not meet again.
        let longest = (20 << conflicts.min(5)).min(500);
        sleep(Duration::from_millis(fastrand::u64(..=longest))).await;
    }
}

fn late() -> StateError {
    StateError::Unavailable(format!("no answer within {} s", LIMIT.as_secs()))
}

/// What the table has under `key`.
fn item(key: &Key, found: &Attributes) -> Result<Item, StateError> {
    let number = |name| found.get(name)?.as_n().ok()?.parse::<i64>().ok();
    let read = || {
        Some(Item {
            version: number(VERSION)?.try_into().ok()?,
            format: number(FORMAT)?.try_into().ok()?,
            body: found.get(BODY)?.as_b().ok()?.as_ref().to_vec(),
            expires_at: Timestamp::from_second(number(EXPIRES_AT)?).ok()?,
            open: found.contains_key(OPEN),
        })
    };
    read().ok_or_else(|| StateError::Damaged(key.clone()))
}

/// What `error` means for the caller of `call`, with the id by which the service
/// finds the request.
fn failed<E>(call: &'static str, error: SdkError<E>) -> StateError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let id = error.request_id().map(|id| format!(" (request {id})"));
    let id = id.unwrap_or_default();
    match state_error(error::read(call, error)) {
        StateError::Unavailable(text) => StateError::Unavailable(text + &id),
        StateError::Unusable(text) => StateError::Unusable(text + &id),
        other => other,
    }
}

fn refused(call: &'static str, message: String) -> StateError {
    state_error(CallError::NotSent { call, message })
}

fn state_error(error: CallError) -> StateError {
    let text = error.to_string();
    match error {
        CallError::Throttled { .. }
        | CallError::Inconclusive { .. }
        | CallError::NoAnswer { .. } => StateError::Unavailable(text),
        CallError::Denied { .. }
        | CallError::NotFound { .. }
        | CallError::DryRunOk { .. }
        | CallError::Service { .. }
        | CallError::NotSent { .. } => StateError::Unusable(text),
    }
}
