//! One repair to be made, what makes it, and how a call of it waits.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::plan::Guardrails;
use super::verify::Seen;
use crate::aws::ec2::Ec2;
use crate::aws::iam::Iam;
use crate::aws::{LiveState, Retry, Session};
use crate::diagnose::call_error::CallError;
use crate::incident::group::Incident;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What reads and writes live state.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(super) session: Arc<Session>,
    pub(super) live: Arc<LiveState>,
    /// One attempt each: what became of it is settled by reading.
    pub(super) ec2: Ec2,
    pub(super) iam: Iam,
    pub(super) audit: fn(&str) -> std::io::Result<()>,
}

impl Clients {
    /// No connection is made before the first call. `live` is what the checks
    /// read with. Audit lines go to standard output.
    pub(crate) fn new(session: Arc<Session>, live: Arc<LiveState>) -> Self {
        Self {
            session,
            live,
            ec2: Ec2::new(Retry::Never),
            iam: Iam::new(Retry::Never),
            audit: print,
        }
    }
}

/// One repair to be planned and, when every lock is open, carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    pub incident: &'a Incident,
    pub clients: &'a Clients,
    pub guardrails: &'a Guardrails,
    pub now: Timestamp,
    /// Nothing runs on after this.
    pub until: Instant,
}

/// The answer to one call, or that there was none in time.
pub(super) async fn in_time<T>(
    call: &'static str,
    until: Instant,
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match timeout_at(until, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(CallError::NoAnswer {
            call,
            message: "no answer in the time of this invocation".to_owned(),
        }),
    }
}

/// Looks, and looks again, until the change is in effect or time is up, and
/// gives the last look. After a write that AWS refused there is nothing to see.
pub(super) async fn poll_until_seen<F: Future<Output = Seen>>(
    write: &Result<(), CallError>,
    patience: Duration,
    until: Instant,
    mut look: impl FnMut() -> F,
) -> Seen {
    if let Err(error) = write
        && !error.outcome_is_open()
    {
        return Seen::Unchanged;
    }
    let until = until.min(Instant::now() + patience);
    loop {
        let seen = look().await;
        if seen == Seen::InEffect || Instant::now() + PAUSE >= until {
            return seen;
        }
        sleep(PAUSE).await;
    }
}

/// Unlike `println!` this does not panic when nobody reads.
fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
