//! What an invocation asks of AWS, over the real clients.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::digest::DigestServices;
use super::invocation::{Invocation, Sent, Services};
use super::notifier::{Notifier, wrote};
use super::sweep::SweepServices;
use crate::aws::{LiveState, MemberSessions, Session};
use crate::config::Config;
use crate::diagnose::Needs;
use crate::diagnose::facts::{Facts, Fetched, RegistrationFacts};
use crate::diagnose::live::{self, Kept, Recent};
use crate::diagnose::sweep::Listed;
use crate::finding::Finding;
use crate::incident::group::Incident;
use crate::incident::store::Earlier;
use crate::node::{Home, NodeId};
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
    own: Arc<AccountClients>,
    members: Option<Members>,
    notifier: Notifier,
}

/// Reads and repairs of one account and Region.
#[derive(Debug)]
struct AccountClients {
    /// Without memory: what repairs read with.
    live: Arc<LiveState>,
    /// What the checks have read lately.
    kept: Arc<Kept>,
    repairs: Clients,
}

/// What the member role leads to.
#[derive(Debug)]
struct Members {
    sessions: MemberSessions,
    clients: Mutex<BTreeMap<Home, Arc<AccountClients>>>,
}

/// So many other accounts and Regions are kept in mind at once: with its clients, one takes
/// some hundred kilobytes.
const MOST_KEPT: usize = 32;

impl AccountClients {
    fn new(session: Arc<Session>, calendars: Option<Arc<LiveState>>) -> Arc<Self> {
        let live = Arc::new(LiveState::new(Arc::clone(&session)));
        Arc::new(Self {
            repairs: Clients::new(session, Arc::clone(&live), calendars),
            live,
            kept: Arc::default(),
        })
    }
}

impl Aws {
    pub(super) fn new(config: &Config, session: &Arc<Session>) -> Self {
        let settings = config
            .member_role
            .clone()
            .zip(config.member_external_id.clone());
        Self {
            own: AccountClients::new(Arc::clone(session), None),
            members: settings.map(|(role, external_id)| Members {
                sessions: MemberSessions::new(Arc::clone(session), role, external_id),
                clients: Mutex::default(),
            }),
            notifier: Notifier::new(config, Arc::clone(session)),
        }
    }

    /// What reads and repairs in `home`.
    fn clients_of<C>(&self, home: &Home, by: &Invocation<C>) -> Arc<AccountClients> {
        let (Some(members), Some(account), Some(region)) =
            (&self.members, &home.account, &home.region)
        else {
            return Arc::clone(&self.own);
        };
        if *home == by.own {
            return Arc::clone(&self.own);
        }
        let mut clients = (members.clients.lock()).unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_KEPT && !clients.contains_key(home) {
            clients.clear();
        }
        let new = || {
            let session = members.sessions.session(account, region);
            AccountClients::new(session, Some(Arc::clone(&self.own.live)))
        };
        Arc::clone(clients.entry(home.clone()).or_insert_with(new))
    }

    /// What was read of `home` in this invocation, or before it by at most `age`.
    fn recent<C>(&self, home: &Home, age: Duration, by: &Invocation<C>) -> Arc<Recent<LiveState>> {
        let clients = self.clients_of(home, by);
        let (reads, kept) = (Arc::clone(&clients.live), Arc::clone(&clients.kept));
        Arc::new(Recent::new(reads, kept, by.began, age))
    }
}

impl Services for Aws {
    async fn look<C>(
        &self,
        findings: &[Finding],
        home: &Home,
        age: Duration,
        by: &Invocation<C>,
    ) -> Facts {
        let needs = Needs::of(findings, home);
        if needs.is_empty() {
            return Facts::default();
        }
        let reads = self.recent(home, age, by);
        live::read(&needs, &reads, by.budget.checks).await
    }

    async fn repair<S: Store, C>(
        &self,
        incident: &Incident,
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Plan {
        let node = incident.nodes().next();
        let home = node.map_or_else(|| by.home.clone(), |node| by.home_of(node));
        let clients = self.clients_of(&home, by);
        let task = Task {
            incident,
            clients: &clients.repairs,
            guardrails: &by.guardrails_of(&home),
            now: by.now,
            ends_at: by.ends_at,
            until: by.budget.repairs,
        };
        let plan = execute(task, memory, state).await;
        if wrote(plan.outcome.status) {
            clients.kept.forget();
        }
        plan
    }

    async fn send(&self, content: &Content, earlier: &Earlier, until: Instant) -> Sent {
        self.notifier.send(content, earlier, until).await
    }
}

impl DigestServices for Aws {
    async fn count_nodes<C>(&self, by: &Invocation<C>) -> Result<(usize, usize), String> {
        let reads = self.recent(&by.home, Duration::ZERO, by);
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
        let reads = self.recent(&by.home, Duration::ZERO, by);
        live::read_beside(registrations, &needs, &reads, by.budget.checks).await
    }

    async fn list<C>(&self, selection: &Selection, by: &Invocation<C>) -> Result<Listed, String> {
        let reads = self.recent(&by.home, Duration::ZERO, by);
        live::list(selection, &reads, by.budget.checks).await
    }

    async fn registrations<C>(
        &self,
        ids: Vec<NodeId>,
        by: &Invocation<C>,
    ) -> BTreeMap<NodeId, Fetched<RegistrationFacts>> {
        let reads = self.recent(&by.home, Duration::ZERO, by);
        live::registrations(ids, &reads, by.budget.checks).await
    }
}
