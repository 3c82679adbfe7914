//! Sessions in other accounts and Regions, through the role that is there for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::config::Credentials;
use tokio::time::Instant;

use super::error::read;
use super::session::{Client, Retry, Session};
use crate::node::{AccountId, Region};

/// Credentials are renewed so long before they expire: longer than an invocation takes.
const RENEW: Duration = Duration::from_secs(16 * 60);

/// A role that was refused is not asked for again for so long.
const REFUSED: Duration = Duration::from_secs(30);

/// In CloudTrail, who the sessions are.
const SESSION_NAME: &str = env!("CARGO_PKG_NAME");

/// The member role of each account, assumed once for all Regions.
#[derive(Debug)]
pub(crate) struct MemberSessions {
    own: Arc<Session>,
    role: String,
    external_id: String,
    accounts: Mutex<BTreeMap<AccountId, Arc<Assumed>>>,
}

impl MemberSessions {
    /// `role` is the ARN of the role, with `{account}` for the account.
    pub(crate) fn new(own: Arc<Session>, role: String, external_id: String) -> Self {
        Self {
            own,
            role,
            external_id,
            accounts: Mutex::default(),
        }
    }

    /// A session in `account` and `region`. Nothing is called before its first call.
    pub(crate) fn session(&self, account: &AccountId, region: &Region) -> Arc<Session> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let assumed = accounts.entry(account.clone()).or_insert_with(|| {
            Arc::new(Assumed {
                own: Arc::clone(&self.own),
                sts: Client::new(Retry::Standard),
                role: self.role.replace("{account}", account.as_str()),
                external_id: self.external_id.clone(),
                answer: tokio::sync::Mutex::default(),
            })
        });
        let credentials = SharedCredentialsProvider::new(ByRole(Arc::clone(assumed)));
        Arc::new(self.own.member(region, credentials))
    }
}

/// A role, and the credentials that assuming it gave last.
struct Assumed {
    own: Arc<Session>,
    sts: Client<aws_sdk_sts::Client>,
    role: String,
    external_id: String,
    answer: tokio::sync::Mutex<Option<Answer>>,
}

enum Answer {
    Credentials(Credentials),
    Refused { why: String, at: Instant },
}

impl fmt::Debug for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assumed").field("role", &self.role).finish()
    }
}

impl Assumed {
    async fn credentials(&self) -> provider::Result {
        // Held while it is assumed: whoever comes meanwhile waits for that.
        let mut answer = self.answer.lock().await;
        match &*answer {
            Some(Answer::Credentials(known)) if lasts(known) => return Ok(known.clone()),
            Some(Answer::Refused { why, at }) if at.elapsed() < REFUSED => {
                return Err(CredentialsError::provider_error(why.clone()));
            }
            Some(_) | None => {}
        }
        let assumed = self.assume().await;
        *answer = Some(match &assumed {
            Ok(credentials) => Answer::Credentials(credentials.clone()),
            Err(why) => Answer::Refused {
                why: why.clone(),
                at: Instant::now(),
            },
        });
        assumed.map_err(CredentialsError::provider_error)
    }

    async fn assume(&self) -> Result<Credentials, String> {
        let request = (self.sts.client(&self.own).await.assume_role())
            .role_arn(&self.role)
            .external_id(&self.external_id)
            .role_session_name(SESSION_NAME);
        let answer = request.send().await.map_err(|error| {
            let error = read("AssumeRole", error);
            format!("the member role {} cannot be used: {error}", self.role)
        })?;
        let given = answer.credentials;
        let given =
            given.ok_or_else(|| format!("AssumeRole gave no credentials of {}", self.role))?;
        let expires = SystemTime::try_from(given.expiration).ok();
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            expires,
            "MemberRole",
        ))
    }
}

/// Whether the credentials can be used for long enough.
fn lasts(credentials: &Credentials) -> bool {
    let expires = credentials.expiry();
    expires.is_none_or(|at| at > SystemTime::now() + RENEW)
}

/// What clients take their credentials from.
#[derive(Debug)]
struct ByRole(Arc<Assumed>);

impl ProvideCredentials for ByRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}
