//! Decides whether an incident speaks, and sends or prints its message.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::error::Untold;
use crate::aws::Session;
use crate::aws::sns::{Publication, Topic};
use crate::config::Config;
use crate::incident::cause::Severity;
use crate::incident::gather::Incident;
use crate::incident::store::{State, Store, Telling, Why};
use crate::notify::message::{Message, News};
use crate::notify::text;
use crate::report::{NodeReport, Notified, OutcomeReport, OutcomeStatus, PlanReport, Recovered};

/// Where messages go.
#[derive(Debug)]
pub struct Teller {
    /// Without a topic messages are printed.
    topic: Option<Topic>,
    session: Arc<Session>,
    min_severity: Severity,
}

impl Teller {
    /// Makes no connection before the first message.
    pub fn new(config: &Config, session: Arc<Session>) -> Self {
        Self {
            topic: config.topic.as_ref().map(|topic| Topic::new(&*topic.arn)),
            session,
            min_severity: config.min_severity,
        }
    }

    async fn send(&self, message: &Message, until: Instant) -> Result<Notified, String> {
        let Some(topic) = &self.topic else {
            return match print(message) {
                Ok(()) => Ok(Notified::Printed),
                Err(error) => Err(format!("The message could not be printed: {error}")),
            };
        };
        let publication = Publication {
            subject: &message.subject,
            body: &message.body,
            per_protocol: false,
            attributes: &message.attributes,
            group: &message.group,
            deduplication: &message.deduplication,
        };
        match timeout_at(until, topic.publish(&self.session, publication)).await {
            Ok(Ok(_)) => Ok(Notified::Sent),
            Ok(Err(error)) => Err(format!("{} did not take it: {error}", topic.arn())),
            Err(_) => Err(format!("{} did not take it in the time left", topic.arn())),
        }
    }
}

/// The messages of one invocation.
#[derive(Debug)]
pub struct Round<'a> {
    teller: &'a Teller,
    store: &'a mut Store,
    now: Timestamp,
    until: Instant,
    /// What could not be sent. It speaks again when the batch is retried.
    pub untold: Vec<Untold>,
}

impl<'a> Round<'a> {
    /// Nothing is sent after `until`.
    pub fn new(teller: &'a Teller, store: &'a mut Store, now: Timestamp, until: Instant) -> Self {
        Self {
            teller,
            store,
            now,
            until,
            untold: Vec::new(),
        }
    }

    /// Tells `incident`, after planning and repairing, when it has something
    /// to say, and gives all the nodes that it hits.
    pub async fn tell(
        &mut self,
        incident: &Incident,
        plan: &PlanReport,
        outcome: &OutcomeReport,
        state: State,
    ) -> (Vec<NodeReport>, Notified) {
        let decision = self.store.decide(incident, state, self.now);
        let notified = match decision.telling {
            // What was written in the account is told whatever its severity.
            _ if incident.severity < self.teller.min_severity && !wrote(outcome.status) => {
                Notified::Quiet
            }
            Telling::Suppress => Notified::Suppressed,
            Telling::Speak(why) => {
                let news = News::of(why, state);
                let nodes = &decision.nodes;
                let render = match self.teller.topic {
                    Some(_) => text::render,
                    None => text::render_for_log,
                };
                let message = render(incident, nodes, plan, outcome, news, self.now);
                self.send(message, &incident.key, why).await
            }
        };
        (decision.nodes, notified)
    }

    /// Closes what `recovered` puts an end to, and tells what is over.
    pub async fn recover(&mut self, recovered: &[Recovered]) {
        for over in self.store.recover(recovered) {
            if over.severity < self.teller.min_severity {
                self.store.mark_told(&over.key, Why::Over, self.now);
            } else {
                let message = text::render_over(&over, self.now);
                self.send(message, &over.key, Why::Over).await;
            }
        }
    }

    async fn send(&mut self, message: Message, key: &str, why: Why) -> Notified {
        match self.teller.send(&message, self.until).await {
            Ok(notified) => {
                self.store.mark_told(key, why, self.now);
                notified
            }
            Err(why) => {
                self.untold.push(Untold {
                    why,
                    subject: message.subject,
                    text: message.body,
                });
                Notified::Failed
            }
        }
    }
}

/// Whether a write was sent.
fn wrote(status: OutcomeStatus) -> bool {
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
fn print(message: &Message) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", message.log_line())?;
    out.flush()
}
