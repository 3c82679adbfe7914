//! Reads live state with the credentials of whoever runs the tool.

use std::fmt;

use crate::diagnose::facts::{Facts, Fetched};
use crate::diagnose::{Home, Needs};
use crate::node::{Node, Region};
use crate::text::redact::redact_line;
use clap::Args;

use super::arguments::region;

/// With whose credentials live state is read, and where.
#[derive(Args)]
pub(super) struct Access {
    /// The profile of the shared configuration files. Otherwise AWS_PROFILE, or the default one.
    ///
    /// One that signs in by SSO needs `aws sso login --profile P` before.
    #[arg(long, value_name = "P")]
    pub(super) profile: Option<String>,
    /// The Region they are in. Otherwise that of the environment or the profile.
    #[arg(long, value_name = "R", value_parser = region)]
    pub(super) region: Option<Region>,
}

/// Who reads, and where.
pub(super) struct Caller {
    /// The account is the caller's own, where AWS tells it.
    pub(super) home: Home,
    pub(super) region: Region,
    /// Who calls, as AWS tells it: an ARN.
    pub(super) arn: Option<String>,
}

impl Caller {
    /// Says where `node` is, which its log does not, once it was found there.
    pub(super) fn place(&self, node: &mut Node, facts: &Facts) {
        let instance = node.id.instance().and_then(|id| facts.instances.get(id));
        let registration = facts.registrations.get(&node.id);
        if instance.and_then(Fetched::found).is_some()
            || registration.and_then(Fetched::found).is_some()
        {
            node.account = node.account.take().or_else(|| self.home.account.clone());
            node.region = node.region.take().or_else(|| Some(self.region.clone()));
        }
    }
}

impl fmt::Display for Caller {
    /// Whose live state was read, and as whom.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live state")?;
        if let Some(account) = &self.home.account {
            write!(f, " of account {account}")?;
        }
        write!(f, " in {}", self.region)?;
        if let Some(arn) = &self.arn {
            write!(f, ", read as {}", redact_line(arn))?;
        }
        f.write_str(".")
    }
}

/// What was read, and by whom, for what `needs` says of the caller's account and Region.
/// The error is a sentence for standard error.
#[cfg(feature = "aws")]
pub(super) fn read(
    access: &Access,
    needs: impl FnOnce(&Caller) -> Needs,
) -> Result<(Caller, Facts), String> {
    reading::read(access, needs)
}

#[cfg(not(feature = "aws"))]
pub(super) fn read(
    access: &Access,
    needs: impl FnOnce(&Caller) -> Needs,
) -> Result<(Caller, Facts), String> {
    let _ = (&access.profile, &access.region, needs);
    Err("this build has no AWS clients; build one with: cargo build --release --bin ssm-agent-triage"
        .to_owned())
}

#[cfg(feature = "aws")]
mod reading {
    use std::io::{self, IsTerminal, Write};
    use std::pin::pin;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::{Access, Caller};
    use crate::aws::{LiveState, Retry, Session};
    use crate::diagnose::facts::Facts;
    use crate::diagnose::live::{self, Recent};
    use crate::diagnose::{Home, Needs};
    use crate::node::{AccountId, Region};

    /// What is not read by then is reported as not read.
    const AT_MOST: Duration = Duration::from_secs(60);

    /// After so long a person wants to know that something happens.
    const LONG: Duration = Duration::from_secs(2);

    pub(super) fn read(
        access: &Access,
        needs: impl FnOnce(&Caller) -> Needs,
    ) -> Result<(Caller, Facts), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|fault| format!("cannot start reading: {fault}"))?;
        runtime.block_on(all(access, needs))
    }

    async fn all(
        access: &Access,
        needs: impl FnOnce(&Caller) -> Needs,
    ) -> Result<(Caller, Facts), String> {
        let region = access.region.as_ref().map(Region::as_str);
        let session = Session::of_caller(access.profile.as_deref(), region).await;
        let region = session.region().await.and_then(Region::parse);
        let region = region.ok_or("no Region is configured; name one by --region")?;
        let began = Instant::now();
        let mut reading = pin!(async {
            let (account, arn) = caller(&session).await;
            let caller = Caller {
                home: Home {
                    account,
                    region: Some(region.clone()),
                },
                region,
                arn,
            };
            let needs = needs(&caller);
            let reads = Arc::new(LiveState::new(Arc::new(session)));
            let reads = Arc::new(Recent::new(reads, Arc::default(), began, Duration::ZERO));
            let facts = live::read(&needs, &reads, began + AT_MOST).await;
            (caller, facts)
        });
        if let Ok(read) = timeout(LONG, &mut reading).await {
            return Ok(read);
        }
        let shown = io::stderr().is_terminal();
        note(shown, "Reading live state \u{2026}");
        let read = reading.await;
        note(shown, "\r\u{1b}[K");
        Ok(read)
    }

    /// Whose the credentials are. Nobody need be allowed to ask; without an answer the
    /// rest is read all the same.
    async fn caller(session: &Session) -> (Option<AccountId>, Option<String>) {
        let config = Retry::Standard.apply(session.config().await);
        let request = aws_sdk_sts::Client::new(&config).get_caller_identity();
        let Ok(answer) = request.send().await else {
            return (None, None);
        };
        let account = answer.account().and_then(AccountId::parse);
        (account, answer.arn().map(str::to_owned))
    }

    /// Nothing depends on whether it is seen.
    fn note(shown: bool, text: &str) {
        if shown {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }
}
