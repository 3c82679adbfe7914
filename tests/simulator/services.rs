//! AWS as an invocation sees it: the live state of the simulated fleet, writes that
//! change it, and a topic.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::super::invocation::{Invocation, Sent as Notice, Services};
use super::clock;
use super::run::Call;
use super::world::{World, number};
use crate::cause::Cause;
use crate::diagnose::Needs;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::Facts;
use crate::finding::Finding;
use crate::incident::group::Incident;
use crate::incident::store::{Channel, Earlier};
use crate::node::Home;
use crate::notify::content::Content;
use crate::notify::kind::NotificationKind;
use crate::repair::change::{Change, member};
use crate::repair::memory::{Attempt, RepairMemory, target_of};
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::{Plan, plan};
use crate::repair::repairs::Repair;
use crate::repair::verify::verdict_of_write;
use crate::report::Notified;
use crate::state::{StateError, Store};

/// A message that went out.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub at: i64,
    pub call: Arc<Call>,
    pub key: String,
    pub cause: Cause,
    pub kind: NotificationKind,
    pub nodes: usize,
    /// It says that by their own logs all nodes work again.
    pub is_end: bool,
    /// It names what may be the cause, and says that this is not known.
    pub is_guess: bool,
    /// It ends since a check has confirmed what its last node has.
    pub is_explained: bool,
    /// What distinguishes it from another message of its incident.
    pub changed: String,
}

/// A write that was sent.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// When its invocation began.
    pub at: i64,
    pub target: String,
}

/// What the simulated AWS has, and was asked.
pub(super) struct Aws {
    random: fastrand::Rng,
    pub world: World,
    pub sent: Vec<Sent>,
    pub written: Vec<Written>,
    /// So many messages of a thousand are not taken.
    pub refused: u32,
    /// So many answers to writes of a thousand are lost.
    pub lost: u32,
}

impl Aws {
    pub(super) fn new(seed: u64, world: World) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            world,
            sent: Vec::new(),
            written: Vec::new(),
            refused: 0,
            lost: 0,
        }
    }
}

/// As one invocation reaches it.
pub(super) struct SimServices {
    pub aws: Arc<Mutex<Aws>>,
    pub call: Arc<Call>,
}

impl SimServices {
    fn with<T>(&self, ask: impl FnOnce(&mut Aws) -> T) -> T {
        ask(&mut self.aws.lock().expect("nobody panicked with it"))
    }

    async fn takes(&self, millis: std::ops::Range<u64>) {
        let millis = self.with(|aws| aws.random.u64(millis));
        clock::pause(millis).await;
    }

    /// As the function does, see [`crate::repair::execute`]: what was done before is
    /// read, and what another invocation is at is awaited.
    async fn remember<S: Store, C>(
        &self,
        (repair, target): (&Repair, &str),
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Result<(), StateError> {
        let patience = by.now.as_millisecond() + 45_000;
        for looks in 0.. {
            memory.load(state, repair.name, target, by.now).await?;
            let waits = memory.is_under_way(repair.name, target, by.now);
            if !waits || clock::millis() >= patience {
                break;
            }
            state.back_off(looks).await;
        }
        Ok(())
    }

    /// Live state of the thing at fault, read into the incident.
    fn read(&self, incident: &mut Incident) {
        self.with(|aws| {
            for instance in &mut incident.instances {
                let node = number(instance.id.as_str()).expect("a node of the fleet");
                *instance = aws.world.look(node).0;
            }
            if let Some(role) = &mut incident.role {
                let mut nodes = incident.affected.iter();
                let node = nodes.find_map(|hit| number(hit.node.id.as_str()));
                let profile = aws.world.look(node.expect("it hits a node")).1;
                role.clone_from(&profile.role.expect("each has a role"));
            }
        });
    }

    /// The one write: it is made or refused, and its answer may be lost.
    fn write(&self, change: &Change, began: i64) -> Result<(), CallError> {
        let target = &change.target;
        let policy = match change.action {
            "trust-ec2" => member(&change.request, "PolicyDocument").to_owned(),
            _ => String::new(),
        };
        self.with(|aws| {
            let at = clock::millis();
            aws.written.push(Written {
                at: began,
                target: target.clone(),
            });
            let lost = aws.random.u32(..1_000) < aws.lost;
            if !lost || aws.random.bool() {
                aws.world.repaired.insert(target.clone(), (at, policy));
            }
            match lost {
                false => Ok(()),
                true => Err(CallError::NoAnswer {
                    call: "ModifyInstanceMetadataOptions",
                    message: "no answer in time".to_owned(),
                }),
            }
        })
    }
}

impl Services for SimServices {
    async fn look<C>(
        &self,
        findings: &[Finding],
        home: &Home,
        _: Duration,
        _: &Invocation<C>,
    ) -> Facts {
        if Needs::of(findings, home).is_empty() {
            return Facts::default();
        }
        self.takes(50..1_500).await;
        let nodes = findings
            .iter()
            .filter_map(|finding| number(finding.node.id.as_str()));
        let facts = self.with(|aws| aws.world.facts(nodes));
        self.takes(1..50).await;
        facts
    }

    async fn repair<S: Store, C>(
        &self,
        incident: &Incident,
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Plan {
        let Some(repair) = Repair::of(incident.cause) else {
            return plan(incident, &by.guardrails, memory, by.now);
        };
        let target = &target_of(incident);
        if let Err(error) = self.remember((repair, target), memory, state, by).await {
            memory.close(error.to_string());
        }
        let planned = plan(incident, &by.guardrails, memory, by.now);
        let plan = self.carry_out(planned, incident, repair, memory, state, by);
        let plan = plan.await;
        if plan.is_recurred() {
            memory.mark_undone(repair.name, target);
            if let Err(error) = memory.save(state, repair.name, target, by.now).await {
                memory.close(error.to_string());
            }
        }
        plan
    }

    async fn send(&self, content: &Content, earlier: &Earlier, _: Instant) -> Notice {
        self.takes(10..150).await;
        let refused = self.with(|aws| {
            let refused = aws.random.u32(..1_000) < aws.refused;
            if !refused {
                aws.sent.push(Sent {
                    at: clock::millis(),
                    call: Arc::clone(&self.call),
                    key: content.key.clone(),
                    cause: content.cause,
                    kind: content.kind,
                    nodes: content.node_count,
                    is_end: content.runbook.is_none(),
                    is_guess: content.confidence.starts_with("undetermined"),
                    is_explained: content.summary.contains("has now confirmed a cause"),
                    changed: content.changed.clone(),
                });
            }
            refused
        });
        self.takes(10..150).await;
        assert_eq!(*earlier, Earlier::default(), "there is one channel alone");
        match refused {
            true => Notice {
                notified: Notified::Failed,
                reached: Vec::new(),
                failed: vec![("the topic did not take it".to_owned(), String::new())],
                ops_item: None,
            },
            false => Notice {
                notified: Notified::Sent,
                reached: vec![Channel::Topic],
                failed: Vec::new(),
                ops_item: None,
            },
        }
    }
}

impl SimServices {
    async fn carry_out<S: Store, C>(
        &self,
        planned: Plan,
        incident: &Incident,
        repair: &'static Repair,
        memory: &mut RepairMemory,
        state: &S,
        by: &Invocation<C>,
    ) -> Plan {
        if planned.permit().is_none() {
            return planned;
        }
        self.takes(20..500).await;
        let mut fresh = incident.clone();
        self.read(&mut fresh);
        let again = plan(&fresh, &by.guardrails, memory, by.now);
        let Some(change) = again.permit().map(|permit| permit.change().clone()) else {
            return again;
        };
        let outcome = Outcome {
            command: Some(change.command.clone()),
            undo: Some(change.undo.clone()),
            ..Outcome::of(OutcomeStatus::Unverified, "It may have been made.")
        };
        let begun = Attempt {
            action: repair.name,
            target: target_of(incident),
            at: by.now,
            outcome,
            undone: false,
        };
        let most = by.guardrails.max_repairs;
        match memory.begin(state, begun.clone(), most, by.ends_at).await {
            Ok(true) => {}
            Ok(false) => return plan(&fresh, &by.guardrails, memory, by.now),
            Err(error) => {
                memory.close(error.to_string());
                return plan(&fresh, &by.guardrails, memory, by.now);
            }
        }
        self.takes(20..800).await;
        let written = self.write(&change, by.now.as_millisecond());
        self.takes(20..2_000).await;
        self.read(&mut fresh);
        let seen = (repair.seen)(&fresh, &change);
        let (status, detail) = verdict_of_write(&written, &seen, repair, &change, by.now);
        let outcome = Outcome {
            command: Some(change.command.clone()),
            undo: (status != OutcomeStatus::Failed).then(|| change.undo.clone()),
            ..Outcome::of(status, detail)
        };
        let ended = Attempt {
            outcome: outcome.clone(),
            ..begun
        };
        if let Err(error) = memory.end(state, ended).await {
            memory.close(error.to_string());
        }
        again.with(outcome)
    }
}
