//! Records of one node that mean more together than each alone.

mod causes;
mod clock;
mod explain;
mod messages;
mod moved;
mod over;

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;

use crate::batch::{Batch, Event, Source};
use crate::cause::Cause;
use crate::correlate::states::StreamState;
use crate::correlate::stream::BatchAnalysis;
use crate::engine::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

fn batch(text: &str, complete: bool) -> Batch<'_> {
    Batch {
        source: Source {
            log_stream: "i-0123456789abcdef0".to_owned(),
            complete,
            ..Source::default()
        },
        events: vec![Event {
            id: Cow::Borrowed("1"),
            at: None,
            message: Cow::Borrowed(text),
        }],
    }
}

fn read(text: &str) -> BatchAnalysis {
    ENGINE.analyze(
        &mut StreamState::default(),
        &batch(text, true),
        Timestamp::UNIX_EPOCH,
    )
}

/// The causes that a log without an open fault has recovered from.
fn only_recovered(text: &str) -> Vec<Cause> {
    let analysis = read(text);
    assert_eq!(analysis.findings, []);
    let causes = analysis.recovered.iter().map(|recovered| recovered.cause);
    causes.collect()
}

/// `cause (confidence)` of every actionable finding.
fn actionable(reading: &BatchAnalysis) -> Vec<String> {
    reading
        .findings
        .iter()
        .filter(|finding| finding.severity.is_actionable())
        .map(|finding| format!("{} ({})", finding.candidates[0], finding.confidence))
        .collect()
}

const REFUSED: &str = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: connection refused\n";
const FORBIDDEN: &str = "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: 403 Forbidden: Forbidden\n\tstatus code: 403, request id: \ncaused by: EC2MetadataError: failed to make EC2Metadata request\n<html>\n <head>\n  <title>403 - Forbidden</title>\n </head>\n</html>\n\n\tstatus code: 403, request id: \n";
const NO_ROLE: &str = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: EC2RoleRequestError: no EC2 instance role found\n";
const NO_DHMC: &str = "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. ec2 instance not yet registered with Systems Manager\n";
const NO_CREDENTIALS: &str = "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: ec2 instance not yet registered with Systems Manager\n";

fn at(time: &str, record: &str) -> String {
    format!("2026-11-23 {time} {record}")
}
