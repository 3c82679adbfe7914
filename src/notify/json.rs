//! Incidents as the report has them: redacted, whole, for a program to read.

use super::quote;
use super::redact::redact_line;
use crate::advice::{self, Step};
use crate::incident::gather::Incident;
use crate::report::{
    EvidenceReport, IncidentReport, NodeReport, Notified, OutcomeReport, PlanReport,
    SignatureReport, Unrecognised,
};

/// What the report says of an incident that hits `nodes`.
pub fn incident(
    incident: &Incident,
    nodes: Vec<NodeReport>,
    plan: &PlanReport,
    outcome: &OutcomeReport,
    notified: Notified,
) -> IncidentReport {
    IncidentReport {
        key: incident.key.clone(),
        cause: incident.cause,
        candidates: incident.candidates.clone(),
        scope: incident.scope.clone(),
        severity: incident.severity,
        confidence: incident.confidence,
        title: redact_line(&incident.title),
        nodes,
        signatures: incident
            .signatures
            .iter()
            .map(|seen| SignatureReport {
                id: seen.id.clone(),
                count: seen.count,
                first: seen.first,
                last: seen.last,
            })
            .collect(),
        evidence: incident
            .evidence
            .iter()
            .map(|record| EvidenceReport {
                time: record.at,
                level: record.level.to_owned(),
                component: redact_line(&record.component),
                text: quote::record(&record.text),
                place: record.place.clone(),
            })
            .collect(),
        checks: incident.checks.iter().map(|check| check.report()).collect(),
        plan: plan.clone(),
        outcome: outcome.clone(),
        advice: advice::advise(incident, outcome)
            .steps
            .iter()
            .map(Step::line)
            .collect(),
        retry_in_seconds: incident.retry_in_seconds,
        detail: incident.detail.as_deref().map(redact_line),
        notified,
    }
}

/// The nodes of an incident, sorted as it has them.
pub fn nodes(incident: &Incident) -> Vec<NodeReport> {
    incident
        .nodes()
        .map(|node| NodeReport {
            id: node.id.to_string(),
            kind: node.id.kind(),
            account: node.account.as_ref().map(ToString::to_string),
            region: node.region.as_ref().map(ToString::to_string),
        })
        .collect()
}

/// Records that nothing recognised are the agent's and its users' own words:
/// they leave redacted.
pub fn unrecognised(found: Vec<Unrecognised>) -> Vec<Unrecognised> {
    found
        .into_iter()
        .map(|unknown| Unrecognised {
            template: redact_line(&unknown.template),
            count: unknown.count,
            example: quote::record(&unknown.example),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::sample;
    use crate::incident::cause::Cause;

    #[test]
    fn no_secret_reaches_the_report() {
        let secret = "AKIAIOSFODNN7EXAMPLE";
        let mut told = sample::incident(Cause::PermissionMissing);
        told.title = format!("The role {secret} lacks a permission");
        told.detail = Some(format!("with {secret}"));
        for evidence in &mut told.evidence {
            evidence.text.push_str(secret);
        }
        let plan = PlanReport {
            kind: "advise",
            action: None,
            reason: String::new(),
        };
        let report = incident(
            &told,
            nodes(&told),
            &plan,
            &sample::nothing_done(),
            Notified::Printed,
        );
        let unknown = unrecognised(vec![Unrecognised {
            template: format!("could not use {secret}"),
            count: 1,
            example: format!("could not use {secret}"),
        }]);
        let json = serde_json::to_string(&(report, unknown)).unwrap();
        assert!(!json.contains(secret), "{json}");
    }
}
