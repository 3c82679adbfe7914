//! A repair that a person asks for: whoever may invoke the function decides in place of
//! the log; every other lock stands.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::HandlerError;
use super::invocation::{Invocation, Services};
use super::notifier::Settled;
use crate::cause::Cause;
use crate::diagnose::by_id::{diagnose_by_id, finding_of};
use crate::diagnose::diagnosis::Diagnosis;
use crate::finding::SourceSummary;
use crate::incident::store::Incidents;
use crate::node::{IdSource, Node, NodeId};
use crate::repair::outcome::OutcomeStatus;
use crate::repair::repairs::Repair;
use crate::report::{RepairReport, Report, build};
use crate::state::Store;
use crate::text::redact::redact_line;

impl<C: Fn() -> Timestamp + Copy> Invocation<C> {
    /// Repairs what `node` shows of the cause of `repair`, where a check proves it. The
    /// incident is notified of as from a log.
    pub(super) async fn repair<A: Services, S: Store>(
        &self,
        repair: &Repair,
        node: NodeId,
        services: &Arc<A>,
        state: &S,
    ) -> Result<Report, HandlerError> {
        let home = &self.home;
        let node = Node {
            id: node,
            id_source: IdSource::Caller,
            account: home.account.clone(),
            region: home.region.clone(),
        };
        let mut asked = finding_of(node, self.now);
        // Whatever else is wrong. Without knowing whether anything else gives the node
        // credentials nothing is sure.
        let matters = [
            repair.cause,
            Cause::NoInstanceProfile,
            Cause::DhmcNotConfigured,
            Cause::NodeSilent,
        ];
        asked.candidates.retain(|cause| matters.contains(cause));
        let facts = (services.look(slice::from_ref(&asked), home, Duration::ZERO, self)).await;
        let diagnosed = diagnose_by_id(asked, &facts, home);
        let proved = diagnosed.diagnosis.iter();
        let proved: Vec<Diagnosis> = proved
            .filter(|one| one.cause == repair.cause)
            .cloned()
            .collect();

        let mut known = Incidents::new(self.reminder, self.me);
        known.load_nodes(state, [&diagnosed.node], self.now).await?;
        let (settled, round) = self.notify_of(&proved, &mut known, services, state).await?;
        if !round.undelivered.is_empty() {
            return Err(HandlerError::UndeliveredNotification(round.undelivered));
        }
        let source = SourceSummary {
            account: home.account.as_ref().map(ToString::to_string),
            region: home.region.as_ref().map(ToString::to_string),
            ..SourceSummary::default()
        };
        let (status, detail) = match settled.first() {
            Some(one) => {
                let detail = one.outcome.detail.as_ref();
                (
                    one.outcome.status,
                    detail.unwrap_or(&one.plan.reason).clone(),
                )
            }
            None => (
                OutcomeStatus::None,
                format!(
                    "No check proves {}, so nothing was changed: `nodes` has the checks.",
                    repair.cause
                ),
            ),
        };
        let incidents = settled.into_iter().map(Settled::report).collect();
        Ok(Report {
            repair: Some(RepairReport {
                action: repair.name,
                node: diagnosed.node.id.to_string(),
                status,
                detail: redact_line(&detail),
            }),
            incidents,
            ..build::by_id(source, slice::from_ref(&diagnosed), &[])
        })
    }
}
