//! What an instance's console shows since its last start: the agent's own lines,
//! which are read as those of a log, and what the kernel and the system say of
//! a host that does not come up.
//!
//! A console keeps what was written long ago, and anybody on the host may write
//! to it: what it shows is likely at most.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;

use super::facts::ConsoleFacts;
use crate::batch::{Batch, Event, Source};
use crate::cause::{Cause, Confidence};
use crate::correlate::states::StreamState;
use crate::correlate::stream::StreamAnalyzer;
use crate::finding::{ErrorDetails, Evidence, Finding};
use crate::node::Node;
use crate::record::{Level, without_colours};
use crate::signature::{Matcher, builtin};
use crate::sort;

/// What a line of the kernel or the system means.
struct Sign {
    /// What it says of the host: a clause.
    says: &'static str,
    /// `None` where the agent may well go on.
    cause: Option<Cause>,
    /// A line has all of one of these.
    texts: &'static [&'static [&'static str]],
    /// No later line has one of these, with which it is over.
    over: &'static [&'static str],
}

/// The first is what explains the others.
const SIGNS: &[Sign] = &[
    Sign {
        says: "its kernel panicked",
        cause: Some(Cause::InstanceImpaired),
        texts: &[&["Kernel panic - not syncing"]],
        over: &[],
    },
    Sign {
        says: "it is in emergency mode",
        cause: Some(Cause::InstanceImpaired),
        texts: &[
            &["You are in emergency mode"],
            &["Give root password for maintenance"],
            &["Entering emergency mode"],
        ],
        over: &[],
    },
    Sign {
        says: "a file system was made read-only",
        cause: Some(Cause::HostReadOnly),
        texts: &[&["Remounting filesystem read-only"]],
        over: &[],
    },
    Sign {
        says: "a disk is full",
        cause: Some(Cause::HostDiskFull),
        texts: &[&["No space left on device"]],
        over: &[],
    },
    Sign {
        says: "its kernel ended the agent for want of memory",
        cause: Some(Cause::HostMemory),
        // The kernel cuts a name after 15 characters.
        texts: &[
            &["Out of memory", "(amazon-ssm-agen"],
            &["Out of memory", "(ssm-agent-worke"],
        ],
        over: &["Started amazon-ssm-agent"],
    },
    Sign {
        says: "its network did not come up",
        cause: Some(Cause::InstanceImpaired),
        texts: &[
            &["Failed to start", "Raise network interfaces"],
            &["Failed to start", "Bring up/down networking"],
            &["Failed to start", "Network Service"],
            &["No DHCPOFFERS received"],
        ],
        over: &["DHCPACK", "Reached target Network is Online"],
    },
    Sign {
        says: "the agent did not start",
        cause: Some(Cause::InstanceImpaired),
        texts: &[
            &["Failed to start", "amazon-ssm-agent"],
            &["amazon-ssm-agent.service", "Failed with result"],
            &[
                "amazon-ssm-agent.service",
                "Start request repeated too quickly",
            ],
        ],
        over: &["Started amazon-ssm-agent", "Started snap.amazon-ssm-agent"],
    },
    Sign {
        says: "cloud-init did not reach the metadata service",
        cause: Some(Cause::ImdsUnreachable),
        texts: &[
            &["169.254.169.254", "giving up"],
            &["giving up on md after"],
        ],
        over: &[],
    },
    Sign {
        says: "its kernel ended a process for want of memory",
        cause: None,
        texts: &[&["Out of memory", "Kill"]],
        over: &[],
    },
    Sign {
        says: "a step of cloud-init failed",
        cause: None,
        texts: &[
            &["cloud-init", "[ERROR]"],
            &["cloud-init", "Failed running"],
        ],
        over: &[],
    },
];

/// One thing that a console shows.
pub(super) struct Shown {
    /// A clause.
    pub says: &'static str,
    pub line: String,
    /// What it may mean for the agent.
    pub finding: Option<Finding>,
}

/// What `console` shows of `node`, what explains the others first. `now` stands
/// for a time that EC2 does not tell.
pub(super) fn read(node: &Node, console: &ConsoleFacts, now: Timestamp) -> Vec<Shown> {
    let text = without_colours(&console.text);
    let text = since_start(&text);
    let at = console.at.unwrap_or(now);
    let mut shown: Vec<Shown> = SIGNS
        .iter()
        .filter_map(|sign| seen(sign, node, text, at))
        .collect();
    let of_agent = agent_says(node, text, at).into_iter().map(|finding| Shown {
        says: "its agent says",
        line: finding
            .evidence
            .first()
            .map_or(String::new(), |one| one.text.clone()),
        finding: Some(finding),
    });
    shown.extend(of_agent);
    sort::by_key(&mut shown, |one| match &one.finding {
        // The agent itself tells it more exactly.
        Some(finding) => finding.candidates == [Cause::ImdsUnreachable],
        None => true,
    });
    shown
}

/// What the kernel wrote before it was started last is over.
fn since_start(text: &str) -> &str {
    let start = text.rfind("Linux version ");
    start.map_or(text, |at| &text[at..])
}

fn seen(sign: &Sign, node: &Node, text: &str, at: Timestamp) -> Option<Shown> {
    let is_it = |line: &&str| {
        let mut texts = sign.texts.iter();
        texts.any(|all| all.iter().all(|part| line.contains(part)))
    };
    let is_over = |line: &&str| sign.over.iter().any(|part| line.contains(part));
    let mut lines = text.lines().rev();
    let line = lines
        .find(|line| is_it(line) || is_over(line))
        .filter(is_it)?;
    let line = line.trim().to_owned();
    let finding = sign.cause.map(|cause| Finding {
        node: node.clone(),
        candidates: vec![cause],
        confidence: Confidence::Likely,
        severity: cause.severity(),
        error_details: ErrorDetails::default(),
        evidence: vec![Evidence {
            at,
            level: Level::Error,
            component: "console".to_owned(),
            text: line.clone(),
            place: None,
        }],
        signatures: Vec::new(),
        first: at,
        last: at,
        retry_in_seconds: None,
        fresh: true,
    });
    Some(Shown {
        says: sign.says,
        line,
        finding,
    })
}

/// The agent writes to the console that it has no credentials, and where the
/// journal goes there, all that it logs.
fn agent_says(node: &Node, text: &str, at: Timestamp) -> Vec<Finding> {
    static MATCHER: LazyLock<Matcher> = LazyLock::new(|| Matcher::new(builtin()));
    let batch = Batch {
        source: Source {
            account: node.account.clone(),
            region: node.region.clone(),
            caller_node: Some(node.id.clone()),
            complete: true,
            ..Source::default()
        },
        events: vec![Event {
            id: Cow::Borrowed(""),
            at: None,
            message: Cow::Borrowed(text),
        }],
    };
    let mut analyzer = StreamAnalyzer::new(&MATCHER, StreamState::default(), batch.source.clone());
    analyzer.analyze(&batch, at);
    let mut found = analyzer.finish().0.findings;
    found.retain(|finding| {
        finding.node.id == node.id && finding.candidates[0] != Cause::Unrecognised
    });
    found
}
