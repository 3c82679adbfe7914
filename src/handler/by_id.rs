//! Nodes of which no log is at hand: read, judged and answered. Nothing is written,
//! and no message is sent.

use std::time::Duration;

use super::invocation::{Invocation, Services};
use crate::diagnose::by_id::{NodeDiagnosis, diagnose_by_id, finding_of};
use crate::finding::{Finding, SourceSummary};
use crate::incident::group::group_into_incidents;
use crate::node::{IdSource, Node, NodeId};
use crate::report::{Report, build};

impl<C> Invocation<C> {
    /// What live state says of `nodes`, which are at home.
    pub(super) async fn diagnose_by_id<A: Services>(
        &self,
        nodes: Vec<NodeId>,
        services: &A,
    ) -> Report {
        let home = &self.home;
        let asked = nodes.into_iter().map(|id| {
            let node = Node {
                id,
                id_source: IdSource::Caller,
                account: home.account.clone(),
                region: home.region.clone(),
            };
            finding_of(node, self.now)
        });
        let asked: Vec<Finding> = asked.collect();
        let facts = services.look(&asked, home, Duration::ZERO, self).await;
        let diagnosed = asked.into_iter();
        let diagnosed: Vec<NodeDiagnosis> = diagnosed
            .map(|asked| diagnose_by_id(asked, &facts, home))
            .collect();
        let wrong = diagnosed.iter().filter_map(|one| one.diagnosis.clone());
        let incidents = group_into_incidents(wrong.collect());
        let source = SourceSummary {
            account: home.account.as_ref().map(ToString::to_string),
            region: home.region.as_ref().map(ToString::to_string),
            ..SourceSummary::default()
        };
        build::by_id(source, &diagnosed, &incidents)
    }
}
