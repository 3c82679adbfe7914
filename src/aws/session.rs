//! What all clients share, built at the first call: HTTP client, credentials,
//! Region, endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_ec2::config::{
    ConfigBag, Intercept, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient,
};
use aws_sdk_ec2::error::BoxError;
use aws_smithy_http_client::{Builder, tls};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use tokio::sync::OnceCell;

use super::whole::Whole;
use crate::node;

/// The shared configuration of all clients, by the variables that Lambda sets and
/// those of every AWS SDK. A function has no profile and no metadata service, whose
/// providers the SDK's default chain would link.
#[derive(Debug, Default)]
pub struct Session {
    config: OnceCell<SdkConfig>,
    calls: Calls,
    member: Option<Member>,
}

/// In what a session in another account or Region differs from the function's own.
#[derive(Debug)]
struct Member {
    own: Arc<Session>,
    region: Region,
    credentials: SharedCredentialsProvider,
}

/// Counts the requests of all clients, each attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Session {
    /// For the clients that are built of this.
    pub(crate) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// How many requests have been made since this was asked last.
    pub(crate) fn take_calls(&self) -> usize {
        self.calls.0.swap(0, Ordering::Relaxed)
    }

    /// The same for another account or Region. Its requests are counted with those of
    /// this one.
    pub(super) fn member(
        self: &Arc<Self>,
        region: &node::Region,
        credentials: SharedCredentialsProvider,
    ) -> Self {
        Self {
            config: OnceCell::new(),
            calls: self.calls(),
            member: Some(Member {
                own: Arc::clone(self),
                region: Region::new(region.as_str().to_owned()),
                credentials,
            }),
        }
    }

    /// With a configuration in hand instead of the environment's.
    pub fn of(config: SdkConfig) -> Self {
        Self {
            config: OnceCell::new_with(Some(config)),
            calls: Calls::default(),
            member: None,
        }
    }

    /// Of whoever runs the command-line tool: by the SDK's default chain. `None` for a
    /// value leaves it to the chain.
    #[cfg(feature = "cli")]
    pub(crate) async fn of_caller(profile: Option<&str>, region: Option<&str>) -> Self {
        let mut chain =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client());
        if let Some(profile) = profile {
            chain = chain.profile_name(profile);
        }
        if let Some(region) = region {
            chain = chain.region(Region::new(region.to_owned()));
        }
        Self::of(chain.load().await)
    }

    /// The name of the Region, where one is known.
    #[cfg(feature = "cli")]
    pub(crate) async fn region(&self) -> Option<&str> {
        self.config().await.region().map(AsRef::as_ref)
    }

    /// Reads the environment and the certificates at the first call.
    pub(crate) async fn config(&self) -> &SdkConfig {
        let Some(member) = &self.member else {
            return self.own_config().await;
        };
        let of_member = async || {
            let own = member.own.own_config().await.to_builder();
            let there = own.region(member.region.clone());
            there
                .credentials_provider(member.credentials.clone())
                .build()
        };
        self.config.get_or_init(of_member).await
    }

    async fn own_config(&self) -> &SdkConfig {
        self.config
            .get_or_init(async || load(|name| std::env::var(name).ok()))
            .await
    }
}

/// One variable of the environment.
type Variable = fn(&str) -> Option<String>;

fn load(variable: Variable) -> SdkConfig {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let app_name = variable("AWS_SDK_UA_APP_ID").and_then(|name| AppName::new(name).ok());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http_client())
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .region(region.map(Region::new))
        .service_config(Endpoints(variable));
    config
        .set_use_fips(flag(variable, "AWS_USE_FIPS_ENDPOINT"))
        .set_use_dual_stack(flag(variable, "AWS_USE_DUALSTACK_ENDPOINT"))
        .set_app_name(app_name);
    config.build()
}

fn http_client() -> SharedHttpClient {
    let ring = tls::rustls_provider::CryptoMode::Ring;
    let builder = Builder::new().tls_provider(tls::Provider::Rustls(ring));
    builder.build_https()
}

fn flag(variable: Variable, name: &str) -> Option<bool> {
    variable(name)?.to_ascii_lowercase().parse().ok()
}

/// `AWS_ENDPOINT_URL_EC2` and the like, before `AWS_ENDPOINT_URL`.
#[derive(Debug)]
struct Endpoints(Variable);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if flag(self.0, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == Some(true) {
            return None;
        }
        // "CloudWatch Logs".
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        (self.0)(&format!("{}_{service}", key.env())).or_else(|| (self.0)(key.env()))
    }
}

/// How long and how often a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Reads and messages: a lost answer may be asked for again.
    Standard,
    /// The state, which is read before anything else is done and written after it:
    /// DynamoDB answers within milliseconds, and an attempt that has taken a second
    /// is sooner answered when it is made again than when it is waited for.
    State,
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
            Self::State => (
                RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(50))
                    .with_max_backoff(Duration::from_millis(500)),
                timeouts
                    .operation_attempt_timeout(Duration::from_secs(1))
                    .operation_timeout(Duration::from_secs(3)),
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
        let build = || async {
            let config = self.retry.apply(session.config().await);
            C::new(&config, session.calls())
        };
        self.client.get_or_init(build).await
    }
}

/// A client of the SDK that takes whole answers only.
pub(crate) trait Sdk {
    fn new(config: &SdkConfig, calls: Calls) -> Self;
}

macro_rules! clients {
    ($($sdk:ident)+) => {$(
        impl Sdk for $sdk::Client {
            fn new(config: &SdkConfig, calls: Calls) -> Self {
                let config = $sdk::config::Builder::from(config).interceptor(Whole);
                Self::from_conf(config.interceptor(calls).build())
            }
        }
    )+};
}

clients!(aws_sdk_cloudwatchlogs aws_sdk_dynamodb aws_sdk_ec2 aws_sdk_iam aws_sdk_kms aws_sdk_s3 aws_sdk_ssm aws_sdk_sts);

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(variable: Variable, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        load(variable)
            .service_config()?
            .load_config(key.expect("all of it is set"))
    }

    #[test]
    fn an_endpoint_of_a_service_goes_before_that_of_all() {
        let variable: Variable = |name| match name {
            "AWS_ENDPOINT_URL" => Some("http://all".to_owned()),
            "AWS_ENDPOINT_URL_EC2" => Some("http://ec2".to_owned()),
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS" => Some("http://logs".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://dynamodb".to_owned()),
            _ => None,
        };
        assert_eq!(endpoint(variable, "EC2").as_deref(), Some("http://ec2"));
        let dynamodb = endpoint(variable, "DynamoDB");
        assert_eq!(dynamodb.as_deref(), Some("http://dynamodb"));
        let logs = endpoint(variable, "CloudWatch Logs");
        assert_eq!(logs.as_deref(), Some("http://logs"));
        assert_eq!(endpoint(variable, "SNS").as_deref(), Some("http://all"));
        let ignored: Variable = |name| match name {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => Some("True".to_owned()),
            _ => Some("http://all".to_owned()),
        };
        assert_eq!(endpoint(ignored, "EC2"), None);
        assert_eq!(endpoint(|_| None, "EC2"), None);
    }

    #[test]
    fn region_and_kind_of_endpoint_are_the_environments() {
        let config = load(|name| match name {
            "AWS_DEFAULT_REGION" => Some("eu-west-1".to_owned()),
            "AWS_USE_FIPS_ENDPOINT" => Some("TRUE".to_owned()),
            "AWS_USE_DUALSTACK_ENDPOINT" => Some("maybe".to_owned()),
            "AWS_SDK_UA_APP_ID" => Some("fleet".to_owned()),
            _ => None,
        });
        assert_eq!(config.region().map(AsRef::as_ref), Some("eu-west-1"));
        assert_eq!(config.use_fips(), Some(true));
        assert_eq!(config.use_dual_stack(), None);
        assert_eq!(config.app_name().map(AsRef::as_ref), Some("fleet"));
        assert!(config.credentials_provider().is_some());
    }
}
