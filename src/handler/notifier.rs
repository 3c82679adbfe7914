//! Decides whether an incident is notified, and sends or prints its message.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::budget::Budget;
use super::error::UndeliveredNotification;
use super::invocation::{Sent, Services};
use super::log::print;
use super::metrics::Metrics;
use super::{LogLevel, log};
use crate::aws::Session;
use crate::aws::events::{Entry, EventBus};
use crate::aws::sns::{Publication, Topic};
use crate::aws::ssm::ops_items::{OpsCenter, OpsItem, Status};
use crate::cause::Severity;
use crate::config::Config;
use crate::diagnose::call_error::CallError;
use crate::finding::Recovered;
use crate::incident::group::Incident;
use crate::incident::nodes::NodeList;
use crate::incident::store::agree::Times;
use crate::incident::store::{
    Channel, Decision, Delivery, Earlier, Happened, Incidents, NotifyDecision, NotifyReason,
    ResolvedIncident, State,
};
use crate::node::Node;
use crate::notify::content::Content;
use crate::notify::digest::Digest;
use crate::notify::event::{DETAIL_BYTES, SOURCE, earlier};
use crate::notify::format::Format;
use crate::notify::kind::NotificationKind;
use crate::notify::message::{Message, subject};
use crate::notify::ops_item;
use crate::notify::page::Style;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::report::{IncidentReport, Notified, build};
use crate::state::{StateError, Store};
use crate::text::redact::redact_line;

/// Messages under way at a time: the smallest quota of SNS for Publish is 300 a
/// second ("Amazon SNS endpoints and quotas"), and an answer takes some tens of
/// milliseconds.
const SIDE_BY_SIDE: usize = 16;

/// Where messages go.
#[derive(Debug)]
pub(super) struct Notifier {
    /// Without a topic messages are printed.
    topic: Option<Topic>,
    format: Format,
    bus: Option<EventBus>,
    ops_center: Option<OpsCenter>,
    session: Arc<Session>,
}

impl Notifier {
    /// Makes no connection before the first message.
    pub(super) fn new(config: &Config, session: Arc<Session>) -> Self {
        Self {
            topic: config.topic.as_ref().map(|topic| Topic::new(&*topic.arn)),
            format: config.message_format,
            bus: config.event_bus.as_ref().map(EventBus::new),
            ops_center: config.ops_items.then(OpsCenter::new),
            session,
        }
    }

    /// Sends `content` to every channel but those that had it earlier: each by itself.
    pub(super) async fn send(&self, content: &Content, earlier: &Earlier, until: Instant) -> Sent {
        let wants = |channel| !earlier.reached.contains(&channel);
        let message = async {
            match wants(Channel::Topic) {
                true => Some(self.publish(content, until).await),
                false => None,
            }
        };
        let event = async {
            let bus = self.bus.as_ref().filter(|_| wants(Channel::EventBus))?;
            Some(self.put_event(bus, content, until).await)
        };
        let item = async {
            let center = self.ops_center.as_ref();
            let center = center.filter(|_| wants(Channel::OpsCenter))?;
            let id = earlier.ops_item.as_deref();
            Some(self.put_ops_item(center, content, id, until).await)
        };
        let (message, event, item) = tokio::join!(message, event, item);
        let (item, ops_item) = match item {
            Some(Ok(id)) => (Some(Ok(())), id),
            Some(Err(failed)) => (Some(Err(failed)), None),
            None => (None, None),
        };
        let mut sent = Sent {
            notified: match self.topic {
                Some(_) => Notified::Sent,
                None => Notified::Printed,
            },
            reached: earlier.reached.clone(),
            failed: Vec::new(),
            ops_item,
        };
        for (channel, result) in [
            (Channel::Topic, message),
            (Channel::EventBus, event),
            (Channel::OpsCenter, item),
        ] {
            match result {
                None => {}
                Some(Ok(())) => sent.reached.push(channel),
                Some(Err(failed)) => {
                    sent.notified = Notified::Failed;
                    sent.failed.push(failed);
                }
            }
        }
        sent
    }

    /// The error says why, and holds the message.
    async fn publish(&self, content: &Content, until: Instant) -> Result<(), (String, String)> {
        let Some(topic) = &self.topic else {
            let line = Format::Log.render(content, Style::PLAIN);
            let printed = print(&line);
            return printed
                .map_err(|error| (format!("The message could not be printed: {error}"), line));
        };
        self.publish_to(topic, Message::new(content, self.format), until)
            .await
    }

    /// Sends `digest` to the topic, or prints it for want of one. The error says why
    /// not, and holds the message.
    pub(super) async fn send_digest(
        &self,
        digest: &Digest,
        until: Instant,
    ) -> Result<(), (String, String)> {
        let Some(topic) = &self.topic else {
            let line = digest.line();
            let printed = print(&line);
            return printed
                .map_err(|error| (format!("The digest could not be printed: {error}"), line));
        };
        let message = digest.message(self.format);
        self.publish_to(topic, message, until).await
    }

    async fn publish_to(
        &self,
        topic: &Topic,
        message: Message,
        until: Instant,
    ) -> Result<(), (String, String)> {
        let publication = Publication {
            subject: &message.subject,
            body: &message.body,
            per_protocol: message.per_protocol,
            attributes: &message.attributes,
            group: &message.group,
            deduplication: &message.deduplication,
        };
        let publishing = topic.publish(&self.session, publication);
        let published = within(topic.arn(), publishing, until).await;
        published.map_err(|why| (why, message.body))
    }

    async fn put_event(
        &self,
        bus: &EventBus,
        content: &Content,
        until: Instant,
    ) -> Result<(), (String, String)> {
        let detail = content.event.within(DETAIL_BYTES);
        let entry = Entry {
            source: SOURCE,
            detail_type: &content.event.detail_type(),
            resources: &content.event.resources,
            detail: &detail,
        };
        let put = within(bus.name(), bus.put(&self.session, entry), until).await;
        put.map_err(|why| (why, detail))
    }

    /// The id of the incident's OpsItem, where it has one then.
    async fn put_ops_item(
        &self,
        center: &OpsCenter,
        content: &Content,
        id: Option<&str>,
        until: Instant,
    ) -> Result<Option<String>, (String, String)> {
        let (title, description) = (ops_item::title(content), ops_item::description(content));
        let item = ops_item_of(content, &title, &description);
        let put = within("OpsCenter", center.put(&self.session, id, item), until).await;
        put.map_err(|why| (why, description))
    }
}

/// What the incident's OpsItem is to be.
fn ops_item_of<'a>(content: &'a Content, title: &'a str, description: &'a str) -> OpsItem<'a> {
    OpsItem {
        source: SOURCE,
        title,
        description,
        severity: ops_item::severity(content),
        category: ops_item::CATEGORY,
        incident: &content.key,
        resources: &content.event.resources,
        status: ops_item::is_open(content).map(|is_open| match is_open {
            true => Status::Open,
            false => Status::Resolved,
        }),
    }
}

/// The error says why `channel` did not take what `sending` sends.
async fn within<T>(
    channel: &str,
    sending: impl Future<Output = Result<T, CallError>>,
    until: Instant,
) -> Result<T, String> {
    match timeout_at(until, sending).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{channel} did not take it: {error}")),
        Err(_) => Err(format!("{channel} did not take it in the time left")),
    }
}

/// The messages of one invocation: decided and claimed together, sent side by side.
#[derive(Debug)]
pub(super) struct Notifications<'a, A, S, C> {
    pub services: &'a Arc<A>,
    /// Of what is less severe no message is sent.
    pub min_severity: Severity,
    pub incidents: &'a mut Incidents,
    pub state: &'a S,
    pub times: Times<C>,
    /// Nothing is sent after its end.
    pub budget: Budget,
    pub metrics: &'a Metrics,
    /// Why the state is not used: then other environments may send the same.
    pub without_state: Option<&'a str>,
    /// What could not be sent. It is notified again when the batch is retried.
    pub undelivered: Vec<UndeliveredNotification>,
}

/// An incident after planning and repairing, with what its reader learns of it.
#[derive(Debug)]
pub(super) struct Settled {
    pub incident: Incident,
    pub plan: PlanSummary,
    pub outcome: Outcome,
    pub happened: Happened,
    /// All nodes that it hits, those of earlier batches too.
    pub nodes: NodeList,
    /// Its oldest evidence.
    pub since: Timestamp,
    pub notified: Notified,
}

/// A message that is due, written only when it is about to be sent: a thousand
/// of them at once would take a thousand times the memory.
enum Due<'m> {
    Of(&'m Settled, NotifyReason),
    ResolvedIncident(&'m ResolvedIncident),
}

impl<A: Services, S: Store, C: Fn() -> Timestamp> Notifications<'_, A, S, C> {
    /// Decides on every incident, then sends what is to be notified, and marks it as
    /// notified once it is out.
    pub(super) async fn tell(&mut self, settled: &mut [Settled]) -> Result<(), StateError> {
        let min_severity = self.min_severity;
        let incidents: Vec<(&Incident, Happened)> = (settled.iter())
            .map(|one| (&one.incident, one.happened))
            .collect();
        // What was, or may have been, written in the account is notified whatever its
        // severity.
        let is_sent = |place: usize, decision: &Decision| {
            let one: &Settled = &settled[place];
            decision.severity >= min_severity
                || wrote(one.outcome.status)
                || one.happened.perhaps_ours
        };
        let decisions = (self.incidents)
            .decide_all(&incidents, is_sent, self.state, &self.times)
            .await?;
        let is_sent: Vec<bool> = (decisions.iter().enumerate())
            .map(|(place, decision)| is_sent(place, decision))
            .collect();
        let mut due: Vec<(usize, NotifyReason)> = Vec::new();
        for (place, (decision, is_sent)) in decisions.into_iter().zip(is_sent).enumerate() {
            let one = &mut settled[place];
            one.incident.severity = decision.severity;
            one.nodes = decision.nodes;
            one.since = decision.since;
            one.notified = match decision.notify {
                _ if !is_sent => Notified::BelowThreshold,
                NotifyDecision::Suppress => Notified::Suppressed,
                NotifyDecision::Send(why) => {
                    due.push((place, why));
                    Notified::Failed
                }
                NotifyDecision::Wait => {
                    self.undelivered.push(awaited(one.name()));
                    Notified::Failed
                }
            };
        }
        let messages = due
            .iter()
            .map(|(place, why)| Due::Of(&settled[*place], *why));
        let sent = self.send(messages.collect()).await;
        for ((place, _), notified) in due.into_iter().zip(sent) {
            settled[place].notified = notified;
        }
        Ok(())
    }

    /// Closes what `recovered` puts an end to, and notifies of what is over.
    pub(super) async fn recover(&mut self, recovered: &[Recovered]) -> Result<(), StateError> {
        let (over, waiting) = (self.incidents)
            .recover_all(recovered, self.state, &self.times)
            .await?;
        let waiting = waiting
            .iter()
            .map(|over| name(&over.title, over.nodes.count));
        self.undelivered.extend(waiting.map(awaited));
        self.send(over.iter().map(Due::ResolvedIncident).collect())
            .await;
        Ok(())
    }

    /// Notifies again of what is open still and was notified long ago, unless all of its
    /// nodes are `idle`.
    pub(super) async fn remind(&mut self, idle: &[&Node]) -> Result<(), StateError> {
        let open = (self.incidents)
            .remind_all(idle, self.state, &self.times)
            .await?;
        let (plan, outcome) = build::untouched("This reminds of what is open.");
        let settled = open.into_iter().map(|one| Settled {
            incident: one.incident,
            plan: plan.clone(),
            outcome: outcome.clone(),
            happened: Happened {
                written_at: one.written_at,
                ..State::Open.into()
            },
            nodes: one.nodes,
            since: one.since,
            notified: Notified::Failed,
        });
        let settled: Vec<Settled> = settled.collect();
        let due = settled
            .iter()
            .map(|one| Due::Of(one, NotifyReason::Reminder));
        self.send(due.collect()).await;
        Ok(())
    }

    /// Sends `messages`, several at a time while there is time for another one,
    /// and gives what became of each.
    async fn send(&mut self, messages: Vec<Due<'_>>) -> Vec<Notified> {
        let mut became = vec![Notified::Failed; messages.len()];
        let mut waiting = messages.iter().enumerate();
        let mut sending = JoinSet::new();
        let mut under_way: HashMap<tokio::task::Id, (usize, String, String)> = HashMap::new();
        let mut out = Vec::new();
        loop {
            while sending.len() < SIDE_BY_SIDE && Instant::now() < self.budget.last_message {
                let Some((place, due)) = waiting.next() else {
                    break;
                };
                let content = due.content((self.times.clock)(), self.without_state);
                let (services, until) = (Arc::clone(self.services), self.budget.messages);
                let subject = subject(&content);
                let metric = Metrics::of_message(&content);
                let (key, why) = due.identity();
                let earlier = self.incidents.earlier(key, why, (self.times.clock)());
                let task =
                    sending.spawn(async move { services.send(&content, &earlier, until).await });
                under_way.insert(task.id(), (place, subject, metric));
            }
            let (id, sent): (_, Sent) = match sending.join_next_with_id().await {
                None => break,
                Some(Ok(sent)) => sent,
                Some(Err(error)) => {
                    let why = "Sending it ended in a fault of this function".to_owned();
                    let sent = Sent {
                        notified: Notified::Failed,
                        reached: Vec::new(),
                        failed: vec![(why, String::new())],
                        ops_item: None,
                    };
                    (error.id(), sent)
                }
            };
            let Some((place, subject, metric)) = under_way.remove(&id) else {
                continue;
            };
            let (key, why) = messages[place].identity();
            became[place] = sent.notified;
            if sent.failed.is_empty() {
                self.metrics.add(metric, 1);
            }
            out.push(Delivery {
                key: key.to_owned(),
                why,
                reached: sent.reached,
                is_complete: sent.failed.is_empty(),
                ops_item: sent.ops_item,
            });
            let undelivered = sent.failed.into_iter();
            self.undelivered
                .extend(undelivered.map(|(why, text)| UndeliveredNotification {
                    why,
                    subject: subject.clone(),
                    text,
                }));
            // As soon as they are out, but together where many are.
            if out.len() >= SIDE_BY_SIDE || sending.is_empty() {
                self.settle(&mut out).await;
            }
        }
        out.extend(waiting.clone().map(|(_, due)| {
            let (key, why) = due.identity();
            Delivery {
                key: key.to_owned(),
                why,
                reached: Vec::new(),
                is_complete: false,
                ops_item: None,
            }
        }));
        self.settle(&mut out).await;
        self.undelivered
            .extend(waiting.map(|(_, due)| UndeliveredNotification {
                why: "No time was left in this invocation to send it".to_owned(),
                subject: due.name(),
                text: String::new(),
            }));
        became
    }

    /// Writes down what became of messages. Where that fails, a message may come again.
    async fn settle(&mut self, out: &mut Vec<Delivery>) {
        let now = (self.times.clock)();
        let settled = (self.incidents).settle_claims(out, self.state, now);
        if let Err(error) = settled.await {
            log(
                LogLevel::Warn,
                format_args!(
                    "what was notified could not be written down and may be notified again: {error}"
                ),
            );
        }
        out.clear();
    }
}

impl Settled {
    pub(super) fn report(self) -> IncidentReport {
        let Self {
            incident,
            plan,
            outcome,
            nodes,
            notified,
            ..
        } = self;
        build::incident(&incident, &nodes, &plan, &outcome, notified)
    }

    /// What stands for the subject of its message when there is no time to write it.
    fn name(&self) -> String {
        name(&self.incident.title, self.nodes.count)
    }
}

/// The message `subject`, which another environment was about to send.
fn awaited(subject: String) -> UndeliveredNotification {
    UndeliveredNotification {
        why: "Another execution environment was about to notify of the incident and did not come to an end".to_owned(),
        subject,
        text: String::new(),
    }
}

fn name(title: &str, nodes: usize) -> String {
    format!("{} ({nodes} nodes)", redact_line(title))
}

impl Due<'_> {
    fn content(&self, now: Timestamp, without_state: Option<&str>) -> Content {
        let mut content = match self {
            Self::Of(one, why) => Content::of(
                &one.incident,
                &one.nodes,
                &one.plan,
                &one.outcome,
                NotificationKind::of(*why, one.happened),
                one.since,
                Some(now),
            ),
            Self::ResolvedIncident(over) => Content::resolved(over, now),
        };
        if let Self::Of(one, NotifyReason::Reminder) = self
            && let (OutcomeStatus::None, Some(at)) = (one.outcome.status, one.happened.written_at)
        {
            content.changed = earlier(at);
        }
        if matches!(self, Self::Of(_, NotifyReason::Flapping)) {
            content.add_detail("It has come back several times within a day. Until it keeps away for a day, its further ends and returns are not notified.");
        }
        if let Some(why) = without_state {
            content.add_detail(&format!("This message may come more than once: {why}."));
        }
        content
    }

    /// The incident's key, and why it is notified.
    fn identity(&self) -> (&str, NotifyReason) {
        match self {
            Self::Of(one, why) => (&one.incident.key, *why),
            Self::ResolvedIncident(over) => (&over.key, NotifyReason::Resolved),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Of(one, _) => one.name(),
            Self::ResolvedIncident(over) => name(&over.title, over.nodes.count),
        }
    }
}

/// Whether a write was sent.
pub(super) fn wrote(status: OutcomeStatus) -> bool {
    match status {
        OutcomeStatus::Repaired | OutcomeStatus::Failed | OutcomeStatus::Unverified => true,
        OutcomeStatus::None
        | OutcomeStatus::DryRun
        | OutcomeStatus::AlreadyRight
        | OutcomeStatus::Refused
        | OutcomeStatus::Capped => false,
    }
}
