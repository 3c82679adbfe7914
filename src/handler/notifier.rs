//! Decides whether an incident is notified, and sends or prints its message.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::budget::Budget;
use super::error::UndeliveredNotification;
use crate::aws::Session;
use crate::aws::sns::{Publication, Topic};
use crate::cause::Severity;
use crate::config::Config;
use crate::finding::Recovered;
use crate::incident::group::Incident;
use crate::incident::nodes::NodeList;
use crate::incident::store::{Happened, NotifyDecision, NotifyReason, ResolvedIncident, Store};
use crate::notify::content::Content;
use crate::notify::format::Format;
use crate::notify::kind::NotificationKind;
use crate::notify::message::{Message, subject};
use crate::notify::page::Style;
use crate::repair::outcome::{Outcome, OutcomeStatus};
use crate::repair::plan::PlanSummary;
use crate::report::Notified;
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
    session: Arc<Session>,
    min_severity: Severity,
}

impl Notifier {
    /// Makes no connection before the first message.
    pub(super) fn new(config: &Config, session: Arc<Session>) -> Self {
        Self {
            topic: config.topic.as_ref().map(|topic| Topic::new(&*topic.arn)),
            session,
            min_severity: config.min_severity,
        }
    }

    /// The error says why, and holds the message.
    async fn send(&self, content: &Content, until: Instant) -> Result<Notified, (String, String)> {
        let Some(topic) = &self.topic else {
            let line = Format::Log.render(content, Style::PLAIN);
            return match print(&line) {
                Ok(()) => Ok(Notified::Printed),
                Err(error) => Err((format!("The message could not be printed: {error}"), line)),
            };
        };
        let message = Message::new(content, Format::Mail.render(content, Style::PLAIN));
        let publication = Publication {
            subject: &message.subject,
            body: &message.body,
            attributes: &message.attributes,
            group: &message.group,
            deduplication: &message.deduplication,
        };
        let why = match timeout_at(until, topic.publish(&self.session, publication)).await {
            Ok(Ok(())) => return Ok(Notified::Sent),
            Ok(Err(error)) => format!("{} did not take it: {error}", topic.arn()),
            Err(_) => format!("{} did not take it in the time left", topic.arn()),
        };
        Err((why, message.body))
    }
}

/// The messages of one invocation: decided one after another, sent side by side.
#[derive(Debug)]
pub(super) struct Notifications<'a> {
    notifier: &'a Arc<Notifier>,
    store: &'a mut Store,
    now: Timestamp,
    budget: Budget,
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

impl<'a> Notifications<'a> {
    /// Nothing is sent after the end of `budget`.
    pub(super) fn new(
        notifier: &'a Arc<Notifier>,
        store: &'a mut Store,
        now: Timestamp,
        budget: Budget,
    ) -> Self {
        Self {
            notifier,
            store,
            now,
            budget,
            undelivered: Vec::new(),
        }
    }

    /// Takes note of every incident in its turn, then sends what has something
    /// to say, and marks it as notified as soon as it is out.
    pub(super) async fn tell(&mut self, settled: &mut [Settled]) {
        let mut due: Vec<(usize, NotifyReason)> = Vec::new();
        for (place, one) in settled.iter_mut().enumerate() {
            let decision = self.store.decide(&one.incident, one.happened, self.now);
            one.incident.severity = decision.severity;
            one.nodes = decision.nodes;
            one.since = decision.since;
            one.notified = match decision.notify {
                // What was, or may have been, written in the account is
                // notified whatever its severity.
                _ if decision.severity < self.notifier.min_severity
                    && !wrote(one.outcome.status)
                    && !one.happened.perhaps_ours =>
                {
                    Notified::BelowThreshold
                }
                NotifyDecision::Suppress => Notified::Suppressed,
                NotifyDecision::Send(why) => {
                    due.push((place, why));
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
    }

    /// Closes what `recovered` puts an end to, and tells what is over.
    pub(super) async fn recover(&mut self, recovered: &[Recovered]) {
        let over = self.store.recover(recovered);
        let (quiet, due): (Vec<&ResolvedIncident>, Vec<&ResolvedIncident>) = over
            .iter()
            .partition(|over| over.severity < self.notifier.min_severity);
        for over in quiet {
            self.store
                .mark_notified(&over.key, NotifyReason::Resolved, self.now);
        }
        self.send(due.into_iter().map(Due::ResolvedIncident).collect())
            .await;
    }

    /// Sends `messages`, several at a time while there is time for another one,
    /// and gives what became of each.
    async fn send(&mut self, messages: Vec<Due<'_>>) -> Vec<Notified> {
        let mut became = vec![Notified::Failed; messages.len()];
        let mut waiting = messages.iter().enumerate();
        let mut sending = JoinSet::new();
        let mut under_way: HashMap<tokio::task::Id, (usize, String)> = HashMap::new();
        loop {
            while sending.len() < SIDE_BY_SIDE && Instant::now() < self.budget.last_message {
                let Some((place, due)) = waiting.next() else {
                    break;
                };
                let content = due.content(self.now);
                let (notifier, until) = (Arc::clone(self.notifier), self.budget.messages);
                let subject = subject(&content);
                let task = sending.spawn(async move { notifier.send(&content, until).await });
                under_way.insert(task.id(), (place, subject));
            }
            let (id, sent) = match sending.join_next_with_id().await {
                None => break,
                Some(Ok((id, sent))) => (id, sent),
                Some(Err(error)) => {
                    let why = "Sending it ended in a fault of this function".to_owned();
                    (error.id(), Err((why, String::new())))
                }
            };
            let Some((place, subject)) = under_way.remove(&id) else {
                continue;
            };
            match sent {
                Ok(notified) => {
                    let (key, why) = messages[place].identity();
                    self.store.mark_notified(key, why, self.now);
                    became[place] = notified;
                }
                Err((why, text)) => {
                    self.undelivered
                        .push(UndeliveredNotification { why, subject, text })
                }
            }
        }
        self.undelivered
            .extend(waiting.map(|(_, due)| UndeliveredNotification {
                why: "No time was left in this invocation to send it".to_owned(),
                subject: due.name(),
                text: String::new(),
            }));
        became
    }
}

impl Due<'_> {
    fn content(&self, now: Timestamp) -> Content {
        match self {
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
        }
    }

    /// The incident's key, and why it is notified.
    fn identity(&self) -> (&str, NotifyReason) {
        match self {
            Self::Of(one, why) => (&one.incident.key, *why),
            Self::ResolvedIncident(over) => (&over.key, NotifyReason::Resolved),
        }
    }

    /// What stands for its subject when there is no time to write it.
    fn name(&self) -> String {
        let (title, nodes) = match self {
            Self::Of(one, _) => (&one.incident.title, one.nodes.count),
            Self::ResolvedIncident(over) => (&over.title, over.nodes.count),
        };
        format!("{} ({nodes} nodes)", redact_line(title))
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

/// Unlike `println!` this does not panic when nobody reads.
fn print(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
