//! One test's own AWS account on the test server, seen from two sides: the
//! function's, where everything is recorded, and the test's own.

use std::sync::{Arc, OnceLock};

use aws_smithy_http_client::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::moto;
use super::proxy::{Call, Proxy};

pub(crate) struct Account {
    pub id: String,
    pub region: String,
    /// What the function's requests pass through.
    pub proxy: Proxy,
    /// What the test's own requests pass through.
    backstage: Proxy,
    _turn: Option<OwnedSemaphorePermit>,
}

/// The test server answers one request at a time: with more tests at once on a
/// machine of many cores, requests would run into the function's time limits.
fn turns() -> Arc<Semaphore> {
    static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    Arc::clone(TURNS.get_or_init(|| Arc::new(Semaphore::new(6))))
}

impl Account {
    pub(crate) async fn fresh() -> Self {
        Self::fresh_in("us-east-1").await
    }

    pub(crate) async fn fresh_in(region: &str) -> Self {
        Self::fresh_on(moto::address(), region).await
    }

    /// On the test server at `peer`.
    pub(crate) async fn fresh_on(peer: &'static str, region: &str) -> Self {
        let turn = turns().acquire_owned().await;
        let id = moto::fresh_account();
        Self {
            proxy: Proxy::start(peer, &id).await,
            backstage: Proxy::start(peer, &id).await,
            region: region.to_owned(),
            id,
            _turn: turn.ok(),
        }
    }

    /// The account `id` in `region`, beside this one in the same test.
    pub(crate) async fn elsewhere(&self, id: &str, region: &str) -> Self {
        let peer = moto::address();
        Self {
            proxy: Proxy::start(peer, id).await,
            backstage: Proxy::start(peer, id).await,
            region: region.to_owned(),
            id: id.to_owned(),
            _turn: None,
        }
    }

    /// Where the function finds AWS.
    pub(crate) fn url(&self) -> String {
        self.proxy.url()
    }

    pub(crate) fn partition(&self) -> &'static str {
        match &self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// The function's requests that change something in EC2 or IAM.
    pub(crate) fn writes(&self) -> Vec<Call> {
        let mut calls = self.proxy.calls();
        calls.retain(|call| {
            matches!(call.service.as_str(), "ec2" | "iam")
                && !["Describe", "Get", "List", "Simulate"]
                    .iter()
                    .any(|reading| call.action.starts_with(reading))
        });
        calls
    }
}

macro_rules! backstage_client {
    ($name:ident, $sdk:ident) => {
        pub(crate) fn $name(&self) -> $sdk::Client {
            let config = $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::new(self.region.clone()))
                .endpoint_url(self.backstage.url())
                .credentials_provider($sdk::config::Credentials::new(
                    "test", "test", None, None, "test",
                ))
                .http_client(Builder::new().build_http())
                .build();
            $sdk::Client::from_conf(config)
        }
    };
}

impl Account {
    backstage_client!(dynamodb, aws_sdk_dynamodb);
    backstage_client!(ec2, aws_sdk_ec2);
    backstage_client!(events, aws_sdk_eventbridge);
    backstage_client!(iam, aws_sdk_iam);
    backstage_client!(kms, aws_sdk_kms);
    backstage_client!(logs, aws_sdk_cloudwatchlogs);
    backstage_client!(s3, aws_sdk_s3);
    backstage_client!(ssm, aws_sdk_ssm);
    backstage_client!(sns, aws_sdk_sns);
    backstage_client!(sqs, aws_sdk_sqs);
}
