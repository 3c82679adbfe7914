//! Excerpts that people pasted somewhere: wrapped, masked and cut.

use super::shapes::at_once;
use super::verdict::{actionable, assert_none, fixture, summary};

#[derive(serde::Deserialize)]
struct Excerpt {
    id: String,
    labels: Vec<String>,
    lines: Vec<String>,
}

/// What a label lets a verdict name.
fn causes_of(label: &str) -> &'static [&'static str] {
    match label {
        "access_denied_update_instance_information" => &["permission-missing"],
        "assume_role_failed" => &[
            "role-not-assumable",
            "dhmc-role-broken",
            "permission-missing",
        ],
        "no_instance_profile" => &["no-instance-profile"],
        "dhmc_role_not_configured" => &[
            "dhmc-not-configured",
            "no-instance-profile",
            "permission-missing",
        ],
        "no_credentials" | "agent_hibernating" => &[
            "role-not-assumable",
            "no-instance-profile",
            "imds-disabled",
            "imds-unreachable",
            "permission-missing",
        ],
        _ => &[],
    }
}

#[test]
fn excerpts_agree_with_what_was_known() {
    let mut wrong = Vec::new();
    for row in fixture("wild/wild.jsonl").lines() {
        let excerpt: Excerpt = serde_json::from_str(row).expect("a row of wild.jsonl");
        let reading = at_once(&excerpt.lines);
        let verdict = actionable(&reading);
        let quiet = excerpt
            .labels
            .iter()
            .any(|l| matches!(l.as_str(), "benign" | "healthy" | "not_ssm_agent"));
        let fault = if quiet {
            (!verdict.is_empty()).then_some("is actionable")
        } else {
            let known: Vec<&str> = excerpt
                .labels
                .iter()
                .flat_map(|label| causes_of(label))
                .copied()
                .collect();
            let named = verdict
                .iter()
                .any(|actionable| actionable.0.iter().any(|cause| known.contains(cause)));
            (!named).then_some("does not name the cause")
        };
        if let Some(fault) = fault {
            wrong.push(format!(
                "{} {:?} {fault}: says {:?}",
                excerpt.id,
                excerpt.labels,
                summary(&reading)
            ));
        }
    }
    assert_none(&wrong);
}
