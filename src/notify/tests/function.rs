//! The whole way to a message without AWS: engine, diagnosis, incident store
//! and repair plan as they are, with live state in hand and the write played.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::batch::{Batch, Event, Source};
use crate::correlate::states::StreamState;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Facts, Fetched, InstanceFacts, ProfileFacts, RegistrationFacts};
use crate::diagnose::tests::world::world;
use crate::diagnose::{Home, diagnose};
use crate::engine::Engine;
use crate::incident::group::{Incident, group_into_incidents};
use crate::incident::store::{Incidents, NotifyDecision, NotifyReason};
use crate::node::{AccountId, InstanceId, NodeId, Region};
use crate::notify::content::Content;
use crate::notify::kind::NotificationKind;
use crate::repair::change::Seen;
use crate::repair::locks::{self, Guardrails, RepairMode};
use crate::repair::memory::{Attempt, RepairMemory, target_of};
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::{Plan, plan};
use crate::repair::repairs::{REPAIRS, Repair};
use crate::repair::verify::verdict_of_write;

pub(super) const INSTANCE: &str = "i-0123456789abcdef0";
pub(super) const NOW: &str = "2026-11-23T05:01:30Z";

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-central-1";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A log of `events/`, as if it came from the account and Region of the world.
pub(super) fn log(name: &str) -> String {
    let path = format!("{}/events/{name}.log", env!("CARGO_MANIFEST_DIR"));
    let log = std::fs::read_to_string(path).expect("a log");
    log.replace("us-east-1", REGION)
        .replace("123456789012", ACCOUNT)
}

/// What the agent writes when the error comes from its report to Systems Manager.
pub(super) fn record(text: &str) -> String {
    format!("2026-11-23 04:19:04.0000 ERROR [ssm-agent-worker] {text}\n")
}

/// A world in which all is right but for `change`, its instance [`INSTANCE`]
/// with the Name tag `web-03`.
pub(super) fn facts(change: impl FnOnce(&mut InstanceFacts, &mut ProfileFacts)) -> Facts {
    of_instances(
        &[INSTANCE],
        world(|instance, profile| {
            instance.name = Some("web-03".to_owned());
            change(instance, profile);
        }),
    )
}

/// The same for each of `ids`.
pub(super) fn of_instances(ids: &[&str], mut facts: Facts) -> Facts {
    let read = facts
        .instances
        .values()
        .next()
        .cloned()
        .expect("one instance");
    facts.instances = (ids.iter())
        .map(|id| {
            let id = InstanceId::parse(id).expect("an instance id");
            let mut read = read.clone();
            if let Fetched::Found(instance) = &mut read {
                instance.id = id.clone();
            }
            (id, read)
        })
        .collect::<BTreeMap<_, _>>();
    let lost = |id: &InstanceId| RegistrationFacts {
        id: NodeId::Instance(id.clone()),
        ping_status: "ConnectionLost".to_owned(),
        last_ping: Some(at("2026-11-23T04:14:00Z")),
        agent_version: Some("3.3.987.0".to_owned()),
        name: None,
        source_type: None,
        activation: None,
    };
    facts.registrations = (facts.instances.keys())
        .map(|id| (NodeId::Instance(id.clone()), Fetched::Found(lost(id))))
        .collect();
    facts
}

/// One execution environment of the function.
pub(super) struct Function {
    engine: Engine,
    streams: BTreeMap<String, StreamState>,
    store: Incidents,
    memory: RepairMemory,
    pub(super) guardrails: Guardrails,
    /// What AWS answers to a write, and what reading then shows.
    pub(super) write: (Result<(), CallError>, Seen),
    pub(super) now: Timestamp,
}

impl Function {
    pub(super) fn new(mode: RepairMode) -> Self {
        Self {
            engine: Engine::default(),
            streams: BTreeMap::new(),
            store: Incidents::new(Duration::from_secs(86_400), 1),
            memory: RepairMemory::default(),
            guardrails: Guardrails {
                mode,
                calendars: Vec::new(),
                requested: false,
                actions: REPAIRS.iter().map(|repair| repair.name).collect(),
                tag_value: "allow".to_owned(),
                max_repairs: 5,
                max_evidence_age: Duration::from_secs(86_400),
                account: AccountId::parse(ACCOUNT),
                region: Region::parse(REGION).expect("a Region"),
                function: Some(locks::Function {
                    name: "ssm-agent-triage".to_owned(),
                    account: AccountId::parse(ACCOUNT),
                    region: Region::parse(REGION).expect("a Region"),
                }),
            },
            write: (Ok(()), Seen::InEffect),
            now: at(NOW),
        }
    }

    /// Handles one invocation with the log of each stream, and gives what is
    /// to be sent.
    pub(super) fn invoke(&mut self, logs: &[(&str, &str)], facts: &Facts) -> Vec<Content> {
        self.invoke_with(logs, facts, |_| ())
    }

    /// The same, each incident as `change` leaves it before it is planned.
    pub(super) fn invoke_with(
        &mut self,
        logs: &[(&str, &str)],
        facts: &Facts,
        change: impl Fn(&mut Incident),
    ) -> Vec<Content> {
        let home = Home {
            account: self.guardrails.account.clone(),
            region: Some(self.guardrails.region.clone()),
        };
        let (mut findings, mut recovered) = (Vec::new(), Vec::new());
        for (stream, log) in logs {
            let batch = Batch {
                source: Source {
                    account: home.account.clone(),
                    region: home.region.clone(),
                    log_group: "agents".to_owned(),
                    log_stream: (*stream).to_owned(),
                    caller_node: None,
                    complete: false,
                    pasted: false,
                },
                events: vec![Event {
                    id: Cow::Borrowed("1"),
                    at: None,
                    message: Cow::Borrowed(log),
                }],
            };
            let state = self.streams.entry((*stream).to_owned()).or_default();
            let analysis = self.engine.analyze(state, &batch, self.now);
            findings.extend(analysis.findings);
            recovered.extend(analysis.recovered);
        }
        let mut diagnosed = diagnose(findings, facts, &home);
        for one in &mut diagnosed {
            self.store.attach_to_open(one);
        }
        let mut contents = Vec::new();
        for mut incident in group_into_incidents(diagnosed) {
            change(&mut incident);
            contents.extend(self.settle(incident));
        }
        for over in self.store.recover(&recovered) {
            contents.push(Content::resolved(&over, self.now));
            (self.store).mark_notified(&over.key, NotifyReason::Resolved, self.now);
        }
        contents
    }

    fn settle(&mut self, mut incident: Incident) -> Option<Content> {
        let mut plan = plan(&incident, &self.guardrails, &self.memory, self.now);
        plan.outcome = self.outcome(&incident, &plan);
        let happened = plan.happened(&incident, &self.memory);
        let decision = self.store.decide(&incident, happened, self.now);
        let NotifyDecision::Send(why) = decision.notify else {
            return None;
        };
        incident.severity = decision.severity;
        self.store.mark_notified(&incident.key, why, self.now);
        Some(Content::of(
            &incident,
            &decision.nodes,
            &plan.summary,
            &plan.outcome,
            NotificationKind::of(why, happened),
            decision.since,
            Some(self.now),
        ))
    }

    fn outcome(&mut self, incident: &Incident, plan: &Plan) -> Outcome {
        let mut outcome = plan.outcome.clone();
        let Some(permit) = plan.permit() else {
            return outcome;
        };
        let change = permit.change();
        if permit.is_dry_run() {
            outcome.status = OutcomeStatus::DryRun;
            return outcome;
        }
        let repair = Repair::named(change.action).expect("a repair's change");
        let (write, seen) = &self.write;
        let (status, sentence) = verdict_of_write(write, seen, repair, change, self.now);
        outcome = Outcome {
            status,
            detail: Some(sentence),
            undo: (status != OutcomeStatus::Failed).then(|| change.undo.clone()),
            ..outcome
        };
        self.memory.record(Attempt {
            action: change.action,
            target: target_of(incident),
            at: self.now,
            outcome: outcome.clone(),
            undone: false,
        });
        outcome
    }
}
