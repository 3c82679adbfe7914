//! A state table on one of two servers that share no code.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus,
};
use aws_smithy_http_client::Builder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use ssm_agent_triage::aws::Session;
use ssm_agent_triage::aws::dynamodb::Table;
use ssm_agent_triage::state::{Consistency, Item, Key, Kind, SaveError, Store, Write};

use super::account::Account;
use super::proxy::{Call, Effect, Proxy};
use super::{dynalite, moto};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Moto,
    Dynalite,
}

/// The table as `template.yaml` makes it, and the function's side of it.
pub(crate) struct StateTable {
    pub server: Server,
    pub name: String,
    /// What all requests pass through.
    pub proxy: Proxy,
    /// The test's own way to it.
    pub client: aws_sdk_dynamodb::Client,
    pub table: Table,
}

impl StateTable {
    /// One on each server.
    pub(crate) async fn on_both() -> [Self; 2] {
        [
            Self::on(Server::Moto).await,
            Self::on(Server::Dynalite).await,
        ]
    }

    pub(crate) async fn on(server: Server) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("state-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let peer = match server {
            Server::Moto => moto::address(),
            Server::Dynalite => dynalite::address(),
        };
        let proxy = Proxy::start(peer, &moto::fresh_account()).await;
        let config = config(&proxy.url(), "test", "test");
        let client = aws_sdk_dynamodb::Client::new(&config);
        create(&client, &name).await;
        proxy.forget();
        Self {
            server,
            table: Table::new(&name, Arc::new(Session::of(config))),
            name,
            proxy,
            client,
        }
    }

    pub(crate) async fn put(&self, write: &Write) -> Result<(), SaveError> {
        put(&self.table, write).await
    }

    pub(crate) async fn get(&self, key: &Key) -> Option<Item> {
        let loaded = self
            .table
            .load(std::slice::from_ref(key), Consistency::Strong);
        let [item] = loaded
            .await
            .expect("it can be read")
            .try_into()
            .expect("one");
        item
    }
}

impl Account {
    /// The name of a new state table.
    pub(crate) async fn state_table(&self) -> &'static str {
        create(&self.dynamodb(), "state").await;
        "state"
    }
}

/// How DynamoDB words a refusal.
pub(crate) fn refusal(status: u16, code: &str) -> Effect {
    let status = StatusCode::from_u16(status).expect("a status");
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    let body = json!({"__type": code, "message": "Try again later."});
    Effect::Answer(status, body.to_string())
}

/// Writes one item.
pub(crate) async fn put(table: &Table, write: &Write) -> Result<(), SaveError> {
    let saved = table.save(vec![write.clone()]).await;
    let [saved] = saved.try_into().expect("one answer to one write");
    saved
}

/// What a client needs for the server at `url`.
pub(crate) fn config(url: &str, key: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(key, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}

pub(crate) async fn create(client: &aws_sdk_dynamodb::Client, name: &str) {
    let attribute = AttributeDefinition::builder()
        .attribute_name("key")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder()
        .attribute_name("key")
        .key_type(KeyType::Hash);
    let by_open = KeySchemaElement::builder()
        .attribute_name("open")
        .key_type(KeyType::Hash);
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly);
    let index = GlobalSecondaryIndex::builder()
        .index_name("open")
        .key_schema(by_open.build().expect("it is whole"))
        .projection(keys_only.build());
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.clone().build().expect("it is whole"))
        .attribute_definitions(
            attribute
                .attribute_name("open")
                .build()
                .expect("it is whole"),
        )
        .key_schema(key.build().expect("it is whole"))
        .global_secondary_indexes(index.build().expect("it is whole"));
    create.send().await.expect("the table is made");
    loop {
        let described = client.describe_table().table_name(name).send().await;
        let described = described.expect("the table is there").table;
        if described.is_some_and(|table| table.table_status == Some(TableStatus::Active)) {
            return;
        }
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(Kind::Stream, name)
}

/// A write of `body` with `version` under the key `name`.
pub(crate) fn write(name: &str, version: u64, body: &str) -> Write {
    Write {
        key: key(name),
        item: Item {
            version,
            format: 1,
            body: body.as_bytes().to_vec(),
            expires_at: Timestamp::from_second(4_000_000_000).expect("a second"),
            open: false,
        },
    }
}

/// What DynamoDB charges for, by its own rules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Units {
    /// Read request units: of 4 KB read strongly, or 8 KB eventually.
    pub reads: f64,
    /// Write request units, of 1 KB.
    pub writes: f64,
}

impl Units {
    /// At list price in us-east-1, on demand.
    pub(crate) fn dollars_of_a_million(self) -> f64 {
        0.125 * self.reads + 0.625 * self.writes
    }
}

/// The sizes of the items that were written so far.
#[derive(Debug, Default)]
pub(crate) struct Meter(HashMap<String, usize>);

impl Meter {
    /// What `calls` cost.
    pub(crate) fn charge(&mut self, calls: &[Call]) -> Units {
        let mut units = Units::default();
        for call in calls.iter().filter(|call| call.service == "dynamodb") {
            let request: Value = serde_json::from_str(&call.fields[""]).expect("JSON");
            match call.action.as_str() {
                "PutItem" => {
                    let item = request["Item"].as_object().expect("an item");
                    let size = item
                        .iter()
                        .map(|(name, value)| name.len() + bytes(value))
                        .sum();
                    units.writes += size_in(size, 1024);
                    self.0.insert(item["key"]["S"].to_string(), size);
                }
                "GetItem" => units.reads += self.read(&request["Key"], &request),
                "BatchGetItem" => {
                    for table in request["RequestItems"]
                        .as_object()
                        .expect("tables")
                        .values()
                    {
                        let keys = table["Keys"].as_array().expect("keys");
                        let reads: f64 = keys.iter().map(|key| self.read(key, table)).sum();
                        units.reads += reads;
                    }
                }
                other => panic!("{other} is not called"),
            }
        }
        units
    }

    fn read(&self, key: &Value, asked: &Value) -> f64 {
        let size = self.0.get(&key["key"]["S"].to_string());
        let units = size_in(size.copied().unwrap_or_default(), 4096);
        if asked["ConsistentRead"] == true {
            units
        } else {
            units / 2.0
        }
    }
}

/// Each unit that has begun counts, and one at least.
fn size_in(size: usize, unit: usize) -> f64 {
    size.div_ceil(unit).max(1) as f64
}

/// Of one attribute's value, as DynamoDB counts them.
fn bytes(value: &Value) -> usize {
    let (kind, value) = value
        .as_object()
        .and_then(|value| value.iter().next())
        .expect("a value");
    let text = value.as_str().expect("a text");
    match kind.as_str() {
        // Two digits a byte, and one more.
        "N" => text.len().div_ceil(2) + 1,
        "B" => STANDARD.decode(text).expect("base64").len(),
        _ => text.len(),
    }
}
