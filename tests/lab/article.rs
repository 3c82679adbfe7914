//! The article's own samples, exactly as printed, and the test events.

use std::borrow::Cow;

use jiff::Timestamp;
use ssm_agent_triage::batch::{Batch, Event, Source};
use ssm_agent_triage::cause::Confidence;
use ssm_agent_triage::correlate::states::StreamState;
use ssm_agent_triage::correlate::stream::BatchAnalysis;

use super::verdict::{ENGINE, candidates};

fn read(name: &str, pasted: bool) -> BatchAnalysis {
    let path = format!("{}/events/{name}.log", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let batch = Batch {
        source: Source {
            complete: true,
            pasted,
            ..Source::default()
        },
        events: vec![Event {
            id: Cow::Borrowed("1"),
            at: None,
            message: Cow::Owned(text),
        }],
    };
    ENGINE.analyze(&mut StreamState::default(), &batch, Timestamp::UNIX_EPOCH)
}

fn actionable(name: &str, pasted: bool) -> Vec<(String, Confidence)> {
    let reading = read(name, pasted);
    reading
        .findings
        .iter()
        .filter(|finding| finding.severity.is_actionable())
        .map(|finding| (candidates(finding), finding.confidence))
        .collect()
}

#[test]
fn every_sample_of_the_article_is_recognised_as_printed() {
    let guesses = "role-not-assumable,no-instance-profile,imds-disabled,imds-unreachable,stale-instance-profile";
    for (name, causes, confidence) in [
        (
            "article-metadata-service",
            "imds-unreachable,imds-disabled",
            Confidence::Likely,
        ),
        (
            "article-ssm-timeout",
            "endpoint-unreachable",
            Confidence::Likely,
        ),
        (
            "article-ec2messages-timeout",
            "endpoint-unreachable",
            Confidence::Likely,
        ),
        (
            "article-access-denied",
            "permission-missing,endpoint-policy-denies",
            Confidence::Likely,
        ),
        ("article-no-credentials", guesses, Confidence::Undetermined),
        ("article-throttled", "throttled", Confidence::Likely),
        (
            "article-role-not-assumable",
            guesses,
            Confidence::Undetermined,
        ),
        (
            "article-metadata-answer",
            "role-not-assumable,stale-instance-profile",
            Confidence::Likely,
        ),
    ] {
        for pasted in [false, true] {
            let says = actionable(name, pasted);
            assert_eq!(says, [(causes.to_owned(), confidence)], "{name}, {pasted}");
        }
    }
}

#[test]
fn the_samples_name_what_must_be_opened_or_granted() {
    let reading = read("article-ssm-timeout", false);
    let error_details = &reading.findings[0].error_details;
    assert_eq!(
        error_details.host.as_deref(),
        Some("ssm.ap-southeast-2.amazonaws.com")
    );
    assert_eq!(
        error_details
            .remote_ip
            .map(|address| address.to_string())
            .as_deref(),
        Some("172.31.24.65")
    );
    let reading = read("article-access-denied", false);
    assert_eq!(
        reading.findings[0].error_details.action.as_deref(),
        Some("ssm:UpdateInstanceInformation")
    );
    let reading = read("article-metadata-answer", false);
    assert_eq!(
        reading.findings[0].error_details.role.as_deref(),
        Some("profile-name")
    );
    let reading = read("article-role-not-assumable", false);
    assert_eq!(reading.findings[0].retry_in_seconds, Some(37));
}

#[test]
fn every_test_event_has_its_verdict() {
    for (name, first) in [
        ("imds-disabled", "imds-disabled"),
        ("imds-unreachable", "imds-unreachable"),
        ("role-not-assumable", "role-not-assumable"),
        ("no-credentials", "no-instance-profile"),
        ("permission-denied", "permission-missing"),
        ("throttled", "throttled"),
        ("endpoint-timeout", "endpoint-unreachable"),
    ] {
        let actionable = actionable(name, false);
        assert!(
            actionable.len() == 1 && actionable[0].0.split(',').next() == Some(first),
            "{name}: {actionable:?}"
        );
    }
    assert_eq!(actionable("healthy", false), []);
    let mixed: Vec<String> = actionable("mixed", false)
        .into_iter()
        .map(|(causes, _)| causes)
        .collect();
    assert!(
        mixed
            .iter()
            .any(|causes| causes.starts_with("permission-missing")),
        "{mixed:?}"
    );
    assert!(
        mixed.iter().any(|causes| causes.starts_with("throttled")),
        "{mixed:?}"
    );
}
