//! What repairs read and write with.

use std::io::Write;
use std::sync::Arc;

use crate::aws::{LiveState, Retry, Sdk, Session};

/// What reads and writes live state.
#[derive(Debug)]
pub(crate) struct Clients {
    session: Arc<Session>,
    pub(super) live: Arc<LiveState>,
    /// Reads the change calendars, which are the function's own.
    pub(super) calendars: Arc<LiveState>,
    pub(super) audit: fn(&str) -> std::io::Result<()>,
}

impl Clients {
    /// No connection is made before the first call. `live` is what the checks
    /// read with, and what reads the change calendars unless `calendars` does. Audit
    /// lines go to standard output.
    pub(crate) fn new(
        session: Arc<Session>,
        live: Arc<LiveState>,
        calendars: Option<Arc<LiveState>>,
    ) -> Self {
        Self {
            session,
            calendars: calendars.unwrap_or_else(|| Arc::clone(&live)),
            live,
            audit: print,
        }
    }

    /// A client for one write, which it tries once: what became of it is
    /// settled by reading.
    pub(super) async fn writer<C: Sdk>(&self) -> C {
        C::new(
            &Retry::Never.apply(self.session.config().await),
            self.session.calls(),
        )
    }
}

/// Unlike `println!` this does not panic when nobody reads.
fn print(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
