//! What all clients share, built at the first call: HTTP client, credentials,
//! Region, endpoint.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

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
    pub(super) fn retries(self) -> RetryConfig {
        match self {
            Self::Standard => RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(200))
                .with_max_backoff(Duration::from_secs(2)),
            Self::Never => RetryConfig::disabled(),
        }
    }

    pub(super) fn timeouts(self) -> TimeoutConfig {
        let builder = TimeoutConfig::builder().connect_timeout(Duration::from_secs(2));
        match self {
            Self::Standard => builder
                .operation_attempt_timeout(Duration::from_secs(4))
                .operation_timeout(Duration::from_secs(10)),
            Self::Never => builder.operation_timeout(Duration::from_secs(8)),
        }
        .build()
    }
}
