//! Reading the function's answer.

use serde_json::Value;

/// The incidents of a report.
pub(crate) fn incidents(report: &Value) -> &[Value] {
    assert_eq!(report["schema"], "ssm-agent-triage/report/1", "{report:#}");
    report["incidents"].as_array().map_or(&[], Vec::as_slice)
}

/// The only incident of a report.
pub(crate) fn only_incident(report: &Value) -> &Value {
    match incidents(report) {
        [incident] => incident,
        other => panic!("expected one incident, found {}: {report:#}", other.len()),
    }
}

/// The incident that affects `node`.
pub(crate) fn incident_of<'a>(report: &'a Value, node: &str) -> &'a Value {
    incidents(report)
        .iter()
        .find(|incident| nodes(incident).contains(&node))
        .unwrap_or_else(|| panic!("no incident affects {node}: {report:#}"))
}

/// The ids of the nodes that an incident affects.
pub(crate) fn nodes(incident: &Value) -> Vec<&str> {
    incident["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["id"].as_str())
        .collect()
}

/// `outcome.status` of an incident.
pub(crate) fn outcome(incident: &Value) -> &str {
    incident["outcome"]["status"].as_str().unwrap_or_default()
}

/// The reason of the plan for an incident.
pub(crate) fn reason(incident: &Value) -> &str {
    incident["plan"]["reason"].as_str().unwrap_or_default()
}

pub(crate) fn checks(incident: &Value) -> &[Value] {
    incident["checks"].as_array().map_or(&[], Vec::as_slice)
}

/// The status of one check of an incident.
pub(crate) fn check<'a>(incident: &'a Value, name: &str) -> Option<&'a str> {
    one_check(incident, name)?["status"].as_str()
}

/// The note of one check of an incident; empty where there is none.
pub(crate) fn note<'a>(incident: &'a Value, name: &str) -> &'a str {
    let check = one_check(incident, name);
    check.and_then(|check| check["note"].as_str()).unwrap_or("")
}

fn one_check<'a>(incident: &'a Value, name: &str) -> Option<&'a Value> {
    let mut checks = checks(incident).iter();
    checks.find(|check| check["check"] == name)
}

/// The command that switches the metadata service of `instance` off again.
pub(crate) fn undo_of(instance: &str) -> String {
    format!(
        "aws ec2 modify-instance-metadata-options --instance-id {instance} --http-endpoint disabled"
    )
}
