//! What all clients share, built at the first call: HTTP client, credentials,
//! Region, endpoint.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

use super::whole::Whole;

/// The shared configuration of all clients. Region, endpoint
/// (`AWS_ENDPOINT_URL`) and credentials come from the environment by the SDK's
/// own rules.
#[derive(Debug, Default)]
pub(crate) struct Session {
    config: OnceCell<SdkConfig>,
}

impl Session {
    #[cfg(test)]
    /// With a configuration in hand instead of the environment's.
    pub(crate) fn of(config: SdkConfig) -> Self {
        Self {
            config: OnceCell::new_with(Some(config)),
        }
    }

    /// Reads the environment and the certificates at the first call.
    pub(crate) async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(load).await
    }
}

async fn load() -> SdkConfig {
    let http_client = Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client)
        .load()
        .await
}

/// How long and how often a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Reads and messages: a lost answer may be asked for again.
    Standard,
    /// Writes: one attempt. An attempt whose answer is lost is settled by
    /// reading, never by writing again.
    Never,
}

impl Retry {
    /// `config` with the attempts and timeouts of such a client.
    pub(crate) fn apply(self, config: &SdkConfig) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(2));
        let (retries, timeouts) = match self {
            Self::Standard => (
                RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(200))
                    .with_max_backoff(Duration::from_secs(2)),
                timeouts
                    .operation_attempt_timeout(Duration::from_secs(4))
                    .operation_timeout(Duration::from_secs(10)),
            ),
            Self::Never => (
                RetryConfig::disabled(),
                timeouts.operation_timeout(Duration::from_secs(8)),
            ),
        };
        let config = config.to_builder().retry_config(retries);
        config.timeout_config(timeouts.build()).build()
    }
}

/// A client that is built at its first call.
#[derive(Debug)]
pub(crate) struct Client<C> {
    retry: Retry,
    client: OnceCell<C>,
}

impl<C: Sdk> Client<C> {
    pub(crate) fn new(retry: Retry) -> Self {
        Self {
            retry,
            client: OnceCell::new(),
        }
    }

    pub(crate) async fn client(&self, session: &Session) -> &C {
        let build = || async { C::new(&self.retry.apply(session.config().await)) };
        self.client.get_or_init(build).await
    }
}

/// A client of the SDK that takes whole answers only.
pub(crate) trait Sdk {
    fn new(config: &SdkConfig) -> Self;
}

macro_rules! clients {
    ($($sdk:ident)+) => {$(
        impl Sdk for $sdk::Client {
            fn new(config: &SdkConfig) -> Self {
                let config = $sdk::config::Builder::from(config).interceptor(Whole);
                Self::from_conf(config.build())
            }
        }
    )+};
}

clients!(aws_sdk_ec2 aws_sdk_iam aws_sdk_ssm);
