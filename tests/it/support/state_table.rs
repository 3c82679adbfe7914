//! A state table on one of two servers that share no code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use aws_smithy_http_client::Builder;
use jiff::Timestamp;
use ssm_agent_triage::aws::Session;
use ssm_agent_triage::aws::dynamodb::Table;
use ssm_agent_triage::state::{Consistency, Item, Key, Kind, SaveError, Store, Write};

use super::account::Account;
use super::proxy::Proxy;
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
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().expect("it is whole"))
        .key_schema(key.build().expect("it is whole"));
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
        },
    }
}
