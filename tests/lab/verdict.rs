//! What a reading says, in the terms of the lab's tables.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ssm_agent_triage::cause::Confidence;
use ssm_agent_triage::correlate::stream::BatchAnalysis;
use ssm_agent_triage::engine::Engine;
use ssm_agent_triage::finding::Finding;

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

pub(crate) fn fixture(path: &str) -> String {
    let path = format!("{}/tests/fixtures/lab/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Empty where the case wrote no such file.
pub(crate) fn optional_fixture(path: &str) -> String {
    let path = format!("{}/tests/fixtures/lab/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// An actionable finding as the lab counts it: by its cause, or by any candidate while undetermined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Actionable(pub BTreeSet<&'static str>);

impl std::fmt::Display for Actionable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let causes: Vec<&str> = self.0.iter().copied().collect();
        f.write_str(&causes.join("|"))
    }
}

pub(crate) fn actionable(reading: &BatchAnalysis) -> Vec<Actionable> {
    reading
        .findings
        .iter()
        .filter(|finding| finding.severity.is_actionable())
        .map(counted)
        .collect()
}

fn counted(finding: &Finding) -> Actionable {
    let causes = match finding.confidence {
        Confidence::Undetermined => finding.candidates.as_slice(),
        Confidence::Likely | Confidence::Confirmed => &finding.candidates[..1],
    };
    Actionable(causes.iter().map(|cause| cause.as_str()).collect())
}

/// The candidates of a finding, the likeliest first.
pub(crate) fn candidates(finding: &Finding) -> String {
    let causes = finding.candidates.iter().map(|cause| cause.as_str());
    causes.collect::<Vec<_>>().join(",")
}

/// Fails with all that is wrong, a line for each.
pub(crate) fn assert_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// One line per finding, for people and for the golden file.
pub(crate) fn summary(reading: &BatchAnalysis) -> Vec<String> {
    let mut lines: Vec<String> = reading
        .findings
        .iter()
        .map(|finding| {
            let causes = candidates(finding);
            format!("{} {} {causes}", finding.severity, finding.confidence)
        })
        .collect();
    lines.extend(
        reading
            .recovered
            .iter()
            .map(|over| format!("recovered {}", over.cause)),
    );
    lines
}
