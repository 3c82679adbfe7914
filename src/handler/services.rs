//! What an invocation asks of AWS, over the real clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::digest::DigestServices;
use super::invocation::{Invocation, Sent, Services};
use super::notifier::{Notifier, wrote};
use super::sweep::SweepServices;
use crate::aws::{LiveState, Session};
use crate::config::Config;
use crate::diagnose::Needs;
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts};
use crate::diagnose::live::{self, Kept, Recent};
use crate::diagnose::sweep::Listed;
use crate::finding::Finding;
use crate::incident::group::Incident;
use crate::incident::store::Earlier;
use crate::node::NodeId;
use crate::notify::content::Content;
use crate::notify::digest::Digest;
use crate::repair::clients::Clients;
use crate::repair::execute::{Task, execute};
use crate::repair::memory::RepairMemory;
use crate::repair::plan::Plan;
use crate::selection::Selection;
use crate::state::Store;

/// The clients; none is built before its first call.
#[derive(Debug)]
pub(super) struct Aws {
    /// Without memory: what repairs read with.
    live: Arc<LiveState>,
    /// What the checks have read lately.
    kept: Arc<Kept>,
    repairs: Clients,
    notifier: Notifier,
}

impl Aws {
    pub(super) fn new(config: &Config, session: &Arc<Session>) -> Self {
        let live = Arc::new(LiveState::new(Arc::clone(session)));
        Self {
            repairs: Clients::new(Arc::clone(session), Arc::clone(&live)),
            live,
            kept: Arc::default(),
            notifier: Notifier::new(config, Arc::clone(session)),
        }
    }
}

impl Aws {
    /// What was read in this invocation, or before it by at most `age`.
    fn recent<C>(&self, age: Duration, by: &Invocation<C>) -> Arc<Recent<LiveState>> {
        let (reads, kept) = (Arc::clone(&self.live), Arc::clone(&self.kept));
        Arc::new(Recent::new(reads, kept, by.began, age))
    }
}

impl Services for Aws {
    async fn look<C>(&self, findings: &[Finding], age: Duration, by: &Invocation<C>) -> Facts {
        let needs = Needs::of(findings, &by.home);
        if needs.is_empty() {
            return Facts::default();
        }
        let reads = self.recent(age, by);
        live::read(&needs, &reads, by.budget.checks).await
    }

    async fn repair<S: Store, C>(
        &self,
        incident: &Incident,
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Plan {
        let task = Task {
            incident,
            clients: &self.repairs,
            guardrails: &by.guardrails,
            now: by.now,
            ends_at: by.ends_at,
            until: by.budget.repairs,
        };
        let plan = execute(task, memory, state).await;
        if wrote(plan.outcome.status) {
            self.kept.forget();
        }
        plan
    }

    async fn send(&self, content: &Content, earlier: &Earlier, until: Instant) -> Sent {
        self.notifier.send(content, earlier, until).await
    }
}

impl DigestServices for Aws {
    async fn count_nodes<C>(&self, by: &Invocation<C>) -> Result<(usize, usize), String> {
        let reads = self.recent(Duration::ZERO, by);
        live::count_nodes(&reads, by.budget.checks).await
    }

    async fn send_digest(&self, digest: &Digest, until: Instant) -> Result<(), (String, String)> {
        self.notifier.send_digest(digest, until).await
    }
}

impl SweepServices for Aws {
    async fn look_at<C>(
        &self,
        findings: &[Finding],
        registrations: BTreeMap<NodeId, Fetched<RegistrationFacts>>,
        by: &Invocation<C>,
    ) -> Facts {
        let needs = Needs::of(findings, &by.home);
        let reads = self.recent(Duration::ZERO, by);
        live::read_beside(registrations, &needs, &reads, by.budget.checks).await
    }

    async fn list<C>(&self, selection: &Selection, by: &Invocation<C>) -> Result<Listed, String> {
        let reads = self.recent(Duration::ZERO, by);
        live::list(selection, &reads, by.budget.checks).await
    }

    async fn registrations<C>(
        &self,
        ids: Vec<NodeId>,
        by: &Invocation<C>,
    ) -> BTreeMap<NodeId, Fetched<RegistrationFacts>> {
        let reads = self.recent(Duration::ZERO, by);
        live::registrations(ids, &reads, by.budget.checks).await
    }
}
