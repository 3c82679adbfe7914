//! `diagnose`: the verdict on nodes of which no log is at hand.

mod card;
mod html;

use crate::diagnose::Needs;
use crate::diagnose::by_id::{NodeDiagnosis, diagnose_by_id, finding_of};
use crate::finding::{Finding, SourceSummary};
use crate::incident::group::group_into_incidents;
use crate::node::{IdSource, Node, NodeId};
use crate::report::build;
use clap::Args as ClapArgs;

use jiff::Timestamp;

use crate::cli::arguments::{Format, node, one_of};
use crate::cli::live::{self, Access, Caller};
use crate::cli::terminal::{Style, hint};
use crate::cli::{Output, UNREADABLE};

/// Says what is wrong with nodes by live state alone, without their logs.
///
/// Runs every check with your own credentials, read-only: does the node run, has it credentials,
/// may they call Systems Manager, can it reach it, has it reported. Needs a build with the AWS
/// clients.
///
/// Credentials come from the environment, the shared configuration files (keys, a role to assume,
/// SSO, a credential process), or the container or instance the tool runs on.
///
/// Exit status: 0 nothing of severity medium or above, 1 something, 2 a node was not found or
/// could not be read.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  ssm-agent-triage diagnose i-0123456789abcdef0
  ssm-agent-triage diagnose i-0123456789abcdef0 mi-0123456789abcdef0 --profile ops --region eu-central-1
  ssm-agent-triage diagnose i-0123456789abcdef0 --format html > page.html
  ssm-agent-triage diagnose i-0123456789abcdef0 --format json | jq '.nodes[].status'")]
pub(super) struct Args {
    /// Ids of EC2 instances or hybrid nodes, all of one account and Region.
    #[arg(value_name = "ID", required = true, value_parser = node)]
    nodes: Vec<NodeId>,
    #[command(flatten)]
    access: Access,
    /// A card with every check of each node, the same as a page for a browser, or the report as
    /// the function answers it.
    #[arg(long, default_value_t = Format::Text, value_parser = one_of(Format::ALL, Format::as_str))]
    format: Format,
}

/// What was read of all nodes.
struct Reading {
    caller: Caller,
    diagnosed: Vec<NodeDiagnosis>,
}

/// Reads live state and tells; the error is a sentence for standard error.
pub(super) fn run(args: &Args) -> Result<Output, String> {
    let mut ids = args.nodes.clone();
    ids.sort();
    ids.dedup();
    let now = Timestamp::now();
    let mut asked: Vec<Finding> = Vec::new();
    let (caller, facts) = live::read(&args.access, |caller| {
        asked.extend(ids.into_iter().map(|id| {
            let node = Node {
                id,
                id_source: IdSource::Caller,
                account: caller.home.account.clone(),
                region: Some(caller.region.clone()),
            };
            finding_of(node, now)
        }));
        Needs::of(&asked, &caller.home)
    })?;
    let diagnosed = asked.into_iter();
    let diagnosed = diagnosed.map(|asked| diagnose_by_id(asked, &facts, &caller.home));
    let reading = Reading {
        diagnosed: diagnosed.collect(),
        caller,
    };
    let output = tell(&reading, args.format, Style::of_standard_output(), now);
    Ok(output.and(hint(args.format)))
}

fn tell(reading: &Reading, format: Format, style: Style, now: Timestamp) -> Output {
    let wrong = (reading.diagnosed.iter()).filter_map(|one| one.diagnosis.clone());
    let incidents = group_into_incidents(wrong.collect());
    let mut unknown = reading
        .diagnosed
        .iter()
        .filter(|one| one.status.is_unknown());
    let actionable = incidents.iter().any(|one| one.severity.is_actionable());
    let status = match (unknown.next(), actionable) {
        (Some(_), _) => UNREADABLE,
        (None, true) => 1,
        (None, false) => 0,
    };
    let text = match format {
        Format::Text => card::render(
            &reading.diagnosed,
            reading.caller.arn.as_deref(),
            &incidents,
            style,
        ),
        Format::Html => html::render(
            &reading.diagnosed,
            reading.caller.arn.as_deref(),
            &incidents,
            now,
        ),
        Format::Json => {
            let source = SourceSummary {
                account: reading
                    .caller
                    .home
                    .account
                    .as_ref()
                    .map(ToString::to_string),
                region: Some(reading.caller.region.to_string()),
                ..SourceSummary::default()
            };
            let report = build::by_id(source, &reading.diagnosed, &incidents);
            let text = serde_json::to_string_pretty(&report);
            text.expect("strings, numbers and times always serialise") + "\n"
        }
    };
    Output {
        text,
        status,
        complaint: None,
    }
}
